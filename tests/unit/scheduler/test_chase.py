"""Reminders of waiting tasks: when, how often, and when the deputy is told."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bot.clock import SHANGHAI
from scheduler.chase import Step, next_step
from scheduler.thresholds import Chase

LIMITS = Chase(timedelta(hours=1), timedelta(minutes=90), 3)
NINE = datetime(2026, 12, 1, 9, 0, tzinfo=SHANGHAI)


def step(
    minutes: int,
    *reminders: int,
    deputy: bool = False,
    active: bool = True,
    limits: Chase = LIMITS,
) -> Step:
    """What is due so many minutes after nine, when the oldest task began to wait."""
    return next_step(
        limits,
        since=NINE,
        reminders=[NINE + timedelta(minutes=each) for each in reminders],
        deputy_told=deputy,
        active=active,
        now=NINE + timedelta(minutes=minutes),
    )


@pytest.mark.parametrize(
    ("minutes", "reminders", "expected"),
    [
        (0, (), Step.WAIT),
        (59, (), Step.WAIT),
        (60, (), Step.REMIND),
        (149, (60,), Step.WAIT),
        (150, (60,), Step.REMIND),
        (240, (60, 150), Step.REMIND),
        (329, (60, 150, 240), Step.WAIT),
        (330, (60, 150, 240), Step.DEPUTY),
    ],
)
def test_three_reminders_with_pauses_then_the_deputy(
    minutes: int, reminders: tuple[int, ...], expected: Step
) -> None:
    assert expected is step(minutes, *reminders)


def test_the_deputy_is_told_once() -> None:
    assert step(400, 60, 150, 240, deputy=True) is Step.WAIT


def test_of_somebody_who_left_the_deputy_is_told_at_once() -> None:
    assert step(0, active=False) is Step.DEPUTY
    assert step(1, active=False, deputy=True) is Step.WAIT


def test_a_branch_may_remind_less_often_or_never() -> None:
    once = Chase(timedelta(hours=1), timedelta(minutes=90), 1)
    never = Chase(timedelta(hours=1), timedelta(minutes=90), 0)
    assert step(150, 60, limits=once) is Step.DEPUTY
    assert step(60, limits=never) is Step.DEPUTY
