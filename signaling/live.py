"""What each client frame of a logged-in connection does, in the services' words."""

from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec

from backplane.bus.ports import Bus, TypingRelayed
from backplane.registry.ports import PresenceRegistry
from backplane.storage.device_queues import DeviceQueues
from backplane.telemetry.metrics import Metrics
from messaging.contact import Contacts
from messaging.mailbox import Mailbox
from ringline.protocol import frames
from ringline.protocol.types import Address
from signaling.connections import Connection, Connections
from signaling.operations import CallDesk
from signaling.session import Action, Serve, Settle
from signaling.watchers import Watchers


class Live:
    """Every method may raise `messaging.errors.Refused` and `backplane.errors.WorldError`."""

    def __init__(
        self,
        *,
        mailbox: Mailbox,
        contacts: Contacts,
        call_desk: CallDesk,
        watchers: Watchers,
        typing: "TypingRelay",
        metrics: Metrics,
        monotonic: Callable[[], float],
    ) -> None:
        self._mailbox = mailbox
        self._contacts = contacts
        self._call_desk = call_desk
        self._watchers = watchers
        self._typing = typing
        self._metrics = metrics
        self._monotonic = monotonic

    async def serve(self, connection: Connection, serve: Serve) -> Sequence[Action]:
        session, frame = connection.session, serve.frame
        match frame:
            case frames.Send():
                return session.answer(await self._send(session.address, frame))
            case frames.Call():
                return session.answer(await self._call(session.address, frame))
            case frames.Read():
                await self._mailbox.read(session.address, frame)
            case frames.Watch():
                await self._watchers.watch(connection, frame.accounts)
            case frames.Typing():
                await self._type(session.address, frame)
        return session.done(frame.ref)

    async def settle(self, connection: Connection, settle: Settle) -> Sequence[Action]:
        if settle.delivered:
            await self._mailbox.acknowledge(connection.session.address, settle.delivered)
            self._metrics.messages_acknowledged.inc(len(settle.delivered))
        return connection.session.settled(settle)

    async def _send(self, sender: Address, frame: frames.Send) -> frames.Sent:
        start = self._monotonic()
        sent = await self._mailbox.send(sender, frame)
        self._metrics.send_commit_seconds.observe(self._monotonic() - start)
        return frames.Sent(ref=frame.ref, id=sent.id, sent_at=sent.sent_at)

    async def _call(self, sender: Address, frame: frames.Call) -> frames.CallStatus:
        self._metrics.call_events.labels(kind=frame.kind.value).inc()
        status = await self._call_desk.event(sender, frame)
        return msgspec.structs.replace(status, ref=frame.ref)

    async def _type(self, sender: Address, frame: frames.Typing) -> None:
        # To somebody who has not accepted one it goes nowhere, and the typist is not told.
        if await self._contacts.is_accepted(frame.conversation, sender.account):
            await self._typing.relay(sender, frame)


class TypingRelay:
    """To the devices that are on line, on whichever node."""

    def __init__(
        self,
        node: str,
        connections: Connections,
        queues: DeviceQueues,
        presence: PresenceRegistry,
        bus: Bus,
    ) -> None:
        self._node = node
        self._connections = connections
        self._queues = queues
        self._presence = presence
        self._bus = bus

    async def relay(self, sender: Address, frame: frames.Typing) -> None:
        """Raises Unavailable."""
        notice = TypingRelayed(
            recipient=frame.conversation,
            sender=sender,
            conversation=sender.account,
            state=frame.state,
        )
        self.show(notice)
        nodes = await self._nodes(frame.conversation)
        if nodes:
            await self._bus.tell(nodes, notice)

    async def _nodes(self, account: UUID) -> list[str]:
        devices = await self._queues.devices(account)
        away = [
            address
            for address in (Address(account, device.device) for device in devices)
            if self._connections.get(address) is None
        ]
        if not away:
            return []
        locations = await self._presence.locate(away)
        return sorted({place.node for place in locations if place} - {self._node})

    def show(self, notice: TypingRelayed) -> None:
        """To this node's connections of the recipient."""
        frame = frames.TypingNotice(
            sender=notice.sender, conversation=notice.conversation, state=notice.state
        )
        for connection in self._connections.of_account(notice.recipient):
            connection.perform(connection.session.answer(frame))
