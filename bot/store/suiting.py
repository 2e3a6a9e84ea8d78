"""What suitability asks about a customer and of employees, read at this moment."""

from __future__ import annotations

from datetime import date

from bot.store import consents
from bot.store.db import Db, Row
from scheduler.offers import Holder

_HOLDER = """
SELECT c.risk_level, c.risk_valid_to, c.birthday_year, c.birthday_month, c.birthday_day,
  EXISTS (SELECT 1 FROM escalation e WHERE e.external_userid = c.external_userid
    AND e.status = 'closed' AND e.outcome IN ('contacted', 'sold', 'not_interested')) AS met,
  EXISTS (SELECT 1 FROM fact f WHERE f.external_userid = c.external_userid
    AND f.type = 'persona.risk' AND f.status IN ('current', 'confirmed')
    AND f.value LIKE '%conservative%') AS cautious
FROM customer c WHERE c.external_userid = :id
"""
_KINDS = "SELECT DISTINCT kind FROM holding WHERE external_userid = :id AND status = 'open'"
_NOBODY = Holder("", None, None, met=False, cautious=False, kinds=frozenset())


def on_duty(db: Db, branch: str) -> list[Row]:
    """The active employees of a branch, by id."""
    return db.rows(
        "SELECT * FROM staff WHERE branch = :branch AND active = 1 ORDER BY userid", branch=branch
    )


def holder(db: Db, customer: str, on: date) -> Holder:
    """A customer as suitability sees them; of a stranger nothing is known."""
    row = db.one(_HOLDER, id=customer)
    if row is None:
        return _NOBODY
    impersonal = consents.is_impersonal(db, customer)
    held = [] if impersonal else db.rows(_KINDS, id=customer)
    kinds = frozenset(each["kind"] for each in held)
    year = row["birthday_year"]
    return Holder(
        risk_level=row["risk_level"],
        risk_valid_to=date.fromisoformat(row["risk_valid_to"]) if row["risk_valid_to"] else None,
        # By the year alone, so that nobody counts as younger than they may be.
        age=on.year - year if year else None,
        met=bool(row["met"]),
        cautious=bool(row["cautious"]),
        kinds=kinds,
    )
