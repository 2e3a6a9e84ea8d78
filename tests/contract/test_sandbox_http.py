"""The sandbox on real HTTP: faults, the relay, the control interface and the logins."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from sandbox_caller import MORNING, fresh_settings

from bot.clock import FixedClock, MovableClock
from bot.errors import Invalid
from bot.sandbox.app import SandboxServer, running_sandbox
from bot.sandbox.faults import Faults

LIST = "/cgi-bin/externalcontact/list"
ADD = "/cgi-bin/externalcontact/add_msg_template"


class Client:
    """A plain HTTP client of the sandbox."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self.pool = urllib3.PoolManager(retries=False, timeout=5.0)
        query = {
            "corpid": fresh_settings().corp_id,
            "corpsecret": fresh_settings().contact_secret,
        }
        self.token = self.json("GET", "/cgi-bin/gettoken", query)["access_token"]

    def raw(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Any = None,
        **more: Any,
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self.server.base_url}{path}"
        if query:
            url += "?" + "&".join(f"{key}={value}" for key, value in query.items())
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        return self.pool.request(method, url, body=content, **more)

    def json(self, method: str, path: str, query: Any = None, body: Any = None) -> dict[str, Any]:
        return dict(self.raw(method, path, query, body).json())

    def list(self) -> dict[str, Any]:
        query = {"access_token": self.token, "userid": "zhangsan"}
        return self.json("GET", LIST, query)

    def add(self, **more: Any) -> urllib3.BaseHTTPResponse:
        body = {"sender": "zhangsan", "text": {"content": "活动"}}
        return self.raw("POST", ADD, {"access_token": self.token}, body, **more)

    def control(self, method: str, name: str, body: Any = None) -> dict[str, Any]:
        return self.json(method, f"/sandbox/api/{name}", None, body)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SandboxServer]:
    settings = fresh_settings().with_clock(FixedClock(MORNING), tmp_path / "clock")
    with running_sandbox(settings) as server:
        server.world.add_staff("zhangsan", "张三")
        server.world.add_friend(server.world.add_customer("客户", "wmA"), "zhangsan")
        yield server


@pytest.fixture
def client(server: SandboxServer) -> Iterator[Client]:
    client = Client(server)
    yield client
    client.pool.clear()


def test_the_api_answers_over_http_and_an_unknown_path_is_an_empty_404(client: Client) -> None:
    assert client.list()["external_userid"] == ["wmA"]
    nothing = client.raw("GET", "/cgi-bin/nothing")
    assert (nothing.status, nothing.data) == (404, b"")


def test_json_comes_back_as_utf8_without_escapes(client: Client) -> None:
    query = {"access_token": client.token, "external_userid": "wmA"}
    assert "客户".encode() in client.raw("GET", "/cgi-bin/externalcontact/get", query).data


def test_a_reset_before_the_effect_leaves_nothing_and_one_after_leaves_all(
    client: Client, server: SandboxServer
) -> None:
    server.faults.add(ADD, "reset_before", count=1)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.add()
    assert server.world.masses == {}
    server.faults.add(ADD, "reset_after", count=1)
    with pytest.raises(urllib3.exceptions.ProtocolError):
        client.add()
    assert len(server.world.masses) == 1
    assert client.add().json()["errcode"] == 0


def test_a_hanging_call_answers_nothing_with_or_without_the_effect(
    client: Client, server: SandboxServer
) -> None:
    server.faults.add(ADD, "hang", count=1)
    server.faults.add(ADD, "hang_after", count=1, skip=1)
    for expected in (0, 1):
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            client.add(timeout=0.2)
        assert expected == len(server.world.masses)


def test_a_status_a_latency_and_an_errcode_strike_as_often_as_told(
    client: Client, server: SandboxServer
) -> None:
    server.faults.add("*/externalcontact/*", "status", 503, count=1, retry_after=7)
    server.faults.add(LIST, "errcode", 45033, count=2, skip=1)
    server.faults.add(LIST, "latency", 0.15, count=1, skip=3)
    first = client.raw("GET", LIST, {"access_token": client.token, "userid": "zhangsan"})
    assert (first.status, first.headers["Retry-After"]) == (503, "7")
    assert [
        (reply["errcode"], reply["external_userid"]) for reply in (client.list(), client.list())
    ] == [(45033, [])] * 2
    begun = time.monotonic()
    assert client.list()["errcode"] == 0
    assert time.monotonic() - begun >= 0.15


def test_chances_are_the_same_for_the_same_seed() -> None:
    def struck() -> list[bool]:
        faults = Faults(7)
        faults.add("*", "errcode", -1, probability=0.3)
        return [bool(faults.strike("/cgi-bin/x")) for _ in range(200)]

    assert struck() == struck()
    assert 30 < sum(struck()) < 90


def test_an_unknown_fault_is_refused() -> None:
    with pytest.raises(Invalid):
        Faults().add("*", "explode")


def test_faults_tokens_and_requests_are_at_hand_over_http(client: Client) -> None:
    fault = {"pattern": LIST, "action": "errcode", "value": -1, "count": 1}
    assert len(client.control("POST", "faults", fault)["items"]) == 1
    assert client.list()["errcode"] == -1
    assert client.control("GET", "faults")["items"] == []
    assert "error" in client.control("POST", "faults", {"action": "explode", "pattern": "*"})
    client.control("POST", "tokens", {"do": "expire"})
    assert client.list()["errcode"] == 42001
    seen = client.json("GET", "/sandbox/api/requests", {"path": "externalcontact/list"})["items"]
    assert seen == [{"path": LIST, "args": {}, "errcode": 42001}]


