"""A private redis-server: on a unix socket, without a port, keeping nothing on disk.

Redis holds only what comes again by itself, so it writes no files; and it must refuse rather than
forget (`noeviction`), since a forgotten limit or fence would be a wrong answer.
"""

import asyncio
import shutil
from pathlib import Path
from typing import Final

MEMORY_MIB_MAX: Final = 256
ANSWER_DEADLINE_S: Final = 1.0


def find_redis() -> str | None:
    return shutil.which("redis-server")


def redis_command(program: str, socket: Path, log_file: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(socket.parent),
        "save": "",
        "appendonly": "no",
        "maxmemory": f"{MEMORY_MIB_MAX}mb",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
        "logfile": str(log_file),
    }
    return [program, *(part for key, value in options.items() for part in (f"--{key}", value))]


async def redis_answers(socket: Path) -> bool:
    """One PING, spoken by hand: the client library belongs to the backplane."""
    try:
        async with asyncio.timeout(ANSWER_DEADLINE_S):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(b"PING\r\n")
                return await reader.readline() == b"+PONG\r\n"
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
