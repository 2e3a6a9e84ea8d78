"""Several processes may perform errands: who has which, and who lives."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, text

revision = "r0009"
down_revision = "r0008"

metadata = MetaData()
Table(
    "worker",
    metadata,
    Column("name", Text, primary_key=True),
    # of a clock that all processes share, see ``Db.ticks``
    Column("seen_at", BigInteger, nullable=False),
)


def upgrade() -> None:
    """Add the table, the owner of an errand, and an index of what is being done."""
    metadata.create_all(op.get_bind())
    op.add_column("outbox", Column("owner", Text, nullable=False, server_default=""))
    calling = text("state = 'calling'")
    op.create_index(
        "outbox_calling", "outbox", ["lane"], sqlite_where=calling, postgresql_where=calling
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_index("outbox_calling", "outbox")
    op.drop_column("outbox", "owner")
    metadata.drop_all(op.get_bind())
