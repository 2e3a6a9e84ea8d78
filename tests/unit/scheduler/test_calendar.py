"""Working days, branch hours and sending windows."""

from __future__ import annotations

import time as machine
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import chinese_calendar
import pytest

from bot.clock import SHANGHAI
from bot.errors import Invalid
from bot.model import Purpose
from scheduler.calendar import (
    BranchCalendar,
    Holidays,
    build_calendar,
    load_holidays,
    statutory_days,
)
from scheduler.thresholds import Window, load_thresholds

CONFIG = Path(__file__).parents[3] / "config"
MARKETING, GREETING, SERVICE = Purpose.MARKETING, Purpose.GREETING, Purpose.SERVICE


@pytest.fixture(scope="module")
def shipped() -> BranchCalendar:
    return build_calendar(
        load_thresholds(CONFIG / "thresholds.yaml"), load_holidays(CONFIG / "holidays.yaml")
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def calendar(holidays: Holidays = Holidays(), **windows: Window) -> BranchCalendar:  # noqa: B008  # frozen
    by_purpose = {Purpose(name): window for name, window in windows.items()}
    return BranchCalendar(holidays, (time(9), time(17)), by_purpose)


def write(folder: Path, text: str) -> Path:
    file = folder / "holidays.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 11, 24), True),
        (date(2026, 11, 28), False),
        (date(2026, 10, 10), True),  # a Saturday worked for the national holiday
        (date(2026, 10, 7), False),
        (date(2026, 2, 23), False),
        (date(2026, 2, 28), True),
        (date(2027, 1, 1), False),  # from here on only the law is known
        (date(2027, 2, 5), False),  # 除夕
        (date(2027, 2, 8), False),
        (date(2027, 2, 9), True),
        (date(2027, 4, 5), False),
        (date(2027, 6, 9), False),
        (date(2027, 9, 15), False),
        (date(2027, 10, 3), False),
        (date(2027, 10, 4), True),
        (date(2027, 10, 9), False),
    ],
)
def test_working_days_follow_the_published_plan_then_the_law(
    shipped: BranchCalendar,
    day: date,
    expected: bool,  # noqa: FBT001  # parametrised
) -> None:
    assert expected == shipped.is_workday(day)


def test_the_days_off_by_law_are_all_in_the_published_plans() -> None:
    published = set(chinese_calendar.holidays)
    for year in (2025, 2026):  # the years under the present law
        assert statutory_days(year) <= published


def test_what_the_bank_wrote_wins_over_plan_and_law(tmp_path: Path) -> None:
    text = """
years:
  2026:
    rest: [2026-11-24]
  2027:
    rest: [2027-01-01, 2027-02-05..2027-02-11, 2027-10-01..2027-10-07]
    work: [2027-02-20]
"""
    branch = calendar(load_holidays(write(tmp_path, text)))
    days = [date(2026, 11, 24), date(2027, 2, 9), date(2027, 2, 11), date(2027, 2, 20)]
    assert [branch.is_workday(day) for day in days] == [False, False, False, True]
    assert date(2027, 2, 12) == branch.next_workday(date(2027, 2, 4))


def test_a_year_without_its_plan_is_reported_until_its_national_day_is_entered(
    shipped: BranchCalendar,
) -> None:
    assert shipped.calendar_gaps([2025, 2026, 2027, 2028]) == [2027, 2028]
    only_a_storm = calendar(Holidays(rest=frozenset({date(2027, 7, 7)})))
    assert only_a_storm.calendar_gaps([2027]) == [2027]
    entered = calendar(Holidays(rest=frozenset({date(2027, 10, 1)})))
    assert entered.calendar_gaps([2026, 2027]) == []


def test_the_second_working_day_after_a_day_skips_the_weekend(shipped: BranchCalendar) -> None:
    friday = date(2026, 11, 27)
    expected = [friday, date(2026, 11, 30), date(2026, 12, 1)]
    assert expected == [shipped.add_workdays(friday, count) for count in range(3)]


