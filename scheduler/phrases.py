"""What a text to a customer may not say, what it must say, and what it must not give away. Pure.

The list is data (``config/rules/phrases.yaml``). A text is looked at as a reader would see it:
full-width, traditional or spaced-out letters say the same. A text without a hit is not approved
by that; it only passes this floor.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property, lru_cache
from pathlib import Path

from bot.yamlfile import Place, Scalar, Section, load_section

EVERY = "all"
RATE, PRICE, AGENCY = "rate", "price", "agency"
_HAN = "\u3400-\u9fff"
_FILLER = r"[ \t\u3000\-_.·*/|~\ufe52•+=#]+"
_BETWEEN = re.compile(
    rf"(?<=[{_HAN}0-9a-z%]){_FILLER}(?=[{_HAN}])|(?<=[{_HAN}]){_FILLER}(?=[{_HAN}0-9a-z])"
)
_ZERO = re.compile(r"[〇0](?=(?:风险|成本|门槛|利息|利率|首付))")
_HUNDRED = re.compile("百分之?百|百分百")
_GONE = {"Cf", "Mn", "Me", "Cc", "Sk"}
_LOOKALIKES = str.maketrans("夲囻険玍収戻朩", "本国险生收返本")
_RATES = re.compile(r"\d(?:\.\d+)?\s*%|利率\s*\d|\d\s*个点|\b[ab]_rate\b")
_PRICES = re.compile(r"\d(?:\.\d+)?\s*%|利率|利息|月供|费用|手续费\s*\d|\b[ab]_rate\b")
# What must not come before the yearly rate (K7); a variable of the product list counts as well.
_FIGURES = re.compile(
    r"\d(?:\.\d+)?\s*%|[月日]利率|[月日]息|月费率|月供|每[月天期](?:还|供|只)|利息\s*\d|手续费\s*\d|\b[ab]_rate\b"
)
STRUCTURED, WEALTH = "structured_deposit", "wealth"
_LINK = re.compile(
    r"(?:https?://|www\.)(?P<host>[a-z0-9.-]+)|(?<![a-z0-9.@-])(?P<bare>(?:[a-z0-9-]+\.)+"
    r"(?:com|cn|net|org|io|cc|top|xyz|me|co|vip|shop|ltd|link|url|ly|la)(?![a-z0-9-]))",
    re.IGNORECASE,
)
_CHECK_DIGITS = "10X98765432"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


class Verdict(StrEnum):
    """What a phrase does to a text, the mildest first."""

    NOTE = "note"
    REVIEW = "review"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Hit:
    """One phrase found: its rule, and the words as they stand in the text (end exclusive)."""

    rule: str
    verdict: Verdict
    start: int
    end: int
    words: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Phrase:
    """One rule of the list; ``before`` and ``after`` let a hit pass."""

    id: str
    verdict: Verdict
    about: frozenset[str]
    patterns: tuple[re.Pattern[str], ...]
    before: tuple[re.Pattern[str], ...]
    after: tuple[re.Pattern[str], ...]
    note: str
    hit: tuple[str, ...]
    miss: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """What must stand in a message about some products, unchanged, in one of its ways.

    Attributes:
        first: It has to come before every other figure of a price.
        note: What the author reads beside it.
    """

    id: str
    about: frozenset[str]
    when: tuple[str, ...]
    any_of: tuple[str, ...]
    first: bool = False
    note: str = ""

    def stands_in(self, text: str) -> bool:
        """Whether a text says it, and in its place."""
        even = _even(text)
        places = [even.find(_even(each)) for each in self.any_of]
        found = [place for place in places if place >= 0]
        return bool(found) and not (self.first and _FIGURES.search(even[: min(found)]))


@dataclass(frozen=True, slots=True)
class Personal:
    """A pattern of personal data, over the folded text."""

    id: str
    pattern: re.Pattern[str]
    check: str
    hit: tuple[str, ...]
    miss: tuple[str, ...]


@dataclass(frozen=True)
class Phrases:
    """All of ``phrases.yaml``."""

    version: str
    phrases: tuple[Phrase, ...]
    required: tuple[Sentence, ...]
    personal: tuple[Personal, ...]
    link_domains: frozenset[str]
    spoken: Mapping[str, tuple[str, ...]]
    kinds: Mapping[str, str] = field(repr=False)
    simplified: Mapping[int, str] = field(repr=False)

    def topics(self, purpose: str, product_kinds: Iterable[str]) -> frozenset[str]:
        """Under which ``about`` a text is looked at.

        Marketing that names no product is looked at as deposits and events are.
        """
        named = {self.kinds[kind] for kind in product_kinds if kind in self.kinds}
        if purpose == "marketing":
            return frozenset(named or {"deposit", "event"})
        return frozenset({purpose})

    def look(self, text: str, topics: Iterable[str]) -> Sequence[Hit]:
        """Every phrase of these topics in a text, in the order of the text."""
        return self._look(text, frozenset({EVERY, *topics}))

    @cached_property
    def _look(self) -> Callable[[str, frozenset[str]], tuple[Hit, ...]]:
        """The texts in force and the one in hand are looked at several times for each task."""

        def look(text: str, wanted: frozenset[str]) -> tuple[Hit, ...]:
            folded = self._fold(text)
            all_wanted = wanted | self._spoken_of(text)
            asked = (phrase for phrase in self.phrases if phrase.about & all_wanted)
            found = [hit for phrase in asked for hit in _hits(phrase, folded)]
            return tuple(sorted(found, key=lambda hit: (hit.start, hit.rule)))

        return lru_cache(maxsize=512)(look)

    def missing(self, text: str, topics: Iterable[str], *, agency: bool = False) -> list[str]:
        """The ids of required sentences that a text lacks."""
        wanted = {*topics, *self._spoken_of(text)}
        return [
            each.id
            for each in self.required
            if each.about & wanted
            and _is_due(each.when, text, agency=agency)
            and not each.stands_in(text)
        ]

    def hides_structured(self, text: str, topics: Iterable[str]) -> bool:
        """Whether a text speaks of structured deposits and is not looked at as wealth is (S5)."""
        return WEALTH not in set(topics) and STRUCTURED in self._spoken_of(text)

    @cached_property
    def _spoken_of(self) -> Callable[[str], frozenset[str]]:
        """Topics that the words alone show, whatever the text says that it is about."""

        def spoken(text: str) -> frozenset[str]:
            plain = self._fold(text).text
            return frozenset(
                topic
                for topic, words in self.spoken.items()
                if any(each in plain for each in words)
            )

        return lru_cache(maxsize=512)(spoken)

    def gives_away(self, text: str) -> list[str]:
        """The ids of personal data that stand in a text."""
        plain = unicodedata.normalize("NFKC", text).lower()
        return [
            each.id
            for each in self.personal
            if any(_checks(each.check, found.group()) for found in each.pattern.finditer(plain))
        ]

    def foreign_links(self, text: str, own: str = "") -> list[str]:
        """The hosts in a text that are none of the bank's (K8).

        Args:
            text: The text.
            own: The bot's own public address; its pages are the bank's.
        """
        ours = self.link_domains | ({_host(own)} if own else frozenset())
        return sorted(host for host in self.links(text) if not _belongs(host, ours))

    @staticmethod
    def links(text: str) -> set[str]:
        """The hosts that a text names."""
        plain = unicodedata.normalize("NFKC", text)
        return {(found["host"] or found["bare"]).lower() for found in _LINK.finditer(plain)}

    def sentence(self, id_: str) -> str:
        """A required sentence, as it has to be written, and what its author should know."""
        found = next(each for each in self.required if each.id == id_)
        return f"{found.any_of[0]}({found.note})" if found.note else found.any_of[0]

    def wrong_examples(self) -> list[str]:
        """The rules whose own examples say otherwise; empty is good."""
        return [*self._wrong_phrases, *self._wrong_personal]

    @cached_property
    def _wrong_phrases(self) -> list[str]:
        wrong = []
        for phrase in self.phrases:
            hits = [bool(_hits(phrase, self._fold(text))) for text in phrase.hit]
            misses = [bool(_hits(phrase, self._fold(text))) for text in phrase.miss]
            if not all(hits) or any(misses):
                wrong.append(phrase.id)
        return wrong

    @cached_property
    def _wrong_personal(self) -> list[str]:
        return [
            each.id
            for each in self.personal
            if not all(each.id in self.gives_away(text) for text in each.hit)
            or any(each.id in self.gives_away(text) for text in each.miss)
        ]

    def _fold(self, text: str) -> _Folded:
        return _Folded.of(text, self.simplified)


@dataclass(frozen=True, slots=True)
class _Folded:
    """A text as it reads, with the place of each character in the original."""

    text: str
    original: str
    origin: Sequence[int]

    @classmethod
    def of(cls, original: str, simplified: Mapping[int, str]) -> _Folded:
        pieces: list[str] = []
        origin: list[int] = []
        for index, char in enumerate(original):
            if char != "\n" and unicodedata.category(char) in _GONE:
                continue
            piece = unicodedata.normalize("NFKC", char).translate(_LOOKALIKES)
            piece = piece.translate(simplified).lower()
            pieces.append(piece)
            origin.extend([index] * len(piece))
        return (
            cls("".join(pieces), original, origin)
            .put(_BETWEEN, "")
            .put(_ZERO, "零")
            .put(_HUNDRED, "100%")
        )

    def put(self, pattern: re.Pattern[str], new: str) -> _Folded:
        """Other characters in place of what a pattern finds."""
        text: list[str] = []
        origin: list[int] = []
        last = 0
        for found in pattern.finditer(self.text):
            text += [self.text[last : found.start()], new]
            origin += [*self.origin[last : found.start()], *[self.origin[found.start()]] * len(new)]
            last = found.end()
        if not last:
            return self
        text.append(self.text[last:])
        return _Folded("".join(text), self.original, [*origin, *self.origin[last:]])

    def span(self, start: int, end: int) -> tuple[int, int]:
        return self.origin[start], self.origin[end - 1] + 1


def _hits(phrase: Phrase, folded: _Folded) -> list[Hit]:
    found = []
    for pattern in phrase.patterns:
        for match in pattern.finditer(folded.text):
            if match.end() == match.start() or _passes(phrase, folded.text, match):
                continue
            start, end = folded.span(*match.span())
            words = folded.original[start:end]
            found.append(Hit(phrase.id, phrase.verdict, start, end, words, phrase.note))
    return found


def _passes(phrase: Phrase, text: str, match: re.Match[str]) -> bool:
    return any(each.search(text[: match.start()]) for each in phrase.before) or any(
        each.search(text[match.end() :]) for each in phrase.after
    )


def _is_due(when: tuple[str, ...], text: str, *, agency: bool) -> bool:
    if not when:
        return True
    special = {RATE: bool(_RATES.search(text)), PRICE: bool(_PRICES.search(text)), AGENCY: agency}
    return any(special.get(each, each in text) for each in when)


def _host(address: str) -> str:
    return address.partition("://")[2].partition("/")[0].partition(":")[0].lower()


def _belongs(host: str, domains: Iterable[str]) -> bool:
    return any(host == each or host.endswith(f".{each}") for each in domains)


def _even(text: str) -> str:
    """Both ways of writing a comma, a bracket or a pause are the same sentence."""
    return unicodedata.normalize("NFKC", text).replace("、", ",").replace("\n", "")


def _checks(check: str, digits: str) -> bool:
    if check == "luhn":
        return _luhn(digits)
    if check == "id_card":
        total = sum(int(d) * w for d, w in zip(digits[:17], _WEIGHTS, strict=True))
        return _CHECK_DIGITS[total % 11] == digits[17].upper()
    return True


def _luhn(digits: str) -> bool:
    total = 0
    for place, char in enumerate(reversed(digits)):
        digit = int(char) * (1 + place % 2)
        total += digit - 9 if digit > 9 else digit
    return total % 10 == 0


# -- reading the file


def load_phrases(path: Path, simplified: Mapping[int, str]) -> Phrases:
    """Read and check ``phrases.yaml``; every rule's own examples are run.

    Args:
        path: The file.
        simplified: Traditional to simplified characters, for ``str.translate``.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    top = load_section(path)
    default = tuple(_regex(each) for each in top.values("allow_before"))
    top.value("as_of").day()
    phrases = [_phrase(each, default) for each in top.sections("phrases")]
    found = Phrases(
        version=top.value("version").text(20),
        phrases=tuple(phrases),
        required=tuple(_sentence(each) for each in top.sections("required")),
        personal=tuple(_personal(each) for each in top.sections("personal")),
        link_domains=frozenset(each.text(100).lower() for each in top.values("link_domains")),
        spoken=_spoken(top.section("spoken")),
        kinds=_kinds(top.section("kinds")),
        simplified=simplified,
    )
    top.close()
    for rule in found.wrong_examples():
        raise Place(path.name, 1).wrong(f"规则 {rule} 的例句(hit、miss)和写法对不上,请核对")
    return found


