"""The store is put back to a backup of hours ago; what WeCom has since then is the oracle."""

from __future__ import annotations

import random
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from shop import FILE, FIRST_DAY, Reaper, Shop, morning, platform_at
from test_mass_points import live_a_day, meet_some, new_shop

from bot.clock import FixedClock
from bot.rulebook import Rulebook

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
LIVES = 10


@pytest.mark.parametrize("seed", range(LIVES))
def test_I2_I3_a_store_of_six_hours_ago_sends_nothing_twice_and_forgets_nobody(
    tmp_path: Path, rules: Rulebook, seed: int
) -> None:
    chance = random.Random(seed)
    clock = FixedClock(morning(FIRST_DAY))
    shop = new_shop(tmp_path / "bot", platform_at(clock), clock, rules, Reaper())
    meet_some(shop, chance)
    shop.branch.compared()
    if seed % 2:  # The backup knows some of the day's tasks.
        shop.plan(FIRST_DAY)
        shop.tick()
    backup = back_up(shop, tmp_path / "backup")
    for _ in range(seed % 5):
        shop.plan(FIRST_DAY)
        shop.tick()
        shop.tap(chance, 0.4)
        clock.move(timedelta(minutes=90))
    restore(shop, backup)
    live_a_day(shop, random.Random(f"after {seed}"))
    shop.check()
    assert set(shop.got().values()) == {1}
    shop.close()


def back_up(shop: Shop, to: Path) -> Path:
    """A copy as SQLite's own backup makes it, also while the bot runs."""
    to.mkdir()
    live, copy = sqlite3.connect(shop.folder / FILE), sqlite3.connect(to / FILE)
    with closing(live), closing(copy):
        live.backup(copy)
    return to


def restore(shop: Shop, backup: Path) -> None:
    shop.close()
    shutil.rmtree(shop.folder)
    shutil.copytree(backup, shop.folder)
    shop.open()
