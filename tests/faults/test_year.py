"""A simulated year of a branch in which things go wrong every day.

What WeCom's record says is compared with what the story meant; see ``book.py`` for the checks.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest
from book import Book
from load import Load
from year import Span, Year

from bot.clock import SHANGHAI

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


def _at(year: int, month: int, day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=SHANGHAI)


MONTH = Span(date(2026, 12, 20), 30, 100, 5, off=_at(2027, 1, 8, 18), on=_at(2027, 1, 11, 10))
WHOLE = Span(date(2026, 11, 24), 365, 2000, 20, off=_at(2027, 2, 3, 18), on=_at(2027, 2, 6, 10))
A_NIGHT = Span(
    date(2026, 12, 20), 5, 300, 5, off=_at(2026, 12, 22, 23, 50), on=_at(2026, 12, 23, 8, 40)
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is room: a death here copies files and pulls no plug."""
    memory = Path("/dev/shm")
    found = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    yield found
    shutil.rmtree(found)


def test_I2_I3_C3_nobody_gets_anything_twice_or_after_a_no_and_nobody_is_forgotten(
    folder: Path, load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    year = Year(folder, WHOLE if load.whole_year else MONTH, 20261124)
    year.live()
    _all_is_well(year, capsys)
    year.life.close()


def test_I2_a_machine_off_over_night_greets_the_next_day_once_and_in_hours(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    year = Year(folder, A_NIGHT, 20261222)
    year.live()
    _all_is_well(year, capsys)
    got = Book(year).delivered_on(A_NIGHT.on.date())
    assert got
    assert min(got) >= A_NIGHT.on
    rings = year.life.bot.database.read().rows(
        "SELECT due_at, state FROM ring WHERE job = 'plan_day' ORDER BY due_at"
    )
    night = int(_at(2026, 12, 23, 8).timestamp() * 1000)
    assert [row["state"] for row in rings if row["due_at"] == night] == ["done"]
    year.life.close()


def _all_is_well(year: Year, capsys: pytest.CaptureFixture[str]) -> None:
    book = Book(year)
    with capsys.disabled():
        sys.stdout.write("\n".join(["", *book.report(), ""]))
    assert book.duplicates() == 0
    assert book.groups_twice() == []
    assert book.held_out_and_reached() == []
    assert book.birthdays_twice() == []
    assert book.on_another_day() == []
    assert book.lost() == []
    assert book.disagreements() == []
    assert book.handed_over_after_refusal() == []
    assert book.sent_after_refusal() == []
    assert book.never_silent() == []
    assert book.over_caps() == []
    assert book.unsaid() == []
    assert book.out_of_hours() == []
