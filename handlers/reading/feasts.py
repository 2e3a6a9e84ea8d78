"""Feasts and solar terms by name, as days of a year. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from handlers.reading import lunar
from handlers.reading.spans import Days, make, single, yearly

_SOLAR = {
    "元旦": (1, 1),
    "情人节": (2, 14),
    "妇女节": (3, 8),
    "三八妇女节": (3, 8),
    "三八节": (3, 8),
    "38节": (3, 8),
    "女神节": (3, 8),
    "女生节": (3, 7),
    "植树节": (3, 12),
    "消费者权益日": (3, 15),
    "愚人节": (4, 1),
    "劳动节": (5, 1),
    "青年节": (5, 4),
    "护士节": (5, 12),
    "儿童节": (6, 1),
    "六一儿童节": (6, 1),
    "六一": (6, 1),
    "建党节": (7, 1),
    "八一建军节": (8, 1),
    "建军节": (8, 1),
    "八一": (8, 1),
    "七一": (7, 1),
    "三八": (3, 8),
    "教师节": (9, 10),
    "国庆节": (10, 1),
    "万圣节": (10, 31),
    "光棍节": (11, 11),
    "双十一": (11, 11),
    "双11": (11, 11),
    "双十二": (12, 12),
    "双12": (12, 12),
    "平安夜": (12, 24),
    "圣诞节": (12, 25),
    "圣诞": (12, 25),
    "跨年夜": (12, 31),
}
_SPANS = {
    "国庆": ((10, 1), (10, 7)),
    "国庆节": ((10, 1), (10, 7)),
    "国庆长假": ((10, 1), (10, 7)),
    "十一长假": ((10, 1), (10, 7)),
    "十一黄金周": ((10, 1), (10, 7)),
    "十一": ((10, 1), (10, 7)),
    "五一": ((5, 1), (5, 5)),
    "五一节": ((5, 1), (5, 5)),
    "五一劳动节": ((5, 1), (5, 5)),
    "劳动节": ((5, 1), (5, 5)),
}
_LUNAR = {
    "春节": (1, 1),
    "大年初一": (1, 1),
    "年初一": (1, 1),
    "元宵节": (1, 15),
    "元宵": (1, 15),
    "正月十五": (1, 15),
    "正月半": (1, 15),
    "龙抬头": (2, 2),
    "二月二": (2, 2),
    "三月三": (3, 3),
    "端午节": (5, 5),
    "端午": (5, 5),
    "端阳": (5, 5),
    "五月五": (5, 5),
    "五月节": (5, 5),
    "七夕节": (7, 7),
    "七夕": (7, 7),
    "七月七": (7, 7),
    "中元节": (7, 15),
    "七月半": (7, 15),
    "鬼节": (7, 15),
    "中秋节": (8, 15),
    "中秋": (8, 15),
    "八月十五": (8, 15),
    "八月半": (8, 15),
    "八月节": (8, 15),
    "重阳节": (9, 9),
    "重阳": (9, 9),
    "九月九": (9, 9),
    "寒衣节": (10, 1),
    "腊八节": (12, 8),
    "腊八": (12, 8),
    "小年": (12, 23),
    "祭灶": (12, 23),
}
_EVES = ("除夕", "大年三十", "年三十", "三十晚上", "大年夜", "年三十夜", "除夕夜")
_WEEKDAYS = {"母亲节": (5, 6, 2), "父亲节": (6, 6, 3), "感恩节": (11, 3, 4)}

NAMES = tuple(
    sorted(
        {*_SOLAR, *_SPANS, *_LUNAR, *_EVES, *_WEEKDAYS, *lunar.TERMS, "清明节", "冬至节", "过年"}
        - {"十一"},
        key=len,
        reverse=True,
    )
)
"""Longest first, as an alternation needs them."""

_Span = tuple[date, date] | None


def resolve(name: str, today: date, year: int | None = None) -> Days | None:
    """The days of a feast in a year, or the nearest that comes."""
    of_year = _finder(name)
    if year is None:
        found = yearly(of_year, today)
    else:
        span = of_year(year)
        found = Days(*span, other=_as_solar(name, year)) if span else None
    if found is None:
        return None
    return Days(found.first, found.last, "feast", found.other, found.loose)


def _as_solar(name: str, year: int) -> tuple[date, date] | None:
    """八月十五 after a year may be meant by the solar calendar, 中秋 never."""
    if "月" not in name or name.endswith(("节", "半")) or name not in _LUNAR:
        return None
    return single(make(year, *_LUNAR[name]))


def _finder(  # noqa: PLR0911 - one return for each calendar
    name: str,
) -> Callable[[int], _Span]:
    if name in _SPANS:
        return lambda year: _between(year, *_SPANS[name])
    if name in _SOLAR:
        return lambda year: single(make(year, *_SOLAR[name]))
    if name in _WEEKDAYS:
        return lambda year: single(lunar.nth_weekday(year, *_WEEKDAYS[name]))
    if name in _EVES:
        return lambda year: single(lunar.eve(year))
    if name == "过年":
        return lambda year: single(lunar.new_year(year))
    if name in _LUNAR:
        return lambda year: single(_lunar_in(year, *_LUNAR[name]))
    return lambda year: single(lunar.term(year, name.removesuffix("节")))


def _between(year: int, first: tuple[int, int], last: tuple[int, int]) -> _Span:
    start, stop = make(year, *first), make(year, *last)
    return (start, stop) if start and stop else None


def _lunar_in(year: int, month: int, day: int) -> date | None:
    """The lunar day of the lunar year that begins in a solar year; 腊月 ends in the next."""
    return lunar.solar(year, month, day)
