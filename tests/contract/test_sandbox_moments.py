"""Moments in the sandbox: made later, seen by whom the range names, only after the tap."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sandbox_caller import Caller

from bot.errors import Invalid

ADD = "externalcontact/add_moment_task"
RESULT = "externalcontact/get_moment_task_result"
SEEN = "externalcontact/get_moment_send_result"
RANGE = "externalcontact/get_moment_customer_list"


@pytest.fixture
def caller() -> Caller:
    return Caller()


def job(caller: Caller, senders: list[str], *tags: str, **body: Any) -> dict[str, Any]:
    """What became of a task for these members and tags."""
    seen = {
        "sender_list": {"user_list": senders},
        "external_contact_list": {"tag_list": list(tags)},
    }
    asked = {"text": {"content": "天冷添衣"}, "visible_range": seen} | body
    name = caller.post(ADD, asked)["jobid"]
    assert caller.get(RESULT, jobid=name)["status"] == 2
    caller.watch.seconds += 2
    reply = caller.get(RESULT, jobid=name)
    assert reply["status"] == 3
    return dict(reply["result"])


def listing(caller: Caller, **more: Any) -> list[dict[str, Any]]:
    now = caller.world.seconds()
    body = {"start_time": now - 60, "end_time": now + 60} | more
    return list(caller.post("externalcontact/get_moment_list", body)["moment_list"])


def test_nobody_sees_a_moment_before_its_member_has_published_it(caller: Caller) -> None:
    moment = job(caller, ["zhangsan"])["moment_id"]
    asked = {"moment_id": moment, "userid": "zhangsan"}
    assert caller.post("externalcontact/get_moment_task", {"moment_id": moment})["task_list"] == [
        {"userid": "zhangsan", "publish_status": 0}
    ]
    assert (caller.code_of(SEEN, asked), caller.code_of(RANGE, asked)) == (41061, 41062)
    assert caller.world.delivered() == []
    assert caller.world.confirm_task("zhangsan", moment) == {caller.friend: 1}
    assert caller.post(SEEN, asked)["customer_list"] == [{"external_userid": caller.friend}]
    assert caller.post(RANGE, asked)["customer_list"] == [
        {"external_userid": caller.friend, "userid": "zhangsan"}
    ]
    (sent,) = caller.world.delivered(channel="moments")
    assert (sent["external_userid"], sent["text"]) == (caller.friend, "天冷添衣")
    with pytest.raises(Invalid):
        caller.world.confirm_task("zhangsan", moment)


def test_with_tags_only_who_carries_one_by_this_member_sees_it(caller: Caller) -> None:
    other = caller.world.add_customer("孙七")
    caller.world.add_friend(other, "zhangsan")
    (tag,) = caller.world.create_tags("组", ["可见"], by_api=True)
    body = {"userid": "zhangsan", "external_userid": other, "add_tag": [tag]}
    assert caller.code_of("externalcontact/mark_tag", body) == 0
    moment = job(caller, ["zhangsan"], tag)["moment_id"]
    assert caller.world.confirm_task("zhangsan", moment) == {other: 1}


def test_what_the_range_does_not_know_is_told_and_left_out(caller: Caller) -> None:
    result = job(caller, ["zhangsan", "nobody"], "etNone")
    assert result["invalid_sender_list"]["user_list"] == ["nobody"]
    assert result["invalid_external_contact_list"]["tag_list"] == ["etNone"]
    # Without a tag that it knows WeCom restricts nobody.
    assert caller.world.confirm_task("zhangsan", result["moment_id"]) == {caller.friend: 1}
    refused = job(caller, ["nobody"])
    assert (refused["errcode"], refused["moment_id"]) == (40003, "")


def test_a_stopped_moment_cannot_be_published_and_stopping_again_does_no_harm(
    caller: Caller,
) -> None:
    moment = job(caller, ["zhangsan"])["moment_id"]
    for _ in range(2):
        assert caller.code_of("externalcontact/cancel_moment_task", {"moment_id": moment}) == 0
    assert caller.world.pending_tasks("zhangsan") == []
    with pytest.raises(Invalid):
        caller.world.confirm_task("zhangsan", moment)


def test_a_members_own_moment_is_listed_apart_and_cannot_be_stopped(caller: Caller) -> None:
    ours = job(caller, ["zhangsan"])["moment_id"]
    own = caller.world.publish_by_hand("zhangsan", "下班了")
    caller.watch.seconds += 2
    assert [row["moment_id"] for row in listing(caller)] == [ours, own]
    assert [row["moment_id"] for row in listing(caller, filter_type=0)] == [ours]
    assert [row["moment_id"] for row in listing(caller, creator="zhangsan")] == [own]
    assert caller.code_of("externalcontact/cancel_moment_task", {"moment_id": own}) == 41067


def test_a_job_can_be_asked_about_for_a_day(caller: Caller) -> None:
    asked = {"visible_range": {"sender_list": {"user_list": ["zhangsan"]}}}
    name = caller.post(ADD, {"text": {"content": "好"}} | asked)["jobid"]
    caller.clock.move(timedelta(hours=25))
    assert caller.get(RESULT, jobid=name)["errcode"] == 40058


def test_the_eleventh_task_of_a_minute_is_too_many(caller: Caller) -> None:
    codes = [caller.code_of(ADD, {"text": {"content": "好"}}) for _ in range(11)]
    assert codes == [0] * 10 + [45009]


def test_only_what_was_uploaded_for_moments_can_be_attached(caller: Caller) -> None:
    picture = b"\xff\xd8\xff" + b"x" * 9
    wrong = caller.upload("media/upload", picture, type="image")["media_id"]
    query = {"media_type": "image", "attachment_type": "1"}
    secret = caller.settings.contact_secret
    right = caller.upload("media/upload_attachment", picture, secret, **query)
    for media_id, code in ((wrong, 40007), (right["media_id"], 0)):
        item = {"msgtype": "image", "image": {"media_id": media_id}}
        assert caller.code_of(ADD, {"attachments": [item]}) == code
