"""Opening an archive record without the official library: RSA, then two layers of AES. Pure.

The second step is not documented by the platform; it was found by black-box calls of the library
(x86_64, 3.0) and reads the official sample. Where the library is installed it decides (``sdk``);
the tests hold the two against each other.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bot.archive.strict import DamagedRecord, Reason, WrongKey
from bot.errors import Invalid

RSA_BITS = 2048
SHORTEST_MESSAGE = 89
"""45 characters of header and the Base64 of an IV and one block; the library aborts below 13."""
_BLOCK = 16
_KEY_AT, _BODY_AT = 13, 45

Decrypt = Callable[[str, str], str]
"""``(random_key, encrypt_chat_msg)`` to plain JSON text; ours or the official library's."""


@dataclass(frozen=True, slots=True)
class EncryptedRecord:
    """One element of ``chatdata``; a field that was missing or of a wrong type is empty.

    Attributes:
        seq: Position in the archive, 0 when it could not be read.
        publickey_ver: Which of our keys opens it.
        encrypt_random_key: Base64 of RSA PKCS#1 v1.5.
        encrypt_chat_msg: For ``DecryptData``, unchanged.
    """

    seq: int
    msgid: str
    publickey_ver: int
    encrypt_random_key: str = field(repr=False)
    encrypt_chat_msg: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ArchiveKeys:
    """Our private keys by ``publickey_ver``; old ones stay for as long as records may come."""

    keys: Mapping[int, RSAPrivateKey] = field(repr=False)

    @classmethod
    def load(cls, folder: Path) -> ArchiveKeys:
        """Every ``<publickey_ver>.pem`` of a folder.

        Raises:
            Invalid: The folder or a file in it cannot be used; the text names it.
        """
        if not folder.is_dir():
            raise Invalid(f"会话存档私钥目录 {folder} 不存在,请检查 WECOM_ARCHIVE_KEYS_DIR")
        keys: dict[int, RSAPrivateKey] = {}
        for file in sorted(folder.glob("*.pem")):
            version = _version_of(file)
            if version in keys:
                raise Invalid(f"会话存档私钥 {file} 的版本 {version} 重复,请只留一个")
            keys[version] = _load_key(file)
        if not keys:
            raise Invalid(f"会话存档私钥目录 {folder} 里没有 <公钥版本>.pem,例如 1.pem")
        return cls(keys)

    @property
    def versions(self) -> tuple[int, ...]:
        """Versions that we can open, lowest first."""
        return tuple(sorted(self.keys))


def _version_of(file: Path) -> int:
    name = file.stem
    if not (name.isascii() and name.isdigit() and int(name) > 0):
        raise Invalid(f"会话存档私钥 {file} 的文件名应为 <公钥版本>.pem,例如 1.pem")
    return int(name)


def _load_key(file: Path) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except OSError:
        raise Invalid(f"会话存档私钥 {file} 无法读取,请检查权限") from None
    except TypeError:
        raise Invalid(f"会话存档私钥 {file} 带有密码,请换成不带密码的 PEM") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid(f"{file} 不是 PEM 格式的私钥(公钥或证书不行)") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size != RSA_BITS:
        raise Invalid(f"会话存档私钥 {file} 不是 RSA {RSA_BITS} 位")
    return key


def open_random_key(keys: ArchiveKeys, version: int, encrypt_random_key: str) -> str:
    """The random key of a record: Base64 text that ``DecryptData`` takes as it is.

    Raises:
        WrongKey: No key of that version, or the result is noise. OpenSSL (from 3.2) answers a
            wrong key with random bytes instead of an error, so only the shape can tell.
        DamagedRecord: The ciphertext is no Base64 of 256 bytes.
    """
    key = keys.keys.get(version)
    if key is None:
        raise WrongKey(version, Reason.KEY_MISSING)
    sealed = _base64(encrypt_random_key)
    if sealed is None or len(sealed) != RSA_BITS // 8:
        raise DamagedRecord(Reason.RANDOM_KEY)
    try:
        opened = key.decrypt(sealed, PKCS1v15()).decode("ascii")
    except ValueError:
        raise WrongKey(version) from None
    if not _whole_blocks(_base64(opened)):
        raise WrongKey(version)
    return opened


