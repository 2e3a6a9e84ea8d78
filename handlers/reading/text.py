"""Plain text for the rules, with the way back to the customer's own words. Pure."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass

BREAKS = " ,。!?;、\n…~()【】|"
"""Characters that end a clause after normalisation; people type blanks for commas."""

_SPLIT = re.compile(f"[^{re.escape(BREAKS)}]+")
_INVISIBLE = "\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe00-\ufe0f\u00ad\U000e0000-\U000e007f"
_EMOJI_CODE = re.compile(r"\[[\u4e00-\u9fffA-Za-z]{1,5}\]")
_AROUND = re.compile(r"\(\?<?[!=](?:\[[^\]]*\]|[^()\[\]])*\)")
"""What must or must not stand around a word; the rest of a dialect's entry is the word."""
_UNUSUAL = re.compile(
    f"[{_INVISIBLE}\u00a0-\u2012\u2015-\u2017\u2020-\u2025\u2027-\u2fff"
    "\u3003-\u3006\u3012-\u33ff\ua000-\U0010ffff]|\\["
)
_PUNCTUATION = {
    "，": ";",  # a comma would join 20，300 into one number
    "；": ";",
    "！": "!",
    "？": "?",
    "：": ":",
    "（": "(",
    "）": ")",
    "．": ".",
    "／": "/",
    "－": "-",
    "～": "~",
    "｜": "|",
    "％": "%",
    "＋": "+",
    "\u3000": " ",
    "\t": " ",
    "\r": " ",
    "\u00a0": " ",
    "—": "-",
    "–": "-",
    "─": "-",
    "﹑": "、",
    "“": '"',
    "”": '"',
    "「": '"',
    "」": '"',
    "『": '"',
    "』": '"',
    "〔": "(",
    "〕": ")",
    "〇": "零",
}


@dataclass(frozen=True, slots=True)
class Plain:
    """Normalised text; ``origin`` maps each of its characters to the original (None: same)."""

    text: str
    original: str
    origin: tuple[int, ...] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original's span for a non-empty span of the plain text."""
        if self.origin is None:
            return start, end
        return self.origin[start], self.origin[end - 1] + 1

    def back(self, start: int, end: int) -> tuple[int, int]:
        """The plain text's span for a span of the original."""
        if self.origin is None:
            return start, end
        return bisect_left(self.origin, start), bisect_left(self.origin, end)

    def clauses(self) -> list[tuple[int, int]]:
        """Spans between the breaks, in order; never empty ones."""
        return [found.span() for found in _SPLIT.finditer(self.text)]


class Normaliser:
    """Makes one kind of text of all: simplified, half-width, lower case, without ornaments."""

    def __init__(self, simplified: dict[str, str], dialect: dict[str, str] | None = None) -> None:
        table = {ord(a): b for a, b in simplified.items()}
        table.update({ord(a): b for a, b in _PUNCTUATION.items()})
        table.update({ord("A") + i: chr(ord("a") + i) for i in range(26)})
        table.update({0xFF10 + i: str(i) for i in range(10)})
        table.update({0xFF21 + i: chr(ord("a") + i) for i in range(26)})
        table.update({0xFF41 + i: chr(ord("a") + i) for i in range(26)})
        self._table = table
        self._spoken: dict[str, list[tuple[re.Pattern[str], str]]] = {}
        for said, usual in (dialect or {}).items():
            core = _AROUND.sub("", said)
            if len(core) == len(usual):
                self._spoken.setdefault(core, []).append((re.compile(said), usual))
        cores = sorted(self._spoken, key=len, reverse=True)
        self._find_spoken = re.compile("|".join(map(re.escape, cores))) if cores else None

    def plain(self, original: str) -> Plain:
        """Normalise; the length stays the same unless something has to vanish or unfold."""
        text = self._common(original.translate(self._table))
        if _UNUSUAL.search(text) is None:
            return Plain(text, original)
        return self._unfold(text, original)

    def _common(self, text: str) -> str:
        """The usual words for those of a region, where what stands around them allows it."""
        if self._find_spoken is None:
            return text
        return self._find_spoken.sub(lambda found: self._usual(found, text), text)

    def _usual(self, found: re.Match[str], text: str) -> str:
        for expression, usual in self._spoken[found.group()]:
            if expression.match(text, found.start()):
                return usual
        return found.group()

    def _unfold(self, text: str, original: str) -> Plain:
        """The slow way: NFKC a character at a time, invisible ones dropped, emoji to blanks."""
        text = _EMOJI_CODE.sub(lambda found: " " * len(found.group()), text)
        pieces: list[str] = []
        origin: list[int] = []
        for index, char in enumerate(text):
            piece = self._fold(char)
            pieces.append(piece)
            origin.extend([index] * len(piece))
        return Plain("".join(pieces), original, tuple(origin))

    def _fold(self, char: str) -> str:
        if _UNUSUAL.match(char) is None or char == "[":
            return char
        category = unicodedata.category(char)
        if category in {"Cf", "Mn", "Cc", "Me"}:
            return ""
        folded = unicodedata.normalize("NFKC", char).translate(self._table)
        if category in {"So", "Sk", "Cs", "Co", "Cn"} and folded == char:
            return " "
        return folded
