"""Clients and a real gateway on loopback: registration, messages, receipts, reconnection."""

import asyncio
import uuid
from pathlib import Path

import pytest

from ringline.client.client import Client
from ringline.client.errors import (
    DeadlinePassed,
    Disconnected,
    NotRegistered,
    ProfileInUse,
    Refused,
    Unreachable,
    UsageError,
)
from ringline.client.events import (
    AccountReplaced,
    CaughtUp,
    ConnectionChanged,
    ConnectionPhase,
    ConnectionReplaced,
    DeviceRevoked,
    MessageFailed,
    MessageReceived,
    PresenceChanged,
    ReceiptReceived,
    TypingChanged,
)
from ringline.client.store import MessageState
from ringline.client.store_memory import MemoryStore
from ringline.client.store_sqlite import SqliteStore
from ringline.protocol.resources import Registration
from ringline.protocol.types import ContactState, PresenceState, ReceiptKind, TypingState
from tests.integration.client.conftest import StartClient, number, registered
from tests.integration.client.hearing import DEADLINE_S, hear, texts
from tests.integration.client.proxy import Proxy
from tests.integration.gateway.stage import TEST_CODE, Node, until


async def test_nobody_is_nobody(open_client: StartClient) -> None:
    client = await open_client()
    assert not client.is_registered
    with pytest.raises(NotRegistered):
        _ = client.account
    with pytest.raises(NotRegistered):
        await client.send(uuid.uuid4(), "x")


async def test_registering_asks_for_the_code(open_client: StartClient) -> None:
    client = await open_client()
    asked: list[Registration] = []

    async def code(registration: Registration) -> str:
        asked.append(registration)
        return f" {TEST_CODE[:3]} {TEST_CODE[3:]} "

    identity = await client.register(number(7), code, "tablet")
    assert asked[0].code_expires_at > asked[0].resend_at > 0
    account = await client.devices()
    assert (account.number, identity.number) == (number(7), number(7))
    assert [device.name for device in account.devices] == ["tablet"]
    assert account.devices[0].registration_id == identity.registration_id


async def test_refusals_have_names(open_client: StartClient) -> None:
    client = await open_client()
    with pytest.raises(Refused) as refused:
        await client.register("+1", TEST_CODE)
    assert refused.value.name in ("number-invalid", "invalid")
    with pytest.raises(Refused) as refused:
        await client.register(number(8), "999999")
    assert refused.value.name == "code-refused"
    with pytest.raises(UsageError):
        await client.register(number(8), "12")
    with pytest.raises(UsageError):
        await client.register(number(8), TEST_CODE, "")


async def test_a_server_that_is_not_there() -> None:
    client = await Client.open(MemoryStore(), server="http://127.0.0.1:1")
    with pytest.raises(Unreachable):
        await client.register(number(9), TEST_CODE)
    await client.close()
    with pytest.raises(UsageError):
        await Client.open(MemoryStore(), server="ftp://x")


async def test_messages_with_all_three_receipts(ann: Client, bob: Client) -> None:
    [found] = (await ann.lookup([number(2), number(999)])).found
    assert found.account == bob.account
    messages = [await ann.send(bob.account, f"hello {n}") for n in range(20)]
    assert await texts(bob, 20) == [f"hello {n}" for n in range(20)]
    for message in messages:
        await message.delivered(DEADLINE_S)
        assert message.sent_at is not None
    await bob.mark_read(ann.account, [message.id for message in messages])
    await messages[-1].read(DEADLINE_S)
    assert await ann.message_state(messages[0].id) is MessageState.READ
    receipt = await hear(ann, ReceiptReceived, lambda r: r.kind is ReceiptKind.READ)
    assert receipt.by.account == bob.account
    assert receipt.message_sender == ann.account
    assert await ann.waiting_messages() == 0
    assert (await ann.known_numbers())[bob.account] == number(2)


async def test_the_first_message_is_a_request(ann: Client, bob: Client) -> None:
    await ann.send(bob.account, "hello")
    await hear(bob, MessageReceived)
    contacts = (await bob.contacts()).contacts
    assert [(c.account, c.state) for c in contacts] == [(ann.account, ContactState.REQUESTED)]
    assert (await bob.accept(ann.account)).state is ContactState.ACCEPTED
    await bob.forget(ann.account)
    assert (await bob.contacts()).contacts == []


async def test_messages_wait_for_who_is_away(
    ann: Client, open_client: StartClient, tmp_path: Path
) -> None:
    bob = await registered(open_client, 2, tmp_path / "bob")
    account = bob.account
    await bob.close()
    messages = [await ann.send(account, f"while away {n}") for n in range(100)]
    await messages[-1].sent(DEADLINE_S)
    with pytest.raises(DeadlinePassed):
        await messages[-1].delivered(0.2)
    bob = await open_client(tmp_path / "bob")
    assert await texts(bob, 100) == [f"while away {n}" for n in range(100)]
    await messages[-1].delivered(DEADLINE_S)
    await hear(bob, CaughtUp)


