"""How a send's device list is compared with the queues that exist. Pure; both adapters use it."""

from collections.abc import Sequence

from backplane.storage.device_queues import QueueDevice, RecipientPayloads
from ringline.protocol.problems import DeviceDifference
from ringline.protocol.types import Address


def differences(
    recipient: RecipientPayloads, current: Sequence[QueueDevice], sender: Address
) -> list[DeviceDifference]:
    """At most one; empty when the list is exact. The sending device itself is never listed."""
    expected = {
        queue.device: queue.registration_id
        for queue in current
        if Address(recipient.account, queue.device) != sender
    }
    listed = {payload.device: payload.registration_id for payload in recipient.payloads}
    if listed == expected and len(listed) == len(recipient.payloads):
        return []
    stale = [d for d, known in listed.items() if d in expected and expected[d] != known]
    return [
        DeviceDifference(
            account=recipient.account,
            missing=sorted(expected.keys() - listed.keys()),
            extra=sorted(listed.keys() - expected.keys()),
            stale=sorted(stale),
        )
    ]
