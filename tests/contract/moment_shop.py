"""A branch whose WeCom is the stand-in, for the suites of moments."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from branch_world import Branch
from short_wire import Platform

import bot.sandbox.app  # noqa: F401  # registers every answer
from bot.actions import CancelMassSend, CreateMassSend, Errand, RemindMassSend
from bot.clock import FixedClock
from bot.errands.chasing import Chaser
from bot.errands.mass import MassSender
from bot.outbox import Effect, Outbox
from bot.rulebook import Rulebook
from bot.sandbox.records import Friendship
from bot.sandbox.settings import SandboxSettings
from bot.store import talk
from bot.store.db import Database, Db
from bot.vault import Vault

ADD = "/cgi-bin/externalcontact/add_moment_task"
GREETING = """---
name: autumn
version: 1
occasion: weekly
weekdays: [周二]
steps: [0]
audience: everyone
purpose: greeting
channel: moments
latest_useful: {0: 当天}
personal: false
holdout: 0
approver: compliance
---
天冷了,出门记得添衣。
——{{ branch }} {{ sender_name }}
"""
EVENT = """---
name: lecture
version: 1
occasion: weekly
weekdays: [周二]
steps: [0]
audience: everyone
purpose: marketing
channel: moments
latest_useful: {0: 当天}
personal: false
holdout: 0
approver: compliance
about: event
---
周六上午十点,网点有一场防诈骗讲座,欢迎来听。
{{ stop_way }}
——{{ branch }} {{ sender_name }}
"""


class MomentShop:
    """A branch whose WeCom is the stand-in."""

    def __init__(self, store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> None:
        self.platform = Platform(SandboxSettings(clock=clock, dispatch_seconds=0.0))
        self.world = self.platform.world
        wecom: Any = self.platform.client()
        address = "https://qunguan.dongshan-bank.example"
        watch = self.platform.monotonic
        mass = MassSender(store, vault, clock, rules, wecom, address, watch)
        mass.doubts.late = timedelta(0)  # this WeCom tells at once
        self.chaser = Chaser(store, clock, rules, wecom)

        def perform(errand: Errand) -> Effect | None:
            match errand:
                case CreateMassSend():
                    return self.branch.mass.create(errand)
                case RemindMassSend():
                    self.chaser.remind(errand)
                    return None
                case _:
                    assert isinstance(errand, CancelMassSend)
                    return self.branch.mass.cancel(errand)

        box = Outbox(store, clock, perform)
        self.branch = Branch(store, vault, clock, rules, wecom, mass, box)
        for userid, name in (("lin", "林一"), ("zhou", "周二")):
            self.world.add_staff(userid, name)
            store.write(
                lambda db, u=userid, n=name: db.run(  # type: ignore[misc]  # defaults bind
                    "INSERT INTO staff (userid, name, branch) VALUES (:id, :name, '东山支行')",
                    id=u,
                    name=n,
                )
            )
        self.branch.compared()

    def meet(self, *customers: str, sender: str = "lin", consented: bool = True) -> None:
        """Friends of a member, in WeCom and in the store."""
        for who in customers:
            if who not in self.world.customers:
                self.world.add_customer(who, external_userid=who)
            self.world.add_friend(who, sender)
            self.branch.meet(who, sender=sender, consented=consented)

    def agree(self, who: str, sender: str = "lin") -> None:
        """The conversation may be read."""

        def keep(db: Db) -> None:
            talk.keep_agreement(db, f"{sender}|{who}", who, agreed=True, at=self.branch.now)

        self.branch.store.write(keep)

    def run(self, source: str = GREETING) -> None:
        """Plan the campaign's day and let everything happen that comes of it."""
        self.branch.campaign(source)
        self.branch.only(source.split("name: ")[1].split("\n", maxsplit=1)[0])
        self.branch.plan()
        self.step()

    def step(self, times: int = 4, seconds: int = 5) -> None:
        for _ in range(times):
            self.branch.mass.release()
            self.branch.work()
            self.branch.later(seconds=seconds)
            self.branch.mass.reconcile()
            self.branch.mass.poll()

    def tap(self, sender: str = "lin") -> None:
        """The member publishes whatever waits."""
        for task in self.world.pending_tasks(sender):
            self.world.confirm_task(sender, task["msgid"])

    def friends(self) -> list[Friendship]:
        return list(self.world.friendships.values())

    def seen(self) -> list[str]:
        """Who saw a moment, by the platform's record."""
        return sorted(one["external_userid"] for one in self.world.delivered(channel="moments"))

    def made(self) -> int:
        return len(self.world.moments)
