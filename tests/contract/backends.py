"""The back ends of the store that the contract suites run on.

A new one joins every suite by one more entry in ``BACKENDS``: it has to open a fresh, migrated
store at a place, and to look at what is durable there through a connection of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from bot.store.db import Database, Db, connect
from bot.store.migrations import upgrade


@dataclass(frozen=True)
class Backend:
    """How to get a store of one kind.

    Attributes:
        create: Puts an empty, migrated store at a place.
        open: Opens what is at a place; closing is the caller's.
        look: What another process would see at that place now.
        fill_up: Makes the store refuse to grow, as a full disk does.
        make_room: Lifts that again.
    """

    name: str
    create: Callable[[Path], None]
    open: Callable[[Path], Database]
    look: Callable[[Path], Iterator[Db]]
    fill_up: Callable[[Db], None]
    make_room: Callable[[Db], None]


@cache
def _migrated() -> Path:
    """Migrated once: a copy is forty times cheaper than Alembic."""
    file = Path(mkdtemp(prefix="qunguan-tests-")) / "bot.db"
    upgrade(file)
    return file


def _copy(place: Path) -> None:
    shutil.copy(_migrated(), place / "bot.db")


def _look(place: Path) -> Iterator[Db]:
    connection = connect(place / "bot.db")
    try:
        yield Db(connection)
    finally:
        connection.close()


def _fill_up(db: Db) -> None:
    db.value(f"PRAGMA max_page_count = {int(db.value('PRAGMA page_count'))}")


def _make_room(db: Db) -> None:
    db.value("PRAGMA max_page_count = 1000000")


SQLITE = Backend(
    "sqlite", _copy, lambda place: Database(place / "bot.db"), _look, _fill_up, _make_room
)
BACKENDS = [SQLITE]


@dataclass(frozen=True)
class Place:
    """Where a test's store lives, and how to open it, also a second time."""

    backend: Backend
    folder: Path

    def open(self) -> Database:
        """The store; close it yourself."""
        return self.backend.open(self.folder)

    @contextmanager
    def look(self) -> Iterator[Db]:
        """What another process sees."""
        yield from self.backend.look(self.folder)
