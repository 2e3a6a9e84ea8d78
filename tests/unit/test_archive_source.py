"""The JSON of a source, the codes of the SDK, and media in chunks."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.archive.crypto import EncryptedRecord
from bot.archive.source import MediaChunk, error_of, parse_chat_data, whole_media
from bot.errors import Invalid, Refused, Retry

FOLDER = Path(__file__).parents[1] / "samples" / "wecom" / "archive"
OFFICIAL = (FOLDER / "_getchatdata_response.json").read_bytes()
fuzz = settings(max_examples=80, deadline=None, database=None)


def page(*records: object, errcode: int = 0) -> bytes:
    answer = {"errcode": errcode, "errmsg": "ok", "chatdata": list(records)}
    return json.dumps(answer).encode()


def test_the_official_sample_is_one_record() -> None:
    sample = json.loads(OFFICIAL)["chatdata"][0]
    assert [EncryptedRecord(**sample)] == parse_chat_data(OFFICIAL)


def test_an_empty_page_is_an_empty_list() -> None:
    expected = []
    assert expected == parse_chat_data((FOLDER / "_getchatdata_empty.json").read_bytes())


def test_a_field_of_a_wrong_type_is_empty_and_its_neighbours_stay() -> None:
    odd = {"seq": 5, "msgid": 6, "publickey_ver": "3", "encrypt_random_key": None}
    good = {"seq": 6, "msgid": "m", "publickey_ver": 1, "encrypt_random_key": "a"}
    expected = [
        EncryptedRecord(5, "", 0, "", ""),
        EncryptedRecord(0, "", 0, "", ""),
        EncryptedRecord(6, "m", 1, "a", "b"),
    ]
    assert expected == parse_chat_data(page(odd, "x", good | {"encrypt_chat_msg": "b"}))


@pytest.mark.parametrize("seq", [True, -1, 2**63, 1.0, "1"])
def test_a_position_that_is_no_unsigned_number_counts_as_unreadable(seq: object) -> None:
    expected = [0]
    assert expected == [record.seq for record in parse_chat_data(page({"seq": seq}))]


@pytest.mark.parametrize("text", [b"", b"[]", b"<html>", b'{"errcode":0}', b'{"errcode":"x"}'])
def test_what_is_no_answer_of_the_sdk_is_invalid(text: bytes) -> None:
    with pytest.raises(Invalid):
        parse_chat_data(text)


@pytest.mark.parametrize("code", [-1, 10001, 10002, 10003, 45009])
def test_a_passing_trouble_is_to_be_retried(code: int) -> None:
    with pytest.raises(Retry, match=str(code)):
        parse_chat_data(page(errcode=code))


@pytest.mark.parametrize("code", [10000, 10009, 10010, 301052, 301053, 301058, 301111, 99999])
def test_any_other_code_is_a_refusal_that_carries_it(code: int) -> None:
    with pytest.raises(Refused) as caught:
        parse_chat_data(page(errcode=code))
    assert code == caught.value.errcode


def test_a_refused_address_tells_what_to_do() -> None:
    assert "可信 IP" in str(error_of(10009))


@fuzz
@given(
    st.binary()
    | st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["seq", "msgid"]), inner),
    ).map(page)
)
def test_any_bytes_give_records_or_invalid(text: bytes) -> None:
    try:
        records = parse_chat_data(text)
    except Invalid:
        return
    assert all(isinstance(record, EncryptedRecord) for record in records)


class Tape:
    """A file in chunks of three bytes; fails as often as told at each."""

    def __init__(self, content: bytes, failures: int = 0) -> None:
        self.content = content
        self.failures = failures
        self.asked: list[str] = []

    def chunk(self, sdkfileid: str, index: str) -> MediaChunk:
        self.asked.append(index)
        if self.asked.count(index) <= self.failures:
            raise Retry(sdkfileid)
        start = int(index or 0)
        end = start + 3
        return MediaChunk(str(end), self.content[start:end], finish=end >= len(self.content))


def test_chunks_are_joined_until_the_last_one_says_so() -> None:
    tape = Tape(b"12345678")
    expected = b"12345678"
    assert expected == whole_media(tape.chunk, "f")
    expected = ["", "3", "6"]
    assert expected == tape.asked


def test_a_failed_chunk_is_asked_for_again_with_its_own_index() -> None:
    tape = Tape(b"12345", failures=2)
    expected = b"12345"
    assert expected == whole_media(tape.chunk, "f")
    expected = ["", "", "", "3", "3", "3"]
    assert expected == tape.asked


def test_a_chunk_that_fails_three_times_is_left_for_later() -> None:
    with pytest.raises(Retry):
        whole_media(Tape(b"1", failures=3).chunk, "f")


@pytest.mark.parametrize("index", ["", "same"])
def test_an_index_that_stands_still_does_not_loop(index: str) -> None:
    with pytest.raises(Invalid):
        whole_media(lambda _file, _index: MediaChunk(index, b"x", finish=False), "f")