async def test_what_was_not_confirmed_is_given_again(
    ann: Client, open_client: StartClient, tmp_path: Path
) -> None:
    bob = await registered(open_client, 2, tmp_path / "bob")
    for text in ("one", "two"):
        await (await ann.send(bob.account, text)).delivered(DEADLINE_S)
    async for event in bob.events():
        if isinstance(event, MessageReceived):
            break  # the program ends here: nobody knows whether it was shown
    await bob.close()
    bob = await open_client(tmp_path / "bob")
    assert await texts(bob, 2) == ["one", "two"]
    await bob.close()
    bob = await open_client(tmp_path / "bob")
    await (await ann.send(bob.account, "three")).sent(DEADLINE_S)
    assert await texts(bob, 1) == ["three"]


async def test_an_outbox_is_sent_by_the_next_process(
    bob: Client, open_client: StartClient, tmp_path: Path
) -> None:
    ann = await registered(open_client, 1, tmp_path / "ann")
    await (await ann.send(bob.account, "before")).sent(DEADLINE_S)
    await ann.close()
    away = await open_client(tmp_path / "ann", server="http://127.0.0.1:1")
    written = [await away.send(bob.account, text) for text in ("one", "two")]
    assert await away.waiting_messages() == 2
    await away.close()
    ann = await open_client(tmp_path / "ann")
    assert await texts(bob, 3) == ["before", "one", "two"]
    await until_sent(ann, written[1].id)


async def until_sent(client: Client, message: uuid.UUID) -> None:
    for _ in range(400):
        if await client.message_state(message) in (MessageState.SENT, MessageState.DELIVERED):
            return
        await asyncio.sleep(0.02)
    raise AssertionError("not sent in time")


async def test_another_process_sends_by_rest(
    bob: Client, open_client: StartClient, tmp_path: Path
) -> None:
    ann = await registered(open_client, 1, tmp_path / "ann")
    with pytest.raises(ProfileInUse):
        await open_client(tmp_path / "ann")
    other = await open_client(tmp_path / "ann", shared=True)
    assert (ann.is_live, other.is_live) == (True, False)
    texts_sent = []
    for n in range(6):
        sender = (ann, other)[n % 2]
        texts_sent.append(f"by {n}")
        await (await sender.send(bob.account, f"by {n}")).sent(DEADLINE_S)
    assert await texts(bob, 6) == texts_sent
    message = await other.send(bob.account, "last")
    await message.delivered(DEADLINE_S)
    with pytest.raises(ProfileInUse):
        await other.mark_read(bob.account, [message.id])


async def test_two_processes_write_at_once(
    bob: Client, open_client: StartClient, tmp_path: Path
) -> None:
    ann = await registered(open_client, 1, tmp_path / "ann")
    other = await open_client(tmp_path / "ann", shared=True)
    messages = []
    for n in range(20):
        messages.append(await ann.send(bob.account, f"a{n}"))
        messages.append(await other.send(bob.account, f"b{n}"))
    for message in messages:
        await message.sent(DEADLINE_S)
    assert await texts(bob, 40) == [f"{who}{n}" for n in range(20) for who in "ab"]


async def test_every_device_gets_it_and_lists_are_repaired(
    ann: Client, bob: Client, open_client: StartClient
) -> None:
    await (await ann.send(bob.account, "to one")).sent(DEADLINE_S)
    tablet, laptop = await open_client(), await open_client()
    await tablet.link((await bob.link_code()).link_code, "tablet")
    await laptop.link((await ann.link_code()).link_code, "laptop")
    assert tablet.account == bob.account
    message = await ann.send(bob.account, "to all")
    await message.delivered(DEADLINE_S)
    assert await texts(bob, 2) == ["to one", "to all"]
    assert await texts(tablet, 1) == ["to all"]
    own = await hear(laptop, MessageReceived)
    assert (own.sender, own.conversation) == (ann.identity.address, bob.account)
    await tablet.mark_read(ann.account, [message.id])
    await message.read(DEADLINE_S)
    elsewhere = await hear(bob, ReceiptReceived)
    assert (elsewhere.by.device, elsewhere.message_sender) == (2, ann.account)


async def test_a_note_to_oneself(ann: Client, open_client: StartClient) -> None:
    await (await ann.send(ann.account, "alone")).sent(DEADLINE_S)
    laptop = await open_client()
    await laptop.link((await ann.link_code()).link_code)
    await (await ann.send(ann.account, "buy milk")).sent(DEADLINE_S)
    assert await texts(laptop, 1) == ["buy milk"]


async def test_a_message_to_nobody_fails_and_the_next_goes_on(ann: Client, bob: Client) -> None:
    nobody = await ann.send(uuid.uuid4(), "hello?")
    with pytest.raises(Refused) as refused:
        await nobody.sent(DEADLINE_S)
    assert refused.value.name == "not-found"
    assert (await hear(ann, MessageFailed)).id == nobody.id
    assert await ann.message_state(nobody.id) is MessageState.FAILED
    await (await ann.send(bob.account, "hello")).sent(DEADLINE_S)


