"""Two network namespaces joined by a virtual cable: the relay's machine, and everybody else's.

Their addresses are public ones, so that the relay runs with the peer rules of production; nothing
leaves them. Needs `unshare`, `nsenter` (util-linux) and `ip` (iproute2), no privileges.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

NODE: Final = "11.0.0.1"
NODE_6: Final = "2600:a::1"
NODE_PRIVATE: Final = "10.9.0.1"
"""The relay's machine has it too: a private network behind it."""
NODE_SECOND: Final = "11.0.0.3"
"""A second public address of the relay's machine, which the relay does not listen on."""
WORLD: Final = "11.0.0.2"
WORLD_6: Final = "2600:a::2"
WORLD_NET: Final = "11.1.0.0/16"
"""All of it is the world's own: any address in it can be bound, and is a source of its own."""
TIMEOUT_S: Final = 20.0
_LENDER: Final = Path(__file__).with_name("lend_sockets.py")


class Namespace:
    """Made by `networks()`."""

    def __init__(self, command: list[str]) -> None:
        self._asker, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._asker.settimeout(TIMEOUT_S)
        with closing(theirs):
            self._process = subprocess.Popen(
                [*command, sys.executable, str(_LENDER), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
            )
        assert self._asker.recv(16) == b"ready", f"no namespace by {command}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def inside(self, *command: str) -> list[str]:
        """`command`, to be run in here."""
        enter = ["nsenter", "--target", str(self.pid), "--user", "--net", "--preserve-credentials"]
        return [*enter, "--", *command]

    def ip(self, text: str) -> None:
        subprocess.run(self.inside("ip", *text.split()), check=True, timeout=TIMEOUT_S)

    def socket(
        self,
        host: str | None,
        port: int = 0,
        kind: int = socket.SOCK_DGRAM,
        protocol: int = 0,
    ) -> socket.socket:
        """Bound in here, or unbound without `host`; non-blocking. Raise OSError."""
        family = socket.AF_INET6 if host is not None and ":" in host else socket.AF_INET
        self._asker.send(json.dumps([family, kind, protocol, host, port]).encode())
        said, descriptors, _, _ = socket.recv_fds(self._asker, 256, 1)
        if said != b"ok":
            raise OSError(f"{host} port {port}: {said.decode()}")
        lent = socket.socket(fileno=descriptors[0])
        lent.setblocking(False)
        return lent

    def end(self) -> None:
        self._asker.close()
        try:
            self._process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Networks:
    """`node`: where the relay runs. `world`: clients and peers."""

    def __init__(self, node: Namespace, world: Namespace) -> None:
        self.node = node
        self.world = world


@contextmanager
def networks() -> Iterator[Networks]:
    node = Namespace(["unshare", "--net", "--map-root-user"])
    try:
        enter = ["nsenter", "--target", str(node.pid), "--user", "--preserve-credentials", "--"]
        world = Namespace([*enter, "unshare", "--net"])
        try:
            _join(node, world)
            yield Networks(node, world)
        finally:
            world.end()
    finally:
        node.end()


def _join(node: Namespace, world: Namespace) -> None:
    node.ip(f"link add cable type veth peer name cable netns {world.pid}")
    for namespace, host, host_6 in ((node, NODE, NODE_6), (world, WORLD, WORLD_6)):
        namespace.ip("link set lo up")
        namespace.ip("link set cable txqueuelen 10000")
        namespace.ip(f"addr add {host}/24 dev cable")
        namespace.ip("link set cable up")
        namespace.ip(f"addr add {host_6}/64 dev cable nodad")
    node.ip(f"addr add {NODE_PRIVATE}/32 dev lo")
    node.ip(f"addr add {NODE_SECOND}/32 dev lo")
    node.ip(f"route add {WORLD_NET} via {WORLD}")
    world.ip(f"addr add {WORLD_NET.replace('.0.0/', '.0.1/')} dev lo")
    world.ip(f"route add {NODE_SECOND}/32 via {NODE}")
