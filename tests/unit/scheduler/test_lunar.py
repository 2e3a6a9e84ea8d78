"""Birthdays against two independent libraries and the frozen facts of the published calendar."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sxtwl
from lunar_python import LunarYear

from bot.errors import Invalid
from scheduler.lunar import Feb29, LunarDay, lunar_of, next_birthday, solar_of, solar_term


def greetings(month: int, day: int, *, leap_month: bool = False) -> dict[str, date]:
    """Every greeting of a lunar birthday from 2023 to 2036, by cycle."""
    found = {}
    at = date(2023, 1, 22)
    while at.year < 2037:
        at, cycle = next_birthday("lunar", month, day, leap_month=leap_month, on_or_after=at)
        assert cycle not in found
        found[cycle] = at
        at += timedelta(days=1)
    return found


def independent(year: int) -> dict[tuple[int, bool], tuple[date, int]]:
    """First day and length of every month of a lunar year by lunar_python."""
    months = {}
    for month in LunarYear.fromYear(year).getMonths():
        if month.getYear() == year:
            # Julian day 1721424.5 is the midnight before the ordinal 0.
            first = date.fromordinal(int(month.getFirstJulianDay() - 1721424.5))
            months[abs(month.getMonth()), month.isLeap()] = (first, month.getDayCount())
    return months


def by_sxtwl(lunar: LunarDay) -> date:
    day = sxtwl.fromLunar(lunar.year, lunar.month, lunar.day, lunar.leap_month)
    return date(day.getSolarYear(), day.getSolarMonth(), day.getSolarDay())


@pytest.mark.parametrize("decade", range(1930, 2055, 10))
def test_the_days_of_every_month_agree_with_two_libraries(decade: int) -> None:
    for year in range(decade, min(decade + 10, 2056)):
        for (month, leap), (first, length) in independent(year).items():
            for day in {1, 15, 29, length}:
                lunar = LunarDay(year, month, day, leap)
                expected = first + timedelta(days=day - 1)
                assert [expected, expected] == [by_sxtwl(lunar), solar_of(lunar)]
                assert lunar == lunar_of(expected)
            with pytest.raises(Invalid):
                solar_of(LunarDay(year, month, length + 1, leap))


@pytest.mark.parametrize("decade", range(1930, 2055, 10))
def test_every_lunar_year_greets_every_birthday_once_on_the_expected_day(decade: int) -> None:
    for year in range(decade, min(decade + 10, 2056)):
        months = independent(year)
        births = [(month, False) for month in range(1, 13)]
        births += [(month, True) for month in range(2, 12)]
        for month, leap in births:
            first, length = months[month, leap and (month, True) in months]
            for day in (1, 15, 29, 30):
                expected = (first + timedelta(days=min(day, length) - 1), f"L{year}")
                new_year = months[1, False][0]
                assert expected == next_birthday(
                    "lunar", month, day, leap_month=leap, on_or_after=new_year
                )


def test_leap_months_are_those_of_the_published_calendar() -> None:
    leap = {2020: 4, 2023: 2, 2025: 6, 2028: 5, 2031: 3, 2033: 11, 2036: 6, 2039: 5}
    for year, month in leap.items():
        lunar = LunarDay(year, month, 1, leap_month=True)
        assert lunar == lunar_of(solar_of(lunar))
        for other in set(range(1, 13)) - {month}:
            with pytest.raises(Invalid):
                solar_of(LunarDay(year, other, 1, leap_month=True))


@pytest.mark.parametrize(
    ("lunar", "expected"),
    [
        (LunarDay(2025, 6, 15), date(2025, 7, 9)),
        (LunarDay(2025, 6, 15, leap_month=True), date(2025, 8, 8)),
        (LunarDay(2033, 11, 1), date(2033, 11, 22)),
        (LunarDay(2033, 11, 1, leap_month=True), date(2033, 12, 22)),
        (LunarDay(1933, 6, 1), date(1933, 7, 23)),
        (LunarDay(1954, 11, 1), date(1954, 11, 25)),
        (LunarDay(1978, 8, 1), date(1978, 9, 3)),
    ],
)
def test_days_that_libraries_get_wrong_are_right_here(lunar: LunarDay, expected: date) -> None:
    assert [expected, expected] == [by_sxtwl(lunar), solar_of(lunar)]


def test_born_in_a_leap_month_is_greeted_in_it_when_the_year_has_it_else_in_the_plain_month() -> (
    None
):
    found = greetings(6, 15, leap_month=True)
    assert date(2024, 7, 20) == found["L2024"]
    assert date(2025, 8, 8) == found["L2025"]
    assert date(2026, 7, 28) == found["L2026"]


def test_born_in_the_plain_month_is_greeted_in_the_plain_month_of_a_leap_year() -> None:
    assert date(2025, 7, 9) == greetings(6, 15)["L2025"]


def test_born_on_new_years_eve_the_thirtieth_is_greeted_on_the_twenty_ninth_of_short_months() -> (
    None
):
    found = greetings(12, 30)
    short = [2024, 2025, 2026, 2027, 2028, 2030, 2031]
    for year in short:
        assert LunarDay(year, 12, 29) == lunar_of(found[f"L{year}"])
    assert LunarDay(2023, 12, 30) == lunar_of(found["L2023"])
    assert LunarDay(2029, 12, 30) == lunar_of(found["L2029"])


def test_a_birthday_twice_or_never_in_a_solar_year_is_greeted_once_in_each_lunar_year() -> None:
    found = greetings(11, 25)
    count = {year: sum(day.year == year for day in found.values()) for year in range(2024, 2035)}
    assert (
        dict.fromkeys((2024, 2027, 2029, 2032), 2)
        | dict.fromkeys((2025, 2028, 2031, 2034), 0)
        | dict.fromkeys((2026, 2030, 2033), 1)
        == count
    )
    assert [f"L{year}" for year in range(2023, 2036)] == list(found)[:13]


@pytest.mark.parametrize(("policy", "elsewhere"), [("feb28", (2, 28)), ("mar1", (3, 1))])
def test_born_on_29_february_is_greeted_once_a_year(
    policy: Feb29, elsewhere: tuple[int, int]
) -> None:
    found = []
    at = date(2024, 1, 1)
    while at.year < 2033:
        at, cycle = next_birthday("solar", 2, 29, leap_month=False, on_or_after=at, feb29=policy)
        found.append((cycle, at))
        at += timedelta(days=1)
    in_leap_year = {2024, 2028, 2032}
    expected = [
        (str(year), date(year, *((2, 29) if year in in_leap_year else elsewhere)))
        for year in range(2024, 2033)
    ]
    assert expected == found[:9]


def test_a_solar_birthday_today_is_today_and_yesterdays_waits_a_year() -> None:
    today = date(2026, 12, 31)
    assert (today, "2026") == next_birthday("solar", 12, 31, leap_month=False, on_or_after=today)
    assert (date(2027, 12, 30), "2027") == next_birthday(
        "solar", 12, 30, leap_month=False, on_or_after=today
    )


@pytest.mark.parametrize(
    ("calendar", "month", "day", "leap"),
    [
        ("solar", 2, 30, False),
        ("solar", 13, 1, False),
        ("solar", 0, 1, False),
        ("solar", 4, 31, False),
        ("lunar", 1, 31, False),
        ("lunar", 13, 1, False),
        ("lunar", 3, 0, False),
        ("lunar", 1, 5, True),
        ("lunar", 12, 5, True),
        ("gregorian", 3, 5, False),
    ],
)
def test_days_that_no_calendar_has_are_refused(
    calendar: Any, month: int, day: int, *, leap: bool
) -> None:
    with pytest.raises(Invalid):
        next_birthday(calendar, month, day, leap_month=leap, on_or_after=date(2026, 1, 1))


@pytest.mark.parametrize("at", [date(1899, 12, 31), date(2101, 6, 1)])
def test_years_outside_the_table_are_refused(at: date) -> None:
    with pytest.raises(Invalid):
        next_birthday("lunar", 3, 5, leap_month=False, on_or_after=at)
    with pytest.raises(Invalid):
        next_birthday("solar", 3, 5, leap_month=False, on_or_after=at)
    with pytest.raises(Invalid):
        lunar_of(at)


def test_lunar_days_read_as_people_write_them() -> None:
    written = {
        LunarDay(2026, 8, 16): "农历八月十六",
        LunarDay(2025, 6, 20, leap_month=True): "农历闰六月二十",
        LunarDay(2025, 12, 29): "农历腊月廿九",
        LunarDay(2025, 1, 1): "农历正月初一",
        LunarDay(2025, 11, 30): "农历冬月三十",
    }
    assert list(written.values()) == [lunar.words for lunar in written]


def test_qingming_agrees_with_an_independent_library() -> None:
    for year in range(1990, 2100):
        day = solar_term(year, "清明")
        assert sxtwl.fromSolar(day.year, day.month, day.day).getJieQi() == 7  # its 清明


def test_an_unknown_solar_term_is_refused() -> None:
    with pytest.raises(Invalid):
        solar_term(2026, "清月")
    with pytest.raises(Invalid):
        solar_term(2200, "清明")
