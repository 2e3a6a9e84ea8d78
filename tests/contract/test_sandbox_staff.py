"""Application messages and cards in the sandbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sandbox_caller import Caller

from bot.errors import Invalid


@pytest.fixture
def caller() -> Caller:
    return Caller()


def text(caller: Caller, **more: Any) -> dict[str, Any]:
    return {
        "touser": "zhangsan",
        "msgtype": "text",
        "agentid": caller.settings.agent_id,
        "text": {"content": "有客户咨询"},
    } | more


def card(caller: Caller, task_id: str = "case-1", **more: Any) -> dict[str, Any]:
    body = {
        "card_type": "button_interaction",
        "task_id": task_id,
        "main_title": {"title": "跟进"},
        "button_list": [{"text": "已联系", "key": "done"}, {"text": "稍后", "key": "later"}],
    } | more
    return {
        "touser": "zhangsan|lisi",
        "msgtype": "template_card",
        "agentid": caller.settings.agent_id,
        "template_card": body,
    }


def test_some_bad_recipients_are_reported_and_only_bad_ones_refused(caller: Caller) -> None:
    reply = caller.post("message/send", text(caller, touser="ZhangSan|NoBody", toparty="9"))
    assert (reply["errcode"], reply["invaliduser"], reply["invalidparty"]) == (0, "nobody", "9")
    assert caller.world.app_messages[reply["msgid"]].to == ["zhangsan"]
    assert caller.code_of("message/send", text(caller, touser="nobody")) == 81013
    assert caller.code_of("message/send", text(caller, touser="")) == 81012


def test_too_many_messages_a_minute_are_dropped_silently(caller: Caller) -> None:
    codes = {caller.code_of("message/send", text(caller)) for _ in range(31)}
    assert {0} == codes
    assert len(caller.world.staff_inbox("zhangsan")) == 30
    caller.watch.seconds += 61
    caller.post("message/send", text(caller))
    assert len(caller.world.staff_inbox("zhangsan")) == 31


def test_the_same_request_twice_is_one_message_when_asked_so(caller: Caller) -> None:
    body = text(caller, enable_duplicate_check=1, duplicate_check_interval=1800)
    assert [caller.code_of("message/send", body) for _ in range(2)] == [0, 0]
    assert len(caller.world.staff_inbox("zhangsan")) == 1
    caller.watch.seconds += 1801
    caller.post("message/send", body)
    assert len(caller.world.staff_inbox("zhangsan")) == 2


def test_text_over_the_limit_is_cut(caller: Caller) -> None:
    caller.post("message/send", text(caller, text={"content": "字" * 700}))
    assert caller.world.staff_inbox("zhangsan")[0]["body"]["content"] == "字" * 682


def test_a_pressed_button_comes_back_with_a_code_that_changes_the_card_once(
    caller: Caller,
) -> None:
    assert "response_code" in caller.post("message/send", card(caller))
    code = caller.world.press_card("zhangsan", "case-1", "done")
    fields = caller.world.unsent[-1].fields
    assert ("template_card_event", "zhangsan", "done", "case-1", code) == (
        fields["Event"],
        fields["FromUserName"],
        fields["EventKey"],
        fields["TaskId"],
        fields["ResponseCode"],
    )
    update = {
        "userids": ["zhangsan", "nobody"],
        "agentid": caller.settings.agent_id,
        "response_code": code,
        "button": {"replace_name": "已处理"},
    }
    reply = caller.post("message/update_template_card", update)
    assert (reply["errcode"], reply["invaliduser"]) == (0, ["nobody"])
    assert caller.code_of("message/update_template_card", update) == 40058
    with pytest.raises(Invalid):
        caller.world.press_card("zhangsan", "case-1", "later")
    caller.world.press_card("lisi", "case-1", "later")


def test_a_response_code_lives_seventy_two_hours(caller: Caller) -> None:
    code = caller.post("message/send", card(caller))["response_code"]
    caller.clock.move(timedelta(hours=72, seconds=1))
    update = {
        "atall": 1,
        "agentid": caller.settings.agent_id,
        "response_code": code,
        "button": {"replace_name": "已处理"},
    }
    assert caller.code_of("message/update_template_card", update) == 40058


BROKEN = [
    (42014, {"task_id": "有空格"}),
    (42014, {"task_id": ""}),
    (42019, {"button_list": [{"text": "好", "key": "k" * 1025}]}),
    (40058, {"button_list": [{"text": "好", "key": str(n)} for n in range(7)]}),
    (40058, {"button_list": []}),
    (40058, {"card_type": "poster"}),
    (40058, {"card_type": "text_notice"}),
    (41016, {"card_type": "text_notice", "main_title": {}}),
    (40058, {"card_type": "vote_interaction"}),
]


@pytest.mark.parametrize(("errcode", "broken"), BROKEN)
def test_a_card_that_breaks_the_rules_is_refused(
    caller: Caller, errcode: int, broken: dict[str, Any]
) -> None:
    assert errcode == caller.code_of("message/send", card(caller, **broken))


def test_a_task_id_is_used_once(caller: Caller) -> None:
    codes = [caller.code_of("message/send", card(caller)) for _ in range(2)]
    assert codes == [0, 42014]


def test_a_message_can_be_recalled_within_a_day(caller: Caller) -> None:
    first = caller.post("message/send", text(caller))["msgid"]
    late = caller.post("message/send", text(caller))["msgid"]
    assert caller.code_of("message/recall", {"msgid": first}) == 0
    caller.clock.move(timedelta(hours=25))
    assert caller.code_of("message/recall", {"msgid": late}) == 40058
    assert [late] == [one["msgid"] for one in caller.world.staff_inbox("zhangsan")]
