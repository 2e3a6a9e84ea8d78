"""Everything that the gate asks about a push's customer or group, read at this moment.

Frequency is one ledger over all campaigns (F3): what was confirmed, what a task carries, and
what waits today and goes first; ids that are one person's share it. The channel's own quota
is counted apart (F4).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta

from bot.clock import SHANGHAI
from bot.store import sameness
from bot.store.db import Db, Row
from bot.store.journeys import ON_THE_WAY
from bot.store.sameness import IDS_OF

_HALF_A_YEAR_MS = 180 * 86_400_000
_LEDGER = """
FROM push o WHERE {same} AND o.id <> p.id AND o.status IN ('tasked', 'confirmed')
  AND o.changed_at >= """
_COUNTED = "o.purpose IN ('marketing', 'greeting') AND"
# Waiting pushes of today that go before this one; a task that is out does not yield any more.
_RESERVED = """
CASE WHEN p.status = 'tasked' OR p.purpose = 'service' THEN '[]'
  ELSE (SELECT json_group_array(CAST(o.id AS TEXT)) FROM push o WHERE {same} AND o.id <> p.id
    AND o.purpose IN ('marketing', 'greeting') AND o.arm <> 'holdout'
    AND o.status IN ('planned', 'held', 'ready') AND o.due_at < :tomorrow
    AND o.useful_until > :now AND coalesce(o.held_until, 0) < :tomorrow
    AND (o.rank < p.rank OR (o.rank = p.rank AND o.id < p.id))) END AS reserved
"""


def _counts(subject: str, same: str = "") -> str:
    same = same or f"o.{subject} = p.{subject}"
    ledger = _LEDGER.format(same=same)
    counted = ledger.replace("WHERE", f"WHERE {_COUNTED}")
    parts = [
        f"(SELECT count(*) {counted} :{name}) AS {name}" for name in ("today", "week", "month")
    ]
    # WeCom counts each id by itself, and what members sent by hand together with ours; moments
    # are counted by themselves, against the same number.
    own = _LEDGER.format(same=f"o.{subject} = p.{subject}")
    ours = f"{own} :channel AND (o.channel = 'moments') = (p.channel = 'moments')"
    by_hand = f"SELECT count(*) FROM other_send s WHERE s.recipient = p.{subject} AND s.sent_at >= "
    theirs = f"CASE WHEN p.channel = 'moments' THEN 0 ELSE ({by_hand} :channel) END"
    parts.append(f"(SELECT count(*) {ours}) + {theirs} AS channel")
    return ", ".join([*parts, _RESERVED.format(same=same)])


def _customer(key_used: str, restricted: str, whose: str, counted: str = "true") -> str:
    """Of customers; cases and sends are those of ``whose`` ids, as far as they are ``counted``."""
    return f"""
SELECT p.id AS push_id, {key_used} AS key_used, {restricted} AS restricted,
  c.external_userid IS NOT NULL AS known, c.erased, c.refused,
  c.marketing_ok AS consented, c.notice_ok AS notice_current, c.birthday_calendar,
  c.birthday_year, c.birthday_month, c.birthday_day,
  EXISTS (SELECT 1 FROM follow f WHERE f.userid = p.sender AND f.ended_at IS NULL
    AND f.external_userid = p.external_userid) AS friend,
  EXISTS (SELECT 1 FROM escalation e WHERE e.external_userid {whose}
    AND e.status = 'open' AND e.kind IN ('complaint', 'fraud')) AS paused,
  {_counts("external_userid", f"o.external_userid {whose} AND {counted}")},
  p.purpose = 'marketing' AND p.status <> 'tasked' AND c.next_birthday_on > :on
    AND c.next_birthday_on <= :soon AS birthday_soon,
  CASE WHEN p.occasion IN ('maturity', 'maturity_offer') THEN EXISTS (SELECT 1 FROM holding h
      WHERE h.external_userid = p.external_userid AND h.matures_on = p.cycle
        AND h.status = 'open')
    WHEN p.occasion = 'journey' THEN {ON_THE_WAY}
    WHEN p.occasion = 'referral' THEN EXISTS (SELECT 1 FROM referral r
      WHERE r.referrer = p.external_userid AND r.status = 'current'
        AND CAST(r.id AS TEXT) = p.cycle)
    ELSE true END AS relevant
FROM push p LEFT JOIN customer c ON c.external_userid = p.external_userid
WHERE p.chat_id IS NULL AND p.id IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids))
"""


_CUSTOMER = _customer("p.confirmed_at IS NOT NULL", "c.restricted", "= p.external_userid")
_ALL_IDS = f"IN ({IDS_OF.format('p.external_userid')})"
# Of two tasks that are out already for one person the first one stays.
_GOES_BEFORE = """
(o.external_userid = p.external_userid OR o.status <> 'tasked' OR p.status <> 'tasked'
  OR o.id < p.id)
