"""This machine's address on its network."""

import socket
from typing import Final

_ELSEWHERE: Final = ("192.0.2.1", 9)
"""Of a block that is nobody's (RFC 5737): asked for a way there, the system names its own address."""


def lan_address() -> str | None:
    """None: no way leads out. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(_ELSEWHERE)
        except OSError:
            return None
        return str(probe.getsockname()[0])
