"""Opening archive records: known answers, wrong keys, and nothing but typed errors for noise."""

import base64
import json
from functools import lru_cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.archive.crypto import (
    ArchiveKeys,
    EncryptedRecord,
    RecordDecryptor,
    decrypt_record,
    open_random_key,
)
from bot.archive.strict import DamagedRecord, Reason, WrongKey

SAMPLES = Path(__file__).parents[1] / "samples"
VECTORS = json.loads((SAMPLES / "vectors.json").read_text(encoding="utf-8"))["archive"]
ACCEPTED = [vector for vector in VECTORS if vector["expect"] == "ok"]
REFUSED = [vector for vector in VECTORS if vector["expect"] == "error"]
OFFICIAL = ACCEPTED[0]
fuzz = settings(max_examples=80, deadline=None, database=None)


@lru_cache
def rsa_key(_number: int) -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


def sealed(random_key: str, number: int = 1) -> str:
    cipher = rsa_key(number).public_key().encrypt(random_key.encode(), PKCS1v15())
    return base64.b64encode(cipher).decode()


def test_the_vectors_hold_both_kinds_of_cases() -> None:
    expected = (7, 8)
    assert expected == (len(ACCEPTED), len(REFUSED))


@pytest.mark.parametrize("vector", ACCEPTED, ids=lambda vector: vector["name"])
def test_a_record_that_the_official_library_opens_opens_here_to_the_same_text(vector: dict) -> None:
    opened = decrypt_record(vector["decrypted_random_key"], vector["encrypt_chat_msg"])
    assert vector["plaintext"] == opened


@pytest.mark.parametrize("vector", REFUSED, ids=lambda vector: vector["name"])
def test_a_record_that_the_official_library_refuses_or_dies_of_is_damaged(vector: dict) -> None:
    with pytest.raises(DamagedRecord):
        decrypt_record(vector["decrypted_random_key"], vector["encrypt_chat_msg"])


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (0, Reason.KEY_BLOCK),
        (1, Reason.KEY_BLOCK),
        (2, Reason.KEY_BLOCK),
        (3, Reason.TOO_SHORT),
        (4, Reason.TOO_SHORT),
        (5, Reason.TOO_SHORT),
        (6, Reason.TOO_SHORT),
        (7, Reason.TOO_SHORT),
    ],
)
def test_the_reason_says_which_part_is_damaged(number: int, reason: Reason) -> None:
    vector = REFUSED[number]
    with pytest.raises(DamagedRecord) as caught:
        decrypt_record(vector["decrypted_random_key"], vector["encrypt_chat_msg"])
    assert reason == caught.value.reason


def test_the_random_key_is_base64_text_and_not_decoded_again() -> None:
    keys = ArchiveKeys({3: rsa_key(1)})
    random_key = OFFICIAL["decrypted_random_key"]
    assert random_key == open_random_key(keys, 3, sealed(random_key))


def test_a_whole_record_opens_with_the_key_of_its_version() -> None:
    decryptor = RecordDecryptor(ArchiveKeys({2: rsa_key(2), 3: rsa_key(1)}))
    random_key = sealed(OFFICIAL["decrypted_random_key"])
    record = EncryptedRecord(196, "x", 3, random_key, OFFICIAL["encrypt_chat_msg"])
    assert OFFICIAL["plaintext"] == decryptor.open(record)


def test_another_private_key_is_noticed_although_openssl_gives_noise_instead_of_an_error() -> None:
    keys = ArchiveKeys({3: rsa_key(2)})
    for _ in range(20):
        with pytest.raises(WrongKey) as caught:
            open_random_key(keys, 3, sealed(OFFICIAL["decrypted_random_key"]))
        expected = (3, Reason.KEY_WRONG)
        assert expected == (caught.value.version, caught.value.reason)


def test_the_official_record_with_a_key_that_is_not_its_own_is_a_wrong_key() -> None:
    with pytest.raises(WrongKey):
        open_random_key(ArchiveKeys({3: rsa_key(1)}), 3, OFFICIAL["encrypt_random_key"])


def test_a_version_without_a_key_names_the_file_that_is_wanted() -> None:
    with pytest.raises(WrongKey, match=r"4\.pem") as caught:
        open_random_key(ArchiveKeys({3: rsa_key(1)}), 4, sealed("x"))
    expected = Reason.KEY_MISSING
    assert expected == caught.value.reason


@pytest.mark.parametrize("shape", ["not base64", "a" * 44, "7dOW", "7dOWrW2/2pHuTgAb\n", "é"])
def test_a_random_key_of_another_shape_is_a_wrong_key(shape: str) -> None:
    with pytest.raises(WrongKey):
        open_random_key(ArchiveKeys({1: rsa_key(1)}), 1, sealed(shape))


@pytest.mark.parametrize("text", ["", "?", "AAAA", "é", base64.b64encode(b"x" * 255).decode()])
def test_a_ciphertext_of_another_length_is_damage_and_not_the_keys_fault(text: str) -> None:
    with pytest.raises(DamagedRecord) as caught:
        open_random_key(ArchiveKeys({1: rsa_key(1)}), 1, text)
    expected = Reason.RANDOM_KEY
    assert expected == caught.value.reason


def test_neither_keys_nor_ciphertexts_show_in_a_representation() -> None:
    record = EncryptedRecord(1, "m", 1, "SECRET-A", "SECRET-B")
    shown = repr(record) + repr(RecordDecryptor(ArchiveKeys({1: rsa_key(1)})))
    assert not [word for word in ("SECRET", "RSAPrivateKey") if word in shown]


@fuzz
@given(st.text(), st.text(min_size=60) | st.text(alphabet="0123456789abcdefAB+/=", min_size=89))
def test_any_two_texts_give_damage_and_nothing_else(random_key: str, message: str) -> None:
    with pytest.raises(DamagedRecord):
        decrypt_record(random_key, message)


@fuzz
@given(st.integers(0, 10**6), st.characters(max_codepoint=0x2FF))
def test_a_changed_character_gives_damage_or_a_text(place: int, character: str) -> None:
    message = OFFICIAL["encrypt_chat_msg"]
    place %= len(message)
    try:
        opened = decrypt_record(
            OFFICIAL["decrypted_random_key"], message[:place] + character + message[place + 1 :]
        )
    except DamagedRecord:
        return
    assert isinstance(opened, str)


@fuzz
@given(st.binary(min_size=32, max_size=160), st.integers(0, 5))
def test_any_key_bytes_give_damage_and_nothing_else(noise: bytes, version: int) -> None:
    with pytest.raises((DamagedRecord, WrongKey)):
        open_random_key(ArchiveKeys({1: rsa_key(1)}), version, base64.b64encode(noise * 2).decode())
    with pytest.raises(DamagedRecord):
        decrypt_record(base64.b64encode(noise).decode(), OFFICIAL["encrypt_chat_msg"])
