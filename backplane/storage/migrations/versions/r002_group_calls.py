"""Group calls and their members."""

import sqlalchemy as sa
from alembic import op

revision = "r002"
down_revision = "r001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "group_calls",
        sa.Column("call", sa.LargeBinary(16), primary_key=True),
        sa.Column("creator", sa.LargeBinary(16), nullable=False),
        sa.Column("link_token", sa.String(128), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=True),
    )
    op.create_table(
        "group_call_members",
        sa.Column("call", sa.LargeBinary(16), primary_key=True),
        sa.Column("account", sa.LargeBinary(16), primary_key=True),
        sa.Column("removed_at", sa.BigInteger, nullable=True),
    )


def downgrade() -> None:
    for name in ("group_call_members", "group_calls"):
        op.drop_table(name)
