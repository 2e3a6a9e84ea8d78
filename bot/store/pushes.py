"""Pushes and send tasks: planned by one statement a campaign, and followed to the end.

A push is one customer × occasion × cycle × step, and that is its unique key; a send task is
one call that carries pushes of one sender and one text. ``accepted`` is not sent: a push
counts when the member confirmed and WeCom's result says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from bot.actions import CancelMassSend
from bot.store import sameness
from bot.store.db import Db, Row

_WAITING = """
SELECT * FROM push
WHERE status IN ('planned', 'held', 'ready') AND due_at <= :now
  AND (held_until IS NULL OR held_until <= :now)
ORDER BY due_at, id LIMIT :limit
"""


def waiting(db: Db, now: int, limit: int) -> list[Row]:
    """Pushes that are due, oldest first."""
    return db.rows(_WAITING, now=now, limit=limit)


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


def hand_over(db: Db, push_id: int, sender: str) -> Row:
    """Have another member send a push that is not in a task yet; the row as it is now."""
    db.run("UPDATE push SET sender = :sender WHERE id = :id", sender=sender, id=push_id)
    row = db.one("SELECT * FROM push WHERE id = :id", id=push_id)
    assert row is not None
    return row


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
    _carry(db, task_id, rows, now)
    return task_id


def join(db: Db, pushes: Iterable[Row], text_hash: str, version: str, now: int) -> int:
    """Have a moment that waits carry more pushes of its sender and text; its id, 0 for none."""
    rows = list(pushes)
    first, useful = rows[0], min(row["useful_until"] for row in rows)
    about = {"sender": first["sender"], "campaign": first["campaign"], "version": version}
    task_id = db.value(
        "SELECT id FROM send_task WHERE sender = :sender AND campaign = :campaign"
        " AND version = :version AND text_hash = :hash AND channel = 'moments'"
        " AND :channel = 'moments' AND status = 'waiting' AND useful_until <= :useful",
        **about,
        hash=text_hash,
        channel=first["channel"],
        useful=useful,
    )
    if task_id:
        _carry(db, task_id, rows, now)
    return int(task_id or 0)


def _carry(db: Db, task_id: int, rows: Iterable[Row], now: int) -> None:
    db.many(
        "UPDATE push SET status = 'tasked', task_id = ?, reason = NULL, rules = '[]',"
        " held_until = NULL, changed_at = ? WHERE id = ?",
        [(task_id, now, row["id"]) for row in rows],
    )


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


def in_the_way(db: Db, task: Row) -> bool:
    """Whether another task must be accounted for first.

    One of this sender and text on its way or in doubt: a lost answer is found again by sender,
    text and time. And any moment of this sender that is open: who sees it is marked in WeCom,
    and there is one mark.
    """
    return bool(
        db.value(
            "SELECT 1 FROM send_task WHERE sender = :sender AND id <> :id"
            " AND status IN ('calling', 'uncertain', 'accepted', 'cancelling')"
            " AND (text_hash = :hash AND status IN ('calling', 'uncertain')"
            " OR :channel = 'moments' AND channel = 'moments')",
            sender=task["sender"],
            hash=task["text_hash"],
            channel=task["channel"],
            id=task["id"],
        )
    )


def more_to_come(db: Db, task: Row, now: int) -> bool:
    """Whether a task should wait for pushes of its sender that are due and not judged yet."""
    return bool(
        db.value(
            "SELECT 1 FROM push WHERE channel = :channel AND sender = :sender"
            " AND campaign = :campaign AND due_at <= :now"
            " AND status IN ('planned', 'held', 'ready')"
            " AND (held_until IS NULL OR held_until <= :now)",
            channel=task["channel"],
            sender=task["sender"],
            campaign=task["campaign"],
            now=now,
        )
    )


def move_task(db: Db, task_id: int, status: str, now: int, **values: Any) -> None:
    """Change a task's state and whatever else the caller names."""
    names = "".join(f", {name} = :{name}" for name in values)
    db.run(
        f"UPDATE send_task SET status = :status{names},"
        " called_at = CASE WHEN :status = 'calling' THEN :now ELSE called_at END,"
        " accepted_at = CASE WHEN :status = 'accepted' AND accepted_at IS NULL THEN :now"
        " ELSE accepted_at END, cancelled_at = CASE WHEN :status = 'cancelling'"
        " AND cancelled_at IS NULL THEN :now ELSE cancelled_at END WHERE id = :id",
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
    proven and their results are read. What one id refuses stops all ids of the person.
    """
    ids = json.dumps(sameness.ids_of(db, customer))
    whose = "external_userid IN (SELECT value FROM json_each(:ids))"
    db.run(
        "UPDATE push SET status = 'dropped', reason = 'refused', rules = '[\"G3\"]',"
        f" changed_at = :now WHERE {whose} AND purpose <> 'service'"
        " AND status IN ('planned', 'held', 'ready')",
        now=now,
        ids=ids,
    )
    rows = db.rows(
        "SELECT DISTINCT t.id FROM send_task t JOIN push p ON p.task_id = t.id"
        f" WHERE p.{whose} AND p.status = 'tasked' AND p.purpose <> 'service'"
        " AND t.status IN ('waiting', 'calling', 'accepted', 'uncertain')",
        ids=ids,
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
