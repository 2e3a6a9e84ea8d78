"""Callbacks as WeCom posts them: encrypted, signed, all different, made beforehand."""

from __future__ import annotations

import hashlib
import random
from base64 import b64decode, b64encode
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

TOKEN = "benchToken2026"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
CORP = "ww0123456789abcdef"
SOURCE = "app"

_KEY = b64decode(AES_KEY + "=")
_CIPHER = Cipher(AES(_KEY), CBC(_KEY[:16]))
_STAMP = "1793000000"
_HEAD = (
    "<xml><ToUserName><![CDATA[{corp}]]></ToUserName><FromUserName><![CDATA[{sender}]]>"
    "</FromUserName><CreateTime>{second}</CreateTime><MsgType><![CDATA[{kind}]]></MsgType>"
)
_ADDED = (
    "<Event><![CDATA[change_external_contact]]></Event><ChangeType>"
    "<![CDATA[add_external_contact]]></ChangeType><UserID><![CDATA[{user}]]></UserID>"
    "<ExternalUserID><![CDATA[wm{serial}]]></ExternalUserID>"
    "<WelcomeCode><![CDATA[{code}]]></WelcomeCode></xml>"
)
_LEFT = (
    "<Event><![CDATA[change_external_chat]]></Event><ChatId><![CDATA[wr{serial}]]></ChatId>"
    "<ChangeType><![CDATA[dismiss]]></ChangeType></xml>"
)
_TEXT = (
    "<Content><![CDATA[{words}]]></Content><MsgId>{second}{user}</MsgId>"
    "<AgentID>1000002</AgentID></xml>"
)


class Request(NamedTuple):
    """A POST, ready for the socket, and the content that it carries."""

    raw: bytes
    content: bytes


def make(count: int, seed: int, kind: str = "mix") -> list[Request]:
    """Requests that all differ, of 700 bytes on average; the same seed gives the same contents.

    Args:
        kind: ``mix``, or ``welcome`` for new friends with a welcome code (``CODE<index>``).
    """
    draw = random.Random(seed)
    return [_request(draw, _content(draw, seed, index, kind)) for index in range(count)]


def again(requests: list[Request], seed: int) -> list[Request]:
    """The same contents as WeCom repeats them: encrypted and signed anew."""
    draw = random.Random(seed)
    return [_request(draw, request.content) for request in requests]


def _content(draw: random.Random, seed: int, index: int, kind: str) -> bytes:
    form, sort = (_ADDED, "event")
    if kind == "mix":
        form, sort = draw.choice(((_ADDED, "event"), (_LEFT, "event"), (_TEXT, "text")))
    return (
        (_HEAD + form)
        .format(
            corp=CORP,
            sender="sys" if sort == "event" else f"user{index}",
            second=1_793_000_000 + index % 86_400,
            kind=sort,
            user=f"{index % 2_000:06d}",
            serial=f"{seed:08x}{index:08x}{draw.getrandbits(56):014x}",
            code=f"CODE{index}" if kind == "welcome" else "",
            words="请问明天几点" * draw.randint(1, 9) + f" {seed}-{index}",
        )
        .encode()
    )


def _request(draw: random.Random, content: bytes) -> Request:
    nonce = str(draw.getrandbits(40))
    sealed = _encrypt(draw.randbytes(16), content)
    signed = "".join(sorted((TOKEN, _STAMP, nonce, sealed)))
    signature = hashlib.sha1(signed.encode(), usedforsecurity=False).hexdigest()
    body = (
        f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><AgentID><![CDATA[1000002]]></AgentID>"
        f"<Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
    ).encode()
    path = f"/wecom/callback/{SOURCE}?msg_signature={signature}&timestamp={_STAMP}&nonce={nonce}"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Request(head.encode() + body, content)


def _encrypt(prefix: bytes, content: bytes) -> str:
    plain = prefix + len(content).to_bytes(4, "big") + content + CORP.encode()
    size = 32 - len(plain) % 32
    encryptor = _CIPHER.encryptor()
    return b64encode(encryptor.update(plain + bytes([size]) * size)).decode()
