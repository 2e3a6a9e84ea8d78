"""Covering what tells who somebody is: long numbers, known names, addresses; and sums. Pure.

Every covered character becomes one dot, so that places in the text stay where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

DOT = "●"
_LONG_NUMBER = re.compile(r"\d[\d\- ]{5,}\d[Xx]?")
_DIGITS = r"\d+(?:[,,]\d{3})*(?:\.\d+)?"
_HAN_NUMBER = "[一二两三四五六七八九十百千万零半几多来余把数]+"
# 五十个 is a sum (个 means 万 in talk about money), 两个 老人 is not.
_SUM = re.compile(
    rf"(?:{_DIGITS}|{_HAN_NUMBER})\s*(?:多|来|几)?\s*(?:个亿|亿|万|千|百|元|块|[wWkK](?![A-Za-z]))"
    r"[\d元块钱多来一二三四五六七八九十半]*"
    r"|(?:\d{2,}|[二两三四五六七八九]?[十百][一二三四五六七八九十几]*)个"
)
_HAN = "[\u4e00-\u9fff]"
_ROAD = "(?:路|街|道|巷|弄|胡同|村|庄|屯|组|小区|花园|家园|公寓|新村|苑|院|城|里)"
_NUMBERED = "(?:号楼|号院|号|栋|幢|座|楼|单元|室|层|组|队)"
_TELLING = (
    re.compile("[零〇一二三四五六七八九幺两]{7,}"),
    re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII),
    # Other numbers of documents and accounts: letters and digits in one piece.
    re.compile(r"(?=[A-Za-z_-]*\d)(?=\d*[A-Za-z_-])[A-Za-z\d_-]{8,}"),
    re.compile(rf"{_HAN}{{2,12}}{_ROAD}\s*(?:[\d一二三四五六七八九十百]+\s*{_NUMBERED}\s*)+"),
    re.compile(rf"(?:[\d一二三四五六七八九十]+\s*{_NUMBERED}\s*){{2,}}"),
    re.compile(rf"{_HAN}{{2,8}}(?:省|自治区|市){_HAN}{{2,8}}(?:区|县|市){_HAN}{{0,12}}"),
)
_SHORTEST_NAME = 2


def cover_numbers(text: str) -> str:
    """Phones, cards, accounts, identity numbers: whatever is long and made of digits."""
    return _LONG_NUMBER.sub(_dots, text)


def cover_sums(text: str) -> str:
    """Sums of money as people say them."""
    return _SUM.sub(_dots, text)


def cover_person(text: str, names: Iterable[str]) -> str:
    """All that could tell who speaks: long numbers, addresses, and the names that are known."""
    covered = cover_numbers(text)
    for pattern in _TELLING:
        covered = pattern.sub(_dots, covered)
    return cover_names(covered, _spoken(names))


def cover_names(text: str, names: Iterable[str]) -> str:
    """Names as they are written, the longest first."""
    covered = text
    for name in sorted(names, key=len, reverse=True):
        covered = covered.replace(name, DOT * len(name))
    return covered


def _spoken(names: Iterable[str]) -> set[str]:
    """Names as people say them: of three characters of Chinese also without the surname."""
    found = {each.strip() for each in names}
    found |= {each[1:] for each in found if re.fullmatch(f"{_HAN}{{3}}", each)}
    return {each for each in found if len(each) >= _SHORTEST_NAME}


def _dots(found: re.Match[str]) -> str:
    return DOT * len(found.group())
