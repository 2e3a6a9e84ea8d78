"""Pushes and send tasks: planned by one statement a campaign, and followed to the end.

A push is one customer × occasion × cycle × step, and that is its unique key; a send task is
one call that carries pushes of one sender and one text. ``accepted`` is not sent: a push
counts when the member confirmed and WeCom's result says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from bot.actions import CancelMassSend
from bot.clock import SHANGHAI
from bot.store.db import Db, Row

# The member who sends: the oldest friend; nobody's friend gets "" and is dropped by the gate.
_OLDEST_FRIEND = """coalesce((SELECT f.userid FROM follow f
  WHERE f.external_userid = c.external_userid AND f.ended_at IS NULL
  ORDER BY f.since_at, f.userid LIMIT 1), '')"""
_COLUMNS = """(key, campaign, version, occasion, cycle, step, external_userid, purpose, channel,
  sender, branch, planned_on, due_at, useful_until, changed_at, subject)"""
_PLAN_BIRTHDAYS = f"""
INSERT INTO push {_COLUMNS}
SELECT 'birthday:' || c.birthday_cycle || ':' || c.external_userid || ':0',
  :campaign, :version, 'birthday', c.birthday_cycle, '0', c.external_userid, :purpose,
  'mass_single', {_OLDEST_FRIEND}, c.branch, :on, :due, :useful, :now, '{{}}'
FROM customer c
WHERE c.next_birthday_on = :on AND c.birthday_calendar = :calendar AND c.erased = 0
ON CONFLICT (key) DO NOTHING
"""
# Two maturities of one customer on a day are one notice; the holding's manager sends it when
# they are a friend of the customer. Three covering indexes answer everything: the plus and
# INDEXED BY keep SQLite from unique indexes, which cost it a row of a million each time
# (5 of 25 ms for 2,300 notices).
_PLAN_MATURITIES = f"""
INSERT INTO push {_COLUMNS}
SELECT 'maturity:' || :matures || ':' || c.external_userid || ':' || :step,
  :campaign, :version, 'maturity', :matures, :step, c.external_userid, :purpose,
  'mass_single',
  coalesce((SELECT f.userid FROM follow f WHERE f.external_userid = c.external_userid
    AND +f.userid = h.manager AND f.ended_at IS NULL), {_OLDEST_FRIEND}),
  c.branch, :on, :due, :useful, :now, h.kinds
FROM (SELECT external_userid, max(manager) AS manager, json_group_array(kind) AS kinds
  FROM holding WHERE matures_on = :matures AND status = 'open' AND external_userid IS NOT NULL
  GROUP BY external_userid) h
CROSS JOIN customer c INDEXED BY customer_planned
WHERE c.external_userid = h.external_userid AND c.erased = 0
ON CONFLICT (key) DO NOTHING
"""
_WAITING = """
SELECT * FROM push
WHERE status IN ('planned', 'held', 'ready') AND due_at <= :now
  AND (held_until IS NULL OR held_until <= :now)
ORDER BY due_at, id LIMIT :limit
"""
# Everything that the gate asks about a customer, in one row; windows are computed by the
# caller from the calendar in Asia/Shanghai.
_STANDING = """
SELECT p.id AS push_id, p.confirmed_at IS NOT NULL AS key_used,
  c.external_userid IS NOT NULL AS known, c.erased, c.restricted, c.refused,
  c.marketing_ok AS consented, c.birthday_calendar, c.birthday_year, c.birthday_month,
  c.birthday_day,
  EXISTS (SELECT 1 FROM follow f WHERE f.userid = p.sender AND f.ended_at IS NULL
    AND f.external_userid = p.external_userid) AS friend,
  EXISTS (SELECT 1 FROM escalation e WHERE e.external_userid = p.external_userid
    AND e.status = 'open' AND e.kind IN ('complaint', 'fraud')) AS paused,
  (SELECT count(*) FROM push o WHERE o.external_userid = p.external_userid AND o.id <> p.id
    AND o.purpose = 'marketing' AND o.status IN ('tasked', 'confirmed')
    AND o.changed_at >= :day) AS today,
  (SELECT count(*) FROM push o WHERE o.external_userid = p.external_userid AND o.id <> p.id
    AND o.purpose = 'marketing' AND o.status IN ('tasked', 'confirmed')
    AND o.changed_at >= :week) AS week,
  (SELECT count(*) FROM push o WHERE o.external_userid = p.external_userid AND o.id <> p.id
    AND o.purpose = 'marketing' AND o.status IN ('tasked', 'confirmed')
    AND o.changed_at >= :month) AS month,
  (SELECT count(*) FROM push o WHERE o.external_userid = p.external_userid AND o.id <> p.id
    AND o.status IN ('tasked', 'confirmed') AND o.changed_at >= :calendar_month) AS channel,
  CASE WHEN p.occasion = 'maturity' THEN EXISTS (SELECT 1 FROM holding h
    WHERE h.external_userid = p.external_userid AND h.matures_on = p.cycle
    AND h.status = 'open') ELSE true END AS relevant
