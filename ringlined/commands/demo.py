"""`ringlined demo`."""


def demo() -> None:
    """placeholder"""
