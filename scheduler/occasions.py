"""What a campaign may be written for, and on which days each occasion falls. Pure."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from bot.errors import Invalid
from bot.model import Purpose
from scheduler.audience import NOBODY_NAMED, Audience
from scheduler.lunar import LunarDay, solar_of, solar_term

_DAY = timedelta(days=1)
_WISH = frozenset({Purpose.GREETING})
_ANY = frozenset({Purpose.GREETING, Purpose.MARKETING})
_SAME_DAY = frozenset({0})
WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
SEASONS = ("Q1", "Q2", "Q3", "Q4")
STARTS = ("joined", "segment_entered", "maturity_passed", "attended")
EXITS = ("answered", "renewed", "refused", "segment_left", "deal")

_SOLAR = {
    "元旦": (1, 1),
    "妇女节": (3, 8),
    "劳动节": (5, 1),
    "儿童节": (6, 1),
    "教师节": (9, 10),
    "国庆": (10, 1),
}
_LUNAR = {
    "春节": (1, 1),
    "元宵": (1, 15),
    "端午": (5, 5),
    "七夕": (7, 7),
    "中秋": (8, 15),
    "重阳": (9, 9),
    "腊八": (12, 8),
    "小年": (12, 23),
}
_EVE = "除夕"
# Without 清明, a day on which nobody is wished anything.
_TERMS = (
    *("小寒", "大寒", "立春", "雨水", "惊蛰", "春分", "谷雨", "立夏"),
    *("小满", "芒种", "夏至", "小暑", "大暑", "立秋", "处暑", "白露"),
    *("秋分", "寒露", "霜降", "立冬", "小雪", "大雪", "冬至"),
)
FESTIVALS = (*_SOLAR, *_LUNAR, _EVE, *_TERMS)
"""The festivals and solar terms that a campaign can name."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """A kind of occasion.

    Attributes:
        purposes: What a message for it can be.
        steps: Possible days ahead; for a journey its places in the order.
        fields: Its own variables.
        groups: Whether groups can be written to.
    """

    purposes: frozenset[Purpose]
    steps: frozenset[int]
    fields: frozenset[str] = frozenset()
    groups: bool = False


OCCASIONS: Mapping[str, Occasion] = MappingProxyType(
    {
        "birthday": Occasion(_WISH, _SAME_DAY, frozenset({"calendar", "lunar_day"})),
        "maturity": Occasion(
            frozenset({Purpose.SERVICE}),
            frozenset(range(91)),
            frozenset({"step", "holdings", "day", "options", "unattended"}),
        ),
        # With a successor product it is marketing, and never says what the customer holds (T8).
        "maturity_offer": Occasion(frozenset({Purpose.MARKETING}), frozenset(range(91))),
        "anniversary": Occasion(_ANY, _SAME_DAY, frozenset({"years"})),
        "festival": Occasion(_ANY, frozenset(range(8)), frozenset({"festival"}), groups=True),
        "date": Occasion(_ANY, _SAME_DAY, groups=True),
        "weekly": Occasion(_ANY, _SAME_DAY, frozenset({"weekday"}), groups=True),
        "monthly": Occasion(_ANY, _SAME_DAY, groups=True),
        "season": Occasion(_ANY, _SAME_DAY, frozenset({"season"}), groups=True),
        "near_line": Occasion(_ANY, _SAME_DAY),
        "dormant": Occasion(_ANY, _SAME_DAY),
        # Thanks for bringing somebody; a wish, so that nothing of value can hang on it (K6).
        "referral": Occasion(_WISH, _SAME_DAY),
        "journey": Occasion(_ANY, frozenset(range(10)), frozenset({"step"})),
    }
)
"""What a campaign may be written for."""
DAILY = frozenset({"birthday", "maturity"})
"""A few people each day: planned also while their text waits for its release."""


@dataclass(frozen=True, slots=True)
class When:
    """The days of an occasion that are written in the file, and the way of a journey.

    Attributes:
        month_days: Days of the month; one that a month lacks is its last.
        quiet_days: Nobody who was in touch within so many days is written to.
        start: What begins a journey; ``segment`` names the one entered.
        waits: Days before each step, after the start or the step before.
        exits: What ends a journey early.
        stops_on_skip: A step that did not go out ends the journey.
    """

    festivals: tuple[str, ...] = ()
    dates: tuple[date, ...] = ()
    weekdays: tuple[int, ...] = ()
    month_days: tuple[int, ...] = ()
    seasons: tuple[str, ...] = ()
    quiet_days: int = 0
    start: str = ""
    segment: Audience = NOBODY_NAMED
    waits: tuple[int, ...] = ()
    exits: tuple[str, ...] = ()
    stops_on_skip: bool = False


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One day on which an occasion falls, for everybody alike.

    Attributes:
        cycle: With the occasion and the step, what nobody gets twice.
        name: What it is called, for the words.
    """

    cycle: str
    name: str = ""


