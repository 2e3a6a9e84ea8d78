"""A page of the archive: what is read, what is set aside, where the cursor may go."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from bot.archive.crypto import EncryptedRecord
from bot.archive.pull import Gap, pull_page
from bot.archive.strict import DamagedRecord, Reason, WrongKey
from bot.errors import Invalid, Refused, Retry


def record(
    seq: int, msgid: str | None = None, version: int = 1, said: str = "在"
) -> EncryptedRecord:
    """The ciphertext of these tests is the plain text itself."""
    plain = {
        "msgid": msgid or f"m{seq}",
        "action": "send",
        "from": "wmA",
        "tolist": ["kenshin"],
        "roomid": "",
        "msgtime": 0,
        "msgtype": "text",
        "text": {"content": said},
    }
    return EncryptedRecord(seq, f"m{seq}", version, "", json.dumps(plain))


class Shelf:
    """A source that holds records and takes at most ``most`` at a time."""

    def __init__(self, records: Iterable[EncryptedRecord], most: int = 1000) -> None:
        self.records = list(records)
        self.most = most
        self.asked: list[tuple[int, int]] = []

    def chat_data(self, seq: int, limit: int) -> list[EncryptedRecord]:
        self.asked.append((seq, limit))
        if limit > self.most:
            raise Refused(301058)
        return [one for one in self.records if one.seq > seq][:limit]

    def media(self, sdkfileid: str) -> bytes:
        raise AssertionError(sdkfileid)


class Opener:
    """Opens what these tests call a record, with the keys that it has."""

    def __init__(self, *versions: int) -> None:
        self.versions = versions or (1,)

    def open(self, record: EncryptedRecord) -> str:
        if record.publickey_ver not in self.versions:
            raise WrongKey(record.publickey_ver, Reason.KEY_MISSING)
        if record.encrypt_chat_msg == "damaged":
            raise DamagedRecord(Reason.BODY)
        return record.encrypt_chat_msg


def damaged(seq: int) -> EncryptedRecord:
    return EncryptedRecord(seq, f"m{seq}", 1, "", "damaged")


def test_a_page_gives_its_messages_in_order_and_the_new_cursor() -> None:
    page = pull_page(Shelf([record(1), record(2), record(3)]), Opener(), 0, limit=2)
    expected = ([1, 2], [], 2, None, False)
    seqs = [message.seq for message in page.messages]
    assert expected == (seqs, page.set_aside, page.last_seq, page.gap, page.finished)


def test_only_an_empty_page_ends_the_pulling_and_leaves_the_cursor() -> None:
    page = pull_page(Shelf([record(1)]), Opener(), 1)
    expected = ([], [], 1, None, True)
    assert expected == (page.messages, page.set_aside, page.last_seq, page.gap, page.finished)


def test_one_damaged_record_is_set_aside_and_the_rest_flows() -> None:
    page = pull_page(Shelf([record(1), damaged(2), record(3)]), Opener(), 0)
    aside = [(one.seq, one.msgid, one.reason, one.rereadable) for one in page.set_aside]
    expected = ([1, 3], [(2, "m2", Reason.BODY, False)], 3)
    assert expected == ([message.seq for message in page.messages], aside, page.last_seq)


def test_a_record_whose_inner_msgid_is_anothers_is_set_aside() -> None:
    page = pull_page(Shelf([record(1, msgid="m9")]), Opener(), 0)
    expected = [(1, Reason.MSGID_DIFFERS)]
    assert expected == [(one.seq, one.reason) for one in page.set_aside]


def test_records_of_a_missing_key_wait_and_the_cursor_goes_on() -> None:
    page = pull_page(Shelf([record(1, version=2), record(2), record(3, version=4)]), Opener(), 0)
    aside = [(one.seq, one.reason, one.rereadable) for one in page.set_aside]
    expected = [(1, Reason.KEY_MISSING, True), (3, Reason.KEY_MISSING, True)]
    assert expected == aside
    assert [one.record.publickey_ver for one in page.set_aside] == [2, 4]
    assert page.last_seq == 3


def test_a_damaged_record_waits_for_no_key() -> None:
    (aside,) = pull_page(Shelf([damaged(1)]), Opener(), 0).set_aside
    assert not aside.rereadable


def test_an_envelope_without_its_fields_is_set_aside_and_does_not_stop_the_page() -> None:
    empty = EncryptedRecord(0, "", 0, "", "")
    page = pull_page(Shelf([record(1), record(2)]), Opener(), 0)
    shelf = Shelf([])
    shelf.chat_data = lambda _seq, _limit: [record(2), empty]  # type: ignore[method-assign]  # odd
    page = pull_page(shelf, Opener(), 1)
    expected = ([2], [(0, Reason.ENVELOPE)], 2, None)
    aside = [(one.seq, one.reason) for one in page.set_aside]
    assert expected == ([one.seq for one in page.messages], aside, page.last_seq, page.gap)


def test_a_hole_after_the_cursor_is_a_gap() -> None:
    page = pull_page(Shelf([record(9), record(10)]), Opener(), 5)
    assert Gap(after_seq=5, first_seq=9) == page.gap


@pytest.mark.parametrize(("after", "first"), [(5, 6), (0, 40)])
def test_the_next_record_and_the_very_first_pull_are_no_gap(after: int, first: int) -> None:
    assert pull_page(Shelf([record(first)]), Opener(), after).gap is None


@pytest.mark.parametrize(("days", "loss"), [(4.9, False), (5, True), (30, True)])
def test_a_gap_is_a_loss_only_when_records_could_pass_away_since_the_last_pull(
    *, days: float, loss: bool
) -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    assert loss == Gap(5, 9).is_loss(last_pulled_at=now - timedelta(days=days), now=now)


def test_the_limit_is_halved_while_the_page_is_too_large() -> None:
    shelf = Shelf([record(seq) for seq in range(1, 9)], most=3)
    page = pull_page(shelf, Opener(), 0, limit=8)
    expected = ([(0, 8), (0, 4), (0, 2)], 2)
    assert expected == (shelf.asked, page.last_seq)


def test_a_single_record_that_is_too_large_is_told() -> None:
    with pytest.raises(Refused):
        pull_page(Shelf([record(1)], most=0), Opener(), 0)


def test_another_refusal_is_not_answered_with_smaller_pages() -> None:
    asked: list[int] = []

    def refuse(_seq: int, limit: int) -> list[EncryptedRecord]:
        asked.append(limit)
        raise Refused(10009)

    shelf = Shelf([])
    shelf.chat_data = refuse  # type: ignore[method-assign]  # a source that refuses
    with pytest.raises(Refused, match="10009"):
        pull_page(shelf, Opener(), 0, limit=8)
    expected = [8]
    assert expected == asked


def test_trouble_while_opening_a_record_leaves_the_whole_page_for_later() -> None:
    class Stopped(Opener):
        def open(self, record: EncryptedRecord) -> str:
            raise Retry(record.msgid)

    with pytest.raises(Retry):
        pull_page(Shelf([record(1)]), Stopped(), 0)


def test_a_source_that_stands_still_is_noticed() -> None:
    shelf = Shelf([])
    shelf.chat_data = lambda _seq, _limit: [record(5)]  # type: ignore[method-assign]  # stuck
    with pytest.raises(Invalid):
        pull_page(shelf, Opener(), 5)


@pytest.mark.parametrize(("after", "limit"), [(-1, 10), (0, 0), (0, 1001)])
def test_a_cursor_or_limit_out_of_range_is_refused(after: int, limit: int) -> None:
    with pytest.raises(Invalid):
        pull_page(Shelf([]), Opener(), after, limit)


def test_what_was_set_aside_shows_no_ciphertext() -> None:
    page = pull_page(Shelf([record(1, version=3, said="SECRET")]), Opener(), 0)
    assert "SECRET" not in repr(page.set_aside)
