"""Death at five named points of a mass send; what WeCom accepted is the oracle.

Most deaths are simulated in this process: they cost milliseconds, and what they leave is what a
killed process leaves. A share is a SIGKILL of a process of its own, over real HTTP.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from backends import SQLITE
from load import Load
from shop import FIRST_DAY, POINTS, Reaper, Shop, morning, platform_at
from short_wire import Platform

from bot.clock import FixedClock
from bot.rulebook import Rulebook
from bot.sandbox.app import running_sandbox
from bot.sandbox.settings import SandboxSettings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
DAYS = 2
A_DAY = 9


@pytest.mark.parametrize("point", POINTS)
def test_I2_I3_whoever_is_planned_gets_it_once_however_often_the_bot_dies(
    tmp_path: Path, rules: Rulebook, load: Load, point: str
) -> None:
    died, seed = 0, 0
    while died < load.deaths:
        seed += 1
        chance = random.Random(f"{point} {seed}")
        reaper = Reaper(point, min(3, load.deaths - died), chance)
        died += live_through(tmp_path / str(seed), rules, reaper, chance)
    assert died == load.deaths


def live_through(folder: Path, rules: Rulebook, reaper: Reaper, chance: random.Random) -> int:
    """Two days of a branch with deaths, refusals and members who tap; the deaths."""
    clock = FixedClock(morning(FIRST_DAY))
    shop = new_shop(folder, platform_at(clock), clock, rules, reaper)
    for offset in range(DAYS):
        clock.moment = morning(FIRST_DAY + timedelta(days=offset))
        meet_some(shop, chance)
        live_a_day(shop, chance)
    shop.check()
    shop.close()
    return reaper.done


def new_shop(
    folder: Path, platform: Platform, clock: FixedClock, rules: Rulebook, reaper: Reaper
) -> Shop:
    folder.mkdir()
    SQLITE.create(folder)
    shop = Shop(folder, platform, clock, rules, reaper)
    shop.open()
    shop.hire()
    return shop


def meet_some(shop: Shop, chance: random.Random) -> None:
    """People whose day it is; their friendships were just compared."""
    shop.branch.compared()
    day = shop.clock.moment.date()
    for _ in range(A_DAY):
        kind = chance.randrange(3)
        number = len(shop.platform.world.customers)
        shop.meet(number, day, greeted=kind != 1, notified=kind != 0)


def live_a_day(shop: Shop, chance: random.Random) -> None:
    day = shop.clock.moment.date()
    for _ in range(6):
        shop.plan(day)
        shop.tick()
        shop.clock.move(timedelta(minutes=chance.randint(1, 4)))
        if chance.random() < 0.2:
            shop.refuse(chance.choice([who for who, _, on in shop.due if on == day]))
        shop.tap(chance, 0.3)
    for _ in range(7):
        shop.clock.move(timedelta(minutes=3))
        shop.tick()
    shop.tap(chance, 1.0)
    # The farewell: results are read, and what was called back meanwhile goes out.
    for _ in range(9):
        shop.clock.move(timedelta(minutes=3))
        shop.tick()
        shop.tap(chance, 1.0)


# -- real processes


@pytest.mark.parametrize("point", POINTS)
def test_I2_I3_a_process_that_is_really_killed_leaves_nothing_double_and_nobody_behind(
    tmp_path: Path, rules: Rulebook, load: Load, point: str
) -> None:
    clock = FixedClock(morning(FIRST_DAY))
    for kill in range(load.sigkills):
        settings = SandboxSettings(clock=clock, dispatch_seconds=0.0)
        with running_sandbox(settings) as server:
            platform = Platform(settings, server.api)
            chance = random.Random(f"{point} {kill}")
            shop = new_shop(tmp_path / str(kill), platform, clock, rules, Reaper())
            meet_some(shop, chance)
            shop.close()
            assert die(shop.folder, server.base_url, point, kill, clock) == -signal.SIGKILL
            clock.move(timedelta(minutes=3))
            shop.open()
            live_a_day(shop, chance)
            shop.check()
            shop.close()
        clock.moment = morning(FIRST_DAY)


def die(folder: Path, address: str, point: str, kill: int, clock: FixedClock) -> int:
    """Let another process plan and send until it is killed; how it ended."""
    command = [sys.executable, str(Path(__file__).with_name("doomed.py"))]
    arguments = [str(folder), address, point, str(kill), clock.moment.isoformat()]
    folders = (ROOT, *(ROOT / "tests" / each for each in ("", "contract", "e2e", "faults")))
    known = os.environ | {"PYTHONPATH": os.pathsep.join(str(each) for each in folders)}
    done = subprocess.run([*command, *arguments], cwd=ROOT, env=known, timeout=120, check=False)
    return done.returncode
