"""The product library, every version of every product."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Float, Index, Integer, MetaData, Table, Text, text

revision = "r0005"
down_revision = "r0004"

metadata = MetaData()


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


Table(
    "product",
    metadata,
    Column(
        "id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    ),
    _text("code"),
    _text("name"),
    _text("kind"),
    _text("issuer"),
    # R1 to R5; "" for what carries no risk level
    _text("risk_level"),
    Column("rate", Float),
    Column("minimum", BigInteger),
    _text("term"),
    _text("fees"),
    Column("valid_from", Text),
    Column("valid_to", Text),
    _text("contract_version"),
    _text("registration"),
    _text("url"),
    _text("facts_hash"),
    Column("imported_at", BigInteger, nullable=False),
    Column("is_current", Integer, nullable=False, server_default=text("1")),
    Index("product_code", "code", "is_current"),
)


def upgrade() -> None:
    """Create the table."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Drop it."""
    metadata.drop_all(op.get_bind())
