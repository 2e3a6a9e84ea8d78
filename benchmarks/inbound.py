"""The door under load: capacity, latency, and what a SIGKILL leaves."""

from __future__ import annotations

import sqlite3
import statistics
import threading
from contextlib import closing
from pathlib import Path

from benchmarks import callbacks
from benchmarks.figures import Figure, Scale, in_turns, milliseconds, percentile, ratio_of
from benchmarks.generator import Job, Load, collect, load, post
from benchmarks.servers import Server, fresh_folder, serving, start, wait
from benchmarks.stub import serving_stub
from bot.wire import content_key


def _post(server: Server, count: int, seed: int) -> Load:
    answered = load(Job(server.port, count, seed))
    if len(answered.acked) != count:
        raise RuntimeError(f"not every callback was taken: {answered.statuses}")
    return answered


def embedded(scale: Scale) -> list[Figure]:
    """Acknowledged, durable callbacks a second, against a no-op on the same uvicorn.

    Worker, outbox and scheduler rest in the figure that gates; a second one has everything
    running. Processor time a callback stands beside it: it does not see the disk, and a busy
    machine does not disturb it.
    """
    with (
        serving("floor", "floor") as floor,
        serving("door", "door") as door,
        serving_stub() as stub,
        serving("run", "run", WECOM_BASE_URL=stub.url) as run,
    ):
        spent: dict[int, list[float]] = {}

        def rate(server: Server, count: int, seed: int) -> float:
            before = server.cpu()
            answered = _post(server, count, seed)
            cost = (server.cpu() - before) / count
            spent.setdefault(server.port, []).append(cost)
            return answered.rate

        count = scale.callbacks
        ours, working, least = in_turns(
            scale.rounds,
            lambda n: rate(door, count, 1000 + n),
            lambda n: rate(run, count // 4, 2000 + n),
            lambda n: rate(floor, 2 * count, 3000 + n),
        )
        stored = _count(door.folder)
    if stored != (scale.rounds + 1) * count:
        raise RuntimeError(f"{stored} callbacks stored, {(scale.rounds + 1) * count} acknowledged")
    cost, base = (statistics.median(spent[each.port][1:]) * 1e6 for each in (door, floor))
    return [
        Figure(
            "inbound_embedded",
            f"{statistics.median(ours):.0f}/s",
            f"no-op {statistics.median(least):.0f}/s",
            ratio_of(ours, least),
            0.35,
            least=True,
            note=f"processor {cost:.0f} µs against {base:.0f} µs a callback",
        ),
        Figure(
            "inbound_embedded_all",
            f"{statistics.median(working):.0f}/s",
            "the same no-op",
            ratio_of(working, least),
            note="worker, outbox and scheduler running",
        ),
    ]


def _count(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "qunguan.db")) as store:
        found: int = store.execute("SELECT count(*) FROM inbox").fetchone()[0]
        return found


def latency(scale: Scale) -> list[Figure]:
    """Open loop at half of our own capacity, counted from the moment that was planned."""
    with serving("floor", "floor") as floor, serving("door", "door") as door:
        _post(door, scale.callbacks, 1)
        capacity = statistics.median(
            _post(door, scale.callbacks, seed).rate for seed in range(2, 2 + scale.rounds)
        )
        offered = capacity / 2
        count = max(50, int(offered * scale.seconds / 5)) if scale.rounds > 1 else 50

        def slow(server: Server, seed: int) -> list[float]:
            answered = load(Job(server.port, count, seed, rate=offered))
            return [percentile(answered.latencies, share) for share in (0.5, 0.99, 1.0)]

        turns = [(slow(door, 100 + n), slow(floor, 200 + n)) for n in range(scale.rounds)]
    p50, p99, worst = (statistics.median(ours[at] for ours, _ in turns) for at in range(3))
    theirs = statistics.median(floor[1] for _, floor in turns)
    note = f"at {offered:.0f}/s; longest {milliseconds(worst)}"
    return [
        Figure("inbound_latency_p50", milliseconds(p50), "2.5 ms", p50 / 0.0025, 1.0, note=note),
        Figure(
            "inbound_latency_p99",
            milliseconds(p99),
            f"no-op {milliseconds(theirs)}",
            p99 / (theirs + 0.015),
            1.0,
            note="against the no-op's p99 and 15 ms",
        ),
    ]


def killed(scale: Scale) -> list[Figure]:
    """SIGKILL in the middle of the load: acknowledged but not stored, and stored twice.

    The whole bot runs. Everything that was posted is posted again to the next process, as
    WeCom repeats it: encrypted anew.
    """
    folder = fresh_folder("killed")
    acked = lost = doubled = 0
    with serving_stub() as stub:
        for number in range(scale.kills):
            seed, count = 5000 + 2 * number, max(1_000, scale.callbacks // 2)
            keys = [_key(each.content) for each in callbacks.make(count, seed)]
            server = start("run", folder, WECOM_BASE_URL=stub.url)
            wait(server)
            generator = post(Job(server.port, count, seed))
            _kill_when(server, already=_count(folder), more=count // 4)
            answered = collect(generator)
            if not answered.broken:
                raise RuntimeError("the load was over before the kill")
            acked += len(answered.acked)
            lost += len({keys[index] for index in answered.acked} - _keys(folder))
            server = start("run", folder, WECOM_BASE_URL=stub.url)
            try:
                wait(server)
                load(Job(server.port, count, seed, repeat=True))
            finally:
                server.stop()
            kept = _keys(folder)
            lost += len(set(keys) - kept)
            doubled += _count(folder) - len(kept)
        doubled += _count(folder) - scale.kills * count
    return [
        Figure(
            "inbound_kill",
            f"{lost} lost, {doubled} doubled",
            "exact",
            float(lost + doubled),
            0,
            note=f"{scale.kills} kills, {acked} acknowledged before them",
        )
    ]


def _kill_when(server: Server, *, already: int, more: int) -> None:
    """As soon as so many callbacks more are stored."""
    pause = threading.Event()
    while _count(server.folder) < already + more:
        pause.wait(0.005)
    server.kill()


def _key(content: bytes) -> str:
    return content_key(callbacks.SOURCE, content)


def _keys(folder: Path) -> set[str]:
    """The keys that are stored, without the moment that the door puts before them."""
    with closing(sqlite3.connect(folder / "qunguan.db")) as store:
        rows = store.execute("SELECT CAST(key AS TEXT) FROM inbox").fetchall()
    return {row[0][row[0].index(callbacks.SOURCE) :] for row in rows}
