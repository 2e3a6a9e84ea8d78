"""When a send task was called back: results that are older prove nothing."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column

revision = "r0021"
down_revision = "r0020"


def upgrade() -> None:
    """Add the column."""
    op.add_column("send_task", Column("cancelled_at", BigInteger))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("send_task", "cancelled_at")
