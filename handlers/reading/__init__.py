"""Short informal Chinese about money and life to facts: ``read(speech)``, and nothing else.

The way of a text: normalised with an offset map, one keyword automaton, the frames whose words
all occur, guards (negation, question, hypothesis, other people, advertisement …), then the dates
and sums that belong to each reading, and a check that such words are likely to tell it. Rules are
data: ``config/lexicon/*.yaml``, ``config/rules/frames*.yaml`` and ``config/likely.json``. Pure: the
clock is the message's own time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.facts import Evidence, Fact, Speech
from handlers.reading import dates, rules
from handlers.reading.amounts import Money
from handlers.reading.attach import Attachments
from handlers.reading.details import complete, settle
from handlers.reading.engine import Matcher, Message, Reading
from handlers.reading.likely import HELD_BACK, Likely
from handlers.reading.text import BREAKS, Normaliser, Plain

_SHANGHAI = timezone(timedelta(hours=8))
_CHUNK = 600
"""Longer texts are read in pieces cut at breaks, so that the work grows with the length."""
_READ_AT_MOST = 20_000
"""Characters; nobody speaks longer, and what is longer was copied from somewhere."""
_QUOTES = re.compile('"[^"\n]{6,300}"')
"""Long enough to be somebody else's sentence and no name of a product."""
_SHIPPED = Path(__file__).parents[2] / "config"


class Reader:
    """One set of rules, ready to read; safe to share between threads.

    Attributes:
        rules: Words, frames and guards.
        normaliser: Its first step, ``matcher`` its second, ``money`` what finds the sums.
    """

    def __init__(self, ruleset: rules.Rules) -> None:
        self.rules = ruleset
        self.normaliser = Normaliser(ruleset.simplified, ruleset.dialect)
        self.matcher = Matcher(ruleset)
        self.money = Money(ruleset.currencies, ruleset.fractions)

    @classmethod
    def load(cls, path: Path) -> Reader:
        """A reader with the rules below a config folder.

        Raises:
            bot.errors.Invalid: a rule is broken; the text names file and line.
        """
        return cls(rules.load(path))

    def become(self, other: Reader) -> None:
        """Read by another reader's rules from now on, for everybody who was handed this one."""
        self.__dict__ = dict(other.__dict__)

    def read(self, speech: Speech) -> list[Fact]:
        """All readings, also those below the threshold, best first; employees say no facts."""
        if not speech.by_customer or not speech.text:
            return []
        if len(speech.text) <= _CHUNK:
            return self._facts(speech.text, speech, 0)
        facts: list[Fact] = []
        for start, end in _pieces(speech.text[:_READ_AT_MOST]):
            facts.extend(self._facts(speech.text[start:end], speech, start))
        return sorted(facts, key=lambda fact: -fact.confidence)

    def expressions(self, text: str, sent_at: datetime) -> list[dict[str, Any]]:
        """Every date and amount in a text, whether or not a fact uses it, in order.

        ``{"kind": "date", "start", "end", "text", "ranges": [[from, to], …]}`` with half-open
        local ISO times (None: open), or ``{"kind": "amount", …, "value"}``.
        """
        found: list[dict[str, Any]] = []
        local = local_time(sent_at)
        for first, last in _pieces(text[:_READ_AT_MOST]):
            plain = self.normaliser.plain(text[first:last])
            found.extend(_date_expressions(plain, local, first))
            found.extend(self._amount_expressions(plain, first))
        return sorted(found, key=lambda item: (item["start"], item["kind"]))

    def _amount_expressions(self, plain: Plain, base: int) -> Iterator[dict[str, Any]]:
        for amount in self.money.find(plain.text):
            if amount.value is None or not amount.sure:
                continue
            value = amount.value
            number = int(value) if value == value.to_integral_value() else float(value)
            yield {
                "kind": "amount",
                **_where(plain, amount.start, amount.end, base),
                "value": number,
            }

    def _facts(self, text: str, speech: Speech, base: int) -> list[Fact]:
        plain = self.normaliser.plain(text)
        probes, present = self.matcher.probes(plain.text)
        if not probes:
            return []
        asked = "\n".join(speech.asked)
        message = Message(plain, self.normaliser.plain(asked).text if asked else "")
        readings = [
            reading
            for reading in self.matcher.readings(message, probes, present)
            if not is_quoted(reading, plain, speech.quoted, base)
        ]
        if not readings:
            return []
        attachments = Attachments(message, local_time(speech.sent_at), self.money)
        readings = settle(complete(readings, message, attachments, self.rules.words), message)
        facts = [_fact(reading, message, base, self.rules.likely) for reading in readings]
        return sorted(facts, key=lambda fact: -fact.confidence)


def _fact(reading: Reading, message: Message, base: int, likely: Likely | None) -> Fact:
    start, end = message.around(*reading.clauses)
    start = min([start, *(span[0] for span in reading.spans)])
    end = max([end, *(span[1] for span in reading.spans)])
    frame, confidence = reading.frame, reading.frame.confidence
    if likely and likely.holds_back(frame.id, frame.type, message.text, start, end):
        confidence = min(confidence, HELD_BACK)
    start, end = message.plain.span(start, end)
    return Fact(
        frame.type,
        reading.value,
        Evidence(start + base, end + base, message.plain.original[start:end]),
        confidence,
        frame.id,
        frame.version,
    )


def is_quoted(
    reading: Reading, plain: Plain, quoted: tuple[tuple[int, int], ...], base: int
) -> bool:
    """Whether a reading stands in somebody else's words."""
    for span in _QUOTES.finditer(plain.text):
        if span.start() <= reading.start and reading.end <= span.end():
            return True
    if not quoted:
        return False
    start, end = plain.span(reading.start, reading.end)
    return any(start + base < stop and first < end + base for first, stop in quoted)


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = min(start + _CHUNK, len(text))
        if end < len(text):
            cut = max(text.rfind(mark, start + _CHUNK // 2, end) for mark in (*BREAKS, "，", "！"))
            end = cut + 1 if cut > 0 else end
        yield start, end
        start = end


def local_time(moment: datetime) -> datetime:
    """Shanghai wall time; a naive time is one already."""
    return moment.astimezone(_SHANGHAI) if moment.tzinfo else moment


def _where(plain: Plain, start: int, end: int, base: int) -> dict[str, Any]:
    start, end = plain.span(start, end)
    return {"start": start + base, "end": end + base, "text": plain.original[start:end]}


def _date_expressions(plain: Plain, local: datetime, base: int) -> Iterator[dict[str, Any]]:
    for when in dates.find(plain.text, local):
        if when.ranges:
            ranges = [[_iso(start), _iso(stop)] for start, stop in when.ranges]
            yield {"kind": "date", **_where(plain, when.start, when.end, base), "ranges": ranges}


def _iso(moment: datetime | None) -> str | None:
    return moment.replace(tzinfo=None).isoformat() if moment else None


@lru_cache(maxsize=1)
def _shipped() -> Reader:
    return Reader.load(_SHIPPED)


def read(speech: Speech) -> list[Fact]:
    """Read with the rules that the program ships with."""
    return _shipped().read(speech)


__all__ = ["Reader", "read"]
