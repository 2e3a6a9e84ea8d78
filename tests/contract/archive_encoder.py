"""A small encoder of archive records, written from the format and not from the code it tests."""

import base64
import json
import secrets
from random import Random

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from bot.archive.crypto import EncryptedRecord

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def noise(random: Random, size: int) -> str:
    return "".join(random.choices(LETTERS, k=size))


def aes(key: str, plain: bytes, block: int = 16) -> str:
    padder, iv = PKCS7(8 * block).padder(), secrets.token_bytes(16)
    padded = padder.update(plain) + padder.finalize()
    sealer = Cipher(AES(key.encode()), CBC(iv)).encryptor()
    return base64.b64encode(iv + sealer.update(padded) + sealer.finalize()).decode()


def varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def key_info(key: bytes, pre_len: int, end_len: int, s_len: int) -> bytes:
    lengths = zip((2, 3, 4), (pre_len, end_len, s_len), strict=True)
    head = bytes([1 << 3 | 2]) + varint(len(key)) + key
    return head + b"".join(bytes([field << 3]) + varint(length) for field, length in lengths)


def seal(
    plain: bytes,
    random: Random,
    pre_len: int = 5,
    end_len: int = 10,
    s_len: int = 2,
    *,
    body_block: int = 16,
    key_block: int = 16,
    key_size: int = 32,
) -> tuple[str, str]:
    """``(random_key, encrypt_chat_msg)`` as a record holds them once RSA is undone."""
    outer, inner = noise(random, 32), noise(random, key_size)
    body = aes(inner, plain, body_block)
    body = body[:s_len] + noise(random, s_len) + body[s_len:]
    message = noise(random, 13) + outer + noise(random, pre_len) + body + noise(random, end_len)
    layout = key_info(inner.encode(), pre_len, end_len, s_len)
    return aes(outer, layout, key_block), message


def seal_fatally(random: Random) -> tuple[str, str]:
    """A record of ordinary length whose body ends before the noise to be cut out of it begins."""
    outer = noise(random, 32)
    block = key_info(noise(random, 32).encode(), 80, 0, 30)
    return aes(outer, block), noise(random, 13) + outer + noise(random, 90)


def record(seq: int, key: RSAPrivateKey, sealed: tuple[str, str]) -> EncryptedRecord:
    random_key, message = sealed
    cipher = key.public_key().encrypt(random_key.encode(), PKCS1v15())
    return EncryptedRecord(seq, f"m{seq}", 1, base64.b64encode(cipher).decode(), message)


def plain_text(seq: int, content: str) -> bytes:
    message = {
        "msgid": f"m{seq}",
        "action": "send",
        "from": "wmA",
        "tolist": ["kenshin"],
        "roomid": "",
        "msgtime": 0,
        "msgtype": "text",
        "text": {"content": content},
    }
    return json.dumps(message, ensure_ascii=False).encode()
