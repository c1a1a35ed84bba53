"""JSON schemas of the wire structs, as both documents carry them."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

REFERENCE: Final = "#/components/schemas/{name}"


def schemas_of(types: Iterable[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """One schema per type (mostly a reference), and the components they refer to, by name."""
    listed, components = msgspec.json.schema_components(list(types), ref_template=REFERENCE)
    return list(listed), dict(sorted(components.items()))
