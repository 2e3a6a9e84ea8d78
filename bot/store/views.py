"""Customers and what stands around them, as pages and the JSON interface read them.

A page of customers costs the same few statements whatever its length: everything around
them is read for all of them at once.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from bot.store.db import Db, Row
from bot.store.sight import Sight, Viewer, may_see, may_see_sensitive

_IDS = "IN (SELECT value FROM json_each(:ids))"
_FOLLOWS = f"""
SELECT f.*, coalesce(s.name, '') AS staff_name FROM follow f LEFT JOIN staff s USING (userid)
WHERE f.external_userid {_IDS} AND f.ended_at IS NULL ORDER BY f.since_at, f.userid
"""
_GROUPS = f"""
SELECT m.member AS external_userid, g.chat_id, g.name, m.nickname, m.joined_at
FROM group_member m JOIN group_chat g USING (chat_id)
WHERE m.member {_IDS} AND m.left_at IS NULL AND g.dismissed_at IS NULL
ORDER BY m.joined_at NULLS FIRST
"""
_SEGMENTS = f"""
SELECT external_userid, segment, version, since_at FROM segment_member
WHERE external_userid {_IDS} ORDER BY segment
"""
_TAGS = f"""
SELECT DISTINCT f.external_userid, t.group_name, t.name
FROM follow f CROSS JOIN json_each(f.tags) j JOIN corp_tag t ON t.tag_id = j.value
WHERE f.external_userid {_IDS} AND f.ended_at IS NULL ORDER BY t.group_name, t.name
"""
_HOLDINGS = f"""
SELECT * FROM holding WHERE external_userid {_IDS}
ORDER BY status DESC, matures_on NULLS FIRST, account_ref
"""
_FACTS = f"""
SELECT * FROM fact WHERE external_userid {_IDS} AND status <> 'recalled'
  AND (class = 'ordinary' OR external_userid IN (SELECT value FROM json_each(:sensitive)))
ORDER BY observed_at DESC, id DESC
"""
# The newest answer of each purpose; of two from one moment the refusing one counts.
_CONSENTS = f"""
SELECT * FROM (
  SELECT *, row_number() OVER (
    PARTITION BY external_userid, purpose ORDER BY at DESC, granted, id DESC) AS place
  FROM consent WHERE external_userid {_IDS}) AS answers
WHERE place = 1
"""
_AGREED = f"""
SELECT external_userid, count(*) AS conversations FROM agreement
WHERE external_userid {_IDS} AND status = 'Agree' GROUP BY external_userid
"""
_ACTIVITY = f"""
SELECT external_userid, day_on, messages FROM activity
WHERE external_userid {_IDS} AND day_on >= :since ORDER BY day_on
"""
ACTIVITY_DAYS = 30


@dataclass(slots=True)
class Around:
    """What is known about one customer besides their own row.

    Attributes:
        sensitive: The viewer may see what is sensitive; without it no sensitive fact is here.
        agreed: Conversations whose archiving the customer agreed to.
        activity: Messages by ISO day, the last ``ACTIVITY_DAYS`` days, silent days left out.
    """

    sensitive: bool
    follows: list[Row] = field(default_factory=list)
    groups: list[Row] = field(default_factory=list)
    segments: list[Row] = field(default_factory=list)
    tags: list[Row] = field(default_factory=list)
    holdings: list[Row] = field(default_factory=list)
    facts: list[Row] = field(default_factory=list)
    consents: list[Row] = field(default_factory=list)
    agreed: int = 0
    activity: dict[str, int] = field(default_factory=dict)


def around(db: Db, who: Viewer, customers: Iterable[str], today: date) -> dict[str, Around]:
    """Everything around some customers, as far as the viewer may see it.

    The customers themselves must come from a query with ``visible_to``.
    """
    ids = list(customers)
    shown = {each for each in ids if may_see_sensitive(db, who, each)}
    found = {each: Around(each in shown) for each in ids}
    names = json.dumps(ids)
    for name, sql in (
        ("follows", _FOLLOWS),
        ("groups", _GROUPS),
        ("segments", _SEGMENTS),
        ("tags", _TAGS),
        ("holdings", _HOLDINGS),
        ("consents", _CONSENTS),
    ):
        for customer, rows in _by_customer(db.rows(sql, ids=names)).items():
            setattr(found[customer], name, rows)
    facts = db.rows(_FACTS, ids=names, sensitive=json.dumps(sorted(shown)))
    for customer, rows in _by_customer(facts).items():
        found[customer].facts = rows
    for row in db.rows(_AGREED, ids=names):
        found[row["external_userid"]].agreed = row["conversations"]
    since = today - timedelta(days=ACTIVITY_DAYS - 1)
    for row in db.rows(_ACTIVITY, ids=names, since=since.isoformat()):
        found[row["external_userid"]].activity[row["day_on"]] = row["messages"]
    return found


def _by_customer(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["external_userid"]].append(row)
    return found


# -- lists of customers


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which customers a list is about; "" and None ask for nothing.

    Attributes:
        words: Part of the name or of a remark.
        phone_hash: Keyed hash of a whole phone number, an alternative to ``words``.
        sensitive_segment: The segment rests on sensitive facts, so that only customers count
            whose sensitive facts the viewer may see.
    """

    words: str = ""
    phone_hash: str | None = None
    layer: str = ""
    segment: str = ""
    sensitive_segment: bool = False

    def condition(self) -> tuple[str, dict[str, Any]]:
        """As part of a ``WHERE`` over ``customer c``, with its values."""
        parts = ["c.erased = 0"]
        values: dict[str, Any] = {}
        if self.words:
            named = (
                "instr(c.name, :words) > 0 OR EXISTS (SELECT 1 FROM follow f WHERE"
                " f.external_userid = c.external_userid AND f.ended_at IS NULL"
                " AND instr(f.remark, :words) > 0)"
            )
            parts.append(f"({named} OR c.phone_hash = :phone)")
            values |= {"words": self.words, "phone": self.phone_hash}
        if self.layer:
            parts.append("c.layer = :layer")
            values["layer"] = self.layer
        if self.segment:
            parts.append(
                "EXISTS (SELECT 1 FROM segment_member s WHERE s.segment = :segment"
                " AND s.external_userid = c.external_userid)"
            )
            values["segment"] = self.segment
        return " AND ".join(parts), values


