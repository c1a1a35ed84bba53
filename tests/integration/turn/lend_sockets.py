"""Run inside a network namespace: opens sockets there and hands them out over a Unix socket.

Usage: `lend_sockets.py FD`. A request is one JSON array `[family, type, protocol, host or null, port]`;
the answer is `ok` with the descriptor, or why not. Ends when the other side closes.
"""

import json
import socket
import sys
from contextlib import closing

REQUEST_BYTES_MAX = 4096


def main(descriptor: int) -> None:
    with closing(socket.socket(fileno=descriptor)) as asker:
        asker.send(b"ready")
        while request := asker.recv(REQUEST_BYTES_MAX):
            try:
                lent = open_socket(*json.loads(request))
            except OSError as error:
                asker.send(str(error).encode())
                continue
            with lent:
                socket.send_fds(asker, [b"ok"], [lent.fileno()])


def open_socket(
    family: int, kind: int, protocol: int, host: str | None, port: int
) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        if family == socket.AF_INET6 and host is not None and host != "::":
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if host is not None:
            made.bind((host, port))
        if kind == socket.SOCK_STREAM and host is not None:
            made.listen()
    except OSError:
        made.close()
        raise
    return made


if __name__ == "__main__":
    main(int(sys.argv[1]))
