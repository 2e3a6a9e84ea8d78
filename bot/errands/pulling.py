"""Fetching what WeCom keeps for us: archive pages and customer-service messages."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from bot.actions import PullKf
from bot.archive.crypto import EncryptedRecord
from bot.archive.pull import Decryptor, Gap, Page, open_record, pull_page
from bot.archive.source import ArchiveSource
from bot.archive.strict import DamagedRecord, WrongKey
from bot.clock import Clock
from bot.credentials import drop_from_item
from bot.inbox import Arrival, Inbox
from bot.listening import ARCHIVE, KF, pack_record
from bot.model import ArchivedMessage, OpenKfId
from bot.store import journal, talk
from bot.store.db import Database, Db, Row
from bot.vault import Vault
from bot.wecom import WeComClient

log = structlog.get_logger()
ARCHIVE_CURSOR = "archive"
_PAGE = 500
_WAITING = """
SELECT id, seq, msgid, record_sealed FROM set_aside
WHERE readable_later = 1 AND id > :after ORDER BY id LIMIT 500
"""


@dataclass
class Puller:
    """Pulls pages; rows and cursor are one transaction, so a page is kept whole or not at all.

    ``source`` and ``decryptor`` are None where no message archive is set up.
    """

    database: Database
    inbox: Inbox
    vault: Vault
    clock: Clock
    wecom: WeComClient
    source: ArchiveSource | None
    decryptor: Decryptor | None
    _tried_again: bool = field(default=False, init=False)

    def pull_archive(self) -> None:
        """Everything that the archive has after our cursor, page by page."""
        if self.source is None or self.decryptor is None:
            return
        if not self._tried_again:
            self._open_again(self.decryptor)
            self._tried_again = True
        while True:
            after = int(talk.cursor(self.database.read(), ARCHIVE_CURSOR) or 0)
            page = pull_page(self.source, self.decryptor, after, _PAGE)
            if page.finished:
                self.database.write(self._touch)
                return
            self._keep(page)

    def _open_again(self, decryptor: Decryptor) -> None:
        """Read what was set aside for want of its key: keys are loaded when the bot starts."""
        waiting = self.database.read().rows(_WAITING, after=0)
        while waiting:
            opened = {
                row["id"]: message
                for row in waiting
                if (message := self._opened(row, decryptor)) is not None
            }
            arrivals = [_arrival(each) for each in opened.values()]

            def keep(
                db: Db,
                arrivals: list[Arrival] = arrivals,
                done: list[int] = list(opened),  # noqa: B006  # bound for this round, never changed
            ) -> None:
                self.inbox.keep(db, arrivals)
                db.many("DELETE FROM set_aside WHERE id = :id", [{"id": each} for each in done])

            if opened:
                self.database.write(keep)
                self.inbox.wake()
                log.info("archive records opened with a new key", records=len(opened))
            waiting = self.database.read().rows(_WAITING, after=waiting[-1]["id"])

    def _opened(self, row: Row, decryptor: Decryptor) -> ArchivedMessage | None:
        sealed = json.loads(self.vault.open(row["record_sealed"]))
        try:
            return open_record(EncryptedRecord(row["seq"], row["msgid"], *sealed), decryptor)
        except (DamagedRecord, WrongKey):
            return None

    def _keep(self, page: Page) -> None:
        now = self._now()
        arrivals = [_arrival(each) for each in page.messages]
        aside = [
            {
                "seq": each.seq,
                "msgid": each.msgid or f"unreadable-{number}-{now}",
                "reason": each.reason,
                "later": int(each.rereadable),
                "record": self.vault.seal(
                    json.dumps(
                        [
                            each.record.publickey_ver,
                            each.record.encrypt_random_key,
                            each.record.encrypt_chat_msg,
                        ]
                    ).encode()
                ),
                "at": now,
            }
            for number, each in enumerate(page.set_aside)
        ]

        def keep(db: Db) -> None:
            self.inbox.keep(db, arrivals)
            db.many(
                "INSERT INTO set_aside (seq, msgid, reason, readable_later,"
                " record_sealed, at) VALUES (:seq, :msgid, :reason, :later, :record, :at)"
                " ON CONFLICT (seq, msgid) DO NOTHING",
                aside,
            )
            for each in aside:
                journal.note(db, "record_set_aside", now, seq=each["seq"], reason=each["reason"])
            if page.gap is not None and self._is_loss(db, page.gap):
                journal.note(
                    db,
                    "archive_gap",
                    now,
                    after=page.gap.after_seq,
                    first=page.gap.first_seq,
                )
            talk.move_cursor(db, ARCHIVE_CURSOR, str(page.last_seq), now)

        self.database.write(keep)
        self.inbox.wake()
        for each in page.set_aside:
            log.warning("archive record set aside", seq=each.seq, reason=str(each.reason))

    def _is_loss(self, db: Db, gap: Gap) -> bool:
        """Numbers with holes are usual; a hole is a loss when its records may have run out."""
        moved = db.value("SELECT moved_at FROM cursor WHERE name = :name", name=ARCHIVE_CURSOR)
        last = datetime.fromtimestamp((moved or 0) / 1000, UTC)
        return gap.is_loss(last, self.clock.now())

    def _touch(self, db: Db) -> None:
        """Remember that the archive was asked and had nothing more."""
        after = talk.cursor(db, ARCHIVE_CURSOR)
        talk.move_cursor(db, ARCHIVE_CURSOR, after, self._now())

    def pull_kf(self, errand: PullKf) -> None:
        """Everything in one customer-service account after our cursor."""
        name, token = f"kf:{errand.open_kfid}", errand.token
        while True:
            cursor = talk.cursor(self.database.read(), name)
            page = self.wecom.kf_sync_msg(OpenKfId(errand.open_kfid), cursor, token)
            arrivals = [
                (
                    _key(KF, str(item.get("msgid", "")) or json.dumps(item, sort_keys=True)),
                    KF,
                    json.dumps(drop_from_item(item), ensure_ascii=False).encode(),
                )
                for item in page.rows
            ]

            def keep(
                db: Db,
                arrivals: list[Arrival] = arrivals,
                cursor: str = page.next_cursor,
            ) -> None:
                self.inbox.keep(db, arrivals)
                talk.move_cursor(db, name, cursor, self._now())

            self.database.write(keep)
            self.inbox.wake()
            if not page.has_more:
                return

    def _now(self) -> int:
        return int(self.clock.now().timestamp() * 1000)


def _arrival(message: ArchivedMessage) -> Arrival:
    return _key(ARCHIVE, message.msgid), ARCHIVE, pack_record(message)


def _key(source: str, msgid: str) -> bytes:
    return hashlib.blake2b(f"{source}:{msgid}".encode(), digest_size=16).digest()
