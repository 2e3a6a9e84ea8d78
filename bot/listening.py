"""A message on its way to facts: kept, allowed, read, merged; never without agreement."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bot.archive.record import parse_record
from bot.clock import SHANGHAI
from bot.credentials import drop_from_json, had_credentials
from bot.facts import Evidence, Fact, FactType, Speech, keepable
from bot.happenings import (
    AgreementNeeded,
    BecameActive,
    CredentialsDropped,
    FactLearned,
    MessageRead,
    SegmentsChanged,
    SignalHeard,
)
from bot.model import ArchivedMessage, ChatId, ExternalUserId, UserId, is_external
from bot.rulebook import Rulebook
from bot.store import journal, ledger, people, segments, standing, talk
from bot.store.db import Db, Row
from bot.vault import Vault

# Customer service has no archive agreement: without the consent row for profiling only what
# the customer wants of us is read there.
KF_ALWAYS = frozenset(
    {
        FactType.OPT_OUT,
        FactType.OPT_IN,
        FactType.RSVP,
        FactType.CONTACT_REQUEST,
        FactType.COMPLAINT,
    }
)
_HISTORY = timedelta(days=5)
"""What was said longer ago calls nobody urgently any more."""
ARCHIVE, KF = "archive-record", "kf-item"
"""Sources of inbox items that were pulled; callbacks carry the name of their door."""
Read = Callable[[Speech], list[Fact]]


@dataclass(frozen=True, slots=True)
class Listener:
    """What listening needs: the key of the text, the reader, the branch's rules.

    ``second_reader`` says that a language model is set up to read what the rules have read.
    """

    vault: Vault
    read: Read
    rules: Rulebook
    second_reader: bool = False

    def hear(self, db: Db, message: ArchivedMessage, now: int) -> Iterator[object]:
        """Keep one message and learn from it what may be learnt."""
        conversation = talk.conversation_of(message)
        if message.agreed is not None:
            yield from self.hear_answer(db, message, conversation, now)
            return
        if message.recalls:
            talk.keep_message(db, self.vault, message, conversation, "unread")
            yield from self.take_back(db, message.recalls, now)
            return
        if not is_external(message.sender):
            self._hear_staff(db, message, conversation)
            return
        yield from self._hear_customer(db, message, conversation, now)

    def _hear_staff(self, db: Db, message: ArchivedMessage, conversation: str) -> None:
        """Staff give context; lines that came before theirs in the archive may answer them."""
        if not talk.keep_message(db, self.vault, message, conversation, "unread"):
            return
        sent = int(message.sent_at.timestamp() * 1000)
        talk.count_replies_again(db, conversation, sent)

    def _hear_customer(
        self, db: Db, message: ArchivedMessage, conversation: str, now: int
    ) -> Iterator[object]:
        customer = ExternalUserId(message.sender)
        if people.is_erased(db, customer):
            return
        allowed = self._allowed(db, message, conversation)
        state = {True: "read", False: "refused", None: "sealed"}[allowed]
        if not talk.keep_message(db, self.vault, message, conversation, state):
            return
        people.know_person(db, customer, now)
        if message.open_kfid:
            sent = int(message.sent_at.timestamp() * 1000)
            talk.kf_spoke(db, message.open_kfid, customer, sent)
        if allowed is None:
            inside = conversation.split("|", maxsplit=1)[0] if "|" in conversation else ""
            yield AgreementNeeded(
                conversation, message.chat_id, customer, UserId(inside), message.sent_at
            )
        if allowed and had_credentials(message.text):
            yield CredentialsDropped(
                customer, message.msgid, message.chat_id, message.sent_at, message.open_kfid
            )
        if allowed:
            learned = list(self._read(db, message, conversation, now))
            yield from learned
            # Words alone make the customer due: a burst of lines is one derivation, soon.
            if learned:
                yield from self.refresh_segments(db, [customer], message.sent_at, now)
            yield from self._look_at_activity(db, customer, message)
            yield from self._read_once_more(message)

    def _allowed(self, db: Db, message: ArchivedMessage, conversation: str) -> bool | None:
        """True: read it; False: never; None: not known yet, keep it sealed."""
        if message.open_kfid:
            return True
        answer = talk.agreement(db, conversation, message.sender)
        if answer is None:
            return None
        return answer.agreed and int(message.sent_at.timestamp() * 1000) >= answer.since

    def hear_answer(
        self, db: Db, message: ArchivedMessage, conversation: str, now: int
    ) -> Iterator[object]:
        """An agreement or refusal to archiving that came as a record."""
        talk.keep_message(db, self.vault, message, conversation, "unread")
        if is_external(message.sender):
            at = int(message.sent_at.timestamp() * 1000)
            yield from self.settle_agreement(
                db,
                conversation,
                ExternalUserId(message.sender),
                agreed=bool(message.agreed),
                at=at,
                now=now,
            )

    def settle_agreement(
        self,
        db: Db,
        conversation: str,
        customer: ExternalUserId,
        *,
        agreed: bool,
        at: int,
        now: int,
    ) -> Iterator[object]:
        """Keep an answer and deal with the text that waited for it.

        Text as old as the agreement or younger is read now; older text is destroyed. A refusal
        destroys what waits, and withdraws what was read here with all that it told us.
        """
        people.know_person(db, customer, now)
        if not talk.keep_agreement(db, conversation, customer, agreed=agreed, at=at):
            return
        journal.note(db, "archive_agreed" if agreed else "archive_refused", now, customer=customer)
        for row in talk.sealed_messages(db, conversation, customer):
            if not agreed or row["sent_at"] < at:
                talk.set_state(db, row["msgid"], "refused")
                continue
            talk.set_state(db, row["msgid"], "read")
            waited = talk.restore(row, self.vault)
            yield from self._read(db, waited, conversation, now)
            yield from self._read_once_more(waited)
        if not agreed:
            for msgid in talk.read_messages(db, conversation, customer):
                self._unlearn(db, msgid, "refused", now)
            yield from _interests_changed([customer], self.rules.moment(now))
        yield from self.refresh_segments(db, [customer], self.rules.moment(now), now)

    def _read(
        self, db: Db, message: ArchivedMessage, conversation: str, now: int
    ) -> Iterator[object]:
        """Count a message that may be read, and learn from it."""
        talk.count_activity(db, message, asks=self.rules.standing.asks(message.text))
        signals = self._signals(message, now)
        heard = frozenset(each.signal for each in signals)
        yield from self._learn(db, message, conversation, now, heard)
        yield from signals

    def _signals(self, message: ArchivedMessage, now: int) -> list[SignalHeard]:
        """What calls for a fixed act in the customer's own words, unless they are history."""
        if self.rules.moment(now) - message.sent_at > _HISTORY:
            return []
        said = _own_words(message)
        return [
            SignalHeard(
                ExternalUserId(message.sender),
                signal,
                self.rules.signals.product(said),
                message.msgid,
                message.chat_id,
                message.sent_at,
                message.open_kfid,
            )
            for signal in self.rules.signals.heard(said)
        ]

    def _read_once_more(self, message: ArchivedMessage) -> Iterator[MessageRead]:
        """Where a second reader is set up, let the handlers decide what it is asked."""
        if self.second_reader and message.text:
            yield MessageRead(message.msgid, message.sent_at, len(message.text.strip()))

    def _learn(
        self,
        db: Db,
        message: ArchivedMessage,
        conversation: str,
        now: int,
        beside: frozenset[str],
    ) -> Iterator[object]:
        if not message.text:
            return
        customer = ExternalUserId(message.sender)
        speech, start = self._speech(db, message, conversation)
        facts = [_said_now(fact, start) for fact in self.read(speech) if fact.evidence.end > start]
        if not facts:
            return
        who = people.customer(db, customer)
        assert who is not None
        for fact in facts:
            kept = kept_of(fact, message, who)
            event = kept and self.keep_fact(db, message, kept, now)
            if event:
                yield replace(event, beside=beside)

    def _speech(self, db: Db, message: ArchivedMessage, conversation: str) -> tuple[Speech, int]:
        """The message with what the speaker wrote just before, and where it starts in that."""
        sent = int(message.sent_at.timestamp() * 1000)
        asked = talk.recent_staff_lines(db, self.vault, conversation, message.sender, sent)
        before = talk.lines_just_before(db, self.vault, conversation, message.sender, sent)
        start = sum(len(line) + 1 for line in before)
        quoted = tuple((first + start, last + start) for first, last in message.quoted)
        text = "\n".join([*before, message.text])
        return Speech(text, message.sent_at, quoted=quoted, asked=asked), start

    def keep_fact(
        self, db: Db, message: ArchivedMessage, fact: Fact, now: int
    ) -> FactLearned | None:
        """Put a fact into the ledger; one below the threshold waits for a person."""
        customer = ExternalUserId(message.sender)
        source = ledger.Source(message.msgid, message.sent_at)
        fact_id = ledger.add_fact(db, self.vault, customer, fact, source)
        if fact_id is None:
            return None
        journal.note(
            db,
            "fact_learned" if fact.settled else "fact_pending",
            now,
            customer=customer,
            chat_id=message.chat_id,
            ref=fact_id,
            type=fact.type,
        )
        return self.learned(db, message, fact, fact_id, now) if fact.settled else None

    def learned(
        self, db: Db, message: ArchivedMessage, fact: Fact, fact_id: int, now: int
    ) -> FactLearned:
        """What handlers hear of a fact that counts, whoever read it."""
        customer = ExternalUserId(message.sender)
        self._fill_ledger(db, customer, fact, now)
        return FactLearned(
            customer,
            fact_id,
            fact,
            message.msgid,
            message.chat_id,
            message.sent_at,
            message.open_kfid,
        )

    def _fill_ledger(self, db: Db, customer: ExternalUserId, fact: Fact, now: int) -> None:
        """A birthday heard in talk fills an empty field; the core system's word stays."""
        if fact.type is not FactType.BIRTHDAY or not {"month", "day"} <= fact.value.keys():
            return
        who = people.customer(db, customer)
        if who is None or (who["birthday_from"] or "talk") != "talk":
            return
        self.rules.keep_birthday(db, customer, fact.value, "talk", now)

    def take_back(self, db: Db, msgid: str, now: int) -> Iterator[object]:
        """A message was recalled: its text and what was learnt from it go."""
        talk.expect_nothing(db, msgid, now)
        touched = self._unlearn(db, msgid, "recalled", now)
        if touched:
            yield from _interests_changed(touched, self.rules.moment(now))
            yield from self.refresh_segments(db, touched, self.rules.moment(now), now)

    def _unlearn(self, db: Db, msgid: str, state: str, now: int) -> list[ExternalUserId]:
        """Take a message out of the talk and the ledger; whom that concerns."""
        row = talk.message(db, msgid)
        talk.discount_activity(db, msgid)
        talk.set_state(db, msgid, state)
        touched = set(ledger.recall(db, msgid))
        for customer in sorted(touched):
            journal.note(db, "recalled", now, customer=customer)
            self._birthday_again(db, customer, now)
        if row is not None:
            replies = talk.count_replies_again(db, row["conversation"], row["sent_at"])
            touched |= {*replies, *([row["sender"]] if is_external(row["sender"]) else [])}
        return sorted(touched)

    def _birthday_again(self, db: Db, customer: ExternalUserId, now: int) -> None:
        """A birthday that only talk told is what the talk that is left says."""
        who = people.customer(db, customer)
        if who is None or who["birthday_from"] != "talk":
            return
        people.forget_birthday(db, customer)
        for value in ledger.birthdays(db, customer):
            self.rules.keep_birthday(db, customer, value, "talk", now)

    def refresh_segments(
        self, db: Db, customers: list[ExternalUserId] | None, at: Any, now: int
    ) -> Iterator[SegmentsChanged]:
        """Derive segments, states and class of the touched customers again; who moved."""
        yield from segments_changed(self.derive(db, customers, now), at)

    def derive(self, db: Db, customers: list[ExternalUserId] | None, now: int) -> standing.Derived:
        """Derive all that follows from what is known, and note in the journal what moved."""
        today = self.rules.moment(now).astimezone(SHANGHAI).date()
        derived = standing.refresh_all(db, self.rules, today, now, customers)
        for each in derived.states:
            _note_moved(db, "states", each, now)
        for each in derived.segments:
            _note_moved(db, "segments", each, now)
        return derived

    def _look_at_activity(
        self, db: Db, customer: ExternalUserId, message: ArchivedMessage
    ) -> Iterator[BecameActive]:
        line = self.rules.thresholds.activity
        day = message.sent_at.astimezone(SHANGHAI).date()
        since = day - timedelta(days=line.window_days - 1)
        messages, days = talk.activity(db, customer, since.isoformat(), day.isoformat())
        if messages >= line.messages and days >= line.days:
            yield BecameActive(customer, messages, days, ChatId(message.chat_id), message.sent_at)


