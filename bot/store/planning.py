"""Planning a day: one statement a campaign, step and occurrence; again, it adds nothing.

A push is one customer or group × occasion × cycle × step, and that is its unique key: the
campaign and its version are columns. What everybody has alike (a festival, a date) comes with
the cycle; what is each customer's own is found by an index.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from bot.store import alliance, journeys
from bot.store.choosing import Choice
from bot.store.db import Db, Row

_INSERT = """
INSERT INTO push (key, campaign, version, occasion, cycle, step, external_userid, chat_id,
  purpose, channel, sender, branch, planned_on, due_at, useful_until, changed_at, rank,
  selection_id, subject, inputs)
SELECT :occasion || ':' || {cycle} || ':' || {who} || ':' || :step, :campaign, :version,
  :occasion, {cycle}, :step, {recipient}, :purpose, :channel, {sender}, {alias}.branch, :on,
  :due, :useful, :now, :rank, :selection, {subject}, {inputs}
FROM {source} AND {chosen}
ON CONFLICT (key) DO NOTHING
"""
_LISTED = "SELECT {who} AS subject FROM {source} AND {chosen}"
_PLANNED = """
EXISTS (SELECT 1 FROM push k
  WHERE k.key = :occasion || ':' || {cycle} || ':' || {who} || ':' || :step)
"""
_BORN = "customer c WHERE c.next_birthday_on = :on AND c.birthday_calendar = :calendar"
# Two maturities of one customer on a day are one notice; the holding's manager sends it when
# they are a friend of the customer. Three covering indexes answer everything: the plus and
# INDEXED BY keep SQLite from unique indexes, which cost it a row of a million each time
# (5 of 25 ms for 2,300 notices).
_MATURING = """
(SELECT external_userid, max(manager) AS manager, json_group_array(kind) AS kinds
  FROM holding WHERE matures_on = :matures AND status = 'open' AND external_userid IS NOT NULL
  GROUP BY external_userid) h
CROSS JOIN customer c INDEXED BY customer_planned WHERE c.external_userid = h.external_userid
"""
# Mostly the manager is the oldest friend, and nothing has to be looked up.
_MANAGER = """
CASE WHEN h.manager = c.first_friend THEN h.manager
  ELSE coalesce((SELECT f.userid FROM follow f WHERE f.external_userid = c.external_userid
    AND +f.userid = h.manager AND f.ended_at IS NULL), c.first_friend) END
"""
# Since the oldest friendship that still is: an index range for each year.
_FRIEND_SINCE = """
json_each(:ranges) r
CROSS JOIN follow o
JOIN customer c ON c.external_userid = o.external_userid
WHERE o.since_at >= CAST(json_extract(r.value, '$.since') AS BIGINT)
  AND o.since_at < CAST(json_extract(r.value, '$.until') AS BIGINT)
  AND o.ended_at IS NULL AND NOT EXISTS (SELECT 1 FROM follow e
  WHERE e.external_userid = o.external_userid AND e.ended_at IS NULL
    AND (e.since_at < o.since_at OR (e.since_at = o.since_at AND e.userid < o.userid)))
"""
_QUIET = """
NOT EXISTS (SELECT 1 FROM push q WHERE q.external_userid = c.external_userid
  AND q.status = 'confirmed' AND q.confirmed_at >= :quiet_since)
AND NOT EXISTS (SELECT 1 FROM escalation e WHERE e.external_userid = c.external_userid
  AND e.closed_at >= :quiet_since AND e.outcome IN ('contacted', 'sold'))
