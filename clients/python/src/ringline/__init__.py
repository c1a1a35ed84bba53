"""Ringline: calls and messages, for Python."""
