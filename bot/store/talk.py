"""What people said: messages, consent to be read, recalls, activity, customer service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.model import ArchivedMessage, ChatId, ExternalUserId, MsgId, OpenKfId, is_external
from bot.store.db import Db, Row
from bot.vault import Vault

RECONCILED = "reconciled"
"""The cursor that tells when people and groups were last compared with WeCom."""
THOUGHT_MS = 60_000
"""Lines of one speaker that are no further apart belong together."""
THOUGHT_CHARS = 300
"""A longer line is a text of its own, not the beginning of a thought."""
SEALED_DAYS = 5
"""Text whose agreement is not known after this long is destroyed."""

_KEEP = """
INSERT INTO message
  (msgid, seq, conversation, chat_id, sender, peer, kind, sent_at, text_sealed, raw_sealed,
   quoted, state)
VALUES (:msgid, :seq, :conversation, :chat, :sender, :peer, :kind, :sent, :text, :raw, :quoted,
  :state)
ON CONFLICT (msgid) DO NOTHING
"""
_MOVE = """
UPDATE message SET state = :state,
  text_sealed = CASE WHEN :state IN ('refused', 'recalled') THEN NULL ELSE text_sealed END,
  raw_sealed = CASE WHEN :state IN ('refused', 'recalled') THEN NULL ELSE raw_sealed END
WHERE msgid = :id
"""
# A staff line answers nobody: recalls and agreements are kept like it, but say nothing.
_AFTER_STAFF = """EXISTS (SELECT 1 FROM message s WHERE s.conversation = m.conversation
  AND s.sent_at BETWEEN m.sent_at - 600000 AND m.sent_at AND s.state = 'unread'
  AND s.kind NOT IN ('revoke', 'agree', 'disagree'))"""
_ANSWERS = f"CASE WHEN {_AFTER_STAFF} THEN 1 ELSE 0 END"
_MARK = f"""
UPDATE message AS m SET asks = :asks, answers = {_ANSWERS} WHERE m.msgid = :id
"""
_COUNT = """
INSERT INTO activity (external_userid, day_on, messages, replies, questions)
SELECT m.sender, date(m.sent_at / 1000 + 28800, 'unixepoch'), 1, m.answers, m.asks
FROM message m WHERE m.msgid = :id
ON CONFLICT (external_userid, day_on) DO UPDATE SET messages = activity.messages + 1,
  replies = activity.replies + excluded.replies,
  questions = activity.questions + excluded.questions
"""
_DISCOUNT = """
UPDATE activity SET messages = messages - 1, replies = replies - m.answers,
  questions = questions - m.asks
FROM (SELECT * FROM message WHERE msgid = :id AND state = 'read') AS m
WHERE activity.external_userid = m.sender
  AND activity.day_on = date(m.sent_at / 1000 + 28800, 'unixepoch')
"""
_FELL_SILENT = """
UPDATE customer SET spoke_at = (SELECT max(sent_at) FROM message
  WHERE sender = customer.external_userid AND state = 'read' AND msgid <> :id)
WHERE external_userid = (SELECT sender FROM message WHERE msgid = :id AND state = 'read')
"""
_NEAR_STAFF = f"""
SELECT m.msgid, m.sender, m.sent_at, {_ANSWERS} - m.answers AS more FROM message m
WHERE m.conversation = :conversation AND m.sent_at BETWEEN :at AND :at + 600000
  AND m.state = 'read' AND {_ANSWERS} <> m.answers
"""
_SAID = """
SELECT m.*, (SELECT count(*) FROM fact f WHERE f.msgid = m.msgid
  AND f.status NOT IN ('recalled', 'rejected')) AS facts
FROM message m WHERE m.state = 'read' AND m.text_sealed IS NOT NULL
  AND (:mine IS NULL OR m.chat_id <> '' OR m.conversation LIKE 'wk%'
    OR m.conversation = :mine || '|' || m.sender)
"""
# The latest answer wins, whatever the order in which answers reach us; of two from the same
# moment the refusing one does.
_AGREE = """
INSERT INTO agreement (conversation, external_userid, status, changed_at)
VALUES (:conversation, :id, :status, :at)
ON CONFLICT (conversation, external_userid) DO UPDATE SET status = :status, changed_at = :at
WHERE excluded.changed_at > agreement.changed_at
  OR (excluded.changed_at = agreement.changed_at AND excluded.status = 'Disagree'
    AND agreement.status = 'Agree')
