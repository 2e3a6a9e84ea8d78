"""The migrations are one chain, numbered in their order, and the program wants the last."""

from __future__ import annotations

import re
from pathlib import Path

from bot.store.migrations import HEAD

VERSIONS = Path(__file__).parents[3] / "bot" / "store" / "migrations" / "versions"


def test_every_migration_follows_the_one_before_and_no_number_is_there_twice() -> None:
    numbers = []
    for path in sorted(VERSIONS.glob("r*.py")):
        source = path.read_text(encoding="utf-8")
        own = re.search(r'^revision = "(r\d{4})"', source, re.MULTILINE)
        before = re.search(r'^down_revision = (?:"(r\d{4})"|None)', source, re.MULTILINE)
        assert own is not None
        assert before is not None
        assert path.name.startswith(f"{own[1]}_")
        assert (numbers[-1] if numbers else None) == before[1]
        numbers.append(own[1])
    assert [f"r{number:04d}" for number in range(1, len(numbers) + 1)] == numbers
    assert numbers[-1] == HEAD
