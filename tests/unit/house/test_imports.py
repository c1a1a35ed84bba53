"""The arrows of docs/architecture.md. Every rule is also shown to catch a planted violation."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import grimp
import pytest
from importlinter.application.use_cases import read_user_options
from importlinter.configuration import configure
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

ROOT: Final = Path(__file__).resolve().parents[3]
ROOT_PACKAGES: Final = (
    "ringlined", "signaling", "messaging", "sfu", "turn", "backplane", "ringline", "loadtest",
)  # fmt: skip
SERVERS: Final = ("ringlined", "signaling", "messaging", "sfu", "turn", "backplane")
CONTRACT_TYPES: Final[dict[str, Any]] = {"layers": LayersContract, "forbidden": ForbiddenContract}

PLANTED: Final = {
    "arrows": ("messaging", "signaling"),
    "clients-apart": ("ringline.protocol.frames", "backplane.errors"),
    "servers-serve": ("signaling.settings", "loadtest"),
    "stores": ("signaling.settings", "redis"),
    "device-store": ("ringline.protocol.frames", "sqlalchemy"),
    "media": ("signaling.settings", "aiortc"),
    "sfu-sealed": ("sfu.settings", "av"),
    "relay-apart": ("turn.settings", "messaging"),
    "door": ("signaling.settings", "typer"),
    "protocol": ("ringline.protocol.frames", "aiohttp"),
}
"""Contract: an import that breaks it."""

ADAPTERS: Final = {
    "redis": re.compile(r"redis"),
    "sqlalchemy": re.compile(r"sql|migrations|_tables"),
    "sqlite3": re.compile(r"sql|migrations"),
    "aiosqlite": re.compile(r"sql|migrations"),
    "alembic": re.compile(r"sql|migrat|alembic"),
}
"""Library: what the path of a module that imports it must match."""

EFFECTS: Final = frozenset(
    [
        "aiohttp",
        "asyncio",
        "concurrent",
        "multiprocessing",
        "queue",
        "random",
        "secrets",
        "selectors",
        "signal",
        "socket",
        "ssl",
        "subprocess",
        "threading",
        "time",
        "uvloop",
    ]
)
EFFECT_NAMES: Final = frozenset(["urandom", "uuid4", "uuid7", "utcnow", "monotonic", "getrandom"])
EFFECT_FILES: Final = re.compile(
    r"^ringlined/"
    r"|^clients/python/src/ringline/(media|command)/"
    r"|/net/"
    r"|/(app|memory|__main__)\.py$"
    r"|/[a-z0-9_]*(redis|sqlite|sql|memory|asyncio|aiohttp|log|system)(_[a-z0-9_]+)?\.py$"
)
"""net/ folders, adapters (named for a technology), app.py, the doors, and the SDK's media/, whose
every file is an adapter to aiortc or av."""


@pytest.fixture(scope="module")
def options() -> Any:
    configure()
    return read_user_options(str(ROOT / "pyproject.toml"))


@pytest.fixture(scope="module")
def pristine() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOT_PACKAGES, include_external_packages=True, cache_dir=None)


@pytest.fixture
def graph(pristine: grimp.ImportGraph) -> grimp.ImportGraph:
    """A copy that a test may plant an import into."""
    copy = grimp.ImportGraph()
    for module in pristine.modules:
        copy.add_module(module, is_squashed=pristine.is_module_squashed(module))
    for importer in pristine.modules:
        for imported in pristine.find_modules_directly_imported_by(importer):
            copy.add_import(importer=importer, imported=imported)
    return copy


def contract(options: Any, name: str) -> Any:
    [found] = [found for found in options.contracts_options if found["id"] == name]
    return CONTRACT_TYPES[found["type"]](
        name=found["name"], session_options=options.session_options, contract_options=found
    )


def plant(graph: grimp.ImportGraph, importer: str, imported: str) -> None:
    if imported not in graph.modules:
        graph.add_module(imported, is_squashed=True)
    graph.add_import(importer=importer, imported=imported, line_number=1, line_contents="planted")


def test_every_contract_has_a_planted_violation(options: Any) -> None:
    assert {found["id"] for found in options.contracts_options} == set(PLANTED)


@pytest.mark.parametrize("name", PLANTED)
def test_contract_is_kept(options: Any, graph: grimp.ImportGraph, name: str) -> None:
    check = contract(options, name).check(graph, verbose=False)
    assert check.kept, check.metadata


@pytest.mark.parametrize("name", PLANTED)
def test_contract_catches_a_violation(options: Any, graph: grimp.ImportGraph, name: str) -> None:
    plant(graph, *PLANTED[name])
    assert not contract(options, name).check(graph, verbose=False).kept


def beyond_protocol(graph: grimp.ImportGraph) -> list[tuple[str, str]]:
    """Imports of the SDK by servers, other than of `ringline.protocol`."""
    return [
        (importer, imported)
        for importer in sorted(graph.modules)
        if importer.split(".")[0] in SERVERS
        for imported in graph.find_modules_directly_imported_by(importer)
        if imported.split(".")[0] == "ringline"
        and imported.split(".")[:2] != ["ringline", "protocol"]
    ]


def test_servers_import_the_protocol_alone(graph: grimp.ImportGraph) -> None:
    assert beyond_protocol(graph) == []
    plant(graph, "messaging", "ringline")
    assert beyond_protocol(graph) == [("messaging", "ringline")]


def outside_adapters(graph: grimp.ImportGraph) -> list[tuple[str, str]]:
    return sorted(
        (importer, library)
        for library, place in ADAPTERS.items()
        if library in graph.modules
        for importer in graph.find_modules_that_directly_import(library)
        if not (importer.startswith(("backplane.", "ringline.client.")) and place.search(importer))
        and not importer.startswith("loadtest")
    )


def test_store_clients_are_imported_by_their_adapters_alone(graph: grimp.ImportGraph) -> None:
    assert outside_adapters(graph) == []
    plant(graph, "backplane.errors", "redis")
    plant(graph, "backplane.errors", "sqlite3")
    assert outside_adapters(graph) == [
        ("backplane.errors", "redis"),
        ("backplane.errors", "sqlite3"),
    ]


def cyclic_modules(graph: grimp.ImportGraph) -> set[str]:
    """What is left after taking away, again and again, modules that nothing left imports, and
    modules that import nothing left: the cycles and the paths between them."""
    left = set(graph.modules)
    while True:
        ends = {
            module
            for module in left
            if not (graph.find_modules_directly_imported_by(module) & left)
            or not (graph.find_modules_that_directly_import(module) & left)
        }
        if not ends:
            return left
        left -= ends


def test_no_import_cycles(graph: grimp.ImportGraph) -> None:
    assert cyclic_modules(graph) == set()
    plant(graph, "ringline.protocol.types", "ringline.protocol.frames")
    assert {"ringline.protocol.types", "ringline.protocol.frames"} <= cyclic_modules(graph)


def effects(source: str) -> list[str]:
    """What a module's source imports or names that a sans-IO core is given instead."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in EFFECTS]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found += [node.module] if node.module.split(".")[0] in EFFECTS else []
            found += [alias.name for alias in node.names if alias.name in EFFECT_NAMES]
        elif isinstance(node, ast.Attribute) and node.attr in EFFECT_NAMES:
            found.append(node.attr)
    return found


