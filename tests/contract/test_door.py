"""The callback door on real HTTP: nothing acknowledged that is not kept, nothing false kept."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from door_caller import (
    CORP,
    KEYS,
    NONCE,
    STAMP,
    Answer,
    Broken,
    Caller,
    Kept,
    door_of,
    event,
    served,
    wrapped,
)

from bot.clock import SystemClock
from bot.errors import Invalid, Retry
from bot.inbox import Inbox
from bot.wire import CallbackKeys

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "samples" / "vectors.json").read_text(encoding="utf-8")
)
SERVED = {
    one["name"]: one
    for one in VECTORS["callback"]
    if one.get("error") != "aes_key" and one["kind"] != "post_json"
}
GOOD = [name for name, one in SERVED.items() if one["expect"] == "ok"]
BAD = [name for name, one in SERVED.items() if one["expect"] == "error"]
JSON_ONES = {one["name"]: one for one in VECTORS["callback"] if one["kind"] == "post_json"}
BAD_KEYS = {one["name"]: one for one in VECTORS["callback"] if one.get("error") == "aes_key"}
KEPT, NOTHING = Answer(200, b""), Answer(503, b"")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    store = Kept(tmp_path_factory.mktemp("door"))
    yield store
    store.database.close()


@pytest.fixture(scope="module")
def url(kept: Kept) -> Iterator[str]:
    """A door with the two ordinary sources and one more for each vector."""
    keys = {
        name: CallbackKeys(one["token"], one["encoding_aes_key"], one["receive_id"])
        for name, one in (SERVED | JSON_ONES).items()
    }
    inbox = Inbox(kept.database, kept.vault, SystemClock())
    with served(door_of(inbox, KEYS | keys)) as address:
        yield address


@pytest.fixture
def wecom(url: str) -> Iterator[Caller]:
    caller = Caller(url)
    yield caller
    caller.close()


def ask_vector(wecom: Caller, one: dict[str, Any]) -> Answer:
    """Send a vector as WeCom would."""
    query = {name: one[name] for name in ("msg_signature", "timestamp", "nonce")}
    if one["kind"] == "get_echostr":
        query["echostr"] = one["encrypt"]
        return wecom.ask(
            "GET", f"/wecom/callback/{one['name']}?{urlencode(query, quote_via=quote)}"
        )
    body = one["body"].encode() if "body" in one else wrapped(one["encrypt"])
    return wecom.ask("POST", f"/wecom/callback/{one['name']}?{urlencode(query)}", body)


# --- vectors ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOOD)
def test_a_genuine_callback_is_answered_and_kept(wecom: Caller, kept: Kept, name: str) -> None:
    one = SERVED[name]
    plain = one["plaintext"].encode()
    if one["kind"] == "get_echostr":
        assert Answer(200, plain) == ask_vector(wecom, one)
        assert plain not in kept.contents()
    else:
        assert ask_vector(wecom, one) == KEPT
        assert plain in kept.contents()


@pytest.mark.parametrize("name", BAD)
def test_a_false_callback_is_refused_and_not_kept(wecom: Caller, kept: Kept, name: str) -> None:
    before = kept.contents()
    wanted = 403 if SERVED[name]["error"] in {"signature", "receive_id", "padding"} else 400
    assert Answer(wanted, b"") == ask_vector(wecom, SERVED[name])
    assert before == kept.contents()


@pytest.mark.parametrize("name", JSON_ONES)
def test_a_json_envelope_is_not_the_protocol_of_these_sources(
    wecom: Caller, kept: Kept, name: str
) -> None:
    before = kept.contents()
    assert ask_vector(wecom, JSON_ONES[name]) == Answer(400, b"")
    assert before == kept.contents()


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_key_that_cannot_be_one_is_refused_before_the_door_opens(name: str) -> None:
    one = BAD_KEYS[name]
    with pytest.raises(Invalid, match="43"):
        CallbackKeys(one["token"], one["encoding_aes_key"], one["receive_id"])


def test_every_callback_vector_is_tried() -> None:
    tried = len(SERVED) + len(JSON_ONES) + len(BAD_KEYS)
    assert VECTORS["meta"]["counts"]["callback"] == tried


@pytest.mark.parametrize("one", VECTORS["malformed_bodies"], ids=lambda one: str(one["name"]))
def test_a_body_that_is_no_envelope_is_400(wecom: Caller, kept: Kept, one: dict[str, str]) -> None:
    before = kept.contents()
    assert wecom.ask("POST", wecom.path("x"), one["body"].encode()) == Answer(400, b"")
    assert before == kept.contents()


# --- URL verification ------------------------------------------------------------------


def echo_of(wecom: Caller) -> str:
    """An encrypted echostr that contains a plus and a slash."""
    while True:
        outer = wecom.crypto.encrypt_message("5927398469027481236", NONCE, STAMP)
        encrypt = outer.partition("<Encrypt><![CDATA[")[2].partition("]]>")[0]
        if "+" in encrypt and "/" in encrypt:
            return str(encrypt)


@pytest.mark.parametrize("safe", ["", "+", "+/=", "/"])
def test_an_echostr_is_decoded_once_whatever_was_percent_encoded(wecom: Caller, safe: str) -> None:
    encrypt = echo_of(wecom)
    signed = f"msg_signature={wecom.sign(encrypt)}&timestamp={STAMP}&nonce={NONCE}"
    path = f"/wecom/callback/app?{signed}&echostr={quote(encrypt, safe=safe)}"
    assert wecom.ask("GET", path) == Answer(200, b"5927398469027481236")


def test_an_echostr_that_was_decoded_twice_is_refused(wecom: Caller) -> None:
    encrypt = echo_of(wecom)
    path = wecom.path(encrypt, echostr=encrypt.replace("+", " "))
    assert wecom.ask("GET", path) == Answer(403, b"")


def test_a_visit_without_parameters_is_refused(wecom: Caller) -> None:
    assert wecom.ask("GET", "/wecom/callback/app") == Answer(403, b"")


# --- what is not the protocol ----------------------------------------------------------


@pytest.mark.parametrize("path", ["nobody", "", "app/", "App", "app%2f"])
def test_an_unknown_source_is_404(wecom: Caller, path: str) -> None:
    _, body = wecom.sealed(event(1))
    assert wecom.ask("POST", f"/wecom/callback/{path}", body).status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_405(wecom: Caller, method: str) -> None:
    path, body = wecom.sealed(event(2))
    assert wecom.ask(method, path, body) == Answer(405, b"")


def test_a_source_has_only_its_own_keys(url: str, kept: Kept) -> None:
    stranger = Caller(url, token="anotherToken")
    before = kept.contents()
    assert stranger.post(event(3)) == Answer(403, b"")
    assert before == kept.contents()
    stranger.close()


def big(size: int) -> str:
    """Genuine content of about so many bytes."""
    return event(4).replace("</xml>", f"<Content>{'x' * size}</Content></xml>")


def test_a_body_of_a_little_less_than_one_mebibyte_is_kept(wecom: Caller, kept: Kept) -> None:
    path, body = wecom.sealed(big(780_000))
    assert 1_000_000 < len(body) <= 1 << 20
    assert wecom.ask("POST", path, body) == KEPT
    assert big(780_000).encode() in kept.contents()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_one_mebibyte_is_413(wecom: Caller, kept: Kept, *, chunked: bool) -> None:
    path, body = wecom.sealed(big(800_000))
    assert len(body) > 1 << 20
    before = kept.contents()
    pieces = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    answer = wecom.ask("POST", path, pieces if chunked else body, chunked=chunked)
    assert answer == Answer(413, b"")
    assert before == kept.contents()


def test_a_body_that_is_declared_too_large_is_refused_before_it_is_read(url: str) -> None:
    where = urlsplit(url)
    head = "POST /wecom/callback/app HTTP/1.1\r\nHost: bot\r\nContent-Length: 99999999999\r\n\r\n"
    with socket.create_connection((where.hostname, where.port), timeout=10) as plug:
        plug.sendall(head.encode())
        assert plug.recv(100).startswith(b"HTTP/1.1 413 ")


# --- harmful content under a genuine signature -----------------------------------------

BOMB = "".join(f'<!ENTITY e{n} "{"&e" + str(n - 1) + ";" if n else "lol"}">' * 2 for n in range(9))


@pytest.mark.parametrize(
    "content",
    [
        f"<!DOCTYPE xml [{BOMB}]><xml><a>&e8;</a></xml>",
        '<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/hostname">]><xml>&a;</xml>',
        '<!DOCTYPE xml SYSTEM "http://127.0.0.1:1/x.dtd"><xml/>',
        "<xml>" + "<a>" * 17 + "</a>" * 17 + "</xml>",
        "<xml>" + "<a/>" * 30_000 + "</xml>",
        "<xml><a></xml>",
        "<html/>",
    ],
    ids=["bomb", "external entity", "dtd", "deep", "long", "torn", "another root"],
)
def test_content_that_is_no_harmless_xml_is_400(wecom: Caller, kept: Kept, content: str) -> None:
    before = kept.contents()
    assert wecom.post(content) == Answer(400, b"")
    assert before == kept.contents()


@pytest.mark.parametrize("content", ["", "hello", '{"msgtype":"text"}', "\x00\x01"])
def test_genuine_content_that_is_no_xml_is_kept_for_the_worker_to_set_aside(
    wecom: Caller, kept: Kept, content: str
) -> None:
    assert wecom.post(content) == KEPT
    assert content.encode() in kept.contents()


# --- durable, and once -----------------------------------------------------------------


def test_what_is_acknowledged_is_on_the_disk_for_another_connection(
    wecom: Caller, kept: Kept
) -> None:
    for number in range(100, 120):
        assert wecom.post(event(number)) == KEPT
        assert kept.contents()[-1] == event(number).encode()


def test_the_same_content_under_fresh_ciphertext_is_kept_once(wecom: Caller, kept: Kept) -> None:
    bodies = set()
    for _ in range(4):
        path, body = wecom.sealed(event(200))
        bodies.add(body)
        assert wecom.ask("POST", path, body) == KEPT
    assert len(bodies) == 4
    assert kept.contents().count(event(200).encode()) == 1


def test_the_same_content_from_two_sources_is_two_things(wecom: Caller, kept: Kept) -> None:
    assert wecom.post(event(201), "app") == KEPT
    assert wecom.post(event(201), "kf") == KEPT
    assert kept.contents().count(event(201).encode()) == 2


def test_two_hundred_callbacks_from_many_connections_are_each_kept_once(
    wecom: Caller, kept: Kept
) -> None:
    wanted = [event(1000 + number) for number in range(200)]
    # Every fourth one is delivered again at the same time.
    sent = wanted + wanted[::4]
    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(wecom.post, sent))
    assert Counter({200: 250}) == Counter(answer.status for answer in answers)
    counts = Counter(kept.contents())
    assert [counts[content.encode()] for content in wanted] == [1] * 200


# --- a store in trouble ----------------------------------------------------------------


def failed(trouble: Exception) -> Future[None]:
    future: Future[None] = Future()
    future.set_exception(trouble)
    return future


@pytest.mark.parametrize(
    "trouble",
    [
        Retry("closing"),
        failed(Retry("disk full")),
        RuntimeError("unforeseen"),
        failed(RuntimeError("unforeseen")),
    ],
    ids=["refuses", "fails", "breaks at once", "breaks later"],
)
def test_a_store_in_trouble_is_503_so_that_wecom_asks_again(
    trouble: Future[None] | Exception,
) -> None:
    inbox = Broken(trouble)
    with served(door_of(inbox)) as url:
        wecom = Caller(url)
        # Each one is tried anew: trouble must not close the door for good.
        assert [wecom.post(event(number)) for number in range(3)] == [NOTHING] * 3
        assert inbox.asked == 3
        wecom.close()


def test_a_store_that_takes_too_long_is_503() -> None:
    never: Future[None] = Future()
    with served(door_of(Broken(never), patience=0.1)) as url:
        wecom = Caller(url)
        assert wecom.post(event(1)) == NOTHING
        # Those that arrive while the store hangs wait for nothing longer either.
        assert wecom.post(event(2)) == NOTHING
        never.set_result(None)
        wecom.close()


def test_a_full_disk_is_503_and_a_freed_one_keeps_again(tmp_path: Path) -> None:
    store = Kept(tmp_path)
    full = store.database.write(lambda db: db.value("PRAGMA page_count"))
    store.database.write(lambda db: db.value(f"PRAGMA max_page_count = {full}"))
    filler = event(1).replace("</xml>", f"<Content>{'x' * 20_000}</Content></xml>")
    with served(door_of(Inbox(store.database, store.vault, SystemClock()))) as url:
        wecom = Caller(url)
        assert wecom.post(filler) == NOTHING
        assert store.contents() == []
        store.database.write(lambda db: db.value("PRAGMA max_page_count = 1000000"))
        assert wecom.post(filler) == KEPT
        assert store.contents() == [filler.encode()]
        wecom.close()
    store.database.close()


def test_what_was_kept_too_late_to_be_acknowledged_is_not_kept_twice(tmp_path: Path) -> None:
    store = Kept(tmp_path)
    slow: Future[None] = Future()
    inbox = Inbox(store.database, store.vault, SystemClock())
    with served(door_of(inbox, patience=0.2)) as url:
        wecom = Caller(url)
        busy = store.database.submit(lambda _db: slow.result())
        assert wecom.post(event(1)) == NOTHING
        slow.set_result(None)
        busy.result()
        assert wecom.post(event(1)) == KEPT
        assert store.contents() == [event(1).encode()]
        wecom.close()
    store.database.close()


def test_the_corp_that_seals_is_the_corp_that_is_named_inside(wecom: Caller, kept: Kept) -> None:
    """Who writes another corp outside the encryption changes nothing: only the inside counts."""
    path, body = wecom.sealed(event(300))
    outside = body.replace(b"<ToUserName>a<", b"<ToUserName>ww_somebody_else<")
    assert wecom.ask("POST", path, outside) == KEPT
    assert CORP.encode() in kept.contents()[-1]
