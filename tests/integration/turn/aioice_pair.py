"""Run inside a namespace: two of aioice's TURN clients send each other a message through the relay.

Usage: `aioice_pair.py HOST PORT COUNT USERNAME PASSWORD USERNAME PASSWORD`. Exits 0 when all arrived.
"""

import asyncio
import sys

from aioice.turn import create_turn_endpoint

TIMEOUT_S = 20.0


class End(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.arrived: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.arrived.put_nowait((data, addr))


async def main(server: tuple[str, int], count: int, credentials: list[str]) -> None:
    made = [
        await create_turn_endpoint(
            End, server_addr=server, username=username, password=password, transport="udp"
        )
        for username, password in zip(credentials[::2], credentials[1::2], strict=True)
    ]
    (ann, to_ann), (bob, to_bob) = [
        (transport, transport.get_extra_info("sockname")) for transport, _ in made
    ]
    # The first of each makes the channel and its permission; it may come before the other's.
    ann.sendto(b"hello", to_bob)
    bob.sendto(b"hello", to_ann)
    at_ann, at_bob = (end for _, end in made)
    async with asyncio.timeout(TIMEOUT_S):
        for number in range(count):
            text = b"%d" % number
            while True:
                ann.sendto(text, to_bob)
                try:
                    async with asyncio.timeout(0.5):
                        while (arrived := await at_bob.arrived.get())[0] != text:
                            pass
                    break
                except TimeoutError:
                    continue
            assert arrived == (text, to_ann), arrived
            bob.sendto(text, to_ann)
            while (arrived := await at_ann.arrived.get())[0] != text:
                pass
            assert arrived == (text, to_bob), arrived
    for transport in (ann, bob):
        transport.close()
    await asyncio.sleep(0.2)
    print("all arrived")


if __name__ == "__main__":
    host, port, number, *names = sys.argv[1:]
    asyncio.run(main((host, int(port)), int(number), names))
