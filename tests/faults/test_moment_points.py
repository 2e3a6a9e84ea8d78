"""Death at named points of a moment; what the platform showed to customers is the oracle.

What a killed process loses is lost: the outbox and all that stood in memory begin anew.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from backends import SQLITE
from load import Load
from moment_shop import GREETING, MomentShop
from shop import FIRST_DAY, Killed, morning

from bot.clock import FixedClock
from bot.outbox import Outbox
from bot.rulebook import Rulebook
from bot.store.db import Database
from bot.vault import Vault

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
POINTS = ("mark_tag", "add_moment_task", "get_moment_task_result", "cancel_moment_task")
SENDERS = ("lin", "zhou")
FRIENDS = 8


class Reaper:
    """Kills before or after a call, now and then, so many times."""

    def __init__(self, point: str, kills: int, chance: random.Random) -> None:
        self.point, self.kills, self.chance, self.done = point, kills, chance, 0

    def at(self, path: str) -> None:
        if path.endswith(self.point) and self.done < self.kills and self.chance.random() < 0.4:
            self.done += 1
            raise Killed


@pytest.mark.parametrize("point", POINTS)
def test_I2_I3_C3_a_moment_is_seen_once_by_whom_it_may_be_however_often_the_bot_dies(
    tmp_path: Path, rules: Rulebook, load: Load, point: str
) -> None:
    died, seed = 0, 0
    while died < load.deaths:
        seed += 1
        chance = random.Random(f"{point} {seed}")
        reaper = Reaper(point, min(3, load.deaths - died), chance)
        live_through(tmp_path / str(seed), rules, reaper, ("before", "after")[seed % 2])
        died += reaper.done
        assert seed < 20 * load.deaths, "nothing comes by this point any more"


def live_through(folder: Path, rules: Rulebook, reaper: Reaper, moment: str) -> None:
    """A day with deaths, refusals and members who tap."""
    chance = reaper.chance
    folder.mkdir()
    SQLITE.create(folder)
    store, clock = Database(folder / "bot.db"), FixedClock(morning(FIRST_DAY))
    shop = MomentShop(store, Vault("made-up-secret-of-the-tests"), clock, rules)
    setattr(shop.platform, moment, reaper.at)
    people = [f"wm_{number}" for number in range(FRIENDS)]
    for who in people:
        shop.meet(who, sender=chance.choice(SENDERS))
    refused: dict[str, int] = {}
    shop.branch.campaign(GREETING)
    shop.branch.only("autumn")
    shop.branch.plan()
    for _ in range(16):
        live_on(shop)
        clock.move(timedelta(minutes=chance.randint(1, 4)))
        if chance.random() < 0.3:
            who = chance.choice(people)
            shop.branch.refuse(who)
            refused.setdefault(who, len(shop.world.history))
        if chance.random() < 0.3:
            shop.tap(chance.choice(SENDERS))
    for _ in range(12):
        live_on(shop)
        clock.move(timedelta(minutes=3))
        for sender in SENDERS:
            shop.tap(sender)
    check(shop, people, refused)
    store.close()


def live_on(shop: MomentShop) -> None:
    """All that the scheduler rings; after a death the next life."""
    try:
        shop.branch.mass.release()
        shop.branch.mass.expire()
        shop.branch.mass.reconcile()
        shop.branch.work()
        shop.branch.mass.poll()
    except Killed:
        old, branch = shop.branch.mass, shop.branch
        branch.mass = replace(old)  # what it remembers of WeCom is gone
        branch.box = Outbox(branch.store, branch.clock, branch.box._perform)
        branch.box.resume()


def check(shop: MomentShop, people: list[str], refused: dict[str, int]) -> None:
    """Nobody twice (I2), nobody forgotten (I3), nobody after a refusal (C3), and told right."""
    seen = shop.world.delivered(channel="moments")
    times = Counter(one["external_userid"] for one in seen)
    assert {who: n for who, n in times.items() if n > 1} == {}, "I2"
    assert set(people) - set(times) <= set(refused), "I3"
    made = {e["moment_id"]: e["id"] for e in shop.world.history if e["kind"] == "moment_created"}
    late = [
        one["external_userid"]
        for one in seen
        if made[one["mass"]] > refused.get(one["external_userid"], len(shop.world.history))
    ]
    assert late == [], "C3: no task is made for somebody who has refused"
    statuses = shop.branch.statuses()
    assert {who for who, status in statuses.items() if status == "confirmed"} == set(times)
    assert {status for who, status in statuses.items() if who not in times} <= {"dropped"}
