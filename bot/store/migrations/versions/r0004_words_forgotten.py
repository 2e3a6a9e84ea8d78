"""What stays of words after 90 days: a keyed hash that can still prove what was said."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Text, text

revision = "r0004"
down_revision = "r0003"

_WHERE = {"message": ("text_hash", "sent_at"), "fact": ("words_hash", "observed_at")}
_WORDS = {
    "message": "text_sealed IS NOT NULL OR raw_sealed IS NOT NULL",
    "fact": "words_sealed IS NOT NULL",
}


def upgrade() -> None:
    """Add the hashes, and indexes over what still has words."""
    for table, (column, at) in _WHERE.items():
        op.add_column(table, Column(column, Text))
        op.create_index(
            f"{table}_words",
            table,
            [at],
            sqlite_where=text(_WORDS[table]),
            postgresql_where=text(_WORDS[table]),
        )


def downgrade() -> None:
    """Drop both."""
    for table, (column, _at) in _WHERE.items():
        op.drop_index(f"{table}_words", table)
        op.drop_column(table, column)
