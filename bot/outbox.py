"""Errands waiting to be done: each once, by priority, one at a time in its lane.

An errand is a row before it is a call. ``calling`` is on the disk before WeCom is asked, and
what the answer changes is committed together with ``done``. After a crash in ``calling`` an
errand is asked again only when its kind is harmless to repeat (single-use codes, our own
message ids, duplicate check, idempotent writes); a mass send is reconciled instead.
"""

from __future__ import annotations

import json
import os
import random
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from bot.actions import (
    AnswerEmployee,
    CreateMassSend,
    Errand,
    SendCard,
    SendMorning,
    TellStaff,
    lane_of,
    pack,
    unpack,
)
from bot.clock import Clock
from bot.errors import Invalid, QunguanError, Refused, Retry, Uncertain
from bot.model import UserId
from bot.store.db import Database, Db, Row

log = structlog.get_logger()

Effect = Callable[[Db], None]
Perform = Callable[[Errand], Effect | None]

MOST_BREAKS = 8
"""An errand that breaks our own code so often is given up."""
_LONGEST_PAUSE = 300.0
_USEFUL_MS = 3 * 86_400_000
_NO_REPEAT = (CreateMassSend.__name__,)
BEAT_SECONDS = 2.0
GONE_MS = 10_000
"""A process that was not seen for so long is dead, and its errands are taken over.

A welcome is taken over within its twenty seconds; whoever only slept finds its errand gone.
"""
_NEVER = 1 << 62

_ADD = """
INSERT INTO outbox
  (key, kind, payload, lane, priority, not_before, useful_until, created_at)
VALUES (:key, :kind, :payload, :lane, :priority, :not_before, :useful_until, :now)
ON CONFLICT (key) DO NOTHING
"""
# What waits behind a busy lane must not hide what could be done now.
_READY = """
SELECT id, kind, payload, lane, attempts, useful_until, priority FROM outbox
WHERE state = 'ready' AND not_before <= :now AND priority <= :priority
  AND (lane = '' OR lane NOT IN (SELECT value FROM json_each(:busy) UNION ALL
    SELECT o.lane FROM outbox o WHERE o.state = 'calling'))
ORDER BY priority, id LIMIT 64
"""
_BEGIN = """
UPDATE outbox SET state = 'calling', attempts = attempts + 1, owner = :me
WHERE id = :id AND state = 'ready' AND (lane = '' OR NOT EXISTS (
  SELECT 1 FROM outbox o WHERE o.lane = outbox.lane AND o.state = 'calling'))
"""
# Whoever slept while another took the errand over changes nothing any more.
_OWN = "id = :id AND state = 'calling' AND owner = :me"
_END = f"UPDATE outbox SET state = :state, reason = :reason, done_at = :now WHERE {_OWN}"
_LATER = f"UPDATE outbox SET state = 'ready', reason = :reason, not_before = :later WHERE {_OWN}"
# What was in flight when a process died or its outcome could not be written.
_LEFT = """state = 'calling' AND CASE WHEN owner = :me
  THEN id NOT IN (SELECT CAST(value AS BIGINT) FROM json_each(:busy))
  ELSE owner NOT IN (SELECT name FROM worker WHERE seen_at > :alive) END"""
_RESUME = f"UPDATE outbox SET state = 'ready' WHERE {_LEFT} AND kind <> :mass"
_DOUBT = f"UPDATE outbox SET state = 'uncertain' WHERE {_LEFT} AND kind = :mass"
_GONE = f"SELECT 1 FROM outbox WHERE {_LEFT} AND owner <> :me LIMIT 1"
_BEAT = """
INSERT INTO worker (name, seen_at) VALUES (:me, :now)
ON CONFLICT (name) DO UPDATE SET seen_at = :now
"""
_BURY = "DELETE FROM worker WHERE seen_at <= :alive"
_TOLD = """
SELECT json_extract(payload, '$.userid') AS userid, coalesce(done_at, :now) AS at FROM outbox
WHERE kind IN (SELECT value FROM json_each(:kinds))
  AND (state = 'calling' OR state = 'done' AND done_at > :now - 3600000)
"""
_TO_STAFF = json.dumps(
    [each.__name__ for each in (AnswerEmployee, SendCard, SendMorning, TellStaff)]
)
_FORGET = "DELETE FROM outbox WHERE state = 'done' AND done_at < :before"


