"""Exports that wait for a second person, and what became of them."""

from __future__ import annotations

from bot.store.db import Db, Row

WAITING, APPROVED, REFUSED, DONE = "waiting", "approved", "refused", "done"


def add(db: Db, by: str, reason: str, now: int) -> int:
    """Somebody asks; the number of it."""
    return db.insert(
        "INSERT INTO export_request (asked_at, asked_by, reason, status)"
        " VALUES (:now, :by, :reason, 'waiting')",
        now=now,
        by=by,
        reason=reason,
    )


def request(db: Db, number: int) -> Row | None:
    """One of them."""
    return db.one("SELECT * FROM export_request WHERE id = :id", id=number)


def latest(db: Db, most: int = 20) -> list[Row]:
    """Those that wait, then the newest of the others."""
    return db.rows(
        "SELECT * FROM export_request ORDER BY status <> 'waiting', id DESC LIMIT :most", most=most
    )


def decide(db: Db, number: int, status: str, by: str, now: int) -> bool:
    """Another person agrees or not; False when somebody decided before."""
    return bool(
        db.run(
            "UPDATE export_request SET status = :status, decided_by = :by, decided_at = :now"
            " WHERE id = :id AND status = 'waiting'",
            status=status,
            by=by,
            now=now,
            id=number,
        )
    )


def finish(db: Db, number: int, proof: str, now: int) -> bool:
    """The file is about to be there, once; False when it was before."""
    return bool(
        db.run(
            "UPDATE export_request SET status = 'done', done_at = :now, proof = :proof"
            " WHERE id = :id AND status = 'approved'",
            proof=proof,
            now=now,
            id=number,
        )
    )
