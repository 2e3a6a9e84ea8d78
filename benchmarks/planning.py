"""A day's planning over a million customers and three million holdings, and planning again.

The floor is one ``INSERT … SELECT … UNION ALL … ON CONFLICT DO NOTHING`` over the indexed
conditions that the product plans today (birthdays of the day in both calendars, maturities
in as many days as the campaign has steps), committed into a table of the same columns and
indexes as ``push``. It takes the key from the row that the index found and joins nothing: no
sender, no friendship, no grouping of two maturities into one notice.

``python -m benchmarks.planning FOLDER`` plans once in a process of its own and prints
seconds, new rows and the peak of its memory as JSON; the replay after a SIGKILL kills it.
"""

from __future__ import annotations

import hashlib
import json
import signal
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import (
    FOLDER,
    ROOT,
    SERVER_CORE,
    Figure,
    Scale,
    in_turns,
    peak_memory,
    pin,
    ratio_of,
)
from benchmarks.people import DAY, fill
from bot.permits import permits_of
from bot.planning import plan_steps
from bot.rulebook import Rulebook, load_rulebook
from bot.store import migrations, planning
from bot.store.db import Db, connect
from config.settings import Settings

NOW = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000)
_MEMORY_MOST = 300
_MIDWAY = 0.4
"""The share of a run after which the process is killed."""


def rulebook() -> Rulebook:
    """The rules as they are shipped."""
    settings = Settings(_env_file=None)
    return load_rulebook(settings.qunguan_config_dir, settings.qunguan_templates_dir)


def data(customers: int) -> Path:
    """The folder of a filled store; made once for each schema and kept."""
    schema = sorted((Path(migrations.__file__).parent / "versions").glob("r*.py"))
    made_by = b"".join(file.read_bytes() for file in (*schema, Path(fill.__code__.co_filename)))
    version = hashlib.sha256(made_by).hexdigest()[:8]
    folder = FOLDER / f"people-{customers}-{version}"
    file = folder / "qunguan.db"
    if not (folder / "ready").exists():
        file.unlink(missing_ok=True)
        migrations.upgrade(file)
        fill(file, customers)
        (folder / "ready").touch()
    return folder


def steps_of(db: Db) -> list[planning.PlanStep]:
    """The day's steps by the texts in force."""
    rules = rulebook()
    return plan_steps(rules, DAY, permits_of(db, rules, rules.moment(NOW)))


def plan_day(scale: Scale) -> list[Figure]:
    """Ours against the floor, in turns; then once alone for its memory; then again."""
    folder = data(scale.customers)
    connection = connect(folder / "qunguan.db")
    db = Db(connection)
    steps = steps_of(db)
    _make_floor_table(db)
    again: list[float] = []
    found: dict[str, int] = {}

    def ours(_round: int) -> float:
        _empty(db, "push")
        seconds, found["rows"] = _timed(db, lambda: planning.plan(db, steps, NOW))
        repeated, found["again"] = _timed(db, lambda: planning.plan(db, steps, NOW))
        again.append(repeated / seconds)
        return seconds

    def floor(_round: int) -> float:
        _empty(db, "floor_push")
        statement, values = _floor_statement(steps)
        seconds, found["floor"] = _timed(db, lambda: db.run(statement, **values))
        return seconds

    mine, least = in_turns(scale.rounds, ours, floor)
    _empty(db, "push")
    alone = _alone(folder)
    rows, twice = _killed(folder, db, found["rows"], statistics.median(mine))
    connection.close()
    extra = found["again"] + abs(rows - found["rows"])
    return [
        Figure(
            "plan_day",
            f"{statistics.median(mine) * 1000:.0f} ms",
            f"floor {statistics.median(least) * 1000:.0f} ms",
            ratio_of(mine, least),
            1.5,
            note=f"{found['rows']} pushes of {scale.customers} customers, floor {found['floor']}",
        ),
        Figure(
            "plan_day_memory",
            f"{alone['memory']:.0f} MB",
            f"{_MEMORY_MOST} MB",
            alone["memory"] / _MEMORY_MOST,
            1.0,
        ),
        Figure(
            "plan_replay",
            f"{statistics.median(again) * statistics.median(mine) * 1000:.0f} ms",
            "the first run",
            statistics.median(again[1:]),
            1.0,
        ),
        Figure(
            "plan_replay_rows",
            f"{extra} new, {twice} twice",
            "exact",
            float(extra + twice),
            0,
            note="planned again, and after SIGKILL in the middle",
        ),
    ]


def planned_once(db: Db, steps: list[planning.PlanStep]) -> float:
    """Seconds of planning the day from nothing."""
    emptied(db)
    return _timed(db, lambda: planning.plan(db, steps, NOW))[0]


def emptied(db: Db) -> None:
    """Nothing is planned."""
    _empty(db, "push")


