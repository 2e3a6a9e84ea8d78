"""Plain text for the rules, with the way back to the customer's own words. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

BREAKS = " ,。!?;、\n…~()【】|"
"""Characters that end a clause after normalisation; people type blanks for commas."""

_SPLIT = re.compile(f"[^{re.escape(BREAKS)}]+")
_INVISIBLE = "\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufe00-\ufe0f\u00ad\U000e0000-\U000e007f"
_EMOJI_CODE = re.compile(r"\[[\u4e00-\u9fffA-Za-z]{1,5}\]")
_DIALECT = re.compile(
    r"俺|恁|(?:(?<=[ ,。!?;、把给跟和让叫找])|(?<![\s\S]))额(?![度外头定满角面额 ,。!?;、])"
    r"|到其(?![他它中实])|听日|[琴寻]日(?!常)|而家|果(?=[边张间个笔单])|[净淨]系"
)
"""Ways to say I, you and 到期 that the rules read as the usual ones; the length stays."""
_USUAL = {"俺": "我", "恁": "你", "额": "我", "到其": "到期", "听日": "明日", "琴日": "昨日"}
_USUAL |= {"寻日": "昨日", "而家": "现在", "果": "那", "净系": "只是", "淨系": "只是"}
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

    def clauses(self) -> list[tuple[int, int]]:
        """Spans between the breaks, in order; never empty ones."""
        return [found.span() for found in _SPLIT.finditer(self.text)]


class Normaliser:
    """Makes one kind of text of all: simplified, half-width, lower case, without ornaments."""

    def __init__(self, simplified: dict[str, str]) -> None:
        table = {ord(a): b for a, b in simplified.items()}
        table.update({ord(a): b for a, b in _PUNCTUATION.items()})
        table.update({ord("A") + i: chr(ord("a") + i) for i in range(26)})
        table.update({0xFF10 + i: str(i) for i in range(10)})
        table.update({0xFF21 + i: chr(ord("a") + i) for i in range(26)})
        table.update({0xFF41 + i: chr(ord("a") + i) for i in range(26)})
        self._table = table

    def plain(self, original: str) -> Plain:
        """Normalise; the length stays the same unless something has to vanish or unfold."""
        text = original.translate(self._table)
        text = _DIALECT.sub(lambda found: _USUAL[found.group()], text)
        if _UNUSUAL.search(text) is None:
            return Plain(text, original)
        return self._unfold(text, original)

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
