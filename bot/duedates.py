"""Requests of customers about their data that are past their day: somebody above hears of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from bot.actions import Errand, TellStaff
from bot.model import ExternalUserId, UserId
from bot.store import journal, people, rights
from bot.store.db import Db, Row
from scheduler.voice import day_words

_ABOVE = ("head", "compliance", "city", "admin")


def raise_overdue(
    db: Db,
    today: date,
    now: int,
    label: Callable[[str, str], str],
    add: Callable[[Db, Errand, int], bool],
) -> int:
    """Tell the branch head, or compliance, of each request once; how many there were."""
    found = rights.overdue(db, today.isoformat())
    for row in found:
        above = _above(db, row)
        rights.mark_raised(db, row["id"], above, now)
        rights.add_step(db, row["id"], "bot", "raised", now, above)
        subject = f"rights:{row['id']}"
        journal.audit(db, "bot", "raise_right", subject, now, to=above, due_on=row["due_on"])
        if above:
            add(db, _message(db, row, above, today, label), now)
    return len(found)


def _above(db: Db, row: Row) -> str:
    """The head of the branch unless it is their own, then compliance, the city, an admin."""
    found = db.rows(
        "SELECT userid, role, branch FROM staff WHERE active = 1 AND userid <> :owner"
        " AND role IN ('head', 'compliance', 'city', 'admin') ORDER BY userid",
        owner=row["owner"],
    )
    near = [each for each in found if each["role"] != "head" or each["branch"] == row["branch"]]
    near.sort(key=lambda each: _ABOVE.index(each["role"]))
    return str(near[0]["userid"]) if near else ""


def _message(
    db: Db, row: Row, above: str, today: date, label: Callable[[str, str], str]
) -> TellStaff:
    owner = people.staff(db, row["owner"])
    values = {
        "matter": label("right", row["kind"]),
        "count": row["id"],
        "deadline": day_words(date.fromisoformat(row["due_on"]), today),
        "assignee": owner["name"] if owner is not None and owner["name"] else row["owner"],
    }
    customer = ExternalUserId(row["external_userid"])
    return TellStaff(UserId(above), "staff_right_overdue", values, customer, f"right-{row['id']}")
