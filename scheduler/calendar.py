"""When a branch works and when a customer may be written to. Pure.

Days and times of day are those of Asia/Shanghai wherever the machine stands; moments go in with
their zone and come out in UTC. What is not known is closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path

import chinese_calendar

from bot.clock import SHANGHAI
from bot.errors import Invalid
from bot.model import Purpose
from bot.yamlfile import Scalar, Section, load_section
from scheduler.lunar import LAST_YEAR, LunarDay, solar_of, solar_term
from scheduler.thresholds import MOURNING, QINGMING, Thresholds, Window

_DAY = timedelta(days=1)
_MIDNIGHT = time(0)
_LONGEST_CLOSURE = 60
"""Days looked ahead for an opening; a longer closure is a mistake in the settings."""
_KNOWN_YEARS = frozenset(day.year for day in chinese_calendar.holidays)
"""Years whose 调休 the library carries; 2004–2026 in version 1.11."""


@dataclass(frozen=True, slots=True)
class Holidays:
    """What the bank wrote in ``config/holidays.yaml``; it wins over everything else.

    Attributes:
        rest: Days off.
        work: Days worked although a weekend or holiday.
        mourning: Declared days of mourning.
        yearly_mourning: (month, day) kept every year.
    """

    rest: frozenset[date] = frozenset()
    work: frozenset[date] = frozenset()
    mourning: frozenset[date] = frozenset()
    yearly_mourning: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True, slots=True)
class BranchCalendar:
    """The working days, hours and sending windows of a branch."""

    holidays: Holidays
    hours: tuple[time, time]
    windows: Mapping[Purpose, Window]

    def is_workday(self, day: date) -> bool:
        """Whether the branch works: the bank's own entries, the published plan, else the law."""
        if day in self.holidays.rest:
            return False
        if day in self.holidays.work:
            return True
        if day.year in _KNOWN_YEARS:
            return bool(chinese_calendar.is_workday(day))
        return day.weekday() < 5 and day not in statutory_days(day.year)

    def next_workday(self, day: date) -> date:
        """The first working day after ``day``."""
        return next(self._workdays(day + _DAY))

    def add_workdays(self, day: date, count: int) -> date:
        """The ``count``-th working day after ``day``; ``day`` itself for 0."""
        for _ in range(count):
            day = self.next_workday(day)
        return day

    def calendar_gaps(self, years: Iterable[int]) -> list[int]:
        """The years whose plan of days off nobody has entered; they run on the law alone."""
        return [
            year
            for year in years
            if year not in _KNOWN_YEARS and date(year, 10, 1) not in self.holidays.rest
        ]

    def add_branch_time(self, start: datetime, span: timedelta) -> datetime:
        """The moment when the branch has been open for ``span`` since ``start``.

        Raises:
            Invalid: ``start`` has no zone, or ``span`` is negative.
        """
        if span < timedelta(0):
            raise Invalid("时限不能为负,请检查 thresholds.yaml 的 deadlines")
        left = span
        for opens, closes in self._sessions(start):
            if left <= closes - opens:
                return opens + left
            left -= closes - opens
        raise AssertionError  # pragma: no cover  # the sessions end with an error of their own

    def end_of_branch_day(self, start: datetime) -> datetime:
        """When the branch closes next.

        Raises:
            Invalid: ``start`` has no zone.
        """
        return next(self._sessions(start))[1]

    def deadline(self, start: datetime, span: timedelta | None) -> datetime:
        """Until when a case that began at ``start`` must be done; None means the same day.

        Raises:
            Invalid: ``start`` has no zone.
        """
        if span is None:
            return self.end_of_branch_day(start)
        return self.add_branch_time(start, span)

    def closing_by(self, day: date) -> datetime:
        """When the branch closes on a day, or on the last branch day before it."""
        while not self.is_workday(day):
            day -= timedelta(days=1)
        return datetime.combine(day, self.hours[1], SHANGHAI)

    def is_branch_time(self, at: datetime) -> bool:
        """Whether the branch is open."""
        local = _local(at)
        opens, closes = self.hours
        return self.is_workday(local.date()) and opens <= local.time() < closes

    def is_open(self, purpose: Purpose, at: datetime) -> bool:
        """Whether a message of this purpose may go out now; False for a purpose without window.

        Raises:
            Invalid: ``at`` has no zone.
        """
        local = _local(at)
        window = self.windows.get(purpose)
        return (
            window is not None
            and window.holds(local.time())
            and not self._closed(window, local.date())
        )

    def next_open(self, purpose: Purpose, at: datetime) -> datetime:
        """The first moment from ``at`` on when a message of this purpose may go out.

        Raises:
            Invalid: ``at`` has no zone, the purpose no window, or nothing opens for two months.
        """
        if self.is_open(purpose, at):
            return at.astimezone(UTC)
        window = self._window(purpose)
        for moment in _marks(at, (_MIDNIGHT, window.opens)):
            if self.is_open(purpose, moment):
                return moment
        raise Invalid(f"{purpose} 类消息两个月内没有可发时段,请检查 windows 和哀悼日设置")

    def _window(self, purpose: Purpose) -> Window:
        if purpose not in self.windows:
            raise Invalid(
                f"{purpose} 类消息没有设置可发时段,请在 thresholds.yaml 的 windows 里补上"
            )
        return self.windows[purpose]

    def _closed(self, window: Window, day: date) -> bool:
        if QINGMING in window.closed_on and is_qingming(day):
            return True
        return MOURNING in window.closed_on and self.is_mourning(day)

    def is_mourning(self, day: date) -> bool:
        """Whether the bank's file names the day as one of mourning."""
        return (
            day in self.holidays.mourning or (day.month, day.day) in self.holidays.yearly_mourning
        )

    def _workdays(self, day: date) -> Iterator[date]:
        while day.year <= LAST_YEAR:
            if self.is_workday(day):
                yield day
            day += _DAY
        raise Invalid(f"找不到 {LAST_YEAR} 年以内的工作日,请检查日期和 holidays.yaml")

    def _sessions(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """What is left of the opening hours from ``start`` on, a pair a working day."""
        start = _local(start)
        for day in self._workdays(start.date()):
            opens = max(start, datetime.combine(day, self.hours[0], SHANGHAI))
            closes = datetime.combine(day, self.hours[1], SHANGHAI)
            if opens < closes:
                yield opens.astimezone(UTC), closes.astimezone(UTC)


def _local(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise Invalid("时间缺少时区,请传入带时区的时间")
    return moment.astimezone(SHANGHAI)


def _marks(at: datetime, times: tuple[time, time]) -> Iterator[datetime]:
    """The given times of every day after ``at``, in order, for two months."""
    first = _local(at).date()
    for ahead in range(_LONGEST_CLOSURE):
        day = first + ahead * _DAY
        for mark in sorted(times):
            moment = datetime.combine(day, mark, SHANGHAI).astimezone(UTC)
            if moment > at:
                yield moment


def is_qingming(day: date) -> bool:
    """Whether it is the day of 清明; also True where the table ends, since unknown is closed."""
    return day.year > LAST_YEAR or day == solar_term(day.year, QINGMING)


@cache
def statutory_days(year: int) -> frozenset[date]:
    """The thirteen days off by law, without the moved weekends (全国年节及纪念日放假办法, 2024).

    Raises:
        Invalid: The year is outside 1901–2100.
    """
    new_year = solar_of(LunarDay(year, 1, 1))
    return frozenset(
        {
            date(year, 1, 1),
            *(new_year + ahead * _DAY for ahead in range(-1, 3)),
            solar_term(year, QINGMING),
            date(year, 5, 1),
            date(year, 5, 2),
            solar_of(LunarDay(year, 5, 5)),
            solar_of(LunarDay(year, 8, 15)),
            *(date(year, 10, day) for day in (1, 2, 3)),
        }
    )


def build_calendar(thresholds: Thresholds, holidays: Holidays) -> BranchCalendar:
    """The calendar of a branch from what its files say."""
    return BranchCalendar(holidays, thresholds.branch_hours, thresholds.windows)


def load_holidays(path: Path) -> Holidays:
    """Read and check ``holidays.yaml``.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    top = load_section(path)
    years = top.section("years")
    rest: dict[date, Scalar] = {}
    work: dict[date, Scalar] = {}
    for name in years.keys():  # noqa: SIM118  # a Section is no dict
        plan = years.section(name)
        rest |= _days(plan, "rest", name)
        work |= _days(plan, "work", name)
        plan.close()
    for day in rest.keys() & work.keys():
        raise work[day].wrong(f"{day} 同时写在 rest 和 work 里,请删去一处")
    mourning = [_mourning(item) for item in top.values("mourning")]
    top.close()
    return Holidays(
        rest=frozenset(rest),
        work=frozenset(work),
        mourning=frozenset(day for day in mourning if isinstance(day, date)),
        yearly_mourning=frozenset(day for day in mourning if not isinstance(day, date)),
    )


def _days(plan: Section, key: str, year: str) -> dict[date, Scalar]:
    found: dict[date, Scalar] = {}
    for item in plan.values(key):
        first, _, last = (part.strip() for part in item.written.partition(".."))
        day, end = _day(item, first), _day(item, last or first)
        if not (str(day.year) == str(end.year) == year):
            raise item.wrong(f"{item.written} 不在 {year} 年,请移到它自己的年份下面")
        if end < day:
            raise item.wrong(f"{item.written} 的结束早于开始,请对调")
        while day <= end:
            found[day] = item
            day += _DAY
    return found


def _day(item: Scalar, written: str) -> date:
    return Scalar(item.file, item.line, "日期", written).day()


def _mourning(item: Scalar) -> date | tuple[int, int]:
    if len(item.written) == len("12-13"):
        day = _day(item, f"2000-{item.written}")
        return day.month, day.day
    return item.day()
