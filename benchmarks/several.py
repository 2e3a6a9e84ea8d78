"""The scaled profile: callbacks into PostgreSQL or Redis, and one scheduler out of three."""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta

from benchmarks.figures import (
    GENERATOR_CORE,
    SERVER_CORE,
    Figure,
    Scale,
    in_turns,
    pin,
    ratio_of,
)
from benchmarks.generator import Job as Posts
from benchmarks.generator import load
from benchmarks.servers import Server, fresh_folder, serving
from bot.clock import SystemClock
from bot.store import migrations
from bot.store.db import Database
from bot.store.rings import LEASE_MS
from scheduler.ring import Job, Ringer
from tests.servers import PostgresServer, RedisServer

_POLL = 0.01


@contextmanager
def _stores(name: str, *, redis: bool) -> Iterator[dict[str, str]]:
    """PostgreSQL, and Redis if wanted, durable on a real disk, on the servers' core."""
    with ExitStack() as running:
        pin(0, SERVER_CORE)
        server = PostgresServer(folder=fresh_folder(f"{name}-postgres"))
        server.create()
        server.start(durable=True)
        running.callback(server.remove)
        settings = {"DATABASE_URL": server.url(server.new_database())}
        if redis:
            queue = RedisServer(folder=fresh_folder(f"{name}-redis"))
            queue.start()
            running.callback(queue.remove)
            settings["REDIS_URL"] = queue.url
        pin(0, GENERATOR_CORE)
        yield settings


def _inbound(name: str, scale: Scale, target: float, *, redis: bool) -> list[Figure]:
    with (
        _stores(name, redis=redis) as settings,
        serving("floor", "floor") as floor,
        serving("door", name, **settings) as door,
    ):

        def rate(server: Server, count: int, seed: int) -> float:
            answered = load(Posts(server.port, count, seed))
            if len(answered.acked) != count:
                raise RuntimeError(f"not every callback was taken: {answered.statuses}")
            return answered.rate

        ours, least = in_turns(
            scale.rounds,
            lambda n: rate(door, scale.callbacks, 1000 + n),
            lambda n: rate(floor, 2 * scale.callbacks, 3000 + n),
        )
    figure = Figure(
        name,
        f"{statistics.median(ours):.0f}/s",
        f"no-op {statistics.median(least):.0f}/s",
        ratio_of(ours, least),
        target,
        least=True,
        note="durable; worker, outbox and scheduler rest",
    )
    return [figure]


def inbound_redis(scale: Scale) -> list[Figure]:
    """Acknowledged callbacks a second with Redis, ``appendfsync always``."""
    return _inbound("inbound_redis", scale, 0.33, redis=True)


def inbound_pg(scale: Scale) -> list[Figure]:
    """The same with PostgreSQL alone, ``synchronous_commit = on``."""
    return _inbound("inbound_pg", scale, 0.30, redis=False)


def scheduler_single(scale: Scale) -> list[Figure]:
    """Three schedulers and a job a second: how often each tick runs, and who takes over when."""
    seconds = 20 if scale.rounds > 1 else 3
    with _stores("scheduler", redis=True) as settings, ExitStack() as closing:
        migrations.upgrade(settings["DATABASE_URL"])
        rung: list[tuple[int, datetime, float]] = []
        ringers = [_ringer(settings, number, rung, closing) for number in range(3)]
        for each in ringers:
            each.start(0.3)
        _until(lambda: len({due for _, due, _ in rung}) >= seconds)
        times = Counter(due for _, due, _ in rung)
        holder = rung[-1][0]
        # As SIGKILL: it stops without giving its lease up.
        ringers[holder].halt()
        died, before = time.monotonic(), len(rung)
        _until(lambda: len(rung) > before and rung[-1][0] != holder)
        gap = rung[-1][2] - died
        for number, each in enumerate(ringers):
            if number != holder:
                each.stop()
    per_tick = sum(times.values()) / len(times)
    limit = LEASE_MS / 1000 + 1
    return [
        Figure("scheduler_single", f"{per_tick:.2f} a tick", "exact", per_tick, 1.0),
        Figure("scheduler_takeover", f"{gap:.1f} s", f"{limit:.0f} s", gap / limit, 1.0),
    ]


def _ringer(
    settings: dict[str, str],
    number: int,
    rung: list[tuple[int, datetime, float]],
    closing: ExitStack,
) -> Ringer:
    from bot.shared import Shared, SharedLease  # noqa: PLC0415  # where there is a client

    database = Database(settings["DATABASE_URL"])
    closing.callback(database.close)
    lease = SharedLease(Shared(settings["REDIS_URL"], "wwBench"), database)

    def run(_fence: object, due: datetime) -> None:
        rung.append((number, due, time.monotonic()))

    job = Job("tick", run, every=timedelta(seconds=1))
    return Ringer(database, SystemClock(), [job], lease=lease)


def _until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    end = time.monotonic() + 120
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError("it did not happen within two minutes")
        pause.wait(_POLL)
