"""Asking the bank's own language model about a line that the rules have read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from bot.actions import AskModel
from bot.clock import Clock, today
from bot.facts import Evidence, Fact, Speech
from bot.listening import Listener, kept_of
from bot.masking import DOT
from bot.model import ArchivedMessage
from bot.modelreader import ModelReader
from bot.outbox import Effect
from bot.store import ledger, talk
from bot.store.db import Database, Db, Row
from bot.store.labelled import covered, readable, telling_words
from bot.vault import Vault

log = structlog.get_logger()
_BUDGET = "model-calls"


@dataclass
class Asker:
    """Sends one covered-up line and puts what comes back before a person.

    ``model`` is None where none is set up.
    """

    database: Database
    vault: Vault
    clock: Clock
    listener: Listener
    model: ModelReader | None
    calls_a_day: int

    def ask(self, errand: AskModel) -> Effect | None:
        """Ask about a message, if it may still be read and the day's calls are not spent.

        Raises:
            Retry: The model does not answer now.
        """
        db = self.database.read()
        row = readable(db, errand.msgid)
        if self.model is None or row is None:
            return None
        message = talk.restore(row, self.vault)
        names = telling_words(db, self.vault, message.sender)
        words = covered(_own_words(message), names, row)
        if not self.database.write(self._reserve):
            log.info("the model is not asked: the day's calls are spent")
            return None
        facts = self.model.read(Speech(words, message.sent_at))
        log.info("the model has read a line", facts=len(facts))
        return (lambda db: self._keep(db, errand.msgid, facts)) if facts else None

    def _reserve(self, db: Db) -> bool:
        """Count one call; False when the day has none left."""
        day = today(self.clock).isoformat()
        on, _, spent = talk.cursor(db, _BUDGET).partition(" ")
        calls = int(spent) if on == day else 0
        if calls >= self.calls_a_day:
            return False
        talk.move_cursor(db, _BUDGET, f"{day} {calls + 1}", self._now())
        return True

    def _keep(self, db: Db, msgid: str, facts: Sequence[Fact]) -> None:
        """Put what is new before a person; the message may have been taken back meanwhile."""
        row = readable(db, msgid)
        if row is None:
            return
        message = talk.restore(row, self.vault)
        for fact in facts:
            kept = kept_of(_in_own_words(fact, message), message, row)
            if kept is not None and not _known(ledger.facts_on(db, msgid), kept):
                self.listener.keep_fact(db, message, kept, self._now())

    def _now(self) -> int:
        return int(self.clock.now().timestamp() * 1000)


def _own_words(message: ArchivedMessage) -> str:
    """The line, with what it quotes of others covered whole."""
    text = message.text
    for start, end in message.quoted:
        text = text[:start] + DOT * (end - start) + text[end:]
    return text


def _in_own_words(fact: Fact, message: ArchivedMessage) -> Fact:
    """The same fact with the words as they were said, to be kept sealed."""
    where = fact.evidence
    return replace(
        fact, evidence=Evidence(where.start, where.end, message.text[where.start : where.end])
    )


def _known(rows: Sequence[Row], fact: Fact) -> bool:
    """Whether the line has given this fact already, by a rule or a person, right or wrong.

    It is the same when it is of the type and about the same thing, or from the same words.
    """
    about = ledger.subject_of(fact)
    return any(
        row["type"] == fact.type
        and (
            row["subject"] == about
            or json.loads(row["value"]) == fact.value
            or (row["start"] < fact.evidence.end and fact.evidence.start < row["end"])
        )
        for row in rows
    )
