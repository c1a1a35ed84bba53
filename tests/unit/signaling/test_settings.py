import msgspec
import pytest

from signaling.settings import (
    KERNEL_BYTES_MAX,
    SENDING_BYTES_MAX,
    TRANSPORT_BYTES_MAX,
    WINDOW_BYTES_MAX,
    GatewaySettings,
)


def test_a_client_that_never_reads_costs_less_than_a_mebibyte() -> None:
    assert SENDING_BYTES_MAX + TRANSPORT_BYTES_MAX + 2 * KERNEL_BYTES_MAX <= 1024 * 1024


def test_a_full_window_in_json_fits_into_the_sending_queue() -> None:
    largest_entry = 132 * 1024
    assert (WINDOW_BYTES_MAX + largest_entry) * 4 // 3 < SENDING_BYTES_MAX


def test_half_a_certificate_is_refused() -> None:
    with pytest.raises(ValueError, match="together"):
        GatewaySettings(certificate_file="chain.pem")


@pytest.mark.parametrize(
    "wrong",
    [
        {"prot": 1},
        {"port": -1},
        {"port": 70_000},
        {"slow_poll_s": 0},
        {"expired_token_grace_s": 51},
    ],
)
def test_what_is_unknown_or_out_of_bounds_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, GatewaySettings)
