"""Encryption at rest, keyed hashes for search, and signatures, under keys from one secret.

A sealed value is ``scheme (1 byte) | key id (2) | nonce (12) | ciphertext and tag``; the scheme
is the cipher, 2 for AES-256-GCM and 3 for SM4-GCM (RFC 8998), and what stands before the nonce
is authenticated. Values with scheme 1 are older: AES-256-GCM under key 1, without an id.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher as Running
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.errors import Invalid

FIRST_KEY = 1
HEADER = 3
"""Bytes of a sealed value that name its cipher and its key."""
_OLD_SCHEME = 1
_NONCE = 12
_TAG = 16
_SHORTEST_SECRET = 16
_WHOEVER_HOLDS_IT = ("out:", "event:")
"""What a former signing key still opens: links in messages that customers keep."""


class CipherName(StrEnum):
    """How values are sealed; the values of ``QUNGUAN_CIPHER``."""

    AES = "aes"
    SM4 = "sm4"


SPELLED = {CipherName.AES: "AES-256-GCM", CipherName.SM4: "SM4-GCM"}
_SCHEMES = {CipherName.AES: 2, CipherName.SM4: 3}
_LENGTHS = {CipherName.AES: 32, CipherName.SM4: 16}


class NoCipher(Invalid):
    """The cryptographic library of this machine was built without a cipher."""


class Sm4Gcm:
    """SM4 in Galois counter mode, with the face of ``AESGCM``.

    Raises:
        NoCipher: There is no SM4 on this machine.
    """

    def __init__(self, secret: bytes, block: Any = SM4) -> None:
        self._block = block(secret)
        try:
            self.encrypt(bytes(_NONCE), b"", b"")
        except UnsupportedAlgorithm:
            raise NoCipher(
                "这台机器的加密库不支持 SM4-GCM:请用 cryptography 46 以上的官方安装包,"
                "或把 QUNGUAN_CIPHER 改回 aes"
            ) from None

    def encrypt(self, nonce: bytes, plain: bytes, header: bytes) -> bytes:
        """Ciphertext and tag."""
        running = Running(self._block, GCM(nonce)).encryptor()
        running.authenticate_additional_data(header)
        return running.update(plain) + running.finalize() + running.tag

    def decrypt(self, nonce: bytes, sealed: bytes, header: bytes) -> bytes:
        """The plain bytes.

        Raises:
            InvalidTag: Another key sealed it, or it was changed.
        """
        cut = len(sealed) - _TAG
        running = Running(self._block, GCM(nonce, sealed[cut:])).decryptor()
        running.authenticate_additional_data(header)
        return running.update(sealed[:cut]) + running.finalize()


@dataclass(frozen=True)
class Key:
    """One key and its cipher; ``number`` stands in whatever it sealed."""

    number: int
    cipher: CipherName
    secret: bytes = field(repr=False)

    @classmethod
    def new(cls, number: int, cipher: CipherName) -> Key:
        """A key that nobody has seen."""
        return cls(number, cipher, os.urandom(_LENGTHS[cipher]))

    @cached_property
    def header(self) -> bytes:
        """What every value under this key begins with."""
        return bytes([_SCHEMES[self.cipher]]) + self.number.to_bytes(2, "big")

    @cached_property
    def _aead(self) -> Any:
        return AESGCM(self.secret) if self.cipher is CipherName.AES else Sm4Gcm(self.secret)

    def seal(self, plain: bytes) -> bytes:
        """Encrypt; every call gives different bytes."""
        nonce = os.urandom(_NONCE)
        sealed: bytes = self._aead.encrypt(nonce, plain, self.header)
        return self.header + nonce + sealed

    def open(self, sealed: bytes) -> bytes:
        """Decrypt what this key sealed.

        Raises:
            Invalid: Another secret sealed it, or it was changed.
        """
        start = 1 if sealed[:1] == bytes([_OLD_SCHEME]) else HEADER
        header, nonce = sealed[:start], sealed[start : start + _NONCE]
        try:
            plain: bytes = self._aead.decrypt(nonce, sealed[start + _NONCE :], header)
        except (InvalidTag, ValueError):  # the second for what is too short to be one
            raise Invalid("解密失败:QUNGUAN_SECRET_KEY 与写入数据时不一致") from None
        return plain


@dataclass(frozen=True)
class Keys:
    """All keys of a store."""

    at_rest: Mapping[int, Key]
    search: bytes = field(repr=False)
    signing: tuple[bytes, ...] = field(repr=False)
    """Newest first; the first one signs."""

    @cached_property
    def newest(self) -> Key:
        """The one that seals."""
        return self.at_rest[max(self.at_rest)]


class Keyring(Protocol):
    """Where a vault has its keys from."""

    def keys(self, *, anew: bool = False) -> Keys:
        """The keys as they are now; ``anew`` looks for new ones at once."""
        ...


@dataclass(frozen=True)
class _DerivedKeys:
    """The keys that a secret gives by itself: those of a store that never had others."""

    secret: str = field(repr=False)

    def keys(self, *, anew: bool = False) -> Keys:  # noqa: ARG002  # there never are new ones
        return self._keys

    @cached_property
    def _keys(self) -> Keys:
        return derived_keys(self.secret)


class Vault:
    """Seals what is personal and hashes what must be found again.

    Args:
        secret: ``QUNGUAN_SECRET_KEY``, at least 16 characters.
        ring: The keys of a store; without one those that the secret gives.
    """

    def __init__(self, secret: str, ring: Keyring | None = None) -> None:
        need_secret(secret)
        self._ring: Keyring = ring or _DerivedKeys(secret)

    def __repr__(self) -> str:
        return "Vault()"

    @property
    def key(self) -> Key:
        """The one that seals now."""
        return self._ring.keys().newest

    def seal(self, plain: bytes) -> bytes:
        """Encrypt; every call gives different bytes."""
        return self.key.seal(plain)

    def open(self, sealed: bytes) -> bytes:
        """Decrypt what ``seal`` gave, under whichever key that was.

        Raises:
            Invalid: Another secret sealed it, it was changed, or its key was retired.
        """
        number = key_number(sealed)
        if number is None:
            raise Invalid("密文格式无法识别:数据可能来自更新的版本")
        key = self._ring.keys().at_rest.get(number) or self._ring.keys(anew=True).at_rest.get(
            number
        )
        if key is None:
            raise Invalid(f"解密失败:没有第 {number} 号密钥,可能已经作废,或数据来自别处")
        return key.open(sealed)

    def seal_text(self, text: str | None) -> bytes | None:
        """``seal`` for text; nothing stays nothing."""
        return self.seal(text.encode()) if text else None

    def open_text(self, sealed: bytes | None) -> str:
        """``open`` for text; nothing is the empty text."""
        return self.open(sealed).decode() if sealed else ""

    def phone_hash(self, phone: str | None) -> str | None:
        """Keyed hash of a phone number, the same for every way of writing it."""
        digits = re.sub(r"\D", "", phone or "")
        if not digits:
            return None
        national = digits.removeprefix("0086") if digits.startswith("0086") else digits
        national = national[2:] if len(national) == 13 and national.startswith("86") else national
        return _keyed(self._ring.keys().search, f"phone:{national}")

    def words_hash(self, words: str) -> str:
        """Keyed hash of words that are not kept any longer: it can prove them, not show them."""
        return _keyed(self._ring.keys().search, f"words:{words}")

    def sign(self, text: str) -> str:
        """Signature of a link or a session, 32 hex digits."""
        return _keyed(self._ring.keys().signing[0], text)

    def signed(self, text: str, signature: str) -> bool:
        """Check a signature in constant time; customers' links outlive their signing key."""
        keys = self._ring.keys().signing
        good = keys if text.startswith(_WHOEVER_HOLDS_IT) else keys[:1]
        given = signature.encode()
        return any(hmac.compare_digest(_keyed(key, text).encode(), given) for key in good)


