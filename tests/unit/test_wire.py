"""Envelope, signature and decryption, against published vectors and two oracles."""

from __future__ import annotations

import base64
import dis
import json
import random
from binascii import a2b_base64
from hashlib import sha1
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wechatpy.exceptions import WeChatException
from wechatpy.work.crypto import WeChatCrypto

from bot import wire
from bot.errors import Invalid, NotOurs
from bot.wire import CallbackKeys, content_key, open_envelope, open_json_envelope, verify_url

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "samples" / "vectors.json").read_text(encoding="utf-8")
)
GOOD = {one["name"]: one for one in VECTORS["callback"] if one["expect"] == "ok"}
BAD = {one["name"]: one for one in VECTORS["callback"] if one["expect"] == "error"}
REFUSALS: dict[str, type[Exception]] = {
    "signature": NotOurs,
    "receive_id": NotOurs,
    "padding": NotOurs,
    "aes_key": Invalid,
    "base64": Invalid,
    "ciphertext_length": Invalid,
    "msg_len": Invalid,
    "too_short": Invalid,
}

TOKEN = "unitToken2026"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
OTHER_KEY = "GFEDCBA9876543210zyxwvutsrqponmlkjihgfedcba"
CORP = "ww00000000000000aa"
TIMESTAMP, NONCE = "1763000000", "n0nce"
KEYS = CallbackKeys(TOKEN, AES_KEY, CORP)


def signature(encrypt: str, token: str = TOKEN) -> str:
    return sha1("".join(sorted((token, TIMESTAMP, NONCE, encrypt))).encode()).hexdigest()


