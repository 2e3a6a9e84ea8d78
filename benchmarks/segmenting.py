"""Ten thousand changed customers of a million derived again, against one set-based UPDATE.

Ours derives segments, layers, states, contact classes and the day of the next look, and keeps
who moved where. The floor writes a layer by the assets, for the same customers.
"""

from __future__ import annotations

import json
import random
import shutil
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.figures import SERVER_CORE, Figure, Scale, in_turns, pin, ratio_of
from benchmarks.people import DAY, SEED
from benchmarks.planning import NOW, data, rulebook
from benchmarks.servers import fresh_folder
from bot.store import standing
from bot.store.db import Db, connect

_CHANGE = (
    "UPDATE customer SET assets = CASE WHEN assets < :line THEN assets + :line"
    " ELSE assets - :line END WHERE external_userid IN (SELECT value FROM json_each(:ids))"
)
_FLOOR = (
    "UPDATE customer SET layer = CASE WHEN assets < :line THEN 'below' ELSE 'above' END"
    " WHERE external_userid IN (SELECT value FROM json_each(:ids))"
)
_LINE = 50_000


def segment_10k(scale: Scale) -> list[Figure]:
    """Ours against the floor in a bank of a million, and ours in one of a tenth."""
    pin(0, SERVER_CORE)
    count = scale.customers // 100
    (mine, least), (few, _) = (
        _measured(scale.rounds, customers, count)
        for customers in (scale.customers, scale.customers // 10)
    )
    return [
        Figure(
            "segment_10k",
            f"{statistics.median(mine) * 1000:.0f} ms",
            f"UPDATE {statistics.median(least) * 1000:.0f} ms",
            ratio_of(mine, least),
            1.5,
            note=f"{count} changed of {scale.customers} customers",
        ),
        Figure(
            "segment_10k_others",
            f"{statistics.median(mine) * 1000:.0f} ms",
            f"of a tenth as many {statistics.median(few) * 1000:.0f} ms",
            statistics.median(mine) / statistics.median(few),
            1.5,
        ),
    ]


def _measured(rounds: int, customers: int, count: int) -> list[list[float]]:
    folder = fresh_folder("segments")
    file = Path(shutil.copy(data(customers) / "qunguan.db", folder / "qunguan.db"))
    rules = rulebook()
    with closing(connect(file)) as connection:
        db = Db(connection)
        every = [row[0] for row in db.rows("SELECT external_userid FROM customer ORDER BY 1")]
        some = random.Random(SEED).sample(every, count)
        ids = json.dumps(some)

        def ours(_round: int) -> float:
            db.run(_CHANGE, ids=ids, line=_LINE)
            return _timed(db, lambda: standing.refresh_all(db, rules, DAY, NOW, some))

        def floor(_round: int) -> float:
            db.run(_CHANGE, ids=ids, line=_LINE)
            return _timed(db, lambda: db.run(_FLOOR, ids=ids, line=_LINE))

        found = in_turns(rounds, ours, floor)
    shutil.rmtree(folder)
    return found


def _timed(db: Db, change: Callable[[], object]) -> float:
    begun = time.perf_counter()
    db.run("BEGIN IMMEDIATE")
    change()
    db.run("COMMIT")
    return time.perf_counter() - begun