def decrypt_record(random_key: str, encrypt_chat_msg: str) -> str:
    """The plain JSON text of a record.

    There is no integrity check in the format: a changed character may pass, so that the reader
    must parse strictly and compare the inner ``msgid`` with the outer.

    Raises:
        DamagedRecord: Anything that the format does not allow.
    """
    if not encrypt_chat_msg.isascii() or len(encrypt_chat_msg) < SHORTEST_MESSAGE:
        raise DamagedRecord(Reason.TOO_SHORT)
    outer_key = encrypt_chat_msg[_KEY_AT:_BODY_AT].encode("ascii")
    layout = _read_layout(_open_block(outer_key, _base64(random_key), Reason.KEY_BLOCK))
    body = _base64(layout.strip(encrypt_chat_msg[_BODY_AT:]))
    try:
        return _open_block(layout.key, body, Reason.BODY).decode("utf-8")
    except UnicodeDecodeError:
        raise DamagedRecord(Reason.NOT_UTF8) from None


@dataclass(frozen=True, slots=True)
class RecordDecryptor:
    """Private keys and a way to decrypt: all that a page of records needs to open."""

    keys: ArchiveKeys
    decrypt: Decrypt = decrypt_record

    def open(self, record: EncryptedRecord) -> str:
        """Plain JSON text.

        Raises:
            WrongKey: See `open_random_key`.
            DamagedRecord: The record cannot be read.
        """
        random_key = open_random_key(self.keys, record.publickey_ver, record.encrypt_random_key)
        return self.decrypt(random_key, record.encrypt_chat_msg)


@dataclass(frozen=True, slots=True)
class _Layout:
    """The platform's ``SdkKeyInfo``: the body's key, and the padding hidden in its text."""

    key: bytes = b""
    pre_len: int = 0
    end_len: int = 0
    s_len: int = 0

    def strip(self, body: str) -> str:
        """Drop head and tail, then the ``s_len`` characters that begin at offset ``s_len``."""
        kept = body[self.pre_len : max(self.pre_len, len(body) - self.end_len)]
        if self.s_len == 0 or len(kept) < 2 * self.s_len:
            raise DamagedRecord(Reason.BODY)
        return kept[: self.s_len] + kept[2 * self.s_len :]


def _read_layout(block: bytes) -> _Layout:
    values: dict[int, bytes | int] = dict(_protobuf_fields(block))
    key, *lengths = (values.get(1, b""), *(values.get(number, 0) for number in (2, 3, 4)))
    if not isinstance(key, bytes) or len(key) != 32:
        raise DamagedRecord(Reason.KEY_BLOCK)
    if not all(isinstance(length, int) for length in lengths):
        raise DamagedRecord(Reason.KEY_BLOCK)
    return _Layout(key, *(int(length) for length in lengths))


def _protobuf_fields(block: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Varints and length-delimited fields; the message has no others."""
    at = 0
    while at < len(block):
        tag, at = _varint(block, at)
        value, at = _varint(block, at)
        if tag & 7 == 0:
            yield tag >> 3, value
        elif tag & 7 == 2 and at + value <= len(block):
            yield tag >> 3, block[at : at + value]
            at += value
        else:
            raise DamagedRecord(Reason.KEY_BLOCK)


def _varint(block: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        if at + place >= len(block):
            break
        byte = block[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise DamagedRecord(Reason.KEY_BLOCK)


def _open_block(key: bytes, sealed: bytes | None, reason: Reason) -> bytes:
    """AES-256-CBC of what follows the IV, PKCS#7 with blocks of 16 taken off."""
    if sealed is None or not _whole_blocks(sealed):
        raise DamagedRecord(reason)
    opener = Cipher(AES256(key), CBC(sealed[:_BLOCK])).decryptor()
    padded = opener.update(sealed[_BLOCK:]) + opener.finalize()
    pad = padded[-1]
    if not 1 <= pad <= _BLOCK or padded[-pad:] != bytes([pad]) * pad:
        raise DamagedRecord(reason)
    return padded[:-pad]


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _whole_blocks(sealed: bytes | None) -> bool:
    """An IV and at least one block."""
    return sealed is not None and len(sealed) >= 2 * _BLOCK and len(sealed) % _BLOCK == 0