"""


@dataclass(frozen=True, slots=True)
class Agreement:
    """A customer's answer to archiving in one conversation."""

    agreed: bool
    since: int
    """Epoch milliseconds."""


def conversation_of(message: ArchivedMessage) -> str:
    """The name of a conversation: the group, or "member|customer", or "account|customer"."""
    if message.chat_id:
        return message.chat_id
    people = (message.sender, *message.receivers)
    outside = next((person for person in people if is_external(person)), "")
    inside = message.open_kfid or next((each for each in people if each != outside), "")
    return f"{inside}|{outside}"


def keep_message(
    db: Db, vault: Vault, message: ArchivedMessage, conversation: str, state: str
) -> bool:
    """Keep a message of any type; False when it is known already."""
    return bool(
        db.run(
            _KEEP,
            msgid=message.msgid,
            seq=message.seq,
            conversation=conversation,
            chat=message.chat_id,
            sender=message.sender,
            peer=message.receivers[0] if len(message.receivers) == 1 else "",
            kind=message.kind,
            sent=int(message.sent_at.timestamp() * 1000),
            text=vault.seal_text(message.text) if state != "refused" else None,
            raw=vault.seal_text(message.raw) if state not in {"refused", "sealed"} else None,
            quoted=json.dumps(message.quoted),
            state=state,
        )
    )


def set_state(db: Db, msgid: str, state: str) -> None:
    """Move a message on: read, unread, refused or recalled; the last two lose their text."""
    db.run(_MOVE, state=state, id=msgid)


def expect_nothing(db: Db, msgid: str, now: int) -> None:
    """Take note of a recall: a message that comes after it, out of order, is not kept."""
    db.run(
        "INSERT INTO message (msgid, state, sent_at) VALUES (:id, 'recalled', :now)"
        " ON CONFLICT (msgid) DO NOTHING",
        id=msgid,
        now=now,
    )


def message(db: Db, msgid: str) -> Row | None:
    """One message."""
    return db.one("SELECT * FROM message WHERE msgid = :id", id=msgid)


def restore(row: Row, vault: Vault) -> ArchivedMessage:
    """The message that a row keeps, without its raw record."""
    outside = row["conversation"].split("|")
    kfid = outside[0] if outside[0].startswith("wk") else None
    return ArchivedMessage(
        msgid=MsgId(row["msgid"]),
        seq=row["seq"],
        sender=row["sender"],
        receivers=(row["peer"],) if row["peer"] else (),
        chat_id=ChatId(row["chat_id"]),
        sent_at=datetime.fromtimestamp(row["sent_at"] / 1000, UTC),
        kind=row["kind"],
        text=vault.open_text(row["text_sealed"]),
        quoted=tuple((start, end) for start, end in json.loads(row["quoted"])),
        open_kfid=OpenKfId(kfid) if kfid else None,
    )


def recent_staff_lines(
    db: Db, vault: Vault, conversation: str, customer: str, before: int
) -> tuple[str, ...]:
    """What staff last said in a conversation, if nobody spoke since but this customer.

    At most two lines of the last ten minutes, newest last: a short answer needs its question.
    """
    rows = db.rows(
        "SELECT sender, text_sealed FROM message WHERE conversation = :conversation"
        " AND sent_at <= :before AND sent_at > :before - 600000 AND kind = 'text'"
        " ORDER BY sent_at DESC, seq DESC LIMIT 4",
        conversation=conversation,
        before=before,
    )
    lines: list[str] = []
    for row in rows:
        if row["sender"] == customer:
            continue
        if is_external(row["sender"]):
            break
        lines.append(vault.open_text(row["text_sealed"]))
    return tuple(reversed([line for line in lines[:2] if line]))


def lines_just_before(db: Db, vault: Vault, conversation: str, speaker: str, at: int) -> list[str]:
    """What the same person wrote there just before, oldest first: one thought in several lines.

    Each line is at most a minute from the next, the last one at most a minute from ``at``;
    five lines at most. Nothing is joined to a line that was pasted in: the reader takes only
    so many characters, and what the person says after it must be among them.
    """
    rows = db.rows(
        "SELECT text_sealed, sent_at FROM message WHERE conversation = :conversation"
        " AND sender = :speaker AND sent_at < :at AND sent_at >= :at - 300000"
        " AND state = 'read' AND kind = 'text' ORDER BY sent_at DESC LIMIT 5",
        conversation=conversation,
        speaker=speaker,
        at=at,
    )
    lines: list[str] = []
    for row in rows:
        line = vault.open_text(row["text_sealed"])
        if at - row["sent_at"] > THOUGHT_MS or len(line) > THOUGHT_CHARS:
            break
        lines.append(line)
        at = row["sent_at"]
    return lines[::-1]


