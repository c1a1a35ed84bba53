"""Wiring: the services of messaging on the ports that a node gives it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from backplane.bus.ports import Bus
from backplane.registry.ports import Registry
from backplane.storage.device_queues import DeviceQueues
from backplane.storage.records import Records
from messaging.access import Access
from messaging.code_sender import CodeSender
from messaging.contact import Contacts
from messaging.device import Devices
from messaging.lookup import Lookups
from messaging.mailbox import Mailbox
from messaging.number import Numbers
from messaging.registration import Registrations
from messaging.settings import MessagingSettings
from ringline.protocol.types import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Messaging:
    registrations: Registrations
    devices: Devices
    access: Access
    mailbox: Mailbox
    contacts: Contacts
    lookups: Lookups
    records: Records
    queues: DeviceQueues
    registry: Registry
    bus: Bus


def _no_alert(scope: str) -> None:
    """Nobody listens."""


def build_messaging(
    *,
    records: Records,
    queues: DeviceQueues,
    registry: Registry,
    bus: Bus,
    code_sender: CodeSender,
    settings: MessagingSettings,
    clock: Callable[[], int],
    entropy: Callable[[int], bytes],
    notify: Callable[[Sequence[Address]], None],
    alert: Callable[[str], None] = _no_alert,
) -> Messaging:
    """`notify` is told which queues have something new; `alert` which shared budget of codes ran out."""
    numbers = Numbers(settings)
    contacts = Contacts(records=records, queues=queues, clock=clock)
    access = Access(
        records=records, registry=registry, settings=settings.limits, clock=clock, entropy=entropy
    )
    return Messaging(
        registrations=Registrations(
            records=records,
            queues=queues,
            registry=registry,
            bus=bus,
            numbers=numbers,
            code_sender=code_sender,
            settings=settings.limits,
            clock=clock,
            entropy=entropy,
            alert=alert,
        ),
        devices=Devices(
            records=records,
            queues=queues,
            registry=registry,
            bus=bus,
            access=access,
            settings=settings.limits,
            clock=clock,
            entropy=entropy,
        ),
        access=access,
        mailbox=Mailbox(
            queues=queues,
            contacts=contacts,
            allow_unsealed=settings.allow_unsealed,
            retention_s=settings.retention_s,
            clock=clock,
            notify=notify,
        ),
        contacts=contacts,
        lookups=Lookups(
            records=records,
            registry=registry,
            numbers=numbers,
            numbers_per_day=settings.lookup_numbers_per_day,
            key=settings.lookup_key.encode(),
        ),
        records=records,
        queues=queues,
        registry=registry,
        bus=bus,
    )
