"""Mass sends in the sandbox: nothing goes out before the tap, and caps show in the results."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sandbox_caller import Caller

from bot.errors import Invalid


@pytest.fixture
def caller() -> Caller:
    return Caller()


def task(caller: Caller, *, wait: bool = True, **body: Any) -> dict[str, Any]:
    reply = caller.post(
        "externalcontact/add_msg_template", {"text": {"content": "周六活动"}} | body
    )
    if wait:
        caller.watch.seconds += 2
    return reply


def results(caller: Caller, msgid: str, userid: str = "zhangsan") -> list[dict[str, Any]]:
    body = {"msgid": msgid, "userid": userid}
    reply = caller.post("externalcontact/get_groupmsg_send_result", body)
    return list(reply["send_list"])


def test_nothing_reaches_a_customer_before_the_member_taps(caller: Caller) -> None:
    msgid = task(caller, sender="zhangsan", external_userid=[caller.friend])["msgid"]
    assert caller.world.delivered() == []
    assert [row["status"] for row in results(caller, msgid)] == [0]
    assert {caller.friend: 1} == caller.world.confirm_task("zhangsan", msgid)
    (sent,) = caller.world.delivered()
    assert ("mass_single", "zhangsan", "周六活动", msgid) == (
        sent["channel"],
        sent["sender"],
        sent["text"],
        sent["mass"],
    )
    (row,) = results(caller, msgid)
    assert (caller.friend, 1, caller.world.seconds()) == (
        row["external_userid"],
        row["status"],
        row["send_time"],
    )
    with pytest.raises(Invalid):
        caller.world.confirm_task("zhangsan", msgid)


def test_a_new_task_is_being_dispatched_for_a_moment(caller: Caller) -> None:
    msgid = task(caller, wait=False, sender="zhangsan", external_userid=[caller.friend])["msgid"]
    listing = "externalcontact/get_groupmsg_task"
    assert caller.code_of(listing, {"msgid": msgid}) == 41063
    caller.watch.seconds += 1
    reply = caller.post(listing, {"msgid": msgid})
    assert reply["task_list"] == [{"userid": "zhangsan", "status": 0}]


def test_strangers_are_in_the_fail_list_and_only_strangers_make_no_task(caller: Caller) -> None:
    reply = task(caller, sender="zhangsan", external_userid=[caller.friend, caller.stranger, "wm0"])
    assert [caller.stranger, "wm0"] == reply["fail_list"]
    alone = task(caller, sender="zhangsan", external_userid=[caller.stranger])
    assert alone["errcode"] == 41048


def test_a_customer_of_two_members_goes_to_who_talked_with_them_last(caller: Caller) -> None:
    caller.world.add_friend(caller.friend, "lisi")
    caller.world.say(caller.friend, "你好", peer="lisi")
    msgid = task(caller, external_userid=[caller.friend])["msgid"]
    assert list(caller.world.masses[msgid].tasks) == ["lisi"]


def test_a_group_task_is_for_the_owners_groups_only(caller: Caller) -> None:
    other = caller.world.create_group("lisi", "别人的群", [caller.friend])
    body: dict[str, Any] = {"chat_type": "group", "chat_id_list": [caller.chat, other]}
    assert task(caller, **body)["errcode"] == 40058
    reply = task(caller, sender="zhangsan", **body)
    assert [other] == reply["fail_list"]
    assert results(caller, reply["msgid"]) == []
    caller.world.confirm_task("zhangsan", reply["msgid"])
    assert [caller.chat] == [row["chat_id"] for row in results(caller, reply["msgid"])]
    assert [caller.chat] == [one["chat_id"] for one in caller.world.delivered()]


def test_over_the_cap_of_the_month_is_a_status_and_not_an_error(caller: Caller) -> None:
    for _ in range(30):
        caller.world.send_by_hand("zhangsan", "手工", [caller.friend])
    msgid = task(caller, sender="zhangsan", external_userid=[caller.friend])["msgid"]
    assert {caller.friend: 1} == caller.world.confirm_task("zhangsan", msgid)
    msgid = task(caller, sender="zhangsan", external_userid=[caller.friend])["msgid"]
    assert {caller.friend: 3} == caller.world.confirm_task("zhangsan", msgid)
    assert len(caller.world.delivered()) == 31
    caller.clock.move(timedelta(days=31))
    msgid = task(caller, sender="zhangsan", external_userid=[caller.friend])["msgid"]
    assert {caller.friend: 1} == caller.world.confirm_task("zhangsan", msgid)


def test_who_ended_the_friendship_meanwhile_is_status_two(caller: Caller) -> None:
    msgid = task(caller, sender="zhangsan", external_userid=[caller.friend])["msgid"]
    caller.world.delete_friend("zhangsan", caller.friend, by="customer")
    assert {caller.friend: 2} == caller.world.confirm_task("zhangsan", msgid)
    assert caller.world.delivered() == []


def test_a_cancelled_task_cannot_be_sent(caller: Caller) -> None:
    msgid = task(caller, sender="zhangsan", external_userid=[caller.friend])["msgid"]
    cancel = "externalcontact/cancel_groupmsg_send"
    assert [caller.code_of(cancel, {"msgid": msgid}) for _ in range(2)] == [0, 41093]
    assert caller.world.pending_tasks("zhangsan") == []
    with pytest.raises(Invalid):
        caller.world.confirm_task("zhangsan", msgid)


def test_three_reminders_a_day_are_the_most(caller: Caller) -> None:
    msgid = task(caller, sender="zhangsan", external_userid=[caller.friend])["msgid"]
    remind = "externalcontact/remind_groupmsg_send"
    codes = [caller.code_of(remind, {"msgid": msgid}) for _ in range(4)]
    assert codes == [0, 0, 0, 41094]
    caller.clock.move(timedelta(hours=24))
    assert caller.code_of(remind, {"msgid": msgid}) == 0


def test_the_list_finds_tasks_by_time_and_tells_who_made_them(caller: Caller) -> None:
    msgid = task(caller, sender="zhangsan", external_userid=[caller.friend])["msgid"]
    caller.world.send_by_hand("zhangsan", "手工", [caller.friend])
    caller.watch.seconds += 2
    now = caller.world.seconds()
    span = {"chat_type": "single", "start_time": now - 60, "end_time": now + 60}
    listing = "externalcontact/get_groupmsg_list_v2"
    rows = caller.post(listing, span | {"filter_type": 0})["group_msg_list"]
    assert [(msgid, 0, "周六活动")] == [
        (row["msgid"], row["create_type"], row["text"]["content"]) for row in rows
    ]
    assert "creator" not in rows[0]
    assert len(caller.post(listing, span | {"limit": 500})["group_msg_list"]) == 2
    late = span | {"start_time": now + 10}
    assert caller.post(listing, late)["group_msg_list"] == []


def test_a_members_own_mass_send_tells_who_made_it_and_whom_it_reached(caller: Caller) -> None:
    msgid = caller.world.send_by_hand("zhangsan", "手工", [caller.friend, caller.stranger])
    caller.watch.seconds += 2
    now = caller.world.seconds()
    span = {"chat_type": "single", "start_time": now - 60, "end_time": now + 60, "filter_type": 1}
    (row,) = caller.post("externalcontact/get_groupmsg_list_v2", span)["group_msg_list"]
    assert (msgid, 1, "zhangsan") == (row["msgid"], row["create_type"], row["creator"])
    assert {caller.friend: 1, caller.stranger: 2} == {
        row["external_userid"]: row["status"] for row in results(caller, msgid)
    }


@pytest.mark.parametrize("wrong", [("", ["friend"]), ("你好", []), ("你好", ["friend", "chat"])])
def test_a_member_cannot_mass_send_nothing_or_to_nobody_or_to_both_kinds_at_once(
    caller: Caller, wrong: tuple[str, list[str]]
) -> None:
    text, whom = wrong
    with pytest.raises(Invalid):
        caller.world.send_by_hand("zhangsan", text, [getattr(caller, name) for name in whom])


def test_tags_select_with_or_inside_and_and_between(caller: Caller) -> None:
    one, two, three = caller.world.create_tags("意向", ["甲", "乙", "丙"])
    caller.world.edit_by_hand("zhangsan", caller.friend, add_tags=[one, three])
    both = {"group_list": [{"tag_list": [one, two]}, {"tag_list": [three]}]}
    assert task(caller, tag_filter=both)["errcode"] == 0
    none = {"group_list": [{"tag_list": [one]}, {"tag_list": [two]}]}
    assert task(caller, tag_filter=none)["errcode"] == 41048
    assert task(caller)["errcode"] == 40058


def test_a_member_may_leave_people_out_only_where_the_task_allows(caller: Caller) -> None:
    other = caller.world.add_customer("孙七")
    caller.world.add_friend(other, "zhangsan")
    people: dict[str, Any] = {"sender": "zhangsan", "external_userid": [caller.friend, other]}
    fixed = task(caller, **people)["msgid"]
    with pytest.raises(Invalid):
        caller.world.confirm_task("zhangsan", fixed, [other])
    free = task(caller, allow_select=True, **people)["msgid"]
    assert {other: 1} == caller.world.confirm_task("zhangsan", free, [other])
    assert {caller.friend: 0, other: 1} == {
        row["external_userid"]: row["status"] for row in results(caller, free)
    }


def test_a_media_id_that_is_too_old_is_refused(caller: Caller) -> None:
    picture = b"\xff\xd8\xff" + b"0" * 20
    media_id = caller.upload("media/upload", picture, type="image")["media_id"]
    body: dict[str, Any] = {
        "sender": "zhangsan",
        "external_userid": [caller.friend],
        "attachments": [{"msgtype": "image", "image": {"media_id": media_id}}],
    }
    assert task(caller, **body)["errcode"] == 0
    caller.clock.move(timedelta(days=3, seconds=1))
    assert task(caller, **body)["errcode"] == 40007
    assert caller.upload("media/uploadimg", b"not a picture")["errcode"] == 40123
