"""Complaints: until when they are settled, whom they are about, and who wants more time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import sqlalchemy
from alembic import op
from sqlalchemy import Column, Integer, Text

revision = "r0022"
down_revision = "r0021"

_SHANGHAI = timezone(timedelta(hours=8))
_OPEN = "SELECT id, opened_at FROM escalation WHERE kind = 'complaint' AND status = 'open'"
_SET = "UPDATE escalation SET settle_by = :day, settle_days = 15 WHERE id = :id"


def upgrade() -> None:
    """Add the columns; complaints that are open count from their day."""
    # the last day in Asia/Shanghai, "" for other kinds; days from the first message to it
    op.add_column("escalation", Column("settle_by", Text, nullable=False, server_default=""))
    op.add_column("escalation", Column("settle_days", Integer, nullable=False, server_default="0"))
    # userids of those whom a complaint is about, with commas
    op.add_column("escalation", Column("concerned", Text, nullable=False, server_default=""))
    # who asked for more time and waits for an answer
    op.add_column("escalation", Column("extend_by", Text, nullable=False, server_default=""))
    connection = op.get_bind()
    for row in connection.execute(sqlalchemy.text(_OPEN)).fetchall():
        day = datetime.fromtimestamp(row.opened_at / 1000, UTC).astimezone(_SHANGHAI).date()
        last = (day + timedelta(days=15)).isoformat()
        connection.execute(sqlalchemy.text(_SET), {"day": last, "id": row.id})


def downgrade() -> None:
    """Drop them."""
    for name in ("settle_by", "settle_days", "concerned", "extend_by"):
        op.drop_column("escalation", name)
