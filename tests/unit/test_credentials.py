"""Passwords and codes are dropped before anything is stored, and nothing else is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.credentials import (
    GAP,
    drop_credentials,
    drop_from_callback,
    drop_from_item,
    drop_from_json,
    had_credentials,
)

TYPED = {
    "我的密码是abc123": "abc123",
    "密码:778812 帮我看看": "778812",
    "CVV:123": "123",
    "验证码：482913": "482913",
    "验证码发你 482913": "482913",
    "482913是验证码": "482913",
    "取款码 6621": "6621",
    "密码改成Qw!2345了": "Qw!2345",
    "驗證碼 ４８２９１３": "４８２９１３",
    "口令 hello2026": "hello2026",
    "yzm8842": "8842",
    "我的mima是abc123": "abc123",
    "cvv2 331": "331",
    "动态密码就是 998 112": "998 112",
}
HARMLESS = (
    "密码请妥善保管",
    "请输入验证码",
    "密码忘了怎么办",
    "验证码收不到",
    "2026年12月8日到期",
    "我存了50000",
    "电话13812345678",
    "密码锁坏了 换一把多少钱",
)


@pytest.mark.parametrize("text", TYPED)
def test_d2_a_password_or_code_is_dropped_and_places_stay(text: str) -> None:
    clean = drop_credentials(text)
    assert TYPED[text] not in clean
    assert len(text) == len(clean)
    assert had_credentials(clean)


@pytest.mark.parametrize("text", HARMLESS)
def test_d2_other_texts_stay_as_they_are(text: str) -> None:
    assert text == drop_credentials(text)
    assert not had_credentials(text)


@pytest.mark.parametrize("letters", ["yZM", "Cvc", "CVV2", "miMa"])
@pytest.mark.parametrize("before", ["", "wm", "wmxeGHRtGIw2p", "CAQQluDa4QUY0On2_"])
def test_ids_that_have_such_letters_in_them_are_left_alone(letters: str, before: str) -> None:
    found = f"{before}{letters}" + "uPC8fy4II4gG2tSm9f12345678"[: 32 - len(before)]
    item = json.dumps({"msgid": found, "external_userid": found, "text": {"content": "你好"}})
    assert item == drop_from_json(item)
    callback = f"<ExternalUserID><![CDATA[{found}]]></ExternalUserID>".encode()
    assert callback == drop_from_callback(callback)


@pytest.mark.parametrize("ascii_only", [True, False])
def test_d2_json_is_searched_to_the_bottom_however_it_is_escaped(*, ascii_only: bool) -> None:
    inner = json.dumps({"content": "密码是abc123"}, ensure_ascii=ascii_only)
    record = {"msgtype": "mixed", "mixed": {"item": [{"type": "text", "content": inner}]}}
    clean = drop_from_json(json.dumps(record, ensure_ascii=ascii_only))
    content = json.loads(clean)["mixed"]["item"][0]["content"]
    assert f"密码是{GAP * 6}" == json.loads(content)["content"]


def test_d2_json_without_credentials_comes_back_to_the_letter() -> None:
    raw = '{"msgid" : "m1", "text":{"content":"\\u5bc6\\u7801\\u5fd8\\u4e86"}}'
    assert raw == drop_from_json(raw)


def test_d2_what_is_no_json_is_searched_as_text() -> None:
    assert f"{{密码是{GAP * 6}" == drop_from_json("{密码是abc123")


def test_d2_numbers_and_keys_of_an_item_stay() -> None:
    item = {"send_time": 1764550000, "text": {"content": "验证码482913"}, "ok": None}
    assert {
        "send_time": 1764550000,
        "text": {"content": f"验证码{GAP * 6}"},
        "ok": None,
    } == drop_from_item(item)


def test_d2_a_callback_loses_them_and_bytes_that_are_no_text_stay() -> None:
    content = "<xml><Content><![CDATA[密码是abc123]]></Content></xml>".encode()
    assert b"abc123" not in drop_from_callback(content)
    broken = "密码".encode() + b"\xff\xfe"
    assert broken == drop_from_callback(broken)


@given(st.text())
def test_d2_any_text_keeps_its_length_and_is_clean_the_second_time(text: str) -> None:
    clean = drop_credentials(text)
    assert len(text) == len(clean)
    assert clean == drop_credentials(clean)
    drop_from_json(text)