def last_words(db: Db, vault: Vault, customer: str) -> tuple[str, datetime] | None:
    """What a customer last said where we may read, on one line, and when."""
    row = db.one(
        "SELECT text_sealed, sent_at FROM message WHERE sender = :id AND state = 'read'"
        " AND text_sealed IS NOT NULL ORDER BY sent_at DESC LIMIT 1",
        id=customer,
    )
    if row is None:
        return None
    words = " ".join(vault.open_text(row["text_sealed"]).split())
    return words, datetime.fromtimestamp(row["sent_at"] / 1000, UTC)


def said_lately(db: Db, customer: str, mine: str | None, before: int, limit: int) -> list[Row]:
    """What a customer said where we may read, newest first, before a moment (epoch ms).

    ``mine`` leaves out what was said to colleagues one to one; None is for those who may see
    that too. ``facts`` tells how many facts stand on each message.
    """
    return db.rows(
        f"{_SAID} AND m.sender = :id AND m.sent_at < :before"
        " ORDER BY m.sent_at DESC, m.seq DESC LIMIT :limit",
        id=customer,
        mine=mine,
        before=before,
        limit=limit,
    )


def said(db: Db, msgid: str, mine: str | None) -> Row | None:
    """One message as ``said_lately`` gives it; None when it may not be read."""
    return db.one(f"{_SAID} AND m.msgid = :msgid", msgid=msgid, mine=mine)


# -- consent to be read


def keep_agreement(db: Db, conversation: str, customer: str, *, agreed: bool, at: int) -> bool:
    """Keep an answer unless a later one is known; True when this is now the answer."""
    status = "Agree" if agreed else "Disagree"
    return bool(db.run(_AGREE, conversation=conversation, id=customer, status=status, at=at))


def agreement(db: Db, conversation: str, customer: str) -> Agreement | None:
    """The answer on record; None when it is not known."""
    row = db.one(
        "SELECT status, changed_at FROM agreement"
        " WHERE conversation = :conversation AND external_userid = :id",
        conversation=conversation,
        id=customer,
    )
    return Agreement(row["status"] == "Agree", row["changed_at"]) if row else None


def sealed_messages(db: Db, conversation: str, customer: str) -> list[Row]:
    """What waits for an answer, oldest first."""
    return db.rows(
        "SELECT * FROM message WHERE conversation = :conversation AND sender = :id"
        " AND state = 'sealed' ORDER BY sent_at, seq",
        conversation=conversation,
        id=customer,
    )


def unanswered(db: Db, most: int) -> list[Row]:
    """``most`` speakers whose text waits for an answer, by lot: nobody is always left out."""
    return db.rows(
        "SELECT conversation, chat_id, sender FROM message WHERE state = 'sealed'"
        " AND (chat_id <> '' OR conversation NOT LIKE '|%')"
        " GROUP BY conversation, chat_id, sender ORDER BY random() LIMIT :most",
        most=most,
    )


def read_messages(db: Db, conversation: str, customer: str) -> list[str]:
    """What of a customer was read in a conversation, by ``msgid``."""
    return [
        row[0]
        for row in db.rows(
            "SELECT msgid FROM message WHERE conversation = :conversation AND sender = :id"
            " AND state = 'read' ORDER BY sent_at, seq",
            conversation=conversation,
            id=customer,
        )
    ]


def destroy_unanswered(db: Db, now: int) -> int:
    """Destroy text that waited five days for an agreement; the number of messages."""
    return db.run(
        "UPDATE message SET state = 'refused', text_sealed = NULL, raw_sealed = NULL"
        " WHERE state = 'sealed' AND sent_at < :before",
        before=now - SEALED_DAYS * 86_400_000,
    )


# -- activity


def count_activity(db: Db, message: ArchivedMessage, *, asks: bool) -> None:
    """One more message on a customer's day (Asia/Shanghai); it must be kept as read.

    Counts follow from the messages that are read, so their order of arrival does not matter.
    """
    db.run(_MARK, id=message.msgid, asks=int(asks))
    db.run(_COUNT, id=message.msgid)
    db.run(
        "UPDATE customer SET spoke_at = :at WHERE external_userid = :id"
        " AND (spoke_at IS NULL OR spoke_at < :at)",
        id=message.sender,
        at=int(message.sent_at.timestamp() * 1000),
    )


