"""The inbox in Redis: streams in lanes, read by one worker at a time, done once in the store.

What comes in is appended to the stream of its lane and answered when Redis has it on the disk
(``appendfsync always``). A conversation, or else a customer, is always of the same lane, and a
lane is worked by one process at a time, so that what people say is read in its order. The
entry leaves the stream only after the transaction of its effects, which also keeps its key:
whatever is worked a second time, after a crash or because it came twice, does nothing.
What fails moves to the table of the store, and is tried again and set aside there.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from zlib import crc32

import redis
import structlog

from bot.clock import Clock
from bot.errors import Invalid, Retry
from bot.inbox import Arrival, Inbox, Item
from bot.shared.connection import Shared
from bot.store.db import Database, Db
from bot.vault import Vault

log = structlog.get_logger()
LANES = 16
LANE_MS = 10_000
"""A worker that was not seen for so long has lost its lane."""
_GROUP = "workers"
_POLL_SECONDS = 0.1
# Ids as WeCom writes them: a group's first, else a customer's.
_CHAT = re.compile(rb"[\"\[>](wr[\w-]{4,})[\"\]<]")
_PERSON = re.compile(rb"[\"\[>](w[mo][\w-]{4,})[\"\]<]")
_DONE = """
INSERT INTO inbox (key, source, received_at, state) VALUES (:key, :source, :at, 1)
ON CONFLICT (key) DO NOTHING
"""
_SET_BACK = """
INSERT INTO inbox (key, source, body_sealed, received_at, attempts, not_before, reason)
VALUES (:key, :source, :sealed, :at, 1, :later, :reason)
ON CONFLICT (key) DO NOTHING
"""
_PAUSE_MS = 2_000
# Take a lane or keep it; give it up only if it is still ours.
_HOLD = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_LET_GO = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"


def lane_of(body: bytes) -> int:
    """The lane of a conversation, or else of a customer; what concerns neither is in the first."""
    found = _CHAT.search(body) or _PERSON.search(body)
    return crc32(found[1]) % LANES if found else 0


class SharedInbox(Inbox):
    """The queue that several workers share."""

    def __init__(self, shared: Shared, database: Database, vault: Vault, clock: Clock) -> None:
        super().__init__(database, vault, clock)
        self._shared = shared
        self._me = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._claimed: dict[bytes, list[bytes]] = {}
        self._lane: int | None = None
        # One at a time, as the door hands over all that waits together.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="inbox-writer")
        self._woken = threading.Event()

    # -- coming in

    def put_all(self, items: list[Arrival]) -> Future[None]:
        """Keep several items; the future is done when Redis has them on its disk."""
        return self._writer.submit(self._append, items)

    def keep(self, db: Db, items: list[Arrival]) -> None:  # noqa: ARG002  # as its kin
        """Keep items before the caller's transaction ends; if it fails, they come again."""
        self._append(items)

    def _append(self, items: list[Arrival]) -> None:
        if not items:
            return
        bodies = {key: body for key, _, body in items}
        with self._shared.answering() as client, client.pipeline(transaction=False) as pipe:
            for key, source, sealed, at in self._sealed(items):
                entry = {"key": key, "source": source, "body": sealed, "at": at}
                pipe.xadd(self._stream(lane_of(bodies[key])), entry)
            pipe.execute()

    def _stream(self, lane: int) -> str:
        return self._shared.name("inbox", str(lane))

    # -- working

    def claim(self, limit: int = 100) -> list[Item]:
        """The oldest items of a lane that nobody else works; ``release`` them before the next."""
        self._claimed = {}
        again = super().claim(limit)
        if again:
            return again
        for lane in self._busy_lanes():
            if not self._hold(lane):
                continue
            self._lane = lane
            items = self._items(self._entries(lane, limit))
            if items:
                return items
            self._let_go()
        return []

    def _busy_lanes(self) -> list[int]:
        """Our own first, the others in any order."""
        with self._shared.answering() as client, client.pipeline(transaction=False) as pipe:
            for lane in range(LANES):
                pipe.xlen(self._stream(lane))
            lengths = pipe.execute()
        busy = [lane for lane in range(LANES) if lengths[lane]]
        random.shuffle(busy)
        return sorted(busy, key=lambda lane: lane != self._lane)

    def _hold(self, lane: int) -> bool:
        with self._shared.answering() as client:
            return bool(client.eval(_HOLD, 1, self._holder(lane), self._me, LANE_MS))

    def _holder(self, lane: int) -> str:
        return self._shared.name("inbox", str(lane), "holder")

    def _entries(self, lane: int, limit: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        stream = self._stream(lane)
        with self._shared.answering() as client:
            try:
                return self._read(client, stream, limit)
            except redis.ResponseError as trouble:
                if "NOGROUP" not in str(trouble):
                    raise
                # A new stream, or Redis was emptied.
                client.xgroup_create(stream, _GROUP, "0", mkstream=True)
                return self._read(client, stream, limit)

    def _read(self, client: Any, stream: str, limit: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        """First what somebody before us took and did not finish, then what is new."""
        _, stuck, *_ = client.xautoclaim(stream, _GROUP, self._me, 0, "0-0", count=limit)
        found = [each for each in stuck if each[1] is not None]
        if len(found) < limit:
            more = limit - len(found)
            fresh = client.xreadgroup(_GROUP, self._me, {stream: ">"}, count=more)
            found += [each for _, some in fresh for each in some]
        return found

    def _items(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> list[Item]:
        """Entries as items, each key once: the first body counts."""
        self._claimed = {}
        found = []
        for place, entry in entries:
            key = entry[b"key"]
            places = self._claimed.setdefault(key, [])
            places.append(place)
            if len(places) == 1 and (item := self._item(key, entry)) is not None:
                found.append(item)
        return found

    def _item(self, key: bytes, entry: dict[bytes, bytes]) -> Item | None:
        source, at = entry[b"source"].decode(), int(entry[b"at"])
        try:
            body = self._vault.open(entry[b"body"])
        except Invalid as broken:
            reason = str(broken)
            self._database.write(
                lambda db: self._set_back(db, key, source, entry[b"body"], at, reason)
            )
            self._remove(key)
            return None
        # Errands are named after it: it must be the same each time and nobody else's. The first
        # bytes of a key are a moment, which others share.
        number = int.from_bytes(hashlib.blake2b(key, digest_size=7).digest(), "big")
        return Item(number, source, body, at, 0, key)

    def take(self, db: Db, item: Item) -> bool:
        """Mark an item as done, in the transaction of its effects; False when it was already."""
        if item.key not in self._claimed:
            return super().take(db, item)
        return bool(db.run(_DONE, key=item.key, source=item.source, at=item.received_at))

    def fail(self, db: Db, item: Item, reason: str) -> None:
        """Move an item to the store, where it is tried again and at last set aside."""
        if item.key not in self._claimed:
            super().fail(db, item, reason)
            return
        sealed = self._vault.seal(item.body)
        self._set_back(db, item.key, item.source, sealed, item.received_at, reason)

    def _set_back(
        self, db: Db, key: bytes, source: str, sealed: bytes, at: int, reason: str
    ) -> None:
        later = int(self._clock.now().timestamp() * 1000) + _PAUSE_MS
        db.run(_SET_BACK, key=key, source=source, sealed=sealed, at=at, later=later, reason=reason)

    def release(self, items: list[Item]) -> None:
        """Take what is done out of its lane, and leave the lane to others."""
        try:
            for item in items:
                self._remove(item.key)
            self._let_go()
        except Retry as trouble:
            # Worked again, it does nothing; and the lane comes free by itself.
            log.warning("done items stay in redis", reason=str(trouble))
        self._claimed = {}

    def _remove(self, key: bytes) -> None:
        places = self._claimed.get(key, [])
        if places and self._lane is not None:
            stream = self._stream(self._lane)
            with self._shared.answering() as client, client.pipeline(transaction=False) as pipe:
                pipe.xack(stream, _GROUP, *places)
                pipe.xdel(stream, *places)
                pipe.execute()

    def _let_go(self) -> None:
        if self._lane is not None:
            with self._shared.answering() as client:
                client.eval(_LET_GO, 1, self._holder(self._lane), self._me)
            self._lane = None

    # -- waiting

    def wait(self, seconds: float) -> bool:
        """Sleep until it is time to look again."""
        woken = self._woken.wait(min(seconds, _POLL_SECONDS))
        self._woken.clear()
        return woken

    def wake(self) -> None:
        """End a ``wait`` at once."""
        self._woken.set()

    def depth(self) -> tuple[int, int]:
        """How many items wait, and how many were set aside."""
        waiting, aside = super().depth()
        return waiting + sum(self._of_each_lane("xlen")), aside

    def queued_elsewhere(self) -> Iterator[bytes]:
        """Sealed bodies that wait in Redis."""
        for entries in self._of_each_lane("xrange"):
            yield from (entry[b"body"] for _, entry in entries)

    def lag_seconds(self) -> float:
        """Age of the oldest item that waits; 0 when none does."""
        first = self._of_each_lane("xrange", count=1)
        moments = [int(entries[0][1][b"at"]) for entries in first if entries]
        lag = self._clock.now().timestamp() - min(moments) / 1000 if moments else 0.0
        return max(lag, super().lag_seconds(), 0.0)

    def _of_each_lane(self, ask: str, **how: int) -> list[Any]:
        with self._shared.answering() as client, client.pipeline(transaction=False) as pipe:
            question: Callable[..., Any] = getattr(pipe, ask)
            for lane in range(LANES):
                question(self._stream(lane), **how)
            found: list[Any] = pipe.execute()
        return found