def need_secret(secret: str) -> None:
    """Refuse a secret that can be guessed.

    Raises:
        Invalid: It is shorter than 16 characters.
    """
    if len(secret) < _SHORTEST_SECRET:
        raise Invalid("QUNGUAN_SECRET_KEY 至少要 16 个字符;可用 openssl rand -hex 32 生成一个")


def key_number(sealed: bytes) -> int | None:
    """Under which key a value is sealed; None when it is no sealed value."""
    scheme = sealed[0] if sealed else 0
    if scheme == _OLD_SCHEME:
        return FIRST_KEY
    known = scheme in _SCHEMES.values() and len(sealed) >= HEADER
    return int.from_bytes(sealed[1:HEADER], "big") if known else None


def derived_keys(secret: str) -> Keys:
    """The keys that a store begins with."""
    first = Key(FIRST_KEY, CipherName.AES, _derive(secret, b"qunguan at rest"))
    return Keys(
        {FIRST_KEY: first},
        _derive(secret, b"qunguan search"),
        (_derive(secret, b"qunguan signatures"),),
    )


def wrap(secret: str, plain: bytes, cipher: CipherName) -> bytes:
    """Seal a key under the secret."""
    return _wrapping(secret, cipher).seal(plain)


def unwrap(secret: str, wrapped: bytes) -> bytes:
    """Open a key that ``wrap`` sealed.

    Raises:
        Invalid: Another secret sealed it.
    """
    sm4 = wrapped[:1] == bytes([_SCHEMES[CipherName.SM4]])
    return _wrapping(secret, CipherName.SM4 if sm4 else CipherName.AES).open(wrapped)


def _wrapping(secret: str, cipher: CipherName) -> Key:
    return Key(0, cipher, _derive(secret, b"qunguan keys")[: _LENGTHS[cipher]])


def _keyed(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]


def _derive(secret: str, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
