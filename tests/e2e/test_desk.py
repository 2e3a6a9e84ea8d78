"""What employees write to the app is answered, whatever it is."""

from __future__ import annotations

import pytest
from live_branch import HEAD, LI, ZHAO, Branch

SECONDS = 5.0
"""Long enough for a loaded machine; the answer itself takes a fraction of a second."""


def ask(branch: Branch, userid: str, text: str) -> str:
    """Write to the app and read the answer."""
    before = len(branch.texts_to(userid))
    branch.world.staff_text(userid, text)
    branch.until(lambda: len(branch.texts_to(userid)) > before, SECONDS, "an answer")
    return branch.texts_to(userid)[-1]


@pytest.mark.parametrize("text", ["帮助", "你好", "???", "查", "😀", "{{ 7*7 }}", "a" * 2_000])
def test_anything_is_answered_with_the_help(branch: Branch, text: str) -> None:
    branch.settle()
    answer = ask(branch, LI, text)
    assert "今日待办" in answer
    assert "49" not in answer


def test_the_same_question_twice_is_answered_twice(branch: Branch) -> None:
    branch.settle()
    assert [ask(branch, LI, "帮助"), ask(branch, LI, "帮助")] == branch.texts_to(LI)


def test_a_repeated_callback_is_answered_once(branch: Branch) -> None:
    branch.settle()
    branch.sandbox.faults.add("app/text*", "duplicate", count=1)
    ask(branch, LI, "帮助")
    branch.settle()
    assert len(branch.texts_to(LI)) == 1


def test_pictures_and_voices_are_answered_too(branch: Branch) -> None:
    branch.settle()
    branch.world.staff_message(LI, "image", {"PicUrl": "http://x.invalid/1", "MediaId": "m1"})
    branch.world.staff_message(LI, "voice", {"MediaId": "m2", "Format": "amr"})
    branch.until(lambda: len(branch.texts_to(LI)) == 2, SECONDS, "two answers")


def test_todays_list_names_what_waits_and_says_so_when_nothing_does(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    branch.settle()
    assert "没有急事" in ask(branch, LI, "今日待办")
    branch.world.say(customer, "大额存单现在多少利率?", peer=LI)
    branch.settle()
    answer = ask(branch, LI, "今日待办")
    assert "周小满" in answer
    assert "大额存单" in answer


def test_a_customer_is_found_by_name_by_those_who_may_see_them(branch: Branch) -> None:
    branch.customer("周小满", LI)
    branch.settle()
    assert "李经理跟进" in ask(branch, LI, "查 周小满")
    assert "李经理跟进" in ask(branch, HEAD, "查周小满")
    assert "没找到" in ask(branch, ZHAO, "查 周小满")
    assert "没找到" in ask(branch, LI, "查 没有这个人")


def test_the_login_link_is_for_the_one_who_asked(branch: Branch) -> None:
    branch.settle()
    answer = ask(branch, LI, "登录")
    token = answer.partition("token=")[2].split()[0]
    assert branch.bot.login_links.userid(token) == LI


def test_opening_the_app_says_nothing(branch: Branch) -> None:
    branch.settle()
    branch.world.enter_agent(LI)
    branch.settle()
    assert branch.inbox_of(LI) == []