def load_simplified(path: Path) -> Mapping[int, str]:
    """Traditional to simplified characters out of the reader's ``tables.yaml``.

    Raises:
        Invalid: The table is not there.
    """
    pairs = load_section(path).value("_simplified").written.split()
    return {ord(pair[0]): pair[1] for pair in pairs}


def _phrase(entry: Section, default: tuple[re.Pattern[str], ...]) -> Phrase:
    entry.value("category").text(40)
    entry.values("basis")
    found = Phrase(
        id=entry.value("id").text(10),
        verdict=Verdict(entry.value("action").choice(Verdict)),
        about=frozenset(each.text(30) for each in entry.values("about")),
        patterns=tuple(_regex(each) for each in entry.values("any")),
        before=(*default, *(_regex(each) for each in entry.values("allow_before"))),
        after=tuple(_regex(each) for each in entry.values("allow_after")),
        note=entry.value("note").text(300) if "note" in entry else "",
        hit=tuple(each.written for each in entry.values("hit")),
        miss=tuple(each.written for each in entry.values("miss")),
    )
    entry.close()
    if not (found.about and found.patterns and found.hit and found.miss):
        raise entry.wrong("每条用语规则都要写 about、any、hit 和 miss")
    return found


def _sentence(entry: Section) -> Sentence:
    entry.values("basis")
    found = Sentence(
        id=entry.value("id").text(10),
        about=frozenset(each.text(30) for each in entry.values("about")),
        when=tuple(each.text(30) for each in entry.values("when")),
        any_of=tuple(each.text(200) for each in entry.values("any_of")),
        first="first" in entry and entry.value("first").yes(),
        note=entry.value("note").text(60) if "note" in entry else "",
    )
    entry.close()
    return found


def _spoken(section: Section) -> Mapping[str, tuple[str, ...]]:
    found = {
        topic: tuple(each.text(20) for each in section.values(topic))
        for topic in section.keys()  # noqa: SIM118  # not a dict
    }
    section.close()
    return found


def _personal(entry: Section) -> Personal:
    entry.value("kind").text(20)
    found = Personal(
        id=entry.value("id").text(10),
        pattern=_regex(entry.value("any")),
        check=entry.value("check").choice(("luhn", "id_card")) if "check" in entry else "",
        hit=tuple(each.written for each in entry.values("hit")),
        miss=tuple(each.written for each in entry.values("miss")),
    )
    entry.close()
    return found


def _kinds(section: Section) -> Mapping[str, str]:
    return {
        kind.text(40): topic
        for topic in section.keys()  # noqa: SIM118  # not a dict
        for kind in section.values(topic)
    }


def _regex(value: Scalar) -> re.Pattern[str]:
    try:
        return re.compile(value.written, re.IGNORECASE)
    except re.error as error:
        raise value.wrong(f"写法 {value.written!r} 有误,请检查括号和转义") from error
