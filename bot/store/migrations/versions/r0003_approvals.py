"""Versions of campaigns, who approved them, and what was looked at before."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

revision = "r0003"
down_revision = "r0002"

metadata = MetaData()


def _id() -> Column[int]:
    kind = BigInteger().with_variant(Integer, "sqlite")
    return Column("id", kind, primary_key=True, autoincrement=True)


def _text(name: str, default: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _at(name: str, *, needed: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=not needed)


Table(
    "campaign_version",
    metadata,
    _id(),
    _text("name"),
    Column("version", Integer, nullable=False),
    # the whole text as it was saved; never changed afterwards
    _text("source"),
    # version and hash, as pushes and tasks carry it
    _text("stamp"),
    # hash of the source without its version line: the same words saved anew are the same words
    _text("words_hash"),
    # draft, in_review, approved, active, paused, retired
    _text("status", "draft"),
    _text("author"),
    _text("submitter"),
    _text("reason"),
    _at("created_at", needed=True),
    _at("submitted_at"),
    _at("changed_at", needed=True),
    UniqueConstraint("name", "version"),
    Index("campaign_version_status", "status"),
    Index("campaign_version_stamp", "name", "stamp"),
)
Table(
    "approval",
    metadata,
    _id(),
    Column("version_id", BigInteger, nullable=False),
    _at("at", needed=True),
    _text("actor"),
    # console, or the JSON interface
    _text("via"),
    # legal, product, branch
    _text("duty"),
    # approve, reject, withdraw, revoke
    _text("vote"),
    _text("covers"),
    # review words that this person looked at, by name
    _text("words", "[]"),
    _text("note"),
    _at("expires_at"),
    Index("approval_version", "version_id"),
)
Table(
    "dry_run",
    metadata,
    _id(),
    Column("version_id", BigInteger, nullable=False),
    _at("at", needed=True),
    _text("actor"),
    _text("on_day"),
    _text("covers"),
    # how many by decision and rule, and a hash of the whole list
    _text("counts", "{}"),
    _text("digest"),
    Index("dry_run_version", "version_id"),
)
Table(
    "impact_assessment",
    metadata,
    _id(),
    _text("campaign"),
    # the campaign and the rule by which it chooses people
    _text("covers"),
    _at("at", needed=True),
    _text("actor"),
    _text("answers", "{}"),
    Index("impact_assessment_campaign", "campaign"),
)


def upgrade() -> None:
    """Create the tables, and note on tasks which version they carry."""
    metadata.create_all(op.get_bind())
    op.add_column("send_task", Column("version", Text, nullable=False, server_default=""))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("send_task", "version")
    metadata.drop_all(op.get_bind())
