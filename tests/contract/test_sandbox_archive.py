"""The sandbox's archive: truly encrypted, consent-aware, served by the relay protocol."""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sandbox_caller import Caller

from bot.errors import Invalid
from bot.sandbox.archive import MEDIA_CHUNK

SAMPLES = Path(__file__).parents[2].parent / "shared" / "wecom" / "samples" / "archive"
SDK = """
import ctypes, json, sys
from pywecomarchive._native import default_library
library = ctypes.CDLL(str(default_library()))
library.NewSlice.restype = ctypes.c_void_p
library.DecryptData.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]
library.GetContentFromSlice.argtypes = [ctypes.c_void_p]
library.GetContentFromSlice.restype = ctypes.c_char_p
for key, message in json.load(sys.stdin):
    piece = library.NewSlice()
    assert 0 == library.DecryptData(key.encode(), message.encode(), piece)
    print(json.dumps(json.loads(library.GetContentFromSlice(piece))))
"""


@pytest.fixture
def caller() -> Caller:
    return Caller()


def records(caller: Caller, seq: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
    return list(caller.world.archive.chat_data(seq, limit, caller.world.now())["chatdata"])


def private_key(caller: Caller, version: int = 1) -> rsa.RSAPrivateKey:
    folder = caller.settings.archive_keys_dir
    assert folder is not None
    key = load_pem_private_key((folder / f"{version}.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def random_key(caller: Caller, record: dict[str, Any]) -> str:
    sealed = base64.b64decode(record["encrypt_random_key"])
    return private_key(caller, record["publickey_ver"]).decrypt(sealed, padding.PKCS1v15()).decode()


def unpadded(sealed: bytes, key: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(sealed[:16])).decryptor()
    plain = decryptor.update(sealed[16:]) + decryptor.finalize()
    assert plain[-plain[-1] :] == bytes([plain[-1]]) * plain[-1]
    return plain[: -plain[-1]]


def opened(caller: Caller, record: dict[str, Any]) -> dict[str, Any]:
    """The verified layout, written here a second time and read the other way round."""
    key_text, message = random_key(caller, record), record["encrypt_chat_msg"]
    info = unpadded(base64.b64decode(key_text), message[13:45].encode())
    expected = (0x0A, 32)
    assert expected == (info[0], info[1])
    inner = info[2:34]
    pre_len, end_len, s_len = info[35], info[37], info[39]
    body = message[45:][pre_len:]
    body = body[: len(body) - end_len]
    body = body[:s_len] + body[2 * s_len :]
    return dict(json.loads(unpadded(base64.b64decode(body), inner)))


def test_a_record_opens_with_an_independent_decryption(caller: Caller) -> None:
    caller.world.agree(caller.chat, caller.friend)
    msgid = caller.world.say(caller.friend, "请问几点开门?", chat_id=caller.chat)
    agreed, said = records(caller)
    expected = "agree"
    assert expected == opened(caller, agreed)["msgtype"]
    plain = opened(caller, said)
    assert msgid == said["msgid"] == plain["msgid"]
    assert msgid.endswith("_external")
    assert ("send", caller.friend, caller.chat, "text", {"content": "请问几点开门?"}) == (
        plain["action"],
        plain["from"],
        plain["roomid"],
        plain["msgtype"],
        plain["text"],
    )
    assert ["zhangsan", caller.stranger] == plain["tolist"]
    assert int(caller.clock.now().timestamp() * 1000) == plain["msgtime"]
    expected = 88
    assert expected == len(random_key(caller, said))


def test_a_strangers_words_are_archived_only_after_their_consent(caller: Caller) -> None:
    world = caller.world
    world.say(caller.friend, "没同意", chat_id=caller.chat)
    world.say("zhangsan", "群里员工", chat_id=caller.chat)
    world.say("zhangsan", "一对一,没同意", peer=caller.friend)
    world.agree("zhangsan", caller.friend)
    world.say(caller.friend, "一对一,同意了", peer="zhangsan")
    world.say(caller.friend, "群里没问过", chat_id=caller.chat)
    world.disagree("zhangsan", caller.friend)
    world.say(caller.friend, "一对一,反悔", peer="zhangsan")
    plain = [opened(caller, one) for one in records(caller)]
    words = [one["text"]["content"] for one in plain if one["msgtype"] == "text"]
    expected = ["群里员工", "一对一,同意了"]
    assert expected == words
    expected = ["agree", "disagree"]
    assert expected == [one["msgtype"] for one in plain if one["msgtype"] != "text"]


def test_a_recall_names_what_it_takes_back(caller: Caller) -> None:
    msgid = caller.world.say("zhangsan", "发错了", chat_id=caller.chat)
    caller.world.recall(msgid)
    plain = opened(caller, records(caller)[-1])
    assert ("recall", "revoke", {"pre_msgid": msgid}) == (
        plain["action"],
        plain["msgtype"],
        plain["revoke"],
    )


def test_records_are_served_in_order_with_gaps_and_the_same_each_time(caller: Caller) -> None:
    caller.world.say("zhangsan", "一", chat_id=caller.chat)
    caller.world.archive.skip(2)
    caller.world.say("zhangsan", "二", chat_id=caller.chat)
    expected = [1, 4]
    assert expected == [one["seq"] for one in records(caller)]
    assert records(caller) == records(caller)
    expected = [4]
    assert expected == [one["seq"] for one in records(caller, seq=1)]
    expected = [1]
    assert expected == [one["seq"] for one in records(caller, limit=1)]
    expected = []
    assert expected == records(caller, seq=4)


def test_records_older_than_five_days_are_gone(caller: Caller) -> None:
    caller.world.say("zhangsan", "旧", chat_id=caller.chat)
    caller.clock.move(timedelta(days=5, seconds=1))
    caller.world.say("zhangsan", "新", chat_id=caller.chat)
    expected = [2]
    assert expected == [one["seq"] for one in records(caller)]


def test_new_records_name_the_rotated_key(caller: Caller) -> None:
    caller.world.say("zhangsan", "旧钥匙", chat_id=caller.chat)
    caller.world.rotate_archive_key(2)
    caller.world.say("zhangsan", "新钥匙", chat_id=caller.chat)
    first, second = records(caller)
    expected = [1, 2]
    assert expected == [first["publickey_ver"], second["publickey_ver"]]
    expected = ["旧钥匙", "新钥匙"]
    assert expected == [opened(caller, r)["text"]["content"] for r in (first, second)]


@pytest.mark.parametrize("damage", ["body", "key", "json"])
def test_a_damaged_record_cannot_be_read(caller: Caller, damage: str) -> None:
    caller.world.archive_raw({"msgid": "m1", "action": "send", "msgtype": "text"}, damage=damage)
    with pytest.raises((ValueError, AssertionError, IndexError)):
        opened(caller, records(caller)[0])


def test_a_swapped_record_shows_in_its_inner_msgid(caller: Caller) -> None:
    caller.world.archive_raw({"msgid": "m1", "action": "send"}, damage="msgid")
    (record,) = records(caller)
    assert record["msgid"] != opened(caller, record)["msgid"]


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are only in the shared folder")
def test_every_kind_of_record_passes_through_unchanged(caller: Caller) -> None:
    files = [file for file in sorted(SAMPLES.glob("*.json")) if file.name[0] not in "_a"]
    plain = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    for one in plain:
        caller.world.archive_raw(one)
    assert plain == [opened(caller, record) for record in records(caller)]
    assert len(plain) > 30


def test_kinds_with_another_name_inside_are_written_as_the_platform_does(caller: Caller) -> None:
    body = {"msgtype": "markdown", "markdown": {"content": "**粗**"}}
    caller.world.say("zhangsan", body, chat_id=caller.chat)
    plain = opened(caller, records(caller)[0])
    expected = ("markdown", {"content": "**粗**"})
    assert expected == (plain["msgtype"], plain["info"])


def test_media_comes_in_pieces(caller: Caller) -> None:
    content = bytes(range(256)) * 4096
    file_id = caller.world.archive.add_media(content)
    index, got, finish = "", b"", False
    while not finish:
        piece = caller.world.archive.media_chunk(file_id, index)
        data = base64.b64decode(piece["data"])
        assert len(data) <= MEDIA_CHUNK
        got, index, finish = got + data, piece["index"], piece["finish"]
    assert content == got
    with pytest.raises(Invalid):
        caller.world.archive.media_chunk("unknown", "")


@pytest.mark.skipif(
    importlib.util.find_spec("pywecomarchive") is None,
    reason="the optional extra 'archive' (the official SDK) is not installed",
)
def test_the_official_library_opens_our_records(caller: Caller) -> None:
    texts = ["短", "长" * 3000, '带换行\n和引号"', "😀"]
    for text in texts * 10:
        caller.world.say("zhangsan", text, chat_id=caller.chat)
    sealed = [(random_key(caller, one), one["encrypt_chat_msg"]) for one in records(caller)]
    # In a process of its own: the library aborts its process over bad input.
    done = subprocess.run(
        [sys.executable, "-c", SDK],
        input=json.dumps(sealed),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    plain = [json.loads(line) for line in done.stdout.splitlines()]
    assert texts * 10 == [one["text"]["content"] for one in plain]
