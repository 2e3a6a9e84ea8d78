"""Events of the branches and who comes to them."""

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
    text,
)

revision = "r0007"
down_revision = "r0006"

metadata = MetaData()


def _id() -> Column[int]:
    return Column(
        "id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )


def _text(name: str, default: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


def _number(name: str, default: int = 0) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text(str(default)))


Table(
    "event",
    metadata,
    _id(),
    Column("code", Text, nullable=False, unique=True),
    _text("name"),
    _text("kind"),
    _text("branch"),
    Column("starts_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    _text("place"),
    _number("seats"),
    # people who have a seat; never more than ``seats``
    _number("taken"),
    _text("host"),
    Column("sign_up_until", BigInteger, nullable=False),
    _text("audience"),
    # open, cancelled
    _text("status", "open"),
    # four digits, written on a card at the door
    _text("door_code"),
    Column("changed_at", BigInteger),
    Index("event_start", "starts_at"),
)
Table(
    "signup",
    metadata,
    _id(),
    Column("event_id", BigInteger, nullable=False),
    _text("external_userid"),
    _number("party", 1),
    # going, waiting, cancelled, came
    _text("status"),
    # talk, kf, link, staff
    _text("source"),
    _text("chat_id"),
    _text("msgid"),
    # its place in the queue; a larger party goes to the end
    Column("at", BigInteger, nullable=False),
    Column("came_at", BigInteger),
    _number("spoke"),
    # the owner was told of the newest change
    _number("told"),
    UniqueConstraint("event_id", "external_userid"),
    Index("signup_event", "event_id", "status", "at"),
    Index("signup_customer", "external_userid"),
    Index(
        "signup_untold",
        "told",
        sqlite_where=text("told = 0"),
        postgresql_where=text("told = 0"),
    ),
)


def upgrade() -> None:
    """Create both tables."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Drop them."""
    metadata.drop_all(op.get_bind())