def customers_after(db: Db, scope: Sight, wanted: Wanted, after: str, limit: int) -> list[Row]:
    """Visible customers in the order of their ids, from one id on: stable while it is paged."""
    condition, values = wanted.condition()
    return db.rows(
        f"SELECT c.* FROM customer c WHERE c.external_userid > :after AND {condition}"
        f" AND {scope.where} ORDER BY c.external_userid LIMIT :limit",
        after=after,
        limit=limit,
        **(scope.values | values),
    )


def recent_customers(db: Db, who: Viewer, scope: Sight, wanted: Wanted, skip: int) -> list[Row]:
    """Up to 51 visible customers, who spoke last first; the 51st only shows that more follow."""
    condition, values = wanted.condition()
    rows = db.rows(
        f"SELECT c.* FROM customer c WHERE {condition} AND {scope.where}"
        " ORDER BY c.spoke_at DESC NULLS LAST, c.created_at DESC, c.external_userid"
        " LIMIT 51 OFFSET :skip",
        skip=skip,
        **(scope.values | values),
    )
    if not wanted.sensitive_segment:
        return rows
    return [row for row in rows if may_see_sensitive(db, who, row["external_userid"])]


def customer(db: Db, who: Viewer, external_userid: str) -> Row | None:
    """One customer; None when there is none or the viewer may not know."""
    if not may_see(db, who, external_userid):
        return None
    return db.one(
        "SELECT * FROM customer WHERE external_userid = :id AND erased = 0", id=external_userid
    )


def visible_of(db: Db, scope: Sight, customers: Iterable[str]) -> set[str]:
    """Which of some customers may be seen."""
    return {
        row[0]
        for row in db.rows(
            f"SELECT c.external_userid FROM customer c WHERE c.external_userid {_IDS}"
            f" AND {scope.where}",
            ids=json.dumps(list(customers)),
            **scope.values,
        )
    }


# -- names


def customer_name(db: Db, userid: str, customer: str) -> str:
    """What an employee calls a customer.

    Their own remark, else that of the oldest follow user, else the name, else the nickname in
    a group; "" when nobody gave them any.
    """
    return str(
        db.value(
            """
            SELECT coalesce(
              (SELECT nullif(remark, '') FROM follow WHERE external_userid = c.external_userid
                AND ended_at IS NULL AND remark <> ''
                ORDER BY userid <> :userid, since_at LIMIT 1),
              nullif(c.name, ''),
              (SELECT nickname FROM group_member WHERE member = c.external_userid
                AND nickname <> '' LIMIT 1),
              '')
            FROM customer c WHERE c.external_userid = :id
            """,
            userid=userid,
            id=customer,
        )
        or ""
    )


def staff_names(db: Db) -> dict[str, str]:
    """Every employee's name by userid; who has none is called by the userid."""
    return {
        row["userid"]: row["name"] or row["userid"]
        for row in db.rows("SELECT userid, name FROM staff")
    }


def tag_names(db: Db, tag_ids: Iterable[str]) -> list[str]:
    """What tags are called, in the order of their names."""
    return [
        row["name"]
        for row in db.rows(
            "SELECT name FROM corp_tag WHERE tag_id IN (SELECT value FROM json_each(:ids))"
            " ORDER BY name",
            ids=json.dumps(list(tag_ids)),
        )
    ]
