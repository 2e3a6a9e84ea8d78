"""Campaigns: why somebody was chosen, who gets nothing, journeys, and what came of it."""

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
    UniqueConstraint,
)

revision = "r0008"
down_revision = "r0007"

metadata = MetaData()


def _id() -> Column[int]:
    # SQLite counts rows by itself only for the exact type INTEGER.
    kind = BigInteger().with_variant(Integer, "sqlite")
    return Column("id", kind, primary_key=True, autoincrement=True)


def _text(name: str, default: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _at(name: str, *, needed: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=not needed)


# By which rule somebody was chosen: one row a campaign, version and rule, however many pushes.
Table(
    "selection",
    metadata,
    _id(),
    Column("key", Text, nullable=False, unique=True),
    _text("campaign"),
    _text("version"),
    _text("rule", "{}"),
    _at("at", needed=True),
)
# When a campaign first planned anything, and the share of its hold-out from then on.
Table(
    "campaign_run",
    metadata,
    Column("campaign", Text, primary_key=True),
    Column("holdout", Integer, nullable=False),
    _text("started_on"),
)
# Who gets what, once and for all: ``treated`` or ``holdout``; a subject is a customer or group.
Table(
    "assignment",
    metadata,
    _text("campaign"),
    _text("subject"),
    _text("arm"),
    _at("at", needed=True),
    PrimaryKeyConstraint("campaign", "subject"),
)
# Somebody's way through a campaign of several steps, by the version that they began with.
Table(
    "journey",
    metadata,
    _id(),
    _text("campaign"),
    _text("version"),
    Column("external_userid", Text, nullable=False),
    _text("cycle"),
    _text("start"),
    _text("subject"),
    # days before each step, by its place, and how many steps there are
    _text("waits", "{}"),
    Column("steps", Integer, nullable=False, server_default="0"),
    _text("exits", "[]"),
    Column("stops_on_skip", Integer, nullable=False, server_default="0"),
    _text("started_on"),
    # running, done, left
    _text("status", "running"),
    _text("reason"),
    _at("started_at", needed=True),
    _at("ended_at"),
    UniqueConstraint("campaign", "cycle", "external_userid"),
    Index("journey_running", "status", "campaign"),
    Index("journey_customer", "external_userid", "status"),
)
# What followed a send, or the day on which it would have gone; each thing is credited once.
Table(
    "conversion",
    metadata,
    _id(),
    Column("push_id", BigInteger, nullable=False),
    _text("campaign"),
    _text("kind"),
    _text("ref"),
    _at("at", needed=True),
    UniqueConstraint("kind", "ref"),
    Index("conversion_push", "push_id"),
)

_PUSH = (
    # service 1, maturity 2, greeting 3, event 4, product 5: the lower one yields
    Column("rank", Integer, nullable=False, server_default="5"),
    # '' or holdout
    Column("arm", Text, nullable=False, server_default=""),
    Column("selection_id", BigInteger),
    Column("inputs", Text, nullable=False, server_default="[]"),
    Column("assets_before", BigInteger),
)


def upgrade() -> None:
    """Add the tables, and to a push why it is there and what it yields to."""
    metadata.create_all(op.get_bind())
    for column in _PUSH:
        op.add_column("push", column)
    op.create_index("push_chat", "push", ["chat_id", "status"])
    op.create_index("follow_since", "follow", ["since_at"])


def downgrade() -> None:
    """Take them away again."""
    op.drop_index("follow_since", "follow")
    op.drop_index("push_chat", "push")
    for column in reversed(_PUSH):
        op.drop_column("push", column.name)
    metadata.drop_all(op.get_bind())
