"""How likely words tell a fact of a type, as labelled talk taught: a check of what rules read.

One linear model a type over the pieces of one to three characters around a reading. It never
reads anything by itself: a reading of a type that such words hardly ever tell waits for a person.
Only rules that were there when it was learnt are checked, never those that a branch adds. Pure.
"""

from __future__ import annotations

import base64
import json
import math
import re
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.errors import Invalid
from bot.facts import FactType
from bot.yamlfile import read_text

FILE = "likely.json"
"""Beside the folders of the rules; without it nothing is checked."""
HELD_BACK = 0.5
"""The confidence of a reading that is held back: under the threshold."""
FORMAT = 1
_LONGEST = 3
_AROUND = 40
_USUAL = 30
"""Of a hundred lines that were learnt three are longer."""
_FEW = 5
"""Shorter lines tell too little to judge, and some are codes: 0000 refuses."""
_NAMED = 3
_NUMBER = re.compile(r"\d+|[零一二两三四五六七八九十百千万亿]{2,}")
_BREAKS = re.compile(r"[\s,。;、…~()【】|]+")


@dataclass(frozen=True, slots=True)
class Weights:
    """What was learnt about one type.

    Attributes:
        below: Less likely readings wait for a person.
        pieces: A weight for each piece, in units of ``step``.
    """

    below: float
    bias: float
    step: float
    pieces: array[int] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Likely:
    """All that was learnt, ready to check.

    Attributes:
        frames: Ids of the rules that are checked.
        places: Where the weight of every known piece stands.
    """

    frames: frozenset[str] = field(repr=False)
    places: Mapping[str, int] = field(repr=False)
    types: Mapping[str, Weights] = field(repr=False)

    def holds_back(self, rule: str, kind: str, text: str, start: int, end: int) -> bool:
        """Whether a reading by a rule is too unlikely to act on; its span of normalised text.

        In a line of the usual length all words count. What stands in a longer one, or beside it,
        may speak of other matters: there the reading's own clauses are enough to let it pass.
        """
        learnt = self.types.get(kind)
        first, last = line_of(text, start, end)
        if learnt is None or rule not in self.frames or last - first < _FEW:
            return False
        if self.share(kind, text[first:last]) >= learnt.below:
            return False
        return last - first <= _USUAL or self.share(kind, text[start:end]) < learnt.below

    def share(self, kind: str, words: str) -> float:
        """How likely normalised words tell a fact of a type that was learnt, 0 to 1."""
        learnt, places = self.types[kind], self.places
        known = [places[piece] for piece in pieces(words) if piece in places]
        weight = learnt.step * sum(map(learnt.pieces.__getitem__, known))
        return share(learnt.bias + weight / math.sqrt(len(known) or 1))

    def against(self, kind: str, words: str) -> list[str]:
        """The pieces that speak most against a type, three at most, none inside another."""
        weights, told = self.types[kind].pieces, list[str]()
        known = {piece: weights[self.places[piece]] for piece in pieces(words) & self.places.keys()}
        for piece in sorted(known, key=lambda each: (known[each], each)):
            plain = piece.strip("^$ ")
            if len(plain) < 2 or known[piece] >= 0 or len(told) == _NAMED:
                continue
            if not any(plain in other or other in plain for other in told):
                told.append(plain)
        return told


def share(log_odds: float) -> float:
    """Log odds as a share, 0 to 1."""
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, log_odds))))


def line_of(text: str, start: int, end: int) -> tuple[int, int]:
    """The line of a reading, of a long one what stands beside it."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", end)
    return max(first, start - _AROUND), min(len(text) if last < 0 else last, end + _AROUND)


def pieces(words: str) -> set[str]:
    """What normalised words are known by; every number is the same, and so is every break."""
    plain = f"^{_BREAKS.sub(' ', _NUMBER.sub('0', words)).strip()}$"
    sizes = range(1, _LONGEST + 1)
    return {plain[at : at + size] for size in sizes for at in range(len(plain) - size + 1)}


def load(folder: Path) -> Likely | None:
    """What ``learning`` wrote into a config folder; None when it is not there.

    Raises:
        Invalid: The file is something else.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return _unpacked(json.loads(read_text(path)))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise Invalid(
            f"{FILE} 读不懂,请恢复随产品提供的文件;删去它则不再核对读法是否可能"
        ) from None


def _unpacked(told: Mapping[str, Any]) -> Likely:
    if told["format"] != FORMAT:
        raise ValueError(FORMAT)
    known = told["pieces"].split("\n")
    types = {FactType(kind).value: _weights(one) for kind, one in told["types"].items()}
    if any(len(one.pieces) != len(known) for one in types.values()):
        raise ValueError(len(known))
    return Likely(frozenset(told["frames"]), {each: at for at, each in enumerate(known)}, types)


def _weights(one: Mapping[str, Any]) -> Weights:
    below = float(one["below"])
    if not 0 <= below <= 1:
        raise ValueError(below)
    weights = array("b", base64.b64decode(one["weights"], validate=True))
    return Weights(below, float(one["bias"]), float(one["step"]), weights)
