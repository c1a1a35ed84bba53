"""The mailbox against every order of send, retry, acknowledge, disconnect, expiry, and devices that leave
and join, on both stores."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from backplane.storage.device_queues import DeviceQueues, FetchRequest, QueueDevice
from backplane.storage.open_sqlite import migrate, open_memory_storage, open_storage
from backplane.storage.records import Records
from backplane.storage.settings import StorageSettings
from messaging.contact import Contacts
from messaging.errors import Refused
from messaging.mailbox import Mailbox
from ringline.protocol import frames
from ringline.protocol.codec import decode_entry
from ringline.protocol.problems import DeviceDifference, ProblemType
from ringline.protocol.types import Address, ContentType, DeviceBody, ReceiptKind, Recipient

ANNA, BERT = UUID(int=1), UUID(int=2)
SENDER = Address(ANNA, 1)
OWN_OTHER = Address(ANNA, 2)
RECIPIENTS = [Address(BERT, 1), Address(BERT, 2)]
READERS = [OWN_OTHER, *RECIPIENTS]
LEAVERS = [OWN_OTHER, RECIPIENTS[1]]
RETENTION_S = 1_000
WINDOW_ENTRIES = 4


class MailboxMachine(RuleBasedStateMachine):
    """One writer's device, three reading ones. The model is a list of messages and what each holds."""

    def open(self) -> tuple[Records, DeviceQueues]:
        raise AssertionError("a store is chosen below")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.now = 1_000_000
        self.records, self.queues = self.open()
        contacts = Contacts(records=self.records, queues=self.queues, clock=lambda: self.now)
        self.mailbox = Mailbox(
            queues=self.queues,
            contacts=contacts,
            allow_unsealed=True,
            retention_s=RETENTION_S,
            clock=lambda: self.now,
            notify=lambda _: None,
        )
        self.sent: dict[UUID, int] = {}
        """Id: the server's time, of every message whose `sent` came."""
        self.order: list[UUID] = []
        self.shown: dict[Address, list[UUID]] = {reader: [] for reader in READERS}
        self.window: dict[Address, dict[int, frames.AnyEntry]] = {r: {} for r in READERS}
        self.delivered: set[tuple[UUID, Address]] = set()
        self.bodies: list[frames.Send] = []
        self.lists: dict[Address, int] = {}
        """The devices that are there, each with its registration id."""
        self.owed: dict[Address, list[UUID]] = {reader: [] for reader in READERS}
        """What was sent since the device joined."""
        self.joined = 0

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        self.run(self.queues.open(ANNA, QueueDevice(SENDER.device, 1), self.now))
        for reader in READERS:
            self._join(reader)

    @rule(size=st.integers(1, 300))
    def send(self, size: int) -> None:
        """A new message, with the next sequence."""
        sequence = len(self.order) + 1
        frame = self._frame(UUID(int=sequence), sequence, b"x" * size)
        answer = self.run(self.mailbox.send(SENDER, frame))
        self.order.append(frame.id)
        self.bodies.append(frame)
        for reader in self.lists:
            self.owed[reader].append(frame.id)
        self.sent[frame.id] = answer.sent_at

    @rule(data=st.data(), later_ms=st.integers(0, 1_000))
    def retry(self, data: st.DataObject, later_ms: int) -> None:
        """`sent` was lost with the connection: the same message again, on any connection."""
        if not self.bodies:
            return
        frame = data.draw(st.sampled_from(self.bodies))
        self.now += later_ms
        if self.now >= self.sent[frame.id] + RETENTION_S * 1000:
            return
        assert self.run(self.mailbox.send(SENDER, frame)).sent_at == self.sent[frame.id]

    @rule(ahead=st.integers(2, 5))
    def send_out_of_order(self, ahead: int) -> None:
        frame = self._frame(UUID(int=10_000 + self.now + ahead), len(self.order) + ahead, b"x")
        try:
            self.run(self.mailbox.send(SENDER, frame))
        except Refused as refused:
            assert refused.problem.type == ProblemType.SEQUENCE.uri
            assert refused.problem.expected_sequence == len(self.order) + 1
        else:
            raise AssertionError("a gap in the sequence was taken")

    @rule(reader=st.sampled_from(LEAVERS))
    def revoke(self, reader: Address) -> None:
        """The device goes with all that waited for it; what is sent by the old list is refused."""
        if reader not in self.lists:
            return
        stale = self._frame(UUID(int=20_000 + self.now), len(self.order) + 1, b"x")
        self.run(self.queues.close(reader))
        del self.lists[reader]
        self._forget(reader)
        self._assert_differs(stale, DeviceDifference(reader.account, [], [reader.device], []))

    @rule(reader=st.sampled_from(LEAVERS))
    def join(self, reader: Address) -> None:
        """A new device, or the same number with another registration."""
        known = reader in self.lists
        old = self._frame(UUID(int=30_000 + self.now), len(self.order) + 1, b"x")
        self._join(reader)
        self._forget(reader)
        number = [reader.device]
        difference = DeviceDifference(
            reader.account, missing=[] if known else number, extra=[], stale=number if known else []
        )
        self._assert_differs(old, difference)

    @rule(reader=st.sampled_from(READERS))
    def receive(self, reader: Address) -> None:
        """What fits into the window, after what is in it already."""
        window = self.window[reader]
        room = WINDOW_ENTRIES - len(window)
        if room <= 0:
            return
        request = FetchRequest(reader, max(window, default=0), room)
        for entry in self.run(self.queues.fetch([request], self.now))[0]:
            decoded = decode_entry(entry.payload)
            assert entry.position not in window
            window[entry.position] = decoded
            if isinstance(decoded, frames.Message) and decoded.id not in self.shown[reader]:
                self.shown[reader].append(decoded.id)

    @rule(reader=st.sampled_from(READERS), count=st.integers(1, WINDOW_ENTRIES))
    def acknowledge(self, reader: Address, count: int) -> None:
        window = self.window[reader]
        positions = list(window)[:count]
        if not positions:
            return
        kept = {position: window.pop(position) for position in positions}
        self.run(self.mailbox.acknowledge(reader, kept))
        if reader.account == BERT:
            self.delivered |= {
                (e.id, reader) for e in kept.values() if isinstance(e, frames.Message)
            }

    @rule(reader=st.sampled_from(READERS))
    def disconnect(self, reader: Address) -> None:
        """What was not acknowledged comes again."""
        self.window[reader].clear()

    @rule(milliseconds=st.sampled_from([10, RETENTION_S * 400]))
    def time_passes(self, milliseconds: int) -> None:
        self.now += milliseconds

    @rule()
    def sweep(self) -> None:
        self.run(self.queues.sweep(self.now, 1_000))

    def _join(self, reader: Address) -> None:
        self.joined += 1
        self.lists[reader] = self.joined
        queue = QueueDevice(reader.device, self.joined)
        self.run(self.queues.open(reader.account, queue, self.now))

    def _forget(self, reader: Address) -> None:
        self.window[reader].clear()
        self.shown[reader].clear()
        self.owed[reader].clear()

    def _assert_differs(self, frame: frames.Send, expected: DeviceDifference) -> None:
        """Refused with the exact sets, and the sequence is still the next one."""
        try:
            self.run(self.mailbox.send(SENDER, frame))
        except Refused as refused:
            assert refused.problem.devices == [expected]
        else:
            raise AssertionError("an old list of devices was taken")
        assert self.run(self.queues.next_sequence(SENDER, BERT)) == len(self.order) + 1

    @invariant()
    def order_is_kept(self) -> None:
        for reader, shown in self.shown.items():
            assert shown == sorted(shown, key=lambda id_: id_.int), "the sender's order"
            assert set(shown) <= set(self.owed[reader]), "nothing from before it joined"

    def teardown(self) -> None:
        try:
            self._drain()
            self._check_receipts()
        finally:
            self.run(self.queues.shut())
            self.run(self.records.shut())
            self.loop.close()

    def _drain(self) -> None:
        """Every device comes back: nothing that was `sent` is missing unless its time was over."""
        alive = {i for i in self.order if self.sent[i] + RETENTION_S * 1000 > self.now}
        for reader in self.lists:
            self.window[reader].clear()
            for _ in range(len(self.order) * 2 + 8):
                self.receive(reader)
                self.acknowledge(reader, WINDOW_ENTRIES)
            assert alive & set(self.owed[reader]) <= set(self.shown[reader])
            head = self.run(self.queues.head(reader))
            assert head is not None
            self.run(self.queues.sweep(self.now, 100_000))
            assert self.run(self.queues.head(reader)).backlog == 0, "queues empty"

    def _check_receipts(self) -> None:
        """Every acknowledgement of the other account's devices is told to the writer's device."""
        entries = self.run(self.queues.fetch([FetchRequest(SENDER, 0, 10_000)], self.now))[0]
        told = set()
        for entry in entries:
            receipt = decode_entry(entry.payload)
            assert isinstance(receipt, frames.Receipt)
            assert receipt.kind is ReceiptKind.DELIVERED
            told |= {(id_, receipt.by) for id_ in receipt.ids}
        assert told <= self.delivered
        recent = {i for i in self.order if self.sent[i] + RETENTION_S * 1000 > self.now}
        assert {(i, by) for i, by in self.delivered if i in recent} <= told

    def _frame(self, id_: UUID, sequence: int, body: bytes) -> frames.Send:
        listed: dict[UUID, list[DeviceBody]] = {}
        for reader, registration_id in self.lists.items():
            entry = DeviceBody(reader.device, registration_id, body)
            listed.setdefault(reader.account, []).append(entry)
        return frames.Send(
            id=id_,
            conversation=BERT,
            sequence=sequence,
            content_type=ContentType.UNSEALED,
            recipients=[Recipient(account, bodies) for account, bodies in listed.items()],
        )


class MailboxInMemory(MailboxMachine):
    def open(self) -> tuple[Records, DeviceQueues]:
        return open_memory_storage()


class MailboxOnSqlite(MailboxMachine):
    def open(self) -> tuple[Records, DeviceQueues]:
        self._folder = tempfile.TemporaryDirectory(prefix="rl-")
        storage = StorageSettings(directory=str(Path(self._folder.name)))
        migrate(storage)
        return open_storage(storage)

    def teardown(self) -> None:
        super().teardown()
        self._folder.cleanup()


MailboxInMemory.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None
)
MailboxOnSqlite.TestCase.settings = settings(max_examples=12, stateful_step_count=30, deadline=None)
TestMailboxInMemory = MailboxInMemory.TestCase
TestMailboxOnSqlite = MailboxOnSqlite.TestCase
