"""The tables of the records. Ids are 16 bytes, times UTC milliseconds. Migrations make them."""

import sqlalchemy as sa

metadata = sa.MetaData()

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("account", sa.LargeBinary(16), primary_key=True),
    sa.Column("number", sa.String(16), nullable=False, unique=True),
    sa.Column("highest_device", sa.Integer, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
)

devices = sa.Table(
    "devices",
    metadata,
    sa.Column("account", sa.LargeBinary(16), primary_key=True),
    sa.Column("device", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("registration_id", sa.Integer, nullable=False),
    sa.Column("credential_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("last_seen_at", sa.BigInteger, nullable=True),
)

contacts = sa.Table(
    "contacts",
    metadata,
    sa.Column("owner", sa.LargeBinary(16), primary_key=True),
    sa.Column("peer", sa.LargeBinary(16), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("changed_at", sa.BigInteger, nullable=False),
)

call_pairs = sa.Table(
    "call_pairs",
    metadata,
    sa.Column("low", sa.LargeBinary(16), primary_key=True),
    sa.Column("high", sa.LargeBinary(16), primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("deadline", sa.BigInteger, nullable=True, index=True),
)

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("call", sa.LargeBinary(16), primary_key=True),
    sa.Column("caller", sa.LargeBinary(16), nullable=False),
    sa.Column("callee", sa.LargeBinary(16), nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
)

group_calls = sa.Table(
    "group_calls",
    metadata,
    sa.Column("call", sa.LargeBinary(16), primary_key=True),
    sa.Column("creator", sa.LargeBinary(16), nullable=False),
    sa.Column("link_token", sa.String(128), nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.BigInteger, nullable=True),
)

group_call_members = sa.Table(
    "group_call_members",
    metadata,
    sa.Column("call", sa.LargeBinary(16), primary_key=True),
    sa.Column("account", sa.LargeBinary(16), primary_key=True),
    sa.Column("removed_at", sa.BigInteger, nullable=True),
)
