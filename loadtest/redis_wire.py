"""One question to a Redis by hand: its client library is for backplane/ adapters alone."""

import asyncio
from pathlib import Path
from typing import Final

ANSWER_TIMEOUT_S: Final = 10.0


async def ask_redis(path: Path, command: str) -> str:
    """The answer to an inline command: a bulk string's content, or the line with its mark (`+OK`, `:3`).

    Raise TimeoutError, OSError, asyncio.IncompleteReadError.
    """
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        reader, writer = await asyncio.open_unix_connection(str(path))
        try:
            writer.write(command.encode() + b"\r\n")
            line = (await reader.readuntil(b"\r\n"))[:-2]
            if line.startswith(b"$"):
                return (await reader.readexactly(int(line[1:]))).decode()
            return line.decode()
        finally:
            writer.close()
