"""Import of customers and three times as many holdings, against a raw load of the same rows.

``python benchmarks/import_rows.py [CUSTOMERS]``; the floor reads the same CSV files with the
csv module and inserts their cells into the same tables, unchecked, in one transaction.
Memory is the peak of the process, printed for a tenth of the rows and for all of them.
"""

from __future__ import annotations

import csv
import random
import resource
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from bot.clock import FixedClock
from bot.store.db import Database, connect
from bot.store.imports import Derivation, import_file
from bot.store.migrations import upgrade
from bot.vault import Vault
from scheduler.lunar import next_birthday

ROUNDS = 3
DERIVATION = Derivation(next_birthday, lambda assets: "middle" if assets else "unknown")
KINDS = ("customers", "holdings")
TABLES = {"customers": "customer", "holdings": "holding"}


def write_files(folder: Path, customers: int) -> None:
    chance = random.Random(20261124)
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
            day = date(2025, 3, 1) + timedelta(days=number % 1300)
            who, amount = number % customers, 10_000 + number % 490_000
            file.write(f"A{number:09d},K{who:08d},time_deposit,{amount},{day},open\n")


def floor(folder: Path) -> float:
    upgrade(folder / "floor.db")
    connection = connect(folder / "floor.db")
    started = time.perf_counter()
    for kind in KINDS:
        with (folder / f"{kind}.csv").open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            names = [name.replace("birthday", "birthday_from", 1) for name in next(rows)]
            names = ["birthday_calendar" if "calendar" in name else name for name in names]
            more, value = (", created_at", ", 1") if kind == "customers" else ("", "")
            marks = ", ".join("?" for _ in names)
            connection.execute("BEGIN")
            connection.executemany(
                f"INSERT INTO {TABLES[kind]} ({', '.join(names)}{more}) VALUES ({marks}{value})",
                rows,
            )
            connection.execute("COMMIT")
    spent = time.perf_counter() - started
    connection.close()
    (folder / "floor.db").unlink()
    return spent


def ours(folder: Path) -> float:
    upgrade(folder / "bot.db")
    database = Database(folder / "bot.db")
    clock = FixedClock(datetime(2026, 11, 24, 2, tzinfo=UTC))
    started = time.perf_counter()
    for kind in KINDS:
        import_file(
            database,
            Vault("a made up secret"),
            clock,
            folder / f"{kind}.csv",
            kind,
            as_of=date(2026, 11, 20),
            actor="bench",
            dry_run=False,
            derivation=DERIVATION,
        )
    spent = time.perf_counter() - started
    database.close()
    (folder / "bot.db").unlink()
    return spent


def measure(customers: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_files(folder, customers)
        rounds = sorted((ours(folder), floor(folder)) for _ in range(ROUNDS))
    mine, raw = rounds[ROUNDS // 2]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{customers} customers, {3 * customers} holdings: {mine:.1f} s, raw load {raw:.1f} s,"
        f" ratio {mine / raw:.1f}, peak {peak} MB"
    )


if __name__ == "__main__":
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    measure(most // 10)
    measure(most)