def encrypted(padded: bytes, aes_key: str = AES_KEY) -> str:
    key = base64.b64decode(aes_key + "=")
    encryptor = Cipher(AES(key), CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()


def sealed(content: bytes, *, receive_id: str = CORP, drawn: bytes = bytes(16)) -> str:
    plain = drawn + len(content).to_bytes(4, "big") + content + receive_id.encode()
    size = 32 - len(plain) % 32
    return encrypted(plain + bytes([size]) * size)


def envelope(encrypt: str) -> bytes:
    return f"<xml><ToUserName>a</ToUserName><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>".encode()


def opened(encrypt: str) -> bytes:
    return open_envelope(KEYS, signature(encrypt), TIMESTAMP, NONCE, envelope(encrypt))


def open_vector(one: dict[str, Any]) -> bytes:
    """The vector through the function that its kind belongs to."""
    keys = CallbackKeys(one["token"], one["encoding_aes_key"], one["receive_id"])
    query = (one["msg_signature"], one["timestamp"], one["nonce"])
    if one["kind"] == "get_echostr":
        return verify_url(keys, *query, one["encrypt"])
    if one["kind"] == "post_json":
        return open_json_envelope(keys, *query, one["body"].encode())
    body = one["body"].encode() if "body" in one else envelope(one["encrypt"])
    return open_envelope(keys, *query, body)


# --- vectors ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOOD)
def test_a_genuine_callback_decrypts_to_the_published_plaintext(name: str) -> None:
    assert GOOD[name]["plaintext"].encode() == open_vector(GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_a_false_callback_is_refused_for_its_reason(name: str) -> None:
    with pytest.raises(REFUSALS[BAD[name]["error"]]):
        open_vector(BAD[name])


def test_all_52_callback_vectors_are_tried() -> None:
    assert len(GOOD) + len(BAD) == VECTORS["meta"]["counts"]["callback"] == 52


@pytest.mark.parametrize("name", [name for name, one in GOOD.items() if "query" in one])
def test_query_values_are_signed_as_they_are_after_one_url_decoding(name: str) -> None:
    one = GOOD[name]
    query = {key: values[0] for key, values in parse_qs(one["query"], strict_parsing=True).items()}
    keys = CallbackKeys(one["token"], one["encoding_aes_key"], one["receive_id"])
    encrypt = query.get("echostr", one["encrypt"])
    content = verify_url(keys, query["msg_signature"], query["timestamp"], query["nonce"], encrypt)
    assert one["plaintext"].encode() == content


@pytest.mark.parametrize("one", VECTORS["malformed_bodies"], ids=lambda one: str(one["name"]))
def test_a_body_that_is_not_an_envelope_is_invalid(one: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        open_envelope(KEYS, "0" * 40, TIMESTAMP, NONCE, one["body"].encode())


@pytest.mark.parametrize("one", VECTORS["signature"], ids=lambda one: str(one["source"]))
def test_the_published_signatures_are_ours(one: dict[str, str]) -> None:
    keys = CallbackKeys(one["token"], AES_KEY, CORP)
    keys.check(one["expected"], one["timestamp"], one["nonce"], one["encrypt"])


@pytest.mark.parametrize("one", VECTORS["encrypt"], ids=lambda one: str(one["name"]))
def test_what_the_official_libraries_encrypt_we_read(one: dict[str, str]) -> None:
    keys = CallbackKeys(one["token"], one["encoding_aes_key"], one["receive_id"])
    assert one["plaintext"].encode() == keys.content(one["expected_encrypt"])
    if "expected_signature" in one:
        keys.check(
            one["expected_signature"], one["timestamp"], one["nonce"], one["expected_encrypt"]
        )


@pytest.mark.parametrize("one", VECTORS["smartbot_media"], ids=lambda one: str(one["name"]))
def test_a_file_for_the_smart_bot_is_decrypted_whole(one: dict[str, str]) -> None:
    keys = CallbackKeys(TOKEN, one["encoding_aes_key"], "")
    found = wire.open_smartbot_media(keys, base64.b64decode(one["ciphertext_base64"]))
    assert base64.b64decode(one["plaintext_base64"]) == found


# --- keys ------------------------------------------------------------------------------


@pytest.mark.parametrize("token", ["", "a" * 33, "has space", "换", "line\n"])
def test_a_token_that_the_console_cannot_show_is_refused(token: str) -> None:
    with pytest.raises(Invalid, match="Token"):
        CallbackKeys(token, AES_KEY, CORP)


@pytest.mark.parametrize("aes_key", ["", AES_KEY[:-1], AES_KEY + "=", AES_KEY[:-1] + "\n"])
def test_an_aes_key_that_is_not_43_characters_is_refused(aes_key: str) -> None:
    with pytest.raises(Invalid, match="43"):
        CallbackKeys(TOKEN, aes_key, CORP)


def test_keys_never_show_their_secrets() -> None:
    shown = f"{KEYS!r} {KEYS} {[KEYS]}"
    assert "***" in shown
    assert TOKEN not in shown
    assert AES_KEY not in shown
    assert not hasattr(KEYS, "__dict__")


# --- signature -------------------------------------------------------------------------


def test_signatures_are_compared_in_constant_time() -> None:
    code = CallbackKeys.check.__code__
    assert "compare_digest" in code.co_names
    assert "COMPARE_OP" not in {step.opname for step in dis.get_instructions(code)}


def test_the_signature_is_checked_before_anything_is_decrypted() -> None:
    nonsense = "!not base64 at all!"
    with pytest.raises(NotOurs):
        open_envelope(KEYS, "0" * 40, TIMESTAMP, NONCE, envelope(nonsense))
    with pytest.raises(Invalid):
        opened(nonsense)


@pytest.mark.parametrize("change", [str.upper, lambda hexed: hexed + " ", lambda _: "签名"])
def test_a_signature_must_be_the_exact_lower_case_hex(change: Any) -> None:
    encrypt = sealed(b"<xml/>")
    with pytest.raises(NotOurs):
        open_envelope(KEYS, change(signature(encrypt)), TIMESTAMP, NONCE, envelope(encrypt))


def test_lone_surrogates_in_a_query_are_refused_like_any_other_text() -> None:
    with pytest.raises(NotOurs):
        verify_url(KEYS, "\udcff", "\udc80", "\ud800", "\udfff")


# --- decryption ------------------------------------------------------------------------


@pytest.mark.parametrize("length", [*range(66), 5_000])
def test_content_of_every_length_round_trips(length: int) -> None:
    content = bytes(index % 256 for index in range(length))
    assert content == opened(sealed(content))


def test_every_other_key_is_not_ours_even_where_its_padding_fits() -> None:
    draw = random.Random(20261124)
    for _ in range(1_500):
        # A random block is what another key makes of ours; some end in a 1, as padding may.
        with pytest.raises(NotOurs):
            opened(encrypted(draw.randbytes(63) + b"\x01"))
        with pytest.raises(NotOurs):
            opened(encrypted(draw.randbytes(62) + b"\x07\x03"))


def test_a_file_under_another_key_is_not_ours() -> None:
    other = CallbackKeys(TOKEN, OTHER_KEY, "")
    with pytest.raises(NotOurs):
        wire.open_smartbot_media(other, base64.b64decode(sealed(b"made up")))
    with pytest.raises(Invalid):
        wire.open_smartbot_media(other, b"odd")


@pytest.mark.parametrize("junk", ["\n", " ", "*", "=", "-", "_", "\0", "é", "\ud800"])
def test_only_strict_base64_is_decrypted(junk: str) -> None:
    encrypt = sealed(b"<xml/>")
    harmed = encrypt[:8] + junk + encrypt[8:]
    signed = sha1(
        "".join(sorted((TOKEN, TIMESTAMP, NONCE, harmed))).encode("utf-8", "surrogatepass")
    )
    with pytest.raises(Invalid, match="Base64"):
        verify_url(KEYS, signed.hexdigest(), TIMESTAMP, NONCE, harmed)


def test_content_for_another_corp_is_not_ours() -> None:
    for receive_id in ("", CORP[:-1], CORP + "x", "ww00000000000000ab"):
        with pytest.raises(NotOurs):
            opened(sealed(b"<xml/>", receive_id=receive_id))


# --- dedupe key ------------------------------------------------------------------------


def test_a_repetition_has_the_same_key_though_its_ciphertext_differs() -> None:
    first, again = sealed(b"<xml>1</xml>"), sealed(b"<xml>1</xml>", drawn=b"other 16 random!")
    assert first != again
    assert content_key("app", opened(first)) == content_key("app", opened(again))


def test_other_content_or_another_source_has_another_key() -> None:
    keys = {content_key(source, text) for source in ("app", "kf") for text in (b"1", b"2")}
    assert len(keys) == 4


def test_keys_of_callbacks_are_short_plain_text() -> None:
    key = content_key("contacts", b"x" * 100_000)
    assert key.startswith("contacts:")
    assert len(key) == len("contacts:") + 32


# --- the envelope's shape --------------------------------------------------------------

PIECES = st.sampled_from(
    [
        b"<xml>", b"</xml>", b"<Encrypt>", b"</Encrypt>", b"<![CDATA[", b"]]>", b"Ab+/=", b"&amp;",
        b"\n  ", b"<ToUserName><![CDATA[ww]]></ToUserName>", b"<AgentID><![CDATA[]]></AgentID>",
        b"<AgentID>7</AgentID>", b"<Encrypt><![CDATA[QUI=]]></Encrypt>", b"]", b"<", b">", b"\xff",
        b"<Encrypt>QUI=</Encrypt>", b"<!-- c -->", "密".encode(), b"<Encrypt/>", b"\r\n", b"\0",
    ]
)  # fmt: skip


def _ciphertext(found: object) -> bytes | None:
    """What would be decrypted; None for what is refused here or a step later."""
    try:
        return a2b_base64(found, strict_mode=True) if isinstance(found, str) else None
    except ValueError:
        return None


def _by_parser(body: bytes) -> bytes | None:
    try:
        return _ciphertext(wire.parse_fields(body).get("Encrypt"))
    except Invalid:
        return None


def _by_wire(body: bytes) -> bytes | None:
    try:
        return _ciphertext(wire._encrypt_element(body))
    except Invalid:
        return None


@settings(max_examples=150, deadline=None, database=None)
@given(st.lists(PIECES, max_size=6), st.lists(PIECES, max_size=3))
@example([b"\xff"], [])
@example([b"QU", b"]]>", b"<![CDATA[", b"I="], [])
@example([b"QU", b"]]>", b"I="], [])
def test_the_fast_way_to_the_ciphertext_reads_what_the_parser_reads(
    before: list[bytes], after: list[bytes]
) -> None:
    middle = b"<Encrypt><![CDATA[QUJD]]></Encrypt>"
    for body in (
        b"".join([b"<xml>", *before, middle, *after, b"</xml>"]),
        b"".join([b"<xml><Encrypt><![CDATA[", *before, b"]]></Encrypt>", *after, b"</xml>"]),
        b"".join([*before, middle, *after]),
    ):
        assert _by_parser(body) == _by_wire(body)


@pytest.mark.parametrize(
    "body",
    [
        b"<xml><ToUserName><![CDATA[ww1]]></ToUserName><Encrypt><![CDATA[QUI=]]></Encrypt></xml>",
        b"<xml>\n <Encrypt><![CDATA[QUI=]]></Encrypt>\n <AgentID><![CDATA[218]]></AgentID>\n</xml>",
        b"<xml><Encrypt>QUI=</Encrypt></xml>",
        b'<?xml version="1.0" encoding="UTF-8"?>\n<xml><Encrypt>QUI=</Encrypt></xml>\n',
        b"<xml><Other>1</Other><Encrypt><![CDATA[QU]]><![CDATA[I=]]></Encrypt></xml>",
        b"\xef\xbb\xbf<xml><Encrypt>QUI&#61;</Encrypt></xml>",
    ],
)
def test_elements_may_stand_in_any_order_and_any_writing(body: bytes) -> None:
    assert wire._encrypt_element(body) == "QUI="


def test_two_ciphertexts_in_one_envelope_are_invalid() -> None:
    twice = b"<xml><Encrypt>QUI=</Encrypt><Encrypt>QUI=</Encrypt></xml>"
    with pytest.raises(Invalid):
        wire._encrypt_element(twice)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"1", b'{"encrypt": 1}', b'{"encrypt": ""}', b"[" * 50_000, b"\xff"]
)
def test_a_body_that_is_not_a_json_envelope_is_invalid(body: bytes) -> None:
    with pytest.raises(Invalid):
        open_json_envelope(KEYS, "0" * 40, TIMESTAMP, NONCE, body)


# --- anything at all -------------------------------------------------------------------


@settings(max_examples=100, deadline=None, database=None)
@given(st.text(), st.text(), st.text(), st.binary() | st.lists(PIECES).map(b"".join))
def test_no_bytes_make_any_other_error(
    msg_signature: str, timestamp: str, nonce: str, body: bytes
) -> None:
    for way in (open_envelope, open_json_envelope):
        with pytest.raises((NotOurs, Invalid)):
            way(KEYS, msg_signature, timestamp, nonce, body)


@settings(max_examples=100, deadline=None, database=None)
@given(st.binary(max_size=200) | st.binary(max_size=12).map(lambda some: some * 16))
def test_no_signed_bytes_make_any_other_error(padded: bytes) -> None:
    encrypt = base64.b64encode(padded).decode()
    with pytest.raises((NotOurs, Invalid)):
        opened(encrypt)


# --- wechatpy as an independent oracle ---------------------------------------------------


def _theirs(msg_signature: str, body: bytes) -> bytes | None:
    try:
        crypto = WeChatCrypto(TOKEN, AES_KEY, CORP)
        return bytes(crypto.decrypt_message(body, msg_signature, TIMESTAMP, NONCE).encode())
    except (WeChatException, ValueError):
        return None


def _ours(msg_signature: str, body: bytes) -> bytes | None:
    try:
        return open_envelope(KEYS, msg_signature, TIMESTAMP, NONCE, body)
    except (NotOurs, Invalid):
        return None


def _swap(text: str, place: int) -> str:
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


def test_wechatpy_reads_what_we_accept_and_refuses_what_we_refuse() -> None:
    draw = random.Random(7)
    accepted = 0
    for index in range(300):
        content = f"<xml><Content>{'客户群' * draw.randint(0, 60)}{index}</Content></xml>".encode()
        receiver = draw.choice((CORP, CORP, CORP, "wwsomebodyelse", ""))
        encrypt = sealed(content, receive_id=receiver, drawn=draw.randbytes(16))
        signed = signature(encrypt, draw.choice((TOKEN, TOKEN, TOKEN, "otherToken")))
        harm = draw.choice(("none", "none", "none", "signature", "ciphertext"))
        if harm == "signature":
            signed = _swap(signed, draw.randrange(40))
        if harm == "ciphertext":
            encrypt = _swap(encrypt, draw.randrange(len(encrypt) - 3))
        body = envelope(encrypt)
        expected = _theirs(signed, body)
        accepted += expected is not None
        assert expected == _ours(signed, body)
    assert 50 < accepted < 250


def test_what_wechatpy_encrypts_we_read() -> None:
    crypto = WeChatCrypto(TOKEN, AES_KEY, CORP)
    for length in range(40):
        content = "<xml>" + "好" * length + "</xml>"
        reply = wire.parse_fields(crypto.encrypt_message(content, NONCE, TIMESTAMP).encode())
        keys = (str(reply["MsgSignature"]), str(reply["TimeStamp"]), str(reply["Nonce"]))
        assert content.encode() == open_envelope(KEYS, *keys, envelope(str(reply["Encrypt"])))
