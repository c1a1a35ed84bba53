"""What an operator may say about accounts, codes and messages, each key with its default."""

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=1)]


class RegistrationLimits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many codes are sent and tried. A day is 24 hours from the first spending."""

    codes_per_number_day: Count = 5
    resend_after_s: Count = 60
    """At least this long between two codes to one number; twice as long before the third, and so on."""
    resend_doublings_max: Annotated[int, Meta(ge=0, le=10)] = 5
    """How often the pause doubles."""
    codes_per_address_hour: Count = 20
    """IPv6 addresses count by their /64."""
    codes_per_prefix_hour: Count = 50
    """Prefix: the country code and the four digits after it."""
    codes_per_country_hour: Count = 2_000
    codes_per_hour: Count = 10_000
    """All of this server's together: what the provider may cost at most."""
    attempts_per_number_hour: Count = 10
    attempts_per_number_day: Count = 20
    attempts_per_address_hour: Count = 100
    registrations_per_address_hour: Count = 20
    test_registrations_hour: Count = 100_000
    """Of all test numbers together; they draw on nothing else."""
    tokens_per_address_minute: Count = 600
    tokens_per_device_hour: Count = 60
    link_attempts_per_address_hour: Count = 20
    link_codes_per_account_hour: Count = 30
    link_attempts_hour: Count = 10_000
    """All addresses together: a guess of a 50-bit code stays hopeless."""


class MessagingSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `[messaging]` table of the configuration."""

    allow_unsealed: bool = False
    """Take messages that are not end-to-end encrypted. For development."""
    test_numbers: dict[str, str] = {}
    """Number = fixed code; nothing is sent to them. In development only."""
    test_prefix: str = ""
    """Every number that begins so is a test number with `test_prefix_code`. In development only."""
    test_prefix_code: Annotated[str, Meta(pattern="^[0-9]{6}$")] = "000000"
    log_codes: bool = False
    """Write one-time codes to the log, as there is no provider yet. In development only."""
    retention_s: Count = 30 * 24 * 3600
    """How long a message waits for a device."""
    lookup_numbers_per_day: Count = 5_000
    """New numbers that one account may ask about in a day."""
    lookup_key: str = ""
    """A secret, the same on all nodes: without it nobody who reads the registry can tell from the
    hashes there who asked about which number. Empty: they are keyed by the account alone."""
    calls_per_caller_minute: Count = 30
    calls_per_pair_minute: Count = 10
    limits: RegistrationLimits = RegistrationLimits()
