"""Phone numbers: every spelling of one number gives one E.164 text (ITU-T E.164, RFC 3966 §5.1)."""

from dataclasses import dataclass

import phonenumbers

from messaging.errors import refuse
from messaging.settings import MessagingSettings
from ringline.protocol.problems import ProblemType

_PREFIX_DIGITS = 4
"""After the country code: what a fraudster rents as a block."""


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    e164: str
    country: int
    """Country calling code."""

    @property
    def prefix(self) -> str:
        return self.e164[: 1 + len(str(self.country)) + _PREFIX_DIGITS]


class Numbers:
    """Reads numbers, and knows which are for tests."""

    def __init__(self, settings: MessagingSettings) -> None:
        self._codes = {_canonical(n): code for n, code in settings.test_numbers.items()}
        self._prefix = settings.test_prefix
        self._prefix_code = settings.test_prefix_code

    def parse(self, text: str) -> PhoneNumber:
        """Raise Refused (number-invalid)."""
        try:
            parsed = phonenumbers.parse(text, None)
        except phonenumbers.NumberParseException:
            raise refuse(ProblemType.NUMBER_INVALID) from None
        e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        number = PhoneNumber(e164, parsed.country_code or 0)
        if self.test_code(number) is None and not phonenumbers.is_valid_number(parsed):
            raise refuse(ProblemType.NUMBER_INVALID)
        return number

    def test_code(self, number: PhoneNumber) -> str | None:
        """The fixed code of a test number; None for everybody else's."""
        fixed = self._codes.get(number.e164)
        if fixed is None and self._prefix and number.e164.startswith(self._prefix):
            return self._prefix_code
        return fixed


def _canonical(text: str) -> str:
    parsed = phonenumbers.parse(text, None)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
