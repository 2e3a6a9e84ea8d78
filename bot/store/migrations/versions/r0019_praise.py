"""Praise cards and prompts that were proposed, and what the branch head decided."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, UniqueConstraint

revision = "r0019"
down_revision = "r0018"

metadata = MetaData()

Table(
    "praise",
    metadata,
    Column(
        "id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    # the first of the seven days
    Column("week_on", Text, nullable=False),
    Column("rule", Text, nullable=False),
    # praise, prompt
    Column("kind", Text, nullable=False),
    Column("userid", Text, nullable=False),
    Column("branch", Text, nullable=False),
    Column("value", Integer, nullable=False),
    Column("base", Integer, nullable=False),
    # proposed, sent, declined
    Column("status", Text, nullable=False, server_default="proposed"),
    Column("made_at", BigInteger, nullable=False),
    Column("by", Text),
    Column("decided_at", BigInteger),
    UniqueConstraint("week_on", "rule", "userid"),
)


def upgrade() -> None:
    """Create the table."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Drop it."""
    metadata.drop_all(op.get_bind())
