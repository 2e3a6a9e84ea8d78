"""Customers, tags, groups and welcome codes in the sandbox."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sandbox_caller import Caller

from bot.errors import Invalid

WELCOME = "externalcontact/send_welcome_msg"


@pytest.fixture
def caller() -> Caller:
    return Caller()


def welcome(caller: Caller, code: str) -> int:
    return caller.code_of(WELCOME, {"welcome_code": code, "text": {"content": "您好"}})


def test_a_welcome_code_works_once(caller: Caller) -> None:
    assert [welcome(caller, caller.code) for _ in range(2)] == [0, 41051]
    assert [one["text"] for one in caller.world.delivered(channel="welcome")] == ["您好"]


def test_a_welcome_code_lives_twenty_real_seconds(caller: Caller) -> None:
    caller.watch.seconds += 19.9
    other = caller.world.add_friend(caller.stranger, "lisi")
    assert welcome(caller, caller.code) == 0
    caller.watch.seconds += 20
    assert welcome(caller, other) == 41050
    assert welcome(caller, "made-up") == 41050


def test_a_chat_that_has_begun_needs_no_welcome(caller: Caller) -> None:
    caller.world.say(caller.friend, "在吗", peer="zhangsan")
    assert welcome(caller, caller.code) == 41051


def test_a_half_made_friend_is_welcomed_but_is_no_friend_yet(caller: Caller) -> None:
    code = caller.world.add_friend(caller.stranger, "lisi", half=True)
    assert caller.events() == [("change_external_contact", "add_half_external_contact")]
    assert welcome(caller, code) == 0
    reply = caller.get("externalcontact/get", external_userid=caller.stranger)
    assert reply["errcode"] == 84061
    assert caller.world.confirm_friend(caller.stranger, "lisi") == ""
    reply = caller.get("externalcontact/get", external_userid=caller.stranger)
    assert [one["userid"] for one in reply["follow_user"]] == ["lisi"]


def test_unknown_customers_and_strangers_are_told_apart(caller: Caller) -> None:
    get = "externalcontact/get"
    assert caller.get(get, external_userid="wm-nobody")["errcode"] == 40096
    assert caller.get(get, external_userid=caller.stranger)["errcode"] == 84061
    tag = caller.world.create_tags("意向", ["理财"])[0]
    body = {"userid": "zhangsan", "external_userid": caller.stranger, "add_tag": [tag]}
    assert caller.code_of("externalcontact/mark_tag", body) == 84061


def test_a_tag_marked_by_api_shows_in_the_customer_and_raises_no_callback(caller: Caller) -> None:
    body = {"group_name": "意向", "tag": [{"name": "理财"}, {"name": "信用卡"}]}
    group = caller.post("externalcontact/add_corp_tag", body)["tag_group"]
    tag = group["tag"][0]["id"]
    again = caller.post("externalcontact/add_corp_tag", {**body, "tag": [{"name": "理财"}]})
    assert [tag] == [one["id"] for one in again["tag_group"]["tag"]]
    mark = {"userid": "zhangsan", "external_userid": caller.friend, "add_tag": [tag]}
    assert caller.code_of("externalcontact/mark_tag", mark) == 0
    reply = caller.get("externalcontact/get", external_userid=caller.friend)
    shown = {"group_name": "意向", "tag_name": "理财", "tag_id": tag, "type": 1}
    assert [shown] == reply["follow_user"][0]["tags"]
    assert reply["follow_user"][0]["state"] == "qr-1"
    assert caller.events() == []


def test_tags_made_in_the_console_belong_to_the_console(caller: Caller) -> None:
    tag = caller.world.create_tags("手工", ["老客户"])[0]
    created = [("change_external_tag", "create")] * 2
    assert created == caller.events()
    assert caller.code_of("externalcontact/edit_corp_tag", {"id": tag, "name": "x"}) == 81011
    assert caller.code_of("externalcontact/del_corp_tag", {"tag_id": [tag]}) == 81011
    assert caller.code_of("externalcontact/del_corp_tag", {"tag_id": ["et-none"]}) == 40068


def test_editing_by_hand_is_told_without_detail(caller: Caller) -> None:
    caller.world.edit_by_hand("zhangsan", caller.friend, remark="老王", mobiles=["13800000000"])
    assert caller.events() == [("change_external_contact", "edit_external_contact")]
    reply = caller.post("externalcontact/batch/get_by_user", {"userid_list": ["zhangsan"]})
    (row,) = reply["external_contact_list"]
    assert (row["follow_info"]["remark"], row["follow_info"]["tag_id"]) == ("老王", [])


def test_pages_follow_cursors_to_the_end(caller: Caller) -> None:
    for number in range(4):
        caller.world.add_friend(caller.world.add_customer(f"客户{number}"), "zhangsan")
    found, cursor = [], ""
    while True:
        body = {"userid_list": ["zhangsan"], "limit": 2, "cursor": cursor}
        reply = caller.post("externalcontact/batch/get_by_user", body)
        found += [r["external_contact"]["external_userid"] for r in reply["external_contact_list"]]
        cursor = reply["next_cursor"]
        if not cursor:
            break
    assert len(set(found)) == 5
    bad = {"userid_list": ["zhangsan"], "cursor": "guess"}
    assert caller.code_of("externalcontact/batch/get_by_user", bad) == 50100


def test_deleting_a_friend_tells_who_did_it(caller: Caller) -> None:
    caller.world.delete_friend("zhangsan", caller.friend, by="customer")
    assert caller.events() == [("change_external_contact", "del_follow_user")]
    with pytest.raises(Invalid):
        caller.world.delete_friend("zhangsan", caller.friend)


def test_a_groups_change_names_people_and_versions(caller: Caller) -> None:
    before = caller.world.groups[caller.chat].member_version
    newcomer = caller.world.add_customer("新人")
    caller.world.join_group(caller.chat, newcomer, scene=3, state="door")
    fields = caller.world.unsent[-1].fields
    after = caller.post("externalcontact/groupchat/get", {"chat_id": caller.chat})["group_chat"]
    assert (before, after["member_version"]) == (fields["LastMemVer"], fields["CurMemVer"])
    assert {"Item": [newcomer]} == fields["MemChangeList"]
    assert (
        fields["UpdateDetail"],
        fields["JoinScene"],
        fields["MemChangeCnt"],
    ) == ("add_member", 3, 1)
    assert before != after["member_version"]
    member = after["member_list"][-1]
    assert (newcomer, 2, "door") == (member["userid"], member["type"], member["state"])
    assert "name" not in member


def test_a_group_read_right_after_a_change_may_be_as_it_was(caller: Caller) -> None:
    caller.world.settings = replace(caller.settings, group_lag_seconds=2.0)
    get = "externalcontact/groupchat/get"
    before = caller.post(get, {"chat_id": caller.chat})
    caller.world.join_group(caller.chat, caller.world.add_customer("新人"))
    assert caller.post(get, {"chat_id": caller.chat}) == before
    caller.watch.seconds += 2
    after = caller.post(get, {"chat_id": caller.chat})["group_chat"]
    assert after["member_version"] == caller.world.groups[caller.chat].member_version
    assert len(after["member_list"]) == 4


def test_an_applied_group_welcome_greets_without_a_tap(caller: Caller) -> None:
    body = {"text": {"content": "欢迎%NICKNAME%"}, "notify": 0}
    template = caller.post("externalcontact/group_welcome_template/add", body)["template_id"]
    first = caller.world.add_customer("甲")
    caller.world.join_group(caller.chat, first)
    assert caller.world.delivered(channel="group_welcome") == []
    caller.world.apply_group_welcome(caller.chat, template)
    caller.world.join_group(caller.chat, caller.world.add_customer("乙"))
    assert [one["text"] for one in caller.world.delivered(channel="group_welcome")] == ["欢迎乙"]


def test_a_dismissed_group_is_gone(caller: Caller) -> None:
    caller.world.dismiss(caller.chat)
    assert caller.events() == [("change_external_chat", "dismiss")]
    assert caller.code_of("externalcontact/groupchat/get", {"chat_id": caller.chat}) == 86003
    reply = caller.post("externalcontact/groupchat/list", {"limit": 100})
    assert reply["group_chat_list"] == []


def test_consent_calls_tell_what_people_answered(caller: Caller) -> None:
    caller.world.agree("zhangsan", caller.friend)
    assert ("change_external_contact", "msg_audit_approved") in caller.events()
    caller.world.disagree(caller.chat, caller.friend)
    assert caller.events() == [("msgaudit_notify", "")]
    ask = {"info": [{"userid": "zhangsan", "exteranalopenid": caller.friend}]}
    single = caller.post("msgaudit/check_single_agree", ask)["agreeinfo"]
    assert [(one["userid"], one["agree_status"]) for one in single] == [("zhangsan", "Agree")]
    room = caller.post("msgaudit/check_room_agree", {"roomid": caller.chat})["agreeinfo"]
    assert {caller.friend: "Disagree", caller.stranger: "Disagree"} == {
        one["exteranalopenid"]: one["agree_status"] for one in room
    }


def test_a_login_code_works_once(caller: Caller) -> None:
    code = caller.world.login_code("zhangsan")
    assert caller.get("auth/getuserinfo", code=code)["userid"] == "zhangsan"
    assert caller.get("auth/getuserinfo", code=code)["errcode"] == 42022
    assert caller.get("auth/getuserinfo", code="guess")["errcode"] == 40029
    late = caller.world.login_code("lisi")
    caller.watch.seconds += 301
    assert caller.get("auth/getuserinfo", code=late)["errcode"] == 42003


def test_employees_and_departments_are_read_as_they_are(caller: Caller) -> None:
    branch = caller.world.add_department("城东支行")
    caller.world.add_staff("wangwu", "王五", branch)
    reply = caller.get("user/simplelist", department_id=str(branch))
    assert [{"userid": "wangwu", "name": "王五", "department": [branch]}] == reply["userlist"]
    assert caller.get("user/get", userid="ZhangSan")["name"] == "张三"
    assert caller.get("user/get", userid="nobody")["errcode"] == 60111
    assert [branch] == [one["id"] for one in caller.get("department/list", id="2")["department"]]
    assert caller.get("user/list", department_id="99")["errcode"] == 60123
