"""Robots of internal groups in the sandbox: the key is all there is, twenty times a minute."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sandbox_caller import Caller

PATH = "/cgi-bin/webhook/send"


@pytest.fixture
def caller() -> Caller:
    return Caller()


def key_of(caller: Caller, group: str = "东山内部群") -> str:
    return caller.world.add_robot(group).rpartition("key=")[2]


def say(caller: Caller, key: str, **more: Any) -> int:
    body = {"msgtype": "text", "text": {"content": "早报"}} | more
    query = {"key": key} if key else {}
    raw = json.dumps(body, ensure_ascii=False).encode()
    reply = caller.api.answer("POST", PATH, query, raw, None)
    assert reply.body is not None
    return int(reply.body["errcode"])


def said(caller: Caller) -> list[tuple[str, str]]:
    found = [one for one in caller.world.history if one["kind"] == "robot_said"]
    return [(one["group"], one["text"]) for one in found]


def test_who_has_the_key_may_write_into_the_group_without_a_token(caller: Caller) -> None:
    assert say(caller, key_of(caller)) == 0
    assert said(caller) == [("东山内部群", "早报")]


def test_a_wrong_a_missing_and_a_removed_key_are_refused(caller: Caller) -> None:
    key = key_of(caller)
    assert [say(caller, each) for each in ("", "0000", key)] == [93000, 93000, 0]
    caller.world.stop_robot("东山内部群")
    assert say(caller, key) == 93004
    caller.world.stop_robot("东山内部群", removed=True)
    assert say(caller, key) == 93000


def test_the_twenty_first_message_of_a_minute_is_too_many_for_this_robot_alone(
    caller: Caller,
) -> None:
    key, other = key_of(caller), key_of(caller, "西山内部群")
    assert [say(caller, key) for _ in range(21)] == [0] * 20 + [45009]
    assert say(caller, other) == 0
    caller.watch.seconds += 61
    assert say(caller, key) == 0


@pytest.mark.parametrize(
    ("code", "more"),
    [
        (45002, {"text": {"content": "字" * 683}}),
        (44004, {"text": {"content": ""}}),
        (40008, {"msgtype": "song"}),
        (40058, {"surprise": 1}),
    ],
)
def test_a_wrong_message_gets_the_platforms_own_code(
    caller: Caller, code: int, more: dict[str, Any]
) -> None:
    assert say(caller, key_of(caller), **more) == code
