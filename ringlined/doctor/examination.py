"""From hop to hop, to the first that is broken."""

import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from msgspec import Struct

from ringline.protocol.resources import RelayCredentials
from ringlined.doctor import gateway_hops, machine_hops, media_hops, use_hops
from ringlined.doctor.gateway_hops import Account
from ringlined.doctor.hop import HopName
from ringlined.doctor.installation import Installation, Wish, find_installation
from ringlined.doctor.questions import Questions
from ringlined.doctor.use_hops import Pair
from ringlined.secret_files import operator_token
from ringlined.trial.program import find_ringline
from ringlined.trial.step import Figures, Outcome, Step, take

Say = Callable[[Outcome], None]


class Diagnosis(Struct, frozen=True, kw_only=True):
    well: bool
    broken: str | None
    """The first broken hop's name."""
    seconds: float
    server: str | None
    hops: list[Outcome]
    not_tried: list[str]


async def examine(wish: Wish, say: Say) -> Diagnosis:
    """`say` is told of each hop as it ends. Whatever was made for it is gone afterwards."""
    start = time.monotonic()
    outcomes: list[Outcome] = []
    async with AsyncExitStack() as cleanup:
        examination = Examination(wish, cleanup)
        todo = examination.steps()
        while todo:
            outcome = await take(todo.pop(0))
            outcomes.append(outcome)
            say(outcome)
            if not outcome.passed:
                break
    last = outcomes[-1]
    return Diagnosis(
        well=last.passed,
        broken=None if last.passed else last.step,
        seconds=round(time.monotonic() - start, 3),
        server=examination.server,
        hops=outcomes,
        not_tried=[step.name for step in todo],
    )


class Examination:
    """What a hop finds, the later ones use."""

    def __init__(self, wish: Wish, cleanup: AsyncExitStack) -> None:
        self._wish = wish
        self._cleanup = cleanup
        self.server: str | None = None
        self._questions: Questions
        self._installation: Installation
        self._accounts: tuple[Account, Account]
        self._relay: RelayCredentials
        self._pair: Pair

    def steps(self) -> list[Step]:
        acts: dict[HopName, Callable[[], Awaitable[Figures]]] = {
            HopName.CONFIGURATION: self._configuration,
            HopName.DISK: lambda: machine_hops.check_disk(self._installation.data),
            HopName.REDIS: lambda: machine_hops.check_redis(self._installation.redis),
            HopName.GATEWAY: lambda: gateway_hops.check_gateway(
                self._questions, self._installation
            ),
            HopName.CERTIFICATE: lambda: gateway_hops.check_certificate(
                self._questions, self._installation
            ),
            HopName.ACCOUNTS: self._make_accounts,
            HopName.RELAY: self._find_relay,
            HopName.RELAY_PORT: lambda: media_hops.check_relay_port(self._relay),
            HopName.RELAY_CREDENTIALS: lambda: media_hops.check_relay_credentials(self._relay),
            HopName.SFU: lambda: media_hops.check_sfu(
                self._questions, self._installation, self._accounts[0]
            ),
            HopName.MESSAGE: self._message,
            HopName.CALL: lambda: use_hops.check_call(self._pair, sealed_only=self._sealed_only),
            HopName.GROUP_CALL: lambda: use_hops.check_group_call(self._pair),
        }
        return [Step(name.value, act) for name, act in acts.items()]

    async def _configuration(self) -> Figures:
        self._installation = find_installation(self._wish)
        self.server = self._installation.server
        self._questions = Questions()
        self._cleanup.push_async_callback(self._questions.close)
        return {"server": self.server, "environment": self._installation.config.environment}

    async def _make_accounts(self) -> Figures:
        token = operator_token(self._installation.config)
        making = gateway_hops.two_accounts(self._questions, self._installation, token)
        self._accounts = await self._cleanup.enter_async_context(making)
        return {"accounts": len(self._accounts)}

    async def _find_relay(self) -> Figures:
        questions, installation = self._questions, self._installation
        self._relay = await media_hops.relay_credentials(questions, installation, self._accounts[0])
        return await media_hops.check_relay(questions, installation, self._relay)

    @property
    def _sealed_only(self) -> bool:
        return not self._installation.config.messaging.allow_unsealed

    async def _message(self) -> Figures:
        directory = tempfile.TemporaryDirectory(prefix="ringline-doctor-")
        place = Path(self._cleanup.enter_context(directory))
        self._pair = await use_hops.enter(
            find_ringline(),
            self._installation.server,
            self._questions.ca_file,
            self._accounts,
            place,
        )
        self._cleanup.push_async_callback(self._pair.stop)
        return await use_hops.check_message(self._pair, sealed_only=self._sealed_only)
