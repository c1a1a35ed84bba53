"""A SQL database under the records' adapters: transactions with a deadline, and its complaints in the
backplane's words. SQLite embedded, PostgreSQL at scale."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from backplane.errors import Unavailable
from backplane.storage.errors_sqlite import world_error


class SqlDatabase:
    def __init__(self, engine: AsyncEngine, call_timeout_s: float) -> None:
        self.engine = engine
        self._timeout_s = call_timeout_s
        self._turn = asyncio.Lock()
        self.insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    async def all(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        async with self._translated(), self.engine.connect() as connection:
            rows: Sequence[sa.Row[Any]] = (await connection.execute(query)).all()
            return rows

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed unless it raises."""
        async with self._translated(), self._one_at_a_time(), self.engine.connect() as connection:
            if self.engine.dialect.name == "sqlite":
                await connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            await connection.commit()

    def _one_at_a_time(self) -> AbstractAsyncContextManager[object]:
        """SQLite has one writer: queue here in order, not inside it by sleeping and trying again."""
        return self._turn if self.engine.dialect.name == "sqlite" else nullcontext()

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """The deadline of one call, and the database's complaints in the backplane's words."""
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except (TimeoutError, PoolTimeoutError, OSError) as error:
            raise Unavailable("the records did not answer in time") from error
        except DBAPIError as error:
            fault = world_error(error.orig)
            if fault is None and self._is_lost(error):
                fault = Unavailable("the connection to the records was lost")
            if fault is None:
                raise
            raise fault from error

    def _is_lost(self, error: DBAPIError) -> bool:
        """On SQLite an operational error may be our own statement; servers have other classes for that."""
        of_server = self.engine.dialect.name != "sqlite" and isinstance(error, OperationalError)
        return error.connection_invalidated or of_server
