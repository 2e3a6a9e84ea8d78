"""A year in a branch: who lives there, what they do, and what goes wrong, all from one seed."""

from __future__ import annotations

import csv
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path

from life import Life
from live_branch import KFID
from short_wire import Platform

from bot.actions import CloseCase, Refuse
from bot.clock import SHANGHAI, FixedClock
from bot.errors import Invalid
from bot.model import ExternalUserId, UserId
from bot.permits import audience_rule
from bot.running import import_sheet
from bot.sandbox.settings import SandboxSettings
from bot.store import approvals
from bot.store.db import Db
from bot.store.erasure import erase
from scheduler.approval import audience_cover

BRANCH, HEAD = "城东支行", "wanghead"
STOP, COMPLAINT = "别再给我发广告了", "排队排了两个小时"
SURNAMES = "王李张刘陈杨赵黄周吴徐孙马朱胡郭何林高罗"
_RECENT = 3_000
"""Older tasks than these have run out."""
WEATHER: tuple[tuple[str, str, float], ...] = (
    ("/cgi-bin/*", "reset_before", 0),
    ("/cgi-bin/*", "reset_after", 0),
    ("/cgi-bin/externalcontact/*", "hang_after", 0),
    ("/cgi-bin/*", "status", 500),
    ("/cgi-bin/*", "errcode", -1),
    ("/cgi-bin/externalcontact/*", "errcode", 45009),
    ("/cgi-bin/externalcontact/*", "errcode", 45033),
    ("/cgi-bin/gettoken", "status", 503),
    ("/cgi-bin/externalcontact/get_groupmsg_*", "errcode", 41063),
)


@dataclass(frozen=True)
class Span:
    """How long and how many.

    Attributes:
        off: When the machine is switched off (aware).
        on: When it is switched on again.
    """

    first: date
    days: int
    customers: int
    members: int
    off: datetime
    on: datetime


@dataclass
class Person:
    """What the story knows of a customer; the bot's store is never asked.

    Attributes:
        born: Calendar, year, month, day; None when nobody knows.
        matures: The day of the only deposit.
        refused_at: When the refusal was in the store, with the length of the world's history.
    """

    who: str
    member: str
    born: tuple[str, int, int, int] | None
    consented: bool
    matures: date | None = None
    renewed: bool = False
    said_no_at: datetime | None = None
    refused_at: tuple[datetime, int] | None = None
    silent_at: datetime | None = None
    gone: bool = False


