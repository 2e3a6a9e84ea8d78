"""Alliance offers, who got which benefit, and who brought whom."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text, text

from bot.store.migrations.triggers import create_trigger, drop_trigger

revision = "r0014"
down_revision = "r0013"

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
    "alliance_offer",
    metadata,
    _id(),
    _text("code"),
    _text("merchant"),
    _text("kind"),
    _text("benefit"),
    # "" is every branch
    _text("branch"),
    _text("place"),
    # "" is everybody
    _text("segment"),
    # one of the closed list of K6: attendance, check_in, feedback, birthday, membership_age
    _text("condition"),
    _number("stock"),
    # of the stock: set aside or used; never more than ``stock``
    _number("taken"),
    Column("valid_from", Text),
    Column("valid_to", Text),
    _text("facts_hash"),
    Column("imported_at", BigInteger, nullable=False),
    _number("is_current", 1),
    Index("alliance_offer_code", "code", "is_current"),
    Index("alliance_offer_kind", "kind", "is_current"),
)
_LIVE = text("status <> 'free'")
# Who a benefit was set aside for, and whether they used it.
Table(
    "benefit",
    metadata,
    _id(),
    _text("offer_code"),
    # NULL when an employee gave it by hand
    Column("push_id", BigInteger),
    _text("external_userid"),
    _text("condition"),
    # reserved, free (given back), used
    _text("status", "reserved"),
    Column("at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    _text("used_by"),
    Index(
        "benefit_once",
        "offer_code",
        "external_userid",
        unique=True,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    ),
    Index("benefit_push", "push_id"),
    Index("benefit_customer", "external_userid"),
)
# Who brought whom; somebody was brought by one customer at most.
Table(
    "referral",
    metadata,
    _id(),
    Column("referred", Text, nullable=False, unique=True),
    Column("referrer", Text, nullable=False),
    # current, undone
    _text("status", "current"),
    # staff, import, way
    _text("source"),
    _text("by"),
    Column("at", BigInteger, nullable=False),
    Index("referral_referrer", "referrer", "status"),
    Index("referral_at", "at"),
)
# The state of a contact way that a customer hands on to friends.
Table(
    "referral_code",
    metadata,
    Column("code", Text, primary_key=True),
    Column("external_userid", Text, nullable=False, unique=True),
)

_MORE_ROOM = "UPDATE alliance_offer SET taken = taken - 1"
# Whatever ends a push gives its benefit back, and whatever gives one back makes room in the stock.
_GIVING_BACK = {
    "benefit_push_ended": (
        "UPDATE OF status ON push WHEN NEW.status IN ('dropped', 'expired', 'failed')",
        "UPDATE benefit SET status = 'free' WHERE push_id = NEW.id AND status = 'reserved'",
    ),
    "benefit_freed": (
        "UPDATE OF status ON benefit WHEN NEW.status = 'free' AND OLD.status <> 'free'",
        f"{_MORE_ROOM} WHERE code = OLD.offer_code AND is_current = 1",
    ),
}


def upgrade() -> None:
    """Create the tables, and what gives benefits back."""
    metadata.create_all(op.get_bind())
    for name, (when, change) in _GIVING_BACK.items():
        create_trigger(name, when, change)


def downgrade() -> None:
    """Drop both."""
    for name, (when, _) in _GIVING_BACK.items():
        drop_trigger(name, when.partition(" ON ")[2].partition(" ")[0])
    metadata.drop_all(op.get_bind())
