"""The part of a campaign's front matter that says when: festivals, weekdays, ways. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from bot.yamlfile import Scalar, Section
from scheduler.audience import one_segment
from scheduler.occasions import EXITS, FESTIVALS, SEASONS, STARTS, WEEKDAYS, When

T = TypeVar("T")
_MONTH = 30
_MOST_STEPS = 10


def read_when(head: Section, occasion: str) -> When:
    """What an occasion needs to be told beside its name.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    read = _READERS.get(occasion)
    return read(head) if read else When()


def _festivals(head: Section) -> When:
    return When(festivals=_some(head, "festivals", lambda item: item.choice(FESTIVALS)))


def _dates(head: Section) -> When:
    return When(dates=_some(head, "dates", Scalar.day))


def _weekdays(head: Section) -> When:
    return When(
        weekdays=_some(head, "weekdays", lambda item: WEEKDAYS.index(item.choice(WEEKDAYS)))
    )


def _month_days(head: Section) -> When:
    return When(month_days=_some(head, "month_days", lambda item: item.whole(1, 31)))


def _seasons(head: Section) -> When:
    return When(seasons=_some(head, "seasons", lambda item: item.choice(SEASONS)))


def _quiet(head: Section) -> When:
    return When(quiet_days=head.value("quiet").span().days if "quiet" in head else _MONTH)


def _journey(head: Section) -> When:
    start = head.value("start").choice(STARTS)
    waits = _some(head, "after", _days)
    if len(waits) > _MOST_STEPS:
        raise head.wrong(f"after 最多 {_MOST_STEPS} 步,请删减")
    found = When(
        start=start,
        waits=waits,
        exits=_some(head, "exits", lambda item: item.choice(EXITS)) if "exits" in head else (),
        stops_on_skip=(
            "on_skip" in head and head.value("on_skip").choice(("go_on", "stop")) == "stop"
        ),
    )
    if start == "segment_entered":
        return replace(found, segment=one_segment(head.value("segment")))
    if "segment_left" in found.exits:
        raise head.wrong("只有 start: segment_entered 的流程可以写 segment_left,请删去")
    return found


def _days(item: Scalar) -> int:
    """Whole days; 当天 is none."""
    return 0 if item.written == "当天" else item.span().days


def _some(head: Section, key: str, read: Callable[[Scalar], T]) -> tuple[T, ...]:
    """A list with at least one entry, none of them twice where order does not matter."""
    found = tuple(read(item) for item in head.values(key))
    if not found:
        raise head.wrong(f"缺少 {key},请至少写一项")
    return found


_READERS: Mapping[str, Callable[[Section], When]] = {
    "festival": _festivals,
    "date": _dates,
    "weekly": _weekdays,
    "monthly": _month_days,
    "season": _seasons,
    "near_line": _quiet,
    "dormant": _quiet,
    "journey": _journey,
}
