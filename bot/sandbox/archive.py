"""The message archive as WeCom keeps it: truly encrypted records, served by sequence number.

The layout of a record was verified against the official library: the text handed to the library
starts with 13 characters that it ignores and 32 that are an AES-256 key; the random key (RSA) is
the Base64 of IV and encrypted ``SdkKeyInfo`` (k1, pre_len, end_len, s_len); the body carries
``pre_len`` noise characters in front, ``end_len`` behind and ``s_len`` at offset ``s_len``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bot.errors import Invalid

RETENTION = timedelta(days=5)
MEDIA_CHUNK = 512 * 1024
_HEX_HEADER = 13
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@dataclass
class Entry:
    """One archived record; it is encrypted when it is first asked for and stays the same."""

    seq: int
    at: datetime
    version: int
    plain: dict[str, Any]
    outer_msgid: str
    damage: str = ""
    sealed: dict[str, Any] | None = None


class ArchiveLog:
    """Records and media of the archive.

    Args:
        keys: Public keys by version.
        version: The version new records use.
    """

    def __init__(self, keys: dict[int, rsa.RSAPublicKey], version: int = 1) -> None:
        self._keys = dict(keys)
        self.version = version
        self.entries: list[Entry] = []
        self._media: dict[str, bytes] = {}
        self._next = 1

    @property
    def last_seq(self) -> int:
        """The highest sequence number given out."""
        return self._next - 1

    def rotate_key(self, version: int, key: rsa.RSAPublicKey) -> None:
        """From now on records name this key version."""
        self._keys[version] = key
        self.version = version

    def skip(self, count: int = 1) -> None:
        """Leave a gap in the sequence numbers."""
        self._next += count

    def add(self, plain: dict[str, Any], at: datetime, damage: str = "") -> int:
        """Append one record and return its sequence number.

        Args:
            plain: The decrypted record (``msgid``, ``action``, …).
            at: When it was said; records older than five days are no longer served.
            damage: ``body`` (cannot be decrypted), ``key`` (random key of another key pair),
                ``msgid`` (inner and outer differ), ``json`` (decrypts to no JSON).
        """
        entry = Entry(self._next, at, self.version, plain, str(plain.get("msgid", "")), damage)
        self._next += 1
        self.entries.append(entry)
        return entry.seq

    def add_media(self, content: bytes) -> str:
        """Keep a file and return its ``sdkfileid``."""
        digest = hashlib.sha256(content + str(len(self._media)).encode()).digest()
        file_id = base64.b64encode(digest * 5).decode()
        self._media[file_id] = content
        return file_id

    def chat_data(self, seq: int, limit: int, now: datetime) -> dict[str, Any]:
        """Up to ``limit`` encrypted records after ``seq``; what is older than five days is gone."""
        oldest = now - RETENTION
        found = [e for e in self._after(seq) if e.at >= oldest][:limit]
        return {"errcode": 0, "errmsg": "ok", "chatdata": [self._sealed(e) for e in found]}

    def _after(self, seq: int) -> list[Entry]:
        low, high = 0, len(self.entries)
        while low < high:
            middle = (low + high) // 2
            if self.entries[middle].seq <= seq:
                low = middle + 1
            else:
                high = middle
        return self.entries[low:]

    def media_chunk(self, file_id: str, index: str) -> dict[str, Any]:
        """One piece of a file, at most 512 KiB; ``index`` empty for the first.

        Raises:
            Invalid: The file or the index is unknown.
        """
        content = self._media.get(file_id)
        start = int(index.partition("bytes=")[2].partition("-")[0] or 0) if index else 0
        if content is None or (index and not index.startswith("Range:bytes=")):
            raise Invalid("sdkfileid 或 index 无效")
        piece = content[start : start + MEDIA_CHUNK]
        end = start + len(piece)
        following = f"Range:bytes={end}-{min(end + MEDIA_CHUNK, len(content)) - 1}"
        finish = end >= len(content)
        return {
            "index": "" if finish else following,
            "data": base64.b64encode(piece).decode(),
            "finish": finish,
        }

    def _sealed(self, entry: Entry) -> dict[str, Any]:
        if entry.sealed is None:
            entry.sealed = self._seal(entry)
        return entry.sealed

    def _seal(self, entry: Entry) -> dict[str, Any]:
        key = self._keys.get(entry.version)
        if key is None:
            raise Invalid(f"没有版本 {entry.version} 的会话存档公钥,请检查 archive_keys_dir")
        text = json.dumps(entry.plain, ensure_ascii=False).encode()
        outer = entry.outer_msgid
        if entry.damage == "json":
            text = text[: len(text) // 2]
        if entry.damage == "msgid":
            outer = "0" + outer
        if entry.damage == "key":
            stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            key = stranger.public_key()
        random_key, message = encrypt_record(text, key)
        if entry.damage == "body":
            # Behind the noise in front (45 + 19 + 18 characters at most), before that of the end.
            message = message[:90] + "!" + message[91:]
        return {
            "seq": entry.seq,
            "msgid": outer,
            "publickey_ver": entry.version,
            "encrypt_random_key": random_key,
            "encrypt_chat_msg": message,
        }


def encrypt_record(text: bytes, key: rsa.RSAPublicKey) -> tuple[str, str]:
    """Encrypt one record as WeCom does.

    Returns:
        ``encrypt_random_key`` and ``encrypt_chat_msg``.
    """
    outer_key, inner_key = _word(32), _word(32)
    pre_len, end_len, s_len = (
        secrets.randbelow(20),
        secrets.randbelow(20),
        1 + secrets.randbelow(9),
    )
    info = _key_info(inner_key.encode(), pre_len, end_len, s_len)
    key_text = base64.b64encode(_aes(info, outer_key.encode()))
    body = base64.b64encode(_aes(text, inner_key.encode())).decode()
    noisy = body[:s_len] + _word(s_len) + body[s_len:]
    message = _word(_HEX_HEADER) + outer_key + _word(pre_len) + noisy + _word(end_len)
    random_key = base64.b64encode(key.encrypt(key_text, padding.PKCS1v15())).decode()
    return random_key, message


def _aes(plain: bytes, key: bytes) -> bytes:
    """A fresh IV followed by AES-256-CBC with PKCS#7 of 16."""
    padder = block_padding.PKCS7(128).padder()
    iv = secrets.token_bytes(16)
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    padded = padder.update(plain) + padder.finalize()
    return iv + encryptor.update(padded) + encryptor.finalize()


def _key_info(k1: bytes, pre_len: int, end_len: int, s_len: int) -> bytes:
    """Protobuf ``SdkKeyInfo``: field 1 bytes, fields 2 to 4 one-byte varints (below 128)."""
    return (
        b"\x0a" + bytes([len(k1)]) + k1 + b"\x10" + bytes([pre_len]) + b"\x18" + bytes([end_len])
    ) + (b"\x20" + bytes([s_len]))


def _word(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))
