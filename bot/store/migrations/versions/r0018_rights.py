"""What customers ask of us about their data: a clock, an owner and a proof for each."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

revision = "r0018"
down_revision = "r0017"

metadata = MetaData()


def _id() -> Column[int]:
    return Column(
        "id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


Table(
    "rights_request",
    metadata,
    _id(),
    # of somebody erased since, a hash of it
    _text("external_userid"),
    # copy, correct, delete, explain, withdraw
    _text("kind"),
    # withdraw: which purpose
    _text("purpose"),
    # how the customer asked: counter, phone, chat, letter
    _text("via"),
    _text("branch"),
    # the day in Asia/Shanghai on which the customer asked, and the last day to answer
    _text("asked_on"),
    _text("due_on"),
    # what the customer asked for, as the employee wrote it down
    Column("words_sealed", LargeBinary),
    Column("opened_at", BigInteger, nullable=False),
    _text("opened_by"),
    _text("owner"),
    # waiting for a second person, open, done, refused, ended
    _text("status"),
    Column("approved_at", BigInteger),
    _text("approved_by"),
    Column("raised_at", BigInteger),
    _text("raised_to"),
    Column("closed_at", BigInteger),
    _text("closed_by"),
    Column("note_sealed", LargeBinary),
    # SHA-256 of the file that was handed over, or what else shows that it was done
    _text("proof"),
    Index("rights_request_open", "status", "due_on"),
    Index("rights_request_customer", "external_userid"),
)
Table(
    "rights_step",
    metadata,
    _id(),
    Column("request_id", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    _text("actor"),
    # opened, approved, refused, exported, raised, done, ended
    _text("step"),
    # a slug, a userid or a hash; never words about a customer
    _text("note"),
    Index("rights_step_request", "request_id"),
)


def upgrade() -> None:
    """Create both tables."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Drop them."""
    metadata.drop_all(op.get_bind())
