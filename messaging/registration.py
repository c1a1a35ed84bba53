"""Registration: a number proves itself by a one-time code and gets an account's first device.

The answers are the same whether the number is registered or not. Steps of `verify`, and what a
crash between them leaves: (1) Records gets the new device and loses the old ones; (2) the queues are
replaced (`enrolment`): until then the old queues still take messages, and the person, who never saw a
credential, registers again; (3) tokens of the old devices end, (4) every node is told. A lost step 3 or 4 is
made good by `Access`, which asks Records, and by the old queues being gone.
"""

from collections.abc import Callable, Sequence
from uuid import UUID

from backplane.bus.ports import Bus, Revoked
from backplane.registry.ports import Budget, Challenge, Registry
from backplane.storage.device_queues import DeviceQueues
from backplane.storage.records import NewDeviceRecord, Records, Replacement
from messaging.address_budget import address_group
from messaging.code_sender import CodeSender
from messaging.enrolment import replace_queues
from messaging.errors import rate_limited, refuse
from messaging.number import Numbers, PhoneNumber
from messaging.secret import Entropy, hash_secret, make_code, make_token
from messaging.settings import RegistrationLimits
from ringline.protocol import limits, resources
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address

HOUR_S = 3600
DAY_S = 24 * HOUR_S
Alert = Callable[[str], None]
"""Called with the scope of a shared budget that ran out: prefix, country or global."""