@pytest.mark.parametrize(
    ("start", "minutes", "expected"),
    [
        ("2026-11-24 10:00", 30, "2026-11-24 10:30"),
        ("2026-11-24 16:50", 30, "2026-11-25 09:20"),
        ("2026-11-24 16:30", 30, "2026-11-24 17:00"),
        ("2026-11-24 07:12", 10, "2026-11-24 09:10"),
        ("2026-11-24 20:00", 120, "2026-11-25 11:00"),
        ("2026-11-27 16:50", 30, "2026-11-30 09:20"),  # over a weekend
        ("2026-09-30 16:00", 120, "2026-10-08 10:00"),  # over the national holiday
        ("2026-02-14 16:00", 120, "2026-02-24 10:00"),  # a worked Saturday, the spring festival
        ("2026-11-24 10:00", 60 * 20, "2026-11-26 14:00"),
        ("2026-11-28 12:00", 0, "2026-11-30 09:00"),
        ("2026-12-31 16:59", 2, "2027-01-04 09:01"),  # over the year's end
    ],
)
def test_deadlines_are_counted_in_branch_hours(
    shipped: BranchCalendar, start: str, minutes: int, expected: str
) -> None:
    assert at(expected) == shipped.add_branch_time(at(start), timedelta(minutes=minutes))
    assert at(expected) == shipped.deadline(at(start), timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2026-11-24 10:00", "2026-11-24 17:00"),
        ("2026-11-24 07:00", "2026-11-24 17:00"),
        ("2026-11-24 17:00", "2026-11-25 17:00"),
        ("2026-11-27 18:00", "2026-11-30 17:00"),
        ("2026-10-01 10:00", "2026-10-08 17:00"),
    ],
)
def test_the_same_day_ends_when_the_branch_closes_next(
    shipped: BranchCalendar, start: str, expected: str
) -> None:
    assert at(expected) == shipped.end_of_branch_day(at(start))
    assert at(expected) == shipped.deadline(at(start), None)


def test_a_negative_span_is_refused(shipped: BranchCalendar) -> None:
    with pytest.raises(Invalid):
        shipped.add_branch_time(at("2026-11-24 10:00"), timedelta(minutes=-1))


def test_branch_time_is_nine_to_five_on_working_days(shipped: BranchCalendar) -> None:
    moments = ["2026-11-24 09:00", "2026-11-24 08:59", "2026-11-24 17:00", "2026-11-28 10:00"]
    assert [shipped.is_branch_time(at(text)) for text in moments] == [True, False, False, False]


@pytest.mark.parametrize(
    ("purpose", "moment", "expected"),
    [
        (MARKETING, "2026-11-24 08:59:59", "2026-11-24 09:00"),
        (MARKETING, "2026-11-24 09:00", "2026-11-24 09:00"),
        (MARKETING, "2026-11-24 19:59:59", "2026-11-24 19:59:59"),
        (MARKETING, "2026-11-24 20:00", "2026-11-25 09:00"),
        (MARKETING, "2026-04-04 20:00", "2026-04-06 09:00"),  # 清明 is 5 April
        (MARKETING, "2026-04-05 12:00", "2026-04-06 09:00"),
        (MARKETING, "2026-12-13 09:00", "2026-12-14 09:00"),  # the yearly day of mourning
        (GREETING, "2026-04-05 12:00", "2026-04-05 12:00"),
        (GREETING, "2026-11-24 08:00", "2026-11-24 08:30"),
        (GREETING, "2026-11-24 20:00", "2026-11-25 08:30"),
        (SERVICE, "2026-11-24 20:30", "2026-11-24 20:30"),
        (SERVICE, "2026-11-24 21:00", "2026-11-25 08:00"),
        (SERVICE, "2026-12-31 23:50", "2027-01-01 08:00"),
    ],
)
def test_each_purpose_waits_for_its_own_window(
    shipped: BranchCalendar, purpose: Purpose, moment: str, expected: str
) -> None:
    assert at(expected) == shipped.next_open(purpose, at(moment))
    assert (at(expected) == at(moment)) == shipped.is_open(purpose, at(moment))


def test_marketing_is_silent_on_a_declared_day_of_mourning() -> None:
    shut = Window(time(9), time(20), frozenset({"清明", "哀悼日"}))
    branch = calendar(Holidays(mourning=frozenset({date(2026, 11, 24)})), marketing=shut)
    assert not branch.is_open(MARKETING, at("2026-11-24 10:00"))
    assert at("2026-11-25 09:00") == branch.next_open(MARKETING, at("2026-11-24 10:00"))


def test_a_window_may_cross_midnight() -> None:
    branch = calendar(service=Window(time(22), time(6)))
    assert branch.is_open(SERVICE, at("2026-11-24 23:59"))
    assert branch.is_open(SERVICE, at("2026-11-24 00:00"))
    assert not branch.is_open(SERVICE, at("2026-11-24 06:00"))
    assert at("2026-11-24 22:00") == branch.next_open(SERVICE, at("2026-11-24 06:00"))


