"""The migrations make what the tables say."""

from pathlib import Path

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from backplane.storage.records_tables import metadata
from backplane.storage.schema_records_sql import migrate_records, pending_records


def test_the_migrated_schema_is_that_of_the_tables(tmp_path: Path) -> None:
    url = sa.make_url(f"sqlite:///{tmp_path / 'records.sqlite3'}")
    assert migrate_records(url)
    assert pending_records(url) == []
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        connection.execute(sa.text("ALTER TABLE accounts ADD COLUMN extra INTEGER"))
        assert compare_metadata(MigrationContext.configure(connection), metadata) != []
    engine.dispose()
