"""The sandbox's API is as strict as the contract, and every call of it answers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from sandbox_caller import Caller

import bot.sandbox
from bot.sandbox.api import implemented
from bot.sandbox.contract import ApiError, calls, check_body, check_query

SHARED = Path(__file__).parents[2].parent / "shared" / "wecom" / "contract.json"
SAMPLED = sorted(
    (spec for spec in calls().values() if spec.sample_request is not None),
    key=lambda spec: spec.id,
)
NEEDED = {
    "gettoken user_get user_list user_simplelist department_list department_simplelist",
    "get_follow_user_list externalcontact_list externalcontact_get batch_get_by_user",
    "externalcontact_remark get_corp_tag_list add_corp_tag edit_corp_tag del_corp_tag mark_tag",
    "groupchat_list groupchat_get send_welcome_msg group_welcome_template_add",
    "group_welcome_template_edit group_welcome_template_get group_welcome_template_del",
    "add_msg_template get_groupmsg_list_v2 get_groupmsg_task get_groupmsg_send_result",
    "remind_groupmsg_send cancel_groupmsg_send message_send update_template_card",
    "message_recall media_upload media_uploadimg kf_account_list kf_servicer_list",
    "kf_service_state_get kf_service_state_trans kf_sync_msg kf_send_msg kf_send_msg_on_event",
    "check_single_agree check_room_agree get_permit_user_list getcallbackip get_api_domain_ip",
    "auth_getuserinfo get_jsapi_ticket get_agent_ticket media_upload_attachment",
    "add_moment_task get_moment_task_result cancel_moment_task get_moment_list get_moment_task",
    "get_moment_customer_list get_moment_send_result webhook_send",
}
MASS = "externalcontact/add_msg_template"
MOMENT = "externalcontact/add_moment_task"
FILM = {"msgtype": "video", "video": {"media_id": "m"}}
MENU = {"touser": "wm1", "open_kfid": "wk1", "msgtype": "msgmenu"}


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.mark.parametrize("spec", SAMPLED, ids=lambda spec: spec.id)
def test_every_sample_request_passes_the_checks(spec: Any) -> None:
    if spec.method == "POST":
        check_body(spec, spec.sample_request)
    else:
        check_query(spec, {key: str(value) for key, value in spec.sample_request.items()})


def test_the_calls_that_the_bot_needs_are_implemented_with_state() -> None:
    needed = {name for line in NEEDED for name in line.split()}
    assert set() == needed - implemented()


@pytest.mark.skipif(not SHARED.exists(), reason="the contract is only in the shared folder")
def test_no_call_of_the_contract_is_unknown_to_the_sandbox() -> None:
    entries = json.loads(SHARED.read_text(encoding="utf-8"))["endpoints"]
    served = [entry for entry in entries if not entry["id"].startswith("aibot")]
    assert [entry["id"] for entry in served if entry["path"] not in calls()] == []


def test_a_call_without_state_is_checked_and_then_answers_its_sample(caller: Caller) -> None:
    body = {"type": 1, "scene": 2, "user": ["zhangsan"], "state": "s"}
    reply = caller.post("externalcontact/add_contact_way", body)
    assert reply["errcode"] == 0
    assert "config_id" in reply
    assert caller.world.canned == {"add_contact_way": 1}
    refused = caller.code_of("externalcontact/add_contact_way", body | {"type": "1"})
    assert refused == 40035


def test_an_unknown_path_is_404_with_nothing_in_it(caller: Caller) -> None:
    reply = caller.api.answer("POST", "/cgi-bin/externalcontact/nothing", {}, b"{}", None)
    assert (reply.status, reply.body, reply.content) == (404, None, b"")


REFUSED = [
    (40033, MASS, b'{"sender":"zhangsan","text":{"content":"\\u4f60"}}'),
    (40058, MASS, b"{not json"),
    (40058, MASS, '{"text":{"content":"好"}}'.encode("gb18030")),
    (40058, MASS, b"[1]"),
    (40058, MASS, {"sender": "zhangsan", "text": {"content": "x"}, "surprise": 1}),
    (40058, MASS, {"sender": "zhangsan", "text": {"content": "x", "words": "y"}}),
    (40035, MASS, {"sender": "zhangsan", "external_userid": "wm1", "text": {"content": "x"}}),
    (40035, MASS, {"sender": ["zhangsan"], "text": {"content": "x"}}),
    (40058, MASS, {"chat_type": "all", "text": {"content": "x"}}),
    (45002, MASS, {"sender": "zhangsan", "text": {"content": "字" * 1334}}),
    (40063, MASS, {"sender": "zhangsan"}),
    (41064, MASS, {"attachments": [{"msgtype": "image", "image": {"pic_url": "u"}}] * 10}),
    (41065, MASS, {"attachments": [{"msgtype": "voice", "voice": {"media_id": "m"}}]}),
    (41065, MASS, {"attachments": [{"msgtype": "link", "image": {"media_id": "m"}}]}),
    (41006, MASS, {"attachments": [{"msgtype": "image", "image": {}}]}),
    (41016, MASS, {"attachments": [{"msgtype": "link", "link": {"url": "https://a"}}]}),
    (41009, "externalcontact/mark_tag", {"external_userid": "wm1"}),
    (41035, "externalcontact/mark_tag", {"userid": "zhangsan"}),
    (40035, "externalcontact/groupchat/list", {"limit": "10"}),
    (40035, "externalcontact/groupchat/list", {"limit": True}),
    (40058, "externalcontact/groupchat/list", {"limit": 1001}),
    (40063, "externalcontact/groupchat/list", {}),
    (40035, "kf/account/list", {"offset": []}),
    (40035, "kf/account/list", {"limit": ""}),
    (40035, "externalcontact/groupchat/list", {"limit": 1, "cursor": None}),
    (40072, "externalcontact/add_corp_tag", {"group_name": "g", "tag": [{"name": "长" * 31}]}),
    (40063, "externalcontact/add_corp_tag", {"group_name": "g", "tag": [{}]}),
    (40058, "externalcontact/remark", {"userid": "a", "external_userid": "b", "remark": "长" * 21}),
    (40008, "message/send", {"msgtype": "song", "agentid": 1, "touser": "zhangsan"}),
    (44004, "message/send", {"msgtype": "text", "agentid": 1, "touser": "zhangsan"}),
    (41011, "message/send", {"msgtype": "text", "touser": "a", "text": {"content": "x"}}),
    (40035, "message/send", {"msgtype": "text", "touser": ["a"], "text": {"content": "x"}}),
    (40032, "message/send", {"msgtype": "text", "agentid": 1, "touser": "a|" * 1001}),
    (40058, "kf/sync_msg", {"open_kfid": "wk1", "limit": 1001}),
    (45002, MOMENT, {"text": {"content": "字" * 2001}}),
    (40063, MOMENT, {"visible_range": {"sender_list": {"user_list": ["zhangsan"]}}}),
    (41064, MOMENT, {"attachments": [{"msgtype": "image", "image": {"media_id": "m"}}] * 10}),
    (41064, MOMENT, {"attachments": [{"msgtype": "video", "video": {"media_id": "m"}}] * 2}),
    (41065, MOMENT, {"attachments": [FILM, {"msgtype": "image", "image": {"media_id": "m"}}]}),
    (41065, MOMENT, {"attachments": [{"msgtype": "file", "file": {"media_id": "m"}}]}),
    (40007, MOMENT, {"attachments": [FILM]}),
    (40035, MOMENT, {"text": {"content": "x"}, "visible_range": {"sender_list": ["zhangsan"]}}),
    (40058, "externalcontact/get_moment_list", {"start_time": 0, "end_time": 30 * 86400 + 1}),
    (40058, "externalcontact/get_moment_list", {"start_time": 0, "end_time": 1, "limit": 21}),
    (41060, "externalcontact/get_moment_task", {"moment_id": "mom1"}),
    (41060, "externalcontact/cancel_moment_task", {"moment_id": "mom1"}),
    (
        40058,
        "externalcontact/get_moment_send_result",
        {"moment_id": "m", "userid": "a", "limit": 5001},
    ),
    (95008, "kf/send_msg", MENU | {"msgmenu": {"list": [{"type": "text"}] * 11}}),
]


@pytest.mark.parametrize(("errcode", "path", "body"), REFUSED)
def test_a_wrong_request_gets_the_platforms_own_code(
    caller: Caller, errcode: int, path: str, body: Any
) -> None:
    assert errcode == caller.code_of(path, body)


def test_a_right_request_passes(caller: Caller) -> None:
    whole = {"msgtype": "text", "agentid": caller.settings.agent_id, "touser": "zhangsan"}
    assert caller.code_of("message/send", whole | {"text": {"content": "好"}}) == 0


def test_an_escaped_backslash_before_u_is_not_an_escape(caller: Caller) -> None:
    path = b'{"sender":"zhangsan","text":{"content":"C:\\\\users\\\\u4f60"}}'
    assert caller.code_of(MASS, path) == 0


def test_the_right_method_is_required(caller: Caller) -> None:
    reply = caller.get("externalcontact/get_corp_tag_list")
    assert reply["errcode"] == 40058


def test_a_failed_reply_carries_its_arrays_empty(caller: Caller) -> None:
    reply = caller.get("externalcontact/list", userid="lisi")
    assert reply["errcode"] == 84061
    assert reply["external_userid"] == []


def test_a_query_parameter_that_the_contract_does_not_know_is_refused(caller: Caller) -> None:
    assert caller.get("user/get", userid="zhangsan", fetch_child="1")["errcode"] == 40058


def test_the_checks_need_no_world() -> None:
    spec = calls()["/cgi-bin/externalcontact/groupchat/statistic"]
    with pytest.raises(ApiError) as refused:
        check_body(spec, {"day_begin_time": 1})
    assert refused.value.errcode == 40063


def test_the_sandbox_shares_nothing_with_the_bot_but_the_clock_and_the_errors() -> None:
    folder = Path(bot.sandbox.__file__).parent
    imported = {
        name
        for file in folder.rglob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        for name in re.findall(r"^\s*(?:from|import) (bot\.\w+|handlers|scheduler|config)", line)
    }
    assert imported == {"bot.clock", "bot.errors", "bot.sandbox"}
