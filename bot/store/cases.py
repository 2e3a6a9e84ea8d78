"""Escalations: who must act, by when, what became of it."""

from __future__ import annotations

from bot.model import UserId
from bot.store.db import Db, Row

_OPEN = """
INSERT INTO escalation
  (key, kind, topic, external_userid, chat_id, branch, assignee, fact_id, opened_at, deadline_at,
   settle_by, settle_days, concerned)
VALUES (:key, :kind, :topic, :customer, :chat, :branch, :assignee, :fact, :at, :deadline,
  :settle_by, :settle_days, :concerned)
ON CONFLICT (key) DO NOTHING
"""
# The same matter is not opened twice: neither while a case runs nor soon after it.
_RECENT = """
SELECT 1 FROM escalation
WHERE external_userid = :customer AND kind = :kind AND topic = :topic
  AND (status = 'open' OR opened_at > :since)
"""
_OVERDUE = """
SELECT * FROM escalation
WHERE status = 'open' AND raised_at IS NULL AND deadline_at <= :now ORDER BY deadline_at
"""
_UNATTENDED = """
SELECT e.* FROM escalation e LEFT JOIN staff s ON s.userid = e.assignee
WHERE e.status = 'open' AND (e.assignee = '' OR s.active = 0) ORDER BY e.id
"""
# Somebody took it who put it off to a day that is still to come, or wants more time for it.
_NOT_TAKEN = """
SELECT e.* FROM escalation e
WHERE e.status = 'open' AND e.raised_at IS NOT NULL AND e.deadline_at <= :now
  AND NOT EXISTS (SELECT 1 FROM escalation_step s WHERE s.escalation_id = e.id
    AND (s.step = 'returned' OR (s.step = 'extension asked' AND s.at >= e.raised_at)))
ORDER BY e.id
"""
_TO_SETTLE = """
SELECT e.* FROM escalation e
WHERE e.status = 'open' AND e.settle_by <> '' AND e.settle_by <= :by
  AND NOT EXISTS (SELECT 1 FROM escalation_step s
    WHERE s.escalation_id = e.id AND s.step = :step AND s.note = e.settle_by)
ORDER BY e.settle_by, e.id
"""


def open_case(
    db: Db,
    *,
    kind: str,
    topic: str,
    customer: str,
    chat_id: str,
    branch: str,
    assignee: str,
    fact_id: int | None,
    at: int,
    deadline: int,
    quiet_since: int,
    settle_by: str = "",
    settle_days: int = 0,
    concerned: str = "",
) -> int | None:
    """Open a case unless the same one is open or was opened after ``quiet_since``; its id.

    A complaint has a last day (``settle_by``), so many days after it was heard, and perhaps
    employees whom it is about (``concerned``, with commas).
    """
    if db.value(_RECENT, customer=customer, kind=kind, topic=topic, since=quiet_since):
        return None
    case_id = db.insert(
        _OPEN,
        key=f"{kind}:{topic}:{customer}:{at}",
        kind=kind,
        topic=topic,
        customer=customer,
        chat=chat_id,
        branch=branch,
        assignee=assignee,
        fact=fact_id,
        at=at,
        deadline=deadline,
        settle_by=settle_by,
        settle_days=settle_days,
        concerned=concerned,
    )
    if not case_id:
        return None
    add_step(db, case_id, "bot", "opened", at)
    return case_id


def case(db: Db, case_id: int) -> Row | None:
    """One case."""
    return db.one("SELECT * FROM escalation WHERE id = :id", id=case_id)


def open_of(db: Db, customer: str, kind: str) -> list[int]:
    """The open cases of a kind about a customer."""
    rows = db.rows(
        "SELECT id FROM escalation WHERE external_userid = :id AND kind = :kind"
        " AND status = 'open' ORDER BY id",
        id=customer,
        kind=kind,
    )
    return [row["id"] for row in rows]


def close_case(db: Db, case_id: int, outcome: str, by: UserId, at: int, *, note: str = "") -> bool:
    """Record an outcome; False when the case was closed before."""
    closed = db.run(
        "UPDATE escalation SET status = 'closed', outcome = :outcome, note = :note,"
        " closed_at = :at, closed_by = :by WHERE id = :id AND status = 'open'",
        outcome=outcome,
        note=note,
        at=at,
        by=by,
        id=case_id,
    )
    if closed:
        add_step(db, case_id, by, outcome, at, note=note)
    return bool(closed)


