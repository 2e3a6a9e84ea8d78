"""From a text to readings: which frames match where, and which guards let them stand. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

from ahocorasick_rs import AhoCorasick

from bot.facts import FactType
from handlers.reading.patterns import Pattern, Words, captured, compiled
from handlers.reading.rules import Frame, Guard, Rules
from handlers.reading.text import Plain

_DIGITS = frozenset("0123456789一二两三四五六七八九十百千万几半")
"""Where none stands there is no sum."""
_ANSWER = 24
"""Characters of a message that may lean on the question before it."""
_DENIAL = "negation"
_CORRECTION = re.compile(r"不是[^ ,。!?;、]{1,10}[ ,;、]{0,2}(?:而)?是(?![吗么的不])")
"""不是6月,是7月: the matter stands, only its date is another."""
_MOST_MATCHES = 4
"""Matches of one pattern in one message; more is a list or a forward."""


@dataclass
class Reading:
    """One match of a frame, before its dates and sums are found."""

    frame: Frame
    start: int
    end: int
    value: dict[str, Any]
    clauses: tuple[int, int]
    """First and last clause of the match."""
    spans: list[tuple[int, int]] = field(default_factory=list)
    """What else it was read from: its dates and sums."""
    has_sum: bool = False
    """A sum was found for it, in whatever currency."""
    owns_sum: bool = False
    """The sum stands in the reading's own clauses."""
    caught: dict[str, Any] = field(default_factory=dict)
    """What the pattern itself gave, before anything was added."""


class Message:
    """A normalised text with the clauses that the rules look at."""

    def __init__(self, plain: Plain, context: str = "") -> None:
        self.plain = plain
        self.context = context
        self.text = plain.text
        self._seen: dict[tuple[int, int, int], bool] = {}

    def has(self, pattern: re.Pattern[str], low: int, high: int) -> bool:
        """Whether a guard's words stand in a part of the text; many readings ask the same."""
        key = (id(pattern), low, high)
        known = self._seen.get(key)
        if known is None:
            known = self._seen[key] = pattern.search(self.text, low, high) is not None
        return known

    @cached_property
    def clauses(self) -> list[tuple[int, int]]:
        """Spans of the clauses."""
        return self.plain.clauses()

    def corrects(self, low: int, high: int) -> bool:
        """Whether what looks like a denial in a part of the text is a correction."""
        found = _CORRECTION.search(self.text, low)
        return found is not None and found.start() <= high

    @cached_property
    def _clause_of(self) -> list[int]:
        table: list[int] = []
        last = 0
        for index, (start, end) in enumerate(self.clauses):
            table.extend([last] * (start - len(table)))
            table.extend([index] * (end - start))
            last = index
        table.extend([last] * (len(self.text) + 1 - len(table)))
        return table

    def clause_at(self, position: int) -> int:
        """The number of the clause that holds a character."""
        return self._clause_of[position]

    def around(self, first: int, last: int) -> tuple[int, int]:
        """From the start of one clause to the end of another."""
        return self.clauses[first][0], self.clauses[last][1]


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """One pattern of one frame."""

    frame: Frame
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class _Keyword:
    """What one word of the automaton stands for: its sets, and the probes it may start."""

    sets: int
    probes: tuple[Probe, ...]


@dataclass(frozen=True, eq=False)
class Veto:
    """A guard, ready to run; ``masks`` say when its words may stand in a text at all.

    Its expressions are compiled when first asked for: all of them cost a start 0.2 s.
    """

    guard: Guard
    words: Words
    masks: tuple[int, ...]

    @property
    def id(self) -> str:
        """The guard's name."""
        return self.guard.id

    @property
    def scope(self) -> str:
        """Where its words count."""
        return self.guard.scope

    @property
    def types(self) -> frozenset[FactType]:
        """What it takes back."""
        return self.guard.types

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """All its words in one expression."""
        return _union(self.guard.patterns, self.words)

    @cached_property
    def spares(self) -> re.Pattern[str] | None:
        """What lifts it, in one expression."""
        return _union(self.guard.spares, self.words) if self.guard.spares else None


