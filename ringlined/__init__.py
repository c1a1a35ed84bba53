"""The door: composition root, supervisor and operator's command."""
