import enum
import json
import re
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
import pytest
from msgspec import inspect as shapes

from ringline.protocol import limits, resources, sfu
from ringline.protocol.close_codes import CloseCode
from ringline.protocol.problems import ProblemType
from signaling.describe import main, sources
from signaling.typescript import name_of, rest_bodies, typescript

WEB = Path(__file__).parents[3] / "clients" / "web" / "src"


@pytest.mark.parametrize("name", sorted(sources()))
def test_the_page_has_the_current_words(name: str) -> None:
    written = (WEB / name).read_text(encoding="utf-8")
    assert written == sources()[name], (
        "stale: run python -m signaling.describe docs/ clients/web/src/"
    )


def test_it_writes_where_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "web").mkdir()
    main(str(tmp_path / "docs"), str(tmp_path / "web"))
    assert {path.name for path in (tmp_path / "web").iterdir()} == set(sources())


def declaration(name: str) -> str:
    """The lines of an interface, without its braces."""
    match = re.search(rf"^export interface {name} \{{\n(.*?)^\}}", typescript(), re.M | re.S)
    assert match is not None, name
    return match[1]


def union_members(name: str) -> set[str]:
    match = re.search(rf"^export type {name} =\n(.*?);", typescript(), re.M | re.S)
    assert match is not None
    return set(re.findall(r"\| (\w+)", match[1]))


def test_every_rest_body_and_frame_is_declared() -> None:
    kinds = [*rest_bodies(), *sfu.AnySfuClientFrame.__args__, *sfu.AnySfuServerFrame.__args__]
    assert resources.JoinTicket in kinds
    for kind in kinds:
        assert declaration(kind.__name__)
    for union in ("AnySfuClientFrame", "AnySfuServerFrame"):
        assert union_members(union) == {kind.__name__ for kind in getattr(sfu, union).__args__}


def test_a_frame_says_its_type_and_what_may_be_left_out() -> None:
    assert declaration("Offer").splitlines() == [
        '  type: "offer";',
        "  ref?: number;",
        "  sdp: string;",
        "  publish?: Record<string, Publication>;",
        "  subscribe?: Record<string, string>;",
    ]


def test_servers_leave_out_only_what_problems_do() -> None:
    assert "  detail?: string | null;" in declaration("Problem")
    assert "?" not in declaration("Joined")
    assert "  link_token?: string | null;" in declaration("NewJoinTicket")


def test_what_is_declared_is_what_is_sent() -> None:
    """The field names of a real frame are those of its interface."""
    frame = sfu.TrackMuted(participant="p1", track="t1", muted=True)
    sent = json.loads(msgspec.json.encode(frame))
    declared = dict(re.findall(r"^  (\w+): (.*);$", declaration("TrackMuted"), re.M))
    assert declared.keys() == sent.keys()
    assert json.loads(declared["type"]) == sent["type"]


def test_limits_codes_and_problems_are_there() -> None:
    text = typescript()
    assert f"export const FRAME_BYTES_MAX = {limits.FRAME_BYTES_MAX};" in text
    for code in CloseCode:
        assert f"  {code.name}: {code.value}," in text
    for problem in ProblemType:
        assert f'  "{problem.uri}": ' in text


class Colour(enum.Enum):
    RED = "red"


class Both(msgspec.Struct):
    one: int


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (str, "string"),
        (UUID, "string"),
        (bytes, "string"),
        (float, "number"),
        (Annotated[int, msgspec.Meta(ge=1, description="counted")], "number"),
        (bool, "boolean"),
        (int | None, "number | null"),
        (list[int | None], "(number | null)[]"),
        (list[Both], "Both[]"),
        (dict[str, Colour], "Record<string, Colour>"),
    ],
)
def test_types_by_name(kind: object, text: str) -> None:
    assert name_of(shapes.type_info(kind)) == text


def test_what_the_wire_does_not_use_is_refused() -> None:
    with pytest.raises(ValueError, match="no TypeScript"):
        name_of(shapes.type_info(complex | None))


def test_two_types_of_one_name_are_refused() -> None:
    from signaling.typescript import _collect  # the check that guards the whole module

    first = msgspec.defstruct("Twin", [("a", int)])
    second = msgspec.defstruct("Twin", [("b", int)])
    seen: dict[str, type] = {}
    _collect(shapes.type_info(first), seen)
    with pytest.raises(ValueError, match="Twin"):
        _collect(shapes.type_info(second), seen)
