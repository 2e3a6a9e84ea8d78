"""Triggers for both databases, written as SQLite writes them."""

from __future__ import annotations

from alembic import op


def create_trigger(name: str, when: str, change: str) -> None:
    """Have a change made after each row of another.

    Args:
        name: Of the trigger, and on PostgreSQL of its function.
        when: Such as ``UPDATE OF status ON fact WHEN NEW.status = 'recalled'``.
        change: One statement without a semicolon; it may name ``OLD`` and ``NEW``.
    """
    event, _, condition = when.partition(" WHEN ")
    if op.get_bind().dialect.name != "postgresql":
        op.execute(f"CREATE TRIGGER {name} AFTER {when} BEGIN {change}; END")
        return
    only = f" WHEN ({condition})" if condition else ""
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"
        f" AS $$ BEGIN {change}; RETURN NULL; END $$"
    )
    op.execute(f"CREATE TRIGGER {name} AFTER {event} FOR EACH ROW{only} EXECUTE FUNCTION {name}()")


def drop_trigger(name: str, table: str) -> None:
    """Take a trigger away again."""
    if op.get_bind().dialect.name != "postgresql":
        op.execute(f"DROP TRIGGER {name}")
        return
    op.execute(f"DROP TRIGGER {name} ON {table}")
    op.execute(f"DROP FUNCTION {name}()")
