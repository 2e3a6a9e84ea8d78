"""What happened and why: the journal that people watch, and the chained audit trail."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from bot.store.db import Db, Row

_LENGTH = "audit"
_CHECKED = "audit_checked"


def note(
    db: Db,
    kind: str,
    at: int,
    *,
    customer: str | None = None,
    chat_id: str | None = None,
    userid: str | None = None,
    ref: int | None = None,
    **why: Any,
) -> int:
    """Write one line of the journal.

    ``why`` holds slugs, counts and ids; names and words are looked up when somebody who may
    see them reads the line.
    """
    return db.insert(
        "INSERT INTO journal (at, kind, external_userid, chat_id, userid, ref, why)"
        " VALUES (:at, :kind, :customer, :chat, :userid, :ref, :why)",
        at=at,
        kind=kind,
        customer=customer,
        chat=chat_id or None,
        userid=userid,
        ref=ref,
        why=json.dumps(why, ensure_ascii=False),
    )


def lines(db: Db, *, after: int = 0, limit: int = 200) -> list[Row]:
    """Journal lines after an id, oldest first."""
    return db.rows(
        "SELECT * FROM journal WHERE id > :after ORDER BY id LIMIT :limit", after=after, limit=limit
    )


def latest(db: Db, limit: int = 200) -> list[Row]:
    """The newest journal lines, newest first."""
    return db.rows("SELECT * FROM journal ORDER BY id DESC LIMIT :limit", limit=limit)


def audit(
    db: Db,
    actor: str,
    act: str,
    subject: str,
    at: int,
    *,
    before: Row | None = None,
    after: Row | None = None,
    rules: Mapping[str, str] | None = None,
    **why: Any,
) -> None:
    """Append to the audit trail; each row's hash covers the row and the hash before it.

    Args:
        db: The transaction of what is done: without this row nothing of it happens.
        actor: Who did it.
        act: What was done.
        subject: To what, ``kind:id``.
        at: Epoch milliseconds.
        before: The object as it was; only its hash is kept.
        after: The object as it is now; only its hash is kept.
        rules: Versions of the rules that led to it, by name.
        why: Slugs, counts and ids; never names or words of customers.
    """
    hashes = {"before": before, "after": after}
    why |= {name: fingerprint(row) for name, row in hashes.items() if row is not None}
    if rules:
        why["rules"] = dict(rules)
    previous = db.value("SELECT hash FROM audit ORDER BY id DESC LIMIT 1") or ""
    reason = json.dumps(why, ensure_ascii=False, sort_keys=True)
    db.run(
        "INSERT INTO audit (at, actor, act, object, why, previous, hash)"
        " VALUES (:at, :actor, :act, :object, :why, :previous, :hash)",
        at=at,
        actor=actor,
        act=act,
        object=subject,
        why=reason,
        previous=previous,
        hash=_chain(previous, at, actor, act, subject, reason),
    )
    # How long the trail is: without it nobody would miss its last rows.
    db.run(
        "INSERT INTO cursor (name, value, moved_at) VALUES (:name, '1', :at)"
        " ON CONFLICT (name) DO UPDATE SET"
        " value = CAST(CAST(cursor.value AS INTEGER) + 1 AS TEXT), moved_at = :at",
        name=_LENGTH,
        at=at,
    )


def mark_checked(db: Db, broken: int, at: int) -> None:
    """Remember what the daily check of the trail found, and show it on the live page if bad."""
    db.run(
        "INSERT INTO cursor (name, value, moved_at) VALUES (:name, :broken, :at)"
        " ON CONFLICT (name) DO UPDATE SET value = :broken, moved_at = :at",
        name=_CHECKED,
        broken=str(broken),
        at=at,
    )
    if broken:
        note(db, "audit_broken", at, row=broken)


def broken_row(db: Db) -> int:
    """The first row of the trail that the last check found changed; 0 for none."""
    return int(db.value("SELECT value FROM cursor WHERE name = :name", name=_CHECKED) or 0)


def fingerprint(row: Row) -> str:
    """The hash of an object's columns, to show later what it was."""
    digest = hashlib.sha256()
    for name in sorted(row.keys()):
        digest.update(f"{name}\x1f{row[name]!r}\x1e".encode())
    return digest.hexdigest()


def first_broken_link(db: Db) -> int | None:
    """The id of the first audit row that was changed, removed before, or reordered.

    When rows are missing at the end it is the id after the last one that is there.
    """
    previous, last, rows = "", 0, 0
    for row in _whole_trail(db):
        expected = _chain(previous, row["at"], row["actor"], row["act"], row["object"], row["why"])
        if row["previous"] != previous or row["hash"] != expected:
            return int(row["id"])
        previous, last, rows = row["hash"], row["id"], rows + 1
    length = db.value("SELECT value FROM cursor WHERE name = :name", name=_LENGTH)
    return None if rows == int(length or 0) else last + 1


def _whole_trail(db: Db) -> Iterator[Row]:
    """A thousand rows at a time: the trail only grows."""
    after = 0
    while some := db.rows(
        "SELECT * FROM audit WHERE id > :after ORDER BY id LIMIT 1000", after=after
    ):
        yield from some
        after = some[-1]["id"]


def _chain(*parts: Any) -> str:
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()
