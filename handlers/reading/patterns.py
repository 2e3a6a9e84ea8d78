"""The small language of the reading rules: what a pattern means, and which words it needs.

A pattern is text with these signs: ``(a|b)`` one of, ``?`` maybe, ``*`` up to five times,
``[ab]`` one character, ``{word}`` a word of that lexicon class, ``{word>key}`` the same and keep
it under ``key``, ``{num>key}`` a number, ``{*>key}`` one to five free characters, ``~`` up to six
characters of the same clause (``~9`` up to nine), ``≈`` up to fourteen that may cross a break
(``≈9`` nine), ``^`` and ``$`` the ends of a clause, ``.`` one character of the clause, and the
regular expression's ``(?!…)``, ``(?<!…)``, ``(?=…)``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from bot.errors import Invalid
from handlers.reading.numerals import NUMBER
from handlers.reading.text import BREAKS

_B = re.escape(BREAKS)
_GAP = 6
_WIDE_GAP = 14
_EVERYDAY = frozenset(
    "了的我你他她是有不在就都也一人到来去上下这那个们吗呢吧啊着过给要会好大小没说看"
)
"""Characters that stand in so many lines that looking for them tells nothing."""
_NUMBER_GAP = re.compile(r"\d+")
_SLOT = re.compile(r"\{(?P<name>[a-z_*]+)(?:>(?P<key>[a-z_]+))?\}")
_KEY = re.compile(r"\(\?P<([a-z_]+)>")
_MOST_REPEATS = 5
_QUANTIFIED = re.compile(r"[?*+]")
Words = Mapping[str, Mapping[str, str]]
"""Class → word → what the word stands for."""


class Entries(dict[str, str]):
    """A lexicon class, word → what it stands for, that knows the set of its words."""

    @cached_property
    def words(self) -> frozenset[str]:
        """All words of the class."""
        return frozenset(self)


@dataclass
class Pattern:
    """One pattern: its source, the word sets that a match needs, and its expression."""

    source: str
    words: Words
    needs: tuple[frozenset[str], ...] = ()
    keys: dict[str, str] = field(default_factory=dict)
    """Key → lexicon class of every slot."""
    mask: int = 0
    """A bit for every word set of ``needs``, given by the matcher that holds the pattern."""

    @cached_property
    def regex(self) -> re.Pattern[str]:
        """Compiled when first needed: most patterns are not in most processes.

        Raises:
            Invalid: The expression is none.
        """
        return compiled((self.source,), self.words)


def compile_pattern(source: str, words: Words) -> Pattern:
    """Check a pattern and find what it needs; the expression is compiled later.

    Raises:
        Invalid: the pattern is empty, unbalanced, or names an unknown class.
    """
    keys = {}
    for slot in _SLOT.finditer(source):
        name = slot["name"]
        if name not in {"num", "*"} and name not in words:
            raise Invalid(f"词类「{name}」没有定义")
        if slot["key"]:
            keys[slot["key"]] = name
    if source.count("(") != source.count(")"):
        raise Invalid("括号不成对")
    if not source.strip():
        raise Invalid("规则是空的")
    return Pattern(source, words, _Needs(source, words).read(), keys)


def compiled(sources: Iterable[str], words: Words) -> re.Pattern[str]:
    """One expression for some patterns, of which one must match.

    Raises:
        Invalid: It does not compile.
    """
    written = tuple(sources)
    try:
        return _compiled("|".join(expression(each, words) for each in written))
    except (re.error, OverflowError, RecursionError) as wrong:
        shown = "」或「".join(written)
        raise Invalid(f"「{shown}」写错了({wrong}),请检查括号、? 和 *") from None


@lru_cache(8192)
def _compiled(expression: str) -> re.Pattern[str]:
    """Rules that are loaded again under a running bot are mostly those that it has already."""
    return re.compile(expression)


def expression(source: str, words: Words) -> str:
    """The regular expression of a pattern."""
    out: list[str] = []
    index = 0
    in_class = False
    seen: dict[str, int] = {}
    while index < len(source):
        char = source[index]
        piece, step = (char, 1) if in_class else _translate(source, index, words)
        in_class = (char == "[" or in_class) and char != "]"
        out.append(_KEY.sub(lambda found: _numbered(found, seen), piece))
        index += step
    return "".join(out)


def _numbered(found: re.Match[str], seen: dict[str, int]) -> str:
    """A key may stand in several branches; expressions want distinct names."""
    key = found.group(1)
    seen[key] = seen.get(key, 0) + 1
    return f"(?P<{key}>" if seen[key] == 1 else f"(?P<{key}__{seen[key]}>"


def captured(match: re.Match[str], key: str) -> str | None:
    """What a slot caught, in whichever branch."""
    for name, word in match.groupdict().items():
        if word is not None and (name == key or name.startswith(f"{key}__")):
            return word
    return None


def _translate(  # noqa: PLR0911 - one return for each sign of the language
    source: str, index: int, words: Words
) -> tuple[str, int]:
    char = source[index]
    if char == "\\":
        return source[index : index + 2], 2
    if char in "~≈":
        digits = _NUMBER_GAP.match(source, index + 1)
        most = int(digits.group()) if digits else (_GAP if char == "~" else _WIDE_GAP)
        kind = f"[^{_B}]" if char == "~" else "[^\n]"
        return f"{kind}{{0,{most}}}?", 1 + (len(digits.group()) if digits else 0)
    if char == "{":
        slot = _SLOT.match(source, index)
        if slot:
            return _slot(slot, words), len(slot.group())
    if char == "^":
        return f"(?:(?<=[{_B}])|(?<![\\s\\S]))", 1
    if char == "$":
        return f"(?=[{_B}]|$)", 1
    if char == "*":  # bounded: 给我 is also 给 + 我, and free repetition would be exponential
        return f"{{0,{_MOST_REPEATS}}}", 1
    if char == "(" and source[index + 1 : index + 2] != "?":
        return "(?:", 1
    return (f"[^{_B}]" if char == "." else char), 1


def _slot(slot: re.Match[str], words: Words) -> str:
    name, key = slot["name"], slot["key"]
    if name == "num":
        inner = NUMBER
    elif name == "*":
        inner = f"[^{_B}]{{1,5}}?"
    else:
        inner = alternation(words[name])
    return f"(?P<{key}>{inner})" if key else f"(?:{inner})"


def alternation(words: Mapping[str, str]) -> str:
    """Longest first, so that 邮储银行 wins over 邮储; single characters as one class."""
    ordered = sorted(words, key=lambda word: (-len(word), word))
    singles = "".join(re.escape(word) for word in ordered if len(word) == 1)
    longer = [re.escape(word) for word in ordered if len(word) > 1]
    return "|".join(longer + ([f"[{singles}]"] if singles else []))


class _Needs:
    """Reads from a pattern the sets of words of which a match must contain one each."""

    def __init__(self, source: str, words: Words) -> None:
        self.source, self.words, self.at = source, words, 0

    def read(self) -> tuple[frozenset[str], ...]:
        """The sets, best (rarest) first."""
        return tuple(sorted(set(self._alternatives()), key=_rank))

    def _alternatives(self) -> list[frozenset[str]]:
        """Up to the closing bracket: one branch gives all its sets, several give one union."""
        branches = [self._sequence()]
        while self._peek() == "|":
            self.at += 1
            branches.append(self._sequence())
        if len(branches) == 1:
            return branches[0]
        if not all(branches):
            return []
        return [frozenset().union(*(min(branch, key=_rank) for branch in branches))]

    def _sequence(self) -> list[frozenset[str]]:
        sets: list[frozenset[str]] = []
        run = ""
        while self.at < len(self.source) and self._peek() not in "|)":
            literal, found = self._item()
            optional = self._quantifier()
            if literal and not optional:
                run += literal
                continue
            if run:
                sets.append(frozenset({run}))
                run = ""
            if not optional:
                sets.extend(found)
        if run:
            sets.append(frozenset({run}))
        return sets

    def _item(self) -> tuple[str, list[frozenset[str]]]:
        """One element: a literal character, or the sets that an element needs."""
        char = self._peek()
        if char == "(":
            return "", self._group()
        if char == "[":
            end = self.source.index("]", self.at)
            inner = self.source[self.at + 1 : end]
            self.at = end + 1
            plain = not inner.startswith("^") and "-" not in inner and "\\" not in inner
            return "", [frozenset(inner)] if plain else []
        if char == "{":
            slot = _SLOT.match(self.source, self.at)
            if slot:
                self.at = slot.end()
                known = slot["name"] not in {"num", "*"}
                return "", [frozenset(self.words[slot["name"]])] if known else []
        if char in "~≈":
            digits = _NUMBER_GAP.match(self.source, self.at + 1)
            self.at = digits.end() if digits else self.at + 1
            return "", []
        if char == "\\":
            escaped = self.source[self.at + 1]
            self.at += 2
            return ("" if escaped.isalnum() else escaped), []
        self.at += 1
        return ("" if char in "^$." else char), []

    def _group(self) -> list[frozenset[str]]:
        looks_around = self.source.startswith(("(?!", "(?<!", "(?=", "(?<="), self.at)
        self.at += 1
        if looks_around:
            while self._peek() in "?<!=":
                self.at += 1
        inner = self._alternatives()
        self.at += 1
        return [] if looks_around else inner

    def _quantifier(self) -> bool:
        """True when the element before may be missing."""
        found = _QUANTIFIED.match(self.source, self.at)
        if found is None:
            return False
        self.at += 1
        if self._peek() == "?":
            self.at += 1
        return found.group() != "+"

    def _peek(self) -> str:
        return self.source[self.at : self.at + 1]


def _rank(words: frozenset[str]) -> tuple[int, bool, int, str]:
    """Long words first, then sets without everyday characters, then small sets."""
    return -min(map(len, words)), not words.isdisjoint(_EVERYDAY), len(words), min(words)
