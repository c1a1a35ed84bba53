"""Every wire message of Ringline, once, as typed structs. Imports nothing but msgspec."""