FROM push p LEFT JOIN customer c ON c.external_userid = p.external_userid
WHERE p.id IN (SELECT CAST(value AS BIGINT) FROM json_each(:ids))
"""


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One campaign step on one day, for one planning statement."""

    campaign: str
    version: str
    occasion: str
    purpose: str
    step: str
    on: date
    matures: date | None
    calendar: str
    due_at: int
    useful_until: int


def plan(db: Db, steps: Iterable[PlanStep], now: int) -> int:
    """Plan a day: one statement a step; replaying it adds nothing. The number of new pushes."""
    planned = 0
    for step in steps:
        shared = {
            "campaign": step.campaign,
            "version": step.version,
            "purpose": step.purpose,
            "on": step.on.isoformat(),
            "due": step.due_at,
            "useful": step.useful_until,
            "now": now,
        }
        if step.occasion == "birthday":
            planned += db.run(_PLAN_BIRTHDAYS, **shared, calendar=step.calendar)
        elif step.matures is not None:
            planned += db.run(
                _PLAN_MATURITIES, **shared, step=step.step, matures=step.matures.isoformat()
            )
    return planned


def waiting(db: Db, now: int, limit: int) -> list[Row]:
    """Pushes that are due, oldest first."""
    return db.rows(_WAITING, now=now, limit=limit)


def planned_on(db: Db, on: str) -> list[Row]:
    """Every push that was planned for a day, whatever became of it."""
    return db.rows("SELECT * FROM push WHERE planned_on = :on ORDER BY id", on=on)


def standings(db: Db, ids: Iterable[int], at: datetime) -> dict[int, Row]:
    """What the gate needs of each push's customer, read now."""
    local = at.astimezone(SHANGHAI)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    day = int(midnight.timestamp() * 1000)
    rows = db.rows(
        _STANDING,
        ids=json.dumps(list(ids)),
        day=day,
        week=day - 6 * 86_400_000,
        month=day - 29 * 86_400_000,
        calendar_month=int(midnight.replace(day=1).timestamp() * 1000),
    )
    return {row["push_id"]: row for row in rows}


def standing_of_person(db: Db, customer: str) -> Row | None:
    """The same for somebody who is answered: no push, so no frequency and no key."""
    return db.one(
        "SELECT 1 AS known, 1 AS friend, 0 AS key_used, erased, restricted, refused,"
        " marketing_ok AS consented, 0 AS paused, birthday_year, 0 AS today, 0 AS week, 0 AS month,"
        " 0 AS channel, 1 AS relevant FROM customer WHERE external_userid = :id",
        id=customer,
    )


def kill_switches(db: Db) -> frozenset[str]:
    """The engaged scopes."""
    return frozenset(row[0] for row in db.rows("SELECT scope FROM kill_switch WHERE engaged = 1"))


def kill_switch(db: Db, scope: str) -> Row | None:
    """One switch as it stands; None when nobody ever touched it."""
    return db.one("SELECT * FROM kill_switch WHERE scope = :scope", scope=scope)


def switch(db: Db, scope: str, *, engaged: bool, by: str, reason: str, now: int) -> None:
    """Engage or release a kill switch: ``bank``, ``branch:<name>`` or ``campaign:<name>``."""
    db.run(
        "INSERT INTO kill_switch (scope, engaged, by, reason, at)"
        " VALUES (:scope, :engaged, :by, :reason, :now) ON CONFLICT (scope) DO UPDATE SET"
        " engaged = :engaged, by = :by, reason = :reason, at = :now",
        scope=scope,
        engaged=int(engaged),
        by=by,
        reason=reason,
        now=now,
    )


