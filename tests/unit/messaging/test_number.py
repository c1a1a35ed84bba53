"""Every spelling of a number is one number."""

import pytest

from messaging.errors import Refused
from messaging.number import Numbers
from messaging.settings import MessagingSettings
from ringline.protocol.problems import ProblemType

NUMBERS = Numbers(MessagingSettings())


@pytest.mark.parametrize(
    "text",
    [
        "+442079460000",
        "+44 20 7946 0000",
        "+44 (0)20 7946-0000",
        "+44.20.7946.0000",
        "\uff0b442079460000",
        "tel:+44-20-7946-0000",
    ],
)
def test_spellings_of_one_number(text: str) -> None:
    assert NUMBERS.parse(text).e164 == "+442079460000"


@pytest.mark.parametrize(
    "text", ["", "+", "02079460000", "+44", "+999123456789", "hello", "+1" * 9]
)
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(Refused) as refused:
        NUMBERS.parse(text)
    assert refused.value.problem.type == ProblemType.NUMBER_INVALID.uri


def test_prefix_is_country_and_four_digits() -> None:
    assert NUMBERS.parse("+442079460000").prefix == "+442079"
    assert NUMBERS.parse("+12025550111").prefix == "+12025"


def test_test_numbers_have_their_codes() -> None:
    settings = MessagingSettings(
        test_numbers={"+1 202-555-0111": "111111"},
        test_prefix="+1202557",
        test_prefix_code="777777",
    )
    numbers = Numbers(settings)
    assert numbers.test_code(numbers.parse("+12025550111")) == "111111"
    assert numbers.test_code(numbers.parse("+12025570001")) == "777777"
    assert numbers.test_code(numbers.parse("+442079460000")) is None
