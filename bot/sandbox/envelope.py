"""WeCom's side of the callback envelope: XML out, encrypted and signed; passive replies in."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import unescape

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bot.clock import Clock, SystemClock
from bot.errors import Invalid
from bot.sandbox.records import Fields

_BLOCK = 32
# What XML 1.0 forbids; a person's message may hold it, the platform's XML cannot.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ELEMENT = re.compile(r"<(\w+)>\s*(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))\s*</\1>", re.DOTALL)


@dataclass(frozen=True)
class Post:
    """One delivery: the query of its address and its body."""

    query: dict[str, str]
    body: bytes


def to_xml(fields: Fields, tag: str = "xml") -> str:
    """Elements in the given order; text as CDATA, numbers plain, lists as repeated elements."""
    return f"<{tag}>{''.join(_element(name, value) for name, value in fields.items())}</{tag}>"


def _element(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return to_xml(value, name)
    if isinstance(value, list):
        return "".join(_element(name, item) for item in value)
    if isinstance(value, str):
        clean = _FORBIDDEN.sub("", value).replace("]]>", "]]]]><![CDATA[>")
        return f"<{name}><![CDATA[{clean}]]></{name}>"
    return f"<{name}>{value}</{name}>"


def from_xml(text: str) -> dict[str, str]:
    """The leaf elements of a small XML text, last one of each name."""
    found = _ELEMENT.findall(text)
    return {name: cdata or unescape(plain.strip()) for name, cdata, plain in found}


class Envelope:
    """Encrypts for one callback source and opens what comes back.

    Args:
        corp_id: The receiver named inside the encryption.
        token: Signs.
        aes_key: The 43 characters of the EncodingAESKey.
        agent_id: The app, where the outer XML names it.
        clock: Tells the timestamp; a bot that checks its age goes by the same clock.
    """

    def __init__(
        self,
        corp_id: str,
        token: str,
        aes_key: str,
        agent_id: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._corp_id = corp_id
        self._token = token
        self._agent_id = agent_id
        self._clock = clock or SystemClock()
        self._key = base64.b64decode(aes_key + "=")
        if len(self._key) != _BLOCK:
            raise Invalid("EncodingAESKey 必须是 43 个字符")

    def post(self, xml: str) -> Post:
        """A delivery of this content, with fresh random bytes, nonce and timestamp."""
        encrypted = self.encrypt(xml)
        outer: Fields = {"ToUserName": self._corp_id}
        if self._agent_id is not None:
            outer["AgentID"] = str(self._agent_id)
        return Post(self.query(encrypted), to_xml(outer | {"Encrypt": encrypted}).encode())

    def echo(self, text: str) -> dict[str, str]:
        """The query with which the console verifies the address; the answer must be ``text``."""
        encrypted = self.encrypt(text)
        return self.query(encrypted) | {"echostr": encrypted}

    def query(self, encrypted: str) -> dict[str, str]:
        """Signature, timestamp and nonce."""
        stamp, nonce = str(int(self._clock.now().timestamp())), str(secrets.randbelow(10**10))
        return {
            "msg_signature": self.sign(stamp, nonce, encrypted),
            "timestamp": stamp,
            "nonce": nonce,
        }

    def sign(self, timestamp: str, nonce: str, encrypted: str) -> str:
        """SHA-1 over the four values in ascending order."""
        parts = sorted([self._token, timestamp, nonce, encrypted])
        return hashlib.sha1("".join(parts).encode(), usedforsecurity=False).hexdigest()

    def encrypt(self, text: str) -> str:
        """Random, length, text and corp id, padded to 32, AES-256-CBC, Base64."""
        content = text.encode()
        plain = secrets.token_bytes(16) + len(content).to_bytes(4, "big") + content
        plain += self._corp_id.encode()
        pad = _BLOCK - len(plain) % _BLOCK
        encryptor = self._cipher().encryptor()
        sealed = encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()
        return base64.b64encode(sealed).decode()

    def decrypt(self, encrypted: str) -> str:
        """The text inside.

        Raises:
            Invalid: Padding, length or receiver do not fit.
        """
        decryptor = self._cipher().decryptor()
        try:
            plain = decryptor.update(base64.b64decode(encrypted, validate=True))
            plain += decryptor.finalize()
        except ValueError as wrong:
            raise Invalid("被动回复的密文不是整块 AES") from wrong
        pad = plain[-1] if plain else 0
        size = int.from_bytes(plain[16:20], "big")
        content, receiver = plain[20 : 20 + size], plain[20 + size : len(plain) - pad]
        if not 1 <= pad <= _BLOCK or receiver != self._corp_id.encode():
            raise Invalid("被动回复的填充或 receiveid 不对")
        return content.decode()

    def open_reply(self, body: str) -> Fields:
        """Check and open an encrypted passive reply.

        Raises:
            Invalid: An element is missing or the signature is wrong.
        """
        outer = from_xml(body)
        missing = {"Encrypt", "MsgSignature", "TimeStamp", "Nonce"} - outer.keys()
        if missing:
            raise Invalid(f"被动回复缺少 {'、'.join(sorted(missing))}")
        signature = self.sign(outer["TimeStamp"], outer["Nonce"], outer["Encrypt"])
        if signature != outer["MsgSignature"]:
            raise Invalid("被动回复的签名不对")
        return dict(from_xml(self.decrypt(outer["Encrypt"])))

    def _cipher(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self._key), modes.CBC(self._key[:16]))