def test_a_window_across_midnight_stays_shut_on_a_closed_day_and_opens_when_it_ends() -> None:
    night = Window(time(22), time(6), frozenset({"哀悼日"}))
    branch = calendar(Holidays(mourning=frozenset({date(2026, 11, 24)})), service=night)
    assert branch.is_open(SERVICE, at("2026-11-23 23:59"))
    assert not branch.is_open(SERVICE, at("2026-11-24 00:00"))
    assert at("2026-11-25 00:00") == branch.next_open(SERVICE, at("2026-11-24 03:00"))


def test_the_end_of_a_window_is_outside(shipped: BranchCalendar) -> None:
    assert shipped.is_open(MARKETING, at("2026-11-24 19:59"))
    assert not shipped.is_open(MARKETING, at("2026-11-24 20:00"))


def test_a_purpose_without_window_is_closed() -> None:
    branch = calendar(service=Window(time(8), time(21)))
    assert not branch.is_open(MARKETING, at("2026-11-24 10:00"))
    with pytest.raises(Invalid):
        branch.next_open(MARKETING, at("2026-11-24 10:00"))


def test_a_window_that_stays_shut_for_two_months_is_an_error() -> None:
    every_day = frozenset((month, day) for month in range(1, 13) for day in range(1, 32))
    shut = Window(time(9), time(20), frozenset({"哀悼日"}))
    branch = calendar(Holidays(yearly_mourning=every_day), marketing=shut)
    with pytest.raises(Invalid):
        branch.next_open(MARKETING, at("2026-11-24 10:00"))


@pytest.mark.parametrize("call", ["next_open", "is_open"])
def test_moments_without_zone_are_refused_for_windows(shipped: BranchCalendar, call: str) -> None:
    with pytest.raises(Invalid):
        getattr(shipped, call)(SERVICE, datetime(2026, 11, 24, 10))  # noqa: DTZ001  # the point


def test_moments_without_zone_are_refused_for_deadlines(shipped: BranchCalendar) -> None:
    naive: Any = datetime(2026, 11, 24, 10)  # noqa: DTZ001  # the point
    for call in (shipped.end_of_branch_day, shipped.is_branch_time):
        with pytest.raises(Invalid):
            call(naive)
    with pytest.raises(Invalid):
        shipped.add_branch_time(naive, timedelta(minutes=1))


@pytest.fixture
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    machine.tzset()
    yield request.param
    monkeypatch.undo()
    machine.tzset()


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"], indirect=True)
def test_the_zone_of_the_machine_changes_nothing(shipped: BranchCalendar, zone: str) -> None:
    assert zone
    utc = datetime(2026, 11, 24, 13, 30, tzinfo=UTC)  # 21:30 in Shanghai
    assert at("2026-11-25 09:00") == shipped.next_open(MARKETING, utc)
    assert at("2026-11-25 09:30") == shipped.add_branch_time(utc, timedelta(minutes=30))
    assert at("2026-11-25 17:00") == shipped.end_of_branch_day(utc)
    assert shipped.next_open(SERVICE, at("2026-11-24 10:00")).tzinfo == UTC


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("years:\n  2027:\n    rest: [2027-02-30]\nmourning: []\n", 3, "2027-02-30"),
        ("years:\n  2027:\n    rest:\n      - 2027-01-01\n      - 2028-01-01\n", 5, "2027"),
        ("years:\n  2027:\n    rest: [2027-02-05..2027-02-01]\n", 3, "对调"),
        ("years:\n  2027:\n    rest: [2027-02-05]\n    work: [2027-02-05]\n", 4, "同时"),
        ("years:\n  2027:\n    reset: [2027-02-05]\n", 3, "rest"),
        ("years: {}\nmourning: [4月5日]\n", 2, "4月5日"),
        ("years: {}\nmourning: 2026-04-05\n", 2, "列表"),
        ("years: []\n", 1, "缩进"),
        ("years: {}\nyears: {}\n", 2, "两次"),
        ("years: {}\n  work: 3\n", 2, "格式"),
    ],
)
def test_a_mistake_in_the_holidays_names_file_and_line(
    tmp_path: Path, text: str, line: int, word: str
) -> None:
    with pytest.raises(Invalid, match=rf"^holidays\.yaml 第 {line} 行:.*{word}"):
        load_holidays(write(tmp_path, text))


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"holidays\.yaml"):
        load_holidays(tmp_path / "holidays.yaml")


def test_a_file_in_another_encoding_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "holidays.yaml"
    file.write_bytes("years: {}  # 节假日".encode("gb18030"))
    with pytest.raises(Invalid, match="UTF-8"):
        load_holidays(file)