@dataclass(frozen=True, slots=True)
class _Claim:
    id: int
    kind: str
    payload: str
    lane: str
    attempts: int
    useful_until: int


def add(db: Db, errand: Errand, now: int, useful_until: int | None = None) -> bool:
    """Put an errand into the outbox; False when its key is there already."""
    kind, payload = pack(errand)
    return bool(
        db.run(
            _ADD,
            key=errand.key,
            kind=kind,
            payload=payload,
            lane=lane_of(errand),
            priority=errand.priority,
            now=now,
            not_before=now + getattr(errand, "delay_ms", 0),
            useful_until=useful_until or now + getattr(errand, "useful_ms", _USEFUL_MS),
        )
    )


def settle(db: Db, errand: Errand, state: str, now: int) -> None:
    """Write what became of an errand whose outcome was in doubt."""
    db.run(
        "UPDATE outbox SET state = :state, done_at = :now WHERE key = :key",
        state=state,
        now=now,
        key=errand.key,
    )


def forget(db: Db, before: int) -> int:
    """Drop errands that were done before the moment (epoch ms)."""
    return db.run(_FORGET, before=before)


def told_lately(db: Db, now: int) -> list[tuple[UserId, float]]:
    """Messages to employees within the last hour: to whom, and how many seconds ago."""
    rows = db.rows(_TOLD, now=now, kinds=_TO_STAFF)
    return [(UserId(row["userid"]), max(0.0, (now - row["at"]) / 1000)) for row in rows]


