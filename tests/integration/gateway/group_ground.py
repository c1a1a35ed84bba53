"""An installation with relay secret, ticket key, operator's token, and a clock that tests turn."""

import time
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from uuid_utils.compat import uuid7

from backplane.registry.ports import Node as RegisteredNode
from backplane.tickets import JoinClaims, TicketSigner, TicketVerifier
from ringline.protocol import resources
from signaling.gateway_secrets import GatewaySecrets
from tests.integration.gateway.stage import Answer, Ground, Node, Person

RELAY_SECRET = "the relays' secret"
OPERATOR_TOKEN = "the operator's token"
KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PRIVATE_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
NODE_LIFETIME_MS = 600_000


class TurnedClock:
    """UTC milliseconds; `ahead_ms` is the tests' to turn."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


def group_ground() -> tuple[Ground, TurnedClock]:
    clock = TurnedClock()
    secrets = GatewaySecrets(
        relay_secret=RELAY_SECRET,
        tickets=TicketSigner(PRIVATE_PEM),
        operator_token=OPERATOR_TOKEN,
    )
    return Ground(clock=clock, secrets=secrets), clock


async def announce(
    node: Node, name: str, role: str = "sfu", address: str = "http://127.0.0.1:1", load: float = 0
) -> None:
    registered = RegisteredNode(node=name, role=role, address=address, load=load)
    await node.messaging.registry.nodes.announce(registered, NODE_LIFETIME_MS)


async def make_call(node: Node, person: Person, *members: Person) -> resources.GroupCall:
    wish = resources.NewGroupCall(call=uuid7(), members=[each.address.account for each in members])
    answer = await node.request("POST", "/v1/group-calls", wish, person.token)
    return answer.read_as(resources.GroupCall, 201)


async def ask_ticket(
    node: Node, person: Person | None, call: UUID, link_token: str | None = None
) -> Answer:
    wish = resources.NewJoinTicket(link_token=link_token)
    token = None if person is None else person.token
    return await node.request("POST", f"/v1/group-calls/{call}/tickets", wish, token)


def read_ticket(answer: Answer, now_ms: int) -> JoinClaims:
    ticket = answer.read_as(resources.JoinTicket, 201)
    assert ticket.path == f"/v1/sfu/{ticket.node}"
    return TicketVerifier([PUBLIC_PEM]).verify(ticket.ticket, ticket.node, now_ms // 1000)
