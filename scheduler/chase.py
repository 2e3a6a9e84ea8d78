"""When somebody is reminded of waiting tasks, and when their deputy is told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto

from scheduler.thresholds import Chase


class Step(Enum):
    """What to do now."""

    WAIT = auto()
    REMIND = auto()
    DEPUTY = auto()


def next_step(
    limits: Chase,
    *,
    since: datetime,
    reminders: Sequence[datetime],
    deputy_told: bool,
    active: bool,
    now: datetime,
) -> Step:
    """What is due for one employee.

    Args:
        limits: How long and how often.
        since: When the oldest task began to wait.
        reminders: Those of the last 24 hours.
        deputy_told: The deputy was told within the last 24 hours.
        active: Whether the employee works here now; otherwise nobody else can tap.
        now: The moment.
    """
    last = max(reminders, default=None)
    pause = limits.after if last is None else limits.apart
    if now - (last or since) < pause and active:
        return Step.WAIT
    if active and len(reminders) < min(limits.a_day, 3):
        return Step.REMIND
    rested = last is None or now - last >= limits.apart
    return Step.WAIT if deputy_told or not rested else Step.DEPUTY
