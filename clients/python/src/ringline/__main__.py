"""`ringline`, and `python -m ringline`."""

import sys


def main() -> None:
    try:
        from ringline.command.program import program  # noqa: PLC0415
    except ImportError as error:
        sys.stderr.write(f"ringline: {error.name} is missing: pip install 'ringline[all]'\n")
        sys.exit(1)
    program()


if __name__ == "__main__":
    main()
