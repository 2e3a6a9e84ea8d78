"""Figures over a span of days; what is counted is what the tables can prove."""

from __future__ import annotations

from bot.store.db import Db, Row

_PUSHES = """
SELECT campaign, purpose, count(*) AS planned, sum(status = 'held') AS held,
  sum(status IN ('planned', 'ready')) AS waiting, sum(status = 'tasked') AS tasked,
  sum(status = 'confirmed') AS confirmed, sum(status = 'dropped') AS dropped,
  sum(status = 'expired') AS expired, sum(status = 'failed') AS failed
FROM push WHERE planned_on BETWEEN :first_on AND :last_on
GROUP BY campaign, purpose ORDER BY campaign, purpose
"""
# Met: closed before its deadline; missed: closed later, or open though the deadline passed.
_CASES = """
SELECT kind, count(*) AS opened, sum(status = 'closed') AS closed,
  sum(status = 'closed' AND (deadline_at IS NULL OR closed_at <= deadline_at)) AS met,
  sum(deadline_at IS NOT NULL AND coalesce(closed_at, :now) > deadline_at) AS missed,
  sum(coalesce(outcome, '') = 'contacted') AS contacted, sum(coalesce(outcome, '') = 'sold') AS sold
FROM escalation WHERE opened_at BETWEEN :since AND :until GROUP BY kind ORDER BY kind
"""
_GROUPS = """
SELECT g.chat_id, g.name, g.owner,
  (SELECT count(*) FROM group_member m WHERE m.chat_id = g.chat_id
    AND m.joined_at BETWEEN :since AND :until) AS joined,
  (SELECT count(*) FROM group_member m WHERE m.chat_id = g.chat_id
    AND m.left_at BETWEEN :since AND :until) AS left_group,
  (SELECT count(DISTINCT sender) FROM message m WHERE m.conversation = g.chat_id
    AND m.sent_at BETWEEN :since AND :until AND m.state = 'read') AS spoke,
  (SELECT count(*) FROM message m WHERE m.conversation = g.chat_id
    AND m.sent_at BETWEEN :since AND :until AND m.state = 'read') AS messages
FROM group_chat g WHERE g.dismissed_at IS NULL ORDER BY g.chat_id
"""
_CONSENT = """
SELECT purpose, channel, sum(granted) AS granted, sum(1 - granted) AS refused
FROM consent WHERE at BETWEEN :since AND :until GROUP BY purpose, channel ORDER BY purpose, channel
"""
_FACTS = """
SELECT type, count(*) AS heard, sum(status = 'confirmed') AS confirmed,
  sum(status = 'rejected') AS rejected, sum(status = 'pending') AS pending
FROM fact WHERE observed_at BETWEEN :since AND :until AND status <> 'recalled'
GROUP BY type ORDER BY type
"""
NAMES = {
    "pushes": _PUSHES,
    "cases": _CASES,
    "groups": _GROUPS,
    "consents": _CONSENT,
    "facts": _FACTS,
}
"""The reports that exist."""


def report(
    db: Db, name: str, *, first_on: str, last_on: str, since: int, until: int, now: int
) -> list[Row]:
    """A report's rows; the span is told as ISO days and as epoch milliseconds, ends included."""
    return db.rows(
        NAMES[name], first_on=first_on, last_on=last_on, since=since, until=until, now=now
    )
