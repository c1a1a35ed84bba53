"""What the demo and the doctor share: the stack in real use, by the `ringline` program, in steps."""
