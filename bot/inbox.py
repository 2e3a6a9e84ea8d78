"""The durable queue of what came in: kept once, worked once, set aside when it is poison.

``put`` is the door's hot path: all callbacks that arrive while the disk is busy become one
``INSERT`` and one fsync. ``claim`` hands out the oldest waiting items on the
promise of one worker; ``take`` marks one done inside the transaction that holds its
effects, so a crash in between only means that they are worked again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass

from bot.clock import Clock
from bot.errors import Invalid
from bot.store.db import Database, Db, Row
from bot.vault import Vault

MAX_ATTEMPTS = 5
_PAUSE_MS = 2_000

_KEEP = """
INSERT INTO inbox (key, source, body_sealed, received_at)
VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING
"""
# Oldest first: what people said earlier is read earlier.
_CLAIM = """
SELECT id, source, body_sealed, received_at, attempts, key FROM inbox
WHERE state = 0 AND (not_before IS NULL OR not_before <= :now)
ORDER BY id LIMIT :limit
"""
_TAKE = "UPDATE inbox SET state = 1, body_sealed = NULL WHERE id = :id AND state = 0"
_FAIL = """
UPDATE inbox SET attempts = attempts + 1, not_before = :later, reason = :reason,
  state = CASE WHEN attempts + 1 >= :most THEN 2 ELSE 0 END
WHERE id = :id
"""
_FORGET = "DELETE FROM inbox WHERE state = 1 AND received_at < :before"


Arrival = tuple[bytes, str, bytes]
"""Key, source and body of something that came in."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that came in and waits to be worked."""

    id: int
    source: str
    body: bytes
    received_at: int
    """Epoch milliseconds."""
    attempts: int
    key: bytes = b""


class Inbox:
    """The queue in the embedded store; one worker at a time."""

    def __init__(self, database: Database, vault: Vault, clock: Clock) -> None:
        self._database = database
        self._vault = vault
        self._clock = clock
        self._arrived = threading.Event()

    def put(self, key: bytes, source: str, body: bytes) -> Future[None]:
        """Keep one item; the future is done when it is on the disk. Known keys are ignored."""
        return self.put_all([(key, source, body)])

    def put_all(self, items: list[Arrival]) -> Future[None]:
        """Keep several items in one transaction."""
        rows = self._sealed(items)
        future = self._database.submit(lambda db: self._keep(db, rows))
        future.add_done_callback(lambda _: self._arrived.set())
        return future

    def keep(self, db: Db, items: list[Arrival]) -> None:
        """Keep items for a transaction of the caller's, who calls ``wake`` after it.

        They are durable no later than what the transaction writes.
        """
        self._keep(db, self._sealed(items))

    @staticmethod
    def _keep(db: Db, rows: list[tuple[bytes, str, bytes, int]]) -> None:
        db.many(_KEEP, rows)

    def _sealed(self, items: list[Arrival]) -> list[tuple[bytes, str, bytes, int]]:
        now = _milliseconds(self._clock)
        return [(key, source, self._vault.seal(body), now) for key, source, body in items]

    # -- working

    def claim(self, limit: int = 100) -> list[Item]:
        """The oldest waiting items; ``release`` them before the next claim."""
        rows = self._database.read().rows(_CLAIM, now=_milliseconds(self._clock), limit=limit)
        return [item for row in rows if (item := self._open(row)) is not None]

    def take(self, db: Db, item: Item) -> bool:
        """Mark an item as done, in the transaction of its effects; False when it was already."""
        return bool(db.run(_TAKE, id=item.id))

    def fail(self, db: Db, item: Item, reason: str) -> None:
        """Count a failed attempt; the fifth one sets the item aside with its reason."""
        _fail(db, item.id, reason, _milliseconds(self._clock))

    def release(self, items: list[Item]) -> None:
        """What was claimed is done or failed, and that is on the disk."""

    def _open(self, row: Row) -> Item | None:
        """A row as an item; one that no key opens counts an attempt and holds nobody up."""
        try:
            body = self._vault.open(row["body_sealed"])
        except Invalid as broken:
            reason, now = str(broken), _milliseconds(self._clock)
            self._database.write(lambda db: _fail(db, row["id"], reason, now))
            return None
        return Item(row["id"], row["source"], body, row["received_at"], row["attempts"], row["key"])

    def wait(self, seconds: float) -> bool:
        """Sleep until something arrives or the time is over; True when something arrived."""
        arrived = self._arrived.wait(seconds)
        self._arrived.clear()
        return arrived

    def wake(self) -> None:
        """End a ``wait`` at once."""
        self._arrived.set()

    def depth(self) -> tuple[int, int]:
        """How many items wait, and how many were set aside."""
        db = self._database.read()
        return (
            db.value("SELECT count(*) FROM inbox WHERE state = 0"),
            db.value("SELECT count(*) FROM inbox WHERE state = 2"),
        )

    def queued_elsewhere(self) -> Iterator[bytes]:
        """Sealed bodies that wait outside the store: here none do."""
        return iter(())

    def lag_seconds(self) -> float:
        """Age of the oldest item that waits; 0 when none does."""
        oldest = self._database.read().value("SELECT min(received_at) FROM inbox WHERE state = 0")
        return max(0.0, (_milliseconds(self._clock) - oldest) / 1000) if oldest else 0.0


def _fail(db: Db, item: int, reason: str, now: int) -> None:
    db.run(_FAIL, id=item, reason=reason, later=now + _PAUSE_MS, most=MAX_ATTEMPTS)


def forget(db: Db, before: int) -> int:
    """Drop done items received before the moment (epoch ms); their keys are forgotten."""
    return db.run(_FORGET, before=before)


def _milliseconds(clock: Clock) -> int:
    return int(clock.now().timestamp() * 1000)
