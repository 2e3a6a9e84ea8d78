"""Who is told of sign-ups: the owner of the group or the follow user, an event at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import groupby

from bot.actions import Errand, TellStaff
from bot.model import UserId
from bot.store import duty, events, people, views
from bot.store.db import Db, Row
from scheduler.voice import moment_words

_GATHER = timedelta(minutes=1)
"""People sign up in waves: wait so long after the last one that is told of."""
_AT_ONCE = 200
_STATES = {"waiting": "候补", "cancelled": "取消"}


def tell(db: Db, now: datetime, add: Callable[[Db, Errand, int], bool]) -> int:
    """Put the messages about untold sign-ups into the outbox; how many sign-ups they tell of."""
    moment = int(now.timestamp() * 1000)
    before = moment - int(_GATHER / timedelta(milliseconds=1))
    found = [(_teller(db, row), row) for row in events.untold(db, before, _AT_ONCE)]
    found.sort(key=lambda pair: (pair[1]["event_id"], pair[0]))
    for (event, userid), some in groupby(found, lambda pair: (pair[1]["event_id"], pair[0])):
        rows = [row for _, row in some]
        events.mark_told(db, [row["id"] for row in rows])
        if userid:
            cause = f"event-{event}-{max(row['at'] for row in rows)}-{rows[-1]['id']}"
            values = _values(db, rows, userid, now)
            add(db, TellStaff(UserId(userid), _words(rows), values, None, cause), moment)
    return len(found)


def _words(rows: list[Row]) -> str:
    off = rows[0]["event_status"] != "open"
    return "staff_event_off" if off else "staff_signups"


def _teller(db: Db, row: Row) -> str:
    """Who can answer them: the owner of the group in which they spoke, else who acts for them."""
    group = people.group(db, row["chat_id"]) if row["chat_id"] else None
    if group is not None and group["owner"]:
        return str(group["owner"])
    found = people.responsible_for(db, row["external_userid"])
    return found or duty.in_charge(db, row["branch"]) or ""


def _values(db: Db, rows: list[Row], userid: str, now: datetime) -> dict[str, str | int]:
    first = rows[0]
    starts = datetime.fromtimestamp(first["starts_at"] / 1000, UTC)
    return {
        "event": first["name"],
        "starts": moment_words(starts, now),
        "names": "、".join(_one(db, row, userid) for row in rows),
        "left": max(0, first["seats"] - first["taken"]),
    }


def _one(db: Db, row: Row, userid: str) -> str:
    """王姐2位, 李叔(候补), 赵老师(取消): as the employee knows them."""
    name = views.customer_name(db, userid, row["external_userid"]) or "一位客户"
    party = f"{row['party']}位" if row["party"] > 1 else ""
    state = _STATES.get(row["status"])
    return f"{name}{party}" + (f"({state})" if state else "")
