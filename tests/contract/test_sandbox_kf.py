"""WeChat customer service in the sandbox."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sandbox_caller import Caller

HELLO = {"msgtype": "text", "text": {"content": "您好"}}


class Desk(Caller):
    """A corp with one account whose agent is zhangsan."""

    def __init__(self) -> None:
        super().__init__()
        self.kf = self.world.add_kf_account("客服", ["zhangsan"])
        self.both = {"open_kfid": self.kf, "external_userid": self.friend}

    def send(self, **more: Any) -> int:
        body = {"touser": self.friend, "open_kfid": self.kf} | HELLO | more
        return self.code_of("kf/send_msg", body)

    def move(self, state: int, servicer: str = "") -> int:
        more = {"servicer_userid": servicer} if servicer else {}
        body = self.both | {"service_state": state} | more
        return self.code_of("kf/service_state/trans", body)

    def on_event(self, code: str) -> int:
        return self.code_of("kf/send_msg_on_event", {"code": code} | HELLO)

    def sync(self, **more: Any) -> dict[str, Any]:
        return self.post("kf/sync_msg", {"open_kfid": self.kf} | more)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_messages_are_pulled_by_cursor_and_our_own_are_not_among_them(desk: Desk) -> None:
    for number in range(3):
        desk.world.kf_say(desk.friend, desk.kf, f"第{number}条")
    desk.send()
    token = desk.world.unsent[-1].fields["Token"]
    first = desk.sync(token=token, limit=2)
    assert (first["has_more"], len(first["msg_list"])) == (1, 2)
    rest = desk.sync(token=token, cursor=first["next_cursor"])
    assert (
        rest["has_more"],
        [one["text"]["content"] for one in rest["msg_list"]],
    ) == (0, ["第2条"])
    assert desk.sync(token=token, cursor=rest["next_cursor"])["msg_list"] == []


def test_messages_are_kept_three_days(desk: Desk) -> None:
    desk.world.kf_say(desk.friend, desk.kf, "旧")
    desk.clock.move(timedelta(days=3, seconds=1))
    desk.world.kf_say(desk.friend, desk.kf, "新")
    assert [one["text"]["content"] for one in desk.sync()["msg_list"]] == ["新"]


def test_a_token_lives_ten_minutes_and_without_one_few_calls_are_allowed(desk: Desk) -> None:
    desk.world.kf_say(desk.friend, desk.kf, "你好")
    token = desk.world.unsent[-1].fields["Token"]
    desk.watch.seconds += 601
    assert desk.sync(token=token)["errcode"] == 95007
    codes = [desk.sync()["errcode"] for _ in range(11)]
    assert codes == [0] * 10 + [45009]


def test_five_messages_within_forty_eight_hours_of_theirs(desk: Desk) -> None:
    assert desk.send() == 95018
    desk.world.kf_say(desk.friend, desk.kf, "你好")
    assert [desk.send() for _ in range(6)] == [0, 0, 0, 0, 0, 95001]
    desk.world.kf_say(desk.friend, desk.kf, "还在吗")
    assert desk.send() == 0
    desk.clock.move(timedelta(hours=48, seconds=1))
    assert desk.send() == 95002
    assert len(desk.world.delivered(channel="kf")) == 6


def test_our_own_msgid_makes_a_repeat_harmless(desk: Desk) -> None:
    desk.world.kf_say(desk.friend, desk.kf, "你好")
    assert [desk.send(msgid="bot_1") for _ in range(2)] == [0, 0]
    assert len(desk.world.delivered(channel="kf")) == 1


def test_the_session_moves_only_where_the_table_allows(desk: Desk) -> None:
    assert desk.move(1) == 95013
    desk.world.kf_say(desk.friend, desk.kf, "转人工")
    assert desk.move(4) == 95016
    assert desk.move(1) == 0
    assert desk.move(2) == 0
    assert desk.send() == 95018
    assert desk.move(3) == 40063
    assert desk.move(3, "lisi") == 95014
    desk.world.kf_servicer_status(desk.kf, "zhangsan", receiving=False)
    assert desk.move(3, "zhangsan") == 95019
    desk.world.kf_servicer_status(desk.kf, "zhangsan", receiving=True)
    assert desk.move(3, "zhangsan") == 0
    state = desk.post("kf/service_state/get", desk.both)
    assert (state["service_state"], state["servicer_userid"]) == (3, "zhangsan")
    assert desk.move(4) == 0
    desk.world.kf_say(desk.friend, desk.kf, "又来了")
    assert desk.post("kf/service_state/get", desk.both)["service_state"] == 0


def test_a_welcome_code_works_once_within_twenty_seconds(desk: Desk) -> None:
    code = desk.world.kf_enter(desk.friend, desk.kf, scene="lobby")
    assert [desk.on_event(code) for _ in range(2)] == [0, 95007]
    assert desk.world.kf_enter(desk.friend, desk.kf) == ""
    other = desk.world.kf_enter(desk.stranger, desk.kf)
    desk.watch.seconds += 20
    assert desk.on_event(other) == 95007


def test_what_agents_do_in_the_client_comes_as_events(desk: Desk) -> None:
    desk.world.kf_say(desk.friend, desk.kf, "转人工")
    desk.move(2)
    desk.world.kf_take("zhangsan", desk.friend, desk.kf)
    desk.world.kf_servicer_say("zhangsan", desk.friend, desk.kf, "我来了")
    desk.world.kf_end(desk.friend, desk.kf)
    rows = desk.sync()["msg_list"]
    changes = [r["event"]["change_type"] for r in rows if r["msgtype"] == "event"]
    assert changes == [1, 3]
    assert [r["servicer_userid"] for r in rows if r["origin"] == 5] == ["zhangsan"]
    code = rows[-1]["event"]["msg_code"]
    assert desk.on_event(code) == 0


def test_a_customer_who_refuses_makes_the_send_fail_later(desk: Desk) -> None:
    desk.world.kf_say(desk.friend, desk.kf, "你好")
    desk.world.kf_refuse(desk.friend)
    assert desk.send(msgid="lost") == 0
    event = desk.sync()["msg_list"][-1]["event"]
    assert (
        event["event_type"],
        event["fail_msgid"],
        event["fail_type"],
    ) == ("msg_send_fail", "lost", 10)
    assert desk.world.delivered(channel="kf") == []


def test_accounts_are_told_apart(desk: Desk) -> None:
    assert [desk.kf] == [
        one["open_kfid"] for one in desk.post("kf/account/list", {})["account_list"]
    ]
    assert desk.code_of("kf/sync_msg", {"open_kfid": "wk-none"}) == 95004
    assert desk.code_of("kf/sync_msg", {"open_kfid": "none"}) == 95000
    listed = desk.get("kf/servicer/list", open_kfid=desk.kf)["servicer_list"]
    assert listed == [{"userid": "zhangsan", "status": 0}]
