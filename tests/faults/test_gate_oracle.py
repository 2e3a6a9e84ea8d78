"""P1: over random histories exactly those messages go out that the rules allow."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from backends import SQLITE
from branch_world import Branch, build_branch
from load import Load
from oracle_gate import GREETING, MARKETING, SERVICE, Customer, Oracle

from bot.clock import SHANGHAI, FixedClock
from bot.rulebook import Rulebook
from bot.store import consents, notices, pushes, talk
from bot.store.db import Database
from bot.vault import Vault

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
PEOPLE = [f"wm_{letter}" for letter in "abcd"]
BRANCH = "东山支行"
NEWS = """\
---
name: news
version: 1
occasion: date
dates: [2026-11-24]
steps: [0]
audience: everyone
purpose: marketing
about: bank
channel: mass_single
latest_useful: {0: 当天}
personal: false
holdout: 0
approver: compliance
---
您好,我们网点这周六照常开门,方便时来坐坐。
{{ stop_way }}
——{{ branch }} {{ sender_name }}
"""
CAMPAIGNS = {MARKETING: "news", GREETING: "birthday", SERVICE: "maturity"}
OCCASIONS = {MARKETING: "date", GREETING: "birthday", SERVICE: "maturity"}
NOTICES = ("2026-1", "2026-2")
_WANT = """
INSERT INTO push (key, campaign, version, occasion, cycle, step, external_userid, purpose, channel,
  sender, branch, planned_on, due_at, useful_until, changed_at, subject, rank)
VALUES (:key, :campaign, '', :occasion, :cycle, '0', :who, :purpose, 'mass_single',
  'lin', :branch, :on, :now, :useful, :now, '["time_deposit"]', 5)
