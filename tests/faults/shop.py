"""A branch whose WeCom is the sandbox, one thread and one clock; it can die at named points.

A death loses what a killed process loses: what stands in memory, and what SQLite had not written.
The store of the next life is a copy of the files as the dead one left them.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from branch_world import Branch
from short_wire import ADD, Platform

from bot.actions import CancelMassSend, CreateMassSend, Errand
from bot.clock import SHANGHAI, FixedClock
from bot.errands.mass import MassSender
from bot.outbox import Effect, Outbox
from bot.rulebook import Rulebook
from bot.sandbox.settings import SandboxSettings
from bot.store.db import Database
from bot.vault import Vault
from bot.wecom import WeComClient

POINTS = ("planned", "claimed", "calling", "accepted", "answered")
"""After planning; the errand is taken; before the call; it has its effect; the answer is there."""
FIRST_DAY = date(2026, 11, 24)
SENDERS = ("lin", "zhou", "wu")
SURNAMES = "王李张刘陈杨赵黄周吴"
FILE = "bot.db"


class Killed(BaseException):
    """The process dies here; nothing that follows happens."""


@dataclass
class Reaper:
    """Kills at one point, so many times; ``really`` with SIGKILL."""

    point: str = ""
    kills: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(0))
    really: bool = False
    done: int = 0

    def at(self, point: str) -> None:
        if point != self.point or self.done >= self.kills or self.chance.random() < 0.3:
            return
        self.done += 1
        if self.really:
            os.kill(os.getpid(), signal.SIGKILL)
        raise Killed


def morning(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 9, 0, tzinfo=SHANGHAI)


def platform_at(clock: FixedClock) -> Platform:
    """An empty corp in which nothing takes time."""
    return Platform(SandboxSettings(clock=clock, dispatch_seconds=0.0))


@dataclass
class Shop:
    """The bot's sending half on a folder.

    Attributes:
        due: What each customer is to get, by day, as the story has it: (customer, kind, day).
        refused: Since when somebody gets no more marketing and greetings.
    """

    folder: Path
    platform: Platform
    clock: FixedClock
    rules: Rulebook
    reaper: Reaper = field(default_factory=Reaper)
    client: Callable[[], WeComClient] | None = None
    due: set[tuple[str, str, date]] = field(default_factory=set)
    refused: dict[str, datetime] = field(default_factory=dict)
    branch: Branch = field(init=False)

    def open(self) -> None:
        """Begin a life on what is on the disk."""
        vault = Vault("made-up-secret-of-the-tests")
        store = Database(self.folder / FILE)
        names = ("birthday", "maturity")
        known = {name: self.rules.campaigns[name] for name in names}
        self.rules = replace(self.rules, campaigns=known)
        wecom = self.client() if self.client else self.platform.client()
        watch = self.platform.monotonic
        mass = MassSender(store, vault, self.clock, self.rules, wecom, monotonic=watch)
        box = Outbox(store, self.clock, self._perform)
        fake: Any = wecom
        self.branch = branch = Branch(store, vault, self.clock, self.rules, fake, mass, box)
        self.platform.before = lambda path: path == ADD and self.reaper.at("calling")
        self.platform.after = lambda path: path == ADD and self.reaper.at("accepted")
        branch.box.resume()

    def hire(self) -> None:
        """The members, in WeCom and in a fresh store."""
        for userid in SENDERS:
            self.platform.world.add_staff(userid, userid)
            self.branch.store.write(
                lambda db, userid=userid: db.run(
                    "INSERT INTO staff (userid, name, branch) VALUES (:id, :id, '东山支行')",
                    id=userid,
                )
            )

    def _perform(self, errand: Errand) -> Effect | None:
        if isinstance(errand, CancelMassSend):
            return self.branch.mass.cancel(errand)
        assert isinstance(errand, CreateMassSend)
        self.reaper.at("claimed")
        effect = self.branch.mass.create(errand)
        self.reaper.at("answered")
        return effect

    def die(self) -> None:
        """Leave the files as they are and go on with a copy of them."""
        grave = self.folder
        self.folder = grave.parent / f"{grave.name}x"
        self.folder.mkdir()
        for name in (FILE, f"{FILE}-wal"):
            if (grave / name).exists():
                shutil.copy(grave / name, self.folder / name)
        self.branch.store.close()
        shutil.rmtree(grave)
        self.open()

    def close(self) -> None:
        self.branch.store.close()

    # -- people

    def meet(self, number: int, day: date, *, greeted: bool, notified: bool) -> str:
        """A customer who has a birthday, a deposit that matures, or both, on a day."""
        who, sender = f"wm_{number:04}", SENDERS[number % len(SENDERS)]
        world = self.platform.world
        world.add_customer(f"{SURNAMES[number % 10]}小满", external_userid=who)
        world.add_friend(who, sender)
        layer = "high" if number % 4 == 0 else "potential"
        self.branch.meet(
            who,
            sender=sender,
            name=f"{SURNAMES[number % 10]}小满",
            layer=layer,
            birthday=(day.month, day.day) if greeted else None,
        )
        if greeted:
            self.due.add((who, "birthday", day))
        if notified:
            self.branch.hold(f"A{number}", who, day + timedelta(days=7))
            self.due.add((who, "maturity", day))
        return who

    def refuse(self, who: str) -> None:
        self.branch.refuse(who)
        self.refused.setdefault(who, self.clock.now())

    # -- a day

    def tick(self) -> None:
        """Everything that the scheduler rings, and what comes of it; may die in between."""
        branch = self.branch
        try:
            branch.mass.release()
            branch.mass.expire()
            branch.mass.reconcile()
            branch.work()
            branch.mass.poll()
        except Killed:
            self.die()

    def plan(self, day: date) -> None:
        try:
            self.branch.plan(day)
            self.reaper.at("planned")
        except Killed:
            self.die()

    def tap(self, chance: random.Random, share: float) -> None:
        """Members send some of what waits for them."""
        world = self.platform.world
        for userid in SENDERS:
            for task in world.pending_tasks(userid):
                if chance.random() < share:
                    world.confirm_task(userid, task["msgid"])

    # -- the channel's record

    def got(self) -> Counter[tuple[str, str, date]]:
        """How often each customer really got each kind of text each day."""
        return Counter(
            (
                one["external_userid"],
                "birthday" if "生日" in one["text"] else "maturity",
                datetime.fromisoformat(one["at"]).date(),
            )
            for one in self.platform.world.delivered(channel="mass_single")
        )

    def check(self) -> None:
        """Nobody twice (I2), nobody forgotten (I3), nobody after a refusal (C3)."""
        got = self.got()
        assert {key: n for key, n in got.items() if n > 1} == {}, "I2"
        assert set(got) - self.due == set(), "nobody gets what they are not due"
        missing = {
            (who, kind, day)
            for who, kind, day in self.due - set(got)
            if kind == "maturity" or who not in self.refused
        }
        assert missing == set(), "I3"
        self._check_refusals()
        rows = self.branch.store.read().rows("SELECT * FROM push")
        assert len(rows) == len(self.due)
        told = {
            (row["external_userid"], row["occasion"], date.fromisoformat(row["planned_on"])): row
            for row in rows
        }
        assert {key for key, row in told.items() if row["status"] == "confirmed"} == set(got)
        rest = {row["status"] for key, row in told.items() if key not in got}
        assert rest <= {"dropped"}, "whoever did not get it was dropped with its reason"

    def _check_refusals(self) -> None:
        for one in self.platform.world.delivered(channel="mass_single"):
            since = self.refused.get(one["external_userid"])
            late = since is not None and datetime.fromisoformat(one["at"]) > since
            assert not (late and "生日" in one["text"]), "C3"
