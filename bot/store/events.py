"""Events and sign-ups: seats are given by one conditional update, so nobody is promised one twice.

Who comes when the seats are taken waits; a seat that gets free goes to whoever waits longest and
fits in.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.store import people
from bot.store.db import Db, Row
from bot.store.sight import Viewer, visible_to

FACTS = (
    "name",
    "kind",
    "branch",
    "starts_at",
    "ends_at",
    "place",
    "seats",
    "host",
    "sign_up_until",
    "audience",
)
"""The columns of the bank's file, besides the code."""
MOST_PARTY = 20
"""People on one sign-up; more is a typing mistake."""
_KEEP = f"""
INSERT INTO event (code, {", ".join(FACTS)}, door_code, changed_at)
VALUES (:code, {", ".join(":" + name for name in FACTS)}, :door_code, :now)
ON CONFLICT (code) DO UPDATE SET {", ".join(f"{n} = excluded.{n}" for n in FACTS)},
  changed_at = excluded.changed_at
"""
_TAKE = """
UPDATE event SET taken = taken + :more
WHERE id = :id AND status = 'open' AND taken + :more <= seats
"""
_PUT = """
INSERT INTO signup (event_id, external_userid, party, status, source, chat_id, msgid, at)
VALUES (:event, :customer, :party, :status, :source, :chat, :msgid, :now)
ON CONFLICT (event_id, external_userid) DO UPDATE SET party = excluded.party,
  status = excluded.status, source = excluded.source, chat_id = excluded.chat_id,
  msgid = excluded.msgid, at = excluded.at, told = 0
"""
_WAITING = """
SELECT * FROM signup WHERE event_id = :id AND status = 'waiting' AND party <= :free
ORDER BY at, id LIMIT 1
"""
_UNTOLD = """
SELECT s.*, e.name, e.starts_at, e.branch, e.seats, e.taken, e.status AS event_status FROM signup s
JOIN event e ON e.id = s.event_id WHERE s.told = 0 AND s.at <= :before
ORDER BY s.event_id, s.at, s.id LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody wants to come.

    Attributes:
        party: How many people with them included, 1 to ``MOST_PARTY``.
        source: ``talk``, ``kf``, ``link`` or ``staff``.
    """

    customer: str
    party: int
    source: str
    chat_id: str = ""
    msgid: str = ""


def keep(db: Db, event: Mapping[str, Any], now: int) -> None:
    """Take in what the bank's file says of an event; more seats go to those who wait."""
    db.run(
        _KEEP,
        code=event["code"],
        **{name: event[name] for name in FACTS},
        door_code=f"{secrets.randbelow(9000) + 1000}",
        now=now,
    )
    row = db.one("SELECT id FROM event WHERE code = :code", code=event["code"])
    assert row is not None
    _move_up(db, row["id"], now)


def by_codes(db: Db, codes: Iterable[str]) -> list[Row]:
    """Events by their codes."""
    return db.rows(
        "SELECT * FROM event WHERE code IN (SELECT value FROM json_each(:codes))",
        codes=json.dumps(sorted(codes)),
    )


def event(db: Db, event_id: int) -> Row | None:
    """One event."""
    return db.one("SELECT * FROM event WHERE id = :id", id=event_id)


def events(db: Db, *, before: int, limit: int, branch: str = "") -> list[Row]:
    """Events by id, the newest first, with how many wait and came; of one branch or all."""
    return db.rows(
        "SELECT e.*, (SELECT coalesce(sum(party), 0) FROM signup s WHERE s.event_id = e.id"
        " AND s.status = 'waiting') AS waiting, (SELECT coalesce(sum(party), 0) FROM signup s"
        " WHERE s.event_id = e.id AND s.status = 'came') AS came FROM event e"
        " WHERE e.id < :before AND (:branch = '' OR e.branch IN ('', :branch))"
        " ORDER BY e.id DESC LIMIT :limit",
        before=before,
        limit=limit,
        branch=branch,
    )