@dataclass
class Year:
    """The story and its bot."""

    folder: Path
    span: Span
    seed: int
    people: dict[str, Person] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)
    caught_up_after: timedelta | None = None
    catch_up_seconds: float = 0.0
    _up_again: datetime | None = None

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.clock = FixedClock(self._on(self.span.first, 7))
        settings = SandboxSettings(clock=self.clock, dispatch_seconds=20.0, seed=self.seed)
        self.platform = Platform(settings)
        self.world = self.platform.world
        home = self.folder / "life"
        home.mkdir()
        self.life = Life(home, self.platform, self.clock, self.seed + 1)
        self.members = [f"member{n:02}" for n in range(self.span.members)]

    def live(self) -> None:
        """All of it."""
        self._settle_in()
        self.life.on_moment = self._look
        for offset in range(self.span.days):
            day = self.span.first + timedelta(days=offset)
            self._plan_a_day(day)
            self.life.run(self._on(day + timedelta(days=1), 0))
        # Fair weather, and members who send whatever still may be sent.
        self.platform.faults.clear()
        self.life.lost = 0.0
        last = self.span.first + timedelta(days=self.span.days)
        for hour in (10, 12, 15):
            self.life.at(self._on(last, hour), lambda: self._tap(1.0))
        self.life.run(self._on(last + timedelta(days=1), 9))

    @staticmethod
    def _on(day: date, hours: float) -> datetime:
        start = datetime.combine(day, clock_time(), SHANGHAI)
        return start + timedelta(hours=hours)

    # -- the beginning

    def _settle_in(self) -> None:
        number = self.world.add_department(BRANCH)
        self.world.add_staff(HEAD, "王行长", number, leader=True)
        for userid in self.members:
            self.world.add_staff(userid, f"经理{userid[-2:]}", number)
        self.life.lost = 1.0
        self.world.add_kf_account("城东支行客服", self.members[:1], KFID)
        for n in range(self.span.customers):
            self._meet(n)
        for n, userid in enumerate(self.members[:3]):
            people = list(self.people)[n::40]
            self.groups.append(str(self.world.create_group(userid, f"客户群{n}", people)))
        self.life.bot.database.write(self._assess)
        self.life.wake_up()
        self.life.work()
        self._bring("customers", [self._core_row(n, p) for n, p in enumerate(self._all())])
        self._bring("consents", [self._form(p) for p in self._all()])
        self._bring("holdings", [self._deposit(p) for p in self._all() if p.matures])
        self.life.lost = 0.04

    def _assess(self, db: Db) -> None:
        """Campaigns that choose people by what is derived of them may go out, too (T7)."""
        rules = self.life.bot.rules
        for name, campaign in rules.campaigns.items():
            if campaign.profiling:
                about = audience_cover(campaign, audience_rule(rules, campaign))
                approvals.keep_assessment(db, name, about, HEAD, {}, 0)

    def _all(self) -> Iterable[Person]:
        return list(self.people.values())

    def _meet(self, number: int) -> None:
        chance = self.chance
        member = self.members[number % len(self.members)]
        who = str(self.world.add_customer(f"{SURNAMES[number % 20]}小满"))
        # Friends for years or for days: anniversaries, and journeys of newcomers.
        self.clock.moment -= (ago := timedelta(days=chance.choice((2, 40, 400, 900)) + number % 90))
        self.world.add_friend(who, member)
        self.clock.moment += ago
        self.world.welcomed.add((member, who))
        born = self._birthday(number)
        person = Person(who, member, born, consented=chance.random() < 0.85)
        if chance.random() < 0.4:
            person.matures = self._some_maturity()
        self.people[who] = person

    def _birthday(self, number: int) -> tuple[str, int, int, int] | None:
        chance = self.chance
        if number % 50 == 7:
            return ("公历", 1992, 2, 29)
        if number % 50 == 9:
            return ("农历", 1970, 12, 30)
        if chance.random() < 0.1:
            return None
        calendar = "农历" if chance.random() < 0.3 else "公历"
        return (calendar, chance.randint(1945, 2000), chance.randint(1, 12), chance.randint(1, 28))

    def _some_maturity(self) -> date:
        """Often the last day of a month, and anywhere in long holidays."""
        day = self.span.first + timedelta(days=self.chance.randint(2, self.span.days + 40))
        if self.chance.random() < 0.3:
            day = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        return day

    def _core_row(self, number: int, person: Person) -> dict[str, str]:
        calendar, *born = person.born or ("公历",)
        return {
            "external_userid": person.who,
            "core_id": f"QA{number:06}",
            "name": self.world.customers[person.who].name,
            "birthday": "-".join(f"{part:02}" for part in born),
            "birthday_calendar": calendar if born else "",
            "assets": str(self.chance.choice((3_000, 9_500, 45_000, 90_000, 800_000))),
            "branch": BRANCH,
        }

    def _form(self, person: Person, *, refusing: bool = False) -> dict[str, str]:
        yes = person.consented and not refusing
        return {
            "external_userid": person.who,
            "purpose": "marketing" if yes or refusing else "profiling",
            "granted": "是" if yes else "否",
            "channel": "柜面",
            "proof": f"form-{person.who}-{yes}",
            "at": self.clock.now().astimezone(SHANGHAI).isoformat(),
        }

    def _deposit(self, person: Person, status: str = "open") -> dict[str, str]:
        assert person.matures is not None
        return {
            "external_userid": person.who,
            "account_ref": f"acc-{person.who}",
            "kind": "time_deposit",
            "matures_on": person.matures.isoformat(),
            "status": status,
            "manager": person.member,
        }

    def _bring(self, kind: str, rows: list[dict[str, str]]) -> None:
        file = self.folder / f"{kind}-{time.monotonic_ns()}.csv"
        with file.open("w", encoding="utf-8", newline="") as sheet:
            writer = csv.DictWriter(sheet, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        bot = self.life.bot
        assert import_sheet(bot.settings, file, kind, None, dry_run=False, bot=bot), file
        file.unlink()

    # -- a day

    def _plan_a_day(self, day: date) -> None:
        chance, at = self.chance, self.life.at
        for _ in range(3):
            at(self._on(day, chance.uniform(9.1, 20.9)), lambda: self._tap(0.6))
        if chance.random() < 0.4:
            self._plan_weather(day)
        for deed, customers in self._deeds():
            for _ in range(self._often(self.span.customers / customers)):
                at(self._on(day, chance.uniform(7, 22)), deed)
        at(self._on(day, 17), self._close_cases)
        if chance.random() < 0.15:
            at(
                self._on(day, chance.uniform(8, 12)),
                lambda: self.life.die_soon(chance.randint(1, 6)),
            )
        if chance.random() < 0.2:
            at(self._on(day, chance.uniform(8, 20)), self.platform.api.tokens.expire)
        if day == self.span.off.date():
            at(self.span.off, self._fall_asleep)

    def _deeds(self) -> list[tuple[Callable[[], None], int]]:
        """What customers do, and how many there are for each one a day."""
        return [
            (self._somebody_says_no, 1500),
            (self._somebody_complains, 4000),
            (self._somebody_renews, 1000),
            (self._somebody_moves, 3000),
            (self._somebody_joins, 1000),
            (self._somebody_is_erased, 20_000),
        ]

    def _often(self, mean: float) -> int:
        return int(mean) + (self.chance.random() < mean % 1)

    def _plan_weather(self, day: date) -> None:
        chance = self.chance
        begin = self._on(day, chance.uniform(7.9, 19))
        path, action, value = chance.choice(WEATHER)
        how = chance.choice((0.3, 1.0))
        add = self.platform.faults.add
        self.life.at(begin, lambda: add(path, action, value, probability=how))
        end = begin + timedelta(minutes=chance.uniform(5, 90))
        self.life.at(end, self.platform.faults.clear)

    def _fall_asleep(self) -> None:
        self._up_again = self.life.asleep_until = self.span.on
        self.life.at(self.span.on, self._get_up)

    def _get_up(self) -> None:
        """The machine is on again; how long until nothing is behind."""
        self.life.asleep_until = None
        began = time.monotonic()
        self.life.die()
        self.life.tick()
        self.catch_up_seconds = time.monotonic() - began

    # -- deeds

    def _one(self, fits: Callable[[Person], bool]) -> Person | None:
        found = [p for p in self._all() if not p.gone and fits(p)]
        return self.chance.choice(found) if found else None

    def _tap(self, share: float) -> None:
        # On leave, or busy, are those who are not at work.
        working = {userid for userid in self.members if self.chance.random() <= share}
        for mass in list(self.world.masses.values())[-_RECENT:]:
            for userid, task in mass.tasks.items():
                waits = not task.sent and not mass.cancelled and userid in working
                if waits and self.chance.random() < 0.5 + share / 2:
                    self.world.confirm_task(userid, mass.msgid)

    def _somebody_says_no(self) -> None:
        person = self._one(lambda p: p.consented and p.said_no_at is None)
        if person is None or self.life.asleep_until is not None:
            return
        person.said_no_at = self.clock.now()
        way = self.chance.randrange(3)
        if way == 0:
            self.world.kf_say(person.who, KFID, STOP)
        elif way == 1:
            who = ExternalUserId(person.who)
            self.life.bot.act(Refuse(who, "marketing", "staff", f"b{self.clock.now()}"))
        else:
            self._bring("consents", [self._form(person, refusing=True)])

    def _somebody_complains(self) -> None:
        person = self._one(lambda p: p.said_no_at is None)
        if person is not None:
            self.world.kf_say(person.who, KFID, COMPLAINT)

    def _close_cases(self) -> None:
        if self.life.asleep_until is not None:
            return
        rows = self.life.bot.database.read().rows("SELECT id FROM escalation WHERE status = 'open'")
        for row in rows:
            if self.chance.random() < 0.7:
                self.life.bot.act(CloseCase(row["id"], "contacted", UserId(HEAD)))

    def _somebody_renews(self) -> None:
        """Rolls over for a year, or takes the money out early."""
        person = self._one(lambda p: p.matures is not None)
        if person is None or self.life.asleep_until is not None:
            return
        person.renewed = True
        if self.chance.random() < 0.5:
            self._bring("holdings", [self._deposit(person, "closed")])
            person.matures = None
        else:
            assert person.matures is not None
            person.matures += timedelta(days=365)
            self._bring("holdings", [self._deposit(person)])

    def _somebody_moves(self) -> None:
        """Another member takes the customer over, or the friendship ends and begins again."""
        person = self._one(lambda p: self.world.friends(p.member, p.who) is not None)
        if person is None:
            return
        self.world.delete_friend(
            person.member, person.who, by=self.chance.choice(("customer", "transfer"))
        )
        person.member = self.chance.choice(self.members)
        try:
            self.world.add_friend(person.who, person.member)
        except Invalid:
            return

    def _somebody_joins(self) -> None:
        """A new friend at the counter, who agreed on the form or did not."""
        if self.life.asleep_until is None:
            member = self.chance.choice(self.members)
            who = str(self.world.add_customer("新客小满"))
            self.world.add_friend(who, member)
            person = Person(who, member, None, consented=self.chance.random() < 0.8)
            self.people[who] = person
            self._bring("consents", [self._form(person)])

    def _somebody_is_erased(self) -> None:
        person = self._one(lambda _p: True)
        if person is None or self.life.asleep_until is not None:
            return
        now = int(self.clock.now().timestamp() * 1000)
        self.life.bot.database.write(lambda db: erase(db, person.who, "faults", now))
        person.gone = True
        person.refused_at = person.refused_at or (self.clock.now(), len(self.world.history))

    # -- looking

    def _look(self) -> None:
        self._look_at_backlog()
        self._look_at_refusals()

    def _look_at_backlog(self) -> None:
        """When nothing is behind any more after the machine was off."""
        if self._up_again is None or self.caught_up_after is not None:
            return
        now = self.clock.now()
        late = self.life.bot.database.read().value(
            "SELECT count(*) FROM push WHERE due_at < :now AND (status = 'planned'"
            " OR status = 'held' AND held_until < :now)",
            now=int(self._up_again.timestamp() * 1000),
        )
        if now >= self._up_again and not late:
            self.caught_up_after = now - self._up_again

    def _look_at_refusals(self) -> None:
        """Who is known to have refused by now, and how long members could still send to them."""
        waiting = [p for p in self._all() if p.said_no_at and (not p.refused_at or not p.silent_at)]
        if not waiting:
            return
        db = self.life.bot.database.read()
        for person in waiting:
            if person.refused_at is None and db.value(
                "SELECT refused FROM customer WHERE external_userid = :id", id=person.who
            ):
                person.refused_at = (self.clock.now(), len(self.world.history))
            if person.refused_at is not None and not self._could_be_sent_to(person.who):
                person.silent_at = person.silent_at or self.clock.now()

    def _could_be_sent_to(self, who: str) -> bool:
        return any(
            who in task.recipients and not task.sent
            for mass in list(self.world.masses.values())[-_RECENT:]
            if not mass.cancelled and "到期" not in mass.text
            for task in mass.tasks.values()
        )
