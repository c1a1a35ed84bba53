"""What a send must be, and what it and its acknowledgement leave in which queue."""

from uuid import UUID

import pytest

from backplane.storage.device_queues import FetchRequest, QueueDevice
from messaging.errors import Refused
from ringline.protocol import frames, limits
from ringline.protocol.codec import decode_entry
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address, ContentType, DeviceBody, ReceiptKind, Recipient
from tests.unit.messaging.conftest import BuildTown, Town

ANNA, BERT = UUID(int=1), UUID(int=2)
SENDER, OTHER = Address(ANNA, 1), Address(ANNA, 2)
READER = Address(BERT, 1)


async def settle(town: Town) -> None:
    for address in (SENDER, OTHER, READER):
        queue = QueueDevice(address.device, 7)
        await town.messaging.queues.open(address.account, queue, town.clock.now)


def message(
    sequence: int = 1,
    body: bytes = b"hello",
    recipients: list[Recipient] | None = None,
    conversation: UUID = BERT,
) -> frames.Send:
    return frames.Send(
        id=UUID(int=100 + sequence),
        conversation=conversation,
        sequence=sequence,
        content_type=ContentType.UNSEALED,
        recipients=recipients
        or [
            Recipient(BERT, [DeviceBody(1, 7, body)]),
            Recipient(ANNA, [DeviceBody(2, 7, body)]),
        ],
    )


async def queued(town: Town, address: Address) -> list[frames.AnyEntry]:
    request = FetchRequest(address, 0, 100)
    (entries,) = await town.messaging.queues.fetch([request], town.clock.now)
    return [decode_entry(entry.payload) for entry in entries]


async def refusal(town: Town, sent: frames.Send) -> ProblemType:
    with pytest.raises(Refused) as refused:
        await town.messaging.mailbox.send(SENDER, sent)
    assert not await queued(town, READER), "nothing of it took effect"
    return next(kind for kind in ProblemType if kind.uri == refused.value.problem.type)


async def test_everybody_gets_it_as_they_name_the_conversation(town: Town) -> None:
    await settle(town)
    answer = await town.messaging.mailbox.send(SENDER, message())
    assert answer.sent_at == town.clock.now
    [at_reader], [at_other] = await queued(town, READER), await queued(town, OTHER)
    assert isinstance(at_reader, frames.Message)
    assert isinstance(at_other, frames.Message)
    assert (at_reader.conversation, at_other.conversation) == (ANNA, BERT)
    assert at_reader.sender == at_other.sender == SENDER
    assert not await queued(town, SENDER)
    assert set(town.woken) == {READER, OTHER}


async def test_note_to_oneself_goes_to_ones_other_devices(town: Town) -> None:
    await settle(town)
    note = message(conversation=ANNA, recipients=[Recipient(ANNA, [DeviceBody(2, 7, b"milk")])])
    await town.messaging.mailbox.send(SENDER, note)
    [entry] = await queued(town, OTHER)
    assert isinstance(entry, frames.Message)
    assert entry.conversation == ANNA


async def test_devices_differ_names_the_exact_sets(town: Town) -> None:
    await settle(town)
    wrong = message(recipients=[Recipient(BERT, [DeviceBody(1, 8, b"x"), DeviceBody(3, 7, b"x")])])
    with pytest.raises(Refused) as refused:
        await town.messaging.mailbox.send(SENDER, wrong)
    problem = refused.value.problem
    assert problem.type == ProblemType.DEVICES_DIFFER.uri
    found = {d.account: (d.missing, d.extra, d.stale) for d in problem.devices or []}
    assert found == {BERT: ([], [3], [1]), ANNA: ([2], [], [])}


async def test_sequence_must_be_the_next(town: Town) -> None:
    await settle(town)
    assert await refusal(town, message(sequence=2)) is ProblemType.SEQUENCE


