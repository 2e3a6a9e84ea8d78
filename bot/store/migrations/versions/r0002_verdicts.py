"""What people said about facts: labelled examples that forget whom they were about."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    text,
)

from bot.store.migrations.triggers import create_trigger, drop_trigger

revision = "r0002"
down_revision = "r0001"

metadata = MetaData()


def _text(name: str, default: str = "") -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)


Table(
    "verdict",
    metadata,
    Column(
        "id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    # the day in Asia/Shanghai stays when the moment goes
    _text("given_on"),
    Column("at", BigInteger),
    _text("by"),
    _text("branch"),
    _text("external_userid"),
    _text("msgid"),
    Column("fact_id", BigInteger),
    _text("type"),
    _text("rule"),
    _text("version"),
    # rules, model or person
    _text("reader"),
    Column("confidence", Float, nullable=False),
    # confirmed, rejected, changed, added
    _text("verdict"),
    # what the reader gave, and what the person says it is
    _text("given", "{}"),
    _text("stated", "{}"),
    # a later word about the same fact is the one that counts
    Column("latest", Integer, nullable=False, server_default=text("1")),
    Index("verdict_fact", "fact_id"),
    Index("verdict_message", "msgid"),
    Index("verdict_rule", "rule", "version", "given_on"),
    Index("verdict_customer", "external_userid"),
)

_FORGET = (
    "UPDATE verdict SET at = NULL, by = '', external_userid = '', msgid = '', fact_id = NULL,"
    " given = '{}', stated = '{}' WHERE"
)
# Whoever takes words or facts away, for whatever reason, takes the example with them: a recall,
# a withdrawal, an erasure, the end of the 90 days. What stays counts for the rule.
_FORGETTING = {
    "verdict_words_gone": (
        "UPDATE OF text_sealed ON message WHEN NEW.text_sealed IS NULL",
        "msgid = OLD.msgid",
    ),
    "verdict_message_gone": ("DELETE ON message", "msgid = OLD.msgid"),
    "verdict_fact_recalled": (
        "UPDATE OF status ON fact WHEN NEW.status = 'recalled'",
        "fact_id = OLD.id",
    ),
    "verdict_fact_gone": ("DELETE ON fact", "fact_id = OLD.id"),
}


def upgrade() -> None:
    """Create the table, and what makes it forget."""
    metadata.create_all(op.get_bind())
    for name, (when, which) in _FORGETTING.items():
        create_trigger(name, when, f"{_FORGET} {which}")


def downgrade() -> None:
    """Drop both."""
    for name, (when, _) in _FORGETTING.items():
        drop_trigger(name, when.partition(" ON ")[2].partition(" ")[0])
    metadata.drop_all(op.get_bind())
