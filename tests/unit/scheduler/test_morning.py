"""The list of a day: its order, and the days that it looks at."""

from __future__ import annotations

import random
from datetime import date, datetime, time
from pathlib import Path

import pytest

from bot.clock import SHANGHAI
from scheduler.calendar import BranchCalendar, build_calendar, load_holidays
from scheduler.morning import Matter, in_order, named, reach, step_of
from scheduler.thresholds import load_thresholds

CONFIG = Path(__file__).parents[3] / "config"
NOW = datetime(2026, 12, 1, 8, 30, tzinfo=SHANGHAI)


@pytest.fixture(scope="module")
def calendar() -> BranchCalendar:
    return build_calendar(
        load_thresholds(CONFIG / "thresholds.yaml"), load_holidays(CONFIG / "holidays.yaml")
    )


def matter(kind: str, day: int, hour: int = 23) -> Matter:
    due = datetime.combine(date(2026, 12, day), time(hour), SHANGHAI)
    return Matter(kind, f"{kind}:{day}:{hour}", due, "事", "因", "办")


def test_what_is_late_or_due_today_comes_first_by_kind_then_dates_then_groups() -> None:
    expected = [
        matter("case", 1, 7),
        matter("case", 1, 10),
        matter("task", 1, 20),
        matter("maturity", 1),
        matter("promise", 1),
        matter("postloan", 1, 2),
        matter("birthday", 1),
        matter("birthday", 2),
        matter("case", 2, 23),
        matter("maturity", 8),
        matter("maturity", 31),
        matter("group", 1),
    ]
    expected[7:9] = sorted(expected[7:9], key=lambda each: ("case", "birthday").index(each.kind))
    shuffled = expected.copy()
    random.Random(7).shuffle(shuffled)  # a fixed order
    assert expected == in_order(shuffled, NOW)


def test_an_overdue_case_of_yesterday_stands_before_todays() -> None:
    old = Matter("case", "case:1", datetime(2026, 11, 30, 16, tzinfo=SHANGHAI), "事", "因", "办")
    assert [old, matter("case", 1, 9)] == in_order([matter("case", 1, 9), old], NOW)


@pytest.mark.parametrize(
    ("day", "near", "week", "month"),
    [
        # Tuesday: today and tomorrow, exactly 7 and 30 days ahead
        ((12, 1), ((12, 1), (12, 2)), ((12, 8), (12, 8)), ((12, 31), (12, 31))),
        # Friday: over the weekend until Monday
        ((11, 27), ((11, 27), (11, 30)), ((12, 4), (12, 4)), ((12, 27), (12, 27))),
        # Monday: the steps of Saturday and Sunday too
        ((11, 30), ((11, 30), (12, 1)), ((12, 5), (12, 7)), ((12, 28), (12, 30))),
        # the last branch day before the national holiday
        ((9, 30), ((9, 30), (10, 8)), ((10, 7), (10, 7)), ((10, 30), (10, 30))),
    ],
)
def test_no_maturity_falls_between_two_lists(
    calendar: BranchCalendar,
    day: tuple[int, int],
    near: tuple[tuple[int, int], ...],
    week: tuple[tuple[int, int], ...],
    month: tuple[tuple[int, int], ...],
) -> None:
    found = reach(calendar, date(2026, *day)).maturing
    told = {step: tuple((each.month, each.day) for each in days) for step, days in found.items()}
    assert {0: near, 7: week, 30: month} == told


def test_every_day_of_a_year_is_told_at_each_step(calendar: BranchCalendar) -> None:
    days = [date.fromordinal(n) for n in range(date(2026, 1, 5).toordinal(), 739_800)]
    seen: set[tuple[int, date]] = set()
    for day in days:
        if calendar.is_workday(day):
            for step, (first, last) in reach(calendar, day).maturing.items():
                span = range(first.toordinal(), last.toordinal() + 1)
                seen |= {(step, date.fromordinal(n)) for n in span}
    wanted = {(step, day) for step in (0, 7, 30) for day in days[40:]}
    assert wanted - seen == set()


def test_promises_come_three_days_ahead_or_until_the_next_list(calendar: BranchCalendar) -> None:
    assert (date(2026, 12, 1), date(2026, 12, 4)) == reach(calendar, date(2026, 12, 1)).promised
    assert (date(2026, 9, 30), date(2026, 10, 8)) == reach(calendar, date(2026, 9, 30)).promised


def test_the_nearest_step_counts(calendar: BranchCalendar) -> None:
    days = reach(calendar, date(2026, 9, 30)).maturing
    assert [0, 0, None, 30] == [step_of(days, date(2026, 10, day)) for day in (1, 7, 9, 30)]


def test_a_few_names_and_how_many_there_are() -> None:
    assert named(["王姐", "李叔"]) == "王姐、李叔"
    assert named(["王姐", "李叔", "赵老师", "陈总"]) == "王姐、李叔、赵老师等4位"
