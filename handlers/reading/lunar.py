"""The lunar calendar, solar terms and festivals as solar days. Pure.

``borax`` is the source: of 2,473 month starts it has one wrong (in 2089).
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

from borax.calendars.lunardate import InvalidLunarDateError, LunarDate, TermUtils

TERMS = [
    "小寒",
    "大寒",
    "立春",
    "雨水",
    "惊蛰",
    "春分",
    "清明",
    "谷雨",
    "立夏",
    "小满",
    "芒种",
    "夏至",
    "小暑",
    "大暑",
    "立秋",
    "处暑",
    "白露",
    "秋分",
    "寒露",
    "霜降",
    "立冬",
    "小雪",
    "大雪",
    "冬至",
]
YEARS = range(1901, 2099)


@lru_cache(maxsize=4096)
def solar(year: int, month: int, day: int) -> date | None:
    """The solar day of a lunar one (first of two equal months), None when there is none."""
    if year not in YEARS:
        return None
    try:
        found: date = LunarDate(year, month, day).to_solar_date()
    except (InvalidLunarDateError, ValueError):
        return None
    return found


@lru_cache(maxsize=1024)
def last_day(year: int, month: int) -> date | None:
    """The solar day of a lunar month's last day, the 29th or 30th."""
    return solar(year, month, 30) or solar(year, month, 29)


@lru_cache(maxsize=1024)
def year_and_month(day: date) -> tuple[int, int]:
    """The lunar year and month that a solar day lies in."""
    lunar = LunarDate.from_solar(day)
    return lunar.year, lunar.month


@lru_cache(maxsize=1024)
def term(year: int, name: str) -> date | None:
    """The day of a solar term in a solar year."""
    if year not in YEARS:
        return None
    found: date = TermUtils.nth_term_day(year, TERMS.index(name))
    return found


def new_year(year: int) -> date | None:
    """Lunar New Year's Day that falls in a solar year."""
    return solar(year, 1, 1)


def eve(year: int) -> date | None:
    """The day before New Year's Day of a solar year."""
    first = new_year(year)
    return first - timedelta(days=1) if first else None


def nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    """The nth Monday (0) … Sunday (6) of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
