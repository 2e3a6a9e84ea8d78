"""Who hears of requests of customers about their data: who decides, who acts, who is above them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from bot.actions import Errand, TellStaff
from bot.model import ExternalUserId, UserId
from bot.store import journal, people, rights
from bot.store.db import Db, Row
from scheduler.voice import day_words

_ABOVE = ("head", "compliance", "city", "admin")
_DECIDE = _ABOVE[:3]
Label = Callable[[str, str], str]


def raise_overdue(
    db: Db,
    today: date,
    now: int,
    label: Label,
    add: Callable[[Db, Errand, int], bool],
) -> int:
    """Tell the branch head, or compliance, of each late request once; how many there were."""
    found = rights.overdue(db, today.isoformat())
    for row in found:
        above = somebody_above(db, row, _ABOVE, {row["owner"]})
        rights.mark_raised(db, row["id"], above, now)
        rights.add_step(db, row["id"], "bot", "raised", now, above)
        subject = f"rights:{row['id']}"
        journal.audit(db, "bot", "raise_right", subject, now, to=above, due_on=row["due_on"])
        if above:
            add(db, _message(db, row, above, "staff_right_overdue", today, label), now)
    return len(found)


def ask_to_decide(db: Db, row: Row, today: date, label: Label) -> TellStaff | None:
    """The message to whoever can be the second person; None when there is nobody."""
    second = somebody_above(db, row, _DECIDE, {row["owner"], row["opened_by"]})
    return _message(db, row, second, "staff_right_waiting", today, label) if second else None


def tell_owner(db: Db, row: Row, today: date, label: Label) -> TellStaff:
    """The message to the owner that they may go on."""
    return _message(db, row, row["owner"], "staff_right_approved", today, label)


def somebody_above(db: Db, row: Row, roles: tuple[str, ...], but: set[str]) -> str:
    """The head of the branch, else compliance, the city, an admin; none of those left out."""
    found = db.rows(
        "SELECT userid, role, branch FROM staff WHERE active = 1"
        " AND role IN ('head', 'compliance', 'city', 'admin') ORDER BY userid"
    )
    near = [
        each
        for each in found
        if each["role"] in roles
        and each["userid"] not in but
        and (each["role"] != "head" or each["branch"] == row["branch"])
    ]
    near.sort(key=lambda each: roles.index(each["role"]))
    return str(near[0]["userid"]) if near else ""


def _message(db: Db, row: Row, to: str, words: str, today: date, label: Label) -> TellStaff:
    owner = people.staff(db, row["owner"])
    values = {
        "matter": label("right", row["kind"]),
        "count": row["id"],
        "deadline": day_words(date.fromisoformat(row["due_on"]), today),
        "assignee": owner["name"] if owner is not None and owner["name"] else row["owner"],
    }
    customer = ExternalUserId(row["external_userid"])
    return TellStaff(UserId(to), words, values, customer, f"right-{row['id']}")
