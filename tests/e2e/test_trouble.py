"""WeCom in trouble: limits, lost answers, cut lines; nothing is lost and nothing sent twice."""

from __future__ import annotations

from typing import Any

import pytest
from live_branch import LI, Branch
from test_sending import Campaigns, born

MAKE = "/cgi-bin/externalcontact/add_msg_template"
LIST = "/cgi-bin/externalcontact/get_groupmsg_list_v2"


@pytest.fixture
def shop(quiet_branch: Branch) -> Campaigns:
    """Three friends with a birthday today, told nothing yet."""
    campaigns = Campaigns(quiet_branch)
    for name in ("甲一", "乙二", "丙三"):
        campaigns.meet(name, **born(assets="3000"))
    return campaigns


def finish(shop: Campaigns) -> None:
    """Let the member send all there is; everybody must have got one text, exactly."""

    def all_confirmed() -> bool:
        shop.branch.later(seconds=16)
        for task in shop.branch.world.pending_tasks(LI):
            shop.branch.world.confirm_task(LI, task["msgid"])
        return {shop.status(name) for name in shop.people} == {"confirmed"}

    shop.branch.until(all_confirmed, 40, "everybody confirmed")
    shop.branch.later(minutes=10)
    shop.branch.settle()
    assert {name: len(shop.got(name)) for name in shop.people} == dict.fromkeys(shop.people, 1)


def doubt(shop: Campaigns) -> dict[str, Any]:
    """The task whose answer was lost, once it is known to be in doubt."""
    shop.branch.until(
        lambda: shop.branch.value("SELECT 1 FROM push WHERE status = 'planned'"), what="planned"
    )
    shop.branch.later(seconds=6)
    shop.branch.until(
        lambda: shop.branch.value("SELECT 1 FROM send_task WHERE status = 'uncertain'"),
        25,
        "in doubt",
    )
    return dict(shop.branch.rows("SELECT * FROM send_task")[0])


@pytest.mark.parametrize("fault", ["reset_after", "hang_after"])
def test_a_task_whose_answer_was_lost_is_found_again(shop: Campaigns, fault: str) -> None:
    shop.branch.sandbox.faults.add(MAKE, fault, count=1)
    with shop.branch.start():
        doubt(shop)
        (made,) = shop.branch.masses()
        shop.branch.later(seconds=16)
        shop.branch.until(
            lambda: shop.branch.value("SELECT wecom_msgid FROM send_task") == made["msgid"],
            what="found again",
        )
        finish(shop)
        assert len(shop.branch.masses()) == 1
        assert shop.branch.calls("add_msg_template") == 1


@pytest.mark.parametrize(("fault", "value"), [("reset_before", 0), ("errcode", -1)])
def test_a_call_without_effect_and_answer_is_repeated_only_after_it_was_looked_for(
    shop: Campaigns, fault: str, value: int
) -> None:
    shop.branch.sandbox.faults.add(MAKE, fault, value, count=1)
    with shop.branch.start():
        doubt(shop)
        assert shop.branch.masses() == []
        for _ in range(2):
            shop.branch.later(seconds=40)
            shop.branch.until(shop.branch.bot.outbox.idle, what="idle")
        assert shop.branch.masses() == []
        shop.branch.until(
            shop.branch.masses, 30, "made in the end", lambda: shop.branch.later(seconds=60)
        )
        assert shop.branch.value("SELECT absent_polls FROM send_task ORDER BY id LIMIT 1") == 3
        finish(shop)
        assert len(shop.branch.masses()) == 1
        assert {shop.push(name)["attempt"] for name in shop.people} == {2}


def test_a_doubtful_task_is_not_planned_anew_while_wecom_cannot_be_asked(shop: Campaigns) -> None:
    shop.branch.sandbox.faults.add(MAKE, "reset_after", count=1)
    with shop.branch.start():
        doubt(shop)
        shop.branch.sandbox.faults.add(LIST, "status", 503)
        for _ in range(2):
            shop.branch.later(minutes=8)
            shop.branch.settle()
        assert shop.branch.value("SELECT absent_polls FROM send_task") == 0
        assert shop.branch.calls("add_msg_template") == 1
        shop.branch.sandbox.faults.clear()
        finish(shop)
        assert len(shop.branch.masses()) == 1


def test_two_doubtful_texts_of_one_member_are_told_apart_by_their_words(
    shop: Campaigns,
) -> None:
    shop.meet("张四", **born(assets="900000", gender="女"))
    shop.branch.sandbox.faults.add(MAKE, "reset_after", count=2)
    with shop.branch.start():
        shop.branch.until(
            lambda: shop.branch.value("SELECT count(*) FROM push") == 4, what="planned"
        )
        shop.branch.later(seconds=6)
        shop.branch.until(lambda: len(shop.branch.masses()) == 2, what="both made")
        finish(shop)
        assert len(shop.branch.masses()) == 2


def test_results_that_are_not_ready_are_asked_for_again(shop: Campaigns) -> None:
    shop.branch.sandbox.faults.add(
        "/cgi-bin/externalcontact/get_groupmsg_task", "errcode", 41063, count=1
    )
    with shop.branch.start():
        shop.tasks()
        finish(shop)


