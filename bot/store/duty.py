"""Who of the staff answers for a branch, and who stands in for somebody."""

from __future__ import annotations

import json
from collections.abc import Iterable

from bot.model import UserId
from bot.store.db import Db, Row


def branch_head(db: Db, branch: str) -> UserId | None:
    """Who answers for a branch; an active head, else None."""
    found = db.value(
        "SELECT userid FROM staff WHERE branch = :branch AND role = 'head' AND active = 1"
        " ORDER BY userid LIMIT 1",
        branch=branch,
    )
    return UserId(found) if found else None


def in_charge(db: Db, branch: str, but: Iterable[str] = ()) -> UserId | None:
    """Whoever takes what has no other owner: the head, the city branch, any head, an admin.

    None of those left out.
    """
    found = db.value(
        "SELECT userid FROM staff WHERE active = 1 AND role IN ('head', 'city', 'admin')"
        " AND userid NOT IN (SELECT value FROM json_each(:but))"
        " ORDER BY CASE WHEN role = 'head' AND branch = :branch THEN 0 WHEN role = 'city' THEN 1"
        " WHEN role = 'head' THEN 2 ELSE 3 END, userid LIMIT 1",
        branch=branch,
        but=json.dumps(sorted(but)),
    )
    return UserId(found) if found else None


def colleagues(db: Db, branch: str, userid: str) -> list[Row]:
    """Everybody of a branch, and one more wherever they are."""
    return db.rows(
        "SELECT userid, name FROM staff WHERE (branch = :branch AND branch <> '')"
        " OR userid = :id ORDER BY userid",
        branch=branch,
        id=userid,
    )


def is_on(db: Db, userid: str) -> bool:
    """Whether somebody is on duty; of whom nothing is known yet counts as such."""
    return bool(db.value("SELECT active FROM staff WHERE userid = :id", id=userid) != 0)


def deputy_of(db: Db, userid: str) -> UserId | None:
    """The deputy of an employee, if they are on duty."""
    found = db.value(
        "SELECT d.userid FROM staff s JOIN staff d ON d.userid = s.deputy"
        " WHERE s.userid = :id AND s.userid <> d.userid AND d.active = 1",
        id=userid,
    )
    return UserId(found) if found else None