"""
# A birthday in two calendars is one birthday.
_DONE_BEFORE = f"""
(p.confirmed_at IS NOT NULL OR EXISTS (SELECT 1 FROM push o WHERE o.external_userid {_ALL_IDS}
  AND o.id <> p.id AND o.status IN ('tasked', 'confirmed') AND {_GOES_BEFORE}
  AND o.occasion = p.occasion AND o.step = p.step
  AND (o.cycle = p.cycle OR (p.occasion = 'birthday' AND o.due_at > p.due_at - {_HALF_A_YEAR_MS}))))
"""
_RESTRICTED = f"""
(SELECT max(r.restricted) FROM customer r WHERE r.external_userid {_ALL_IDS})
"""
_OF_SEVERAL = _customer(_DONE_BEFORE, _RESTRICTED, _ALL_IDS, _GOES_BEFORE)
_MERGED = """
SELECT p.id FROM push p JOIN same_person a ON a.external_userid = p.external_userid
WHERE p.id IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids)) AND EXISTS
  (SELECT 1 FROM same_person b WHERE b.person = a.person AND b.external_userid <> a.external_userid)
"""
# A group has no consent and no age: K10 asks whether anybody in it has refused.
_GROUP = f"""
SELECT p.id AS push_id, p.confirmed_at IS NOT NULL AS key_used, g.chat_id IS NOT NULL AS known,
  g.dismissed_at IS NOT NULL AS erased, 0 AS restricted, g.owner = p.sender AS friend,
  EXISTS (SELECT 1 FROM group_member m JOIN customer c ON c.external_userid = m.member
    WHERE m.chat_id = p.chat_id AND m.left_at IS NULL AND c.refused = 1) AS refused,
  1 AS consented, 1 AS notice_current, 0 AS paused, {_counts("chat_id")}, 0 AS birthday_soon,
  1 AS relevant
FROM push p LEFT JOIN group_chat g ON g.chat_id = p.chat_id
WHERE p.chat_id IS NOT NULL AND p.id IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids))
"""


def standings(db: Db, ids: Iterable[int], at: datetime, quota: str) -> dict[int, Row]:
    """What the gate needs of each push's customer or group, read now.

    Args:
        db: The open transaction.
        ids: Pushes.
        at: This moment.
        quota: How WeCom counts: ``month_days``, ``7_a_week`` or ``1_a_day``.
    """
    local = at.astimezone(SHANGHAI)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"1_a_day": 0, "7_a_week": local.weekday(), "month_days": local.day - 1}[quota]
    values = {
        "ids": json.dumps(list(ids)),
        "now": _ms(at),
        "today": _ms(midnight),
        "week": _ms(midnight - timedelta(days=6)),
        "month": _ms(midnight - timedelta(days=29)),
        "tomorrow": _ms(midnight + timedelta(days=1)),
        "channel": _ms(midnight - timedelta(days=days)),
        "on": local.date().isoformat(),
        "soon": (local.date() + timedelta(days=6)).isoformat(),
    }
    rows = [*db.rows(_CUSTOMER, **values), *db.rows(_GROUP, **values)]
    if several := [row[0] for row in db.rows(_MERGED, ids=values["ids"])]:
        # Last, so that what is true of the person stands in the place of what is of one id.
        rows += db.rows(_OF_SEVERAL, **(values | {"ids": json.dumps(several)}))
    return {row["push_id"]: row for row in rows}


def standing_of_person(db: Db, customer: str) -> Row | None:
    """The same for somebody who is answered: no push, so no frequency and no key."""
    return db.one(
        "SELECT 1 AS known, 1 AS friend, 0 AS key_used, erased, restricted, refused,"
        " marketing_ok AS consented, notice_ok AS notice_current, 0 AS paused, birthday_year,"
        " 0 AS today, 0 AS week, 0 AS month, 0 AS channel, 1 AS relevant"
        " FROM customer WHERE external_userid = :id",
        id=customer,
    )


def sent_of(db: Db, campaign: str, subject: str, since: int) -> int:
    """How often a campaign went to a person or group since a moment, tasks included."""
    return int(
        db.value(
            "SELECT count(*) FROM push WHERE campaign = :campaign AND changed_at >= :since"
            " AND status IN ('tasked', 'confirmed') AND (chat_id = :subject"
            " OR external_userid IN (SELECT value FROM json_each(:ids)))",
            campaign=campaign,
            subject=subject,
            ids=json.dumps(sameness.ids_of(db, subject)),
            since=since,
        )
    )


def sent_today_of(db: Db, campaign: str, since: int) -> int:
    """How many of a campaign's sends were handed over since midnight."""
    return int(
        db.value(
            "SELECT count(*) FROM push p JOIN send_task t ON t.id = p.task_id"
            " WHERE t.campaign = :campaign AND t.created_at >= :since"
            " AND p.status IN ('tasked', 'confirmed')",
            campaign=campaign,
            since=since,
        )
    )


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
