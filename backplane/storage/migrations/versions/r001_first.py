"""Accounts, devices, contacts, calls."""

import sqlalchemy as sa
from alembic import op

revision = "r001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account", sa.LargeBinary(16), primary_key=True),
        sa.Column("number", sa.String(16), nullable=False, unique=True),
        sa.Column("highest_device", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "devices",
        sa.Column("account", sa.LargeBinary(16), primary_key=True),
        sa.Column("device", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("registration_id", sa.Integer, nullable=False),
        sa.Column("credential_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_seen_at", sa.BigInteger, nullable=True),
    )
    op.create_table(
        "contacts",
        sa.Column("owner", sa.LargeBinary(16), primary_key=True),
        sa.Column("peer", sa.LargeBinary(16), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    _create_calls()


def _create_calls() -> None:
    op.create_table(
        "call_pairs",
        sa.Column("low", sa.LargeBinary(16), primary_key=True),
        sa.Column("high", sa.LargeBinary(16), primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("deadline", sa.BigInteger, nullable=True),
    )
    op.create_index("ix_call_pairs_deadline", "call_pairs", ["deadline"])
    op.create_table(
        "calls",
        sa.Column("call", sa.LargeBinary(16), primary_key=True),
        sa.Column("caller", sa.LargeBinary(16), nullable=False),
        sa.Column("callee", sa.LargeBinary(16), nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    for name in ("calls", "call_pairs", "contacts", "devices", "accounts"):
        op.drop_table(name)
