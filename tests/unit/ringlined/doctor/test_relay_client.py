"""Against a relay that is made up: what it answers is written here."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from backplane.relay_credentials import long_term_key
from ringline.protocol.resources import RelayCredentials
from ringlined.doctor import relay_client as module
from ringlined.doctor.relay_client import NoAnswer, Refused, connected, relay_address
from turn import stun
from turn.stun import Address, Attribute, Class, Message, Method

REALM, NONCE = b"here", b"once"
CREDENTIALS = RelayCredentials(
    uris=[], username="1:2:a:b", password="p", allocate_until=1, refresh_until=2
)
KEY = long_term_key(CREDENTIALS.username, REALM.decode(), CREDENTIALS.password)
RELAYED = ("192.0.2.9", 50_000)
Reply = Callable[[Message, Address], bytes | None]


class Relay(asyncio.DatagramProtocol):
    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.asked: list[Message] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        request = stun.parse(data)
        self.asked.append(request)
        answer = self._reply(request, addr)
        if answer is not None:
            self._transport.sendto(b"no STUN at all", addr)
            self._transport.sendto(answer, addr)


@asynccontextmanager
async def relay(reply: Reply) -> AsyncIterator[tuple[Relay, Address]]:
    loop = asyncio.get_running_loop()
    transport, made = await loop.create_datagram_endpoint(
        lambda: Relay(reply), local_addr=("127.0.0.1", 0)
    )
    try:
        yield made, transport.get_extra_info("sockname")
    finally:
        transport.close()
        await asyncio.sleep(0)  # then it is


def success(request: Message, kind: Attribute, address: Address) -> bytes:
    value = stun.encode_xor_address(address, request.transaction_id)
    return stun.encode(request.method, Class.SUCCESS, request.transaction_id, [(kind, value)])


def error(request: Message, code: int, *more: tuple[int, bytes]) -> bytes:
    attributes = [(Attribute.ERROR_CODE, stun.encode_error(code, "no")), *more]
    return stun.encode(request.method, Class.ERROR, request.transaction_id, attributes)


def honest(request: Message, client: Address) -> bytes:
    """As a relay does that knows KEY."""
    if request.method == Method.BINDING:
        return success(request, Attribute.XOR_MAPPED_ADDRESS, client)
    if Attribute.MESSAGE_INTEGRITY not in request.attributes:
        return error(request, 401, (Attribute.REALM, REALM), (Attribute.NONCE, NONCE))
    if not request.is_authentic(KEY):
        return error(request, 401, (Attribute.REALM, REALM), (Attribute.NONCE, NONCE))
    return success(request, Attribute.XOR_RELAYED_ADDRESS, RELAYED)


async def test_binding_says_who_we_are() -> None:
    async with relay(honest) as (_, address), connected(address) as client:
        assert (await client.binding())[0] == "127.0.0.1"


async def test_an_allocation_is_made_and_given_back() -> None:
    async with relay(honest) as (made, address), connected(address) as client:
        assert await client.allocate(CREDENTIALS) == RELAYED
    assert [each.method for each in made.asked] == [
        Method.ALLOCATE,
        Method.ALLOCATE,
        Method.REFRESH,
    ]
    assert made.asked[-1].attributes[Attribute.LIFETIME] == bytes(4)


async def test_another_secret_is_refused_with_401() -> None:
    wrong = RelayCredentials(
        uris=[], username="1:2:a:b", password="q", allocate_until=1, refresh_until=2
    )
    async with relay(honest) as (_, address), connected(address) as client:
        with pytest.raises(Refused) as caught:
            await client.allocate(wrong)
    assert caught.value.code == 401


async def test_a_relay_that_asks_for_nothing_is_refused() -> None:
    def open_relay(request: Message, client: Address) -> bytes:
        return success(request, Attribute.XOR_RELAYED_ADDRESS, RELAYED)

    async with relay(open_relay) as (_, address), connected(address) as client:
        with pytest.raises(Refused, match="no credential"):
            await client.allocate(CREDENTIALS)


async def test_a_lost_datagram_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSES_S", (0.01, 5.0))
    count = 0

    def forgetful(request: Message, client: Address) -> bytes | None:
        nonlocal count
        count += 1
        return None if count == 1 else honest(request, client)

    async with relay(forgetful) as (_, address), connected(address) as client:
        await client.binding()
    assert count == 2


async def test_silence_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSES_S", (0.01, 0.01))
    async with relay(lambda *_: None) as (made, address), connected(address) as client:
        with pytest.raises(NoAnswer):
            await client.binding()
    assert len(made.asked) == 2


async def test_an_answer_without_an_address_is_refused() -> None:
    def bare(request: Message, client: Address) -> bytes:
        return stun.encode(request.method, Class.SUCCESS, request.transaction_id)

    async with relay(bare) as (_, address), connected(address) as client:
        with pytest.raises(Refused, match="XOR_MAPPED_ADDRESS"):
            await client.binding()


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("turn:192.0.2.1:3478?transport=udp", ("192.0.2.1", 3478)),
        ("turn:[2001:db8::1]:5349?transport=udp", ("2001:db8::1", 5349)),
    ],
)
def test_a_relays_uri_is_read(uri: str, address: Address) -> None:
    assert relay_address(uri) == address


@pytest.mark.parametrize("uri", ["turns:a:1?transport=udp", "turn:a", "turn:a:1?transport=tcp"])
def test_what_is_no_relays_uri_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="no relay's URI"):
        relay_address(uri)
