"""The made-up bank that planning is measured on; the same seed gives the same bank.

Owners 2,000; birthdays uniform over 1945 to 2005, 30 % of them lunar; balances lognormal
(9.9, 1.3) yuan; 3 % refused; last contact spread over ten months; three holdings a customer
with maturities uniform over 1,300 days around the day, 10,000 to 500,000 yuan.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

from bot.clock import SHANGHAI
from bot.store.db import connect
from scheduler.lunar import next_birthday

DAY = date(2026, 11, 24)
SEED = 20261124
_OWNERS = 2_000
_NOW = int(datetime.combine(DAY, datetime.min.time(), SHANGHAI).timestamp() * 1000)
_TEN_MONTHS = 304 * 86_400_000

_CUSTOMER = """
INSERT INTO customer (external_userid, name, core_id, birthday_calendar, birthday_month,
  birthday_day, birthday_year, birthday_from, next_birthday_on, birthday_cycle, assets, layer,
  manager, first_friend, branch, friend, refused, marketing_ok, notice_ok, created_at,
  spoke_at)
VALUES (?, ?, ?, ?, ?, ?, ?, 'import', ?, ?, ?, 'middle', ?, ?, ?, 1, ?, 1, 1, ?, ?)
"""
_FOLLOW = "INSERT INTO follow (userid, external_userid, since_at) VALUES (?, ?, ?)"
_HOLDING = """
INSERT INTO holding (account_ref, external_userid, core_id, product, kind, amount, opened_on,
  matures_on, manager) VALUES (?, ?, ?, '定期存款', 'time_deposit', ?, '2024-01-01', ?, ?)
"""


def fill(file: Path, customers: int) -> None:
    """Load the bank; indexes and triggers are made at the end, as a bulk load does."""
    with closing(connect(file)) as connection:
        for pragma in ("synchronous = OFF", "journal_mode = DELETE", "cache_size = -200000"):
            connection.execute(f"PRAGMA {pragma}")
        made = connection.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE type IN ('index', 'trigger')"
            " AND sql IS NOT NULL AND tbl_name IN ('customer', 'holding', 'follow')"
        ).fetchall()
        connection.execute("BEGIN")
        # Triggers note whom a change touches; a bank that was loaded long ago has no such notes.
        for kind, name, _ in made:
            connection.execute(f"DROP {kind} {name}")
        connection.executemany(_CUSTOMER, _customers(customers))
        connection.executemany(_FOLLOW, _follows(customers))
        connection.executemany(_HOLDING, _holdings(customers))
        for *_, sql in made:
            connection.execute(sql)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")


def _customers(count: int) -> Iterator[tuple[Any, ...]]:
    draw = random.Random(SEED)
    whole, uniform = draw.randrange, draw.random
    first = date(1945, 1, 1)
    span = (date(2006, 1, 1) - first).days
    for number in range(count):
        born = first + timedelta(days=whole(span))
        calendar: Literal["solar", "lunar"] = "lunar" if uniform() < 0.3 else "solar"
        day, cycle = _next(calendar, born.month, min(born.day, 29 if calendar == "lunar" else 31))
        yield (
            _who(number),
            f"客户{number}",
            f"K{number:08d}",
            calendar,
            born.month,
            born.day,
            born.year,
            day,
            cycle,
            int(draw.lognormvariate(9.9, 1.3)),
            _owner(number),
            _owner(number),
            f"支行{number % _OWNERS % 40}",
            int(uniform() < 0.03),
            _NOW - whole(_TEN_MONTHS),
            _NOW - whole(_TEN_MONTHS),
        )


def _follows(count: int) -> Iterator[tuple[str, str, int]]:
    draw = random.Random(SEED + 1)
    return (
        (_owner(number), _who(number), _NOW - draw.randrange(_TEN_MONTHS))
        for number in range(count)
    )


def _holdings(customers: int) -> Iterator[tuple[Any, ...]]:
    whole = random.Random(SEED + 2).randrange
    days = [(DAY + timedelta(days=ahead)).isoformat() for ahead in range(-650, 650)]
    for number in range(3 * customers):
        who = whole(customers)
        amount = whole(10_000, 500_001)
        yield (
            f"A{number:09d}",
            _who(who),
            f"K{who:08d}",
            amount,
            days[whole(1_300)],
            _owner(who),
        )


def _who(number: int) -> str:
    # WeCom's ids are 32 characters and in no order.
    return f"wm{number * 2_654_435_761 % 4_294_967_296:010d}{number:020d}"


def _owner(number: int) -> str:
    return f"u{number % _OWNERS:04d}"


@cache
def _next(calendar: Literal["solar", "lunar"], month: int, day: int) -> tuple[str, str]:
    on, cycle = next_birthday(calendar, month, day, False, DAY)  # noqa: FBT003  # no leap month
    return on.isoformat(), cycle
