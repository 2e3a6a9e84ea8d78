"""From a text to readings: which frames match where, and which guards let them stand. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ahocorasick_rs import AhoCorasick

from handlers.reading.patterns import Pattern, captured, expression
from handlers.reading.rules import Frame, Guard, Rules
from handlers.reading.text import Plain

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


class Message:
    """A normalised text with the clauses that the rules look at."""

    def __init__(self, plain: Plain) -> None:
        self.plain = plain
        self.text = plain.text

    @cached_property
    def clauses(self) -> list[tuple[int, int]]:
        """Spans of the clauses."""
        return self.plain.clauses()

    @cached_property
    def _clause_of(self) -> list[int]:
        table, last = [], 0
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


@dataclass(frozen=True)
class _Probe:
    """One pattern of one frame, with the word sets still to be checked."""

    frame: Frame
    pattern: Pattern
    rest: frozenset[int]


class Matcher:
    """All frames behind one keyword automaton."""

    def __init__(self, rules: Rules) -> None:
        self._guards = rules.guards
        self._words = rules.words
        groups: dict[frozenset[str], int] = {}
        self._probes: dict[int, list[_Probe]] = {}
        for frame in rules.frames:
            for pattern in frame.patterns:
                ids = [groups.setdefault(words, len(groups)) for words in pattern.needs]
                first, rest = (ids[0], frozenset(ids[1:])) if ids else (-1, frozenset[int]())
                self._probes.setdefault(first, []).append(_Probe(frame, pattern, rest))
        members: dict[str, set[int]] = {}
        for words, number in groups.items():
            for word in words:
                members.setdefault(word, set()).add(number)
        keywords = sorted(members)
        self._members = [frozenset(members[word]) for word in keywords]
        self._automaton = AhoCorasick(keywords)
        self._always = self._probes.pop(-1, [])
        self._find = self._automaton.find_matches_as_indexes
        self._guard_regexes: dict[int, tuple[re.Pattern[str], re.Pattern[str] | None]] = {}

    def probes(self, text: str) -> list[_Probe]:
        """The patterns whose words all occur; for most lines there are none."""
        hits = self._find(text, overlapping=True)
        if not hits:
            return self._always
        members = self._members
        present = set().union(*[members[hit] for hit in {hit[0] for hit in hits}])
        return self._always + [
            probe
            for group in present & self._probes.keys()
            for probe in self._probes[group]
            if probe.rest <= present
        ]

    def readings(self, message: Message) -> list[Reading]:
        """Everything that some frame reads and no guard takes back."""
        found: list[Reading] = []
        for probe in self.probes(message.text):
            for match in _matches(probe.pattern, message.text):
                reading = _reading(probe, match, message)
                if self._stands(reading, message):
                    found.append(reading)
        return found

    def _stands(self, reading: Reading, message: Message) -> bool:
        frame = reading.frame
        text = message.text
        if frame.near and not any(p.regex.search(text) for p in frame.near):
            return False
        start, end = message.around(*reading.clauses)
        if frame.unless and any(p.regex.search(text, start, end + 1) for p in frame.unless):
            return False
        return not any(
            self._takes_back(guard, reading, message)
            for guard in self._guards
            if frame.type in guard.types and guard.id not in frame.off
        )

    def _takes_back(self, guard: Guard, reading: Reading, message: Message) -> bool:
        pattern, spares = self._guard(guard)
        start, end = message.around(*reading.clauses)
        low, high = _scope(guard.scope, (start, end), reading.end, len(message.text))
        if pattern.search(message.text, low, high) is None:
            return False
        return spares is None or spares.search(message.text, start, end) is None

    def _guard(self, guard: Guard) -> tuple[re.Pattern[str], re.Pattern[str] | None]:
        key = id(guard)
        if key not in self._guard_regexes:
            self._guard_regexes[key] = (
                self._union(guard.patterns),
                self._union(guard.spares) if guard.spares else None,
            )
        return self._guard_regexes[key]

    def _union(self, patterns: tuple[Pattern, ...]) -> re.Pattern[str]:
        return re.compile("|".join(expression(p.source, self._words) for p in patterns))


def _scope(scope: str, clause: tuple[int, int], end: int, length: int) -> tuple[int, int]:
    start, stop = clause
    if scope == "lead":
        return start, end
    if scope == "clause":
        return start, min(stop + 1, length)
    if scope == "before":
        return 0, end
    if scope == "head":
        return 0, min(60, length)
    return 0, length


def _matches(pattern: Pattern, text: str) -> Iterator[re.Match[str]]:
    for count, match in enumerate(pattern.regex.finditer(text)):
        if count >= _MOST_MATCHES:
            return
        if match.end() > match.start():
            yield match


def _reading(probe: _Probe, match: re.Match[str], message: Message) -> Reading:
    value = dict(probe.frame.value)
    for key, name in probe.pattern.keys.items():
        word = captured(match, key)
        if word is not None:
            value[key] = probe.pattern.words[name][word] if name in probe.pattern.words else word
    start, end = match.span()
    clauses = message.clause_at(start), message.clause_at(end - 1)
    return Reading(probe.frame, start, end, value, clauses)
