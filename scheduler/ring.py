"""The scheduler only rings: APScheduler wakes us, rows say what is due, a lease says who acts."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Protocol

import structlog

from bot.clock import SHANGHAI, Clock
from bot.errors import Retry
from bot.store import rings
from bot.store.db import Database
from bot.store.rings import Fence

log = structlog.get_logger()
Run = Callable[[Fence, datetime], object]
_HOUR_MS = 3_600_000
_MOST_MISSED = 31


@dataclass(frozen=True, slots=True)
class Job:
    """Something that is due again and again.

    Attributes:
        every: The period of a frequent job; missed ones are one (coalesced).
        at: The time of day (Asia/Shanghai) of a daily job.
        useful_for: How late a daily ring may still be done; later it is recorded as missed.
        run: Called with the fence and the moment when the ring was due.
    """

    name: str
    run: Run
    every: timedelta | None = None
    at: time | None = None
    useful_for: timedelta = timedelta(hours=12)


class Lease(Protocol):
    """How one scheduler of several is chosen."""

    def take(self, holder: str) -> Fence | None:
        """Take or renew the lease; None while another holder's is running."""
        ...

    def give_up(self, fence: Fence) -> None:
        """Let the next scheduler start at once."""
        ...


class StoreLease:
    """The lease as a row of the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, holder: str) -> Fence | None:
        """Take or renew the lease; None while another holder's is running."""
        return self._database.write(lambda db: rings.take_lease(db, holder))

    def give_up(self, fence: Fence) -> None:
        """Let the next scheduler start at once."""
        self._database.write(lambda db: rings.give_lease_up(db, fence))


class Ringer:
    """Rings jobs while it holds the lease.

    ``look`` is called on every tick, with the lease or without: it looks after this process.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        jobs: list[Job],
        look: Callable[[], object] = lambda: None,
        lease: Lease | None = None,
    ) -> None:
        self._database = database
        self._look = look
        self._lease = lease or StoreLease(database)
        self._clock = clock
        self._jobs = jobs
        self._me = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._fence: Fence | None = None
        self._lock = threading.Lock()
        self._waker: _Waker | None = None

    def start(self, seconds: float = 1.0) -> None:
        """Tick at once and then every so many (real) seconds."""
        self._waker = _Waker(self.tick, seconds)

    def halt(self) -> None:
        """Stop ticking and keep the lease, as a process does that dies."""
        if self._waker is not None:
            self._waker.stop()
            self._waker = None

    def stop(self) -> None:
        """Stop ticking and give the lease up."""
        self.halt()
        fence = self._fence
        if fence is not None:
            self._lease.give_up(fence)

    def tick(self) -> int:
        """Ring what is due; the number of jobs that ran. Safe to call from anywhere."""
        if not self._lock.acquire(blocking=False):
            return 0
        try:
            self._look_around()
            self._fence = self._lease.take(self._me)
            if self._fence is None:
                return 0
            return sum(self._ring(job, self._fence) for job in self._jobs)
        except Retry as trouble:
            log.warning("scheduler waits", reason=str(trouble))
            return 0
        finally:
            self._lock.release()

    def _look_around(self) -> None:
        try:
            self._look()
        except Retry as trouble:
            log.warning("looking around waits", reason=str(trouble))
        except Exception:  # whatever it is, jobs have to be rung
            log.exception("looking around broke")

    def _ring(self, job: Job, fence: Fence) -> int:
        now = self._clock.now()
        rung = 0
        for due in self._due(job, now):
            due_at = _ms(due)
            if not self._on_record(job, fence, due_at):
                continue
            if job.at is not None and now - due > job.useful_for:
                self._finish(job, fence, due_at, "missed", "")
                log.warning("a ring was missed", job=job.name, due=due.isoformat())
                continue
            self._run(job, fence, due)
            rung += 1
        return rung

    def _on_record(self, job: Job, fence: Fence, due_at: int) -> bool:
        return self._database.write(lambda db: rings.ring(db, fence, job.name, due_at))

    def _run(self, job: Job, fence: Fence, due: datetime) -> None:
        try:
            result = job.run(fence, due)
        except Retry as trouble:
            log.debug("a job waits", job=job.name, reason=str(trouble))
            return
        except Exception:  # one job that breaks must not silence the others
            log.exception("a job broke", job=job.name)
            return
        self._finish(job, fence, _ms(due), "done", str(result or ""))

    def _finish(self, job: Job, fence: Fence, due_at: int, state: str, result: str) -> None:
        now = _ms(self._clock.now())
        self._database.write(
            lambda db: rings.finish(db, fence, job.name, due_at, now, state=state, result=result)
        )
        if job.every is not None:
            self._database.write(lambda db: rings.forget(db, job.name, now - _HOUR_MS))

    def _due(self, job: Job, now: datetime) -> list[datetime]:
        if job.every is not None:
            period = job.every / timedelta(milliseconds=1)
            return [datetime.fromtimestamp(_ms(now) // period * period / 1000, SHANGHAI)]
        assert job.at is not None
        return daily_dues(job.at, self._last(job), now)

    def _last(self, job: Job) -> datetime | None:
        last = rings.last(self._database.read(), job.name)
        return datetime.fromtimestamp(last / 1000, SHANGHAI) if last else None


def daily_dues(at: time, last: datetime | None, now: datetime) -> list[datetime]:
    """The rings of a daily job up to now, oldest first: from its last one, else today's.

    The last one itself is in the list, since it may not have been finished.
    """
    local = now.astimezone(SHANGHAI)
    newest = datetime.combine(local.date(), at, SHANGHAI)
    if newest > local:
        newest -= timedelta(days=1)
    if last is None:
        return [newest] if newest.date() == local.date() else []
    first = max(last, newest - timedelta(days=_MOST_MISSED))
    days = (newest.date() - first.date()).days
    return [newest - timedelta(days=back) for back in range(days, -1, -1)]


class _Waker:
    """APScheduler, kept for the one thing that it does well: calling us on time."""

    def __init__(self, tick: Callable[[], object], seconds: float) -> None:
        from apscheduler.schedulers.background import (  # noqa: PLC0415  # not needed to start
            BackgroundScheduler,
        )

        self._scheduler = BackgroundScheduler(timezone=SHANGHAI)
        self._scheduler.add_job(
            tick,
            "interval",
            seconds=seconds,
            next_run_time=datetime.now(SHANGHAI),
            max_instances=1,
            coalesce=True,
        )
        self._scheduler.start()

    def stop(self) -> None:
        self._scheduler.shutdown(wait=True)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
