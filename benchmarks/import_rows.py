"""Import of customers and three times as many holdings, against a raw load of the same rows.

The floor reads the same CSV files with the csv module and inserts their cells into the same
tables with all their indexes, unchecked, in one transaction a table. ``python -m
benchmarks.import_rows FOLDER`` imports the folder's files once in a process of its own and
prints seconds and the peak of its memory as JSON.
"""

from __future__ import annotations

import csv
import json
import random
import shutil
import statistics
import subprocess
import sys
import time
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from benchmarks.figures import (
    ROOT,
    SERVER_CORE,
    Figure,
    Scale,
    in_turns,
    peak_memory,
    pin,
    ratio_of,
)
from benchmarks.people import DAY, SEED
from benchmarks.servers import fresh_folder
from bot.clock import SystemClock
from bot.logs import configure_logging
from bot.store.db import Database, connect
from bot.store.imports import Derivation, import_file
from bot.store.migrations import upgrade
from bot.vault import Vault
from scheduler.lunar import next_birthday

_DERIVATION = Derivation(next_birthday, lambda assets: "middle" if assets else "unknown")
_TABLES = {"customers": "customer", "holdings": "holding"}


def segment_import(scale: Scale) -> list[Figure]:
    """Ours against the floor, in turns; then how much more memory ten times the rows take."""
    pin(0, SERVER_CORE)
    whole, tenth = fresh_folder("import"), fresh_folder("import-tenth")
    _write_files(whole, scale.imported)
    _write_files(tenth, scale.imported // 10)
    peaks: list[float] = []

    def ours(_round: int) -> float:
        found = _alone(whole)
        peaks.append(found["memory"])
        return found["seconds"]

    mine, least = in_turns(min(scale.rounds, 3), ours, lambda _round: _loaded(whole))
    few, many = _alone(tenth)["memory"], statistics.median(peaks)
    for folder in (whole, tenth):
        shutil.rmtree(folder)
    return [
        Figure(
            "segment_import",
            f"{statistics.median(mine):.1f} s",
            f"raw load {statistics.median(least):.1f} s",
            ratio_of(mine, least),
            1.5,
            note=f"{scale.imported} customers, {3 * scale.imported} holdings",
        ),
        Figure(
            "segment_import_memory",
            f"{many:.0f} MB",
            f"a tenth of the rows {few:.0f} MB",
            many / few,
            1.2,
        ),
    ]


def _write_files(folder: Path, customers: int) -> None:
    chance = random.Random(SEED)
    with (folder / "customers.csv").open("w", encoding="utf-8") as file:
        file.write("external_userid,core_id,name,birthday,birthday_calendar,assets,manager\n")
        for number in range(customers):
            born = f"{1945 + number % 60}-{1 + number % 12:02d}-{1 + number % 28:02d}"
            calendar = "lunar" if number % 10 < 3 else "solar"
            assets = int(chance.lognormvariate(9.9, 1.3))
            file.write(
                f"wm_{number:08d},K{number:08d},客户{number},{born},{calendar},{assets},u1\n"
            )
    with (folder / "holdings.csv").open("w", encoding="utf-8") as file:
        file.write("account_ref,core_id,kind,amount,matures_on,status\n")
        for number in range(3 * customers):
            day = DAY - timedelta(days=650) + timedelta(days=number % 1300)
            who, amount = number % customers, 10_000 + number % 490_000
            file.write(f"A{number:09d},K{who:08d},time_deposit,{amount},{day},open\n")


def _loaded(folder: Path) -> float:
    file = folder / "floor.db"
    upgrade(file)
    with closing(connect(file)) as connection:
        begun = time.perf_counter()
        for kind in _TABLES:
            _load(connection, folder, kind)
        seconds = time.perf_counter() - begun
    for left in folder.glob("floor.db*"):
        left.unlink()
    return seconds


def _load(connection: Any, folder: Path, kind: str) -> None:
    with (folder / f"{kind}.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        names = [{"birthday": "birthday_from"}.get(name, name) for name in next(rows)]
        more, value = (", created_at", ", 1") if kind == "customers" else ("", "")
        marks = ", ".join("?" for _ in names)
        connection.execute("BEGIN")
        connection.executemany(
            f"INSERT INTO {_TABLES[kind]} ({', '.join(names)}{more}) VALUES ({marks}{value})", rows
        )
        connection.execute("COMMIT")


def _alone(folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.import_rows", str(folder)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def main(folder: Path) -> None:
    file = folder / "qunguan.db"
    upgrade(file)
    with closing(Database(file)) as database:
        begun = time.perf_counter()
        for kind in _TABLES:
            import_file(
                database,
                Vault("made-up-secret-of-the-benchmark"),
                SystemClock(),
                folder / f"{kind}.csv",
                kind,
                as_of=date(DAY.year, DAY.month, DAY.day),
                actor="bench",
                dry_run=False,
                derivation=_DERIVATION,
            )
        seconds = time.perf_counter() - begun
    for left in folder.glob("qunguan.db*"):
        left.unlink()
    print(json.dumps({"seconds": seconds, "memory": peak_memory()}))


if __name__ == "__main__":
    configure_logging("ERROR")
    pin(0, SERVER_CORE)
    main(Path(sys.argv[1]))
