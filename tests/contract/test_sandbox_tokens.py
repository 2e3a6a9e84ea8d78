"""Tokens, secrets and frequency limits of the sandbox."""

from __future__ import annotations

import pytest
from sandbox_caller import Caller


@pytest.fixture
def caller() -> Caller:
    return Caller()


def gettoken(caller: Caller, corpid: str, secret: str) -> int:
    query = {"corpid": corpid, "corpsecret": secret}
    reply = caller.api.answer("GET", "/cgi-bin/gettoken", query, b"", None)
    assert reply.body is not None
    return int(reply.body["errcode"])


def test_the_same_token_comes_back_while_it_is_valid(caller: Caller) -> None:
    first = caller.token(caller.settings.app_secret)
    caller.watch.seconds += 7199
    assert first == caller.token(caller.settings.app_secret)
    caller.watch.seconds += 1
    assert first != caller.token(caller.settings.app_secret)


def test_wrong_corp_and_wrong_secret_are_told_apart(caller: Caller) -> None:
    assert gettoken(caller, "ww0", caller.settings.app_secret) == 40013
    assert gettoken(caller, caller.settings.corp_id, "guess") == 40001


def test_each_state_of_a_token_has_its_code(caller: Caller) -> None:
    token = caller.token(caller.settings.app_secret)
    assert caller.get("getcallbackip", access_token="")["errcode"] == 41001
    assert caller.get("getcallbackip", access_token="made-up")["errcode"] == 40014
    assert caller.get("getcallbackip", access_token=token)["errcode"] == 0
    caller.api.tokens.expire()
    assert caller.get("getcallbackip", access_token=token)["errcode"] == 42001
    caller.api.tokens.revoke()
    assert caller.get("getcallbackip", access_token=token)["errcode"] == 40014


def test_a_secret_opens_its_own_family_only(caller: Caller) -> None:
    settings = caller.settings
    listing = "externalcontact/get_corp_tag_list"
    assert caller.code_of(listing, {}, settings.app_secret) == 48002
    assert caller.code_of(listing, {}, settings.archive_secret) == 48002
    assert caller.code_of(listing, {}, settings.contact_secret) == 0
    assert caller.code_of("kf/account/list", {}, settings.contact_secret) == 48002
    assert caller.code_of("kf/account/list", {}, settings.kf_secret) == 0
    assert caller.code_of("msgaudit/get_permit_user_list", {}, settings.contact_secret) == 48002


def test_an_app_message_needs_the_apps_own_token(caller: Caller) -> None:
    message = {
        "touser": "zhangsan",
        "msgtype": "text",
        "agentid": caller.settings.agent_id,
        "text": {"content": "x"},
    }
    assert caller.code_of("message/send", message, caller.settings.contact_secret) == 301002


def test_too_many_calls_a_minute_block_that_interface_and_no_other(caller: Caller) -> None:
    caller.api.limits.minute_block = 90
    caller.api.limits.special["*/externalcontact/list"] = 2
    codes = [caller.get("externalcontact/list", userid="zhangsan")["errcode"] for _ in range(4)]
    assert codes == [0, 0, 45009, 45009]
    assert caller.get("externalcontact/get", external_userid=caller.friend)["errcode"] == 0
    caller.watch.seconds += 61
    assert caller.get("externalcontact/list", userid="zhangsan")["errcode"] == 45009
    caller.watch.seconds += 30
    assert caller.get("externalcontact/list", userid="zhangsan")["errcode"] == 0
