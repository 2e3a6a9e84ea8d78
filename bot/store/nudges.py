"""Tasks that wait for a tap: by employee, who was reminded, and how it went before."""

from __future__ import annotations

from bot.model import UserId
from bot.store import duty, people
from bot.store.db import Db, Row

# What is stale is called back by itself; nobody is reminded of it.
_OPEN = "t.status = 'accepted' AND t.useful_until > :now"
_WAITING = f"""
SELECT t.sender AS userid, coalesce(s.name, '') AS name, coalesce(s.active, 0) AS active,
  count(*) AS tasks, sum(CASE WHEN t.channel = 'moments' THEN 1 ELSE 0 END) AS moments,
  min(t.accepted_at) AS since, min(t.useful_until) AS until
FROM send_task t LEFT JOIN staff s ON s.userid = t.sender
WHERE {_OPEN} GROUP BY t.sender, s.name, s.active ORDER BY t.sender
"""
# Of the tasks that WeCom took: tapped, or called back because nobody did. What was called back
# for another reason is nobody's fault.
_BOARD = """
SELECT s.userid, s.name, s.branch, s.active,
  (SELECT count(*) FROM send_task t WHERE t.sender = s.userid AND t.status = 'accepted') AS waiting,
  (SELECT min(t.accepted_at) FROM send_task t
    WHERE t.sender = s.userid AND t.status = 'accepted') AS since,
  (SELECT count(*) FROM nudge n WHERE n.userid = s.userid AND n.told = s.userid
    AND n.at > :day_ago) AS reminders,
  (SELECT max(n.at) FROM nudge n WHERE n.userid = s.userid AND n.told <> s.userid
    AND n.at > :day_ago) AS deputy_at,
  (SELECT count(*) FROM send_task t WHERE t.sender = s.userid AND t.created_at >= :month_ago
    AND t.status = 'done') AS confirmed,
  (SELECT count(*) FROM send_task t WHERE t.sender = s.userid AND t.created_at >= :month_ago
    AND t.status IN ('cancelled', 'cancelling') AND t.reason IN ('stale', 'closing_hour')) AS lapsed
FROM staff s
WHERE (:branch = '' OR s.branch = :branch)
  AND EXISTS (SELECT 1 FROM send_task t WHERE t.sender = s.userid
    AND (t.status = 'accepted' OR t.created_at >= :month_ago))
ORDER BY s.branch, since NULLS LAST, s.userid
"""
_DAY, _MONTH = 86_400_000, 30 * 86_400_000


def waiting(db: Db, now: int) -> list[Row]:
    """Employees with tasks that may still be confirmed: how many, since and until when."""
    return db.rows(_WAITING, now=now)


def tasks_of(db: Db, userid: str, now: int) -> list[int]:
    """The tasks that somebody may still confirm."""
    return [
        row["id"]
        for row in db.rows(
            f"SELECT t.id FROM send_task t WHERE t.sender = :userid AND {_OPEN} ORDER BY t.id",
            userid=userid,
            now=now,
        )
    ]


def lately(db: Db, userid: str, since: int, until: int) -> list[tuple[int, str]]:
    """When and to whom somebody's tasks were told of within a span, oldest first."""
    rows = db.rows(
        "SELECT at, told FROM nudge WHERE userid = :userid AND at > :since AND at <= :until"
        " ORDER BY id",
        userid=userid,
        since=since,
        until=until,
    )
    return [(row["at"], row["told"]) for row in rows]


def deputy_of(db: Db, userid: str) -> UserId | None:
    """Who stands in for somebody: the named deputy, else the head of the branch."""
    row = people.staff(db, userid)
    if row is None:
        return None
    named = people.staff(db, row["deputy"]) if row["deputy"] else None
    if named is not None and named["active"]:
        return UserId(named["userid"])
    head = duty.branch_head(db, row["branch"])
    return head if head != userid else None


def keep(db: Db, userid: str, told: str, tasks: int, at: int) -> int:
    """Remember that somebody is told of somebody's tasks; the number of the reminder."""
    return db.insert(
        "INSERT INTO nudge (at, userid, told, tasks) VALUES (:at, :userid, :told, :tasks)",
        at=at,
        userid=userid,
        told=told,
        tasks=tasks,
    )


def board(db: Db, branch: str, now: int) -> list[Row]:
    """Who has how many open tasks, since when, and what became of those of the last 30 days.

    One row an employee with tasks, of a branch or (for "") of all.
    """
    return db.rows(_BOARD, branch=branch, day_ago=now - _DAY, month_ago=now - _MONTH)