def falls(
    occasion: str, when: When, campaign: str, on: date, is_workday: Callable[[date], bool]
) -> Iterator[Occurrence]:
    """The occurrences of an occasion that is the same for all on a day; none is usual.

    A festival and a quarter are the same occasion whoever writes for them; what a campaign
    makes up itself (a date, a weekday) is its own.
    """
    if occasion == "festival":
        for name in when.festivals:
            year = festival_year(name, on)
            if year is not None:
                yield Occurrence(f"{name}:{year}", name)
    elif occasion == "date" and on in when.dates:
        yield Occurrence(f"{campaign}:{on.isoformat()}")
    elif occasion == "weekly" and on.weekday() in when.weekdays:
        year, week, weekday = on.isocalendar()
        yield Occurrence(f"{campaign}:{year}W{week:02}-{weekday}", WEEKDAYS[on.weekday()])
    elif occasion == "monthly" and _is_month_day(when.month_days, on):
        yield Occurrence(f"{campaign}:{on.isoformat()}")
    elif occasion == "season":
        season = SEASONS[(on.month - 1) // 3]
        if season in when.seasons and on == _first_workday(quarter_start(on), is_workday):
            yield Occurrence(f"{on.year}{season}", season)


def own_cycle(occasion: str, on: date) -> str:
    """The cycle of an occasion that is each customer's own: a month, or a round of a quarter."""
    if occasion == "near_line":
        return f"{on:%Y-%m}"
    return f"{on.year}{SEASONS[(on.month - 1) // 3]}"


def quarter_start(day: date) -> date:
    """The first day of the quarter."""
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)


def festival_year(name: str, on: date) -> int | None:
    """The year whose festival falls on a day; None when it is another day.

    Lunar festivals count by the lunar year: 腊八 may fall twice in a solar one.
    """
    for year in (on.year, on.year - 1):
        if _festival_in(name, year) == on:
            return year
    return None


def _festival_in(name: str, year: int) -> date | None:
    if name in _SOLAR:
        return date(year, *_SOLAR[name])
    try:
        if name == _EVE:
            return solar_of(LunarDay(year + 1, 1, 1)) - _DAY
        if name in _LUNAR:
            return solar_of(LunarDay(year, *_LUNAR[name]))
        return solar_term(year, name)
    except Invalid:  # the table ends
        return None


def _is_month_day(days: tuple[int, ...], on: date) -> bool:
    last = calendar.monthrange(on.year, on.month)[1]
    return on.day in {min(day, last) for day in days}


def _first_workday(day: date, is_workday: Callable[[date], bool]) -> date:
    while not is_workday(day):
        day += _DAY
    return day


def anniversaries(on: date, feb29: str, first_year: int = 2016) -> list[tuple[date, int]]:
    """The days of earlier years whose anniversary a day is, each with its number of years.

    WeCom began in 2016; nobody has been a friend for longer.
    """
    return [
        (day, on.year - year)
        for year in range(first_year, on.year)
        for day in (_same_day(on, year), _moved(on, year, feb29))
        if day is not None
    ]


def _same_day(on: date, year: int) -> date | None:
    if (on.month, on.day) == (2, 29) and not calendar.isleap(year):
        return None
    return on.replace(year=year)


def _moved(on: date, year: int, feb29: str) -> date | None:
    """29 February of a year, where a year without one keeps it on this day."""
    kept = (2, 28) if feb29 == "feb28" else (3, 1)
    if calendar.isleap(year) and not calendar.isleap(on.year) and (on.month, on.day) == kept:
        return date(year, 2, 29)
    return None


ANY_DAY = When()
"""Of an occasion that needs no day from the file."""
