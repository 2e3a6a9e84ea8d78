"""What a span calls things: the money, a product, a rate of interest. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from handlers.reading.numerals import integer
from handlers.reading.patterns import Entries, Words, alternation

_NOUN = re.compile(r"([\u4e00-\u9fff]{1,4}?)(款|钱|费|金)(?!额|融|银|行|币|多|了多|卡)")
_NOUN_EDGE = re.compile(
    "^.*(?:那笔|这笔|笔|有|的|我|了|要|是|交|付|还|那点|一点|收(?!割)|领|给|把|拿|到|点|打"
    "|万|千|块|[一二三四五六七八九\\d]|个|还有|用|号|底|初|日|天|年|月|存|取|转|些|和)(?=.)"
)
_BOUGHT = re.compile(
    "(?:买|换|订(?!婚)|置办|添|修|建|盖|租|进|装|报|拉|称|囤|屯|割|扯)(?:了|个|台|辆|套|点|些|批|下|条|只|张|头|箱|吨|袋|口"
    "|[一两二三四五六七八九十几\\d])*"
    "([\u4e00-\u9fff]{1,3}?)(?=[要得需花 ,了]|$|[\\d一二两三四五六七八九十])"
)
_NO_HEAD = re.compile(
    "[拿要用花赚没存贷新零价现多块省挣发打付结汇转交缴收领取提给拨欠放还下周年月号礼拜五来](?<!流转)(?<!预付)(?<!首付)$"
    "|[0-9一二三四五六七八九十]+$"
)
_FOR = re.compile("[给替帮在刷](?:老|新|我|我家|家里|那台|那辆)?$")
"""给货车换轮胎: what stands behind 给 gets something, the money is not for it."""
_EMPTY_NOUN = frozenset(
    "把让连跟被叫新旧存现本贷汇打全这那点有花赚挣还付收给拿用多少没的取转借欠掏没出筹凑大小零公一二三半退"
)
_RATE = re.compile(
    r"(?P<a>\d\.\d{1,3}|\d)\s?(?:%|个点|个多点|厘|的(?!时|话))|(?:利率|利息|年息|年化"
    r"|收益)[^\d一二三四五]{0,4}(?P<b>\d\.\d{1,3})"
    r"|(?P<c>[一二三四五]点[零一二三四五六七八九]{1,3})(?:的?(?:利|息|年化)|个点)?"
    r"|(?P<d>[一二三四五])个(?P<h>半)?点"
    r"|(?:[一二两三五1235]年(?:期|定期|定|的)?|存单|定期)(?:是|利率|利息|给|年化)?[ ,;]?"
    r"(?P<e>[0-4]\.\d{1,3})(?![\d万wk千])"
)
_LEAST_RATE, _MOST_RATE = 0.05, 20


@lru_cache(maxsize=256)
def _expressions(words: frozenset[str]) -> tuple[re.Pattern[str], ...]:
    """One expression for the words, one for the single characters, which count less."""
    longer = {word: word for word in words if len(word) > 1}
    single = {word: word for word in words if len(word) == 1}
    return tuple(re.compile(alternation(group)) for group in (longer, single) if group)


class Nouns:
    """Finds the first word of a class in a span of text."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def first(self, name: str, text: str, start: int, end: int) -> str | None:
        """What the first word of a class stands for; one character counts only alone."""
        table = self._words.get(name, {})
        for regex in _expressions(_keys(table)):
            found = regex.search(text, start, end)
            if found:
                return table[found.group()]
        return None

    def long(self, name: str, text: str, start: int, end: int) -> str | None:
        """The first word of two characters or more."""
        table = self._words.get(name, {})
        for found in _expressions(_keys(table))[0].finditer(text, start, end) if table else ():
            if len(found.group()) > 1 and not _FOR.search(text, start, found.start()):
                return table[found.group()]
        return None

    def at(self, name: str, text: str, start: int) -> tuple[int, str] | None:
        """The word of a class that stands at a place: its end, and what it stands for."""
        table = self._words.get(name, {})
        for regex in _expressions(_keys(table)):
            found = regex.match(text, start)
            if found:
                return found.end(), table[found.group()]
        return None


def _keys(table: Mapping[str, str]) -> frozenset[str]:
    """The words of a class; kept with the class, because hashing five hundred takes time."""
    if isinstance(table, Entries):
        return table.words
    return frozenset(table)


def named(text: str, start: int, end: int) -> str | None:
    """药材款, 转让费: what the money is called."""
    for found in _NOUN.finditer(text, start, end):
        head = _NOUN_EDGE.sub("", found.group(1))
        if head and not (len(head) == 1 and head in _EMPTY_NOUN) and not _NO_HEAD.search(head):
            return head + found.group(2)
    return None


def bought(text: str, start: int, end: int) -> str | None:
    """What stands behind 买了一台."""
    found = _BOUGHT.search(text, start, end)
    return found.group(1) if found else None


def rate(text: str, start: int, end: int) -> float | None:
    """The rate of interest in per cent that a span names."""
    found = _RATE.search(text, start, end)
    if found is None:
        return None
    raw = found["a"] or found["b"] or found["e"]
    if raw:
        number = float(raw)
    elif found["c"]:
        whole, _, part = found["c"].partition("点")
        digits = "".join(str(integer(char) or 0) for char in part)
        number = float(f"{integer(whole)}.{digits}")
    else:
        number = float(integer(found["d"]) or 0) + (0.5 if found["h"] else 0)
    return number if _LEAST_RATE <= number <= _MOST_RATE else None