def plan_insert(scale: Scale) -> list[Figure]:
    """Planned pushes into the table with all its indexes, against executemany of its key.

    Ours is the planning statement with as many customers due on one day; the floor inserts
    the same columns, ready made, with ``executemany``, into a table of the same indexes.
    """
    folder = data(scale.customers)
    connection = connect(folder / "qunguan.db")
    db = Db(connection)
    _make_floor_table(db)
    columns = [row["name"] for row in db.rows("SELECT name FROM pragma_table_info('push')")][1:]
    names, marks = ", ".join(f'"{name}"' for name in columns), ", ".join("?" * len(columns))
    count = min(scale.pushes, scale.customers)
    _empty(db, "push")
    db.run("DROP TABLE IF EXISTS temp.due")
    db.run(f"CREATE TEMP TABLE due AS SELECT external_userid FROM customer LIMIT {count}")
    select = (
        "INSERT INTO {table} (key, campaign, version, occasion, cycle, step, external_userid,"
        " purpose, channel, sender, branch, planned_on, due_at, useful_until, changed_at)"
        " SELECT 'birthday:2026:' || external_userid || ':0', 'birthday', '1', 'birthday',"
        " '2026', '0', external_userid, 'greeting', 'mass_single', 'u1', 'b1', '2026-11-24',"
        " 1, 2, 3 FROM due WHERE 1 = 1 ON CONFLICT (key) DO NOTHING"
    )
    db.run(select.format(table="push"))
    rows = [tuple(row) for row in db.rows(f"SELECT {names} FROM push ORDER BY id")]

    def ours(_round: int) -> float:
        _empty(db, "push")
        return _timed(db, lambda: db.run(select.format(table="push")))[0]

    def floor(_round: int) -> float:
        _empty(db, "floor_push")
        insert = f"INSERT INTO floor_push ({names}) VALUES ({marks})"
        return _timed(db, lambda: db.many(insert, rows))[0]

    mine, least = in_turns(min(scale.rounds, 3), ours, floor)
    _empty(db, "push")
    _empty(db, "floor_push")
    connection.close()
    return [
        Figure(
            "plan_insert_100k",
            f"{statistics.median(mine) * 1000:.0f} ms",
            f"executemany {statistics.median(least) * 1000:.0f} ms",
            ratio_of(mine, least),
            1.3,
            note=f"{count} pushes",
        )
    ]


def _timed(db: Db, change: Any) -> tuple[float, int]:
    begun = time.perf_counter()
    db.run("BEGIN IMMEDIATE")
    rows = int(change())
    db.run("COMMIT")
    return time.perf_counter() - begun, rows


def _empty(db: Db, table: str) -> None:
    """Between rounds, and the log back to nothing, so that every round starts alike."""
    db.run("BEGIN IMMEDIATE")
    db.run(f"DELETE FROM {table}")
    db.run("COMMIT")
    db.rows("PRAGMA wal_checkpoint(TRUNCATE)")


def _make_floor_table(db: Db) -> None:
    db.run("DROP TABLE IF EXISTS floor_push")
    made = db.rows(
        "SELECT sql FROM sqlite_master WHERE tbl_name = 'push' AND sql IS NOT NULL"
        " AND type IN ('table', 'index')"
    )
    for (sql,) in made:
        renamed = sql.replace("INDEX push_", "INDEX floor_push_").replace(" push ", " floor_push ")
        db.run(renamed.replace("TABLE push", "TABLE floor_push"))


def _floor_statement(steps: list[planning.PlanStep]) -> tuple[str, dict[str, Any]]:
    parts: list[str] = []
    values: dict[str, Any] = {"on": DAY.isoformat(), "now": NOW}
    for step in steps:
        number = len(parts)
        if step.occasion == "birthday":
            values[f"calendar{number}"] = step.values["calendar"]
            parts.append(
                f"SELECT 'birthday:' || birthday_cycle || ':' || external_userid || ':0',"
                f" 'birthday', '1', 'birthday', birthday_cycle, '0', external_userid, 'greeting',"
                f" 'mass_single', manager, branch, :on, :now, :now, :now, '{{}}' FROM customer"
                f" WHERE next_birthday_on = :on AND birthday_calendar = :calendar{number}"
            )
        elif step.occasion == "maturity":
            values |= {f"day{number}": step.values["matures"], f"step{number}": step.step}
            parts.append(
                f"SELECT 'maturity:' || :day{number} || ':' || external_userid || ':'"
                f" || :step{number}, 'maturity', '1', 'maturity', :day{number}, :step{number},"
                f" external_userid, 'service', 'mass_single', manager, '', :on, :now, :now, :now,"
                f" kind FROM holding WHERE matures_on = :day{number} AND status = 'open'"
            )
    union = " UNION ALL ".join(parts)
    statement = (
        "INSERT INTO floor_push (key, campaign, version, occasion, cycle, step, external_userid,"
        " purpose, channel, sender, branch, planned_on, due_at, useful_until, changed_at, subject)"
        f" SELECT * FROM ({union}) WHERE 1 = 1 ON CONFLICT (key) DO NOTHING"
    )
    return statement, values


# -- in a process of its own


def _alone(folder: Path) -> dict[str, float]:
    answer = subprocess.run(_command(folder), check=True, capture_output=True, text=True, cwd=ROOT)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def _command(folder: Path) -> list[str]:
    return [sys.executable, "-m", "benchmarks.planning", str(folder)]


def _killed(folder: Path, db: Db, wanted: int, seconds: float) -> tuple[int, int]:
    """SIGKILL in the middle of planning, then plan again: the rows, and those that are double."""
    _empty(db, "push")
    process = subprocess.Popen(_command(folder), stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(seconds * _MIDWAY)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = db.value("SELECT count(*) FROM push")
    if before not in {0, wanted}:
        raise RuntimeError(f"a killed run left {before} of {wanted} pushes")
    _alone(folder)
    rows = db.value("SELECT count(*) FROM push")
    keys = db.value("SELECT count(DISTINCT occasion || cycle || step || external_userid) FROM push")
    _empty(db, "push")
    return int(rows), int(rows - keys)


def main(folder: Path) -> None:
    connection = connect(folder / "qunguan.db")
    db = Db(connection)
    steps = steps_of(db)
    print("planning", flush=True)
    seconds, rows = _timed(db, lambda: planning.plan(db, steps, NOW))
    print(json.dumps({"seconds": seconds, "rows": rows, "memory": peak_memory()}))
    connection.close()


if __name__ == "__main__":
    pin(0, SERVER_CORE)
    main(Path(sys.argv[1]))
