"""Migrations stand in one line: each has its own number and follows the one before."""

from __future__ import annotations

import re
from pathlib import Path

from bot.store import migrations

VERSIONS = Path(migrations.__file__).parent / "versions"


def test_each_migration_has_its_own_number_and_follows_the_one_before() -> None:
    found = []
    for file in sorted(VERSIONS.glob("r*.py")):
        text = file.read_text(encoding="utf-8")
        own = re.search(r'^revision = "(\w+)"', text, re.MULTILINE)
        before = re.search(r'^down_revision = (?:"(\w+)"|None)', text, re.MULTILINE)
        assert own is not None
        assert before is not None
        found.append((file.name[:5], own[1], before[1]))
    names = [f"r{number:04}" for number in range(1, len(found) + 1)]
    assert found == list(zip(names, names, [None, *names[:-1]], strict=True))
    assert names[-1] == migrations.HEAD
