"""A customer in brief: who, what is known and why, what is due, what was sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.clock import today
from bot.store import lists, views
from bot.store.db import Db, Row
from bot.store.sight import Viewer
from bot.web.console.customers import push_entry
from bot.web.console.telling import Teller
from bot.web.profiles import profile_of
from bot.web.services import Services

_FACTS, _PUSHES = 12, 5
_AHEAD = timedelta(days=90)
_KNOWN = ("current", "confirmed", "pending")


def brief(services: Services, db: Db, who: Viewer, external_userid: str) -> dict[str, Any] | None:
    """What a page of one customer needs; None when the viewer may not know them."""
    row = views.customer(db, who, external_userid)
    if row is None:
        return None
    (profile,) = profile_of(services, db, who, [row])
    teller = Teller(services, db, who)
    until = (today(services.clock) + _AHEAD).isoformat()
    only = {"external_userid": external_userid}
    return {
        "row": row,
        "name": teller.name(external_userid),
        "profile": profile,
        "facts": _facts(teller, profile.around.facts),
        "maturing": [
            each
            for each in profile.around.holdings
            if each["status"] == "open" and each["matures_on"] and each["matures_on"] <= until
        ],
        "cases": [
            _case(services, db, teller, who, each)
            for each in lists.pressing_cases(db, who, only | {"status": "open"}, limit=5)
        ],
        "pushes": [
            push_entry(services, each) for each in lists.pushes(db, who, only, limit=_PUSHES)
        ],
    }


def _facts(teller: Teller, rows: list[Row]) -> list[dict[str, Any]]:
    """What waits for a person first, then the newest."""
    known = [row for row in rows if row["status"] in _KNOWN]
    known.sort(key=lambda row: row["status"] != "pending")
    told = [{"row": row, **(teller.fact(row) or {"hidden": True})} for row in known]
    return [each for each in told if not each["hidden"]][:_FACTS]


def _case(services: Services, db: Db, teller: Teller, who: Viewer, row: Row) -> dict[str, Any]:
    parts = {} if teller.keeps_secret(row) else services.desk.card_parts(db, row, who.userid)
    return {
        "row": row,
        "matter": teller.matter(row),
        "topic": teller.topic(row),
        "parts": parts,
    }