"""
_NEAR_LINE = f"""
segment_member n JOIN customer c ON c.external_userid = n.external_userid
WHERE n.segment = 'near_line' AND c.friend = 1 AND {_QUIET}
"""
_DORMANT = f"""
customer_state n JOIN customer c ON c.external_userid = n.external_userid
WHERE n.state = 'dormant' AND c.friend = 1 AND {_QUIET}
"""
_BROUGHT = """
referral r JOIN customer c ON c.external_userid = r.referrer
WHERE r.status = 'current' AND r.at >= :since AND r.at < :until
"""
_EVERYBODY = "customer c WHERE c.friend = 1"
_GROUPS = "group_chat g WHERE g.dismissed_at IS NULL AND g.owner <> ''"


@dataclass(frozen=True, slots=True)
class _Way:
    """Where an occasion finds its people, and what a push of theirs is made of.

    The oldest friend sends; nobody's friend has "" there and is dropped by the gate.
    """

    source: str
    cycle: str = ":cycle"
    sender: str = "c.first_friend"
    subject: str = ":subject"


_WAYS: Mapping[str, _Way] = {
    "birthday": _Way(_BORN, cycle="c.birthday_cycle"),
    "maturity": _Way(_MATURING, sender=_MANAGER, subject="h.kinds"),
    "maturity_offer": _Way(_MATURING, sender=_MANAGER, subject="h.kinds"),
    "anniversary": _Way(
        _FRIEND_SINCE,
        sender="o.userid",
        subject="'{\"years\": ' || json_extract(r.value, '$.years') || '}'",
    ),
    "near_line": _Way(_NEAR_LINE),
    "dormant": _Way(_DORMANT),
    "referral": _Way(_BROUGHT, cycle="CAST(r.id AS TEXT)"),
    "journey": _Way(journeys.DUE, cycle=journeys.CYCLE, subject="'{\"journey\": ' || j.id || '}'"),
}
_TO_ALL = _Way(_EVERYBODY)
_TO_GROUPS = _Way(_GROUPS, sender="g.owner")


NO_OFFER = "no_offer"
"""No alliance offer is left, valid and meant for a customer."""


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One campaign, step and occurrence on one day, for one statement.

    Attributes:
        rank: Who goes first where only so many may go.
        cycle: Of an occasion that is the same for all; else each row's own.
        rule: By which people are chosen, kept with every push (T6).
        holdout: Per cent that get nothing.
        way: Of a journey.
        values: What the occasion's source names.
        offer: The kind of alliance offer; who has none to come is not planned.
    """

    campaign: str
    version: str
    occasion: str
    purpose: str
    channel: str
    rank: int
    step: str
    cycle: str
    on: date
    due_at: int
    useful_until: int
    choice: Choice
    rule: Mapping[str, Any]
    holdout: int = 0
    way: journeys.Way | None = None
    subject: str = "{}"
    values: Mapping[str, Any] = field(default_factory=dict)
    offer: str = ""

    @property
    def _parts(self) -> dict[str, str]:
        groups = self.choice.groups
        way = _TO_GROUPS if groups else _WAYS.get(self.occasion, _TO_ALL)
        return {
            "alias": "g" if groups else "c",
            "who": "g.chat_id" if groups else "c.external_userid",
            "recipient": "NULL, g.chat_id" if groups else "c.external_userid, NULL",
            "source": way.source + ("" if groups else " AND c.erased = 0"),
            "cycle": way.cycle,
            "sender": way.sender,
            "subject": way.subject,
            "inputs": self.choice.inputs,
        }

    def statement(self) -> str:
        """The statement that plans it."""
        chosen = f"{self.choice.where} AND {alliance.ANY}" if self.offer else self.choice.where
        return _INSERT.format(**self._parts, chosen=chosen)

    def bound(self, selection: int | None, now: int) -> dict[str, Any]:
        """What the statement names."""
        return {
            "campaign": self.campaign,
            "version": self.version,
            "occasion": self.occasion,
            "purpose": self.purpose,
            "channel": self.channel,
            "rank": self.rank,
            "step": self.step,
            "cycle": self.cycle,
            "subject": self.subject,
            "on": self.on.isoformat(),
            "due": self.due_at,
            "useful": self.useful_until,
            "selection": selection,
            "now": now,
            "offer": self.offer,
            **self.choice.values,
            **self.values,
        }

    def left_out(self) -> dict[str, str]:
        """The statements that list who is kept from it, by the rule that does."""
        found = {}
        if unwanted := self.choice.unwanted:
            found["excluded"] = f"{self.choice.wanted} AND {unwanted}"
        if self.offer:
            found[NO_OFFER] = f"{self.choice.where} AND {alliance.NONE} AND NOT {_PLANNED}"
        parts = self._parts
        return {
            rule: _LISTED.format(**parts, chosen=chosen.format(**parts))
            for rule, chosen in found.items()
        }


