"""Lunar days and birthdays: on which day a person is greeted, and by which cycle. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache, lru_cache
from typing import Literal, NamedTuple

from borax.calendars.lunardate import LCalendars, LunarDate, TermUtils, TextUtils

from bot.errors import Invalid

FIRST_YEAR = 1900
LAST_YEAR = 2100

Feb29 = Literal["feb28", "mar1"]
_SOLAR_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class LunarDay(NamedTuple):
    """A day of the lunar calendar; ``leap_month`` tells 闰六月 from 六月."""

    year: int
    month: int
    day: int
    leap_month: bool = False

    @property
    def words(self) -> str:
        """As people write it: 农历八月十六, 农历闰六月十五, 农历腊月三十."""
        leap = "闰" if self.leap_month else ""
        return f"农历{leap}{TextUtils.MONTHS_CN[self.month]}月{TextUtils.day_cn(self.day)}"


class _Month(NamedTuple):
    first: int
    """The ordinal of its first day."""
    days: int


@cache
def _months(year: int) -> dict[tuple[int, bool], _Month]:
    """The months of a lunar year; a table, since borax counts from 1900 at every call."""
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise Invalid(f"农历年份 {year} 超出范围,只支持 {FIRST_YEAR}–{LAST_YEAR} 年")
    first = LunarDate(year, 1, 1).to_solar_date().toordinal()
    months = {}
    for month, days, leap in LCalendars.iter_year_month(year):
        months[month, bool(leap)] = _Month(first, days)
        first += days
    return months


def solar_of(lunar: LunarDay) -> date:
    """The solar day of a lunar one.

    Raises:
        Invalid: That year has no such month, or the month no such day.
    """
    found = _months(lunar.year).get((lunar.month, lunar.leap_month))
    if found is None or not 1 <= lunar.day <= found.days:
        leap = "闰" if lunar.leap_month else ""
        raise Invalid(
            f"农历 {lunar.year} 年没有{leap} {lunar.month} 月 {lunar.day} 日,请核对生日和闰月",
        )
    return date.fromordinal(found.first + lunar.day - 1)


def lunar_of(day: date) -> LunarDay:
    """The lunar day of a solar one.

    Raises:
        Invalid: The day is outside the table.
    """
    ordinal = day.toordinal()
    if day.year < FIRST_YEAR or day.year > LAST_YEAR + 1:
        raise Invalid(f"日期 {day} 超出农历表范围({FIRST_YEAR}–{LAST_YEAR} 年)")
    for year in (day.year, day.year - 1):
        if not FIRST_YEAR <= year <= LAST_YEAR:
            continue
        for (month, leap), (first, days) in _months(year).items():
            if first <= ordinal < first + days:
                return LunarDay(year, month, ordinal - first + 1, leap)
    raise Invalid(f"日期 {day} 超出农历表范围({FIRST_YEAR}–{LAST_YEAR} 年)")


def solar_term(year: int, name: str) -> date:
    """The day of a solar term such as 清明.

    Raises:
        Invalid: The year is outside the table or the name is none of the twenty-four.
    """
    try:
        found: date = TermUtils.nth_term_day(year, term_name=name)
    except (ValueError, IndexError) as wrong:
        raise Invalid(f"查不到 {year} 年的节气 {name!r}") from wrong
    return found


def next_birthday(  # the birthday in the order of its columns, then the question
    calendar: Literal["solar", "lunar"],
    month: int,
    day: int,
    leap_month: bool,  # noqa: FBT001  # as above
    on_or_after: date,
    feb29: Feb29 = "feb28",
) -> tuple[date, str]:
    """The next day of greeting, and the cycle that makes the greeting happen once.

    Born in a leap month: greeted in that leap month when the year has it, else in the plain
    month. Born on the 30th of a lunar month: on the 29th when the month is short. A lunar
    birthday may fall twice or never in a solar year, therefore its cycle is the lunar year.

    Args:
        calendar: Which calendar the birthday follows.
        month: 1–12.
        day: Of the month; at most 30 in the lunar calendar.
        on_or_after: The first day to consider.
        leap_month: Born in a leap month; has no meaning for a solar birthday.
        feb29: Where 29 February is kept in a year that lacks it.

    Returns:
        The day, and ``2026`` (solar) or ``L2026`` (lunar year).

    Raises:
        Invalid: No calendar has such a day, or the years are outside 1900–2100.
    """
    if calendar == "solar":
        return _next_solar(month, day, on_or_after, feb29)
    if calendar == "lunar":
        return _next_lunar(month, day, leap_month, on_or_after)
    raise Invalid(f"生日历法 {calendar!r} 无法识别,请填 solar(公历)或 lunar(农历)")


# Cached, since an import asks for the same thousand birthdays a million times.
@lru_cache(maxsize=1024)
def _next_solar(month: int, day: int, on_or_after: date, feb29: Feb29) -> tuple[date, str]:
    _check_solar(month, day)
    first = on_or_after.year
    return _first_from(on_or_after, first, "", lambda year: _solar_day(year, month, day, feb29))


@lru_cache(maxsize=1024)
def _next_lunar(
    month: int,
    day: int,
    leap_month: bool,  # noqa: FBT001  # see next_birthday
    on_or_after: date,
) -> tuple[date, str]:
    _check_lunar(month, day, leap_month=leap_month)
    first = on_or_after.year - 1
    return _first_from(
        on_or_after, first, "L", lambda year: _lunar_day(year, month, day, leap_month=leap_month)
    )


def _first_from(
    on_or_after: date, year: int, prefix: str, day_in: Callable[[int], date]
) -> tuple[date, str]:
    if not FIRST_YEAR <= on_or_after.year <= LAST_YEAR:
        raise Invalid(f"日期 {on_or_after} 超出范围,只支持 {FIRST_YEAR}–{LAST_YEAR} 年")
    for candidate in range(max(year, FIRST_YEAR), year + 3):
        found = day_in(candidate)
        if found >= on_or_after:
            return found, f"{prefix}{candidate}"
    raise Invalid(
        f"{on_or_after} 之后找不到下一个生日"
    )  # pragma: no cover  # three years always do


def _solar_day(year: int, month: int, day: int, feb29: Feb29) -> date:
    if (month, day) == (2, 29) and (year % 4 or (year % 100 == 0 and year % 400)):
        return date(year, 2, 28) if feb29 == "feb28" else date(year, 3, 1)
    return date(year, month, day)


def _lunar_day(year: int, month: int, day: int, *, leap_month: bool) -> date:
    months = _months(year)
    found = (leap_month and months.get((month, True))) or months[month, False]
    return date.fromordinal(found.first + min(day, found.days) - 1)


def _check_solar(month: int, day: int) -> None:
    if not (1 <= month <= 12 and 1 <= day <= _SOLAR_MONTH_DAYS[month - 1]):
        raise Invalid(f"公历没有 {month} 月 {day} 日,请核对生日")


def _check_lunar(month: int, day: int, *, leap_month: bool) -> None:
    if not (1 <= month <= 12 and 1 <= day <= 30):
        raise Invalid(f"农历没有 {month} 月 {day} 日,请核对生日")
    if leap_month and not LCalendars.get_leap_years(month):
        raise Invalid(f"{FIRST_YEAR}–{LAST_YEAR} 年间没有闰 {month} 月,请核对生日是否为闰月")
