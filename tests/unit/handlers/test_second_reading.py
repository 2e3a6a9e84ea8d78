"""What a second reader is asked about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import handlers
from bot.actions import AskModel
from bot.dispatch import collect
from bot.happenings import MessageRead
from bot.model import MsgId

NOW = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)


@dataclass
class Known:
    now: datetime = NOW


@pytest.mark.parametrize(
    ("ago", "characters", "asked"),
    [
        (timedelta(0), 6, 1),
        (timedelta(hours=23), 300, 1),
        (timedelta(0), 5, 0),
        (timedelta(days=1), 300, 0),
        (timedelta(days=400), 300, 0),
    ],
)
def test_lines_of_today_that_say_something_are_asked_about(
    ago: timedelta, characters: int, asked: int
) -> None:
    event = MessageRead(MsgId("m1"), NOW - ago, characters)
    known: Any = Known()
    found = list(collect(handlers).actions(event, known))
    assert found == [AskModel("m1")] * asked
