"""The first message is a request; nothing rings before it is accepted."""

from uuid import UUID

import pytest

from messaging import contact
from messaging.errors import Refused
from ringline.protocol.types import Address, ContactState
from tests.unit.messaging.conftest import Town

NUMBERS = ("+442079460001", "+442079460002")


async def two(town: Town) -> tuple[Address, Address]:
    anna, bert = [await town.register(number) for number in NUMBERS]
    return Address(anna.account, 1), Address(bert.account, 1)


async def states(town: Town, owner: Address) -> dict[UUID, ContactState]:
    listed = await town.messaging.contacts.list(owner)
    return {contact.account: contact.state for contact in listed.contacts}


async def test_writing_accepts_the_other_and_asks_them(town: Town) -> None:
    anna, bert = await two(town)
    contacts = town.messaging.contacts
    assert not contacts.is_written(anna.account, bert.account)
    await contacts.written(anna.account, bert.account)
    assert contacts.is_written(anna.account, bert.account)
    assert await states(town, anna) == {bert.account: ContactState.ACCEPTED}
    assert await states(town, bert) == {anna.account: ContactState.REQUESTED}
    assert not await contacts.is_accepted(bert.account, anna.account)


async def test_writing_back_accepts(town: Town) -> None:
    anna, bert = await two(town)
    await town.messaging.contacts.written(anna.account, bert.account)
    await town.messaging.contacts.written(bert.account, anna.account)
    assert await town.messaging.contacts.is_accepted(bert.account, anna.account)
    assert await states(town, anna) == {bert.account: ContactState.ACCEPTED}


async def test_accept_and_remove(town: Town) -> None:
    anna, bert = await two(town)
    contacts = town.messaging.contacts
    await contacts.accept(bert, anna.account)
    assert await contacts.is_accepted(bert.account, anna.account)
    await contacts.remove(bert, anna.account)
    assert not await contacts.is_accepted(bert.account, anna.account)
    with pytest.raises(Refused):
        await contacts.remove(bert, anna.account)


async def test_nobody_to_accept(town: Town) -> None:
    anna, _ = await two(town)
    with pytest.raises(Refused):
        await town.messaging.contacts.accept(anna, UUID(int=5))


async def test_those_behind_the_first_send_do_not_write_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    anna, bert = await two(town)
    contacts = town.messaging.contacts
    writing = contacts.written(anna.account, bert.account)
    before = contacts.is_written(anna.account, bert.account)
    records, during = town.messaging.records.raise_contact, []

    async def watched(*arguments: object) -> None:
        during.append(contacts.is_written(anna.account, bert.account))
        await records(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(town.messaging.records, "raise_contact", watched)
    await writing
    assert (before, during) == (False, [True, True])


async def test_what_is_believed_of_pairs_grows_old(town: Town) -> None:
    anna, bert = await two(town)
    contacts = town.messaging.contacts
    await contacts.written(anna.account, bert.account)
    town.clock.now += contact.WRITTEN_LIFETIME_MS
    assert not contacts.is_written(anna.account, bert.account)


async def test_removed_contact_is_asked_for_again(town: Town) -> None:
    anna, bert = await two(town)
    contacts = town.messaging.contacts
    await contacts.written(anna.account, bert.account)
    await contacts.remove(bert, anna.account)
    assert not contacts.is_written(anna.account, bert.account)


async def test_what_is_remembered_of_pairs_is_bounded(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contact, "WRITTEN_PAIRS_MAX", 1)
    anna, bert = await two(town)
    contacts = town.messaging.contacts
    await contacts.written(anna.account, bert.account)
    await contacts.written(bert.account, anna.account)
    assert not contacts.is_written(anna.account, bert.account)
    assert contacts.is_written(bert.account, anna.account)
