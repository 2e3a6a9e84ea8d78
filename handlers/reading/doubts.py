"""A small linear model that doubts readings: learnt from what people said about them. Pure.

One logistic regression a fact type over hashed pieces of one to three characters. It can do one
thing: take a reading that it is sure is wrong below the threshold, so that a person looks. It
never reads anything by itself. The same examples give the same weights, to the last digit.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from zlib import crc32

from bot.errors import Invalid
from bot.facts import Fact, FactType, Speech
from handlers.reading.scoring import is_right

DOUBTED = 0.5
"""The confidence of a doubted reading: under the threshold, so it waits for a person."""
NEVER = frozenset({FactType.OPT_OUT, FactType.COMPLAINT})
"""A refusal and a complaint act without a person, whatever anybody thinks of the reading."""
_FORMAT = 1
_BUCKETS = 1 << 16
_LONGEST = 3
_AROUND = 60
_EPOCHS = 40
_SHRINK = 0.002
_DIGITS = 4
_FOLDS = 5
_NUMBER = re.compile(r"\d+|[零一二两三四五六七八九十百千万亿]{2,}")
Read = Callable[[Speech], list[Fact]]


@dataclass(frozen=True, slots=True, order=True)
class Example:
    """One reading that people decided on.

    Attributes:
        line: Id of the message; its examples are learnt from or tested on together.
        on: The ISO day of the message.
        pieces: The features with their weights, by bucket.
    """

    line: str
    on: str
    type: str
    rule: str
    right: bool
    pieces: tuple[tuple[int, float], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Weights:
    """What was learnt about one type of fact."""

    bias: float
    pieces: Mapping[int, float]

    def wrong(self, pieces: Iterable[tuple[int, float]]) -> float:
        """How sure it is that a reading is wrong, 0 to 1."""
        known = self.pieces
        return _share(self.bias + sum(known.get(at, 0.0) * much for at, much in pieces))


@dataclass(frozen=True, slots=True)
class Effect:
    """What doubting does to readings that were not learnt from (five folds).

    Attributes:
        caught: Wrong readings that would wait for a person.
        misdoubted: Right ones that would.
    """

    right: int
    wrong: int
    caught: int
    misdoubted: int

    @property
    def useful(self) -> bool:
        """It catches more than it holds up."""
        return self.caught > self.misdoubted


@dataclass(frozen=True)
class Doubts:
    """All that was learnt, ready to doubt.

    Attributes:
        at_least: How sure it must be.
        version: Of the weights; a doubted fact carries it behind the version of its rule.
    """

    types: Mapping[str, Weights]
    at_least: float
    version: str

    def doubting(self, read: Read) -> Read:
        """The same reader, with doubt."""

        def doubtful(speech: Speech) -> list[Fact]:
            facts = [self._doubted(fact, speech.text) for fact in read(speech)]
            return sorted(facts, key=lambda fact: -fact.confidence)

        return doubtful

    def _doubted(self, fact: Fact, text: str) -> Fact:
        learnt = self.types.get(fact.type)
        if learnt is None or not fact.settled or fact.type in NEVER:
            return fact
        if learnt.wrong(pieces_of(fact, text)) < self.at_least:
            return fact
        return replace(fact, confidence=DOUBTED, version=f"{fact.version}+{self.version}")


# -- the file


def pack(types: Mapping[str, Weights], until: str) -> str:
    """What was learnt as the text of a file; ``until`` is the day of the newest example."""
    told = {
        "format": _FORMAT,
        "until": until,
        "types": {
            kind: {"bias": one.bias, "pieces": {str(at): each for at, each in one.pieces.items()}}
            for kind, one in sorted(types.items())
        },
    }
    return json.dumps(told, separators=(",", ":")) + "\n"


def unpack(text: str, at_least: float) -> tuple[Doubts, date]:
    """What ``pack`` wrote, and the day of the newest example.

    Raises:
        Invalid: It is something else.
    """
    try:
        told = json.loads(text)
        if told["format"] != _FORMAT:
            raise Invalid("学来的文件是另一个版本的,请重新运行 qunguan rules train")
        types = {
            kind: Weights(
                float(one["bias"]), {int(at): float(each) for at, each in one["pieces"].items()}
            )
            for kind, one in told["types"].items()
        }
        until = date.fromisoformat(told["until"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Invalid("学来的文件读不懂,请重新运行 qunguan rules train") from None
    return Doubts(types, at_least, hashlib.sha256(text.encode()).hexdigest()[:8]), until


# -- examples


def examples_of(lines: Iterable[Mapping[str, Any]], read: Read) -> Iterator[Example]:
    """What the rules read now on labelled lines, and whether people say that it is right.

    Args:
        lines: ``{"id", "sent_at", "text", "facts"}``; with ``rejected`` only what people decided
            on counts, without it the line is labelled whole.
        read: The rules.
    """
    for line in lines:
        at = datetime.fromisoformat(line["sent_at"])
        for fact in read(Speech(line["text"], at)):
            if not fact.settled or fact.type in NEVER:
                continue
            right = _verdict(line, {"type": fact.type.value, "value": fact.value})
            if right is not None:
                pieces = pieces_of(fact, line["text"])
                day = at.date().isoformat()
                yield Example(str(line["id"]), day, fact.type.value, fact.rule, right, pieces)


def _verdict(line: Mapping[str, Any], read: Mapping[str, Any]) -> bool | None:
    """Right, wrong, or None when nobody decided."""
    same = [each for each in line["facts"] if each["type"] == read["type"]]
    fits = [each for each in same if is_right(each, read)]
    if any(each.get("verdict") != "unjudged" for each in fits):
        return True
    if "rejected" not in line:
        return False
    put_right = any(each.get("verdict") == "changed" for each in same)
    turned_down = any(is_right(each, read) for each in line["rejected"])
    return False if not fits and (put_right or turned_down) else None


def pieces_of(fact: Fact, text: str) -> tuple[tuple[int, float], ...]:
    """A reading as features: its words, the line around it, its rule; of length one."""
    found: dict[int, int] = {_bucket("r", fact.rule): 1}
    where = fact.evidence
    around = text[max(0, where.start - _AROUND) : where.end + _AROUND]
    for kind, words in (("e", where.text), ("t", around)):
        plain = f"^{_NUMBER.sub('0', words.lower())}$"
        for size in range(1, _LONGEST + 1):
            for start in range(len(plain) - size + 1):
                at = _bucket(kind, plain[start : start + size])
                found[at] = 1
    length = math.sqrt(len(found))
    return tuple((at, 1 / length) for at in sorted(found))


def _bucket(kind: str, piece: str) -> int:
    return crc32(f"{kind}:{piece}".encode()) % _BUCKETS


# -- learning


def learn(examples: Iterable[Example]) -> Weights:
    """Fit one type; the order of the examples does not matter."""
    every = sorted(examples)
    bias, pieces = 0.0, dict.fromkeys((at for one in every for at, _ in one.pieces), 0.0)
    for epoch in range(_EPOCHS):
        rate = 4.0 / (1 + 0.1 * epoch)
        for one in every:
            sure = _share(bias + sum(pieces[at] * much for at, much in one.pieces))
            step = rate * ((not one.right) - sure)
            bias += 0.1 * step
            for at, much in one.pieces:
                pieces[at] += step * much
        for at in pieces:
            pieces[at] *= 1 - _SHRINK * rate
    kept = {at: round(weight, _DIGITS) for at, weight in sorted(pieces.items())}
    return Weights(round(bias, _DIGITS), {at: weight for at, weight in kept.items() if weight})


def try_out(examples: Sequence[Example], at_least: float) -> Effect:
    """Learn on four fifths of the lines and doubt the rest, five times."""
    caught = misdoubted = 0
    for fold in range(_FOLDS):
        learnt = learn(one for one in examples if _fold(one) != fold)
        for one in examples:
            if _fold(one) == fold and learnt.wrong(one.pieces) >= at_least:
                caught += not one.right
                misdoubted += one.right
    right = sum(one.right for one in examples)
    return Effect(right, len(examples) - right, caught, misdoubted)


def _fold(one: Example) -> int:
    return crc32(one.line.encode()) % _FOLDS


def _share(log_odds: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds))))
