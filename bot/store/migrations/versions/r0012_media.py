"""What was uploaded to WeCom: pictures by their address, files by an id that runs out."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, MetaData, PrimaryKeyConstraint, Table, Text

revision = "r0012"
down_revision = "r0011"

metadata = MetaData()

Table(
    "media",
    metadata,
    Column("sha256", Text, nullable=False),
    # address, image, file
    Column("kind", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    PrimaryKeyConstraint("sha256", "kind"),
)


def upgrade() -> None:
    """Create the table."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Drop it."""
    metadata.drop_all(op.get_bind())
