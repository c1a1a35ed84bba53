"""The default configuration as a commented TOML file, made from the settings and their docstrings.

The text after a field is its comment, so that a key is described in one place only. Python drops
that text at run time; it is read from the modules' source, which the wheel carries.
"""

import ast
import inspect
import itertools
import json
import textwrap
from typing import Any, Final

import msgspec
from msgspec import Struct

from ringlined.config import Config

WIDTH: Final = 96
HEAD: Final = """\
# Ringline's configuration. Every key is optional and stands here with its default.
# Any text may be a reference instead: "env:NAME" or "file:/run/secrets/name".
# `#key = value` is a key at its default: take the # away to change it.
# Check a file with `ringlined config --check FILE`.
"""


def default_text() -> str:
    """A file that reads back as the defaults; every key is commented out but `environment`."""
    parts = [HEAD]
    tables = []
    for field in msgspec.structs.fields(Config):
        if isinstance(field.default, Struct):
            tables.append(_table(field.name, field.default))
        else:
            parts.append(_key(field.name, field.default, _comments(Config).get(field.name), ""))
    return "\n".join([*parts, *tables])


def _table(name: str, settings: Struct) -> str:
    comments = _comments(type(settings))
    lines, inner = [f"[{name}]\n"], []
    for field in msgspec.structs.fields(settings):
        value = getattr(settings, field.name)
        if isinstance(value, Struct):
            inner.append(_table(f"{name}.{field.name}", value))
        else:
            lines.append(_key(field.name, value, comments.get(field.name), "#"))
    return "\n".join([*lines, *inner])


def _key(name: str, value: Any, comment: str | None, mark: str) -> str:
    text = " ".join((comment or "").split())
    lines = [f"# {line}" for line in textwrap.wrap(text, WIDTH)]
    return "\n".join([*lines, f"{mark}{name} = {_toml(value)}"]) + "\n"


def _toml(value: Any) -> str:
    """Of the kinds of value that settings have. JSON's text is TOML's basic string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple | frozenset | set):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_toml(k)} = {_toml(v)}' for k, v in value.items())}}}"
    if isinstance(value, int | float):
        return repr(value)
    raise AssertionError(f"no TOML for {type(value).__name__}")


def _comments(kind: type) -> dict[str, str]:
    """Field name: the string that stands below it in the class body."""
    [body] = [
        node.body
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(kind))))
        if isinstance(node, ast.ClassDef)
    ]
    found = {}
    for field, text in itertools.pairwise(body):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[field.target.id] = str(text.value.value)
    return found
