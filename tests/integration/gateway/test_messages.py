"""Messages over real sockets, in both encodings and over REST."""

import asyncio

from ringline.protocol import frames, limits, resources
from ringline.protocol.codec import JSON, MSGPACK, Codec
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import ReceiptKind, TypingState
from tests.integration.gateway.stage import Node, Person, until


async def test_a_message_and_its_three_receipts(
    node: Node, ann: Person, bob: Person, chosen: Codec
) -> None:
    one, other = await node.connect(ann, chosen), await node.connect(bob, chosen)
    await one.send(sent := ann.write(bob, b"\x00hello\xff"))
    answer = await one.expect(frames.Sent)
    assert (answer.ref, answer.id) == (sent.ref, sent.id)
    (delivered,) = await other.messages(1)
    entry = delivered.entry
    assert isinstance(entry, frames.Message)
    assert (entry.body, entry.sender, entry.conversation) == (
        b"\x00hello\xff",
        ann.address,
        ann.address.account,
    )
    await other.send(frames.Acknowledge(ref=5, positions=[delivered.position]))
    assert (await other.expect(frames.Done)).ref == 5
    receipt = (await one.expect(frames.Deliver)).entry
    assert isinstance(receipt, frames.Receipt)
    assert (receipt.kind, receipt.ids) == (ReceiptKind.DELIVERED, [sent.id])
    account = ann.address.account
    await other.send(frames.Read(ref=6, account=account, conversation=account, ids=[sent.id]))
    await other.expect(frames.Done)
    receipt = (await one.expect(frames.Deliver)).entry
    assert isinstance(receipt, frames.Receipt)
    assert receipt.kind is ReceiptKind.READ


async def test_the_two_encodings_meet(node: Node, ann: Person, bob: Person) -> None:
    one, other = await node.connect(ann, MSGPACK), await node.connect(bob, JSON)
    await one.send(ann.write(bob, b"to json"))
    await other.send(bob.write(ann, b"to msgpack"))
    for wire, body in ((one, b"to msgpack"), (other, b"to json")):
        (delivered,) = await wire.messages(1)
        assert isinstance(delivered.entry, frames.Message)
        assert delivered.entry.body == body


async def test_a_long_queue_drains_in_order_and_ends_with_caught_up(
    node: Node, ann: Person, bob: Person, chosen: Codec
) -> None:
    count = limits.DELIVERY_WINDOW_ENTRIES_MAX * 3 + 5
    one = await node.connect(ann)
    for index in range(count):
        await one.send(ann.write(bob, str(index).encode(), index + 1))
    for _ in range(count):
        await one.expect(frames.Sent)
    other = await node.connect(bob, chosen)
    assert other.ready is not None
    assert other.ready.backlog == count
    bodies = []
    for _ in range(count):
        (delivered,) = await other.messages(1)
        assert isinstance(delivered.entry, frames.Message)
        bodies.append(delivered.entry.body)
        await other.send(frames.Acknowledge(positions=[delivered.position]))
    assert bodies == [str(index).encode() for index in range(count)]
    await other.expect(frames.CaughtUp)


