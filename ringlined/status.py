"""The note that a running stack leaves in its data directory, so that others find it."""

import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

NAME: Final = "ringlined.json"


class Status(Struct, frozen=True, kw_only=True):
    supervisor: int
    """Process id of `ringlined up`."""
    roles: dict[str, int]
    """Process ids; empty when everything runs in the supervisor's own process."""
    url: str
    admin_url: str
    """The gateway's."""
    admin_urls: dict[str, str]
    """Health and metrics by role."""
    media: dict[str, str]
    """`host:port` of the UDP sockets, by role."""
    redis: str
    """URL of the private Redis; empty when one is configured, or none is used."""
    config_file: str
    """Empty: the defaults."""
    lan: bool
    ready: bool
    """Every role has been ready."""


def write_status(data: Path, status: Status) -> None:
    """Whole or not at all for whoever reads it meanwhile."""
    draft = data / f".{NAME}.{os.getpid()}"
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(status), indent=2) + b"\n")
    draft.replace(data / NAME)


def read_status(data: Path) -> Status | None:
    """None when no stack runs on this data directory."""
    try:
        status = msgspec.json.decode((data / NAME).read_bytes(), type=Status)
        os.kill(status.supervisor, 0)
    except (OSError, msgspec.MsgspecError):
        return None
    return status


def remove_status(data: Path) -> None:
    (data / NAME).unlink(missing_ok=True)
