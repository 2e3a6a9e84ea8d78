"""The audit trail refuses to be changed: rows are added and stay as they are."""

from __future__ import annotations

from alembic import op

from bot.store.migrations.triggers import drop_trigger

revision = "r0006"
down_revision = "r0005"

_WHY = "the audit trail is append-only"
_EVENTS = {"audit_unchanged": "UPDATE", "audit_undeleted": "DELETE"}


def upgrade() -> None:
    """Refuse updates and deletions; whoever drops the triggers is found by the daily check."""
    for name, event in _EVENTS.items():
        if op.get_bind().dialect.name != "postgresql":
            op.execute(
                f"CREATE TRIGGER {name} BEFORE {event} ON audit"
                f" BEGIN SELECT RAISE(ABORT, '{_WHY}'); END"
            )
            continue
        op.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql"
            f" AS $$ BEGIN RAISE EXCEPTION '{_WHY}'; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {event} ON audit FOR EACH ROW EXECUTE FUNCTION {name}()"
        )


def downgrade() -> None:
    """Allow both again."""
    for name in _EVENTS:
        drop_trigger(name, "audit")