async def test_the_window_stops_an_unacknowledged_flood(
    node: Node, ann: Person, bob: Person
) -> None:
    one, other = await node.connect(ann), await node.connect(bob)
    count = limits.DELIVERY_WINDOW_ENTRIES_MAX + 20
    for index in range(count):
        await one.send(ann.write(bob, b"x", index + 1))
    for _ in range(count):
        await one.expect(frames.Sent)
    # The next fetch waits until half the window is free, so more than half is what surely comes.
    await other.messages(limits.DELIVERY_WINDOW_ENTRIES_MAX // 2 + 1)
    await other.send(frames.Ping(ref=9))
    await other.expect(frames.Pong)
    held = [each for each in other.seen if isinstance(each, frames.Deliver)]
    assert len(held) <= limits.DELIVERY_WINDOW_ENTRIES_MAX
    await other.send(frames.Acknowledge(positions=[each.position for each in held]))
    assert len(await other.messages(count - len(held))) == count - len(held)


async def test_what_was_not_acknowledged_comes_again(node: Node, ann: Person, bob: Person) -> None:
    one, other = await node.connect(ann), await node.connect(bob)
    for index in range(3):
        await one.send(ann.write(bob, b"x", index + 1))
    first = await other.messages(3)
    await other.send(frames.Acknowledge(ref=1, positions=[first[0].position]))
    await other.expect(frames.Done)
    await other.close()
    again = await node.connect(bob)
    positions = [each.position for each in await again.messages(2)]
    assert positions == [each.position for each in first[1:]]


async def test_resume_acknowledges_what_was_kept(node: Node, ann: Person, bob: Person) -> None:
    one, other = await node.connect(ann), await node.connect(bob)
    for index in range(5):
        await one.send(ann.write(bob, b"x", index + 1))
    first = await other.messages(5)
    await other.close()
    again = await node.connect(bob, resume_after=first[2].position)
    assert again.ready is not None
    assert again.ready.backlog == 2
    positions = [each.position for each in await again.messages(2)]
    assert positions == [each.position for each in first[3:]]
    receipt = (await one.expect(frames.Deliver)).entry
    assert isinstance(receipt, frames.Receipt)
    assert len(receipt.ids) == 3


async def test_resume_beyond_the_queue_says_nothing(node: Node, ann: Person, bob: Person) -> None:
    one = await node.connect(ann)
    await one.send(ann.write(bob, b"kept"))
    await one.expect(frames.Sent)
    other = await node.connect(bob, resume_after=10_000)
    assert len(await other.messages(1)) == 1


async def test_a_repeated_send_is_answered_alike_and_shown_once(
    node: Node, ann: Person, bob: Person
) -> None:
    one, other = await node.connect(ann), await node.connect(bob)
    await one.send(sent := ann.write(bob))
    first = await one.expect(frames.Sent)
    await one.close()
    again = await node.connect(ann)
    await again.send(sent)
    assert await again.expect(frames.Sent) == first
    await again.send(ann.write(bob, b"next"))
    bodies = [d.entry.body for d in await other.messages(2) if isinstance(d.entry, frames.Message)]
    assert bodies == [b"hello", b"next"]


async def test_rest_and_the_socket_send_the_same(node: Node, ann: Person, bob: Person) -> None:
    other = await node.connect(bob)
    sent = ann.write(bob, b"by request")
    body = resources.NewMessage(
        id=sent.id,
        conversation=sent.conversation,
        sequence=sent.sequence,
        content_type=sent.content_type,
        recipients=sent.recipients,
    )
    answer = await node.request("POST", "/v1/messages", body, ann.token)
    first = answer.read_as(resources.SentMessage, 201)
    one = await node.connect(ann)
    await one.send(sent)
    assert (await one.expect(frames.Sent)).sent_at == first.sent_at
    assert len(await other.messages(1)) == 1


async def test_refusals_come_back_with_their_reference(
    node: Node, ann: Person, bob: Person, chosen: Codec
) -> None:
    one = await node.connect(ann, chosen)
    ann.write(bob)
    await one.send(ann.write(bob, b"x", 7))
    error = await one.expect(frames.Error)
    assert error.ref == 7
    assert error.problem.type == ProblemType.SEQUENCE.uri
    assert error.problem.expected_sequence == 1
    await node.link(bob)
    fresh = Person(ann.address, ann.registration_id, ann.credential, ann.token)
    await one.send(fresh.write(bob, b"x", 8))
    error = await one.expect(frames.Error)
    assert error.problem.devices is not None
    assert error.problem.devices[0].missing == [2]


async def test_pipelined_sends_to_many_keep_each_conversations_order(
    node: Node, ann: Person
) -> None:
    others = [await node.register(f"+4479111001{index:02}") for index in range(10, 14)]
    wires = [await node.connect(other) for other in others]
    one = await node.connect(ann)
    per_person = 50
    sends = [ann.write(o, str(i).encode(), 0) for i in range(per_person) for o in others]
    await one.send(*sends)

    async def read(index: int) -> list[bytes]:
        bodies = []
        for _ in range(per_person):
            (delivered,) = await wires[index].messages(1)
            assert isinstance(delivered.entry, frames.Message)
            bodies.append(delivered.entry.body)
            await wires[index].send(frames.Acknowledge(positions=[delivered.position]))
        return bodies

    expected = [str(index).encode() for index in range(per_person)]
    for bodies in await asyncio.gather(*(read(index) for index in range(4))):
        assert bodies == expected
    await until(lambda: node.counted("messages_acknowledged_total") == per_person * 4)


async def test_typing_reaches_an_accepting_contact_alone(
    node: Node, ann: Person, bob: Person
) -> None:
    one, other = await node.connect(ann), await node.connect(bob)
    typing = frames.Typing(ref=1, conversation=bob.address.account, state=TypingState.STARTED)
    await one.send(typing)
    await one.expect(frames.Done)
    await node.befriend(ann, bob)
    await one.send(typing)
    notice = await other.expect(frames.TypingNotice)
    assert notice.sender == ann.address
    assert notice.conversation == ann.address.account
    assert len([f for f in other.seen if isinstance(f, frames.TypingNotice)]) == 1
