"""The raw client against a gateway that cuts and refuses: all arrives once, and the journal agrees."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from loadtest.courier import Device
from loadtest.journal import Fault, Journal, Verdict, check, read_journal
from loadtest.rehearsal import RehearsalGateway
from loadtest.wire import WireClient, open_http, until
from loadtest.witness import JournalWitness
from ringline.protocol.types import Address

MESSAGES = 150


def device(number: int) -> Device:
    return Device(Address(UUID(int=number), 1), number, "c" * 43)


@asynccontextmanager
async def two_clients(base: str, witness: JournalWitness) -> AsyncIterator[list[WireClient]]:
    async with open_http() as http:
        clients = [
            WireClient(http, [base], device(number), witness, random.Random(number))
            for number in (1, 2)
        ]
        for client in clients:
            client.start()
        yield clients
        for client in clients:
            await client.close()


async def converse(base: str, path: Path) -> tuple[Verdict, list[WireClient]]:
    """Both write MESSAGES to each other, wait until all is answered and shown."""
    with Journal(path) as journal:
        witness = JournalWitness(journal)
        async with two_clients(base, witness) as clients:
            one, other = clients
            for number in range(MESSAGES):
                one.send(other.device, b"%d" % number)
                other.send(one.device, b"%d" % number)
            await until(
                lambda: (
                    witness.answers == 2 * MESSAGES and min(c.shown for c in clients) >= MESSAGES
                ),
                30,
                "everything answered and shown",
            )
            await until(lambda: one.courier.receipted >= MESSAGES, 30, "receipts")
    return check(read_journal(path)), clients


async def test_a_kind_gateway(gateway: RehearsalGateway, tmp_path: Path) -> None:
    verdict, clients = await converse(gateway.base, tmp_path / "journal")
    assert verdict.holds, verdict
    assert verdict.shown == 2 * MESSAGES
    assert [client.findings for client in clients] == [[], []]
    assert gateway.tokens_sold == 2


@pytest.mark.parametrize("seed", range(3))
async def test_cut_connections_and_refusals_are_outlived(
    gateway: RehearsalGateway, tmp_path: Path, seed: int
) -> None:
    gateway.randomness = random.Random(seed)
    gateway.cut_share = gateway.refuse_share = 0.02
    verdict, clients = await converse(gateway.base, tmp_path / "journal")
    assert verdict.holds, verdict
    assert verdict.acked == 2 * MESSAGES
    assert gateway.cuts > 0
    assert sum(client.connection for client in clients) > 2


async def test_a_gateway_that_forgets_ids_is_found_out(
    gateway: RehearsalGateway, tmp_path: Path
) -> None:
    gateway.cut_share, gateway.forget_ids = 0.02, True
    verdict, _ = await converse(gateway.base, tmp_path / "journal")
    assert Fault.DUPLICATE in {flaw.fault for flaw in verdict.flaws}


async def test_a_cut_leaves_what_was_in_flight_to_be_repeated(
    gateway: RehearsalGateway, tmp_path: Path
) -> None:
    with Journal(tmp_path / "journal") as journal:
        witness = JournalWitness(journal)
        async with two_clients(gateway.base, witness) as (one, other):
            await until(lambda: one.courier.ready and other.courier.ready, 10, "connecting")
            first = one.connection
            send = one.send(other.device, b"x")
            await until(
                lambda: send.id in one.courier.in_flight or witness.answers == 1, 10, "write"
            )
            one.cut()
            await until(lambda: one.connection > first, 10, "coming back")
            await until(lambda: witness.answers == 1 and other.shown == 1, 10, "arriving")
    assert check(read_journal(tmp_path / "journal")).holds


async def test_a_finding_stops_the_client(gateway: RehearsalGateway, tmp_path: Path) -> None:
    """A final close code is not outlived: the harness must hear of it."""
    gateway.close_code = 4004
    with Journal(tmp_path / "journal") as journal:
        async with two_clients(gateway.base, JournalWitness(journal)) as (one, _):
            await until(lambda: bool(one.findings), 10, "the finding")
            assert one.findings == ["closed for good: 4004"]


async def test_until_names_what_did_not_happen() -> None:
    with pytest.raises(TimeoutError, match="the moon: not within 0"):
        await until(lambda: False, 0.0, "the moon")