def test_a_cancellation_whose_answer_was_lost_still_spares_who_refused(shop: Campaigns) -> None:
    cancel = "/cgi-bin/externalcontact/cancel_groupmsg_send"
    result = "/cgi-bin/externalcontact/get_groupmsg_send_result"
    with shop.branch.start():
        shop.tasks()
        shop.branch.sandbox.faults.add(cancel, "reset_after", count=1)
        shop.branch.sandbox.faults.add(result, "status", 500, count=1)
        shop.branch.world.say(shop.people["乙二"], "别再给我发广告了", peer=LI)
        shop.branch.until(lambda: shop.branch.masses()[0]["cancelled"], what="cancelled")
        shop.branch.until(
            lambda: len(shop.branch.masses()) == 2,
            30,
            "made anew",
            lambda: shop.branch.later(seconds=6),
        )
        (again,) = shop.branch.world.pending_tasks(LI)
        assert set(again["recipients"]) == {shop.people["甲一"], shop.people["丙三"]}
        shop.branch.world.confirm_task(LI, again["msgid"])
        shop.branch.later(seconds=16)
        shop.until_status("甲一", "confirmed")
        assert [len(shop.got(name)) for name in shop.people] == [1, 0, 1]


def welcome(branch: Branch, name: str) -> None:
    """Make a friend and wait for the greeting."""
    before = len(branch.world.delivered(channel="welcome"))
    branch.world.add_friend(branch.world.add_customer(name), LI)
    branch.until(lambda: len(branch.world.delivered(channel="welcome")) > before, 15, "greeted")


def test_a_token_that_expires_or_is_revoked_in_mid_run_is_renewed_once(branch: Branch) -> None:
    welcome(branch, "周小满")
    issued = branch.sandbox.api.tokens.issued
    with branch.world.lock:
        branch.sandbox.api.tokens.expire()
    welcome(branch, "吴小满")
    with branch.world.lock:
        branch.sandbox.api.tokens.revoke()
    welcome(branch, "郑小满")
    branch.settle()
    # Each of the secrets in use draws a new one once a time, however many threads want it.
    assert branch.sandbox.api.tokens.issued - issued <= 2 * 3
    assert len(branch.world.delivered(channel="welcome")) == 3


@pytest.mark.parametrize(
    ("fault", "value"),
    [("status", 500), ("status", 429), ("reset_before", 0), ("reset_after", 0), ("errcode", -1)],
)
def test_short_trouble_costs_no_welcome_and_no_second_one(
    branch: Branch, fault: str, value: int
) -> None:
    branch.settle()
    branch.sandbox.faults.add("/cgi-bin/externalcontact/send_welcome_msg", fault, value, count=1)
    customer = branch.world.add_customer("周小满")
    branch.world.add_friend(customer, LI)
    if value == 429:
        # The interface rests for a minute, the code lives twenty seconds: given up, and said so.
        branch.until(
            lambda: branch.value(
                "SELECT reason FROM outbox WHERE kind = 'SendWelcome' AND attempts > 0"
            ),
            what="put off",
        )
        assert branch.world.delivered(channel="welcome") == []
        return
    branch.until(lambda: branch.world.delivered(channel="welcome"), what="greeted")
    branch.settle()
    assert len(branch.world.delivered(channel="welcome")) == 1


def test_a_limited_interface_rests_while_the_others_work_and_nothing_is_lost(
    branch: Branch,
) -> None:
    branch.settle()
    limit = branch.sandbox.faults.add("/cgi-bin/message/send", "errcode", 45009)
    for number in range(3):
        branch.world.staff_text(LI, f"问题{number}")
    branch.until(
        lambda: branch.value("SELECT count(*) FROM outbox WHERE kind = 'AnswerEmployee'") == 3,
        what="asked",
    )
    welcome(branch, "周小满")
    # Whatever was under way when the first was refused; after that nobody asks.
    assert 1 <= limit.hits <= 3
    branch.until(
        lambda: (
            branch.value(
                "SELECT count(*) FROM outbox WHERE kind = 'AnswerEmployee'"
                " AND state = 'ready' AND reason IS NOT NULL"
            )
            == 3
        ),
        what="put off",
    )
    assert branch.texts_to(LI) == []


def test_what_was_put_off_is_done_by_the_next_process(quiet_branch: Branch) -> None:
    branch = quiet_branch
    with branch.start():
        branch.settle()
        branch.sandbox.faults.add("/cgi-bin/message/send", "errcode", 45009, count=1)
        branch.world.staff_text(LI, "帮助")
        branch.until(
            lambda: branch.value("SELECT reason FROM outbox WHERE kind = 'AnswerEmployee'"),
            what="put off",
        )
    branch.bot = branch.build()
    with branch.start():
        branch.later(minutes=2)
        branch.bot.outbox.wake()
        branch.until(lambda: branch.texts_to(LI), what="answered after all")
        branch.settle()
        assert len(branch.texts_to(LI)) == 1


def test_a_bot_that_starts_before_wecom_can_be_reached_works_when_it_can(
    quiet_branch: Branch,
) -> None:
    branch = quiet_branch
    customer = branch.customer("周小满", LI)
    branch.sandbox.faults.add("/cgi-bin/*", "status", 503, count=3)
    with branch.start():
        branch.world.say(customer, "大额存单现在多少利率?", peer=LI)
        branch.settle(30)
        assert branch.facts(customer) == {"product.interest": {"product": "large_cd"}}
        assert len(branch.cards_of(LI)) == 1
