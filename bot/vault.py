"""Encryption at rest and keyed hashes for search: AES-256-GCM under keys from one secret.

A sealed value is ``0x01 | nonce (12 bytes) | ciphertext and tag``; the first byte names the
scheme, so that another one (SM4-GCM) or a next key can be told apart while rotating.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.errors import Invalid

_SCHEME = b"\x01"
_NONCE = 12
_SHORTEST_SECRET = 16


class Vault:
    """Seals what is personal and hashes what must be found again.

    Args:
        secret: ``QUNGUAN_SECRET_KEY``, at least 16 characters.
    """

    def __init__(self, secret: str) -> None:
        if len(secret) < _SHORTEST_SECRET:
            raise Invalid("QUNGUAN_SECRET_KEY 至少要 16 个字符;可用 openssl rand -hex 32 生成一个")
        self._cipher = AESGCM(_derive(secret, b"qunguan at rest"))
        self._hash_key = _derive(secret, b"qunguan search")
        self._sign_key = _derive(secret, b"qunguan signatures")

    def __repr__(self) -> str:
        return "Vault()"

    def seal(self, plain: bytes) -> bytes:
        """Encrypt; every call gives different bytes."""
        nonce = os.urandom(_NONCE)
        return _SCHEME + nonce + self._cipher.encrypt(nonce, plain, _SCHEME)

    def open(self, sealed: bytes) -> bytes:
        """Decrypt what ``seal`` gave.

        Raises:
            Invalid: Another secret sealed it, or it was changed.
        """
        if sealed[:1] != _SCHEME:
            raise Invalid("密文格式无法识别:数据可能来自更新的版本")
        try:
            return self._cipher.decrypt(sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :], _SCHEME)
        except (InvalidTag, ValueError):  # the second for what is too short to be one
            raise Invalid("解密失败:QUNGUAN_SECRET_KEY 与写入数据时不一致") from None

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
        return self._keyed(self._hash_key, f"phone:{national}")

    def words_hash(self, words: str) -> str:
        """Keyed hash of words that are not kept any longer: it can prove them, not show them."""
        return self._keyed(self._hash_key, f"words:{words}")

    def sign(self, text: str) -> str:
        """Signature of a link or a session, 32 hex digits."""
        return self._keyed(self._sign_key, text)

    def signed(self, text: str, signature: str) -> bool:
        """Check a signature in constant time."""
        return hmac.compare_digest(self.sign(text).encode(), signature.encode())

    @staticmethod
    def _keyed(key: bytes, text: str) -> str:
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]


def _derive(secret: str, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())
