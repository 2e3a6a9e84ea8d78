"""Which external ids are one person's."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Index, MetaData, Table, Text

revision = "r0016"
down_revision = "r0015"

metadata = MetaData()

Table(
    "same_person",
    metadata,
    Column("external_userid", Text, primary_key=True),
    # one of the person's ids; who was taken apart stands alone under their own
    Column("person", Text, nullable=False),
    # core, hand, parted
    Column("why", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("same_person_person", "person"),
)


def upgrade() -> None:
    """Create the table."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Drop it."""
    metadata.drop_all(op.get_bind())
