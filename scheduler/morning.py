"""The list of a day: which days it looks at, and what comes first. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bot.clock import SHANGHAI
from scheduler.calendar import BranchCalendar

KINDS = ("case", "task", "maturity", "promise", "postloan", "birthday", "group")
"""What a day's list may hold; of what is due today, in this order."""
MOST = 10
"""Items told at once; the rest is one tap away."""
_DAY = timedelta(days=1)
_STEPS = (7, 30)
_PROMISE_DAYS = 3
_LONGEST_CLOSURE = 60

Days = tuple[date, date]
"""First and last day, both included."""


@dataclass(frozen=True, slots=True)
class Matter:
    """One thing worth doing.

    Attributes:
        key: Names it from one day to the next, such as ``promise:12``.
        due: Until when, aware; for a date the end of its day.
        fact: First line of three, then ``why`` and ``todo``.
        reply: A draft to send to the customer; "" for none.
    """

    kind: str
    key: str
    due: datetime
    fact: str
    why: str
    todo: str
    customer: str = ""
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Reach:
    """The days around a list: nothing that falls on a closed day is told too late or never.

    Attributes:
        before: The branch day before.
        following: The branch day after.
    """

    before: date
    day: date
    following: date

    @property
    def near(self) -> Days:
        """What is due until the next list, that day included."""
        return self.day, self.following

    @property
    def promised(self) -> Days:
        """Promises come a few days ahead."""
        return self.day, max(self.following, self.day + _PROMISE_DAYS * _DAY)

    @property
    def maturing(self) -> dict[int, Days]:
        """Days of maturity by step: 0 is until the next list; 7 and 30 days ahead.

        Steps of closed days come with the next branch day.
        """
        first = self.before + _DAY
        ahead = {step: (first + step * _DAY, self.day + step * _DAY) for step in _STEPS}
        return {0: self.near, **ahead}


def reach(calendar: BranchCalendar, day: date) -> Reach:
    """The days around the list of a day."""
    backwards = (day - back * _DAY for back in range(1, _LONGEST_CLOSURE))
    before = next((each for each in backwards if calendar.is_workday(each)), day - _DAY)
    return Reach(before, day, calendar.next_workday(day))


def in_order(matters: Iterable[Matter], now: datetime) -> list[Matter]:
    """The most urgent first: late or due today by kind, then by date, news of groups last."""
    today = now.astimezone(SHANGHAI).date()

    def urgency(matter: Matter) -> tuple[int, int, datetime, int, str]:
        kind = KINDS.index(matter.kind)
        if matter.kind == "group":
            return 2, 0, matter.due, kind, matter.key
        if matter.due.astimezone(SHANGHAI).date() <= today:
            return 0, kind, matter.due, kind, matter.key
        return 1, 0, matter.due, kind, matter.key

    return sorted(matters, key=urgency)


def step_of(days: dict[int, Days], day: date) -> int | None:
    """The step whose days hold a day, the nearest one; None for none."""
    return next((step for step, (first, last) in days.items() if first <= day <= last), None)


def named(names: list[str], most: int = 3) -> str:
    """王姐、李叔、赵老师等5位: a few names, and how many there are."""
    shown = "、".join(names[:most])
    return shown if len(names) <= most else f"{shown}等{len(names)}位"
