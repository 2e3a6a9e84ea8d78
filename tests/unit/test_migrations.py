"""Migrations stand in one line: each has its own number and follows the one before."""

from __future__ import annotations

import re
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

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


def _tables(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}


def test_a_death_between_two_steps_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "qunguan.db"

    def dies(*_: object) -> None:
        raise ConnectionAbortedError

    with monkeypatch.context() as broken:
        broken.setattr("alembic.op.add_column", dies)  # tables of earlier steps are made
        with pytest.raises(ConnectionAbortedError):
            migrations.upgrade(file)
    assert _tables(file) == set()
    assert migrations.upgrade(file)
    assert migrations.revision_of(file) == migrations.HEAD
    assert not migrations.upgrade(file)


def test_of_several_processes_that_start_at_once_one_migrates(tmp_path: Path) -> None:
    file = tmp_path / "qunguan.db"
    together = threading.Barrier(3)

    def start() -> bool:
        together.wait()
        return migrations.upgrade(file)

    with ThreadPoolExecutor(3) as processes:
        started = [processes.submit(start) for _ in range(3)]
    assert [each.exception() for each in started] == [None, None, None]
    assert migrations.revision_of(file) == migrations.HEAD
