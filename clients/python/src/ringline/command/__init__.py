"""The command `ringline`: what a person does, from a terminal or a script."""
