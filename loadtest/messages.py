"""200 connections in pairs, 300-byte bodies, durable, acknowledged both ways.

Two kinds of window take turns: *saturated* (every connection keeps WINDOW sends unanswered: what the
server can do, and what a message costs it) and *paced* (PACED_PER_S in all: what a person waits). A
message counts when its `sent` came, its recipient showed and acknowledged it, and the receipt is back.
"""

from dataclasses import dataclass

from loadtest.enrolment import enrol, numbers
from loadtest.figures import Figure, Measured, percentile
from loadtest.fleet import Fleet
from loadtest.generator import Connect, Pace, Saturate, Tally
from loadtest.scenario import Burnt, Ground, Meter, Options, ground
from loadtest.wire import open_http

CONNECTIONS = 200
BODY_BYTES = 300
WINDOW = 2
PACED_PER_S = 200.0
WINDOWS = 5
WARM_UP_S = 2.0


@dataclass(frozen=True, slots=True)
class Window:
    tallies: list[Tally]
    burnt: Burnt

    @property
    def messages(self) -> int:
        return sum(tally.messages for tally in self.tallies)

    @property
    def per_s(self) -> float:
        return self.messages / max(tally.elapsed_s for tally in self.tallies)

    def per_message_us(self, seconds: float) -> float:
        return seconds / self.messages * 1e6

    @property
    def generator_s(self) -> float:
        return sum(tally.cpu_s for tally in self.tallies)

    @property
    def busiest_generator(self) -> float:
        """Share of one core."""
        return max(tally.cpu_s / tally.elapsed_s for tally in self.tallies)

    def latency_ms(self, name: str, share: float) -> float:
        return percentile([ms for tally in self.tallies for ms in getattr(tally, name)], share)


async def run(options: Options) -> list[Figure]:
    async with ground(options) as here:
        options.tell(f"registering {CONNECTIONS} devices")
        async with open_http(here.trust) as http:
            devices = await enrol(http, here.stack.base, numbers(CONNECTIONS))
        pairs = list(zip(devices[::2], devices[1::2], strict=True))
        async with Fleet([here.stack.base], pairs, here.certificate) as fleet:
            await fleet.obey(Connect(clients=CONNECTIONS))
            saturated, paced = await _windows(options, here, fleet)
    return _figures(options, saturated, paced)


async def _windows(
    options: Options, here: Ground, fleet: Fleet
) -> tuple[list[Window], list[Window]]:
    seconds = options.seconds / (2 * WINDOWS)
    flood = Saturate(seconds=seconds, window=WINDOW, body_bytes=BODY_BYTES)
    pace = Pace(
        seconds=seconds, rate_per_s=PACED_PER_S / len(fleet.processes), body_bytes=BODY_BYTES
    )
    await fleet.obey(Saturate(seconds=WARM_UP_S, window=WINDOW, body_bytes=BODY_BYTES))
    saturated: list[Window] = []
    paced: list[Window] = []
    for number in range(1, WINDOWS + 1):
        options.tell(f"window {number} of {WINDOWS}")
        for order, windows in ((flood, saturated), (pace, paced)):
            meter = Meter(here.stack)
            windows.append(Window(await fleet.obey(order), meter.read()))
    return saturated, paced


def _figures(options: Options, saturated: list[Window], paced: list[Window]) -> list[Figure]:
    measured = [
        Measured(
            f"messages per second, saturated, {options.tls_text}",
            "1/s",
            tuple(w.per_s for w in saturated),
        ),
        *_costs(f"saturated, {options.tls_text}", saturated),
        *_costs(f"at {PACED_PER_S:.0f}/s, {options.tls_text}", paced),
        *(
            Measured(
                f"{label} {name}, at {PACED_PER_S:.0f}/s",
                "ms",
                tuple(w.latency_ms(field, share) for w in paced),
            )
            for field, label in (("sent_ms", "send to sent"), ("delivered_ms", "send to delivered"))
            for name, share in (("p50", 0.5), ("p99", 0.99))
        ),
        Measured(
            "busiest generator process, saturated",
            "cores",
            tuple(w.busiest_generator for w in saturated),
        ),
    ]
    return [figure for each in measured for figure in each.figures()]


def _costs(how: str, windows: list[Window]) -> list[Measured]:
    return [
        Measured(f"{whose} CPU per message, {how}", "µs", values)
        for whose, values in (
            ("server", tuple(w.per_message_us(w.burnt.all_s) for w in windows)),
            ("of it Redis", tuple(w.per_message_us(w.burnt.redis_s) for w in windows)),
            ("generator", tuple(w.per_message_us(w.generator_s) for w in windows)),
        )
    ]
