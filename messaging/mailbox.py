"""The way of a message: send, acknowledge, read. Bodies are opaque.

`send` returns after the durable commit to every recipient device's queue. An acknowledgement takes
entries off the device's queue and, in the same transaction, puts `delivered` receipts on the queues
of whoever sent them. Nothing here waits before the commit on a warm path, so that the sends of one
connection reach the store in the order in which they were called.
"""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from backplane.storage.device_queues import (
    Append,
    DevicePayload,
    DeviceQueues,
    DevicesDiffer,
    IdReused,
    RecipientPayloads,
    Removal,
    SendCommitted,
    SendOperation,
    SendOutcome,
    SequenceBroken,
)
from messaging.contact import Contacts
from messaging.errors import Refused, refuse
from ringline.protocol import frames, limits, resources
from ringline.protocol.codec import encode_entry
from ringline.protocol.problems import ProblemType
from ringline.protocol.types import Address, ContentType, ReceiptKind, Recipient

Notify = Callable[[Sequence[Address]], None]
Outgoing = frames.Send | resources.NewMessage


class Mailbox:
    def __init__(
        self,
        *,
        queues: DeviceQueues,
        contacts: Contacts,
        allow_unsealed: bool,
        retention_s: int,
        clock: Callable[[], int],
        notify: Notify,
    ) -> None:
        self._queues = queues
        self._contacts = contacts
        self._allow_unsealed = allow_unsealed
        self._retention_ms = retention_s * 1000
        self._clock = clock
        self._notify = notify

    async def send(self, sender: Address, message: Outgoing) -> resources.SentMessage:
        """Raises Refused (invalid, too-large, unsealed-refused, not-found, devices-differ, sequence,
        id-reused, unauthenticated) and WorldError; then nothing of it took effect."""
        self._check(sender, message)
        operation = self._operation(sender, message)
        if not operation.recipients[0].payloads:
            await self._check_nobody(sender, message.conversation)
        committed = _committed(await self._queues.send(operation))
        self._notify(committed.appended)
        # After the commit: a message that was refused asks for no contact.
        if not self._contacts.is_written(sender.account, message.conversation):
            await self._contacts.written(sender.account, message.conversation)
        return resources.SentMessage(id=message.id, sent_at=committed.at)

    async def acknowledge(self, device: Address, delivered: Mapping[int, frames.AnyEntry]) -> None:
        """Take these positions, delivered to this device, off its queue. Raises WorldError."""
        receipts = self._delivered_receipts(device, delivered)
        removal = Removal(device, tuple(delivered))
        self._notify(await self._queues.change([removal], receipts))

    async def read(self, reader: Address, frame: frames.Read) -> None:
        """Tell the writer's devices and one's own others. Raises Refused (not-found), WorldError."""
        own = frame.account == reader.account
        if own or frame.conversation != frame.account:
            raise refuse(ProblemType.INVALID, "one reads what the other account wrote")
        if not await self._queues.devices(frame.account):
            raise refuse(ProblemType.NOT_FOUND)
        now = self._clock()
        ids = list(dict.fromkeys(frame.ids))
        writer = frame.account
        to_writer = _receipt(
            ReceiptKind.READ, reader, ids, conversation=reader.account, writer=writer, at=now
        )
        to_self = _receipt(
            ReceiptKind.READ, reader, ids, conversation=writer, writer=writer, at=now
        )
        expires_at = now + self._retention_ms
        woken = await self._queues.change(
            [],
            [
                Append(frame.account, to_writer, expires_at),
                Append(reader.account, to_self, expires_at, except_device=reader.device),
            ],
        )
        self._notify(woken)

    def _check(self, sender: Address, message: Outgoing) -> None:
        if message.content_type is ContentType.UNSEALED and not self._allow_unsealed:
            raise refuse(ProblemType.UNSEALED_REFUSED)
        accounts = [recipient.account for recipient in message.recipients]
        expected = {message.conversation, sender.account}
        if len(set(accounts)) != len(accounts) or not set(accounts) <= expected:
            raise refuse(ProblemType.INVALID, "recipients: the other account and one's own")
        if any(_repeats(recipient) for recipient in message.recipients):
            raise refuse(ProblemType.INVALID, "recipients: a device stands there twice")
        size_bytes = sum(len(b.body) for r in message.recipients for b in r.bodies)
        if size_bytes > limits.UPLOAD_BODY_BYTES_MAX:
            raise refuse(ProblemType.TOO_LARGE, "the bodies together are too large")

    async def _check_nobody(self, sender: Address, account: UUID) -> None:
        """Nothing is listed for the other account: right only for a note to oneself."""
        if account != sender.account and not await self._queues.devices(account):
            raise refuse(ProblemType.NOT_FOUND)

    def _operation(self, sender: Address, message: Outgoing) -> SendOperation:
        now = self._clock()
        listed = {recipient.account: recipient for recipient in message.recipients}
        return SendOperation(
            sender=sender,
            message=message.id,
            conversation=message.conversation,
            sequence=message.sequence,
            recipients=tuple(
                _payloads(sender, message, account, listed.get(account), now)
                for account in dict.fromkeys((message.conversation, sender.account))
            ),
            at=now,
            expires_at=now + self._retention_ms,
        )

    def _delivered_receipts(
        self, device: Address, delivered: Mapping[int, frames.AnyEntry]
    ) -> list[Append]:
        """One receipt per writing account and conversation."""
        groups: dict[UUID, list[UUID]] = {}
        for entry in delivered.values():
            if isinstance(entry, frames.Message) and entry.sender.account != device.account:
                groups.setdefault(entry.sender.account, []).append(entry.id)
        now = self._clock()
        return [
            Append(
                writer,
                _receipt(
                    ReceiptKind.DELIVERED,
                    device,
                    ids,
                    conversation=device.account,
                    writer=writer,
                    at=now,
                ),
                now + self._retention_ms,
            )
            for writer, ids in groups.items()
        ]


def _receipt(
    kind: ReceiptKind, by: Address, ids: list[UUID], *, conversation: UUID, writer: UUID, at: int
) -> bytes:
    return encode_entry(
        frames.Receipt(
            kind=kind, by=by, conversation=conversation, ids=ids, at=at, message_sender=writer
        )
    )


def _payloads(
    sender: Address, message: Outgoing, account: UUID, recipient: Recipient | None, now: int
) -> RecipientPayloads:
    """`recipient` None: nothing was listed for this account, which is right when it has no devices."""
    own = account == sender.account
    conversation = message.conversation if own else sender.account
    return RecipientPayloads(
        account,
        tuple(
            DevicePayload(
                item.device,
                item.registration_id,
                encode_entry(
                    frames.Message(
                        id=message.id,
                        conversation=conversation,
                        sender=sender,
                        sequence=message.sequence,
                        sent_at=now,
                        content_type=message.content_type,
                        body=item.body,
                    )
                ),
            )
            for item in (recipient.bodies if recipient is not None else ())
        ),
    )


def _repeats(recipient: Recipient) -> bool:
    return len({item.device for item in recipient.bodies}) != len(recipient.bodies)


def _committed(outcome: SendOutcome) -> SendCommitted:
    match outcome:
        case SendCommitted():
            return outcome
        case DevicesDiffer(differences):
            raise Refused(ProblemType.DEVICES_DIFFER.describe(devices=list(differences)))
        case SequenceBroken(expected):
            raise Refused(ProblemType.SEQUENCE.describe(expected_sequence=expected))
        case IdReused():
            raise refuse(ProblemType.ID_REUSED)
    raise refuse(ProblemType.UNAUTHENTICATED)
