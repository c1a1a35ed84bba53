"""`ringlined demo`: what the stack does, done by the `ringline` program as a person would."""
