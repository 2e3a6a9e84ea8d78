"""Words that call for one fixed act: of fraud, of who answers, of advice. Pure.

The list is data (``config/rules/signals.yaml``). They are no facts: nothing of them is kept.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.model import PRODUCT_KINDS
from bot.yamlfile import Place, Scalar, Section, load_section

FRAUD, MACHINE, ADVICE = "fraud", "machine", "advice"
SIGNALS = (FRAUD, MACHINE, ADVICE)
_ANY_PRODUCT = "wealth"
_CLAUSE = re.compile(r"[^，。；！？,;!?\n]+[，。；！？,;!?\n]*")
_BLANKS = re.compile(r"[ \t\u3000]+")


@dataclass(frozen=True, slots=True)
class Signal:
    """One kind of words; a clause with ``unless`` in it does not count."""

    name: str
    patterns: tuple[re.Pattern[str], ...]
    unless: tuple[re.Pattern[str], ...]
    hit: tuple[str, ...]
    miss: tuple[str, ...]

    def stands_in(self, clause: str) -> bool:
        """Whether a clause says it."""
        return any(each.search(clause) for each in self.patterns) and not any(
            each.search(clause) for each in self.unless
        )


@dataclass(frozen=True, slots=True)
class Signals:
    """All of ``signals.yaml``.

    Attributes:
        kinds: By kind of product the words that name it; advice about anything else is about
            ``wealth``.
        simplified: Traditional to simplified characters, for ``str.translate``.
    """

    signals: tuple[Signal, ...] = ()
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    simplified: Mapping[int, str] = field(default_factory=dict, repr=False)

    @property
    def products(self) -> frozenset[str]:
        """The kinds of product that nobody is advised about without a certificate."""
        return frozenset({_ANY_PRODUCT, *self.kinds})

    def heard(self, text: str) -> tuple[str, ...]:
        """The signals in what somebody wrote, the gravest first."""
        clauses = list(self._clauses(text))
        return tuple(
            each.name for each in self.signals if any(each.stands_in(clause) for clause in clauses)
        )

    def without(self, name: str, text: str) -> str:
        """What else somebody wrote: the clauses that do not hold a signal."""
        signal = next((each for each in self.signals if each.name == name), None)
        if signal is None:
            return text
        return "".join(clause for clause in self._clauses(text) if not signal.stands_in(clause))

    def product(self, text: str) -> str:
        """The kind of product that somebody wants advice about."""
        plain = self._plain(text)
        named = (kind for kind, words in self.kinds.items() if any(each in plain for each in words))
        return next(named, _ANY_PRODUCT)

    def wrong_examples(self) -> list[str]:
        """The signals whose own examples say otherwise; empty is good."""
        return [
            each.name
            for each in self.signals
            if not all(each.name in self.heard(text) for text in each.hit)
            or any(each.name in self.heard(text) for text in each.miss)
        ]

    def _clauses(self, text: str) -> Iterator[str]:
        return (found.group() for found in _CLAUSE.finditer(self._plain(text)))

    def _plain(self, text: str) -> str:
        even = unicodedata.normalize("NFKC", text).translate(self.simplified).lower()
        return _BLANKS.sub("", even)


def load_signals(path: Path, simplified: Mapping[int, str]) -> Signals:
    """Read and check ``signals.yaml``; every signal's own examples are run.

    Args:
        path: The file.
        simplified: Traditional to simplified characters.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    top = load_section(path)
    kinds = top.section("kinds")
    found = Signals(
        tuple(_signal(name, top.section(name)) for name in SIGNALS),
        {kind: _named(kinds, kind) for kind in kinds.keys()},  # noqa: SIM118  # not a dict
        simplified,
    )
    kinds.close()
    top.close()
    for name in found.wrong_examples():
        raise Place(path.name, 1).wrong(f"{name} 的例句(hit、miss)和写法对不上,请核对")
    return found


def _signal(name: str, section: Section) -> Signal:
    found = Signal(
        name,
        patterns=tuple(_regex(each) for each in section.values("any")),
        unless=tuple(_regex(each) for each in section.values("unless")),
        hit=tuple(each.written for each in section.values("hit")),
        miss=tuple(each.written for each in section.values("miss")),
    )
    section.close()
    if not (found.patterns and found.hit and found.miss):
        raise section.wrong("每个信号都要写 any、hit 和 miss")
    return found


def _named(kinds: Section, kind: str) -> tuple[str, ...]:
    if kind not in PRODUCT_KINDS:
        raise kinds.place(kind).wrong(f"不认识 {kind},可用的有:{'、'.join(PRODUCT_KINDS)}")
    return tuple(each.text(20) for each in kinds.values(kind))


def _regex(value: Scalar) -> re.Pattern[str]:
    try:
        return re.compile(value.written)
    except re.error as error:
        raise value.wrong(f"写法 {value.written!r} 有误,请检查括号和转义") from error
