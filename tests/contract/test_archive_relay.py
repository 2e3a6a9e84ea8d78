"""The relay and its client, over real HTTP: what one says the other understands."""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from random import Random

import pytest
import urllib3
import uvicorn
from archive_encoder import plain_text, record, seal
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

from bot.archive.crypto import ArchiveKeys, RecordDecryptor
from bot.archive.pull import pull_page
from bot.archive.relay import relay_app
from bot.archive.source import MediaChunk, RelaySource
from bot.errors import Invalid, QunguanError, Refused, Retry

TOKEN = "a-token-of-the-test"
PAGE = b'{"errcode":0,  "errmsg":"ok","chatdata":[]}'


class Bank:
    """What the relay stands beside: answers as told."""

    def __init__(self) -> None:
        self.page = PAGE
        self.trouble: QunguanError | None = None
        self.asked: list[tuple[object, ...]] = []

    def chat_data_text(self, seq: int, limit: int) -> bytes:
        self.asked.append((seq, limit))
        if self.trouble:
            raise self.trouble
        return self.page

    def media_chunk(self, sdkfileid: str, index: str) -> MediaChunk:
        self.asked.append((sdkfileid, index))
        if self.trouble:
            raise self.trouble
        if index:
            return MediaChunk("", b"\xff end", finish=True)
        return MediaChunk("Range:bytes=1-\xff", b"start\x00", finish=False)


class Running:
    """The relay on a port of its own."""

    def __init__(self) -> None:
        self.bank = Bank()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        config = uvicorn.Config(
            relay_app(self.bank, TOKEN), log_level="critical", lifespan="off", ws="none"
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],))


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    relay = Running()
    relay.thread.start()
    yield relay
    relay.server.should_exit = True
    relay.thread.join()
    relay.socket.close()


@pytest.fixture(scope="module")
def http() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager() as pool:
        yield pool


@pytest.fixture
def bank(running: Running) -> Bank:
    bank = running.bank
    bank.page, bank.trouble, bank.asked = PAGE, None, []
    return bank


@pytest.fixture
def source(running: Running, http: urllib3.PoolManager) -> RelaySource:
    return RelaySource(running.url + "/", TOKEN, http)


def test_the_json_of_the_sdk_passes_unchanged(bank: Bank, source: RelaySource) -> None:
    expected = PAGE
    assert expected == source.chat_data_text(3, 10)
    expected = [(3, 10)]
    assert expected == bank.asked


def test_sealed_records_pass_the_relay_and_open_behind_it(bank: Bank, source: RelaySource) -> None:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    sealed = [record(seq, key, seal(plain_text(seq, "在吗"), Random(seq))) for seq in (1, 2)]
    rows = [{name: getattr(one, name) for name in one.__slots__} for one in sealed]
    bank.page = json.dumps({"errcode": 0, "errmsg": "ok", "chatdata": rows}).encode()
    page = pull_page(source, RecordDecryptor(ArchiveKeys({1: key})), 0)
    expected = [(1, "在吗"), (2, "在吗")]
    assert expected == [(message.seq, message.text) for message in page.messages]


def test_media_come_whole_with_the_index_handed_back(bank: Bank, source: RelaySource) -> None:
    expected = b"start\x00\xff end"
    assert expected == source.media("file")
    expected = [("file", ""), ("file", "Range:bytes=1-\xff")]
    assert expected == bank.asked


def test_a_code_of_the_sdk_reaches_the_bot(bank: Bank, source: RelaySource) -> None:
    bank.trouble = Refused(10009, "IP")
    for ask in (lambda: source.chat_data(0, 1), lambda: source.media("file")):
        with pytest.raises(Refused) as caught:
            ask()
        assert bank.trouble.errcode == caught.value.errcode


