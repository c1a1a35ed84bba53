"""Records on SQL through SQLAlchemy Core: SQLite embedded, PostgreSQL at scale.

Writing transactions are serialised on SQLite by BEGIN IMMEDIATE and on PostgreSQL by row locks
(`with_for_update`) on the account or the pair, so that each method is one atomic step.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from backplane.storage.device_numbers import free_device_number
from backplane.storage.group_calls import GroupCalls
from backplane.storage.group_calls_sql import SqlGroupCalls
from backplane.storage.records import (
    AccountRecord,
    CallPair,
    CallRow,
    ContactRecord,
    DeviceRecord,
    NewDeviceRecord,
    Replacement,
)
from backplane.storage.records_tables import accounts, call_pairs, calls, contacts, devices
from backplane.storage.sql import SqlDatabase
from ringline.protocol.types import Address, ContactState


class SqlRecords:
    def __init__(self, engine: AsyncEngine, call_timeout_s: float) -> None:
        self.engine = engine
        self._database = database = SqlDatabase(engine, call_timeout_s)
        self._insert = database.insert
        self.group_calls: GroupCalls = SqlGroupCalls(database)

    async def register(
        self, number: str, fresh_account: UUID, device: NewDeviceRecord, now: int
    ) -> Replacement:
        async with self._database.writing() as connection:
            await connection.execute(
                self._insert(accounts)
                .values(
                    account=fresh_account.bytes, number=number, highest_device=0, created_at=now
                )
                .on_conflict_do_nothing(index_elements=["number"])
            )
            row = (
                await connection.execute(
                    sa.select(accounts).where(accounts.c.number == number).with_for_update()
                )
            ).one()
            removed = await connection.execute(
                sa.delete(devices)
                .where(devices.c.account == row.account)
                .returning(devices.c.device)
            )
            replaced = tuple(sorted(removed.scalars()))
            account = UUID(bytes=row.account)
            chosen = free_device_number(replaced, row.highest_device)
            assert chosen is not None, "an account has at most eight devices"
            added = await _add(connection, account, chosen, device, now)
            return Replacement(account, added, replaced)

    async def add_device(
        self, account: UUID, device: NewDeviceRecord, devices_max: int, now: int
    ) -> DeviceRecord | None:
        async with self._database.writing() as connection:
            row = (
                await connection.execute(
                    sa.select(accounts).where(accounts.c.account == account.bytes).with_for_update()
                )
            ).one_or_none()
            if row is None:
                return None
            taken = set(
                (
                    await connection.execute(
                        sa.select(devices.c.device).where(devices.c.account == account.bytes)
                    )
                ).scalars()
            )
            chosen = free_device_number(taken, row.highest_device)
            if len(taken) >= devices_max or chosen is None:
                return None
            return await _add(connection, account, chosen, device, now)

    async def remove_device(self, address: Address) -> bool:
        async with self._database.writing() as connection:
            result = await connection.execute(sa.delete(devices).where(_is(address)))
            return bool(result.rowcount)

    async def device(self, address: Address) -> DeviceRecord | None:
        rows = await self._database.all(sa.select(devices).where(_is(address)))
        return _device(rows[0]) if rows else None

    async def devices(self, account: UUID) -> tuple[DeviceRecord, ...]:
        query = (
            sa.select(devices).where(devices.c.account == account.bytes).order_by(devices.c.device)
        )
        return tuple(_device(row) for row in await self._database.all(query))

    async def seen(self, addresses: Sequence[Address], at: int) -> None:
        async with self._database.writing() as connection:
            for address in addresses:
                await connection.execute(
                    sa.update(devices).where(_is(address)).values(last_seen_at=at)
                )

    async def account(self, account: UUID) -> AccountRecord | None:
        rows = await self._database.all(
            sa.select(accounts).where(accounts.c.account == account.bytes)
        )
        return AccountRecord(account, rows[0].number, rows[0].created_at) if rows else None

    async def remove_account(self, account: UUID) -> bool:
        async with self._database.writing() as connection:
            for table in (devices.c.account, contacts.c.owner, contacts.c.peer):
                await connection.execute(sa.delete(table.table).where(table == account.bytes))
            gone = await connection.execute(
                sa.delete(accounts).where(accounts.c.account == account.bytes)
            )
            return bool(gone.rowcount)

    async def accounts_from(
        self, number_prefix: str, created_before: int, limit: int
    ) -> tuple[AccountRecord, ...]:
        rows = await self._database.all(
            sa.select(accounts)
            .where(
                accounts.c.number.startswith(number_prefix, autoescape=True),
                accounts.c.created_at < created_before,
            )
            .order_by(accounts.c.created_at)
            .limit(limit)
        )
        return tuple(
            AccountRecord(UUID(bytes=row.account), row.number, row.created_at) for row in rows
        )

    async def accounts_by_number(self, numbers: Sequence[str]) -> dict[str, UUID]:
        query = sa.select(accounts.c.number, accounts.c.account).where(
            accounts.c.number.in_(list(numbers))
        )
        return {row.number: UUID(bytes=row.account) for row in await self._database.all(query)}

    async def contact(self, owner: UUID, peer: UUID) -> ContactState | None:
        rows = await self._database.all(
            sa.select(contacts.c.state).where(
                contacts.c.owner == owner.bytes, contacts.c.peer == peer.bytes
            )
        )
        return ContactState(rows[0].state) if rows else None

    async def contacts(self, owner: UUID) -> tuple[ContactRecord, ...]:
        rows = await self._database.all(
            sa.select(contacts).where(contacts.c.owner == owner.bytes).order_by(contacts.c.peer)
        )
        return tuple(
            ContactRecord(owner, UUID(bytes=row.peer), ContactState(row.state)) for row in rows
        )

    async def raise_contact(self, owner: UUID, peer: UUID, state: ContactState, now: int) -> None:
        statement = self._insert(contacts).values(
            owner=owner.bytes, peer=peer.bytes, state=state.value, changed_at=now
        )
        if state is ContactState.ACCEPTED:
            statement = statement.on_conflict_do_update(
                index_elements=["owner", "peer"], set_={"state": state.value, "changed_at": now}
            )
        else:
            statement = statement.on_conflict_do_nothing(index_elements=["owner", "peer"])
        async with self._database.writing() as connection:
            await connection.execute(statement)

    async def remove_contact(self, owner: UUID, peer: UUID) -> bool:
        async with self._database.writing() as connection:
            result = await connection.execute(
                sa.delete(contacts).where(
                    contacts.c.owner == owner.bytes, contacts.c.peer == peer.bytes
                )
            )
            return bool(result.rowcount)

    async def call_pair(self, pair: tuple[UUID, UUID]) -> CallPair:
        rows = await self._database.all(sa.select(call_pairs).where(_is_pair(pair)))
        return CallPair(rows[0].version, rows[0].document) if rows else CallPair(0, b"")

    async def commit_call(
        self,
        pair: tuple[UUID, UUID],
        expected_version: int,
        document: bytes,
        rows: Sequence[CallRow],
        deadline: int | None,
    ) -> bool:
        values = {"document": document, "deadline": deadline, "version": expected_version + 1}
        async with self._database.writing() as connection:
            if expected_version == 0:
                result = await connection.execute(
                    self._insert(call_pairs)
                    .values(low=pair[0].bytes, high=pair[1].bytes, **values)
                    .on_conflict_do_nothing(index_elements=["low", "high"])
                )
            else:
                result = await connection.execute(
                    sa.update(call_pairs)
                    .where(_is_pair(pair), call_pairs.c.version == expected_version)
                    .values(**values)
                )
            if not result.rowcount:
                return False
            for row in rows:
                await self._put_call(connection, row)
            return True

    async def call(self, call: UUID) -> CallRow | None:
        rows = await self._database.all(sa.select(calls).where(calls.c.call == call.bytes))
        if not rows:
            return None
        return CallRow(
            call, UUID(bytes=rows[0].caller), UUID(bytes=rows[0].callee), rows[0].document
        )

    async def due_calls(self, now: int, limit: int) -> tuple[tuple[UUID, UUID], ...]:
        rows = await self._database.all(
            sa.select(call_pairs.c.low, call_pairs.c.high)
            .where(call_pairs.c.deadline <= now)
            .order_by(call_pairs.c.deadline)
            .limit(limit)
        )
        return tuple((UUID(bytes=row.low), UUID(bytes=row.high)) for row in rows)

    async def probe(self) -> None:
        await self._database.all(sa.select(sa.literal(1)))

    async def shut(self) -> None:
        await self.engine.dispose()

    async def _put_call(self, connection: AsyncConnection, row: CallRow) -> None:
        await connection.execute(
            self._insert(calls)
            .values(
                call=row.call.bytes,
                caller=row.caller.bytes,
                callee=row.callee.bytes,
                document=row.document,
            )
            .on_conflict_do_update(
                index_elements=["call"],
                set_={"document": row.document},
                # An id that two other accounts already use stays theirs.
                where=sa.and_(
                    calls.c.caller.in_([row.caller.bytes, row.callee.bytes]),
                    calls.c.callee.in_([row.caller.bytes, row.callee.bytes]),
                ),
            )
        )


async def _add(
    connection: AsyncConnection, account: UUID, number: int, device: NewDeviceRecord, now: int
) -> DeviceRecord:
    await connection.execute(
        sa.insert(devices).values(
            account=account.bytes,
            device=number,
            name=device.name,
            registration_id=device.registration_id,
            credential_hash=device.credential_hash,
            created_at=now,
        )
    )
    await connection.execute(
        sa.update(accounts).where(accounts.c.account == account.bytes).values(highest_device=number)
    )
    return DeviceRecord(
        account, number, device.name, device.registration_id, device.credential_hash, now, None
    )


def _is(address: Address) -> sa.ColumnElement[bool]:
    return sa.and_(devices.c.account == address.account.bytes, devices.c.device == address.device)


def _is_pair(pair: tuple[UUID, UUID]) -> sa.ColumnElement[bool]:
    return sa.and_(call_pairs.c.low == pair[0].bytes, call_pairs.c.high == pair[1].bytes)


def _device(row: sa.Row[Any]) -> DeviceRecord:
    return DeviceRecord(
        UUID(bytes=row.account),
        row.device,
        row.name,
        row.registration_id,
        row.credential_hash,
        row.created_at,
        row.last_seen_at,
    )