async def test_revocation_ends_for_good(ann: Client, open_client: StartClient) -> None:
    laptop = await open_client()
    await laptop.link((await ann.link_code()).link_code)
    await laptop.ready(DEADLINE_S)
    await ann.revoke(2)
    await hear(laptop, DeviceRevoked)
    with pytest.raises(Disconnected):
        await hear(laptop, MessageReceived)
    with pytest.raises(Disconnected):
        await laptop.ready(1)


async def test_registering_again_ends_the_old_one(ann: Client, open_client: StartClient) -> None:
    await registered(open_client, 1)
    await hear(ann, AccountReplaced)


async def test_a_second_connection_ends_the_first(open_client: StartClient) -> None:
    store = MemoryStore()
    first = await registered(open_client, 1, store)
    second = await open_client(store)
    await second.ready(DEADLINE_S)
    await hear(first, ConnectionReplaced)


async def test_presence_and_typing(ann: Client, bob: Client) -> None:
    with pytest.raises(Refused) as refused:
        await ann.watch([bob.account])
    assert refused.value.name == "not-accepted"
    await ann.accept(bob.account)
    await bob.accept(ann.account)
    await ann.watch([bob.account])
    assert (await hear(ann, PresenceChanged)).state is PresenceState.ONLINE
    bob.typing(ann.account, TypingState.STARTED)
    assert (await hear(ann, TypingChanged)).sender == bob.identity.address
    await bob.close()
    offline = await hear(ann, PresenceChanged)
    assert offline.state is PresenceState.OFFLINE
    assert offline.last_seen is not None


async def test_a_gateway_that_restarts(
    node: Node, open_client: StartClient, tmp_path: Path
) -> None:
    """The address stays; sends wait, and go on by themselves."""
    proxy = await Proxy.start(node.port)
    ann = await open_client(SqliteStore(tmp_path / "ann.db"), server=proxy.url)
    bob = await open_client(server=proxy.url)
    for last, client in ((1, ann), (2, bob)):
        await client.register(number(last), TEST_CODE)
    await (await ann.send(bob.account, "before")).delivered(DEADLINE_S)
    await node.gateway.stop()
    waiting = await hear(ann, ConnectionChanged, lambda c: c.phase is ConnectionPhase.WAITING)
    assert waiting.retry_in_ms is not None
    message = await ann.send(bob.account, "meanwhile")
    with pytest.raises(DeadlinePassed):
        await message.sent(0.2)
    again = await Node.start(node.ground)
    proxy.port = again.port
    try:
        await message.delivered(20)
        assert await texts(bob, 2) == ["before", "meanwhile"]
    finally:
        for client in (ann, bob):
            await client.close()
        await proxy.stop()
        await again.gateway.stop()
        await again.http.close()


async def test_connections_that_are_cut(node: Node, open_client: StartClient) -> None:
    """Again and again, under a stream of messages: all come, once, in order."""
    proxy = await Proxy.start(node.port)
    ann, bob = await open_client(server=proxy.url), await open_client(server=proxy.url)
    for last, client in ((1, ann), (2, bob)):
        await client.register(number(last), TEST_CODE)
    try:
        for n in range(60):
            await ann.send(bob.account, f"{n}")
            if n % 12 == 11:
                proxy.cut()
                await asyncio.sleep(0.05)
        assert await texts(bob, 60, timeout_s=20) == [f"{n}" for n in range(60)]
        assert proxy.cuts > 3
    finally:
        for client in (ann, bob):
            await client.close()
        await proxy.stop()


async def test_registering_again_begins_anew(
    bob: Client, open_client: StartClient, tmp_path: Path
) -> None:
    ann = await registered(open_client, 1, tmp_path / "ann")
    for n in range(5):
        await (await ann.send(bob.account, f"{n}")).delivered(DEADLINE_S)
        await hear(ann, ReceiptReceived)
    await ann.register(number(1), TEST_CODE)
    await (await ann.send(bob.account, "again")).delivered(DEADLINE_S)
    assert await texts(bob, 6) == [*"01234", "again"]
    await bob.send(ann.account, "to the new one")
    assert await texts(ann, 1) == ["to the new one"]


async def test_tokens_that_the_server_forgot(node: Node, ann: Client) -> None:
    await ann.devices()
    await node.messaging.registry.tokens.revoke(ann.identity.address)
    assert (await ann.devices()).account == ann.account


async def test_nothing_is_left_when_clients_are_closed(open_client: StartClient) -> None:
    before = len(asyncio.all_tasks())
    client = await registered(open_client, 5)
    await client.send(client.account, "x")
    await client.close()
    await client.close()
    await until(lambda: len(asyncio.all_tasks()) <= before)
