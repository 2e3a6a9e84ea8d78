"""The morning's word in internal groups: once, numbers and names alone, and never the key."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from branch_world import Branch, build_branch, shanghai
from short_wire import Platform

import bot.sandbox.app  # noqa: F401  # registers every answer
from bot.clock import FixedClock
from bot.errands.morning import Morning
from bot.errands.robots import GroupWord
from bot.errands.staff import Desk
from bot.errors import Invalid, Retry
from bot.links import DayLinks, LoginLinks
from bot.rulebook import Rulebook
from bot.sandbox.settings import SandboxSettings
from bot.store import cases, robots
from bot.store.db import Database, Db
from bot.vault import Vault
from bot.wecom import robot_key

SEND = "/cgi-bin/webhook/send"
BRANCH = "东山支行"


class Office:
    """A branch in the morning, with an internal group."""

    def __init__(self, store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> None:
        clock.moment = shanghai(2026, 11, 24, 8, 45)
        self.platform = Platform(SandboxSettings(clock=clock, dispatch_seconds=0.0))
        self.branch: Branch = build_branch(store, vault, clock, rules)
        self.store, self.vault, self.clock, self.rules = store, vault, clock, rules
        self.begin()
        self.key = self.give(BRANCH)

    def begin(self) -> None:
        """A process begins on what is in the store."""
        wecom: Any = self.platform.client()
        logins = LoginLinks("https://bank.example", self.vault, self.clock)
        desk = Desk(self.store, self.vault, self.clock, self.rules, wecom, logins)
        days = DayLinks("https://bank.example", self.vault, self.clock)
        shared = (self.store, self.vault, self.clock, self.rules, wecom)
        self.word = GroupWord(Morning(*shared, desk.agenda, days))

    def give(self, branch: str) -> str:
        """The branch's group gets a robot, and the bot its address."""
        key = robot_key(self.platform.world.add_robot(f"{branch}内部群"))
        sealed = self.vault.seal_text(key)
        assert sealed is not None
        self.store.write(lambda db: robots.keep(db, branch, sealed, "ann", self.branch.now))
        return key

    def ring(self) -> int:
        return self.word.say(lambda _db: None)

    def said(self) -> list[str]:
        history = self.platform.world.history
        return [one["text"] for one in history if one["kind"] == "robot_said"]

    def task(self, sender: str, status: str, days_ago: int = 0, reason: str = "") -> None:
        at = self.branch.now - days_ago * 86_400_000
        self.store.write(
            lambda db: db.run(
                "INSERT INTO send_task (sender, status, reason, text_sealed, created_at,"
                " accepted_at, useful_until) VALUES (:sender, :status, :reason, :none, :at, :at,"
                " :until)",
                sender=sender,
                status=status,
                reason=reason,
                none=b"",
                at=at,
                until=at + 43_200_000,
            )
        )

    def case(self, assignee: str, *, raised: bool) -> None:
        def keep(db: Db) -> None:
            number = cases.open_case(
                db,
                kind="complaint",
                topic="",
                customer=f"wm_{assignee}",
                chat_id="",
                branch=BRANCH,
                assignee=assignee,
                fact_id=None,
                at=self.branch.now - 7_200_000,
                deadline=self.branch.now - 3_600_000,
                quiet_since=0,
            )
            assert number is not None
            if raised:
                cases.raise_case(db, number, "zhou", self.branch.now)

        self.store.write(keep)


