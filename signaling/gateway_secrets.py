"""What a gateway must keep to itself."""

from dataclasses import dataclass

from backplane.tickets import TicketSigner


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySecrets:
    """What is missing is not offered: the routes that need it answer 503."""

    relay_secret: str = ""
    """Shared with the relays."""
    relay_realm: str = "ringline"
    tickets: TicketSigner | None = None
    operator_token: str = ""
    """Opens the operator's routes on the administrative port."""
