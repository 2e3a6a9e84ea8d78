"""Learns from labelled talk how likely words tell a fact of a type; see ``likely``. Pure.

Logistic regression by small steps. The examples of the rules are learnt too, each for the type
of its rule. The same lines give the same file.
"""

from __future__ import annotations

import base64
import json
import math
import random
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from bot.facts import FactType
from handlers.reading.likely import FORMAT, pieces, share
from handlers.reading.rules import Rules
from handlers.reading.text import Normaliser

BELOW = 0.015
"""Less likely readings wait; on talk that was not learnt from nine in ten of them were wrong."""
BELOW_STRICT = 0.05
"""For types that must be right when they are read: money and refusals."""
_STRICT = frozenset(
    {
        FactType.OPT_OUT,
        FactType.OTHER_BANK,
        FactType.MATURITY,
        FactType.INFLOW,
        FactType.OUTFLOW,
    }
)
_LINES_AT_LEAST = 3
_ROUNDS = 12
_RATE = 8.0
_SLOWER = 0.3
_SHRINK = 0.0002
_SETTLED = 0.002
_MOST = 127
_DIGITS = 6


class Row(NamedTuple):
    """One line: the places of its pieces, what each counts for, and whether it tells the type."""

    known: tuple[int, ...]
    each: float
    told: bool


def learnt(lines: Iterable[Mapping[str, Any]], rules: Rules) -> str:
    """The text of the file.

    Args:
        lines: ``{"text", "facts"}``, labelled whole.
        rules: Their examples are learnt, and they are what is checked.
    """
    normaliser = Normaliser(rules.simplified, rules.dialect)

    def found(text: str) -> set[str]:
        return pieces(normaliser.plain(text).text)

    said = [(found(line["text"]), {fact["type"] for fact in line["facts"]}) for line in lines]
    shown = [(found(text), frame.type) for frame in rules.frames for text in frame.examples]
    counts = Counter(piece for has, _ in (*said, *shown) for piece in has)
    known = sorted(piece for piece, count in counts.items() if count >= _LINES_AT_LEAST)
    places = {piece: at for at, piece in enumerate(known)}
    plain = [_row(has, places) for has, _ in said]
    types = {}
    for kind in sorted({kind for _, told in said for kind in told}):
        rows = [row._replace(told=kind in told) for row, (_, told) in zip(plain, said, strict=True)]
        rows += [_row(has, places) for has, of in shown if of == kind]
        types[kind] = _packed(kind, *fit(rows, len(known)))
    told = {
        "format": FORMAT,
        "frames": sorted(frame.id for frame in rules.frames),
        "pieces": "\n".join(known),
        "types": types,
    }
    return json.dumps(told, ensure_ascii=False, indent=1) + "\n"


def _row(has: set[str], places: Mapping[str, int]) -> Row:
    known = tuple(sorted(places[piece] for piece in has if piece in places))
    return Row(known, 1 / math.sqrt(len(known) or 1), told=True)


def fit(rows: Sequence[Row], size: int) -> tuple[float, list[float]]:
    """The bias and a weight for each of ``size`` pieces."""
    bias, weights = 0.0, [0.0] * size
    order = list(rows)
    shuffle = random.Random(1).shuffle  # noqa: S311  # the order of learning, no secret
    for turn in range(_ROUNDS):
        rate = _RATE / (1 + _SLOWER * turn)
        shuffle(order)
        for known, each, told in order:
            sure = share(bias + each * sum(map(weights.__getitem__, known)))
            off = told - sure
            if abs(off) < _SETTLED:
                continue
            bias += 0.1 * rate * off
            for at in known:
                weights[at] += rate * off * each
        weights = [weight * (1 - _SHRINK * rate) for weight in weights]
    return bias, weights


def _packed(kind: str, bias: float, weights: Sequence[float]) -> dict[str, Any]:
    step = round(max(map(abs, weights), default=0.0) / _MOST, _DIGITS) or 1.0
    small = array("b", (max(-_MOST, min(_MOST, round(weight / step))) for weight in weights))
    return {
        "below": BELOW_STRICT if kind in _STRICT else BELOW,
        "bias": round(bias, _DIGITS),
        "step": step,
        "weights": base64.b64encode(small.tobytes()).decode(),
    }