def test_passing_trouble_is_told_with_the_time_to_wait(bank: Bank, source: RelaySource) -> None:
    bank.trouble = Retry("busy", 7)
    with pytest.raises(Retry) as caught:
        source.chat_data(0, 1)
    assert bank.trouble.after == caught.value.after


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1]])
def test_another_token_gets_nothing_and_names_the_setting(
    bank: Bank, running: Running, http: urllib3.PoolManager, token: str
) -> None:
    with pytest.raises(Invalid, match="WECOM_ARCHIVE_RELAY_TOKEN"):
        RelaySource(running.url, token, http).chat_data(0, 1)
    assert not bank.asked


@pytest.mark.parametrize("path", ["/other", "/chatdata/more"])
def test_another_path_names_the_setting(
    running: Running, http: urllib3.PoolManager, path: str
) -> None:
    with pytest.raises(Invalid, match="WECOM_ARCHIVE_RELAY_URL"):
        RelaySource(running.url + path, TOKEN, http).chat_data(0, 1)


def test_nobody_listening_is_to_be_retried(http: urllib3.PoolManager) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Retry):
        RelaySource(f"http://127.0.0.1:{port}", TOKEN, http).chat_data(0, 1)


@pytest.mark.parametrize("url", ["", "relay", "http://", "ftp://127.0.0.1"])
def test_an_address_that_is_none_names_the_setting(http: urllib3.PoolManager, url: str) -> None:
    with pytest.raises(Invalid, match="WECOM_ARCHIVE_RELAY_URL"):
        RelaySource(url, TOKEN, http).chat_data(0, 1)


def test_what_is_no_page_is_invalid(bank: Bank, source: RelaySource) -> None:
    bank.page = b"<html>"
    with pytest.raises(Invalid):
        source.chat_data(0, 1)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chatdata", b"{"),
        ("/chatdata", b"[]"),
        ("/chatdata", b'{"limit":1}'),
        ("/chatdata", b'{"seq":-1}'),
        ("/chatdata", b'{"seq":true}'),
        ("/chatdata", b'{"seq":0,"limit":1001}'),
        ("/chatdata", b'{"seq":0,"limit":0}'),
        ("/media", b'{"sdkfileid":""}'),
        ("/media", b'{"sdkfileid":"f","index":1}'),
    ],
)
def test_a_request_that_is_not_the_protocol_is_refused_with_a_hint(
    bank: Bank, running: Running, http: urllib3.PoolManager, path: str, body: bytes
) -> None:
    answer = ask(http, running.url + path, body)
    expected = (400, ["code", "hint", "message"])
    assert expected == (
        answer.status,
        sorted(answer.json()["error"]),
    )
    assert not bank.asked


def test_a_body_that_is_too_large_is_refused(running: Running, http: urllib3.PoolManager) -> None:
    answer = ask(http, running.url + "/media", b" " * 70_000)
    expected = (413, "too_large")
    assert expected == (answer.status, answer.json()["error"]["code"])


def test_the_limit_may_be_left_out(bank: Bank, running: Running, http: urllib3.PoolManager) -> None:
    ask(http, running.url + "/chatdata", b'{"seq":5}')
    expected = [(5, 1000)]
    assert expected == bank.asked


def test_a_chunk_has_the_form_of_the_protocol(
    bank: Bank, running: Running, http: urllib3.PoolManager
) -> None:
    answer = ask(http, running.url + "/media", b'{"sdkfileid":"f","index":"x"}')
    content = base64.b64encode(b"\xff end").decode()
    assert {"index": "", "data": content, "finish": True} == answer.json()
    assert bank.asked


@pytest.mark.parametrize("token", ["", "with space", "令牌", "line\n"])
def test_a_relay_without_a_usable_token_does_not_start(token: str) -> None:
    with pytest.raises(Invalid, match="WECOM_ARCHIVE_RELAY_TOKEN"):
        relay_app(Bank(), token)


def ask(http: urllib3.PoolManager, url: str, body: bytes) -> urllib3.BaseHTTPResponse:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return http.request("POST", url, body=body, headers=headers, retries=False)
