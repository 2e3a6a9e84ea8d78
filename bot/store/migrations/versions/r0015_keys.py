"""The keys of the store, each sealed under the secret of the settings."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

revision = "r0015"
down_revision = "r0014"

metadata = MetaData()

Table(
    "vault_key",
    metadata,
    # stands in every value that the key sealed
    Column("number", Integer, primary_key=True, autoincrement=False),
    # rest, search, sign
    Column("purpose", Text, nullable=False),
    # aes or sm4
    Column("cipher", Text, nullable=False),
    # NULL once it is retired
    Column("wrapped", LargeBinary),
    Column("made_at", BigInteger, nullable=False),
    # when it was proved that nothing is sealed with it any more
    Column("emptied_at", BigInteger),
    Column("retired_at", BigInteger),
)


def upgrade() -> None:
    """Create the table."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """Drop it."""
    metadata.drop_all(op.get_bind())
