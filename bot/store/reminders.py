"""What an employee is told of ahead of time: days that customers spoke of, and silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

from bot.clock import SHANGHAI
from bot.store.db import Db, Row

PROMISES = ("cash.inflow", "cash.outflow", "contact.request")
ELSEWHERE = ("holding.other_bank",)
# By the beginning of the period: 「六月中旬」 is 11 June, and ten days before is 1 June. Whoever
# said it today was heard today, and a case is open already.
_COMING = """
SELECT f.id, f.external_userid, f.date_from AS day_on FROM fact f
JOIN customer c ON c.external_userid = f.external_userid
WHERE f.type = :type AND f.status IN ('current', 'confirmed') AND f.date_to >= :day
  AND f.date_from = :day AND f.observed_at < :midnight AND c.erased = 0
ORDER BY f.id
"""
_SILENT = """
SELECT DISTINCT s.external_userid FROM customer_state s
JOIN customer c ON c.external_userid = s.external_userid
WHERE s.state IN ('cooling', 'dormant') AND s.since_at >= :since AND s.since_at < :midnight
  AND (c.layer IN ('high', 'private') OR c.key_person = 1 OR c.prospect = 1)
  AND c.erased = 0 ORDER BY s.external_userid
"""


def coming(db: Db, on: date, types: Sequence[str], ahead: Sequence[int]) -> list[tuple[Row, int]]:
    """Facts whose day begins in so many days, each with the number of days."""
    return [
        (row, days)
        for days in ahead
        for kind in types
        for row in db.rows(
            _COMING,
            type=kind,
            day=(on + timedelta(days=days)).isoformat(),
            midnight=_midnight(on),
        )
    ]


def silent(db: Db, on: date) -> list[str]:
    """Important customers who fell silent yesterday."""
    since = _midnight(on - timedelta(days=1))
    rows = db.rows(_SILENT, since=since, midnight=_midnight(on))
    return [row["external_userid"] for row in rows]


TYPES: Mapping[str, Sequence[str]] = {"promise_due": PROMISES, "competitor_maturity": ELSEWHERE}
"""The facts that a kind of case is about."""


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), SHANGHAI).timestamp() * 1000)
