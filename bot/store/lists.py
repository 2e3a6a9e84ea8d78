"""Pushes, cases and the audit trail as lists: newest first, paged by id, within a scope."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot.model import Role
from bot.store.db import Db, Row
from bot.store.sight import Sight, Viewer, visible_to

LAST = 1 << 62
"""An id after every other: where a list begins."""

# What concerns a customer shows to those who may see the customer; what concerns a group, to
# those who may see the group.
_SEEN = """
(({row}.external_userid IS NOT NULL AND {row}.external_userid <> '' AND EXISTS (
    SELECT 1 FROM customer c WHERE c.external_userid = {row}.external_userid AND {customers}))
 OR (coalesce({row}.external_userid, '') = '' AND coalesce({row}.chat_id, '') <> '' AND EXISTS (
    SELECT 1 FROM group_chat g WHERE g.chat_id = {row}.chat_id AND {groups})))
"""
_PUSHES = """
SELECT p.*, t.status AS task_status, t.wecom_msgid, t.text_sealed, t.reason AS task_reason
FROM push p LEFT JOIN send_task t ON t.id = p.task_id
WHERE p.id < :before AND {seen} {more} ORDER BY p.id DESC LIMIT :limit
"""
_CASES = """
SELECT e.* FROM escalation e WHERE e.id < :before AND {seen} {more}
ORDER BY e.id DESC LIMIT :limit
"""
# What must be done comes first, the most pressing on top; what is done, the last one on top.
_PRESSING = """
SELECT e.* FROM escalation e WHERE {seen} {more}
ORDER BY e.status <> 'open', CASE WHEN e.status = 'open' THEN e.deadline_at END,
  e.closed_at DESC NULLS LAST, e.id DESC LIMIT :limit
"""
_AUDIT = "SELECT * FROM audit WHERE id < :before {more} ORDER BY id DESC LIMIT :limit"

_WIDE = frozenset({Role.CITY, Role.COMPLIANCE, Role.ADMIN})


def groups_visible_to(who: Viewer) -> Sight:
    """The groups that somebody may see, as a condition on ``group_chat g``."""
    if who.role in _WIDE:
        return Sight("1 = 1", {})
    if who.role is Role.HEAD:
        return Sight(
            "(g.branch = :viewer_branch OR g.owner = :viewer)",
            {"viewer": who.userid, "viewer_branch": who.branch},
        )
    return Sight("g.owner = :viewer", {"viewer": who.userid})


def groups_seen(db: Db, who: Viewer) -> set[str]:
    """The ids of the groups that somebody may see."""
    scope = groups_visible_to(who)
    rows = db.rows(f"SELECT g.chat_id FROM group_chat g WHERE {scope.where}", **scope.values)
    return {row["chat_id"] for row in rows}


def seen(who: Viewer, row: str) -> Sight:
    """The rows with a customer or a group that somebody may see; ``row`` is the alias."""
    customers, groups = visible_to(who), groups_visible_to(who)
    return Sight(
        _SEEN.format(row=row, customers=customers.where, groups=groups.where),
        customers.values | groups.values,
    )


def pushes(
    db: Db, who: Viewer, wanted: Mapping[str, str], *, before: int = LAST, limit: int
) -> list[Row]:
    """Pushes with their tasks; ``wanted`` names columns of ``push`` and the values they must have.

    Its keys are ``status``, ``campaign``, ``external_userid`` and ``planned_on``.
    """
    return _listed(
        db, _PUSHES, seen(who, "p"), "p", wanted, _PUSH_COLUMNS, before=before, limit=limit
    )


def push(db: Db, who: Viewer, push_id: int) -> Row | None:
    """One push with its task; None when there is none or the viewer may not know."""
    scope = seen(who, "p")
    return db.one(
        _PUSHES.format(seen=scope.where, more="AND p.id = :id"),
        before=LAST,
        limit=1,
        id=push_id,
        **scope.values,
    )


def cases(
    db: Db, who: Viewer, wanted: Mapping[str, str], *, before: int = LAST, limit: int
) -> list[Row]:
    """Cases, newest first; keys of ``wanted``: ``status``, ``kind``, ``external_userid``."""
    return _listed(
        db, _CASES, seen(who, "e"), "e", wanted, _CASE_COLUMNS, before=before, limit=limit
    )


def pressing_cases(
    db: Db, who: Viewer, wanted: Mapping[str, str], *, limit: int = 100
) -> list[Row]:
    """Open cases by their deadline, then closed ones; keys of ``wanted`` as for ``cases``."""
    return _listed(db, _PRESSING, seen(who, "e"), "e", wanted, _CASE_COLUMNS, limit=limit)


def case(db: Db, who: Viewer, case_id: int) -> Row | None:
    """One case; None when there is none or the viewer may not know."""
    scope = seen(who, "e")
    return db.one(
        f"SELECT e.* FROM escalation e WHERE e.id = :id AND {scope.where}",
        id=case_id,
        **scope.values,
    )


def audit(db: Db, wanted: Mapping[str, str], *, before: int = LAST, limit: int) -> list[Row]:
    """The audit trail; keys of ``wanted``: ``actor``, ``act``, ``object``."""
    return _listed(
        db, _AUDIT, Sight("1 = 1", {}), "audit", wanted, _AUDIT_COLUMNS, before=before, limit=limit
    )


_PUSH_COLUMNS = ("status", "campaign", "external_userid", "planned_on", "sender")
_CASE_COLUMNS = ("status", "kind", "external_userid", "assignee")
_AUDIT_COLUMNS = ("actor", "act", "object")


def _listed(
    db: Db,
    sql: str,
    scope: Sight,
    alias: str,
    wanted: Mapping[str, str],
    columns: Iterable[str],
    **values: Any,
) -> list[Row]:
    asked = {column: wanted[column] for column in columns if wanted.get(column)}
    more = "".join(f" AND {alias}.{column} = :{column}" for column in asked)
    return db.rows(sql.format(seen=scope.where, more=more), **scope.values, **asked, **values)


def waiting_facts(db: Db, who: Viewer, today: str, limit: int = 100) -> list[Row]:
    """Facts that wait for a person, newest first, of customers in sight; none that is stale.

    Sensitive ones are among them: whoever shows them asks who may see them.
    """
    scope = visible_to(who)
    return db.rows(
        "SELECT f.* FROM fact f JOIN customer c ON c.external_userid = f.external_userid"
        " WHERE f.status = 'pending' AND (f.expires_on IS NULL OR f.expires_on >= :today)"
        f" AND {scope.where} ORDER BY f.observed_at DESC, f.id DESC LIMIT :limit",
        today=today,
        limit=limit,
        **scope.values,
    )


def campaigns(db: Db) -> list[str]:
    """The campaigns that ever planned a push."""
    return [row[0] for row in db.rows("SELECT DISTINCT campaign FROM push ORDER BY campaign")]


def steps_of(db: Db, case_ids: Iterable[int]) -> dict[int, list[Row]]:
    """The histories of some cases, each oldest first."""
    found: dict[int, list[Row]] = {}
    for case_id in case_ids:
        found[case_id] = db.rows(
            "SELECT * FROM escalation_step WHERE escalation_id = :id ORDER BY id", id=case_id
        )
    return found
