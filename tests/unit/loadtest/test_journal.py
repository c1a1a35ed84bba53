"""The checker finds each seeded fault, names it, and accuses nobody else."""

import os
import random
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from loadtest.journal import (
    Acked,
    AnyRecord,
    Attempt,
    Fault,
    Journal,
    Shown,
    body_hash,
    check,
    read_journal,
)
from ringline.protocol.types import Address

MESSAGES = 200


def history(randomness: random.Random) -> list[AnyRecord]:
    """Three senders, one recipient account with two devices; some sends are never acknowledged."""
    senders = [Address(UUID(int=n), 1) for n in (1, 2, 3)]
    devices = (Address(UUID(int=9), 1), Address(UUID(int=9), 2))
    records: list[AnyRecord] = []
    sequences = dict.fromkeys(senders, 0)
    for number in range(MESSAGES):
        sender = randomness.choice(senders)
        sequences[sender] += 1
        message = UUID(int=1000 + number)
        digest = body_hash(str(number).encode())
        records.append(
            Attempt(
                message=message,
                sender=sender,
                conversation=devices[0].account,
                sequence=sequences[sender],
                body_hash=digest,
                recipients=devices,
            )
        )
        if number % 10:
            records.append(Acked(message=message, sender=sender, sent_at=number))
        records += [
            Shown(
                message=message,
                device=device,
                position=number + 1,
                sender=sender,
                sequence=sequences[sender],
                sent_at=number,
                body_hash=digest,
            )
            for device in devices
        ]
    return records


def pick_shown(records: list[AnyRecord], randomness: random.Random) -> int:
    """The index of a show whose send was acknowledged."""
    acked = {record.message for record in records if isinstance(record, Acked)}
    return randomness.choice(
        [i for i, r in enumerate(records) if isinstance(r, Shown) and r.message in acked]
    )


def lose(records: list[AnyRecord], randomness: random.Random) -> None:
    del records[pick_shown(records, randomness)]


def duplicate(records: list[AnyRecord], randomness: random.Random) -> None:
    records.append(records[pick_shown(records, randomness)])


def swap(records: list[AnyRecord], randomness: random.Random) -> None:
    """Two shows of one sender on one device trade places."""
    shown = [(i, r) for i, r in enumerate(records) if isinstance(r, Shown)]
    first, one = randomness.choice(shown[: len(shown) // 2])
    second = next(
        i for i, r in shown if i > first and (r.device, r.sender) == (one.device, one.sender)
    )
    records[first], records[second] = records[second], records[first]
    # The later message is now shown before it was attempted unless its attempt moves up too.
    moved = records[first].message
    attempt = next(
        i for i, r in enumerate(records) if isinstance(r, Attempt) and r.message == moved
    )
    own = next(
        i for i, r in enumerate(records) if isinstance(r, Attempt) and r.message == one.message
    )
    records.insert(own + 1, records.pop(attempt))


def alien(records: list[AnyRecord], randomness: random.Random) -> None:
    index = pick_shown(records, randomness)
    records.append(msgspec.structs.replace(records[index], message=UUID(int=7)))


def misdeliver(records: list[AnyRecord], randomness: random.Random) -> None:
    index = pick_shown(records, randomness)
    records.append(msgspec.structs.replace(records[index], device=Address(UUID(int=4), 1)))


def alter(records: list[AnyRecord], randomness: random.Random) -> None:
    index = pick_shown(records, randomness)
    records[index] = msgspec.structs.replace(records[index], body_hash=body_hash(b"other"))


def restamp(records: list[AnyRecord], randomness: random.Random) -> None:
    index = pick_shown(records, randomness)
    records[index] = msgspec.structs.replace(records[index], sent_at=10_000_000)


def reacknowledge(records: list[AnyRecord], randomness: random.Random) -> None:
    acked = randomness.choice([r for r in records if isinstance(r, Acked)])
    records.append(msgspec.structs.replace(acked, sent_at=acked.sent_at + 1))


SEEDED = [
    (lose, Fault.LOST),
    (duplicate, Fault.DUPLICATE),
    (swap, Fault.ORDER),
    (alien, Fault.ALIEN),
    (misdeliver, Fault.ALIEN),
    (alter, Fault.ALTERED),
    (restamp, Fault.ALTERED),
    (reacknowledge, Fault.UNSTABLE),
]


@pytest.mark.parametrize("seed", range(20))
def test_a_clean_history_holds(seed: int) -> None:
    verdict = check(history(random.Random(seed)))
    assert verdict.holds, verdict
    assert (verdict.attempted, verdict.acked, verdict.shown) == (MESSAGES, 180, 2 * MESSAGES)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("spoil", "fault"), SEEDED, ids=[spoil.__name__ for spoil, _ in SEEDED])
def test_each_seeded_fault_is_found_alone(
    spoil: Callable[[list[AnyRecord], random.Random], None], fault: Fault, seed: int
) -> None:
    randomness = random.Random(seed)
    records = history(randomness)
    spoil(records, randomness)
    verdict = check(records)
    assert [flaw.fault for flaw in verdict.flaws] == [fault], f"seed {seed}: {verdict}"


def test_an_unacknowledged_attempt_may_stay_unseen() -> None:
    records = [r for r in history(random.Random(1)) if isinstance(r, Attempt)]
    assert check(records).holds


def test_a_second_attempt_of_one_id_is_a_fault_of_the_sender() -> None:
    records = history(random.Random(1))
    verdict = check([records[0], *records])
    assert [flaw.fault for flaw in verdict.flaws] == [Fault.ALTERED]


def test_a_journal_reads_back_what_was_synced(tmp_path: Path) -> None:
    records = history(random.Random(3))
    path = tmp_path / "journal"
    with Journal(path) as journal:
        for record in records:
            journal.record(record)
        assert path.stat().st_size == 0, "nothing is on the disk before sync"
        journal.sync()
        assert list(read_journal(path)) == records
    assert check(read_journal(path)).holds


def test_sync_reaches_the_disk_once_per_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    with Journal(tmp_path / "journal") as journal:
        for record in history(random.Random(3))[:5]:
            journal.record(record)
        journal.sync()
        journal.sync()
        assert len(synced) == 1


def test_a_torn_line_is_not_taken_for_history(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal:
        journal.record(history(random.Random(3))[0])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(msgspec.DecodeError):
        list(read_journal(path))