def sources() -> Iterable[Path]:
    for place in (*SERVERS, "clients/python/src/ringline"):
        yield from (ROOT / place).rglob("*.py")


def test_effects_stay_at_the_edge() -> None:
    strays = {
        name: found
        for path in sources()
        if not EFFECT_FILES.search(name := path.relative_to(ROOT).as_posix())
        if (found := effects(path.read_text()))
    }
    assert strays == {}


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio",
        "import asyncio.subprocess as x",
        "from time import monotonic_ns",
        "def f():\n    import socket",
        "import os\nos.urandom(1)",
        "from os import urandom",
        "import uuid\nuuid.uuid4()",
    ],
)
def test_planted_effect_is_found(source: str) -> None:
    assert effects(source)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("signaling/net/connection.py", True),
        ("signaling/app.py", True),
        ("messaging/code_sender_log.py", True),
        ("backplane/storage/device_queues_sqlite.py", True),
        ("backplane/registry/memory.py", True),
        ("messaging/mailbox.py", False),
        ("signaling/session.py", False),
        ("messaging/login.py", False),
        ("clients/python/src/ringline/client/outbox.py", False),
    ],
)
def test_edge_is_known_by_file_name(name: str, allowed: bool) -> None:
    assert bool(EFFECT_FILES.search(name)) is allowed


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has loaded after `statement`."""
    script = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return set(result.stdout.split())


def test_protocol_loads_nothing_heavy() -> None:
    bare = loaded_by("pass")
    others = loaded_by("import ringline.protocol.codec") - bare - set(sys.stdlib_module_names)
    assert others - {"typing_extensions"} == {"msgspec", "ringline"}  # msgspec takes it if there


def test_import_ringline_loads_nothing_heavy() -> None:
    loaded = loaded_by("import ringline") - loaded_by("pass")
    assert not loaded & {"aiohttp", "aiortc", "av", "numpy", "typer", "rich", "msgspec", "asyncio"}


@pytest.mark.parametrize("role", ["ringlined.embedded", "signaling.app", "messaging.app"])
def test_servers_load_nothing_of_the_sdk_but_the_protocol(role: str) -> None:
    script = (
        f"import {role}, sys\n"
        "print(*[name for name in sys.modules if name.startswith('ringline.')"
        " and not name.startswith('ringline.protocol')])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stdout.split() == []
