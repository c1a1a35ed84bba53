"""`ringlined`, and `python -m ringlined`."""

from ringlined.commands.program import program


def main() -> None:
    program()


if __name__ == "__main__":
    main()