"""


class History:
    """The same things happen to the bot and to the oracle; then both are asked."""

    def __init__(self, branch: Branch, chance: random.Random) -> None:
        self.branch, self.chance = branch, chance
        self.oracle = Oracle(BRANCH, {who: Customer() for who in PEOPLE})
        self.wanted = self.cases = 0
        self.allowed: list[int] = []
        self.log: list[str] = []
        branch.campaign(NEWS)
        branch.only(*CAMPAIGNS.values())
        self.pinned = dict(branch.rules.release)
        self.oracle.approved = set(CAMPAIGNS.values())
        for who in PEOPLE:
            branch.meet(who, consented=False)
            at = branch.now
            branch.store.write(
                lambda db, who=who, at=at: talk.keep_agreement(  # type: ignore[misc]  # defaults bind
                    db, f"lin|{who}", who, agreed=True, at=at - 1
                )
            )
            self._set(who, "birthday_year", 1980)
            self.oracle.customers[who].born_in = 1980
            self._say(who, agrees=True, ago=0)
            self._hold(who, there=True)

    def live(self, steps: int) -> None:
        deeds: list[Callable[[str], None]] = [
            *[self._want] * 5,
            self._pass_time,
            self._speak,
            self._speak,
            self._age,
            self._open_case,
            self._close_case,
            self._close_case,
            self._switch,
            self._approve,
            self._change_notice,
            self._befriend,
            self._restrict,
            self._deposit,
        ]
        for _ in range(steps):
            self.chance.choice(deeds)(self.chance.choice(PEOPLE))

    # -- deeds

    @property
    def at(self) -> datetime:
        return self.branch.clock.moment.astimezone(SHANGHAI)

    def _set(self, who: str, column: str, value: int | None) -> None:
        self.branch.store.write(
            lambda db: db.run(
                f"UPDATE customer SET {column} = :value WHERE external_userid = :who",
                value=value,
                who=who,
            )
        )

    def _pass_time(self, _who: str) -> None:
        day = self.at + timedelta(days=self.chance.choice((0, 1, 1, 3, 8, 40)))
        moments = ("07:59", "08:29", "08:30", "08:59", "19:59", "20:00", "20:59", "21:00", "02:00")
        hour, minute = map(int, self.chance.choice((*["11:00"] * 12, *moments)).split(":"))
        moment = day.replace(hour=hour, minute=minute, second=self.chance.choice((0, 59)))
        self.branch.clock.moment = max(moment, self.branch.clock.moment)
        self.branch.compared()

    def _speak(self, who: str) -> None:
        self._say(who, agrees=self.chance.random() < 0.8, ago=self.chance.choice((0, 0, 60, 9000)))

    def _say(self, who: str, *, agrees: bool, ago: int) -> None:
        notice = self.chance.choice(("", self.oracle.notice, self.oracle.notice, *NOTICES))
        moment = self.branch.clock.now() - timedelta(minutes=ago)
        at = int(moment.timestamp() * 1000)
        self.branch.store.write(
            lambda db: consents.record_consent(
                db,
                who,
                "marketing",
                granted=agrees,
                channel="counter",
                proof="form",
                at=at,
                notice_version=notice,
            )
        )
        self.oracle.customers[who].says(moment, yes=agrees, notice=notice)

    def _change_notice(self, _who: str) -> None:
        version = self.chance.choice(("", *NOTICES))
        rules = self.branch.rules
        asked = {**rules.thresholds.notices, "marketing": version}
        thresholds = replace(rules.thresholds, notices=asked)
        self.branch.store.write(lambda db: notices.put(db, asked, self.branch.now))
        self.branch.rules = self.branch.mass.rules = replace(rules, thresholds=thresholds)
        self.branch.mass.__dict__.pop("judge", None)
        self.oracle.notice = version

    def _age(self, who: str) -> None:
        year = self.chance.choice((None, 1950, 1980, 1990, 2006, 2007, 2008, 2009))
        self._set(who, "birthday_year", year)
        self.oracle.customers[who].born_in = year

    def _open_case(self, who: str) -> None:
        kind = self.chance.choice(("complaint", "fraud", "interest", "interest"))
        self.cases += 1
        self.branch.store.write(
            lambda db: db.run(
                "INSERT INTO escalation (id, key, kind, external_userid, opened_at)"
                " VALUES (:id, :id, :kind, :who, 0)",
                id=self.cases,
                kind=kind,
                who=who,
            )
        )
        self.oracle.customers[who].cases[self.cases] = kind

    def _close_case(self, who: str) -> None:
        self.branch.store.write(
            lambda db: db.run(
                "UPDATE escalation SET status = 'closed' WHERE external_userid = :who", who=who
            )
        )
        self.oracle.customers[who].cases.clear()

    def _switch(self, _who: str) -> None:
        scope = self.chance.choice(("bank", f"branch:{BRANCH}", "campaign:news", "branch:别处"))
        on = self.chance.random() < 0.15
        self.branch.store.write(
            lambda db: pushes.switch(
                db, scope, engaged=on, by="ann", reason="", now=self.branch.now
            )
        )
        (self.oracle.switched_off.add if on else self.oracle.switched_off.discard)(scope)

    def _approve(self, _who: str) -> None:
        name = self.chance.choice(list(CAMPAIGNS.values()))
        good = self.chance.random() < 0.85
        (self.oracle.approved.add if good else self.oracle.approved.discard)(name)
        release = self.branch.rules.release
        path = f"campaigns/{name}.md"
        kept = {key: value for key, value in release.items() if key != path}
        rules = replace(
            self.branch.rules, release=kept | ({path: self.pinned[path]} if good else {})
        )
        self.branch.rules = self.branch.mass.rules = rules
        self.branch.mass.__dict__.pop("judge", None)

    def _befriend(self, who: str) -> None:
        friend = self.chance.random() < 0.85
        ended = None if friend else 1
        self.branch.store.write(
            lambda db: db.run(
                "UPDATE follow SET ended_at = :ended WHERE external_userid = :who",
                ended=ended,
                who=who,
            )
        )
        self.oracle.customers[who].friend = friend

    def _restrict(self, who: str) -> None:
        yes = self.chance.random() < 0.15
        self._set(who, "restricted", int(yes))
        self.oracle.customers[who].restricted = yes

    def _deposit(self, who: str) -> None:
        self._hold(who, there=self.chance.random() < 0.8)

    def _hold(self, who: str, *, there: bool) -> None:
        status = "open" if there else "closed"
        self.branch.store.write(
            lambda db: db.run(
                "INSERT INTO holding (account_ref, external_userid, kind, matures_on, status)"
                " VALUES (:who, :who, 'time_deposit', '2027-12-01', :status)"
                " ON CONFLICT (account_ref) DO UPDATE SET status = :status",
                who=who,
                status=status,
            )
        )
        self.oracle.customers[who].deposit_open = there

    # -- both are asked

    def _want(self, who: str) -> None:
        purpose = self.chance.choice((MARKETING, GREETING, SERVICE))
        useful = self.branch.clock.now() + timedelta(
            hours=self.chance.choice((0, 1, 9, 30, 30, 30))
        )
        self.wanted += 1
        self.branch.store.write(
            lambda db: db.run(
                _WANT,
                key=f"k{self.wanted}",
                campaign=CAMPAIGNS[purpose],
                occasion=OCCASIONS[purpose],
                cycle="2027-12-01" if purpose == SERVICE else "c",
                who=who,
                purpose=purpose,
                branch=BRANCH,
                on=self.at.date().isoformat(),
                now=self.branch.now,
                useful=int(useful.timestamp() * 1000),
            )
        )
        allowed = self.oracle.may_send(who, purpose, CAMPAIGNS[purpose], useful, self.at)
        if allowed:
            self.oracle.sent(who, purpose, self.at)
            self.allowed.append(self.wanted)
        self._send_now_or_never()

    def _send_now_or_never(self) -> None:
        before = len(self.branch.wecom.tasks)
        self.branch.send()
        for task in self.branch.wecom.tasks[before:]:
            self.branch.wecom.tap(task.msgid)
        self.branch.mass.poll()
        row = self.branch.store.read().one("SELECT * FROM push ORDER BY id DESC LIMIT 1")
        assert row is not None
        went = bool(self.branch.wecom.tasks[before:])
        expected = self.wanted in self.allowed
        assert went == expected, (
            f"message {self.wanted} to {row['external_userid']} ({row['purpose']}) at {self.at}:"
            f" the rules say {expected}, the gate {row['status']} {row['rules']}"
        )
        self.branch.store.write(
            lambda db: db.run(
                "UPDATE push SET status = 'dropped' WHERE status IN ('planned', 'held', 'ready')"
            )
        )


def test_P1_over_random_histories_exactly_what_the_rules_allow_goes_out(
    tmp_path: Path, rules: Rulebook, load: Load
) -> None:
    allowed = wanted = 0
    vault = Vault("made-up-secret-of-the-tests")
    for seed in range(load.histories):
        folder = tmp_path / str(seed)
        folder.mkdir()
        SQLITE.create(folder)
        store: Database = SQLITE.open(folder)
        chance = random.Random(seed)
        start = datetime(2026, 11, 24, 10, 0, tzinfo=SHANGHAI)
        clock = FixedClock(start + timedelta(days=chance.randrange(150)))
        history = History(build_branch(store, vault, clock, rules), chance)
        history.live(120)
        allowed, wanted = allowed + len(history.allowed), wanted + history.wanted
        store.close()
    # Both answers are common, or the comparison proves little.
    assert 0.08 < allowed / wanted < 0.6
