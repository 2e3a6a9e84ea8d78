"""What the client makes of a network and a platform that misbehave, over real HTTP."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from wecom_cases import TASK, WANG, ZHANG
from wecom_stub import (
    OK,
    Http,
    Reset,
    Silent,
    Stub,
    Time,
    connected,
    failed,
    serving,
)

from bot.errors import Invalid, Refused, Retry, Uncertain
from bot.model import MsgId, UserId
from bot.wecom import WeComClient, text_message

ADD_MSG_TEMPLATE = "externalcontact/add_msg_template"
LIST = "externalcontact/list"


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as one:
        yield one


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def client(stub: Stub, time: Time) -> Iterator[WeComClient]:
    yield from connected(stub, time)


@pytest.fixture
def hasty(stub: Stub, time: Time) -> Iterator[WeComClient]:
    """A client that soon gives up waiting, for answers that never come."""
    yield from connected(stub, time, read_seconds=0.1)


def _read(client: WeComClient) -> object:
    return client.externalcontact_list(ZHANG)


def _write(client: WeComClient) -> object:
    """A write that must never be repeated blindly."""
    return client.add_msg_template("single", sender=ZHANG, text="您好")


def test_nothing_happened_when_no_connection_stands(stub: Stub, time: Time) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        for client in connected(stub, time, base_url=url):
            with pytest.raises(Retry):
                _write(client)


def test_a_write_whose_connection_fails_after_its_token_may_be_tried_again(time: Time) -> None:
    with serving() as stub:
        (client,) = [*connected(stub, time)]
        client.get_follow_user_list()
        client.close()
    with pytest.raises(Retry):
        _write(client)


@pytest.mark.parametrize("lost", [Silent(), Reset(), Http(502), Http(200, b"<html>")])
def test_a_mass_send_without_answer_is_uncertain_and_not_repeated(
    lost: Any, stub: Stub, hasty: WeComClient
) -> None:
    stub.say(ADD_MSG_TEMPLATE, lost)
    with pytest.raises(Uncertain):
        _write(hasty)
    assert len(stub.heard(ADD_MSG_TEMPLATE)) == 1


def test_a_mass_send_that_succeeds_without_an_id_is_uncertain(
    stub: Stub, client: WeComClient
) -> None:
    stub.say(ADD_MSG_TEMPLATE, OK)
    with pytest.raises(Uncertain):
        _write(client)


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.remind_groupmsg_send(TASK),
        lambda c: c.group_welcome_template_add("欢迎"),
        lambda c: c.update_template_card("RESPONSE", [ZHANG], replace_name="已处理"),
    ],
)
def test_every_write_that_cannot_be_repeated_is_uncertain_after_a_time_out(
    call: Callable[[WeComClient], object], stub: Stub, hasty: WeComClient
) -> None:
    for name in (
        "externalcontact/remind_groupmsg_send",
        "externalcontact/group_welcome_template/add",
        "message/update_template_card",
    ):
        stub.say(name, Silent())
    with pytest.raises(Uncertain):
        call(hasty)


def test_a_read_that_times_out_may_be_tried_later(stub: Stub, hasty: WeComClient) -> None:
    stub.say(LIST, Silent())
    with pytest.raises(Retry):
        _read(hasty)
    assert len(stub.heard(LIST)) == 1


def test_an_app_message_that_times_out_may_be_repeated_with_the_same_bytes(
    stub: Stub, client: WeComClient, hasty: WeComClient
) -> None:
    stub.say("message/send", Silent(), {**OK, "msgid": "MSGID"})
    with pytest.raises(Retry):
        hasty.message_send(text_message("客户来访提醒"), users=[ZHANG])
    client.message_send(text_message("客户来访提醒"), users=[ZHANG])
    first, second = stub.heard("message/send")
    assert first.body == second.body
    assert first.json["enable_duplicate_check"] == 1


@pytest.mark.parametrize("broken", [Reset(), Http(502), Http(200, b"<html>"), Http(200, b"[]")])
def test_a_read_that_breaks_is_repeated_at_once_and_then_given_back(
    broken: Any, stub: Stub, time: Time, client: WeComClient
) -> None:
    stub.say(LIST, broken, {**OK, "external_userid": [WANG]})
    assert _read(client) == [WANG]
    stub.say(LIST, broken)
    with pytest.raises(Retry):
        _read(client)
    assert len(stub.heard(LIST)) == 2 + 3
    assert len(time.slept) == 1 + 2


def test_an_unavailable_platform_names_its_own_pause(stub: Stub, client: WeComClient) -> None:
    stub.say(LIST, Http(503, headers={"Retry-After": "30"}))
    with pytest.raises(Retry) as retry:
        _read(client)
    assert 30 <= retry.value.after <= 45
    assert len(stub.heard(LIST)) == 1


def test_a_silent_token_endpoint_makes_even_a_mass_send_harmless(
    stub: Stub, hasty: WeComClient
) -> None:
    stub.say("gettoken", Silent())
    with pytest.raises(Retry):
        _write(hasty)
    assert stub.heard(ADD_MSG_TEMPLATE) == []


@pytest.mark.parametrize("errcode", [84061, 40096, 60111, 40003, 987654])
def test_a_refusal_is_final_and_carries_its_code_before_anybody_looks_at_empty_lists(
    errcode: int, stub: Stub, client: WeComClient
) -> None:
    stub.say(LIST, failed(errcode))
    with pytest.raises(Refused) as refused:
        _read(client)
    assert errcode == refused.value.errcode
    assert len(stub.heard(LIST)) == 1


def test_a_reply_without_errcode_is_success(stub: Stub, client: WeComClient) -> None:
    stub.say(LIST, {"external_userid": [WANG]})
    assert _read(client) == [WANG]


def test_an_empty_object_does_not_mean_that_a_member_has_no_customers(
    stub: Stub, client: WeComClient
) -> None:
    stub.say(LIST, {})
    with pytest.raises(Retry):
        _read(client)


def test_a_list_that_is_left_out_of_a_success_is_empty(stub: Stub, client: WeComClient) -> None:
    stub.say(LIST, OK)
    assert _read(client) == []


@pytest.mark.parametrize("errcode", [-1, 6000, 45033, 45035])
def test_a_passing_trouble_is_tried_three_times_with_growing_pauses(
    errcode: int, stub: Stub, time: Time, client: WeComClient
) -> None:
    stub.say(LIST, failed(errcode))
    with pytest.raises(Retry):
        _read(client)
    first, second = time.slept
    assert first < second
    assert len(stub.heard(LIST)) == 3
    stub.say(LIST, failed(errcode), OK)
    assert _read(client) == []


def test_the_number_of_tries_is_a_setting(stub: Stub, time: Time) -> None:
    stub.say(LIST, failed(-1))
    for client in connected(stub, time, attempts=1):
        with pytest.raises(Retry):
            _read(client)
    assert len(stub.heard(LIST)) == 1


def test_a_mass_send_is_never_tried_again_by_itself(stub: Stub, client: WeComClient) -> None:
    stub.say(ADD_MSG_TEMPLATE, failed(-1), failed(45033))
    with pytest.raises(Uncertain):  # "system busy" does not say whether the task was made
        _write(client)
    with pytest.raises(Retry):
        _write(client)
    assert len(stub.heard(ADD_MSG_TEMPLATE)) == 2


def test_a_task_still_being_handed_out_is_given_back_for_half_a_minute(
    stub: Stub, time: Time, client: WeComClient
) -> None:
    stub.say("externalcontact/get_groupmsg_task", failed(41063))
    with pytest.raises(Retry) as retry:
        client.get_groupmsg_task(TASK)
    assert retry.value.after >= 30
    assert time.slept == []


def test_a_greeting_that_was_already_made_is_done(stub: Stub, client: WeComClient) -> None:
    stub.say("externalcontact/send_welcome_msg", failed(41051))
    stub.say("kf/send_msg_on_event", failed(41051))
    assert client.send_welcome_msg("CODE", "您好") is False
    assert client.kf_send_msg_on_event("CODE", MsgId("m1"), text_message("您好")) is False


def test_a_greeting_that_another_app_is_sending_gets_one_more_try(
    stub: Stub, client: WeComClient
) -> None:
    stub.say("externalcontact/send_welcome_msg", failed(41096))
    with pytest.raises(Retry):
        client.send_welcome_msg("CODE", "您好")
    assert len(stub.heard("externalcontact/send_welcome_msg")) == 2


@pytest.mark.parametrize("errcode", [41050, 41053])
def test_a_greeting_that_comes_too_late_or_too_early_is_refused(
    errcode: int, stub: Stub, client: WeComClient
) -> None:
    stub.say("externalcontact/send_welcome_msg", failed(errcode))
    with pytest.raises(Refused):
        client.send_welcome_msg("CODE", "您好")


def test_a_task_that_was_cancelled_before_stays_cancelled(stub: Stub, client: WeComClient) -> None:
    stub.say("externalcontact/cancel_groupmsg_send", failed(41093), failed(41063))
    assert client.cancel_groupmsg_send(TASK) is False
    with pytest.raises(Retry):
        client.cancel_groupmsg_send(TASK)


def test_a_fourth_reminder_waits_a_day_and_stops_no_other(stub: Stub, client: WeComClient) -> None:
    stub.say("externalcontact/remind_groupmsg_send", failed(41094), OK)
    with pytest.raises(Retry) as retry:
        client.remind_groupmsg_send(TASK)
    assert retry.value.after == 86400
    client.remind_groupmsg_send(MsgId("another"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Http(404), "接口路径不存在"),
        (Http(301, headers={"Location": "https://example.com/"}), "https://"),
        (Http(403), "网关"),
    ],
)
def test_an_answer_that_only_a_change_can_mend_says_what_to_change(
    answer: Http, words: str, stub: Stub, client: WeComClient
) -> None:
    stub.say(LIST, answer)
    with pytest.raises(Invalid, match=words):
        _read(client)


def test_a_limited_interface_rests_a_minute_and_then_an_hour(
    stub: Stub, time: Time, client: WeComClient
) -> None:
    stub.say(LIST, failed(45009))
    for rest in (60, 3600, 3600):
        heard = len(stub.heard(LIST))
        with pytest.raises(Retry) as retry:
            _read(client)
        assert rest == retry.value.after
        time.now += rest - 1
        with pytest.raises(Retry) as retry:
            _read(client)
        assert retry.value.after == 1
        assert heard + 1 == len(stub.heard(LIST))
        time.now += 1


def test_a_limited_interface_stops_no_other_and_forgets_when_it_passes(
    stub: Stub, time: Time, client: WeComClient
) -> None:
    stub.say(LIST, failed(45009), OK, failed(45009))
    with pytest.raises(Retry):
        _read(client)
    client.user_get(ZHANG)
    client.get_follow_user_list()
    time.now += 60
    _read(client)
    with pytest.raises(Retry) as retry:
        _read(client)
    assert retry.value.after == 60


def test_a_gateway_that_limits_parks_the_interface_for_its_own_time(
    stub: Stub, time: Time, client: WeComClient
) -> None:
    stub.say(LIST, Http(429, headers={"Retry-After": "7"}), OK)
    with pytest.raises(Retry) as retry:
        _read(client)
    assert retry.value.after == 7
    time.now += 7
    assert _read(client) == []


def test_a_limited_token_endpoint_rests_too(stub: Stub, client: WeComClient) -> None:
    stub.say("gettoken", failed(45009))
    for _ in range(2):
        with pytest.raises(Retry) as retry:
            _write(client)
        assert retry.value.after == 60
    assert len(stub.heard("gettoken")) == 1


def test_a_message_that_wecom_would_drop_silently_is_given_back(
    stub: Stub, time: Time, client: WeComClient
) -> None:
    stub.say("message/send", {**OK, "msgid": "MSGID"})
    for number in range(28):
        client.message_send(text_message(f"提醒 {number}"), users=[ZHANG])
    with pytest.raises(Retry) as retry:
        client.message_send(text_message("再提醒"), users=[UserId("lisi"), UserId("ZhangSan")])
    assert retry.value.after == 60
    client.message_send(text_message("再提醒"), users=[UserId("lisi")])
    time.now += 60
    client.message_send(text_message("再提醒"), users=[ZHANG])
    assert len(stub.heard("message/send")) == 30
