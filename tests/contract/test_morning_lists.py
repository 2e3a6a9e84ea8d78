"""The list of the day on every back end: who gets it, what it says, and once whatever crashes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, cast

import pytest
from branch_world import Branch, build_branch, shanghai

from bot import outbox
from bot.actions import Errand, SendMorning
from bot.clock import SHANGHAI, FixedClock
from bot.errands.morning import Morning
from bot.errands.staff import Desk
from bot.errors import Retry, Uncertain
from bot.links import DayLinks, LoginLinks
from bot.model import UserId
from bot.outbox import Effect, Outbox
from bot.rulebook import Rulebook
from bot.store import agenda, cases, sight
from bot.store.db import Database, Db
from bot.vault import Vault
from bot.wecom import WeComClient
from bot.wecom.messages import Message

DAY = date(2026, 11, 24)
CHECK = timedelta(hours=4)


class App:
    """The app's messages as WeCom takes them: the same content within four hours counts once."""

    def __init__(self, clock: FixedClock) -> None:
        self.clock = clock
        self.got: list[tuple[str, str]] = []
        self.known: dict[str, Any] = {}
        self.calls = 0
        self.fails: list[Exception] = []
        self.loses: list[Exception] = []

    def message_send(
        self, message: Message, *, users: Sequence[UserId], duplicate_check_seconds: int
    ) -> None:
        self.calls += 1
        if self.fails:
            raise self.fails.pop()
        text = message.content["content"]
        key = json.dumps([text, list(users), duplicate_check_seconds])
        before = self.known.get(key)
        if before is None or self.clock.now() - before >= CHECK:
            self.known[key] = self.clock.now()
            self.got.append((users[0], text))
        if self.loses:
            raise self.loses.pop()


