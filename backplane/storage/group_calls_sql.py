"""Group calls on SQL, in the records' database."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from backplane.storage.group_calls import GroupCallRecord
from backplane.storage.records_tables import group_call_members as members
from backplane.storage.records_tables import group_calls as calls
from backplane.storage.sql import SqlDatabase


class SqlGroupCalls:
    def __init__(self, database: SqlDatabase) -> None:
        self._database = database

    async def create(self, call: GroupCallRecord) -> GroupCallRecord | None:
        async with self._database.writing() as connection:
            made = await connection.execute(
                self._database.insert(calls)
                .values(
                    call=call.call.bytes,
                    creator=call.creator.bytes,
                    link_token=call.link_token,
                    created_at=call.created_at,
                )
                .on_conflict_do_nothing(index_elements=["call"])
            )
            rows = [
                {"call": call.call.bytes, "account": each.bytes}
                for each in sorted(set(call.members))
            ]
            if made.rowcount and rows:
                await connection.execute(sa.insert(members), rows)
        known = await self.show(call.call)
        return known if known is not None and known.creator == call.creator else None

    async def show(self, call: UUID) -> GroupCallRecord | None:
        rows = await self._database.all(sa.select(calls).where(calls.c.call == call.bytes))
        if not rows:
            return None
        listed = await self._database.all(
            sa.select(members).where(members.c.call == call.bytes).order_by(members.c.account)
        )
        return GroupCallRecord(
            call=call,
            creator=UUID(bytes=rows[0].creator),
            members=tuple(UUID(bytes=row.account) for row in listed if row.removed_at is None),
            removed=tuple(UUID(bytes=row.account) for row in listed if row.removed_at is not None),
            link_token=rows[0].link_token,
            created_at=rows[0].created_at,
            ended_at=rows[0].ended_at,
        )

    async def end(self, call: UUID, at: int) -> bool:
        async with self._database.writing() as connection:
            result = await connection.execute(
                sa.update(calls)
                .where(calls.c.call == call.bytes, calls.c.ended_at.is_(None))
                .values(ended_at=at)
            )
            return bool(result.rowcount)

    async def add_member(self, call: UUID, account: UUID, members_max: int) -> bool:
        async with self._database.writing() as connection:
            listed = await _listed(connection, call)
            if listed is None:
                return False
            if account.bytes in listed:
                return listed[account.bytes] is None
            if len(listed) >= members_max:
                return False
            await connection.execute(
                sa.insert(members).values(call=call.bytes, account=account.bytes)
            )
            return True

    async def remove_member(self, call: UUID, account: UUID, at: int, members_max: int) -> bool:
        async with self._database.writing() as connection:
            listed = await _listed(connection, call)
            if listed is None:
                return False
            if account.bytes in listed:
                await connection.execute(
                    sa.update(members)
                    .where(members.c.call == call.bytes, members.c.account == account.bytes)
                    .values(removed_at=at)
                )
                return True
            if len(listed) >= members_max:
                return False
            await connection.execute(
                sa.insert(members).values(call=call.bytes, account=account.bytes, removed_at=at)
            )
            return True

    async def aged(self, created_until: int, calls_max: int) -> tuple[UUID, ...]:
        rows = await self._database.all(
            sa.select(calls.c.call)
            .where(calls.c.ended_at.is_(None), calls.c.created_at <= created_until)
            .order_by(calls.c.created_at, calls.c.call)
            .limit(calls_max)
        )
        return tuple(UUID(bytes=row.call) for row in rows)

    async def forget(self, ended_until: int, calls_max: int) -> int:
        async with self._database.writing() as connection:
            found = await connection.execute(
                sa.select(calls.c.call).where(calls.c.ended_at <= ended_until).limit(calls_max)
            )
            old = list(found.scalars())
            if old:
                await connection.execute(sa.delete(members).where(members.c.call.in_(old)))
                await connection.execute(sa.delete(calls).where(calls.c.call.in_(old)))
            return len(old)


async def _listed(connection: AsyncConnection, call: UUID) -> dict[bytes, int | None] | None:
    """Who is or was a member, and when they were removed; the call stays as it is meanwhile."""
    row = await connection.execute(
        sa.select(calls.c.call).where(calls.c.call == call.bytes).with_for_update()
    )
    if row.one_or_none() is None:
        return None
    rows = await connection.execute(
        sa.select(members.c.account, members.c.removed_at).where(members.c.call == call.bytes)
    )
    return {row.account: row.removed_at for row in rows}
