"""The robots of internal groups, one a branch; and what they tell: numbers and employees' names."""

from __future__ import annotations

from bot.store.db import Db, Row

_KEEP = """
INSERT INTO branch_robot (branch, key_sealed, set_by, set_at) VALUES (:branch, :key, :by, :now)
ON CONFLICT (branch) DO UPDATE SET key_sealed = :key, set_by = :by, set_at = :now, broken = NULL
"""
_WAITING = """
SELECT coalesce(nullif(s.name, ''), t.sender) AS name, count(*) AS number
FROM send_task t JOIN staff s ON s.userid = t.sender
WHERE s.branch = :branch AND t.status IN ('waiting', 'calling', 'accepted')
  AND t.useful_until > :now GROUP BY t.sender, s.name ORDER BY number DESC, t.sender
"""
_LAPSED = """
SELECT coalesce(nullif(s.name, ''), t.sender) AS name, count(*) AS number
FROM send_task t JOIN staff s ON s.userid = t.sender
WHERE s.branch = :branch AND t.status IN ('cancelled', 'cancelling')
  AND t.reason IN ('stale', 'closing_hour') AND t.created_at >= :since AND t.created_at < :until
GROUP BY t.sender, s.name ORDER BY number DESC, t.sender
"""
_OVERDUE = """
SELECT coalesce(nullif(s.name, ''), e.assignee) AS name, count(*) AS number
FROM escalation e LEFT JOIN staff s ON s.userid = e.assignee
WHERE e.branch = :branch AND e.status = 'open' AND e.assignee <> '' AND e.deadline_at <= :now
GROUP BY e.assignee, s.name ORDER BY number DESC, e.assignee
"""
_RAISED = """
SELECT count(*) FROM escalation
WHERE branch = :branch AND status = 'open' AND raised_at IS NOT NULL
"""


def robots(db: Db, branch: str = "") -> list[Row]:
    """A branch's robot, or for "" those of all branches."""
    return db.rows(
        "SELECT * FROM branch_robot WHERE :branch = '' OR branch = :branch ORDER BY branch",
        branch=branch,
    )


def branches(db: Db) -> list[str]:
    """The branches that employees belong to."""
    rows = db.rows(
        "SELECT DISTINCT branch FROM staff WHERE branch <> '' AND active = 1 ORDER BY branch"
    )
    return [row["branch"] for row in rows]


def keep(db: Db, branch: str, key_sealed: bytes, by: str, now: int) -> None:
    """Give a branch a robot in the place of the one it had."""
    db.run(_KEEP, branch=branch, key=key_sealed, by=by, now=now)


def drop(db: Db, branch: str) -> bool:
    """Take a branch's robot away; False when it had none."""
    return bool(db.run("DELETE FROM branch_robot WHERE branch = :branch", branch=branch))


def mark_broken(db: Db, branch: str, why: str) -> None:
    """Nothing goes to it any more, until somebody gives its address anew."""
    db.run("UPDATE branch_robot SET broken = :why WHERE branch = :branch", why=why, branch=branch)


def waiting(db: Db, branch: str, now: int) -> list[Row]:
    """How many tasks wait for each employee's tap, the most first."""
    return db.rows(_WAITING, branch=branch, now=now)


def lapsed(db: Db, branch: str, since: int, until: int) -> list[Row]:
    """How many tasks made in a span each employee let lapse."""
    return db.rows(_LAPSED, branch=branch, since=since, until=until)


def overdue(db: Db, branch: str, now: int) -> list[Row]:
    """How many open cases of each employee are past their deadline."""
    return db.rows(_OVERDUE, branch=branch, now=now)


def raised(db: Db, branch: str) -> int:
    """How many open cases were raised to the head."""
    return int(db.value(_RAISED, branch=branch))