def engaged_switches(db: Db, branch: str | None) -> list[Row]:
    """The engaged switches that concern a branch; all of them for None."""
    return db.rows(
        "SELECT * FROM kill_switch WHERE engaged = 1 AND (:everywhere = 1"
        " OR scope = 'branch:' || :branch OR scope NOT LIKE 'branch:%') ORDER BY scope",
        everywhere=int(branch is None),
        branch=branch or "",
    )


def write_decision(
    db: Db,
    at: int,
    *,
    answer: str,
    rules: tuple[str, ...],
    purpose: str,
    customer: str | None,
    push_id: int | None = None,
    errand: str | None = None,
    until: int | None = None,
    inputs: Mapping[str, Any] | None = None,
) -> None:
    """Write the gate's answer; always before the call that it allows."""
    db.run(
        "INSERT INTO decision (at, push_id, errand, external_userid, purpose, answer, rules,"
        " hold_until, inputs) VALUES (:at, :push, :errand, :customer, :purpose, :answer, :rules,"
        " :until, :inputs)",
        at=at,
        push=push_id,
        errand=errand,
        customer=customer,
        purpose=purpose,
        answer=answer,
        rules=json.dumps(rules),
        until=until,
        inputs=json.dumps(inputs or {}),
    )


def hold(db: Db, push_id: int, until: int, rules: tuple[str, ...], now: int) -> None:
    """Keep a push back until a moment; the whole gate is asked again then."""
    db.run(
        "UPDATE push SET status = 'held', held_until = :until, rules = :rules, changed_at = :now,"
        " reason = 'held', task_id = NULL WHERE id = :id",
        until=until,
        rules=json.dumps(rules),
        now=now,
        id=push_id,
    )


def end(
    db: Db, push_id: int, status: str, reason: str, now: int, rules: tuple[str, ...] = ()
) -> None:
    """Finish a push: dropped, expired, failed or confirmed, with its reason."""
    db.run(
        "UPDATE push SET status = :status, reason = :reason, rules = :rules, changed_at = :now,"
        " confirmed_at = CASE WHEN :status = 'confirmed' THEN :now ELSE confirmed_at END"
        " WHERE id = :id",
        status=status,
        reason=reason,
        rules=json.dumps(rules),
        now=now,
        id=push_id,
    )


# -- tasks


def create_task(
    db: Db,
    pushes: Iterable[Row],
    *,
    text_sealed: bytes | None,
    text_hash: str,
    version: str,
    now: int,
) -> int:
    """One call that will carry these pushes; they are of one sender and one text."""
    rows = list(pushes)
    first = rows[0]
    task_id = db.insert(
        "INSERT INTO send_task (sender, channel, purpose, campaign, version, text_sealed,"
        " text_hash, attempt, created_at, useful_until) VALUES (:sender, :channel, :purpose,"
        " :campaign, :version, :text, :hash, :attempt, :now, :useful)",
        sender=first["sender"],
        channel=first["channel"],
        purpose=first["purpose"],
        campaign=first["campaign"],
        text=text_sealed,
        hash=text_hash,
        version=version,
        attempt=first["attempt"],
        now=now,
        useful=min(row["useful_until"] for row in rows),
    )
    db.many(
        "UPDATE push SET status = 'tasked', task_id = ?, reason = NULL, rules = '[]',"
        " held_until = NULL, changed_at = ? WHERE id = ?",
        [(task_id, now, row["id"]) for row in rows],
    )
    return task_id


def task(db: Db, task_id: int) -> Row | None:
    """One send task."""
    return db.one("SELECT * FROM send_task WHERE id = :id", id=task_id)


def pushes_of(db: Db, task_id: int) -> list[Row]:
    """The pushes that a task still carries, with the version of the text that it carries."""
    return db.rows(
        "SELECT p.*, t.version AS task_version FROM push p JOIN send_task t ON t.id = p.task_id"
        " WHERE p.task_id = :id AND p.status = 'tasked' ORDER BY p.id",
        id=task_id,
    )


