"""The journal as one viewer may read it, and the figures of a day."""

from __future__ import annotations

import json
from collections.abc import Iterable

from bot.model import Role
from bot.store.db import Db, Row
from bot.store.lists import seen
from bot.store.sight import Sight, Viewer

# Lines about nobody: an employee's own, and what concerns the whole house for those who lead it.
_OWN = "(j.external_userid IS NULL AND j.chat_id IS NULL AND {whose})"
_LINES = """
SELECT j.* FROM journal j WHERE j.id > :after AND j.id < :before {kinds} AND {seen}
ORDER BY j.id DESC LIMIT :limit
"""
# Nobody scrolls further back than this on the live page.
_REACH = 20_000
_COUNTS = """
SELECT j.kind, count(*) AS lines FROM journal j
WHERE j.at >= :since AND j.kind IN (SELECT value FROM json_each(:kinds)) AND {seen}
GROUP BY j.kind
"""
_PUSHES = """
SELECT sum(p.status = 'tasked') AS waiting,
  sum(p.status = 'confirmed' AND p.confirmed_at >= :since) AS confirmed
FROM push p WHERE p.status IN ('tasked', 'confirmed') AND {seen}
  AND (p.status = 'tasked' OR p.confirmed_at >= :since)
"""
_CASES = """
SELECT count(*) AS open, coalesce(sum(e.deadline_at < :now), 0) AS overdue
FROM escalation e WHERE e.status = 'open' AND {seen}
"""
_LEADERS = frozenset({Role.HEAD, Role.CITY, Role.COMPLIANCE, Role.ADMIN})


def _readable(who: Viewer) -> Sight:
    about = seen(who, "j")
    leads = who.role in _LEADERS
    own = _OWN.format(whose="1 = 1" if leads else "j.userid = :reader")
    values = about.values if leads else about.values | {"reader": who.userid}
    return Sight(f"({about.where} OR {own})", values)


def newest(
    db: Db,
    who: Viewer,
    *,
    kinds: Iterable[str] = (),
    after: int = 0,
    before: int = 1 << 62,
    limit: int = 60,
) -> list[Row]:
    """The newest lines that somebody may read, newest first; no ``kinds`` means all."""
    scope = _readable(who)
    wanted = list(kinds)
    last = db.value("SELECT max(id) FROM journal") or 0
    return db.rows(
        _LINES.format(
            seen=scope.where,
            kinds="AND j.kind IN (SELECT value FROM json_each(:kinds))" if wanted else "",
        ),
        after=max(after, last - _REACH),
        before=before,
        limit=limit,
        **({"kinds": json.dumps(wanted)} if wanted else {}),
        **scope.values,
    )


def last_id(db: Db) -> int:
    """The id of the newest line."""
    return int(db.value("SELECT max(id) FROM journal") or 0)


def figures(db: Db, who: Viewer, *, since: int, now: int) -> dict[str, int]:
    """What happened since a moment and what waits now, within somebody's sight."""
    scope = _readable(who)
    kinds = ("joined_group", "friend_added", "fact_learned", "refused")
    lines = {
        row["kind"]: row["lines"]
        for row in db.rows(
            _COUNTS.format(seen=scope.where), since=since, kinds=json.dumps(kinds), **scope.values
        )
    }
    sends = seen(who, "p")
    pushes = db.one(_PUSHES.format(seen=sends.where), since=since, **sends.values)
    matters = seen(who, "e")
    cases = db.one(_CASES.format(seen=matters.where), now=now, **matters.values)
    assert pushes is not None
    assert cases is not None
    return {
        "joined": lines.get("joined_group", 0),
        "friends": lines.get("friend_added", 0),
        "facts": lines.get("fact_learned", 0),
        "refused": lines.get("refused", 0),
        "waiting": pushes["waiting"] or 0,
        "confirmed": pushes["confirmed"] or 0,
        "open": cases["open"],
        "overdue": cases["overdue"],
    }
