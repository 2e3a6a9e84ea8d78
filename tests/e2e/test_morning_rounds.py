"""The employees' morning in the sandbox: one list each, reminders of waiting tasks, the deputy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

import pytest
from live_branch import BRANCH, HEAD, LI, ZHAO, Branch, HandClock, open_branch

from bot.clock import SHANGHAI

EARLY = datetime(2026, 12, 1, 8, 20, tzinfo=SHANGHAI)
LISTS = "打开今日清单"


@pytest.fixture
def early(folder: Path, keys: Path) -> Iterator[Branch]:
    """The branch before its day begins; the bot is not started."""
    with open_branch(folder, keys, HandClock(EARLY), rounds=True) as found:
        yield found


def lists(branch: Branch, userid: str) -> list[str]:
    return [text for text in branch.texts_to(userid) if LISTS in text]


def birthday_child(branch: Branch) -> str:
    """A friend of high layer who was born today, with consent to greetings."""
    customer = branch.customer("周小满", LI)
    branch.bring(
        "customers",
        [
            {
                "external_userid": customer,
                "core_id": "QA000001",
                "name": "周小满",
                "branch": BRANCH,
                "birthday": "1980-12-01",
                "birthday_calendar": "solar",
                "assets": "800000",
                "manager": LI,
            }
        ],
    )
    branch.bring(
        "consents",
        [
            {
                "external_userid": customer,
                "purpose": "marketing",
                "granted": "是",
                "channel": "柜面",
                "proof": "form-1",
                "at": "2026-11-02",
            }
        ],
    )
    return customer


def to_half_past_eight(branch: Branch) -> None:
    branch.clock.move_to(EARLY.replace(minute=30, second=1))
    branch.until(
        lambda: all(lists(branch, each) for each in (LI, ZHAO)), 20, "lists", branch.bot.ringer.tick
    )


def test_every_employee_gets_one_list_and_a_restart_sends_no_second(early: Branch) -> None:
    member = early.customer("高满仓", LI)
    early.group(ZHAO, member)
    with ExitStack() as life:
        life.push(early.start())
        birthday_child(early)
        early.settle()
        assert not [each for userid in (HEAD, LI, ZHAO) for each in lists(early, userid)]
        to_half_past_eight(early)
        early.settle()
    (text,) = lists(early, LI)
    assert "周小满" in text
    assert "等您点发送" in text
    early.bot = early.build()
    with ExitStack() as life:
        life.push(early.start())
        early.later(minutes=5)
        early.settle()
        assert [len(lists(early, each)) for each in (HEAD, LI, ZHAO)] == [1, 1, 1]
        assert early.clock.now() < EARLY.replace(minute=45)


def test_a_waiting_task_is_chased_three_times_and_then_the_deputy_hears_of_it(
    early: Branch,
) -> None:
    with ExitStack() as life:
        life.push(early.start())
        birthday_child(early)
        early.settle()
        to_half_past_eight(early)
        early.settle()
        assert len(early.masses()) == 1
        for hour in range(10, 18):
            early.clock.move_to(EARLY.replace(hour=hour, minute=35))
            for _ in range(3):
                early.bot.ringer.tick()
                early.settle()
        chased = [text for text in early.texts_to(LI) if "等到现在" in text]
        assert len(chased) == 3
        assert early.calls("externalcontact/remind_groupmsg_send") == 3
        told = [text for text in early.texts_to(HEAD) if "代为照看" in text]
        assert len(told) == 1
        assert "李经理有1条消息" in told[0]
        early.later(hours=5)
        assert early.value("SELECT count(*) FROM nudge") == 4


def test_nobody_is_chased_for_a_task_that_was_confirmed(early: Branch) -> None:
    with ExitStack() as life:
        life.push(early.start())
        birthday_child(early)
        early.settle()
        to_half_past_eight(early)
        early.settle()
        (task,) = early.masses()
        early.world.confirm_task(LI, task["msgid"])
        early.until(
            lambda: early.value("SELECT 1 FROM send_task WHERE status = 'done'"),
            10,
            "counted",
            lambda: early.later(seconds=15),
        )
        early.clock.move_to(EARLY.replace(hour=11))
        early.bot.ringer.tick()
        early.settle()
        assert not [text for text in early.texts_to(LI) if "等到现在" in text]