def _own_words(message: ArchivedMessage) -> str:
    """A message without what it quotes of others."""
    text = message.text
    for start, end in sorted(message.quoted, reverse=True):
        text = text[:start] + text[end:]
    return text


def kept_of(fact: Fact, message: ArchivedMessage, who: Row) -> Fact | None:
    """What of a fact the customer's consents let us keep, or None when nothing."""
    if message.open_kfid and fact.type not in KF_ALWAYS and not who["profiling_ok"]:
        return None
    return keepable(fact, sensitive_consent=bool(who["sensitive_ok"]))


def _interests_changed(
    customers: Iterable[ExternalUserId], at: datetime
) -> Iterator[SegmentsChanged]:
    """Facts went, and with them perhaps interests that carry tags without being segments."""
    for customer in customers:
        yield SegmentsChanged(customer, (), (), at)


def segments_changed(derived: standing.Derived, at: datetime) -> Iterator[SegmentsChanged]:
    """What handlers hear of a derivation: states and classes carry no tags."""
    for each in derived.segments:
        yield SegmentsChanged(ExternalUserId(each.external_userid), each.entered, each.left, at)


def _note_moved(db: Db, kind: str, moved: segments.Moved, now: int) -> None:
    who, entered, left = moved.external_userid, moved.entered, moved.left
    journal.note(db, kind, now, customer=who, entered=entered, left=left)


def _said_now(fact: Fact, start: int) -> Fact:
    """A fact of joined lines with its place in the last one; the words keep all of it."""
    found = fact.evidence
    return replace(
        fact, evidence=Evidence(max(0, found.start - start), found.end - start, found.text)
    )


def pack_record(message: ArchivedMessage) -> bytes:
    """An archive record as the inbox keeps it: without passwords and codes."""
    raw = drop_from_json(message.raw)
    return json.dumps([message.seq, message.msgid, raw], ensure_ascii=False).encode()


def unpack_record(body: bytes) -> ArchivedMessage:
    """The message that ``pack_record`` wrote."""
    seq, msgid, raw = json.loads(body)
    return parse_record(raw, seq, msgid)
