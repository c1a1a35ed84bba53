"""The records' schema: Alembic run from inside the package, without a configuration file.

All steps run in one transaction, which on SQLite begins by taking the write lock: of several
processes one migrates, and the others find nothing to do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from sqlalchemy.exc import DBAPIError

from backplane.errors import StorageFull, Unavailable
from backplane.storage.errors_sqlite import world_error


def pending_records(url: sa.URL) -> list[str]:
    """The steps that are missing, oldest first. Raises Unavailable."""
    with _connected(url) as connection:
        return _missing(connection)


def migrate_records(url: sa.URL) -> list[str]:
    """Take all missing steps: which. Raises Unavailable or StorageFull."""
    with _connected(url) as connection:
        steps = _missing(connection)
        if steps:
            config = _alembic()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        return steps


@contextmanager
def _connected(url: sa.URL) -> Iterator[sa.Connection]:
    """One transaction, in the backplane's words when it fails."""
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        _begin_locked(engine)
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        fault = world_error(error.orig)
        if isinstance(fault, StorageFull):
            raise fault from error
        raise Unavailable(f"the records do not answer: {error.orig}") from error
    finally:
        engine.dispose()


def _begin_locked(engine: sa.Engine) -> None:
    """The driver would run each CREATE TABLE on its own; half a schema is worse than none."""

    @sa.event.listens_for(engine, "connect")
    def _(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=10000")
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _missing(connection: sa.Connection) -> list[str]:
    script = ScriptDirectory.from_config(_alembic())
    current = MigrationContext.configure(connection).get_current_revision()
    try:
        steps = list(script.iterate_revisions("head", current or "base"))
    except RevisionError as error:
        raise Unavailable("the records were written by a newer version") from error
    return [f"records {step.revision}: {step.doc}" for step in reversed(steps)]


def _alembic() -> Config:
    config = Config()
    location = resources.files("backplane.storage").joinpath("migrations")
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    return config
