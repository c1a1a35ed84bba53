"""The wire's words as TypeScript, for the web page: what `clients/web/src/protocol.ts` holds.

Made of the msgspec types, so it can say nothing else than the servers do. Values are as JSON carries
them: UUIDs as text, bytes as base64, times as UTC milliseconds.
"""

import enum
import inspect
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from msgspec import inspect as shapes

from ringline.protocol import limits, problems, resources, sfu
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.codec import SUBPROTOCOL_JSON

HEAD: Final = """\
// Written by `python -m signaling.describe docs/ clients/web/src/`; do not edit.
// Values are as JSON carries them: UUIDs as text, bytes as base64, times as UTC milliseconds.
"""
UNIONS: Final[dict[str, Any]] = {
    "AnySfuClientFrame": sfu.AnySfuClientFrame,
    "AnySfuServerFrame": sfu.AnySfuServerFrame,
}
_TEXT: Final = (shapes.StrType, shapes.UUIDType, shapes.BytesType)
_NUMBER: Final = (shapes.IntType, shapes.FloatType)


def typescript() -> str:
    """The whole module."""
    parts = [HEAD, *_constants(), *_close_codes(), *_problems(), *_unions(), *_declarations()]
    return "\n".join(parts)


def rest_bodies() -> list[type]:
    """Every REST body of `ringline.protocol.resources`."""
    found = inspect.getmembers(resources, inspect.isclass)
    bases = (resources.Request, resources.Resource)
    return [kind for _, kind in found if issubclass(kind, bases) and kind not in bases]


def _constants() -> Iterator[str]:
    yield f"export const SUBPROTOCOL = {json.dumps(SUBPROTOCOL_JSON)};"
    for name, value in vars(limits).items():
        if name.isupper():
            yield f"export const {name} = {json.dumps(value)};"
    yield ""


def _close_codes() -> Iterator[str]:
    yield "/** Why a connection was closed (RFC 6455 §7.4). */"
    yield "export const CloseCode = {"
    for code in CloseCode:
        yield f"  {code.name}: {code.value},"
    yield "} as const;"
    yield "/** Coming back cannot help. */"
    final = [code.value for code in CloseCode if code.final]
    yield f"export const FINAL_CLOSE_CODES: readonly number[] = {json.dumps(final)};"
    yield ""


def _problems() -> Iterator[str]:
    yield "/** Every problem a server may answer (RFC 9457): its `type`, and the title. */"
    yield "export const PROBLEMS = {"
    for problem in problems.ProblemType:
        yield f"  {json.dumps(problem.uri)}: {json.dumps(problem.title)},"
    yield "} as const;"
    yield "export type ProblemUri = keyof typeof PROBLEMS;"
    yield ""


def _unions() -> Iterator[str]:
    for name, union in UNIONS.items():
        members = [kind.__name__ for kind in union.__args__]
        yield f"export type {name} =\n  | " + "\n  | ".join(members) + ";"
        yield ""


def _declarations() -> Iterator[str]:
    """Of every type that the REST bodies and the frames are made of, by name."""
    seen: dict[str, type] = {}
    roots = [*rest_bodies(), *(kind for u in UNIONS.values() for kind in u.__args__)]
    for kind in shapes.multi_type_info([*roots, problems.Problem]):
        _collect(kind, seen)
    for _, found in sorted(seen.items()):
        yield from _enum(found) if issubclass(found, enum.Enum) else _interface(found)
        yield ""


def _collect(kind: shapes.Type, seen: dict[str, type]) -> None:
    kind = _bare(kind)
    if isinstance(kind, shapes.EnumType | shapes.StructType):
        known = seen.setdefault(kind.cls.__name__, kind.cls)
        if known is not kind.cls:
            raise ValueError(f"two types are called {kind.cls.__name__}")
    for part in _parts(kind):
        _collect(part, seen)


def _parts(kind: shapes.Type) -> Iterable[shapes.Type]:
    if isinstance(kind, shapes.StructType):
        return [field.type for field in kind.fields]
    if isinstance(kind, shapes.UnionType):
        return kind.types
    if isinstance(kind, shapes.ListType):
        return [kind.item_type]
    if isinstance(kind, shapes.DictType):
        return [kind.key_type, kind.value_type]
    return []


def _enum(kind: type[enum.Enum]) -> Iterator[str]:
    yield from _comment(kind, "")
    values = " | ".join(json.dumps(member.value) for member in kind)
    yield f"export type {kind.__name__} = {values};"


def _interface(kind: type) -> Iterator[str]:
    info = shapes.type_info(kind)
    assert isinstance(info, shapes.StructType)
    yield from _comment(kind, "")
    yield f"export interface {kind.__name__} {{"
    if info.tag_field is not None:
        yield f"  {info.tag_field}: {json.dumps(info.tag)};"
    config = kind.__struct_config__  # type: ignore[attr-defined]  # of every msgspec.Struct
    # Senders may leave out what has a default; servers do so only where they say so.
    may_omit = config.forbid_unknown_fields or config.omit_defaults
    for field in info.fields:
        mark = "?" if may_omit and not field.required else ""
        yield f"  {field.encode_name}{mark}: {name_of(field.type)};"
    yield "}"


def name_of(kind: shapes.Type) -> str:
    """The TypeScript of one type. Raise ValueError for one that the wire does not use."""
    kind = _bare(kind)
    if isinstance(kind, shapes.EnumType | shapes.StructType):
        return kind.cls.__name__
    if isinstance(kind, shapes.UnionType):
        return " | ".join(name_of(part) for part in kind.types)
    if isinstance(kind, shapes.ListType):
        item = name_of(kind.item_type)
        return f"({item})[]" if " " in item else f"{item}[]"
    if isinstance(kind, shapes.DictType):
        return f"Record<{name_of(kind.key_type)}, {name_of(kind.value_type)}>"
    return _scalar(kind)


def _scalar(kind: shapes.Type) -> str:
    if isinstance(kind, _TEXT):
        return "string"
    if isinstance(kind, _NUMBER):
        return "number"
    if isinstance(kind, shapes.BoolType):
        return "boolean"
    if isinstance(kind, shapes.NoneType):
        return "null"
    raise ValueError(f"no TypeScript for {kind}")


def _bare(kind: shapes.Type) -> shapes.Type:
    while isinstance(kind, shapes.Metadata):
        kind = kind.type
    return kind


def _comment(kind: type, indent: str) -> Iterator[str]:
    # A class without its own docstring inherits one that is about something else.
    text = inspect.cleandoc(kind.__doc__) if "__doc__" in vars(kind) and kind.__doc__ else ""
    lines = text.splitlines()
    if len(lines) == 1:
        yield f"{indent}/** {lines[0]} */"
    elif lines:
        yield f"{indent}/**"
        yield from (f"{indent} * {line}".rstrip() for line in lines)
        yield f"{indent} */"
