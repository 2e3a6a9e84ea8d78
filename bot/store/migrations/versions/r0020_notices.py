"""The notices by which customers are asked, each with the moment since when it is in force."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, MetaData, PrimaryKeyConstraint, Table, Text

revision = "r0020"
down_revision = "r0019"

metadata = MetaData()

Table(
    "notice",
    metadata,
    Column("purpose", Text, nullable=False),
    # "" for none that is named: any consent counts
    Column("version", Text, nullable=False),
    Column("since_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("purpose", "since_at"),
)


def upgrade() -> None:
    """Create the table; until a notice is named every consent rests on the one in force."""
    metadata.create_all(op.get_bind())
    op.add_column("customer", Column("notice_ok", Integer, nullable=False, server_default="0"))
    op.execute("UPDATE customer SET notice_ok = marketing_ok")


def downgrade() -> None:
    """Take it away again."""
    op.drop_column("customer", "notice_ok")
    metadata.drop_all(op.get_bind())
