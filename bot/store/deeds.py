"""What employees did in a week, and the cards that were proposed for it.

The figures are those of the reports; what a report counts over three months is counted here
over the week.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Any

from bot.store import measures
from bot.store.db import Db, Row

# The day of Shanghai is eight hours ahead; lapsed is what nobody tapped in time, as on the board.
_OF_WEEK = """
SELECT s.userid,
  (SELECT count(*) FROM follow f WHERE f.userid = s.userid AND f.ended_at IS NULL
    AND EXISTS (SELECT 1 FROM activity a WHERE a.external_userid = f.external_userid
      AND a.day_on BETWEEN :first_on AND :last_on AND a.replies > 0
      UNION ALL SELECT 1 FROM contact k WHERE k.external_userid = f.external_userid
      AND k.userid = f.userid AND k.day_on BETWEEN :first_on AND :last_on
      AND k.outcome = 'contacted')) AS contacted,
  (SELECT count(*) FROM send_task t WHERE t.sender = s.userid
    AND t.created_at BETWEEN :since AND :until AND t.status = 'done') AS done,
  (SELECT count(*) FROM send_task t WHERE t.sender = s.userid
    AND t.created_at BETWEEN :since AND :until AND t.status = 'done'
    AND NOT EXISTS (SELECT 1 FROM push p WHERE p.task_id = t.id
      AND (p.confirmed_at + 28800000) / 86400000 > (t.created_at + 28800000) / 86400000)
    ) AS same_day,
  (SELECT count(*) FROM send_task t WHERE t.sender = s.userid
    AND t.created_at BETWEEN :since AND :until AND t.status IN ('cancelled', 'cancelling')
    AND t.reason IN ('stale', 'closing_hour')) AS lapsed,
  (SELECT count(*) FROM escalation e WHERE e.assignee = s.userid AND e.status = 'closed'
    AND e.opened_at BETWEEN :since AND :until AND e.kind = 'unanswered') AS questions,
  (SELECT count(*) FROM escalation e WHERE e.assignee = s.userid AND e.status = 'open'
    AND e.deadline_at BETWEEN :since AND :until) AS late_open,
  (SELECT count(*) FROM signup g JOIN event v ON v.id = g.event_id
    JOIN follow f ON f.external_userid = g.external_userid
    WHERE f.userid = s.userid AND f.ended_at IS NULL AND g.spoke > 0
    AND v.starts_at BETWEEN :since AND :until) AS spoke
FROM staff s WHERE s.active = 1 AND s.role IN ('owner', 'manager')
"""
_PROPOSE = """
INSERT INTO praise (week_on, rule, kind, userid, branch, value, base, made_at)
VALUES (:week_on, :rule, :kind, :userid, :branch, :value, :base, :now)
ON CONFLICT (week_on, rule, userid) DO NOTHING
"""
_SHOWN = """
SELECT p.*, coalesce(nullif(s.name, ''), p.userid) AS name FROM praise p
LEFT JOIN staff s ON s.userid = p.userid
WHERE (:branch = '' OR p.branch = :branch) AND p.made_at >= :since
ORDER BY p.status <> 'proposed', p.week_on DESC, p.kind, p.branch, p.id
"""


def of_week(db: Db, first: date, last: date, since: int, until: int) -> list[dict[str, Any]]:
    """One row an employee who serves customers, with every figure that a rule may look at."""
    reported = {row["userid"]: row for row in measures.people(db, "", last, since, until)}
    up: Counter[str] = Counter()
    for row in measures.moves(db, "", since, until):
        up[row["manager"]] += row["up"]
    days = {"first_on": first.isoformat(), "last_on": last.isoformat()}
    return [
        reported[row["userid"]]
        | dict(row)
        | {"moved_up": up[row["userid"]], "same_day_percent": _percent(row)}
        for row in db.rows(_OF_WEEK, since=since, until=until, **days)
    ]


def _percent(row: Row) -> int | None:
    # Rounded down: all of them is more than nearly all.
    return 100 * row["same_day"] // row["done"] if row["done"] else None


def propose(db: Db, proposal: Mapping[str, Any]) -> bool:
    """Keep a proposal; False when this week's was made before."""
    return bool(db.run(_PROPOSE, **proposal))


def proposals(db: Db, branch: str, since: int) -> list[Row]:
    """Those made since a moment, the open ones first; of a branch or (for "") of all."""
    return db.rows(_SHOWN, branch=branch, since=since)


def proposal(db: Db, number: int, branch: str) -> Row | None:
    """One proposal, if it is of the branch or the branch is ""."""
    return db.one(
        "SELECT * FROM praise WHERE id = :id AND (:branch = '' OR branch = :branch)",
        id=number,
        branch=branch,
    )


def decide(db: Db, number: int, status: str, by: str, now: int) -> bool:
    """A proposal is ``sent`` or ``declined``; False when it was decided before."""
    return bool(
        db.run(
            "UPDATE praise SET status = :status, by = :by, decided_at = :now"
            " WHERE id = :id AND status = 'proposed'",
            id=number,
            status=status,
            by=by,
            now=now,
        )
    )
