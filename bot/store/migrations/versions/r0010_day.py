"""The list of a day for each employee, what became of it, and who was reminded of what."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

revision = "r0010"
down_revision = "r0009"

metadata = MetaData()


def _id() -> Column[int]:
    return Column(
        "id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


Table(
    "day_list",
    metadata,
    _text("userid"),
    _text("day_on"),
    # the words as they were made: a repeat after a crash must be the same to the byte
    Column("text_sealed", LargeBinary, nullable=False),
    Column("matters", Integer, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    # the first call; after four hours WeCom would take a repeat for a new message
    Column("called_at", BigInteger),
    Column("sent_at", BigInteger),
    PrimaryKeyConstraint("userid", "day_on"),
)
Table(
    "contact",
    metadata,
    _id(),
    Column("at", BigInteger, nullable=False),
    _text("day_on"),
    _text("userid"),
    # "" when it was about a group
    _text("external_userid"),
    # what of the day's list it settled, such as promise:12
    _text("matter"),
    # contacted, no_answer, greeted, checked, seen
    _text("outcome"),
    UniqueConstraint("userid", "day_on", "matter"),
    Index("contact_customer", "external_userid", "day_on"),
    Index("contact_matter", "matter"),
)
Table(
    "nudge",
    metadata,
    _id(),
    Column("at", BigInteger, nullable=False),
    # the employee whose tasks wait, and who was told: themselves or their deputy
    _text("userid"),
    _text("told"),
    Column("tasks", Integer, nullable=False),
    Index("nudge_userid", "userid", "at"),
)


def upgrade() -> None:
    """Create the tables, and an index of the few customers with a check of their loan ahead."""
    metadata.create_all(op.get_bind())
    some = text("postloan_check_on IS NOT NULL")
    op.create_index(
        "customer_postloan",
        "customer",
        ["postloan_check_on"],
        sqlite_where=some,
        postgresql_where=some,
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_index("customer_postloan", "customer")
    metadata.drop_all(op.get_bind())
