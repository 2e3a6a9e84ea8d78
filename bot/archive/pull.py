"""One page of the archive: pulled, opened, read; what cannot be read is set aside with its reason.

Nothing is stored here. The caller keeps the messages and what was set aside, and moves its cursor
to ``last_seq``, in one transaction; a page that was lost before that is simply pulled again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bot.archive.crypto import EncryptedRecord
from bot.archive.record import parse_record
from bot.archive.source import MOST_RECORDS, TOO_MUCH, ArchiveSource
from bot.archive.strict import DamagedRecord, Reason, WrongKey
from bot.errors import Invalid, Refused
from bot.model import ArchivedMessage, MsgId

RETENTION = timedelta(days=5)
"""The platform gives back no older record; an older ``seq`` silently starts at the oldest kept."""


class Decryptor(Protocol):
    """What opens a record; `RecordDecryptor` with our own decryption or the library's."""

    def open(self, record: EncryptedRecord) -> str:
        """Plain JSON text.

        Raises:
            WrongKey: The private key of its version is missing or another one.
            DamagedRecord: The record cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class SetAside:
    """A record that did not become a message.

    Attributes:
        seq: 0 when not even that could be read.
        reason: ``key_missing`` and ``key_wrong`` are the folder's fault, the others the record's.
        detail: A Chinese sentence for operators, without anything out of the message.
        record: Still encrypted, for keeping it until the key is there.
    """

    seq: int
    msgid: MsgId
    reason: Reason
    detail: str
    record: EncryptedRecord

    @property
    def rereadable(self) -> bool:
        """True when the right key will open it: `open_record` on ``record``."""
        return self.reason in (Reason.KEY_MISSING, Reason.KEY_WRONG)


@dataclass(frozen=True, slots=True)
class Gap:
    """The first record is not the one after the cursor.

    The platform does not promise numbers without holes, so that a gap is a loss only when it is
    possible by age: see `is_loss`.
    """

    after_seq: int
    first_seq: int

    def is_loss(self, last_pulled_at: datetime, now: datetime) -> bool:
        """True when records may have passed away unread since the last pull that succeeded."""
        return now - last_pulled_at >= RETENTION


@dataclass(frozen=True, slots=True)
class Page:
    """What one pull gave, lowest ``seq`` first.

    Attributes:
        last_seq: Where the cursor may go once the page is kept.
        gap: Records between the cursor and this page are missing.
        finished: Nothing was left to pull; a short page is no sign of that, only an empty one.
    """

    messages: list[ArchivedMessage]
    set_aside: list[SetAside]
    last_seq: int
    gap: Gap | None
    finished: bool


def pull_page(
    source: ArchiveSource, decryptor: Decryptor, after_seq: int, limit: int = MOST_RECORDS
) -> Page:
    """The records after ``after_seq``, at most ``limit`` (1 to 1000; fewer if too large).

    Raises:
        Retry: Try again later; nothing has moved.
        Refused: The platform's code says why.
        Invalid: A setting is wrong, or the source does not advance.
    """
    records = sorted(_fetch(source, after_seq, limit), key=lambda record: record.seq)
    last_seq = max([after_seq, *(record.seq for record in records)])
    if records and last_seq == after_seq:
        raise Invalid(f"会话存档没有前进:要 {after_seq} 之后的记录,得到的都不在其后")
    messages, set_aside = _open_all(records, decryptor)
    gap = _gap(after_seq, [record.seq for record in records if record.seq > after_seq])
    return Page(messages, set_aside, last_seq, gap, finished=not records)


def open_record(record: EncryptedRecord, decryptor: Decryptor) -> ArchivedMessage:
    """Decrypt and read one record.

    Raises:
        WrongKey: The private key of its version is missing or another one.
        DamagedRecord: The record cannot be read.
    """
    if not (record.seq and record.msgid and record.publickey_ver):
        raise DamagedRecord(Reason.ENVELOPE)
    return parse_record(decryptor.open(record), record.seq, record.msgid)


def _fetch(source: ArchiveSource, after_seq: int, limit: int) -> list[EncryptedRecord]:
    if after_seq < 0 or not 1 <= limit <= MOST_RECORDS:
        raise Invalid(f"会话存档一次取 1 到 {MOST_RECORDS} 条,seq 不小于 0")
    while True:
        try:
            return source.chat_data(after_seq, limit)
        except Refused as refusal:
            if refusal.errcode != TOO_MUCH or limit == 1:
                raise
            limit //= 2


def _open_all(
    records: Iterable[EncryptedRecord], decryptor: Decryptor
) -> tuple[list[ArchivedMessage], list[SetAside]]:
    messages: list[ArchivedMessage] = []
    set_aside: list[SetAside] = []
    for record in records:
        try:
            messages.append(open_record(record, decryptor))
        except (DamagedRecord, WrongKey) as bad:
            msgid = MsgId(record.msgid)
            set_aside.append(SetAside(record.seq, msgid, bad.reason, str(bad), record))
    return messages, set_aside


def _gap(after_seq: int, seqs: list[int]) -> Gap | None:
    """The first pull of all (``after_seq`` 0) starts wherever the platform does."""
    if after_seq == 0 or not seqs or seqs[0] == after_seq + 1:
        return None
    return Gap(after_seq, seqs[0])
