"""Days and spans of days relative to the day a message was sent. Pure arithmetic."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from handlers.reading import lunar

Grain = Literal["day", "part", "week", "month", "feast", "year"]


@dataclass(frozen=True, slots=True)
class Days:
    """Inclusive days; None is an open end.

    ``other`` is the second reading of an ambiguous expression (the last 29日, not the next).
    """

    first: date | None
    last: date | None
    grain: Grain = "day"
    other: tuple[date, date] | None = None
    loose: frozenset[str] = frozenset()
    """What the words left open: ``year``, ``month``; a range's start fills it."""

    def past(self) -> Days:
        """The reading that lies behind, where there are two."""
        if self.other is None:
            return self
        first, last = self.other
        return replace(self, first=first, last=last, other=None)


def one(day: date | None, grain: Grain = "day") -> Days | None:
    """A single day."""
    return Days(day, day, grain) if day else None


def make(year: int, month: int, day: int) -> date | None:
    """A solar day, None when there is no such day."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def month_span(year: int, month: int) -> tuple[date, date]:
    """The first and the last day of a month."""
    return date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])


def add_months(day: date, months: int) -> date:
    """The same day of another month, or that month's last."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    year = min(max(year, 1), 9998)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def add_days(day: date, days: float) -> date:
    """Some days on, kept inside the calendar."""
    try:
        return day + timedelta(days=round(days))
    except OverflowError:
        return date(9998, 12, 31) if days > 0 else date(1, 1, 1)


def moved(day: date, count: Decimal, unit: str) -> date:
    """Some days, weeks, months, quarters or years on, by their Chinese names."""
    if unit in {"天", "日"}:
        return add_days(day, float(count))
    if unit in {"周", "星期", "礼拜"}:
        return add_days(day, float(count * 7))
    months = count * {"年": 12, "季度": 3}.get(unit, 1)
    whole = int(months)
    return add_days(add_months(day, whole), float((months - whole) * 30))


def part_of(first: date, last: date, part: str) -> tuple[date, date]:
    """初, 中, 底, 上旬 … of a month that may be solar or lunar."""
    offsets = {
        "初": (0, 4),
        "头": (0, 4),
        "上旬": (0, 9),
        "中": (10, 19),
        "半": (10, 19),
        "中旬": (10, 19),
        "上半": (0, 14),
    }
    if part in offsets:
        start, stop = offsets[part]
        return first + timedelta(days=start), first + timedelta(days=stop)
    begin = {"下旬": 20, "下半": 15}.get(part, 24)
    return first + timedelta(days=begin), last


def pick(candidates: Iterable[tuple[date, date] | None], today: date) -> Days | None:
    """The nearest span that has not ended, with the latest one that has as the other reading."""
    spans = sorted(span for span in candidates if span)
    coming = next((span for span in spans if span[1] >= today), None)
    gone = next((span for span in reversed(spans) if span[1] < today), None)
    chosen = coming or gone
    if chosen is None:
        return None
    return Days(*chosen, other=gone if coming else None)


def yearly(
    make_span: Callable[[int], tuple[date, date] | None], today: date, reach: int = 1
) -> Days | None:
    """Something that comes once a year, as the message's year leaves it open."""
    years = range(today.year - reach, today.year + reach + 1)
    found = pick((make_span(year) for year in years if 1 < year < 9998), today)
    return replace(found, loose=frozenset({"year"})) if found else None


def single(day: date | None) -> tuple[date, date] | None:
    """A day as a span."""
    return (day, day) if day else None


def week(today: date, weeks: int) -> tuple[date, date]:
    """Monday to Sunday, some weeks from the one of ``today``."""
    monday = add_days(today, 7 * weeks - today.weekday())
    return monday, add_days(monday, 6)


def lunar_month(year: int, month: int) -> tuple[date, date] | None:
    """The days of a lunar month."""
    first, last = lunar.solar(year, month, 1), lunar.last_day(year, month)
    return (first, last) if first and last else None


def lunar_monthly(day: int, today: date) -> Days | None:
    """初六 or 廿三 without its month: the nearest that comes."""
    year, month = lunar.year_and_month(today)
    months = ((year * 12 + month - 1 + step) for step in (-1, 0, 1, 2))
    days = (lunar.solar(index // 12, index % 12 + 1, day) for index in months)
    found = pick((single(found) for found in days), today)
    return replace(found, loose=frozenset({"year", "month"})) if found else None
