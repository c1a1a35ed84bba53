"""JSON schemas of the wire structs, as both documents carry them."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

REFERENCE: Final = "#/components/schemas/{name}"


def schemas_of(
    types: Iterable[Any], prefix: str = ""
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """One schema per type (mostly a reference), and the components they refer to, by name; `prefix` is
    put before every name."""
    template = REFERENCE.replace("{name}", prefix + "{name}")
    listed, components = msgspec.json.schema_components(list(types), ref_template=template)
    return list(listed), {prefix + name: components[name] for name in sorted(components)}
