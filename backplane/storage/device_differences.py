"""How a send's device list is compared with the queues that exist. Pure; both adapters use it.

Beyond the plain case: the sending device itself is never listed (it counts as `extra`), a device
listed twice is `extra`, every device of an account without queues is `extra`, and the sender's own
account is compared even when the send does not name it. An account of somebody else that has no
queue, named with no device, differs too, with three empty lists: there is nobody to commit to.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from uuid import UUID

from backplane.storage.device_queues import DevicePayload, SendOperation
from ringline.protocol.problems import DeviceDifference

CurrentDevices = Callable[[UUID], Mapping[int, int]]
"""An account's queues: device number to registration id."""


def differences(operation: SendOperation, current: CurrentDevices) -> tuple[DeviceDifference, ...]:
    """One per account whose list is not exact, in the send's order."""
    found = []
    for account, payloads in _listed(operation).items():
        expected = current(account)
        own = account == operation.sender.account
        if own:
            expected = {d: r for d, r in expected.items() if d != operation.sender.device}
        listed = {payload.device: payload.registration_id for payload in payloads}
        exact = listed == expected and len(listed) == len(payloads)
        if not exact or not (listed or own):
            found.append(_difference(account, payloads, expected))
    return tuple(found)


def _listed(operation: SendOperation) -> dict[UUID, tuple[DevicePayload, ...]]:
    listed: dict[UUID, tuple[DevicePayload, ...]] = {}
    for recipient in operation.recipients:
        listed[recipient.account] = listed.get(recipient.account, ()) + recipient.payloads
    listed.setdefault(operation.sender.account, ())
    return listed


def _difference(
    account: UUID, payloads: tuple[DevicePayload, ...], expected: Mapping[int, int]
) -> DeviceDifference:
    times = Counter(payload.device for payload in payloads)
    stale = {
        p.device for p in payloads if expected.get(p.device, p.registration_id) != p.registration_id
    }
    return DeviceDifference(
        account=account,
        missing=sorted(expected.keys() - times.keys()),
        extra=sorted(d for d, count in times.items() if count > 1 or d not in expected),
        stale=sorted(stale),
    )
