"""Birthdays and maturities: planned, gated, tasked, confirmed by a member, counted, called back."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from live_branch import BRANCH, LI, MORNING, PROFILES, ZHAO, Branch

from bot.clock import SHANGHAI

pytestmark = PROFILES

TODAY = MORNING.date()


class Campaigns:
    """A branch whose customers have reasons to be written to today."""

    def __init__(self, branch: Branch) -> None:
        self.branch = branch
        self.people: dict[str, str] = {}

    def meet(self, name: str, userid: str = LI, **columns: Any) -> str:
        """A friend whom the core system knows; consents to marketing unless told otherwise."""
        customer = self.branch.customer(name, userid)
        self.people[name] = customer
        granted = columns.pop("granted", "是")
        number = len(self.people)
        row = {"external_userid": customer, "core_id": f"QA{number:06d}", "name": name}
        self.branch.bring("customers", [row | {"branch": BRANCH} | columns])
        if granted:
            self.branch.bring(
                "consents",
                [
                    {
                        "external_userid": customer,
                        "purpose": "marketing",
                        "granted": granted,
                        "channel": "柜面",
                        "proof": f"form-{number}",
                        "at": "2026-11-02",
                    }
                ],
            )
        return customer

    def hold(self, name: str, matures_on: date, **columns: Any) -> None:
        """A deposit of somebody."""
        row = {
            "external_userid": self.people[name],
            "account_ref": f"acc-{name}-{matures_on}-{len(columns)}",
            "kind": "time_deposit",
            "product": "三年定期",
            "amount": "80000",
            "matures_on": matures_on.isoformat(),
            "status": "open",
            "manager": LI,
        }
        self.branch.bring("holdings", [row | columns])

    def push(self, name: str) -> dict[str, Any]:
        """What became of the one push of somebody."""
        (row,) = self.branch.rows(
            "SELECT * FROM push WHERE external_userid = :id", id=self.people[name]
        )
        return dict(row)

    def status(self, name: str) -> str:
        return str(self.push(name)["status"])

    def until_status(self, name: str, wanted: str, seconds: float = 20.0) -> None:
        self.branch.until(
            lambda: self.status(name) == wanted, seconds, f"{wanted}, not {self.push(name)}"
        )

    def tasks(self, count: int = 1) -> list[dict[str, Any]]:
        """The tasks that WeCom has, once there are so many."""
        planned = "SELECT 1 FROM push WHERE status IN ('planned', 'held', 'ready')"
        done = "SELECT 1 FROM send_task"
        self.branch.until(lambda: self.branch.value(planned) or self.branch.value(done))
        self.branch.later(seconds=5)
        self.branch.until(lambda: len(self.branch.masses()) >= count, what=f"{count} tasks")
        self.branch.until(
            lambda: (
                not self.branch.value(
                    "SELECT 1 FROM send_task WHERE status IN ('waiting', 'calling')"
                )
            ),
            what="no call under way",
        )
        return self.branch.masses()

    def got(self, name: str) -> list[str]:
        """The texts that really reached somebody by mass send."""
        found = self.branch.world.delivered(
            channel="mass_single", external_userid=self.people[name]
        )
        return [one["text"] for one in found]

    def confirm(self, task: dict[str, Any], userid: str = LI) -> None:
        """The member taps 发送, and the bot comes to read the result."""
        self.branch.world.confirm_task(userid, task["msgid"])
        self.branch.later(seconds=16)


@pytest.fixture
def shop(quiet_branch: Branch) -> Campaigns:
    """People and deposits are brought in before the bot starts."""
    return Campaigns(quiet_branch)


def born(**more: Any) -> dict[str, Any]:
    return {"birthday": f"1980-{TODAY:%m-%d}", **more}


def test_a_birthday_is_planned_asked_of_the_member_and_counted_when_sent(shop: Campaigns) -> None:
    shop.meet("周小满", **born(assets="80000"))
    with shop.branch.start():
        (task,) = shop.tasks()
        assert task["plan"] == {LI: {shop.people["周小满"]}}
        assert "生日快乐" in task["text"]
        assert "李经理" in task["text"]
        assert shop.status("周小满") == "tasked"
        assert shop.got("周小满") == []
        shop.confirm(task)
        shop.until_status("周小满", "confirmed")
        assert shop.got("周小满") == [task["text"]]


def test_what_the_member_never_sends_is_not_counted_and_called_back(shop: Campaigns) -> None:
    shop.meet("周小满", **born())
    with shop.branch.start():
        shop.tasks()
        for _ in range(4):
            shop.branch.later(minutes=30)
            shop.branch.settle()
        assert shop.status("周小满") == "tasked"
        shop.branch.clock.move_to(
            datetime.combine(TODAY, MORNING.time(), SHANGHAI).replace(hour=20)
        )
        shop.branch.later(minutes=2)
        shop.branch.until(lambda: shop.branch.masses()[0]["cancelled"], what="called back")
        shop.branch.clock.move_to(
            datetime.combine(TODAY + timedelta(days=1), MORNING.time(), SHANGHAI)
        )
        shop.until_status("周小满", "expired")
        assert shop.got("周小满") == []
        assert [task["cancelled"] for task in shop.branch.masses()] == [True]


def test_a_maturity_notice_names_kind_and_day_and_never_an_amount(shop: Campaigns) -> None:
    shop.meet("周小满", granted="", assets="80000")
    shop.hold("周小满", TODAY + timedelta(days=7))
    with shop.branch.start():
        (task,) = shop.tasks()
        assert "到期" in task["text"]
        assert "80000" not in task["text"]
        assert "8万" not in task["text"]
        shop.confirm(task)
        shop.until_status("周小满", "confirmed")


def test_two_maturities_of_a_day_are_one_notice(shop: Campaigns) -> None:
    shop.meet("周小满")
    day = TODAY + timedelta(days=1)
    shop.hold("周小满", day)
    shop.hold("周小满", day, account_ref="another", kind="large_cd", product="大额存单")
    with shop.branch.start():
        (task,) = shop.tasks()
        assert shop.push("周小满")["step"] == "1"
        assert "到期" in task["text"]


def test_the_gate_keeps_back_who_did_not_agree_or_is_nobodys_friend(shop: Campaigns) -> None:
    shop.meet("周小满", **born())
    shop.meet("吴没同意", **born(granted=""))
    shop.meet("郑拒绝过", **born(granted="否"))
    shop.meet("冯非好友", **born())
    shop.branch.world.delete_friend(LI, shop.people["冯非好友"])
    with shop.branch.start():
        (task,) = shop.tasks()
        assert task["plan"] == {LI: {shop.people["周小满"]}}
        assert shop.push("吴没同意")["status"] == "dropped"
        assert "G4" in shop.push("吴没同意")["rules"]
        assert "G3" in shop.push("郑拒绝过")["rules"]
        assert "G2" in shop.push("冯非好友")["rules"]
        decided = shop.branch.value(
            "SELECT count(DISTINCT push_id) FROM decision WHERE push_id IS NOT NULL"
        )
        assert decided == 4


def test_nothing_is_asked_before_the_hours_of_greetings_open(shop: Campaigns) -> None:
    shop.branch.clock.move_to(
        datetime.combine(TODAY, MORNING.time(), SHANGHAI).replace(hour=8, minute=5)
    )
    shop.meet("周小满", **born())
    with shop.branch.start() as _:
        shop.branch.until(lambda: shop.branch.value("SELECT 1 FROM push"), what="planned")
        rung = "SELECT count(*) FROM ring WHERE job = 'release'"
        before = shop.branch.value(rung)
        shop.branch.later(minutes=2)
        shop.branch.until(lambda: shop.branch.value(rung) > before, what="looked again")
        assert shop.branch.masses() == []
        shop.branch.later(minutes=25)
        shop.tasks()


def test_identical_texts_of_a_member_are_one_task_and_names_stay_apart(shop: Campaigns) -> None:
    for name in ("甲一", "乙二", "丙三"):
        shop.meet(name, **born(assets="3000"))
    for name in ("张四", "刘五"):
        shop.meet(name, **born(assets="800000", gender="女"))
    shop.meet("己六", ZHAO, **born(assets="3000"))
    with shop.branch.start():
        tasks = shop.tasks(4)
        sizes = sorted(len(ids) for task in tasks for ids in task["plan"].values())
        assert sizes == [1, 1, 1, 3]
        everybody = [one for task in tasks for ids in task["plan"].values() for one in ids]
        assert sorted(everybody) == sorted(shop.people.values())


def test_a_refusal_calls_the_task_back_and_the_others_get_theirs_exactly_once(
    shop: Campaigns,
) -> None:
    for name in ("甲一", "乙二", "丙三"):
        shop.meet(name, **born(assets="3000"))
    with shop.branch.start():
        (first,) = shop.tasks()
        assert len(first["plan"][LI]) == 3
        shop.branch.world.say(shop.people["乙二"], "别再给我发广告了", peer=LI)
        tasks = shop.tasks(2)
        assert tasks[0]["cancelled"]
        assert tasks[1]["plan"] == {LI: {shop.people["甲一"], shop.people["丙三"]}}
        shop.confirm(tasks[1])
        shop.until_status("甲一", "confirmed")
        shop.until_status("丙三", "confirmed")
        shop.branch.settle()
        assert {name: len(shop.got(name)) for name in shop.people} == {
            "甲一": 1,
            "乙二": 0,
            "丙三": 1,
        }
        assert shop.push("乙二")["status"] == "dropped"
        assert "G3" in shop.push("乙二")["rules"]
        assert shop.push("甲一")["attempt"] == 2


def test_who_got_it_before_the_refusal_of_another_does_not_get_it_again(shop: Campaigns) -> None:
    for name in ("甲一", "乙二"):
        shop.meet(name, **born(assets="3000"))
    with shop.branch.start():
        (first,) = shop.tasks()
        # Sent, but the bot does not know it yet when the refusal comes.
        shop.branch.world.confirm_task(LI, first["msgid"])
        shop.branch.world.say(shop.people["乙二"], "别再给我发广告了", peer=LI)
        shop.until_status("甲一", "confirmed")
        shop.until_status("乙二", "confirmed")
        shop.branch.later(minutes=5)
        shop.branch.settle()
        assert len(shop.branch.masses()) == 1
        assert {len(shop.got(name)) for name in shop.people} == {1}


def test_a_refusal_stops_what_is_planned_for_the_hours_to_come(shop: Campaigns) -> None:
    shop.branch.clock.move_to(
        datetime.combine(TODAY, MORNING.time(), SHANGHAI).replace(hour=8, minute=5)
    )
    shop.meet("周小满", **born())
    with shop.branch.start():
        shop.branch.until(lambda: shop.branch.value("SELECT 1 FROM push"), what="planned")
        shop.branch.world.say(shop.people["周小满"], "别再给我发广告了", peer=LI)
        shop.until_status("周小满", "dropped")
        shop.branch.later(hours=1)
        shop.branch.settle()
        assert shop.branch.masses() == []


def test_a_refusal_leaves_the_maturity_notice_because_it_is_service(shop: Campaigns) -> None:
    shop.meet("周小满")
    shop.hold("周小满", TODAY + timedelta(days=7))
    with shop.branch.start():
        (task,) = shop.tasks()
        shop.branch.world.say(shop.people["周小满"], "别再给我发广告了", peer=LI)
        shop.branch.settle()
        assert not shop.branch.masses()[0]["cancelled"]
        shop.confirm(task)
        shop.until_status("周小满", "confirmed")


def test_who_ended_the_friendship_before_the_tap_is_not_counted(shop: Campaigns) -> None:
    shop.meet("周小满", **born())
    with shop.branch.start():
        (task,) = shop.tasks()
        shop.branch.world.delete_friend(LI, shop.people["周小满"], by="customer")
        shop.confirm(task)
        shop.until_status("周小满", "failed")
        assert shop.push("周小满")["reason"] == "not_friend"
        assert shop.got("周小满") == []


def test_a_restart_on_the_same_day_plans_and_sends_nothing_twice(shop: Campaigns) -> None:
    shop.meet("周小满", **born())
    with shop.branch.start():
        (task,) = shop.tasks()
    shop.branch.bot = shop.branch.build()
    with shop.branch.start():
        shop.confirm(task)
        shop.until_status("周小满", "confirmed")
        shop.branch.later(minutes=10)
        shop.branch.settle()
        assert len(shop.branch.masses()) == 1
        assert len(shop.got("周小满")) == 1


def test_the_plan_of_a_day_changes_nothing(shop: Campaigns) -> None:
    shop.meet("周小满", **born())
    with shop.branch.start():
        (task,) = shop.tasks()
        tomorrow = TODAY + timedelta(days=1)
        before = shop.branch.value("SELECT count(*) FROM push")
        (entry,) = shop.branch.bot.plan(TODAY)
        assert entry["external_userid"] == shop.people["周小满"]
        assert shop.branch.bot.plan(tomorrow) == []
        assert before == shop.branch.value("SELECT count(*) FROM push")
        assert [task["msgid"]] == [one["msgid"] for one in shop.branch.masses()]
