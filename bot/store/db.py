"""The store: many readers, one writer thread a process with group commit.

Everything that writes hands the writer a function; all functions that wait at one moment
share one transaction and one fsync, each behind its own savepoint, so that a failing one
undoes only itself. Statements are plain SQL with ``:names`` that SQLite and PostgreSQL share
(see the developer notes); SQLAlchemy describes the schema (``migrations``) and is not imported
at run time: its execution of a text statement costs four times the driver's (see the decision
record).
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from bot.errors import Retry

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
Row = sqlite3.Row
_JOBS_A_COMMIT = 64
_BUSY_SECONDS = 10.0
_BAD_SQL = sqlite3.SQLITE_ERROR


class Db:
    """One connection, inside one transaction: what store functions are handed."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def run(self, sql: str, /, **values: Any) -> int:
        """Execute a change; the number of rows that it touched."""
        count: int = self.connection.execute(sql, values).rowcount
        return count

    def insert(self, sql: str, /, **values: Any) -> int:
        """Execute an insert; the ``id`` of the new row, 0 when the row was there already."""
        done = self.connection.execute(sql, values)
        return done.lastrowid or 0 if done.rowcount else 0

    def many(self, sql: str, rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> int:
        """Execute one change for many rows; the number of rows touched."""
        count: int = self.connection.executemany(sql, rows).rowcount
        return count

    def rows(self, sql: str, /, **values: Any) -> list[Row]:
        """All rows of a query."""
        found: list[Row] = self.connection.execute(sql, values).fetchall()
        return found

    def one(self, sql: str, /, **values: Any) -> Row | None:
        """The first row of a query, if any."""
        row: Row | None = self.connection.execute(sql, values).fetchone()
        return row

    def value(self, sql: str, /, **values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.connection.execute(sql, values).fetchone()
        return row[0] if row else None

    def ticks(self) -> int:
        """Milliseconds of a clock that all who write here share, for leases; no time of day."""
        return int(time.monotonic() * 1000)


class Verdict(Enum):
    """Whom an error of a transaction concerns."""

    OWN = auto()
    """The change that raised it."""
    EVERYBODY = auto()
    """The disk, the file or the server is in trouble: nothing of this commit happened."""
    AGAIN = auto()
    """Another process changed the same at the same time: all of it is done once more."""


class Engine(Protocol):
    """What differs between the databases; ``Sqlite`` here, ``Postgres`` in its own module."""

    def connect(self, *, writing: bool) -> Db:
        """A connection; one that is not for writing refuses changes."""
        ...

    def reader(self) -> Db:
        """A connection to read with on this thread."""
        ...

    def transaction(self, db: Db, attempt: int) -> AbstractContextManager[None]:
        """Commits at the end, undoes everything on an error."""
        ...

    def verdict(self, error: Exception, attempt: int) -> Verdict:
        """Whom an error concerns."""
        ...

    def name_of(self, error: Exception) -> str:
        """The driver's short name of an error; holds no values."""
        ...

    def is_usable(self, db: Db) -> bool:
        """Whether a connection can still be used."""
        ...

    def close(self) -> None:
        """Close the readers."""
        ...


class Database:
    """A database, its reading connections and its writer thread.

    Args:
        place: A file for SQLite; ``postgresql://…`` for PostgreSQL.
    """

    def __init__(self, place: Path | str) -> None:
        self.place = place
        self._engine = _engine(place)
        self._jobs: deque[tuple[Callable[[Db], Any], Future[Any]]] = deque()
        self._wake = threading.Condition()
        self._closing = False
        # Opened here and not in the thread: the first one switches the file to WAL, which fails
        # beside a reader that opens at the same moment, and whoever opens is told.
        self._writer = threading.Thread(
            target=self._write_forever,
            args=(self._engine.connect(writing=True),),
            name="store-writer",
            daemon=True,
        )
        self._writer.start()

    # -- reading

    def read(self) -> Db:
        """A connection that sees all that is committed; do not keep it across threads."""
        return self._engine.reader()

    # -- writing

    def submit(self, job: Callable[[Db], T]) -> Future[T]:
        """Queue a change; the future is done only when it is on the disk.

        On PostgreSQL a change that lost a race against another process is run again: it must
        change nothing but the store and what it returns.
        """
        future: Future[T] = Future()
        with self._wake:
            if self._closing:
                raise Retry("数据库正在关闭")
            self._jobs.append((job, future))
            self._wake.notify()
        return future

    def write(self, job: Callable[[Db], T]) -> T:
        """Run a change and wait until it is durable."""
        if threading.current_thread() is self._writer:
            raise RuntimeError("a change inside a change would wait for itself")
        return self.submit(job).result()

    def close(self) -> None:
        """Finish what is queued, then stop."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._writer.join()
        self._engine.close()

    def _write_forever(self, db: Db) -> None:
        while jobs := self._next_jobs():
            # What was cancelled while it waited is not done; from here on nobody can cancel.
            taken = [each for each in jobs if each[1].set_running_or_notify_cancel()]
            try:
                if not self._engine.is_usable(db):
                    db = self._engine.connect(writing=True)
            except Retry as trouble:
                _tell(taken, trouble)
            else:
                _commit_together(self._engine, db, taken)
        db.connection.close()

    def _next_jobs(self) -> list[tuple[Callable[[Db], Any], Future[Any]]]:
        with self._wake:
            while not self._jobs and not self._closing:
                self._wake.wait()
            return [self._jobs.popleft() for _ in range(min(len(self._jobs), _JOBS_A_COMMIT))]


def _engine(place: Path | str) -> Engine:
    if isinstance(place, Path):
        return Sqlite(place)
    from bot.store.postgres import Postgres  # noqa: PLC0415  # the embedded store has no driver

    return Postgres(place)


_Jobs = list[tuple[Callable[[Db], Any], "Future[Any]"]]


def _commit_together(engine: Engine, db: Db, jobs: _Jobs) -> None:
    attempt = 0
    while True:
        answers: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with engine.transaction(db, attempt):
                for job, future in jobs:
                    answers.append((future, *_attempt(engine, db, job, attempt)))
            break
        except Exception as trouble:  # noqa: BLE001  # sorted by the engine; the writer lives on
            if engine.verdict(trouble, attempt) is not Verdict.AGAIN:
                _tell(jobs, Retry(f"数据库暂时无法写入({engine.name_of(trouble)})"))
                return
            attempt += 1
    for future, result, error in answers:
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def _tell(jobs: _Jobs, trouble: Retry) -> None:
    for _, future in jobs:
        future.set_exception(Retry(str(trouble)))


def _attempt(
    engine: Engine, db: Db, job: Callable[[Db], Any], attempt: int
) -> tuple[Any, BaseException | None]:
    db.connection.execute("SAVEPOINT job")
    try:
        result = job(db)
    except Exception as error:  # it belongs to whoever waits for the future
        if engine.verdict(error, attempt) is not Verdict.OWN:
            raise
        db.connection.execute("ROLLBACK TO job")
        db.connection.execute("RELEASE job")
        return None, error
    db.connection.execute("RELEASE job")
    return result, None


# -- the embedded database


class Sqlite:
    """One file; one process owns it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading = threading.local()
        self._readers: list[sqlite3.Connection] = []

    def connect(self, *, writing: bool) -> Db:
        """A connection of its own."""
        connection = connect(self._path)
        if not writing:
            connection.execute("PRAGMA query_only = ON")
        return Db(connection)

    def reader(self) -> Db:
        """One a thread."""
        db: Db | None = getattr(self._reading, "db", None)
        if db is None:
            db = self.connect(writing=False)
            self._reading.db = db
            self._readers.append(db.connection)
        return db

    @contextmanager
    def transaction(self, db: Db, attempt: int) -> Iterator[None]:  # noqa: ARG002  # as its kin
        """Takes the write lock at once."""
        try:
            db.connection.execute("BEGIN IMMEDIATE")
            yield
            db.connection.execute("COMMIT")
        except Exception:
            if db.connection.in_transaction:
                db.connection.execute("ROLLBACK")
            raise

    def verdict(self, error: Exception, attempt: int) -> Verdict:  # noqa: ARG002  # as its kin
        """A statement that is wrong is its author's; a disk that is full is everybody's."""
        code = getattr(error, "sqlite_errorcode", _BAD_SQL)  # the driver's own errors have none
        if isinstance(error, sqlite3.OperationalError) and code != _BAD_SQL:
            return Verdict.EVERYBODY
        return Verdict.OWN

    def name_of(self, error: Exception) -> str:
        """Such as SQLITE_FULL."""
        return str(getattr(error, "sqlite_errorname", type(error).__name__))

    def is_usable(self, db: Db) -> bool:  # noqa: ARG002  # as its kin
        """A file does not hang up."""
        return True

    def close(self) -> None:
        """Close every thread's connection."""
        for connection in self._readers:
            connection.close()


def connect(path: Path) -> sqlite3.Connection:
    """Open the file: WAL, FULL, explicit transactions, rows by name."""
    connection = sqlite3.connect(
        path,
        isolation_level=None,
        check_same_thread=False,
        timeout=_BUSY_SECONDS,
        cached_statements=512,
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection
