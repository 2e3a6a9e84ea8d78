"""Rings as rows, and the lease that lets one scheduler act.

The lease carries a fencing number: it grows with every holder, and each write of a ring
checks it, so that a scheduler that slept through its lease changes nothing any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.errors import Retry
from bot.store.db import Db, Row

LEASE_MS = 10_000
NAME = "scheduler"


@dataclass(frozen=True, slots=True)
class Fence:
    """Proof of the lease: the holder and its number."""

    holder: str
    number: int


def take_lease(db: Db, holder: str) -> Fence | None:
    """Take or renew the lease; None while another holder's is running.

    On SQLite time is the machine's monotonic clock, so that a jump of the wall clock neither
    frees nor freezes the lease; a value from before a restart of the machine counts as run out.
    """
    now = db.ticks()
    row = db.one("SELECT * FROM lease WHERE name = :name", name=NAME)
    if row is not None and _runs(row, now) and row["holder"] != holder:
        return None
    return hold(db, holder)


def hold(db: Db, holder: str) -> Fence:
    """Write a holder of the lease down, whoever had it; the number grows with a new one."""
    now = db.ticks()
    row = db.one("SELECT * FROM lease WHERE name = :name", name=NAME)
    same = row is not None and row["holder"] == holder and _runs(row, now)
    number = (row["fence"] if row else 0) + (0 if same else 1)
    db.run(
        "INSERT INTO lease (name, holder, fence, until_at)"
        " VALUES (:name, :holder, :fence, :until) ON CONFLICT (name) DO UPDATE SET"
        " holder = :holder, fence = :fence, until_at = :until",
        name=NAME,
        holder=holder,
        fence=number,
        until=now + LEASE_MS,
    )
    return Fence(holder, number)


def give_lease_up(db: Db, fence: Fence) -> None:
    """Let the next scheduler start at once."""
    db.run(
        "UPDATE lease SET until_at = 0 WHERE name = :name AND holder = :holder AND fence = :fence",
        name=NAME,
        holder=fence.holder,
        fence=fence.number,
    )


def check(db: Db, fence: Fence) -> None:
    """Refuse a write of somebody who lost the lease.

    Raises:
        Retry: The fencing number is not the current one.
    """
    current = db.value("SELECT fence FROM lease WHERE name = :name", name=NAME)
    if current != fence.number:
        raise Retry("调度租约已由另一个进程接管")


def holder(db: Db) -> str | None:
    """Who holds the running lease."""
    now = db.ticks()
    row = db.one("SELECT * FROM lease WHERE name = :name", name=NAME)
    return row["holder"] if row is not None and _runs(row, now) else None


def _runs(row: Row, now: int) -> bool:
    until: int = row["until_at"]
    return now < until <= now + LEASE_MS


def ring(db: Db, fence: Fence, job: str, due_at: int) -> bool:
    """Put a ring on record; False when it was done or missed already."""
    check(db, fence)
    db.run(
        "INSERT INTO ring (job, due_at) VALUES (:job, :due) ON CONFLICT (job, due_at) DO NOTHING",
        job=job,
        due=due_at,
    )
    state = db.value(
        "SELECT state FROM ring WHERE job = :job AND due_at = :due", job=job, due=due_at
    )
    return bool(state == "due")


def finish(
    db: Db, fence: Fence, job: str, due_at: int, now: int, *, state: str = "done", result: str = ""
) -> None:
    """Mark a ring done or missed, with what came of it."""
    check(db, fence)
    db.run(
        "UPDATE ring SET state = :state, done_at = :now, result = :result"
        " WHERE job = :job AND due_at = :due",
        state=state,
        now=now,
        result=result,
        job=job,
        due=due_at,
    )


def last(db: Db, job: str) -> int | None:
    """When a job was last due: the oldest ring that is not finished, else the newest one."""
    found: int | None = db.value(
        "SELECT coalesce(min(CASE WHEN state = 'due' THEN due_at END), max(due_at))"
        " FROM ring WHERE job = :job",
        job=job,
    )
    return found


def recent(db: Db, limit: int = 50) -> list[Row]:
    """The newest rings, for the console."""
    return db.rows("SELECT * FROM ring ORDER BY due_at DESC LIMIT :limit", limit=limit)


def forget(db: Db, job: str, before: int) -> int:
    """Drop old rings of a frequent job, those that broke too, except the newest one."""
    return db.run(
        "DELETE FROM ring WHERE job = :job AND due_at < :before"
        " AND due_at < (SELECT max(due_at) FROM ring WHERE job = :job)",
        job=job,
        before=before,
    )