class Matcher:
    """All frames and guards behind one keyword automaton.

    Word sets are bits of an integer, and every pattern knows the bits it needs: an AND tells
    without a search that it cannot match. With Python sets and plain searches a message with
    facts took three times as long.
    """

    def __init__(self, rules: Rules) -> None:
        self._sets: dict[frozenset[str], int] = {}
        self._always: list[Probe] = []
        started: dict[frozenset[str], list[Probe]] = {}
        for frame in rules.frames:
            for pattern in frame.patterns:
                probe = Probe(frame, pattern)
                start = started.setdefault(pattern.needs[0], []) if pattern.needs else self._always
                start.append(probe)
            for pattern in (*frame.patterns, *frame.near, *frame.unless, *frame.never):
                pattern.mask = self._mask(pattern)
            if frame.need == {"amount"}:
                digits = self._sets.setdefault(_DIGITS, 1 << len(self._sets))
                for pattern in frame.patterns:
                    pattern.mask |= digits
        self._vetoes = [self._veto(guard, rules.words) for guard in rules.guards]
        members: dict[str, list[frozenset[str]]] = {}
        for words in self._sets:
            for word in words:
                members.setdefault(word, []).append(words)
        keywords = sorted(members)
        self._keywords = [_keyword(members[word], self._sets, started) for word in keywords]
        self._find = AhoCorasick(keywords).find_matches_as_indexes

    def _mask(self, pattern: Pattern) -> int:
        mask = 0
        for words in pattern.needs:
            mask |= self._sets.setdefault(words, 1 << len(self._sets))
        return mask

    def _veto(self, guard: Guard, words: Words) -> Veto:
        return Veto(guard, words, tuple(self._mask(pattern) for pattern in guard.patterns))

    def probes(self, text: str) -> tuple[list[Probe], int]:
        """The patterns whose words all occur (for most lines none), and the word sets found."""
        keywords = self._keywords
        present = 0
        candidates: list[Probe] = []
        for hit in {hit[0] for hit in self._find(text, overlapping=True)}:
            keyword = keywords[hit]
            present |= keyword.sets
            if keyword.probes:
                candidates.extend(keyword.probes)
        found = [p for p in candidates if p.pattern.mask & present == p.pattern.mask]
        if self._always:
            found.extend(self._always)
        return (list(dict.fromkeys(found)) if len(found) > 1 else found), present

    def matches(self, message: Message, probes: list[Probe]) -> list[Reading]:
        """Every match of a pattern, before anything is asked about it."""
        found = [
            (probe, match) for probe in probes for match in _matches(probe.pattern, message.text)
        ]
        if not found or not message.clauses:
            return []
        return [_reading(probe, match, message) for probe, match in found]

    def vetoes(self, present: int) -> list[Veto]:
        """The guards whose words occur."""
        return [v for v in self._vetoes if any(mask & present == mask for mask in v.masks)]

    def readings(self, message: Message, probes: list[Probe], present: int) -> list[Reading]:
        """Everything that some frame reads and no guard takes back."""
        found = self.matches(message, probes)
        standing = [reading for reading in found if not unmet(reading, message, present)]
        if not standing:
            return standing
        vetoes = self.vetoes(present)
        return [r for r in standing if not any(takes_back(v, r, message) for v in vetoes)]


def unmet(reading: Reading, message: Message, present: int) -> str:
    """The frame's own condition that fails, ``near``, ``never`` or ``unless``; "" for none."""
    frame = reading.frame
    whole = (0, len(message.text))
    if frame.near and not (_any(frame.near, message, whole, present) or _answers(frame, message)):
        return "near"
    if _any(frame.never, message, whole, present):
        return "never"
    start, end = message.around(*reading.clauses)
    return "unless" if _any(frame.unless, message, (start, end + 1), present) else ""


def _any(
    patterns: tuple[Pattern, ...], message: Message, span: tuple[int, int], present: int
) -> bool:
    return any(
        message.has(pattern.regex, *span)
        for pattern in patterns
        if pattern.mask & present == pattern.mask
    )


def _answers(frame: Frame, message: Message) -> bool:
    """A short answer to staff: what it is about stands in their question."""
    return (
        bool(message.context)
        and len(message.text) <= _ANSWER
        and any(pattern.regex.search(message.context) for pattern in frame.near)
    )


def takes_back(veto: Veto, reading: Reading, message: Message) -> bool:
    """Whether a guard's words stand where it looks, and nothing spares the reading."""
    frame = reading.frame
    if frame.type not in veto.types or veto.id in frame.off:
        return False
    start, end = message.around(*reading.clauses)
    low, high = scope_of(veto, reading, message)
    if not message.has(veto.regex, low, high):
        return False
    if veto.id == _DENIAL and message.corrects(low, high):
        return False
    return veto.spares is None or not message.has(veto.spares, start, end)


def _union(patterns: tuple[Pattern, ...], words: Words) -> re.Pattern[str]:
    return compiled((pattern.source for pattern in patterns), words)


def scope_of(veto: Veto, reading: Reading, message: Message) -> tuple[int, int]:
    """The part of the message at which a guard looks for a reading."""
    start, stop = message.around(*reading.clauses)
    scope, end, length = veto.scope, reading.end, len(message.text)
    if scope == "lead":
        return start, end
    if scope == "clause":
        return start, min(stop + 1, length)
    if scope == "before":
        return 0, min(stop + 1, length)
    if scope == "head":
        return 0, min(60, length)
    return 0, length


def _keyword(
    members: list[frozenset[str]],
    sets: dict[frozenset[str], int],
    started: dict[frozenset[str], list[Probe]],
) -> _Keyword:
    bits = 0
    probes: list[Probe] = []
    for words in members:
        bits |= sets[words]
        probes.extend(started.get(words, ()))
    return _Keyword(bits, tuple(probes))


def _matches(pattern: Pattern, text: str) -> list[re.Match[str]]:
    found = pattern.regex.search(text)
    if found is None:
        return []
    matches = islice(pattern.regex.finditer(text), _MOST_MATCHES)
    return [match for match in matches if match.end() > match.start()]


def _reading(probe: Probe, match: re.Match[str], message: Message) -> Reading:
    value = dict(probe.frame.value)
    for key, name in probe.pattern.keys.items():
        word = captured(match, key)
        if word is not None:
            value[key] = probe.pattern.words.get(name, {}).get(word, word)
    start, end = match.span()
    clauses = message.clause_at(start), message.clause_at(end - 1)
    return Reading(probe.frame, start, end, value, clauses, caught=dict(value))
