"""Mass sends of others: what members sent by hand counts in the channel's quota like ours (F4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.store import talk
from bot.store.db import Db, Row

READ = "other_masses"
"""The cursor: until when what WeCom lists was read, epoch milliseconds."""
_DAY_MS = 86_400_000
_FRESH_MS = 26 * 3_600_000
_LISTED_MS = 31 * _DAY_MS
"""WeCom lists a month; nobody confirms what is older."""
# What is a day old is read again after 2.4 hours, so that tasks that wait for long cost little.
_TO_READ = """
SELECT * FROM other_mass
WHERE done = 0 AND made_at >= :oldest
  AND (read_at IS NULL OR (:now - read_at) * 10 >= :now - made_at)
ORDER BY read_at NULLS FIRST, made_at LIMIT :limit
"""


def keep_listed(db: Db, made: Mapping[str, int]) -> int:
    """Remember mass sends that WeCom lists, by msgid with their moment; how many are new."""
    return sum(
        db.run(
            "INSERT INTO other_mass (msgid, made_at) VALUES (:msgid, :at)"
            " ON CONFLICT (msgid) DO NOTHING",
            msgid=msgid,
            at=at,
        )
        for msgid, at in made.items()
    )


def to_read(db: Db, now: int, limit: int) -> list[Row]:
    """Whose results may have changed, those never read first."""
    return db.rows(_TO_READ, now=now, oldest=now - _LISTED_MS, limit=limit)


def keep_results(
    db: Db, msgid: str, sent: Iterable[tuple[str, int]], now: int, *, done: bool
) -> None:
    """Put into the ledger who got it and when."""
    db.many(
        "INSERT INTO other_send (recipient, msgid, sent_at) VALUES (?, ?, ?)"
        " ON CONFLICT (recipient, msgid) DO NOTHING",
        [(recipient, msgid, at) for recipient, at in sent],
    )
    db.run(
        "UPDATE other_mass SET read_at = :now, done = :done WHERE msgid = :msgid",
        now=now,
        done=int(done),
        msgid=msgid,
    )


def leave_ours_out(db: Db) -> None:
    """A task of ours whose answer was lost was listed before it was found again: it counts once."""
    ours = "(SELECT wecom_msgid FROM send_task WHERE wecom_msgid IS NOT NULL)"
    db.run(f"DELETE FROM other_send WHERE msgid IN {ours}")
    db.run(f"DELETE FROM other_mass WHERE msgid IN {ours}")


def is_read(db: Db, now: int) -> bool:
    """Whether the ledger is of today; what is older is not known any more."""
    return now - int(talk.cursor(db, READ) or 0) <= _FRESH_MS


def forget(db: Db, now: int) -> int:
    """Drop what no quota counts any more; the number of sends."""
    db.run("DELETE FROM other_mass WHERE made_at < :before", before=now - 2 * _LISTED_MS)
    return db.run("DELETE FROM other_send WHERE sent_at < :before", before=now - _LISTED_MS)