def put_off(db: Db, case_id: int, by: UserId, at: int, deadline: int) -> bool:
    """Later: the case stays open with a new deadline; False when it was closed before."""
    moved = db.run(
        "UPDATE escalation SET deadline_at = :deadline WHERE id = :id AND status = 'open'",
        deadline=deadline,
        id=case_id,
    )
    if moved:
        add_step(db, case_id, by, "later", at)
    return bool(moved)


def ask_extension(db: Db, case_id: int, by: str) -> bool:
    """Somebody wants more time for a complaint; False when that waits already or it is closed."""
    return bool(
        db.run(
            "UPDATE escalation SET extend_by = :by WHERE id = :id AND extend_by = ''"
            " AND status = 'open'",
            by=by,
            id=case_id,
        )
    )


def answer_extension(db: Db, case_id: int, settle_by: str, settle_days: int) -> bool:
    """The last day as it is after the answer; False when it was answered before."""
    return bool(
        db.run(
            "UPDATE escalation SET extend_by = '', settle_by = :day, settle_days = :days"
            " WHERE id = :id AND extend_by <> '' AND status = 'open'",
            day=settle_by,
            days=settle_days,
            id=case_id,
        )
    )


def to_settle(db: Db, by: str, step: str) -> list[Row]:
    """Open complaints whose last day is ``by`` or before, without this step for that day."""
    return db.rows(_TO_SETTLE, by=by, step=step)


def overdue(db: Db, now: int) -> list[Row]:
    """Open cases whose deadline passed and whose head was not told yet."""
    return db.rows(_OVERDUE, now=now)


def unattended(db: Db) -> list[Row]:
    """Open cases that nobody has, or somebody who is off duty."""
    return db.rows(_UNATTENDED)


def hand_on(db: Db, case_id: int, to: str, at: int) -> None:
    """Give a case to somebody else."""
    db.run("UPDATE escalation SET assignee = :to WHERE id = :id", to=to, id=case_id)
    add_step(db, case_id, "bot", "handed on", at, note=to)


def not_taken(db: Db, now: int) -> list[Row]:
    """Raised cases that nobody took and that did not go back yet."""
    return db.rows(_NOT_TAKEN, now=now)


def turns(db: Db, case_id: int) -> int:
    """How often a case was handed on or went back."""
    return int(
        db.value(
            "SELECT count(*) FROM escalation_step WHERE escalation_id = :id"
            " AND step IN ('handed on', 'returned')",
            id=case_id,
        )
    )


def raise_case(db: Db, case_id: int, head: str, at: int) -> bool:
    """Hand a case to the head, once."""
    raised = db.run(
        "UPDATE escalation SET raised_at = :at, raised_to = :head"
        " WHERE id = :id AND raised_at IS NULL AND status = 'open'",
        at=at,
        head=head,
        id=case_id,
    )
    if raised:
        add_step(db, case_id, "bot", "raised", at, note=head)
    return bool(raised)


def add_step(db: Db, case_id: int, actor: str, step: str, at: int, *, note: str = "") -> None:
    """Add to a case's history."""
    db.run(
        "INSERT INTO escalation_step (escalation_id, at, actor, step, note)"
        " VALUES (:id, :at, :actor, :step, :note)",
        id=case_id,
        at=at,
        actor=actor,
        step=step,
        note=note,
    )


def steps(db: Db, case_id: int) -> list[Row]:
    """A case's history, oldest first."""
    return db.rows(
        "SELECT * FROM escalation_step WHERE escalation_id = :id ORDER BY id", id=case_id
    )


def open_cases_of(db: Db, userid: str) -> list[Row]:
    """What an employee has to do, the most pressing first."""
    return db.rows(
        "SELECT * FROM escalation WHERE status = 'open' AND (assignee = :id OR raised_to = :id)"
        " ORDER BY deadline_at NULLS FIRST",
        id=userid,
    )
