"""The folder of private keys: what is taken, and what each mistake is told."""

from functools import lru_cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bot.archive.crypto import ArchiveKeys
from bot.errors import Invalid


@lru_cache
def key(bits: int = 2048) -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=bits)


def pem(
    form: PrivateFormat = PrivateFormat.PKCS8,
    lock: KeySerializationEncryption | None = None,
    bits: int = 2048,
) -> bytes:
    return key(bits).private_bytes(Encoding.PEM, form, lock or NoEncryption())


def refusal(folder: Path) -> str:
    with pytest.raises(Invalid) as caught:
        ArchiveKeys.load(folder)
    return str(caught.value)


def test_every_pem_of_the_folder_is_a_version_and_other_files_are_left_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "3.pem").write_bytes(pem())
    (tmp_path / "12.pem").write_bytes(pem(PrivateFormat.TraditionalOpenSSL))
    (tmp_path / "README.txt").write_text("keys")
    expected = (3, 12)
    assert expected == ArchiveKeys.load(tmp_path).versions


def test_a_missing_folder_names_the_setting(tmp_path: Path) -> None:
    assert "WECOM_ARCHIVE_KEYS_DIR" in refusal(tmp_path / "none")


def test_an_empty_folder_tells_what_belongs_there(tmp_path: Path) -> None:
    assert "1.pem" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["key.pem", "0.pem", "v1.pem", "１.pem", "-1.pem"])
def test_a_name_that_is_no_version_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pem())
    told = refusal(tmp_path)
    assert name in told
    assert "文件名" in told


def test_one_version_in_two_files_is_told(tmp_path: Path) -> None:
    for name in ("1.pem", "01.pem"):
        (tmp_path / name).write_bytes(pem())
    assert "重复" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"", "PEM"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "PEM"),
        (
            key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "公钥",
        ),
        (pem(lock=BestAvailableEncryption(b"secret")), "密码"),
        (pem(bits=1024), "2048"),
        (
            ec_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "2048",
        ),
    ],
    ids=["empty", "cut", "public", "locked", "short", "elliptic"],
)
def test_a_file_that_is_no_usable_key_is_named_with_the_reason(
    tmp_path: Path, content: bytes, hint: str
) -> None:
    (tmp_path / "1.pem").write_bytes(pem())
    (tmp_path / "2.pem").write_bytes(content)
    told = refusal(tmp_path)
    assert "2.pem" in told
    assert hint in told


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.pem").mkdir()
    assert "1.pem" in refusal(tmp_path)