class Outbox:
    """The threads that perform errands.

    Args:
        perform: Does one errand and returns what to write about it.
        threads: How many at once; the first one takes only what customers wait for.
        alone: No other process performs errands of this store: what another one left in
            flight is taken over at once.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        perform: Perform,
        *,
        threads: int = 4,
        alone: bool = True,
    ) -> None:
        self._database = database
        self._clock = clock
        self._perform = perform
        self._wake = threading.Condition()
        self._busy_lanes: set[str] = set()
        self._in_flight: set[int] = set()
        self._alone = alone
        self._me = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._stopping = False
        self._interrupted = False
        self._threads = [
            threading.Thread(target=self._run, args=(1 if n == 0 else 9,), name=f"outbox-{n}")
            for n in range(threads)
        ]
        self._stopped = threading.Event()
        self._beating = threading.Thread(target=self._beat, name="outbox-beat")

    def start(self) -> None:
        """Take up what a crash left behind, then perform."""
        self.resume()
        for thread in self._threads:
            thread.start()
        if not self._alone:
            self._beating.start()

    def resume(self) -> None:
        """Sort what was interrupted into what may be repeated and what must be asked for."""

        def sort_out(db: Db) -> None:
            now = db.ticks()
            alive = _NEVER if self._alone else now - GONE_MS
            db.run(_BURY, alive=alive)
            db.run(_BEAT, me=self._me, now=now)
            # Read by the writer: whoever begins an errand has named it here before.
            left = {"me": self._me, "busy": json.dumps(list(self._in_flight)), "alive": alive}
            db.run(_RESUME, mass=CreateMassSend.__name__, **left)
            db.run(_DOUBT, mass=CreateMassSend.__name__, **left)

        self._database.write(sort_out)

    def _beat(self) -> None:
        """Tell the others that we live, and look after those who do not."""
        while not self._stopped.wait(BEAT_SECONDS):
            try:
                self._database.write(lambda db: db.run(_BEAT, me=self._me, now=db.ticks()))
                if self._somebody_is_gone():
                    self.resume()
            except Retry as trouble:
                log.warning("no sign of life could be given", reason=str(trouble))

    def _somebody_is_gone(self) -> bool:
        db = self._database.read()
        left = {"me": self._me, "busy": "[]", "alive": db.ticks() - GONE_MS}
        return bool(db.value(_GONE, **left))

    def stop(self) -> None:
        """Finish what is in flight, then stop."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self._stopped.set()
        for thread in (*self._threads, self._beating):
            if thread.is_alive():
                thread.join()

    def wake(self) -> None:
        """Something was added."""
        with self._wake:
            self._wake.notify_all()

    def idle(self) -> bool:
        """Nothing is ready and nothing is in flight."""
        waiting = self._database.read().value(
            "SELECT count(*) FROM outbox WHERE state IN ('ready', 'calling')"
        )
        return not waiting and not self._in_flight

    def _run(self, priority: int) -> None:
        while not self._stopping:
            try:
                worked = self.work_once(priority)
            except Exception as trouble:  # noqa: BLE001  # the threads outlive a full disk
                log.warning("outbox waits", reason=_short(trouble))
                self._interrupted = True
                worked = False
            if not worked:
                with self._wake:
                    if not self._stopping:
                        self._wake.wait(0.2)

    def work_once(self, priority: int = 9) -> bool:
        """Do one errand of at most this priority number; False when none is free.

        Raises:
            Retry: The store cannot be written; ``resume`` sorts out what was interrupted.
        """
        if self._interrupted:
            self.resume()
            self._interrupted = False
        claim = self._claim(priority)
        if claim is None:
            return False
        try:
            self._do(claim)
        finally:
            self._release(claim)
        return True

    def _claim(self, priority: int) -> _Claim | None:
        with self._wake:
            busy = json.dumps(sorted(self._busy_lanes))
            rows = self._database.read().rows(_READY, now=self._now(), priority=priority, busy=busy)
            row = self._choose(rows)
            if row is None:
                return None
            self._in_flight.add(row["id"])
            if row["lane"]:
                self._busy_lanes.add(row["lane"])
        return _Claim(*(row[name] for name in _Claim.__slots__))

    def _choose(self, rows: list[Row]) -> Row | None:
        """The first that is free; several processes take different ones of equal priority."""
        free = [each for each in rows if self._free(each)]
        if self._alone or not free:
            return free[0] if free else None
        first_of = {row["lane"] or row["id"]: row for row in reversed(free)}
        urgent = min(row["priority"] for row in first_of.values())
        return random.choice([each for each in first_of.values() if each["priority"] == urgent])  # noqa: S311  # no secret

    def _free(self, row: Row) -> bool:
        return row["id"] not in self._in_flight and row["lane"] not in self._busy_lanes

    def _release(self, claim: _Claim) -> None:
        with self._wake:
            self._in_flight.discard(claim.id)
            self._busy_lanes.discard(claim.lane)
            self._wake.notify_all()

    def _do(self, claim: _Claim) -> None:
        try:
            if not self._database.write(lambda db: db.run(_BEGIN, id=claim.id, me=self._me)):
                return  # erased, given up or begun elsewhere since it was read
            effect = self._perform(unpack(claim.kind, claim.payload))
            self._database.write(lambda db: self._finish(db, claim.id, effect))
        except Retry as wait:
            self._later(claim, wait, wait.after)
        except Uncertain as doubt:
            self._doubt(claim, doubt)
        except (Refused, Invalid) as no:
            self._end(claim, "failed", str(no))
        except Exception as error:  # the one broad net: an errand must not end its thread
            log.exception("errand broke", kind=claim.kind, errand=claim.id)
            if claim.attempts + 1 >= MOST_BREAKS:
                self._end(claim, "failed", _short(error))
            else:
                self._later(claim, error, 5.0)

    def _finish(self, db: Db, errand: int, effect: Effect | None) -> None:
        if effect is not None:
            effect(db)
        if not db.run(_END, id=errand, me=self._me, state="done", reason=None, now=self._now()):
            raise Retry("这件事已由另一个进程接手")

    def _later(self, claim: _Claim, why: Exception, after: float) -> None:
        if self._now() >= claim.useful_until:
            self._end(claim, "dropped", f"已过有效时间:{_short(why)}")
            return
        pause = min(max(after, 0.5 * 2 ** min(claim.attempts, 10)), _LONGEST_PAUSE)
        later = self._now() + int(1000 * pause * random.uniform(0.8, 1.2))  # noqa: S311  # jitter
        self._database.write(
            lambda db: db.run(_LATER, id=claim.id, me=self._me, reason=_short(why), later=later)
        )

    def _doubt(self, claim: _Claim, why: Uncertain) -> None:
        if claim.kind in _NO_REPEAT:
            self._end(claim, "uncertain", _short(why))
        else:
            self._later(claim, why, 1.0)

    def _end(self, claim: _Claim, state: str, reason: str) -> None:
        log.warning("errand ended", kind=claim.kind, errand=claim.id, state=state)
        self._database.write(
            lambda db: db.run(
                _END, id=claim.id, me=self._me, state=state, reason=reason, now=self._now()
            )
        )

    def _now(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def _short(why: Exception) -> str:
    """The reason to keep: our own errors carry no personal data, others only their kind."""
    return str(why) if isinstance(why, QunguanError) else type(why).__name__