class Registrations:
    def __init__(
        self,
        *,
        records: Records,
        queues: DeviceQueues,
        registry: Registry,
        bus: Bus,
        numbers: Numbers,
        code_sender: CodeSender,
        settings: RegistrationLimits,
        clock: Callable[[], int],
        entropy: Entropy,
        alert: Alert,
    ) -> None:
        self._records = records
        self._queues = queues
        self._registry = registry
        self._bus = bus
        self._numbers = numbers
        self._code_sender = code_sender
        self._limits = settings
        self._clock = clock
        self._entropy = entropy
        self._alert = alert

    async def start(self, number_text: str, peer: str) -> resources.Registration:
        """Send a code. Raises Refused (number-invalid, rate-limited), WorldError."""
        number = self._numbers.parse(number_text)
        return await self._challenge(number, make_token(self._entropy), peer)

    async def resend(self, registration: str, peer: str) -> resources.Registration:
        """Another code for the same registration; the one before it is dead.

        Raises Refused (not-found, rate-limited), WorldError."""
        number_text = await self._registry.challenges.number(hash_secret(registration))
        if number_text is None:
            raise refuse(ProblemType.NOT_FOUND)
        return await self._challenge(self._numbers.parse(number_text), registration, peer)

    async def verify(
        self, registration: str, verification: resources.Verification, peer: str
    ) -> resources.DeviceCredential:
        """Raises Refused (code-refused, rate-limited), WorldError."""
        key = hash_secret(registration)
        number_text = await self._registry.challenges.number(key)
        await self._spend_attempt(number_text, peer)
        code_hash = hash_secret(registration, verification.code)
        proven = await self._registry.challenges.attempt(key, code_hash)
        if proven is None:
            raise refuse(ProblemType.CODE_REFUSED)
        return await self._register(proven, verification.device, peer)

    async def _challenge(
        self, number: PhoneNumber, registration: str, peer: str
    ) -> resources.Registration:
        fixed = self._numbers.test_code(number)
        resend_after_s = 0
        if fixed is None:
            resend_after_s = await self._spend_code(number, peer)
        else:
            allowed = self._limits.test_registrations_hour
            await self._spend([Budget("code:test", allowed, HOUR_S)])
        code = fixed or make_code(self._entropy)
        challenge = Challenge(
            number.e164, hash_secret(registration, code), limits.CODE_ATTEMPTS_MAX
        )
        await self._registry.challenges.put(
            hash_secret(registration), challenge, limits.CODE_LIFETIME_S * 1000
        )
        if fixed is None:
            await self._code_sender.send(number.e164, code)
        now = self._clock()
        return resources.Registration(
            registration=registration,
            code_expires_at=now + limits.CODE_LIFETIME_S * 1000,
            resend_at=now + resend_after_s * 1000,
        )

    async def _spend_code(self, number: PhoneNumber, peer: str) -> int:
        """One code from every budget it counts in: seconds before which the next is refused in any case."""
        allowed = self._limits
        shared = [
            Budget(f"code:prefix:{number.prefix}", allowed.codes_per_prefix_hour, HOUR_S),
            Budget(f"code:country:{number.country}", allowed.codes_per_country_hour, HOUR_S),
            Budget("code:global", allowed.codes_per_hour, HOUR_S),
        ]
        own = [
            *self._pauses(number),
            Budget(f"code:number:{number.e164}", allowed.codes_per_number_day, DAY_S),
            Budget(f"code:address:{address_group(peer)}", allowed.codes_per_address_hour, HOUR_S),
        ]
        exhausted = await self._registry.limits.spend([*own, *shared])
        if exhausted is not None:
            if exhausted.key in {budget.key for budget in shared}:
                self._alert(exhausted.key.split(":")[1])
            raise rate_limited(exhausted.retry_after_s)
        return allowed.resend_after_s

    def _pauses(self, number: PhoneNumber) -> list[Budget]:
        """One code in the first pause, two in it and the doubled one after it, and so on; longest first,
        since that one says when to come back."""
        pause_s, codes_max = self._limits.resend_after_s, self._limits.resend_doublings_max + 1
        return [
            Budget(f"code:pause:{codes}:{number.e164}", codes, pause_s * (2**codes - 1))
            for codes in range(codes_max, 0, -1)
        ]

    async def _spend_attempt(self, number_text: str | None, peer: str) -> None:
        """Tries are counted by number, over all its registrations, and by address."""
        allowed = self._limits
        group = address_group(peer)
        budgets = [Budget(f"try:address:{group}", allowed.attempts_per_address_hour, HOUR_S)]
        if number_text is None:
            await self._spend(budgets)
            raise refuse(ProblemType.CODE_REFUSED)
        if self._numbers.test_code(self._numbers.parse(number_text)) is not None:
            return
        budgets += [
            Budget(f"try:hour:{number_text}", allowed.attempts_per_number_hour, HOUR_S),
            Budget(f"try:day:{number_text}", allowed.attempts_per_number_day, DAY_S),
        ]
        await self._spend(budgets)

    async def _spend(self, budgets: Sequence[Budget]) -> None:
        exhausted = await self._registry.limits.spend(budgets)
        if exhausted is not None:
            raise rate_limited(exhausted.retry_after_s)

    async def _register(
        self, number: str, device: resources.NewDevice, peer: str
    ) -> resources.DeviceCredential:
        if self._numbers.test_code(self._numbers.parse(number)) is None:
            allowed = self._limits.registrations_per_address_hour
            await self._spend([Budget(f"register:address:{address_group(peer)}", allowed, HOUR_S)])
        credential = make_token(self._entropy)
        record = NewDeviceRecord(device.name, device.registration_id, hash_secret(credential))
        fresh = UUID(bytes=self._entropy(16), version=4)
        replacement = await self._records.register(number, fresh, record, self._clock())
        await self._settle(replacement)
        return resources.DeviceCredential(
            account=replacement.account,
            device=replacement.device.device,
            number=number,
            credential=credential,
        )

    async def _settle(self, replacement: Replacement) -> None:
        """Raises Refused (code-refused) when somebody has registered the number again meanwhile."""
        lasting = await replace_queues(
            self._records, self._queues, replacement.device, self._clock()
        )
        gone = [Address(replacement.account, number) for number in replacement.replaced]
        for address in gone:
            await self._registry.tokens.revoke(address)
        if gone:
            await self._bus.tell_all(Revoked(addresses=gone, replaced=True))
        if not lasting:
            raise refuse(ProblemType.CODE_REFUSED)