class Office:
    """A branch in the morning."""

    def __init__(self, store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> None:
        clock.moment = shanghai(2026, 11, 24, 8, 30)
        self.branch: Branch = build_branch(store, vault, clock, rules)
        self.app, self.store, self.clock = App(clock), store, clock
        wecom = cast("WeComClient", self.app)
        links = LoginLinks("https://bank.example", vault, clock)
        desk = Desk(store, vault, clock, rules, wecom, links)
        days = DayLinks("https://bank.example", vault, clock)
        self.morning = Morning(store, vault, clock, rules, wecom, desk.agenda, days)
        self.box = self.another_box()

    def another_box(self) -> Outbox:
        """An outbox as another process would have it."""

        def perform(errand: Errand) -> Effect | None:
            assert isinstance(errand, SendMorning)
            return self.morning.send(errand)

        return Outbox(self.store, self.clock, perform)

    def make(self) -> int:
        drafts = list(self.morning.drafts())
        kept = [self.store.write(lambda db, one=one: self.morning.keep(db, one)) for one in drafts]
        return sum(kept)

    def work(self) -> None:
        while self.box.work_once():
            pass

    def list_of(self, userid: str) -> str:
        (text,) = [text for who, text in self.app.got if who == userid]
        return text


@pytest.fixture
def office(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Office:
    return Office(store, vault, clock, rules)


def to(office: Office) -> list[str]:
    return [who for who, _ in office.app.got]


def test_everybody_who_serves_customers_gets_one_list_and_others_none(office: Office) -> None:
    office.branch.meet("wm_a", name="王芳")
    assert office.make() == 1
    office.work()
    assert to(office) == ["lin"]
    assert office.make() == 0
    office.clock.move(timedelta(hours=1))
    assert office.make() == 0
    office.work()
    assert to(office) == ["lin"]


@pytest.mark.parametrize(
    "moment",
    [
        (2026, 11, 24, 8, 29),
        (2026, 11, 24, 12, 0),
        (2026, 11, 28, 8, 30),  # a Saturday
        (2026, 10, 1, 8, 30),
    ],
    ids=["too early", "too late", "weekend", "holiday"],
)
def test_there_is_no_list_at_other_times(office: Office, moment: tuple[int, ...]) -> None:
    office.branch.meet("wm_a", name="王芳")
    office.clock.moment = shanghai(*moment)
    assert office.make() == 0


def test_the_list_waits_for_the_sends_of_the_day_but_not_for_long(office: Office) -> None:
    office.branch.meet("wm_a", name="王芳", birthday=(11, 24))
    office.branch.plan()
    assert office.make() == 0
    office.clock.move(timedelta(minutes=10))
    assert office.make() == 1
    assert office.clock.now() < shanghai(2026, 11, 24, 8, 45)


def test_a_crash_between_call_and_record_sends_nothing_twice(office: Office) -> None:
    office.branch.meet("wm_a", name="王芳")
    office.make()
    office.app.loses = [SystemExit()]  # the process dies with the answer
    with pytest.raises(SystemExit):
        office.box.work_once()
    office.branch.meet("wm_b", name="李强", birthday=(11, 24), layer="high")
    office.clock.move(timedelta(minutes=5))
    office.box = office.another_box()
    office.box.resume()
    office.work()
    assert (office.app.calls, to(office)) == (2, ["lin"])


def test_a_lost_answer_and_a_refusal_to_answer_end_in_one_list(office: Office) -> None:
    office.branch.meet("wm_a", name="王芳")
    office.make()
    office.app.fails = [Retry("busy", 1.0)]
    office.app.loses = [Uncertain("lost")]
    for _ in range(4):
        office.work()
        office.clock.move(timedelta(minutes=1))
    assert (office.app.calls, to(office)) == (3, ["lin"])


def test_after_the_duplicate_check_forgot_a_doubtful_list_is_not_repeated(
    office: Office, rules: Rulebook
) -> None:
    office.branch.meet("wm_a", name="王芳")
    office.clock.moment = shanghai(2026, 11, 24, 8, 30)
    office.make()
    office.store.write(lambda db: agenda.mark_called(db, "lin", DAY.isoformat(), 1))
    office.work()
    assert to(office) == []
    assert rules.thresholds.morning.until.hour == 12


def test_a_list_that_could_not_go_out_in_the_morning_is_not_sent_in_the_afternoon(
    office: Office,
) -> None:
    office.branch.meet("wm_a", name="王芳")
    office.make()
    office.clock.moment = shanghai(2026, 11, 24, 13, 0)
    office.work()
    assert office.app.calls == 0


def fill(office: Office) -> None:
    """One of each kind, for lin."""
    branch = office.branch
    branch.meet("wm_case", name="赵敏", layer="middle")
    branch.meet("wm_due", name="王芳")
    branch.hold("a1", "wm_due", date(2026, 12, 1), manager="lin")
    branch.meet("wm_party", name="李强", layer="high", birthday=(11, 25))
    branch.meet("wm_loan", name="孙涛")
    now = branch.now

    def keep(db: Db) -> None:
        db.run("UPDATE customer SET postloan_check_on = '2026-11-20' WHERE name = '孙涛'")
        cases.open_case(
            db,
            kind="complaint",
            topic="fee",
            customer="wm_case",
            chat_id="",
            branch="东山支行",
            assignee="lin",
            fact_id=None,
            at=now,
            deadline=now + 1_800_000,
            quiet_since=0,
        )
        db.run(
            "INSERT INTO fact (external_userid, type, value, date_from, confidence, observed_at,"
            " words_sealed) VALUES ('wm_due', 'cash.inflow', '{}', '2026-11-26', 0.9, :now, NULL)",
            now=now,
        )
        db.run("INSERT INTO group_chat (chat_id, name, owner) VALUES ('wr1', '邻里群', 'lin')")
        db.run(
            "INSERT INTO group_member (chat_id, member, joined_at) VALUES ('wr1', 'wm_due', :now)",
            now=now - 3_600_000,
        )

    office.store.write(keep)


def test_the_list_holds_one_of_each_kind_the_most_urgent_first(office: Office) -> None:
    fill(office)
    office.make()
    office.work()
    text = office.list_of("lin")
    lines = [line for line in text.splitlines() if ". " in line]
    order = ["赵敏", "孙涛的贷后检查", "李强", "王芳:", "王芳的", "邻里群"]
    assert [True] * len(order) == [name in line for name, line in zip(order, lines, strict=True)]
    assert "已过4天" in text
    assert text.count("\n→ ") == len(order)
    assert text.splitlines()[-1].endswith("</a>")


def test_ten_items_at_most_within_the_bytes_of_a_message(office: Office) -> None:
    for number in range(25):
        office.branch.meet(f"wm_{number:02}", name=f"欧阳<b>{number}", layer="high")
        office.branch.hold(f"a{number}", f"wm_{number:02}", date(2026, 11, 24), manager="lin")
    office.make()
    office.work()
    text = office.list_of("lin")
    shown = text.count("\n→ ")
    assert 5 <= shown <= 10
    assert f"另有{25 - shown}件" in text
    assert len(text.encode()) <= 2048
    assert "<b>" not in text


def test_what_was_settled_does_not_come_again(office: Office) -> None:
    fill(office)
    desk = office.morning.agenda

    def keys() -> dict[str, str]:
        db = office.store.read()
        viewer = sight.viewer(db, "lin")
        assert viewer is not None
        return {each.kind: each.key for each in desk.matters(db, viewer)}

    found = keys()
    settle = {"maturity": "contacted", "birthday": "greeted", "promise": "no_answer"}
    for kind, outcome in settle.items():
        office.store.write(
            lambda db, kind=kind, outcome=outcome: agenda.keep_contact(
                db, "lin", "wm_due", found[kind], outcome, DAY, office.branch.now
            )
        )
    assert set(keys()) == set(found) - set(settle)
    office.clock.move(timedelta(days=1))
    assert office.clock.now().astimezone(SHANGHAI).date() == DAY + timedelta(days=1)
    assert "promise" in keys()
    assert not {"maturity", "birthday"} & set(keys())


def test_a_customer_of_two_employees_is_on_one_list(office: Office) -> None:
    office.branch.meet("wm_a", name="王芳", layer="high", birthday=(11, 24))
    office.branch.meet("wm_a", name="王芳", layer="high", birthday=(11, 24), sender="zhou")
    assert office.make() == 2
    office.work()
    texts = [text for _, text in office.app.got]
    assert [True, False] == sorted(("王芳" in text for text in texts), reverse=True)


def test_a_list_is_one_errand_under_its_key(office: Office) -> None:
    first = office.store.write(
        lambda db: outbox.add(db, SendMorning(UserId("lin"), "2026-11-24"), 1)
    )
    again = office.store.write(
        lambda db: outbox.add(db, SendMorning(UserId("lin"), "2026-11-24"), 2)
    )
    assert (first, again) == (True, False)


def test_two_schedulers_that_drafted_the_same_list_keep_one(office: Office) -> None:
    office.branch.meet("wm_a", name="王芳")
    drafts = [*office.morning.drafts(), *office.morning.drafts()]
    kept = [office.store.write(lambda db, one=one: office.morning.keep(db, one)) for one in drafts]
    office.work()
    assert (kept, to(office)) == ([1, 0], ["lin"])