def test_people_act_over_http_and_nonsense_is_told(client: Client) -> None:
    done = client.control("POST", "act", {"name": "add_customer", "args": {"name": "新客户"}})
    assert done["result"].startswith("wm")
    at = {"sender": "zhangsan", "content": "好", "peer": "wmA", "at": "2026-12-01T10:00:00+08:00"}
    assert "result" in client.control("POST", "act", {"name": "say", "args": at})
    assert "error" in client.control("POST", "act", {"name": "perform", "args": {}})
    assert "error" in client.control("POST", "act", {"name": "add_friend", "args": {"a": 1}})
    assert "error" in client.control("POST", "act", {"name": "dismiss", "args": {"chat_id": "x"}})
    assert "confirm_task" in client.control("GET", "acts")
    state = client.control("GET", "state")
    assert [one["userid"] for one in state["staff"]] == ["zhangsan"]


def test_the_history_waits_for_news(client: Client, server: SandboxServer) -> None:
    last = client.control("GET", "state")["last_id"]
    timer = threading.Timer(0.1, server.world.enter_agent, ["zhangsan"])
    timer.start()
    news = client.json("GET", "/sandbox/api/history", {"since": str(last), "wait": "5"})
    timer.join()
    assert [("agent_entered", last + 1)] == [(one["kind"], one["id"]) for one in news["items"]]


def test_the_clock_is_moved_through_its_file(client: Client, server: SandboxServer) -> None:
    file = server.sandbox.settings.clock_file
    assert file is not None
    assert "error" in client.control("POST", "clock", {"spec": "tomorrow"})
    assert client.control("POST", "clock", {"spec": "2026-12-24T09:00:00+08:00"})["movable"]
    moved = MovableClock("2026-12-01T09:00:00+08:00", file).now()
    assert moved.date().isoformat() == "2026-12-24"


def test_many_threads_act_and_call_at_once_without_losing_anything(
    client: Client, server: SandboxServer
) -> None:
    chat = server.world.create_group("zhangsan", "群")
    begun = len(server.world.history)

    def busy() -> None:
        for number in range(20):
            server.world.say("zhangsan", f"第{number}句", chat_id=chat)
            client.add()

    threads = [threading.Thread(target=busy) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.world.masses) == 80
    assert [one.seq for one in server.world.archive.entries] == list(range(1, 81))
    news = server.world.history_since(begun)
    assert [one["id"] for one in news] == list(range(begun + 1, begun + 161))


def test_the_relay_serves_records_and_media_to_the_bearer_only(
    client: Client, server: SandboxServer
) -> None:
    chat = server.world.create_group("zhangsan", "群")
    server.world.say("zhangsan", "好", chat_id=chat)
    good = {"Authorization": f"Bearer {fresh_settings().relay_token}"}

    def ask(path: str, body: Any, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        return client.raw("POST", f"/relay/{path}", None, body, headers=headers)

    page = ask("chatdata", {"seq": 0, "limit": 10}, good).json()
    assert (page["errcode"], [one["seq"] for one in page["chatdata"]]) == (0, [1])
    assert {"seq", "msgid", "publickey_ver", "encrypt_random_key", "encrypt_chat_msg"} == set(
        page["chatdata"][0]
    )
    assert ask("chatdata", {"seq": 0}, {}).status == 401
    assert ask("chatdata", {"seq": 0, "limit": 1001}, good).status == 400
    file_id = server.world.archive.add_media(b"voice")
    media = ask("media", {"sdkfileid": file_id, "index": ""}, good).json()
    assert media == {"index": "", "data": "dm9pY2U=", "finish": True}
    unknown = ask("media", {"sdkfileid": "none", "index": ""}, good)
    assert (unknown.status, unknown.json()["errcode"]) == (200, 10005)
    assert ask("media", {}, good).status == 400


def test_a_file_is_uploaded_as_multipart(client: Client, server: SandboxServer) -> None:
    picture = b"\xff\xd8\xff" + b"0" * 20
    url = f"{server.base_url}/cgi-bin/media/upload?access_token={client.token}&type=image"
    file = ("图.jpg", picture, "image/jpeg")
    reply = client.pool.request("POST", url, fields={"media": file}).json()
    assert reply["errcode"] == 0
    assert ("图.jpg", picture) == (
        server.world.media[reply["media_id"]].filename,
        server.world.media[reply["media_id"]].content,
    )
    wrong = client.pool.request("POST", url, fields={"file": file}).json()
    assert wrong["errcode"] == 44001
    query = {"access_token": client.token, "media_id": reply["media_id"]}
    assert picture == client.raw("GET", "/cgi-bin/media/get", query).data


def test_the_login_page_gives_a_code_for_the_chosen_employee(client: Client) -> None:
    query = {
        "appid": fresh_settings().corp_id,
        "redirect_uri": "http://127.0.0.1:1/login",
        "response_type": "code",
        "state": "s1",
    }
    page = client.raw("GET", "/connect/oauth2/authorize", query)
    assert "sandbox_userid=zhangsan" in page.data.decode()
    chosen = query | {"sandbox_userid": "zhangsan"}
    answer = client.raw("GET", "/wwlogin/sso/login", chosen, redirect=False)
    assert answer.headers["Location"].startswith("http://127.0.0.1:1/login?code=")
    assert answer.headers["Location"].endswith("&state=s1")


def test_the_environment_names_the_bots_settings(server: SandboxServer) -> None:
    wired = server.bot_environment()
    assert server.base_url == wired["WECOM_BASE_URL"]
    assert f"{server.base_url}/relay" == wired["WECOM_ARCHIVE_RELAY_URL"]
    assert (Path(wired["WECOM_ARCHIVE_KEYS_DIR"]) / "1.pem").exists()
    assert "" not in wired.values()