def branch_of(db: Db, external_userid: str, chat_id: str = "") -> str:
    """A customer's branch: the bank's word, else that of the group they speak in."""
    who = people.customer(db, external_userid)
    if who is not None and who["branch"]:
        return str(who["branch"])
    found = people.group(db, chat_id) if chat_id else None
    return str(found["branch"]) if found is not None else ""


def open_for(db: Db, branch: str, now: int, chat_id: str = "") -> list[Row]:
    """Events that somebody of a branch can still sign up for, the next one first.

    Said in a group that is the audience of some events, only those can be meant; elsewhere
    those of other groups cannot.
    """
    found = db.rows(
        "SELECT e.*, (SELECT g.chat_id FROM group_chat g WHERE g.name = e.audience"
        " AND g.dismissed_at IS NULL ORDER BY g.chat_id = :chat DESC LIMIT 1) AS group_id"
        " FROM event e WHERE e.status = 'open' AND e.sign_up_until > :now"
        " AND e.branch IN ('', :branch) ORDER BY e.starts_at, e.id",
        now=now,
        branch=branch,
        chat=chat_id,
    )
    here = [row for row in found if chat_id and row["group_id"] == chat_id]
    elsewhere = [row for row in found if not row["group_id"] or not chat_id]
    return here or elsewhere


def signups(db: Db, who: Viewer, event_id: int, *, after: int = 0, limit: int = 500) -> list[Row]:
    """Who comes to an event, in the order of signing up.

    ``visible`` tells whether the viewer may know who it is.
    """
    scope = visible_to(who)
    return db.rows(
        "SELECT s.*, EXISTS (SELECT 1 FROM customer c WHERE c.external_userid = s.external_userid"
        f" AND {scope.where}) AS visible FROM signup s"
        " WHERE s.event_id = :event AND s.id > :after ORDER BY s.id LIMIT :limit",
        event=event_id,
        after=after,
        limit=limit,
        **scope.values,
    )


def signup(db: Db, event_id: int, customer: str) -> Row | None:
    """One customer's sign-up, whatever became of it."""
    return db.one(
        "SELECT * FROM signup WHERE event_id = :event AND external_userid = :customer",
        event=event_id,
        customer=customer,
    )


def by_message(db: Db, customer: str, msgid: str) -> Row | None:
    """The event for which a customer signed up with one message."""
    return db.one(
        "SELECT e.*, s.party FROM signup s JOIN event e ON e.id = s.event_id"
        " WHERE s.external_userid = :customer AND s.msgid = :msgid",
        customer=customer,
        msgid=msgid,
    )


def signups_of(db: Db, customer: str, now: int) -> list[Row]:
    """What a customer has signed up for and that is not over, the next one first."""
    return db.rows(
        "SELECT e.*, s.status AS mine, s.party FROM signup s JOIN event e ON e.id = s.event_id"
        " WHERE s.external_userid = :customer AND s.status IN ('going', 'waiting')"
        " AND e.ends_at > :now ORDER BY e.starts_at, e.id",
        customer=customer,
        now=now,
    )


def sign_up(db: Db, event_id: int, wish: Wish, now: int) -> str:
    """Give seats, or a place on the waiting list; the state: ``going`` or ``waiting``.

    Repeating it changes nothing. A larger party keeps its seats only when the others fit in; it
    keeps what it has while it waits for more. A closed event gives ``closed``.
    """
    row = event(db, event_id)
    if row is None or row["status"] != "open" or row["sign_up_until"] <= now:
        return "closed"
    mine = signup(db, event_id, wish.customer)
    has = mine["party"] if mine is not None and mine["status"] == "going" else 0
    if mine is not None and mine["status"] in {"going", "waiting"} and mine["party"] == wish.party:
        return str(mine["status"])
    if wish.party < has:
        _free(db, event_id, has - wish.party)
        status = "going"
    elif db.run(_TAKE, id=event_id, more=wish.party - has):
        status = "going"
    elif has:
        return "full"
    else:
        status = "waiting"
    db.run(
        _PUT,
        event=event_id,
        customer=wish.customer,
        party=wish.party,
        status=status,
        source=wish.source,
        chat=wish.chat_id,
        msgid=wish.msgid,
        now=now,
    )
    if wish.party < has:
        _move_up(db, event_id, now)
    return status


