"""Refusals at every moment of a batch, storms of limits, clocks that jump, hosts elsewhere."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from load import Load
from shop import FIRST_DAY, Reaper, Shop, morning, platform_at
from short_wire import ADD, GETTOKEN
from test_mass_points import live_a_day, meet_some, new_shop

from bot.clock import FixedClock
from bot.rulebook import Rulebook

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
A_BATCH = 20
Got = set[tuple[str, str, date]]


@pytest.fixture
def begin(tmp_path: Path, rules: Rulebook) -> Callable[[str], Shop]:
    """A branch at nine in the morning, in a folder of its own."""

    def begin(name: str = "shop") -> Shop:
        clock = FixedClock(morning(FIRST_DAY))
        return new_shop(tmp_path / name, platform_at(clock), clock, rules, Reaper())

    return begin


# -- refusals


class Refusals:
    """Somebody of a batch refuses in the middle of whatever the bot is doing."""

    def __init__(self, shop: Shop, chance: random.Random) -> None:
        self.shop, self.chance = shop, chance
        self.left = [who for who, _, _ in sorted(shop.due)]
        self.at: dict[str, int] = {}
        self.in_flight: set[str] = set()
        # Between the gate's last look and the call: what went then is called back.
        out = (ADD, GETTOKEN)
        shop.platform.before = lambda path: self.moment(in_flight=path in out)
        shop.platform.after = lambda path: self.moment(in_flight=path == GETTOKEN)
        perform = shop.branch.box._perform

        def performed(errand: object) -> object:
            self.moment()
            effect = perform(errand)  # type: ignore[arg-type]  # handed through
            self.moment()
            return effect

        shop.branch.box._perform = performed  # type: ignore[assignment]  # as above

    def moment(self, *, in_flight: bool = False) -> None:
        if self.left and self.chance.random() < 0.35:
            who = self.left.pop(self.chance.randrange(len(self.left)))
            if in_flight:
                self.in_flight.add(who)
            self.at[who] = len(self.shop.platform.world.history)
            self.shop.refuse(who)

    def check(self) -> None:
        """Nothing was handed over after the commit, and nothing that was reached anybody."""
        for entry in self.shop.platform.world.history:
            if entry["kind"] == "mass_created":
                late = {
                    who for ids in entry["plan"].values() for who in ids if self._late(who, entry)
                }
                assert late <= self.in_flight, "handed over after the refusal was committed"
            if entry["kind"] == "delivered":
                assert not self._late(entry["external_userid"], entry), "sent after the refusal"

    def _late(self, who: str, entry: dict[str, int]) -> bool:
        return entry["id"] > self.at.get(who, entry["id"])


def test_P5_whenever_somebody_refuses_in_a_batch_nothing_is_sent_to_them_any_more(
    begin: Callable[[str], Shop], load: Load
) -> None:
    refused = batch = 0
    while refused < load.refusals:
        batch += 1
        chance = random.Random(batch)
        shop = begin(str(batch))
        for number in range(A_BATCH):
            shop.meet(number, FIRST_DAY, greeted=True, notified=False)
        shop.branch.compared()
        refusals = Refusals(shop, chance)
        shop.plan(FIRST_DAY)
        refusals.moment()
        for _ in range(5):
            shop.tick()
            refusals.moment()
            shop.tick()
            shop.branch.work()  # who refused while results were read is seen to beside that
            shop.tap(chance, 0.2)
            shop.clock.move(timedelta(minutes=3))
        shop.tap(chance, 1.0)
        refusals.check()
        refused += len(refusals.at)
        shop.close()


# -- limits


@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize(
    "fault",
    [("errcode", 45009, None), ("status", 429, None), ("status", 429, 20)],
    ids=["45009", "429", "429 with Retry-After"],
)
def test_ten_minutes_of_limits_cost_nobody_their_message(
    begin: Callable[[str], Shop], share: float, fault: tuple[str, int, int | None]
) -> None:
    action, value, rest = fault
    shop, chance = begin("shop"), random.Random(7)
    meet_some(shop, chance)
    shop.platform.faults.add(
        "/cgi-bin/externalcontact/*", action, value, probability=share, retry_after=rest
    )
    shop.plan(FIRST_DAY)
    for _ in range(10):
        shop.tick()
        shop.clock.move(timedelta(minutes=1))
    asked = len(shop.platform.api.calls_of("add_msg_template"))
    assert asked <= 60, "limits are answered with pauses, not with more calls"
    shop.platform.faults.clear()
    # A limit that comes right back parks an interface for an hour.
    for _ in range(16):
        shop.clock.move(timedelta(minutes=10))
        shop.tick()
        shop.tap(chance, 1.0)
    shop.tick()
    shop.check()
    assert shop.got().keys() == shop.due
    shop.close()


# -- clocks


@pytest.mark.parametrize("jump", [{"hours": 2}, {"hours": -2}, {"minutes": -7}, {"days": 1}])
@pytest.mark.parametrize("after", [1, 2, 4])
def test_P6_a_clock_that_jumps_in_a_batch_repeats_nothing_and_loses_nobody(
    begin: Callable[[str], Shop], jump: dict[str, float], after: int
) -> None:
    shop, chance = begin("shop"), random.Random(after)
    shop.clock.move(timedelta(hours=3))
    meet_some(shop, chance)
    shop.plan(FIRST_DAY)
    for step in range(12):
        if step == after:
            shop.clock.move(timedelta(**jump))
        shop.tick()
        shop.tap(chance, 0.3)
        shop.clock.move(timedelta(minutes=4))
    shop.branch.compared()
    # What was put off before a jump back waits until the clock has been there again.
    for _ in range(16):
        shop.tick()
        shop.tap(chance, 1.0)
        shop.clock.move(timedelta(minutes=10))
    shop.tick()
    found = shop.got()
    assert {key: n for key, n in found.items() if n > 1} == {}
    rows = shop.branch.store.read().rows("SELECT status FROM push")
    assert len(rows) == len(shop.due)
    assert {row["status"] for row in rows} <= {"confirmed", "expired"}
    assert sum(row["status"] == "confirmed" for row in rows) == found.total()
    shop.close()


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Shanghai"])
def host_zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """The zone of the machine."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def test_P6_where_the_machine_stands_changes_nothing(
    begin: Callable[[str], Shop], host_zone: str
) -> None:
    shop, chance = begin(host_zone.replace("/", "-")), random.Random(3)
    shop.clock.moment = morning(FIRST_DAY) - timedelta(minutes=31)
    meet_some(shop, chance)
    shop.plan(FIRST_DAY)
    shop.tick()
    assert len(shop.platform.world.masses) == 0, "08:29 at the branch is before its hours"
    shop.clock.move(timedelta(minutes=31))
    live_a_day(shop, chance)
    shop.check()
    days = {day for _, _, day in shop.got()}
    assert days == {FIRST_DAY}
    shop.close()


# -- what must make no difference


def test_more_people_and_another_order_change_nobodys_messages(
    begin: Callable[[str], Shop],
) -> None:
    def live(name: str, numbers: list[int]) -> Got:
        shop = begin(name)
        for number in numbers:
            shop.meet(number, FIRST_DAY, greeted=number % 2 == 0, notified=number % 3 == 0)
        shop.branch.compared()
        for _ in range(4):
            shop.plan(FIRST_DAY)
            shop.tick()
            shop.tap(random.Random(1), 1.0)
            shop.clock.move(timedelta(minutes=2))
        got = set(shop.got())
        shop.close()
        return {key for key in got if int(key[0].removeprefix("wm_")) < 20}

    alone = live("alone", list(range(20)))
    assert live("reversed", list(reversed(range(20)))) == alone
    assert live("doubled", list(range(40))) == alone
