"""Starting and resting: how long until the first 200, and how much memory an idle bot keeps."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from benchmarks.figures import Figure, Scale, in_turns, milliseconds, ratio_of
from benchmarks.planning import data
from benchmarks.servers import Server, fresh_folder, get, serving, start, wait
from bot.store import migrations

_MEMORY_MOST = 150
_OFFLINE = {"WECOM_CORP_ID": ""}
"""A bot that has not been given a corp yet asks WeCom for nothing."""


def started(scale: Scale) -> list[Figure]:
    """Process start to the first 200, on an empty store and on a full one.

    The peer imports FastAPI and uvicorn and answers once. Stores are migrated before.
    """
    empty, peer, full = fresh_folder("empty"), fresh_folder("fastapi"), data(scale.customers)
    migrations.upgrade(empty / "qunguan.db")
    spent: list[float] = []
    base: list[float] = []
    ours, filled, least = in_turns(
        max(scale.rounds, 1),
        lambda _: _seconds("run", empty, spent),
        lambda _: _seconds("run", full, []),
        lambda _: _seconds("fastapi", peer, base),
    )
    cost, basis = statistics.median(spent[1:]), statistics.median(base[1:])
    note = f"processor {cost:.2f} s against {basis:.2f} s, {cost / basis:.2f}"
    against = f"FastAPI {milliseconds(statistics.median(least))}"
    mine, much = (milliseconds(statistics.median(each)) for each in (ours, filled))
    full_note = f"with {scale.customers} customers"
    return [
        Figure("start_embedded", mine, against, ratio_of(ours, least), 2.5, note=note),
        Figure("start_embedded_full", much, against, ratio_of(filled, least), 2.5, note=full_note),
    ]


def _seconds(kind: str, folder: Path, spent: list[float]) -> float:
    begun = time.perf_counter()
    server = start(kind, folder, **_OFFLINE)
    try:
        wait(server, pause=0.002)
        seconds = time.perf_counter() - begun
        spent.append(server.cpu())
        return seconds
    finally:
        server.stop()


def resting(scale: Scale) -> list[Figure]:
    """Resident memory of the whole install at rest, before and after a page was asked for."""
    with (
        serving("fastapi", "fastapi", **_OFFLINE) as peer,
        serving("run", "idle", **_OFFLINE) as bot,
    ):
        time.sleep(scale.settle)
        before, least = bot.memory(), peer.memory()
        page = _open_site(bot)
        time.sleep(scale.settle)
        after = bot.memory()
    against = f"FastAPI {least:.0f} MB"
    return [
        Figure("idle_rss", f"{before:.0f} MB", against, before / least, 3.0),
        Figure(
            "idle_rss_site",
            f"{after:.0f} MB",
            f"{_MEMORY_MOST} MB",
            after / _MEMORY_MOST,
            1.0,
            note=f"after the site was loaded (it answered {page}); {after / least:.2f} of FastAPI",
        ),
    ]


def _open_site(server: Server) -> int:
    """Ask for pages, as the first visitor does; the last status."""
    return [get(server.port, path) for path in ("/login", "/docs", "/")][-1]