def cancel(db: Db, event_id: int, customer: str, now: int) -> bool:
    """Somebody does not come after all; their seats go to those who wait."""
    mine = signup(db, event_id, customer)
    if mine is None or mine["status"] not in {"going", "waiting"}:
        return False
    db.run(
        "UPDATE signup SET status = 'cancelled', told = 0, at = :now WHERE id = :id",
        now=now,
        id=mine["id"],
    )
    if mine["status"] == "going":
        _free(db, event_id, mine["party"])
        _move_up(db, event_id, now)
    return True


def forget(db: Db, customer: str, now: int) -> int:
    """Somebody is erased: their seats become free, their sign-ups go; how many those were."""
    for row in db.rows("SELECT event_id FROM signup WHERE external_userid = :id", id=customer):
        cancel(db, row["event_id"], customer, now)
    return db.run("DELETE FROM signup WHERE external_userid = :id", id=customer)


def cancel_event(db: Db, event_id: int, now: int) -> int:
    """Call an event off; how many people have to be told."""
    db.run(
        "UPDATE event SET status = 'cancelled', changed_at = :now WHERE id = :id",
        now=now,
        id=event_id,
    )
    return db.run(
        "UPDATE signup SET told = 0, at = :now WHERE event_id = :id"
        " AND status IN ('going', 'waiting')",
        now=now,
        id=event_id,
    )


def check_in(db: Db, event_id: int, customer: str, now: int) -> bool:
    """Somebody is at the door; False when they were counted already. Nobody is sent away."""
    changed = db.run(
        "UPDATE signup SET status = 'came', came_at = :now WHERE event_id = :id"
        " AND external_userid = :customer AND status <> 'came'",
        now=now,
        id=event_id,
        customer=customer,
    )
    if changed or signup(db, event_id, customer) is not None:
        return bool(changed)
    db.run(
        "INSERT INTO signup (event_id, external_userid, party, status, source, at, came_at, told)"
        " VALUES (:id, :customer, 1, 'came', 'staff', :now, :now, 1)",
        id=event_id,
        customer=customer,
        now=now,
    )
    return True


def by_door_code(db: Db, code: str, now: int) -> Row | None:
    """The event at whose door a code hangs: from an hour before the start to the end."""
    return db.one(
        "SELECT * FROM event WHERE door_code = :code AND status = 'open'"
        " AND starts_at - 3600000 <= :now AND ends_at >= :now ORDER BY starts_at LIMIT 1",
        code=code,
        now=now,
    )


def mark_spoke(db: Db, event_id: int, customer: str, *, spoke: bool) -> None:
    """Whether somebody spoke up there."""
    db.run(
        "UPDATE signup SET spoke = :spoke WHERE event_id = :id AND external_userid = :customer",
        spoke=int(spoke),
        id=event_id,
        customer=customer,
    )


def untold(db: Db, before: int, limit: int) -> list[Row]:
    """Changes that no employee has been told of, by event, the oldest first."""
    return db.rows(_UNTOLD, before=before, limit=limit)


def mark_told(db: Db, ids: Iterable[int]) -> None:
    """An errand tells of these."""
    db.many("UPDATE signup SET told = 1 WHERE id = ?", [(each,) for each in ids])


def _free(db: Db, event_id: int, seats: int) -> None:
    db.run("UPDATE event SET taken = taken - :seats WHERE id = :id", seats=seats, id=event_id)


def _move_up(db: Db, event_id: int, now: int) -> None:
    """Give free seats to those who wait, the longest first; who does not fit in is passed over."""
    while True:
        row = event(db, event_id)
        if row is None or row["status"] != "open":
            return
        free = row["seats"] - row["taken"]
        following = db.one(_WAITING, id=event_id, free=free) if free > 0 else None
        if following is None or not db.run(_TAKE, id=event_id, more=following["party"]):
            return
        db.run(
            "UPDATE signup SET status = 'going', told = 0, at = :now WHERE id = :id",
            now=now,
            id=following["id"],
        )
