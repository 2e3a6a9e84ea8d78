"""Exports of judged messages: who asked, why, and who agreed."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

revision = "r0023"
down_revision = "r0022"

metadata = MetaData()


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


Table(
    "export_request",
    metadata,
    Column(
        "id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    Column("asked_at", BigInteger, nullable=False),
    _text("asked_by"),
    _text("reason"),
    # waiting for a second person, approved, refused, done
    _text("status"),
    Column("decided_at", BigInteger),
    _text("decided_by"),
    Column("done_at", BigInteger),
    # SHA-256 of the file that was written
    _text("proof"),
)


def upgrade() -> None:
    """Create the table."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Drop it."""
    metadata.drop_all(op.get_bind())
