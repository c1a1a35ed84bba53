"""The process that loads a relay: one JSON order a line on standard input, one line in answer.

`python -m loadtest.relay_generator`. It stands apart from the relay so that each one's CPU is its own.
"""

import sys
import time

import msgspec

from loadtest.generator import raise_file_limit
from loadtest.relay_flows import Counts, Flows
from loadtest.turn_wire import Signer


class RelayOrder(msgspec.Struct, frozen=True, tag_field="order", kw_only=True):
    pass


class Use(RelayOrder, tag="use", frozen=True, kw_only=True):
    """The first order: which relay, and as whom."""

    host: str
    port: int
    username: str
    password: str


class Allocate(RelayOrder, tag="allocate", frozen=True, kw_only=True):
    """So many more allocations; the first `bound` of all get a peer and a channel."""

    count: int
    at_a_time: int = 8
    bound: int = 0


class Release(RelayOrder, tag="release", frozen=True, kw_only=True):
    """End them all."""


class SaturateRelay(RelayOrder, tag="saturate", frozen=True, kw_only=True):
    seconds: float
    window: int
    payload_bytes: int


class PaceRelay(RelayOrder, tag="pace", frozen=True, kw_only=True):
    seconds: float
    rate_per_s: float
    payload_bytes: int


AnyRelayOrder = Use | Allocate | Release | SaturateRelay | PaceRelay


class RelayTally(msgspec.Struct, frozen=True, kw_only=True):
    """What an order came to; packets of both directions, `cpu_s` of the generator itself."""

    allocations_per_s: float = 0.0
    sent: int = 0
    relayed: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0


class RelayGenerator:
    def __init__(self, order: Use) -> None:
        self._flows = Flows((order.host, order.port), Signer(order.username, order.password))

    def obey(self, order: AnyRelayOrder) -> RelayTally:
        """Raise Refused or TimeoutError."""
        burnt = time.process_time()
        counts, per_s = Counts(), 0.0
        if isinstance(order, Allocate):
            per_s = self._flows.allocate(order.count, order.at_a_time)
            if order.bound:
                self._flows.bind(order.bound)
        elif isinstance(order, Release):
            self._flows.release()
        elif isinstance(order, SaturateRelay):
            counts = self._flows.saturate(order.seconds, order.window, order.payload_bytes)
        elif isinstance(order, PaceRelay):
            counts = self._flows.pace(order.seconds, order.rate_per_s, order.payload_bytes)
        return RelayTally(
            allocations_per_s=per_s,
            sent=counts.sent,
            relayed=counts.relayed,
            seconds=counts.seconds,
            cpu_s=time.process_time() - burnt,
        )

    def close(self) -> None:
        self._flows.close()


def serve() -> None:
    decoder: msgspec.json.Decoder[AnyRelayOrder] = msgspec.json.Decoder(AnyRelayOrder)
    generator: RelayGenerator | None = None
    for line in sys.stdin.buffer:
        order = decoder.decode(line)
        if isinstance(order, Use):
            generator = RelayGenerator(order)
            tally = RelayTally()
        elif generator is None:
            raise ValueError("the first order must be which relay to use")
        else:
            tally = generator.obey(order)
        sys.stdout.buffer.write(msgspec.json.encode(tally) + b"\n")
        sys.stdout.buffer.flush()
    if generator is not None:
        generator.close()


if __name__ == "__main__":
    raise_file_limit()
    serve()