def plan(db: Db, steps: Iterable[PlanStep], now: int) -> int:
    """Plan a day: one statement a step; replaying it adds nothing. The number of new pushes."""
    planned = 0
    for step in steps:
        if step.holdout or step.way is not None:
            _start(db, step)
        if step.way is not None:
            journeys.begin(db, step.campaign, step.version, step.way, step.on, now)
            journeys.leave(db, now, step.campaign)
        selection = _selection(db, step, now)
        added = db.run(step.statement(), **step.bound(selection, now))
        if added and step.holdout:
            _assign(db, step, now)
        planned += added
    return planned


def left_out(db: Db, step: PlanStep, now: int) -> list[tuple[str, str]]:
    """The customers or groups who are kept from a step, each with the rule that does."""
    return [
        (row["subject"], rule)
        for rule, statement in step.left_out().items()
        for row in db.rows(statement, **step.bound(None, now))
    ]


def _start(db: Db, step: PlanStep) -> None:
    """Remember the first day of a campaign, and the hold-out that it has from then on."""
    db.run(
        "INSERT INTO campaign_run (campaign, holdout, started_on)"
        " VALUES (:campaign, :holdout, :on) ON CONFLICT (campaign) DO NOTHING",
        campaign=step.campaign,
        holdout=step.holdout,
        on=step.on.isoformat(),
    )


def planned_on(db: Db, on: str) -> list[Row]:
    """Every push that was planned for a day, whatever became of it."""
    return db.rows("SELECT * FROM push WHERE planned_on = :on ORDER BY id", on=on)


# -- why


def _selection(db: Db, step: PlanStep, now: int) -> int:
    """The id of the rule by which a step chooses; the same rule is one row."""
    rule = json.dumps(step.rule, ensure_ascii=False, sort_keys=True, default=str)
    key = hashlib.sha256(f"{step.campaign}\n{step.version}\n{rule}".encode()).hexdigest()
    db.run(
        "INSERT INTO selection (key, campaign, version, rule, at)"
        " VALUES (:key, :campaign, :version, :rule, :now) ON CONFLICT (key) DO NOTHING",
        key=key,
        campaign=step.campaign,
        version=step.version,
        rule=rule,
        now=now,
    )
    return int(db.value("SELECT id FROM selection WHERE key = :key", key=key))


# -- who gets nothing

_UNASSIGNED = """
SELECT DISTINCT coalesce(p.chat_id, p.external_userid) AS subject FROM push p
WHERE p.planned_on = :on AND p.campaign = :campaign AND NOT EXISTS (SELECT 1 FROM assignment a
  WHERE a.campaign = p.campaign AND a.subject = coalesce(p.chat_id, p.external_userid))
"""
_MARK = """
UPDATE push SET arm = (SELECT a.arm FROM assignment a WHERE a.campaign = push.campaign
    AND a.subject = coalesce(push.chat_id, push.external_userid)),
  assets_before = (SELECT c.assets FROM customer c
    WHERE c.external_userid = push.external_userid)
WHERE planned_on = :on AND campaign = :campaign AND arm = ''
"""
HOLDOUT, TREATED = "holdout", "treated"


def arm_of(campaign: str, subject: str, percent: int) -> str:
    """Which arm somebody belongs to: always the same one, and no chance in it."""
    drawn = hashlib.sha256(f"{campaign}\n{subject}".encode()).digest()
    return HOLDOUT if int.from_bytes(drawn[:8]) % 10_000 < percent * 100 else TREATED


def _assign(db: Db, step: PlanStep, now: int) -> None:
    """Whoever the campaign meets for the first time gets an arm for good.

    The share is that of the campaign's start: changed later, it changes nobody's arm.
    """
    percent = int(
        db.value("SELECT holdout FROM campaign_run WHERE campaign = :name", name=step.campaign)
    )
    about = {"on": step.on.isoformat(), "campaign": step.campaign}
    db.many(
        "INSERT INTO assignment (campaign, subject, arm, at) VALUES (?, ?, ?, ?)",
        [
            (step.campaign, row["subject"], arm_of(step.campaign, row["subject"], percent), now)
            for row in db.rows(_UNASSIGNED, **about)
        ],
    )
    db.run(_MARK, **about)
