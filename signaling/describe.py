"""Writes the wire's documents: `python -m signaling.describe docs/`."""

import json
import sys
from pathlib import Path

from signaling.asyncapi import asyncapi_document
from signaling.openapi import openapi_document


def documents() -> dict[str, str]:
    """File names and their text."""
    return {
        "asyncapi.json": _text(asyncapi_document()),
        "openapi.json": _text(openapi_document()),
    }


def _text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(folder: str) -> None:
    for name, text in documents().items():
        (Path(folder) / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
