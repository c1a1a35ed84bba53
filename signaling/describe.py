"""Writes the wire's documents: `python -m signaling.describe docs/ clients/web/src/`."""

import json
import sys
from pathlib import Path

from signaling.asyncapi import asyncapi_document
from signaling.openapi import openapi_document
from signaling.typescript import typescript


def documents() -> dict[str, str]:
    """File names and their text, for docs/."""
    return {
        "asyncapi.json": _text(asyncapi_document()),
        "openapi.json": _text(openapi_document()),
    }


def sources() -> dict[str, str]:
    """File names and their text, for the web page."""
    return {"protocol.ts": typescript()}


def _text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(folder: str, web: str | None = None) -> None:
    """`web`: where the page's sources are, if it is to be written for, too."""
    written = {Path(folder): documents()}
    if web is not None:
        written[Path(web)] = sources()
    for place, texts in written.items():
        for name, text in texts.items():
            (place / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