def discount_activity(db: Db, msgid: str) -> None:
    """A message that was read is withdrawn: it counts no longer. Before its state changes."""
    db.run(_DISCOUNT, id=msgid)
    db.run(_FELL_SILENT, id=msgid)


def count_replies_again(db: Db, conversation: str, at: int) -> list[ExternalUserId]:
    """Staff spoke, as we learn late, or took it back: which lines after that are replies.

    Returns:
        The customers whose counts changed.
    """
    rows = db.rows(_NEAR_STAFF, conversation=conversation, at=at)
    for row in rows:
        db.run(
            "UPDATE message SET answers = answers + :more WHERE msgid = :id",
            more=row["more"],
            id=row["msgid"],
        )
        db.run(
            "UPDATE activity SET replies = replies + :more WHERE external_userid = :customer"
            " AND day_on = date(:at / 1000 + 28800, 'unixepoch')",
            more=row["more"],
            customer=row["sender"],
            at=row["sent_at"],
        )
    return sorted({ExternalUserId(row["sender"]) for row in rows})


def activity(db: Db, customer: str, since: str, until: str) -> tuple[int, int]:
    """Messages and active days from one ISO day to another, both included."""
    row = db.one(
        "SELECT coalesce(sum(messages), 0), coalesce(sum(messages > 0), 0) FROM activity"
        " WHERE external_userid = :id AND day_on BETWEEN :since AND :until",
        id=customer,
        since=since,
        until=until,
    )
    return (row[0], row[1]) if row else (0, 0)


# -- customer service


def kf_spoke(db: Db, open_kfid: str, customer: str, at: int) -> None:
    """The customer wrote: five answers within 48 hours are open again."""
    db.run(
        "INSERT INTO kf_session (open_kfid, external_userid, spoke_at) VALUES (:kf, :id, :at)"
        " ON CONFLICT (open_kfid, external_userid) DO UPDATE SET spoke_at = :at, sent_since = 0,"
        " service_state = CASE WHEN kf_session.service_state = 4 THEN 0"
        " ELSE kf_session.service_state END",
        kf=open_kfid,
        id=customer,
        at=at,
    )


def kf_moved(db: Db, open_kfid: str, customer: str, state: int, servicer: str) -> None:
    """A session changed hands: 0 new, 1 bot, 2 pool, 3 human, 4 ended."""
    db.run(
        "INSERT INTO kf_session (open_kfid, external_userid, service_state, servicer)"
        " VALUES (:kf, :id, :state, :servicer) ON CONFLICT (open_kfid, external_userid)"
        " DO UPDATE SET service_state = :state, servicer = :servicer",
        kf=open_kfid,
        id=customer,
        state=state,
        servicer=servicer,
    )


def kf_session(db: Db, open_kfid: str, customer: str) -> Row | None:
    """A customer-service session as far as we know it."""
    return db.one(
        "SELECT * FROM kf_session WHERE open_kfid = :kf AND external_userid = :id",
        kf=open_kfid,
        id=customer,
    )


def kf_account(db: Db, customer: str, since: int) -> OpenKfId | None:
    """Where a customer wrote last since a moment, in a session that no person has."""
    found = db.value(
        "SELECT open_kfid FROM kf_session WHERE external_userid = :id AND spoke_at >= :since"
        " AND service_state IN (0, 1) ORDER BY spoke_at DESC LIMIT 1",
        id=customer,
        since=since,
    )
    return OpenKfId(found) if found else None


def kf_answered(db: Db, open_kfid: str, customer: str) -> None:
    """We sent one of the five answers."""
    db.run(
        "UPDATE kf_session SET sent_since = sent_since + 1"
        " WHERE open_kfid = :kf AND external_userid = :id",
        kf=open_kfid,
        id=customer,
    )


# -- cursors


def cursor(db: Db, name: str) -> str:
    """A stored position; "" at the beginning."""
    found: str | None = db.value("SELECT value FROM cursor WHERE name = :name", name=name)
    return found or ""


def move_cursor(db: Db, name: str, value: str, now: int) -> None:
    """Move a position, in the transaction that keeps what it covers."""
    db.run(
        "INSERT INTO cursor (name, value, moved_at) VALUES (:name, :value, :now)"
        " ON CONFLICT (name) DO UPDATE SET value = :value, moved_at = :now",
        name=name,
        value=value,
        now=now,
    )