@pytest.fixture
def office(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Office:
    return Office(store, vault, clock, rules)


def test_the_group_reads_how_many_wait_who_is_late_and_what_the_head_has(office: Office) -> None:
    office.branch.meet("wm_lin", name="周小芳")
    for _ in range(3):
        office.task("lin", "accepted")
    office.task("zhou", "waiting")
    office.task("lin", "cancelled", 1, "stale")
    office.task("zhou", "cancelled", 1, "refusal")
    office.case("lin", raised=True)
    assert office.ring() == 1
    (text,) = office.said()
    assert text == (
        "东山支行早报 11月24日(周二)\n"
        "等着点发送的消息:4条(林一 3、周二 1)\n"
        "上个工作日没点、过期没发出的:林一 1\n"
        "过了时限还没办的客户事项:林一 1\n"
        "已经报给负责人、还没办结的:1件\n"
        "详情在控制台「点发送」和「待办」里看,群里不写客户信息。"
    )


def test_I7_no_customer_and_no_words_of_one_are_in_it(office: Office) -> None:
    office.branch.meet("wm_lin", name="周小芳")
    office.case("lin", raised=False)
    office.ring()
    (text,) = office.said()
    assert [each for each in ("周小芳", "wm_lin", "小芳") if each in text] == []


def test_a_quiet_morning_says_so_in_two_lines(office: Office) -> None:
    office.ring()
    (text,) = office.said()
    assert "等着点发送的消息:没有\n" in text
    assert len(text.splitlines()) == 3


def test_it_is_said_once_a_branch_day_and_not_on_others(office: Office) -> None:
    assert [office.ring() for _ in range(3)] == [1, 0, 0]
    office.begin()
    assert office.ring() == 0
    office.clock.move(timedelta(days=1))
    assert [office.ring(), office.ring()] == [1, 0]
    office.clock.moment = shanghai(2026, 11, 28, 8, 45)  # a Saturday
    assert office.ring() == 0
    assert len(office.said()) == 2


@pytest.mark.parametrize("moment", [(8, 0), (12, 30), (20, 0)])
def test_it_is_not_said_outside_the_morning(office: Office, moment: tuple[int, int]) -> None:
    office.clock.moment = shanghai(2026, 11, 24, *moment)
    assert (office.ring(), office.said()) == (0, [])


def test_without_an_address_nothing_is_said(office: Office) -> None:
    office.store.write(lambda db: robots.drop(db, BRANCH))
    assert office.ring() == 0
    assert office.platform.api.calls_of("webhook/send") == []


def test_I2_what_may_have_been_said_is_not_said_again(office: Office) -> None:
    office.platform.faults.add(pattern=SEND, action="hang_after", count=1)
    office.ring()
    office.begin()
    office.ring()
    assert len(office.said()) == 1


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_I2_a_death_around_the_call_never_says_it_twice(office: Office, moment: str) -> None:
    def die(path: str) -> None:
        if path == SEND:
            raise Killed

    setattr(office.platform, moment, die)
    with pytest.raises(Killed):
        office.ring()
    setattr(office.platform, moment, lambda _path: None)
    office.begin()
    office.ring()
    assert len(office.said()) == (1 if moment == "after" else 0)


def test_what_was_surely_not_said_is_said_with_the_next_ring(office: Office) -> None:
    office.platform.faults.add(pattern=SEND, action="errcode", value=45009, count=1)
    assert (office.ring(), office.said()) == (0, [])
    office.clock.move(timedelta(seconds=61))
    assert (office.ring(), len(office.said())) == (1, 1)


def test_whoever_rings_too_late_says_nothing(office: Office) -> None:
    def lost(_db: Db) -> None:
        raise Retry("another one has the lease")

    with pytest.raises(Retry):
        office.word.say(lost)
    assert office.said() == []


@pytest.mark.parametrize("removed", [True, False])
def test_a_robot_that_is_gone_is_told_to_whoever_is_in_charge_and_not_tried_again(
    office: Office, *, removed: bool
) -> None:
    office.store.write(lambda db: db.run("UPDATE staff SET role = 'head' WHERE userid = 'zhou'"))
    office.platform.world.stop_robot(f"{BRANCH}内部群", removed=removed)
    for _ in range(3):
        office.ring()
        office.clock.move(timedelta(days=1))
    assert len(office.platform.api.calls_of("webhook/send")) == 1
    told = office.store.read().rows("SELECT payload FROM outbox WHERE kind = 'TellStaff'")
    assert ["staff_robot_broken" in row["payload"] for row in told] == [True]
    office.give(BRANCH)
    assert office.ring() == 1


def test_many_branches_are_told_within_some_rings(office: Office) -> None:
    for number in range(24):
        office.give(f"第{number}支行")
    assert [office.ring() for _ in range(4)] == [10, 10, 5, 0]
    assert len(set(office.said())) == 25


def test_one_robot_keeps_to_twenty_messages_a_minute(office: Office) -> None:
    wecom = office.word.morning.wecom
    wecom._pacing._sleep = lambda span: office.clock.move(timedelta(seconds=span))
    begun = office.clock.moment
    for _ in range(25):
        wecom.webhook_send(office.key, "早报")
    asked = office.platform.api.calls_of("webhook/send")
    assert [one for one in asked if one.errcode] == []
    assert office.clock.moment - begun >= timedelta(seconds=60)


def test_D3_the_key_is_sealed_at_rest_and_stands_in_no_log(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    office.ring()
    (row,) = robots.robots(office.store.read())
    assert office.key.encode() not in row["key_sealed"]
    office.platform.world.stop_robot(f"{BRANCH}内部群", removed=True)
    office.clock.move(timedelta(days=1))
    office.ring()
    written = capsys.readouterr()
    assert office.key not in written.out + written.err


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://qyapi.weixin.qq.com/cgi-bin/webhook/send",
        "http://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=0f2d2a2e-1111-4222-8333-444455556666",
        "https://oapi.dingtalk.com/robot/send?access_token=0f2d2a2e1111422283334444",
        "0f2d2a2e-1111-4222-8333-444455556666",
    ],
)
def test_what_is_no_address_of_a_robot_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(Invalid) as wrong:
        robot_key(address)
    assert "0f2d2a2e" not in str(wrong.value)