def tasks_in(db: Db, *states: str) -> list[Row]:
    """Tasks in some states, oldest first."""
    return db.rows(
        "SELECT * FROM send_task WHERE status IN (SELECT value FROM json_each(:states))"
        " ORDER BY id",
        states=json.dumps(states),
    )


def same_in_flight(db: Db, sender: str, text_hash: str, but: int) -> bool:
    """Whether another task of this sender and text is on its way or not yet accounted for.

    Only one may be: a lost answer is found again by sender, text and time.
    """
    return bool(
        db.value(
            "SELECT 1 FROM send_task WHERE sender = :sender AND text_hash = :hash AND id <> :id"
            " AND status IN ('calling', 'uncertain')",
            sender=sender,
            hash=text_hash,
            id=but,
        )
    )


def move_task(db: Db, task_id: int, status: str, now: int, **values: Any) -> None:
    """Change a task's state and whatever else the caller names."""
    names = "".join(f", {name} = :{name}" for name in values)
    db.run(
        f"UPDATE send_task SET status = :status{names},"
        " called_at = CASE WHEN :status = 'calling' THEN :now ELSE called_at END,"
        " accepted_at = CASE WHEN :status = 'accepted' AND accepted_at IS NULL THEN :now"
        " ELSE accepted_at END WHERE id = :id",
        status=status,
        now=now,
        id=task_id,
        **values,
    )


def retry_uncalled(db: Db) -> None:
    """A crash before the call began left the task waiting: nothing happened, so ask again."""
    db.run(
        "UPDATE outbox SET state = 'ready' WHERE state = 'uncertain' AND key IN"
        " (SELECT 'mass-send:' || id FROM send_task WHERE status = 'waiting')"
    )


def plan_again(db: Db, task_id: int, now: int) -> int:
    """What a task did not send goes back to planned, as the next attempt; the number."""
    return db.run(
        "UPDATE push SET status = 'planned', attempt = attempt + 1, task_id = NULL,"
        " changed_at = :now WHERE task_id = :id AND status = 'tasked'",
        now=now,
        id=task_id,
    )


def stop_for(db: Db, customer: str, now: int) -> list[int]:
    """A refusal: drop what is planned or held, and name the tasks to call back.

    Service stays. Pushes inside unconfirmed tasks are decided when the cancellation is
    proven and their results are read.
    """
    db.run(
        "UPDATE push SET status = 'dropped', reason = 'refused', rules = '[\"G3\"]',"
        " changed_at = :now WHERE external_userid = :id AND purpose <> 'service'"
        " AND status IN ('planned', 'held', 'ready')",
        now=now,
        id=customer,
    )
    rows = db.rows(
        "SELECT DISTINCT t.id FROM send_task t JOIN push p ON p.task_id = t.id"
        " WHERE p.external_userid = :id AND p.status = 'tasked' AND p.purpose <> 'service'"
        " AND t.status IN ('waiting', 'calling', 'accepted', 'uncertain')",
        id=customer,
    )
    return [row["id"] for row in rows]


def cancellation(task_id: int, cause: str) -> CancelMassSend:
    """The errand that calls a task back."""
    return CancelMassSend(task_id, cause)


def personal_today(db: Db, sender: str, since: int) -> int:
    """How many texts by name a member was asked to confirm since a moment."""
    return int(
        db.value(
            "SELECT count(*) FROM send_task t WHERE t.sender = :sender AND t.created_at >= :since"
            " AND t.status <> 'absent'"
            " AND (SELECT count(*) FROM push p WHERE p.task_id = t.id) = 1",
            sender=sender,
            since=since,
        )
    )


def keep_welcome_template(db: Db, template_id: str, text_hash: str, now: int) -> None:
    """Remember the group welcome material that WeCom keeps for us."""
    db.run(
        "INSERT INTO welcome_template (name, template_id, text_hash, kept_at)"
        " VALUES ('group', :id, :hash, :now) ON CONFLICT (name) DO UPDATE SET"
        " template_id = :id, text_hash = :hash, kept_at = :now",
        id=template_id,
        hash=text_hash,
        now=now,
    )
