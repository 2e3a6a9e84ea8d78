"""Deleting a person on request: everything goes but the audit entry."""

from __future__ import annotations

import hashlib

from bot.errors import Invalid
from bot.store import alliance, events, journal, people, referrals, rights
from bot.store.db import Db

_BY_CUSTOMER = (
    "follow",
    "agreement",
    "activity",
    "kf_session",
    "fact",
    "consent",
    "segment_member",
    "customer_state",
    "holding",
    "contact",
    "same_person",
    "decision",
    "journey",
    "push",
    "journal",
)


def erase(db: Db, external_userid: str, actor: str, now: int) -> int:
    """Delete what is known of a customer; the number of rows.

    The row itself stays as a bare mark, so that a later sync does not bring the person back.

    Raises:
        Invalid: Nobody of that id is known.
    """
    if people.customer(db, external_userid) is None:
        raise Invalid("没有这位客户,请核对外部联系人 ID(以 wm 或 wo 开头)")
    rows = alliance.forget(db, external_userid) + referrals.forget(db, external_userid)
    rows += events.forget(db, external_userid, now)
    rows += db.run(
        "DELETE FROM conversion WHERE push_id IN (SELECT id FROM push WHERE external_userid = :id)",
        id=external_userid,
    )
    rows += db.run("DELETE FROM assignment WHERE subject = :id", id=external_userid)
    for table in _BY_CUSTOMER:
        rows += db.run(f"DELETE FROM {table} WHERE external_userid = :id", id=external_userid)
    rows += db.run(
        "DELETE FROM escalation_step WHERE escalation_id IN"
        " (SELECT id FROM escalation WHERE external_userid = :id)",
        id=external_userid,
    )
    rows += db.run("DELETE FROM escalation WHERE external_userid = :id", id=external_userid)
    rows += db.run("DELETE FROM other_send WHERE recipient = :id", id=external_userid)
    rows += db.run("DELETE FROM group_member WHERE member = :id", id=external_userid)
    rows += db.run(
        "DELETE FROM message WHERE sender = :id OR peer = :id"
        " OR substr(conversation, instr(conversation, '|') + 1) = :id",
        id=external_userid,
    )
    rows += db.run(
        "DELETE FROM outbox WHERE instr(payload, '\"' || :id || '\"') > 0"
        " OR instr(payload, '|' || :id || '\"') > 0",
        id=external_userid,
    )
    # Whose names are in the words of lists cannot be told; what was sent needs them no more.
    db.run("UPDATE day_list SET text_sealed = :none WHERE sent_at IS NOT NULL", none=b"")
    db.run("DELETE FROM customer WHERE external_userid = :id", id=external_userid)
    _mark(db, external_userid, now)
    mark = mark_of(external_userid)
    rights.forget(db, external_userid, mark, now)
    journal.audit(db, actor, "erase", mark, now, rows=rows)
    return rows


def erased(db: Db) -> set[str]:
    """The ids of everybody who was erased."""
    rows = db.rows("SELECT external_userid FROM customer WHERE erased = 1")
    return {row["external_userid"] for row in rows}


def erase_again(db: Db, external_userid: str, actor: str, now: int) -> None:
    """Erase somebody whom an older copy of the store still knows, or does not know yet."""
    if people.customer(db, external_userid) is None:
        _mark(db, external_userid, now)
    elif not people.is_erased(db, external_userid):
        erase(db, external_userid, actor, now)


def _mark(db: Db, external_userid: str, now: int) -> None:
    """Keeps the person from being written down again."""
    db.run(
        "INSERT INTO customer (external_userid, erased, refused, created_at)"
        " VALUES (:id, 1, 1, :now)",
        id=external_userid,
        now=now,
    )


def mark_of(external_userid: str) -> str:
    """What stands for somebody erased: it can prove the id, not show it."""
    return hashlib.sha256(external_userid.encode()).hexdigest()[:16]
