"""Mass sends that members, or the corp's own console, made without us, and who got them."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy import text as sql

revision = "r0013"
down_revision = "r0012"

metadata = MetaData()

Table(
    "other_mass",
    metadata,
    Column("msgid", Text, primary_key=True),
    Column("made_at", BigInteger, nullable=False),
    Column("read_at", BigInteger),
    # everybody who was asked has sent: nothing more will come of it
    Column("done", Integer, nullable=False, server_default=sql("0")),
)
Table(
    "other_send",
    metadata,
    # a customer or a group
    Column("recipient", Text, nullable=False),
    Column("msgid", Text, nullable=False),
    Column("sent_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("recipient", "msgid"),
    Index("other_send_msgid", "msgid"),
)


def upgrade() -> None:
    """Create the tables."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Drop them."""
    metadata.drop_all(op.get_bind())
