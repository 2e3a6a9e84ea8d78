"""Moments as a second way of a send task, and the robots of internal groups."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table, Text

revision = "r0017"
down_revision = "r0016"

metadata = MetaData()

Table(
    "branch_robot",
    metadata,
    Column("branch", Text, primary_key=True),
    # The key of the address: whoever has it may write into the group.
    Column("key_sealed", LargeBinary, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_at", BigInteger, nullable=False),
    # Why nothing goes there any more; NULL while it works.
    Column("broken", Text),
)


def upgrade() -> None:
    """Create the table, and remember the job of a moment until it is made."""
    metadata.create_all(op.get_bind())
    op.add_column("send_task", sa.Column("job", Text))


def downgrade() -> None:
    """Drop both."""
    op.drop_column("send_task", "job")
    metadata.drop_all(op.get_bind())
