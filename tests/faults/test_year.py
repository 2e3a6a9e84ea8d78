"""A simulated year of a branch in which things go wrong every day.

What WeCom's record says is compared with what the story meant; see ``book.py`` for the checks.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from book import Book
from load import Load
from year import Span, Year

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]
MONTH = Span(date(2026, 12, 20), 30, 100, 5, down_from=date(2027, 1, 8))
WHOLE = Span(date(2026, 11, 24), 365, 2000, 20, down_from=date(2027, 2, 3))


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
    assert book.out_of_hours() == []
    year.life.close()
