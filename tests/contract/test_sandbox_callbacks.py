"""Callbacks of the sandbox, opened with an independent library by a listener on real HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import pytest
import xmltodict
from sandbox_caller import fresh_settings
from wechatpy.work.crypto import WeChatCrypto

from bot.sandbox.app import SandboxServer, running_sandbox
from bot.sandbox.envelope import Envelope, from_xml, to_xml


class Listener:
    """A bot's callback door: opens what comes and answers as told.

    ``answer`` gets the source and the opened content and returns status and body.
    """

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, Any]]] = []
        self.queries: list[dict[str, str]] = []
        self.answer: Callable[[str, dict[str, Any]], tuple[int, str]] = lambda _s, _x: (200, "")
        settings = fresh_settings()
        self.crypto = WeChatCrypto(
            settings.callback_token, settings.callback_aes_key, settings.corp_id
        )
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                _, query = listener.split(self.path)
                self.say(200, listener.echo(query))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                source, query = listener.split(self.path)
                self.say(*listener.hear(source, query, body))

            def say(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @staticmethod
    def split(path: str) -> tuple[str, dict[str, str]]:
        parts = urlsplit(path)
        assert parts.path.startswith("/wecom/callback/")
        return parts.path.removeprefix("/wecom/callback/"), dict(parse_qsl(parts.query))

    def echo(self, query: dict[str, str]) -> str:
        signed = (query["msg_signature"], query["timestamp"], query["nonce"])
        return str(self.crypto.check_signature(*signed, query["echostr"]))

    def hear(self, source: str, query: dict[str, str], body: str) -> tuple[int, str]:
        signed = (query["msg_signature"], query["timestamp"], query["nonce"])
        opened = xmltodict.parse(self.crypto.decrypt_message(body, *signed))["xml"]
        self.got.append((source, opened))
        self.queries.append(query)
        return self.answer(source, opened)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as listener:
        yield listener


@pytest.fixture
def sandbox(listener: Listener) -> Iterator[SandboxServer]:
    with running_sandbox(fresh_settings()) as server:
        server.world.add_staff("zhangsan", "张三")
        server.door._retry_pause = 0.02
        server.point_callbacks_at(listener.url)
        yield server


def changes(listener: Listener) -> list[str]:
    return [str(opened.get("ChangeType", opened.get("Event"))) for _, opened in listener.got]


def test_the_address_is_verified_as_the_console_does(
    sandbox: SandboxServer, listener: Listener
) -> None:
    assert sandbox.door.verify("app")
    listener.crypto = WeChatCrypto("other", fresh_settings().callback_aes_key, "ww0")
    assert not sandbox.door.verify("app")


def test_an_added_friend_arrives_as_in_the_sample(
    sandbox: SandboxServer, listener: Listener
) -> None:
    customer = sandbox.world.add_customer("客户")
    code = sandbox.world.add_friend(customer, "zhangsan", state="door")
    assert sandbox.drain()
    ((source, opened),) = listener.got
    assert source == "app"
    assert opened.pop("CreateTime").isdigit()
    assert {
        "ToUserName": fresh_settings().corp_id,
        "FromUserName": "sys",
        "MsgType": "event",
        "Event": "change_external_contact",
        "ChangeType": "add_external_contact",
        "UserID": "zhangsan",
        "ExternalUserID": customer,
        "State": "door",
        "WelcomeCode": code,
    } == opened


def test_each_family_goes_to_its_source(sandbox: SandboxServer, listener: Listener) -> None:
    world = sandbox.world
    customer = world.add_customer("客户")
    world.add_staff("lisi", "李四")
    chat = world.create_group("zhangsan", "群", [customer])
    world.say("zhangsan", "好", chat_id=chat)
    world.kf_say(customer, world.add_kf_account("客服"), "你好")
    world.enter_agent("lisi")
    assert sandbox.drain()
    events = {(source, str(opened["Event"])) for source, opened in listener.got}
    assert {
        ("contacts", "change_contact"),
        ("app", "change_external_chat"),
        ("archive", "msgaudit_notify"),
        ("kf", "kf_msg_or_event"),
        ("app", "enter_agent"),
    } == events


def test_members_who_left_are_listed(sandbox: SandboxServer, listener: Listener) -> None:
    people = [sandbox.world.add_customer(name) for name in "甲乙"]
    chat = sandbox.world.create_group("zhangsan", "群", people)
    sandbox.world.leave_group(chat, people, removed=True)
    assert sandbox.drain()
    opened = listener.got[-1][1]
    assert ("del_member", "1", "2", people) == (
        opened["UpdateDetail"],
        opened["QuitScene"],
        opened["MemChangeCnt"],
        opened["MemChangeList"]["Item"],
    )


def test_a_refused_callback_is_sent_again_with_fresh_random_bytes(
    sandbox: SandboxServer, listener: Listener
) -> None:
    answers = iter([(503, ""), (500, ""), (200, "")])
    listener.answer = lambda _source, _opened: next(answers)
    sandbox.world.enter_agent("zhangsan")
    assert sandbox.drain()
    assert [one.status for one in sandbox.door.deliveries if one.attempt] == [503, 500, 200]
    assert listener.got[0] == listener.got[1] == listener.got[2]
    assert len({query["msg_signature"] for query in listener.queries}) == 3


def test_a_callback_whose_bot_has_gone_is_sent_again_until_it_is_lost(
    sandbox: SandboxServer, listener: Listener
) -> None:
    def goes(_source: str, _opened: dict[str, Any]) -> tuple[int, str]:
        sandbox.door._base = ""
        return 503, ""

    listener.answer = goes
    sandbox.world.enter_agent("zhangsan")
    assert sandbox.drain()
    assert [503, 0, 0, 0] == [one.status for one in sandbox.door.deliveries if one.attempt]


def test_after_three_retries_it_is_lost(sandbox: SandboxServer, listener: Listener) -> None:
    listener.answer = lambda _source, _opened: (503, "")
    sandbox.world.enter_agent("zhangsan")
    assert sandbox.drain()
    assert len(listener.got) == 4


def test_an_answer_that_comes_too_late_is_asked_for_again(
    sandbox: SandboxServer, listener: Listener
) -> None:
    sandbox.door._timeout = 0.1
    waits = iter([0.3, 0.0])

    def late(_source: str, _opened: dict[str, Any]) -> tuple[int, str]:
        threading.Event().wait(next(waits))
        return 200, ""

    listener.answer = late
    sandbox.world.enter_agent("zhangsan")
    assert sandbox.drain()
    assert [one.status for one in sandbox.door.deliveries if one.attempt] == [0, 200]


def test_an_encrypted_passive_reply_reaches_the_employee(
    sandbox: SandboxServer, listener: Listener
) -> None:
    def reply(_source: str, opened: dict[str, Any]) -> tuple[int, str]:
        inner = (
            f"<xml><ToUserName>{opened['FromUserName']}</ToUserName><MsgType>text</MsgType>"
            f"<Content><![CDATA[收到:{opened['Content']}]]></Content></xml>"
        )
        return 200, listener.crypto.encrypt_message(inner, "nonce-1", "1409659813")

    listener.answer = reply
    sandbox.world.staff_text("zhangsan", "今天的名单")
    assert sandbox.drain()
    (entry,) = sandbox.history("passive_reply")
    expected = ("zhangsan", "text", "收到:今天的名单")
    assert expected == (entry["userid"], entry["msgtype"], entry["text"])


def test_a_reply_that_cannot_be_opened_shows_as_unreadable(
    sandbox: SandboxServer, listener: Listener
) -> None:
    listener.answer = lambda _source, _opened: (200, "success")
    sandbox.world.staff_text("zhangsan", "在吗")
    assert sandbox.drain()
    assert [entry["msgtype"] for entry in sandbox.history("passive_reply")] == ["unreadable"]


def test_many_archived_messages_are_one_notification_and_then_another(
    sandbox: SandboxServer, listener: Listener
) -> None:
    chat = sandbox.world.create_group("zhangsan", "群")
    for number in range(20):
        sandbox.world.say("zhangsan", f"第{number}句", chat_id=chat)
    assert sandbox.drain()
    assert 1 <= changes(listener).count("msgaudit_notify") <= 2


def test_faults_duplicate_drop_delay_and_reorder_callbacks(
    sandbox: SandboxServer, listener: Listener
) -> None:
    world, faults = sandbox.world, sandbox.faults
    people = [world.add_customer(name) for name in "甲乙丙丁"]
    faults.add("app/change_external_contact/*", "duplicate", count=1)
    faults.add("app/change_external_contact/*", "drop", count=1, skip=1)
    for person in people[:2]:
        world.add_friend(person, "zhangsan")
    assert sandbox.drain()
    assert [people[0], people[0]] == [opened["ExternalUserID"] for _, opened in listener.got]
    listener.got.clear()
    faults.add("app/change_external_contact/*", "reorder", count=1)
    for person in people[2:]:
        world.add_friend(person, "zhangsan")
    assert sandbox.drain()
    assert people[:1:-1] == [opened["ExternalUserID"] for _, opened in listener.got]
    listener.got.clear()
    faults.add("app/enter_agent", "delay", value=0.2, count=1)
    begun = time.monotonic()
    world.enter_agent("zhangsan")
    assert sandbox.drain()
    assert time.monotonic() - begun >= 0.2


def test_while_nobody_listens_callbacks_are_lost(
    sandbox: SandboxServer, listener: Listener
) -> None:
    sandbox.point_callbacks_at("")
    sandbox.world.enter_agent("zhangsan")
    sandbox.point_callbacks_at(listener.url)
    assert sandbox.drain()
    assert listener.got == []


def test_anything_can_be_sent_raw(sandbox: SandboxServer, listener: Listener) -> None:
    sandbox.door.send_raw("app", "<xml><Event>odd</Event></xml>")
    assert sandbox.drain()
    assert listener.got == [("app", {"Event": "odd"})]


def test_xml_survives_awkward_text() -> None:
    fields = {"Content": "a]]>b\x00\x1f<&>😀", "Number": 3, "Many": {"Item": ["x", "y"]}}
    text = to_xml(fields)
    opened = xmltodict.parse(text)["xml"]
    assert (opened["Content"], opened["Number"]) == ("a]]>b<&>😀", "3")
    assert opened["Many"] == {"Item": ["x", "y"]}
    assert from_xml(text)["Number"] == "3"


def test_an_envelope_opens_what_another_library_closed() -> None:
    settings = fresh_settings()
    keys = (settings.callback_token, settings.callback_aes_key)
    closed = WeChatCrypto(*keys, settings.corp_id).encrypt_message("<xml><A>好</A></xml>", "n", "1")
    assert Envelope(settings.corp_id, *keys).open_reply(closed) == {"A": "好"}
