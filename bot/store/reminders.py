"""What an employee is told of ahead of time: days that customers spoke of, and silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta

from bot.clock import SHANGHAI
from bot.store import sameness
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
_LATE_DAYS = 30
_CHECKS = f"""
SELECT c.external_userid, c.postloan_check_on AS day_on FROM customer c
WHERE c.postloan_check_on BETWEEN :first AND :last AND c.erased = 0
  AND NOT EXISTS (SELECT 1 FROM escalation e WHERE e.kind = 'postloan'
    AND e.topic = c.postloan_check_on AND (e.external_userid = c.external_userid
      OR e.external_userid IN ({sameness.IDS_OF.format("c.external_userid")})))
ORDER BY c.postloan_check_on, c.external_userid
"""
_OUTDATED = """
SELECT e.id, e.external_userid FROM escalation e
JOIN customer c ON c.external_userid = e.external_userid
WHERE e.status = 'open' AND e.kind = 'postloan'
  AND c.postloan_check_on IS DISTINCT FROM e.topic ORDER BY e.id
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


def checks(db: Db, on: date, ahead: int) -> list[Row]:
    """Loans to be checked within so many days that nobody was called for: one row a person.

    Checks that were due within the last month count too: files come late.
    """
    rows = db.rows(
        _CHECKS,
        first=(on - timedelta(days=_LATE_DAYS)).isoformat(),
        last=(on + timedelta(days=ahead)).isoformat(),
    )
    persons = sameness.persons_of(db, {row["external_userid"] for row in rows})
    once = {
        (persons.get(row["external_userid"], row["external_userid"]), row["day_on"]): row
        for row in reversed(rows)
    }
    return list(reversed(once.values()))


def outdated_checks(db: Db) -> list[Row]:
    """Open cases of checks whose day the bank has moved since: they were done, or put off."""
    return db.rows(_OUTDATED)


def silent(db: Db, on: date) -> list[str]:
    """Important customers who fell silent yesterday."""
    since = _midnight(on - timedelta(days=1))
    rows = db.rows(_SILENT, since=since, midnight=_midnight(on))
    return [row["external_userid"] for row in rows]


TYPES: Mapping[str, Sequence[str]] = {"promise_due": PROMISES, "competitor_maturity": ELSEWHERE}
"""The facts that a kind of case is about."""


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), SHANGHAI).timestamp() * 1000)
