from uuid import UUID

from backplane.storage.device_differences import differences
from backplane.storage.device_queues import DevicePayload, RecipientPayloads, SendOperation
from ringline.protocol.problems import DeviceDifference
from ringline.protocol.types import Address

OWN, OTHER = UUID(int=1), UUID(int=2)
CURRENT = {OWN: {1: 10, 2: 20}, OTHER: {1: 30}}


def found(*recipients: tuple[UUID, list[tuple[int, int]]]) -> tuple[DeviceDifference, ...]:
    operation = SendOperation(
        sender=Address(OWN, 1),
        message=UUID(int=9),
        conversation=OTHER,
        sequence=1,
        recipients=tuple(
            RecipientPayloads(account, tuple(DevicePayload(d, r, b"x") for d, r in listed))
            for account, listed in recipients
        ),
        at=0,
        expires_at=1,
    )
    return differences(operation, lambda account: CURRENT.get(account, {}))


def test_an_exact_list_has_none() -> None:
    assert found((OTHER, [(1, 30)]), (OWN, [(2, 20)])) == ()


def test_order_of_devices_and_accounts_is_free() -> None:
    assert found((OWN, [(2, 20)]), (OTHER, [(1, 30)])) == ()


def test_all_three_kinds_at_once() -> None:
    assert found((OTHER, [(1, 31), (5, 1)]), (OWN, [])) == (
        DeviceDifference(OTHER, missing=[], extra=[5], stale=[1]),
        DeviceDifference(OWN, missing=[2], extra=[], stale=[]),
    )


def test_a_foreign_account_without_devices_is_told_with_empty_lists() -> None:
    nobody = UUID(int=3)
    assert found((nobody, []), (OWN, [(2, 20)])) == (DeviceDifference(nobody, [], [], []),)
