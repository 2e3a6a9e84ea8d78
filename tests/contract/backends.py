"""The back ends of the store that the contract suites run on.

A new one joins every suite by one more entry in ``BACKENDS``: it has to open a fresh, migrated
store at a place, and to look at what is durable there through a connection of its own.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING
from zlib import crc32

import pytest
from servers import empty_redis, fresh_database, give_back

from bot.store.db import Database, Db, connect
from bot.store.migrations import upgrade

if TYPE_CHECKING:
    from bot.shared import Shared


@dataclass(frozen=True)
class Backend:
    """How to get a store of one kind.

    Attributes:
        create: Puts an empty, migrated store at a place.
        open: Opens what is at a place; closing is the caller's.
        look: What another process would see at that place now.
        fill_up: Makes the store refuse to grow, as a full disk does.
        make_room: Lifts that again.
        remove: Called when nobody has it open any more.
    """

    name: str
    create: Callable[[Path], None]
    open: Callable[[Path], Database]
    look: Callable[[Path], Iterator[Db]]
    fill_up: Callable[[Db], None]
    make_room: Callable[[Db], None]
    remove: Callable[[Path], None]


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


def is_postgres(db: Db) -> bool:
    return not isinstance(db.connection, sqlite3.Connection)


def all_tables(db: Db) -> str:
    """The query that names them."""
    if is_postgres(db):
        return "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    return "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"


def raw_bytes(db: Db) -> bytes:
    """All that stands in the tables, as who steals the disk would read it."""
    found = b""
    for table in db.rows(all_tables(db)):
        for row in db.rows(f'SELECT * FROM "{table[0]}"'):
            found += b" ".join(
                each if isinstance(each, bytes) else str(each).encode() for each in tuple(row)
            )
    return found


def forbid(db: Db, when: str) -> None:
    """Have a write refused by the database, such as ``INSERT ON decision``; see ``allow``."""
    event, _, condition = when.partition(" WHEN ")
    only = f"WHEN ({condition})" if condition else ""
    if is_postgres(db):
        body = "BEGIN RAISE EXCEPTION 'forbidden'; END"
        db.run(f"CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS $${body}$$")
        made = f"CREATE TRIGGER forbid BEFORE {event} FOR EACH ROW {only}"
        db.run(f"{made} EXECUTE FUNCTION forbid()")
    else:
        refuse = "SELECT RAISE(ABORT, 'forbidden')"
        db.run(f"CREATE TRIGGER forbid BEFORE {event} {only} BEGIN {refuse}; END")


def allow(db: Db, table: str) -> None:
    """Lift that again."""
    db.run(f"DROP TRIGGER forbid ON {table}" if is_postgres(db) else "DROP TRIGGER forbid")


SQLITE = Backend(
    "sqlite",
    _copy,
    lambda place: Database(place / "bot.db"),
    _look,
    _fill_up,
    _make_room,
    lambda _place: None,
)


# -- PostgreSQL


def _new_database(place: Path) -> None:
    (place / "database").write_text(fresh_database(), encoding="utf-8")


def _give_back(place: Path) -> None:
    give_back(_url(place))


def _url(place: Path) -> str:
    return (place / "database").read_text(encoding="utf-8")


def _look_elsewhere(place: Path) -> Iterator[Db]:
    from bot.store.postgres import Postgres  # noqa: PLC0415  # where there is a driver

    db = Postgres(_url(place)).connect(writing=True)
    try:
        yield db
    finally:
        db.connection.close()


# What a server says whose disk is full, for whatever is big.
_NO_ROOM = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$
"""
_WHEN_BIG = """
CREATE TRIGGER no_room BEFORE INSERT ON cursor FOR EACH ROW
WHEN (length(NEW.value) > 1000) EXECUTE FUNCTION no_room()
"""


def _refuse(db: Db) -> None:
    db.run(_NO_ROOM)
    db.run(_WHEN_BIG)


def _refuse_no_more(db: Db) -> None:
    db.run("DROP TRIGGER no_room ON cursor")


POSTGRES = Backend(
    "postgres",
    _new_database,
    lambda place: Database(_url(place)),
    _look_elsewhere,
    _refuse,
    _refuse_no_more,
    _give_back,
)
BACKENDS = [SQLITE, POSTGRES]


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


# -- Redis


def fresh_redis() -> Shared:
    """An empty Redis."""
    url = empty_redis()
    from bot.shared import Shared  # noqa: PLC0415  # where there is a client

    return Shared(url, "wwMadeUp")


def spares(backend: Backend, *example: object) -> bool:
    """Whether a test of many examples leaves one out, for the sake of its time.

    PostgreSQL, where an example takes ten times as long, gets one of four, always the same.
    """
    return backend is POSTGRES and bool(crc32(repr(example).encode()) % 4)


def every_store(folders: pytest.TempPathFactory, *example: object) -> Iterator[Database]:
    """A fresh store on every back end, one after the other, for tests of many examples."""
    for backend in BACKENDS:
        if spares(backend, *example):
            continue
        folder = folders.mktemp("example")
        backend.create(folder)
        store = backend.open(folder)
        try:
            yield store
        finally:
            store.close()
            backend.remove(folder)
