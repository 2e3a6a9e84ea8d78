"""How well facts were read: what was read against what a person says is there. Pure.

A fact is right when its type is that of a wanted one and every key that the wanted one gives
is equal (for ``trade``, ``source`` and ``purpose`` one text holds the other). A key that only
the reading has costs the fact when it is a sum, a date or a number of people. One reading is
right for one wanted fact, and as many as possible are paired.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Facts = Sequence[Mapping[str, Any]]
"""``{"type", "value"}`` each."""
_FREE_WORDS = frozenset({"trade", "source", "purpose"})
_COSTLY = frozenset({"amount", "date_from", "date_to", "count"})
_DATES = ("date_from", "date_to")


@dataclass(frozen=True, slots=True)
class Line:
    """One message with the facts that are in it and those that were read from it."""

    id: Any
    text: str
    wanted: Facts
    read: Facts


@dataclass(frozen=True, slots=True)
class Rate:
    """Right ones of those read and of those wanted; None where there is nothing to divide by."""

    right: int = 0
    read: int = 0
    wanted: int = 0

    @property
    def precision(self) -> float | None:
        """How much of what was read is right."""
        return self.right / self.read if self.read else None

    @property
    def recall(self) -> float | None:
        """How much of what is there was read."""
        return self.right / self.wanted if self.wanted else None

    @property
    def f1(self) -> float | None:
        """Both in one figure."""
        both = self.read + self.wanted
        return 2 * self.right / both if both else None

    def __add__(self, other: Rate) -> Rate:
        return Rate(self.right + other.right, self.read + other.read, self.wanted + other.wanted)


class Share(NamedTuple):
    """So many right of so many."""

    right: int = 0
    of: int = 0

    @property
    def value(self) -> float | None:
        """As a share; None of nothing."""
        return self.right / self.of if self.of else None


class Wrong(NamedTuple):
    """One mistake: ``missing`` has no ``read``, ``false`` no ``wanted``, ``value`` has both."""

    kind: str
    id: Any
    text: str
    wanted: Mapping[str, Any] | None
    read: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Score:
    """The figures of some messages.

    Attributes:
        dates: Of the wanted facts with dates that have a partner of their type: both ends equal.
        amounts: The same of sums.
        false_on_empty: Facts read from messages without any; ``empty`` is how many these are.
    """

    types: Mapping[str, Rate]
    dates: Share
    amounts: Share
    messages: int
    empty: int
    false_on_empty: int
    wrong: tuple[Wrong, ...]

    @property
    def micro(self) -> Rate:
        """All types together."""
        return sum(self.types.values(), Rate())

    @property
    def false_per_100_empty(self) -> float | None:
        """Facts read from a hundred messages without any; None without such messages."""
        return 100 * self.false_on_empty / self.empty if self.empty else None


def score(lines: Iterable[Line]) -> Score:
    """Compare what was read with what is there."""
    types: dict[str, Rate] = {}
    dates = amounts = Share()
    messages = empty = false_on_empty = 0
    wrong: list[Wrong] = []
    for line in lines:
        messages += 1
        pairs = _paired(line.wanted, line.read)
        for fact in line.wanted:
            _count(types, fact, Rate(wanted=1))
        for fact in line.read:
            _count(types, fact, Rate(read=1))
        for place in pairs:
            _count(types, line.wanted[place], Rate(right=1))
        if not line.wanted:
            empty += 1
            false_on_empty += len(line.read)
        beside = _beside(line.wanted, line.read, pairs)
        for place, partner in (pairs | beside).items():
            there, read = _value(line.wanted[place]), _value(line.read[partner])
            dates = _judged(dates, there, read, _DATES)
            amounts = _judged(amounts, there, read, ("amount",))
        wrong.extend(_mistakes(line, pairs, beside))
    return Score(
        dict(sorted(types.items())), dates, amounts, messages, empty, false_on_empty, tuple(wrong)
    )


def _count(types: dict[str, Rate], fact: Mapping[str, Any], one: Rate) -> None:
    name = str(fact.get("type"))
    types[name] = types.get(name, Rate()) + one


def _judged(
    so_far: Share, there: Mapping[str, Any], read: Mapping[str, Any], keys: tuple[str, ...]
) -> Share:
    if not any(key in there for key in keys):
        return so_far
    right = all(
        (key in there) == (key in read) and (key not in there or _equal(key, there[key], read[key]))
        for key in keys
    )
    return Share(so_far.right + right, so_far.of + 1)


def _mistakes(line: Line, pairs: dict[int, int], beside: dict[int, int]) -> Iterator[Wrong]:
    met = pairs | beside
    for place, fact in enumerate(line.wanted):
        if place in beside:
            yield Wrong("value", line.id, line.text, fact, line.read[beside[place]])
        elif place not in pairs:
            yield Wrong("missing", line.id, line.text, fact, None)
    for place, fact in enumerate(line.read):
        if place not in met.values():
            yield Wrong("false", line.id, line.text, None, fact)


# -- one fact against another


def _value(fact: Mapping[str, Any]) -> dict[str, Any]:
    """What a fact gives; a null is an absent key."""
    return {key: item for key, item in (fact.get("value") or {}).items() if item is not None}


def _equal(key: str, one: Any, other: Any) -> bool:
    if key in _FREE_WORDS:
        first, second = str(one).strip(), str(other).strip()
        return bool(first and second) and (first in second or second in first)
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=0, abs_tol=1e-9)
    return type(one) is type(other) and bool(one == other)


def is_right(wanted: Mapping[str, Any], read: Mapping[str, Any]) -> bool:
    """Whether a fact that was read is the one that is wanted."""
    there, found = _value(wanted), _value(read)
    return (
        wanted.get("type") == read.get("type")
        and all(key in found and _equal(key, item, found[key]) for key, item in there.items())
        and not (found.keys() - there.keys()) & _COSTLY
    )


def _paired(wanted: Facts, read: Facts) -> dict[int, int]:
    """Places of right readings by those of the wanted facts, as many as there can be."""
    fits = [[at for at, fact in enumerate(read) if is_right(want, fact)] for want in wanted]
    holder: dict[int, int] = {}

    def settle(place: int, asked: set[int]) -> bool:
        """Take a free reading, or one whose holder can take another."""
        for at in fits[place]:
            if at in asked:
                continue
            asked.add(at)
            if at not in holder or settle(holder[at], asked):
                holder[at] = place
                return True
        return False

    for place in range(len(wanted)):
        settle(place, set())
    return {place: at for at, place in holder.items()}


def _beside(wanted: Facts, read: Facts, pairs: dict[int, int]) -> dict[int, int]:
    """Of what is left, facts of one type side by side, those that agree in most keys first."""
    ranked = sorted(
        (-_agreeing(want, fact), place, at)
        for place, want in enumerate(wanted)
        for at, fact in enumerate(read)
        if place not in pairs and at not in pairs.values() and want.get("type") == fact.get("type")
    )
    beside: dict[int, int] = {}
    for _, place, at in ranked:
        if place not in beside and at not in beside.values():
            beside[place] = at
    return beside


def _agreeing(wanted: Mapping[str, Any], read: Mapping[str, Any]) -> int:
    found = _value(read)
    return sum(
        key in found and _equal(key, item, found[key]) for key, item in _value(wanted).items()
    )
