"""CPU of one callback: verify, decrypt, parse to fields and dedupe key, in one process.

Ours against the least that the protocol asks for (XML parser, SHA-1, Base64, AES, flat
dict, no checks) and against wechatpy's decryption and message parsing. The three take
turns, so that a busy machine slows them alike; the median of the rounds' ratios counts.

Run: python -m benchmarks.inbound_cpu
"""

from __future__ import annotations

import base64
import random
import statistics
import time
from collections.abc import Callable
from hashlib import sha1
from typing import NamedTuple
from xml.parsers.expat import ParserCreate

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from wechatpy.work import parse_message
from wechatpy.work.crypto import WeChatCrypto

from bot.wire import CallbackKeys, content_key, open_envelope, parse_fields

TOKEN = "benchToken2026"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
CORP = "ww0123456789abcdef"
CALLBACKS = 2_000
ROUNDS = 11

_HEAD = (
    "<xml><ToUserName><![CDATA[{corp}]]></ToUserName><FromUserName><![CDATA[{sender}]]>"
    "</FromUserName><CreateTime>{second}</CreateTime><MsgType><![CDATA[{kind}]]></MsgType>"
)
_CONTACT = (
    "<Event><![CDATA[change_external_contact]]></Event><ChangeType><![CDATA[add_external_contact]]>"
    "</ChangeType><UserID><![CDATA[{user}]]></UserID><ExternalUserID><![CDATA[wm{serial}]]>"
    "</ExternalUserID></xml>"
)
_CHAT = (
    "<Event><![CDATA[change_external_chat]]></Event><ChatId><![CDATA[wr{serial}]]></ChatId>"
    "<ChangeType><![CDATA[dismiss]]></ChangeType></xml>"
)
_TEXT = (
    "<Content><![CDATA[{words}]]></Content><MsgId>{second}{user}</MsgId><AgentID>1000002</AgentID>"
    "</xml>"
)


class Callback(NamedTuple):
    """A POST as the door gets it."""

    signature: str
    timestamp: str
    nonce: str
    body: bytes


def make_callbacks(count: int = CALLBACKS, seed: int = 20261124) -> list[Callback]:
    """Callbacks that differ all, of about 700 bytes on average."""
    draw = random.Random(seed)
    crypto = WeChatCrypto(TOKEN, AES_KEY, CORP)
    return [
        _seal(crypto, _content(draw, index), str(draw.getrandbits(40))) for index in range(count)
    ]


def _content(draw: random.Random, index: int) -> str:
    form, kind = draw.choice(((_CONTACT, "event"), (_CHAT, "event"), (_TEXT, "text")))
    return (_HEAD + form).format(
        corp=CORP,
        sender="sys" if kind == "event" else f"user{index}",
        second=1_763_000_000 + index,
        kind=kind,
        user=f"{index:06d}",
        serial=f"{draw.getrandbits(120):030x}",
        words="请问明天几点" * draw.randint(1, 9),
    )


def _seal(crypto: WeChatCrypto, content: str, nonce: str) -> Callback:
    sealed = crypto.encrypt_message(content, nonce, "1763000000")
    fields = parse_fields(sealed.encode())
    body = (
        f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><AgentID><![CDATA[1000002]]></AgentID>"
        f"<Encrypt><![CDATA[{fields['Encrypt']}]]></Encrypt></xml>"
    )
    return Callback(str(fields["MsgSignature"]), "1763000000", nonce, body.encode())


def ours(callbacks: list[Callback]) -> None:
    keys = CallbackKeys(TOKEN, AES_KEY, CORP)
    for signature, timestamp, nonce, body in callbacks:
        plaintext = open_envelope(keys, signature, timestamp, nonce, body)
        parse_fields(plaintext)
        content_key("app", plaintext)


def minimal(callbacks: list[Callback]) -> None:
    key = base64.b64decode(AES_KEY + "=")
    cipher = Cipher(AES(key), CBC(key[:16]))
    for signature, timestamp, nonce, body in callbacks:
        encrypt = _flat(body)["Encrypt"]
        signed = "".join(sorted((TOKEN, timestamp, nonce, encrypt)))
        if sha1(signed.encode()).hexdigest() != signature:
            raise ValueError(nonce)
        decryptor = cipher.decryptor()
        plain = decryptor.update(base64.b64decode(encrypt)) + decryptor.finalize()
        _flat(plain[20 : 20 + int.from_bytes(plain[16:20], "big")])


def _flat(xml: bytes) -> dict[str, str]:
    parser = ParserCreate()
    parser.buffer_text = True
    said: list[str] = []
    found: dict[str, str] = {}

    def start(_name: str, _attributes: dict[str, str]) -> None:
        said.clear()

    def end(name: str) -> None:
        found[name] = "".join(said)
        said.clear()

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = said.append
    parser.Parse(xml, True)  # noqa: FBT003  # the C function takes no keywords
    return found


def wechatpy(callbacks: list[Callback]) -> None:
    crypto = WeChatCrypto(TOKEN, AES_KEY, CORP)
    for signature, timestamp, nonce, body in callbacks:
        parse_message(crypto.decrypt_message(body, signature, timestamp, nonce))


def _microseconds(way: Callable[[list[Callback]], None], callbacks: list[Callback]) -> float:
    begun = time.perf_counter()
    way(callbacks)
    return (time.perf_counter() - begun) / len(callbacks) * 1e6


def run(rounds: int = ROUNDS) -> dict[str, float]:
    """Microseconds a callback of the three, and the two ratios that gate."""
    callbacks = make_callbacks()
    ways = {"ours_us": ours, "minimal_us": minimal, "wechatpy_us": wechatpy}
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way(callbacks)
    for _ in range(rounds):
        for name, way in ways.items():
            taken[name].append(_microseconds(way, callbacks))
    figures = {name: statistics.median(times) for name, times in taken.items()}
    for peer in ("minimal", "wechatpy"):
        pairs = zip(taken["ours_us"], taken[f"{peer}_us"], strict=True)
        figures[f"ratio_{peer}"] = statistics.median(mine / theirs for mine, theirs in pairs)
    figures["body_bytes"] = statistics.mean(len(one.body) for one in callbacks)
    return figures


def main() -> None:
    got = run()
    print(
        f"inbound_cpu  ours {got['ours_us']:.1f} µs  minimal {got['minimal_us']:.1f} µs "
        f"ratio {got['ratio_minimal']:.2f} (<= 1.15)  wechatpy {got['wechatpy_us']:.1f} µs "
        f"ratio {got['ratio_wechatpy']:.2f} (<= 0.38)  bodies {got['body_bytes']:.0f} bytes"
    )


if __name__ == "__main__":
    main()