@pytest.mark.parametrize(
    ("recipients", "expected"),
    [
        ([Recipient(UUID(int=9), [DeviceBody(1, 7, b"x")])], ProblemType.INVALID),
        ([Recipient(BERT, [DeviceBody(1, 7, b"x")] * 2)], ProblemType.INVALID),
        ([Recipient(BERT, [DeviceBody(1, 7, b"x")])] * 2, ProblemType.INVALID),
        (
            [
                Recipient(
                    BERT, [DeviceBody(n, 7, bytes(limits.BODY_BYTES_MAX)) for n in range(1, 6)]
                )
            ],
            ProblemType.TOO_LARGE,
        ),
    ],
)
async def test_what_cannot_be_sent(
    town: Town, recipients: list[Recipient], expected: ProblemType
) -> None:
    await settle(town)
    assert await refusal(town, message(recipients=recipients)) is expected


async def test_nobody_there(town: Town) -> None:
    await settle(town)
    stranger = UUID(int=9)
    to_nobody = message(
        conversation=stranger,
        recipients=[Recipient(stranger, []), Recipient(ANNA, [DeviceBody(2, 7, b"x")])],
    )
    assert await refusal(town, to_nobody) is ProblemType.NOT_FOUND


async def test_unsealed_is_refused_unless_allowed(build_town: BuildTown) -> None:
    town = build_town(allow_unsealed=False)
    await settle(town)
    assert await refusal(town, message()) is ProblemType.UNSEALED_REFUSED


async def test_d3_retry_is_the_same_message(town: Town) -> None:
    await settle(town)
    first = await town.messaging.mailbox.send(SENDER, message())
    town.clock.now += 5_000
    again = await town.messaging.mailbox.send(SENDER, message())
    assert again == first
    assert len(await queued(town, READER)) == 1


async def test_one_acknowledgement_gives_one_receipt_to_each_device_of_the_writer(
    town: Town,
) -> None:
    await settle(town)
    for sequence in (1, 2, 3):
        await town.messaging.mailbox.send(SENDER, message(sequence))
    entries = await queued(town, READER)
    await town.messaging.mailbox.acknowledge(READER, dict(enumerate(entries, start=1)))
    assert not await queued(town, READER)
    [at_sender] = await queued(town, SENDER)
    assert isinstance(at_sender, frames.Receipt)
    assert at_sender.kind is ReceiptKind.DELIVERED
    assert (at_sender.by, at_sender.conversation) == (READER, BERT)
    assert at_sender.ids == [entry.id for entry in entries if isinstance(entry, frames.Message)]
    assert (await queued(town, OTHER))[-1] == at_sender


async def test_own_copies_give_no_receipt(town: Town) -> None:
    await settle(town)
    await town.messaging.mailbox.send(SENDER, message())
    copies = await queued(town, OTHER)
    await town.messaging.mailbox.acknowledge(OTHER, dict(enumerate(copies, start=1)))
    assert not await queued(town, SENDER)


async def test_read_goes_to_the_writer_and_to_ones_own_other_devices(town: Town) -> None:
    await settle(town)
    ids = [UUID(int=101)]
    read = frames.Read(account=BERT, conversation=BERT, ids=ids)
    await town.messaging.mailbox.read(SENDER, read)
    [at_writer], [at_own] = await queued(town, READER), await queued(town, OTHER)
    assert isinstance(at_writer, frames.Receipt)
    assert isinstance(at_own, frames.Receipt)
    assert (at_writer.conversation, at_own.conversation) == (ANNA, BERT)
    assert at_writer.ids == at_own.ids == ids
    assert not await queued(town, SENDER)


@pytest.mark.parametrize("account", [ANNA, UUID(int=9)])
async def test_read_of_nothing(town: Town, account: UUID) -> None:
    await settle(town)
    with pytest.raises(Refused):
        await town.messaging.mailbox.read(
            SENDER, frames.Read(account=account, conversation=account, ids=[UUID(int=1)])
        )
