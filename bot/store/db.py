"""One SQLite file: many readers, one writer thread with group commit.

Everything that writes hands the writer a function; all functions that wait at one moment
share one transaction and one fsync, each behind its own savepoint, so that a failing one
undoes only itself. Statements are plain SQL with ``:names``, which SQLite and PostgreSQL
share; SQLAlchemy describes the schema (``migrations``) and is not imported at run time: its
execution of a text statement costs four times the driver's (see the decision record).
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from bot.errors import Retry

T = TypeVar("T")
Row = sqlite3.Row
_JOBS_A_COMMIT = 64
_BUSY_SECONDS = 10.0
_BAD_SQL = sqlite3.SQLITE_ERROR


class Db:
    """One connection, inside one transaction: what store functions are handed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def run(self, sql: str, /, **values: Any) -> int:
        """Execute a change; the number of rows that it touched."""
        return self.connection.execute(sql, values).rowcount

    def insert(self, sql: str, /, **values: Any) -> int:
        """Execute an insert; the id of the new row."""
        return self.connection.execute(sql, values).lastrowid or 0

    def many(self, sql: str, rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> int:
        """Execute one change for many rows; the number of rows touched."""
        return self.connection.executemany(sql, rows).rowcount

    def rows(self, sql: str, /, **values: Any) -> list[Row]:
        """All rows of a query."""
        return self.connection.execute(sql, values).fetchall()

    def one(self, sql: str, /, **values: Any) -> Row | None:
        """The first row of a query, if any."""
        row: Row | None = self.connection.execute(sql, values).fetchone()
        return row

    def value(self, sql: str, /, **values: Any) -> Any:
        """The first column of the first row, or None."""
        row = self.connection.execute(sql, values).fetchone()
        return row[0] if row else None


class Database:
    """The file, its reading connections (one a thread) and its writer thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reading = threading.local()
        self._jobs: deque[tuple[Callable[[Db], Any], Future[Any]]] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._readers: list[sqlite3.Connection] = []
        # Opened here and not in the thread: the first one switches the file to WAL, which fails
        # beside a reader that opens at the same moment, and whoever opens is told.
        self._writer = threading.Thread(
            target=self._write_forever, args=(connect(path),), name="store-writer", daemon=True
        )
        self._writer.start()

    # -- reading

    def read(self) -> Db:
        """A connection that sees all that is committed; do not keep it across threads."""
        db: Db | None = getattr(self._reading, "db", None)
        if db is None:
            db = Db(connect(self.path))
            db.connection.execute("PRAGMA query_only = ON")
            self._reading.db = db
            self._readers.append(db.connection)
        return db

    # -- writing

    def submit(self, job: Callable[[Db], T]) -> Future[T]:
        """Queue a change; the future is done only when it is on the disk."""
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
        for connection in self._readers:
            connection.close()

    def _write_forever(self, connection: sqlite3.Connection) -> None:
        db = Db(connection)
        while jobs := self._next_jobs():
            _commit_together(db, jobs)
        connection.close()

    def _next_jobs(self) -> list[tuple[Callable[[Db], Any], Future[Any]]]:
        with self._wake:
            while not self._jobs and not self._closing:
                self._wake.wait()
            return [self._jobs.popleft() for _ in range(min(len(self._jobs), _JOBS_A_COMMIT))]


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


def _commit_together(db: Db, jobs: list[tuple[Callable[[Db], Any], Future[Any]]]) -> None:
    answers: list[tuple[Future[Any], Any, BaseException | None]] = []
    # What was cancelled while it waited is not done; from here on nobody can cancel.
    jobs = [(job, future) for job, future in jobs if future.set_running_or_notify_cancel()]
    try:
        db.connection.execute("BEGIN IMMEDIATE")
        for job, future in jobs:
            answers.append((future, *_attempt(db, job)))
        db.connection.execute("COMMIT")
    except sqlite3.Error as trouble:
        # Nothing of this commit happened: disk full, locked, broken. Everybody is told.
        if db.connection.in_transaction:
            db.connection.execute("ROLLBACK")
        for _, future in jobs:
            future.set_exception(Retry(f"数据库暂时无法写入({trouble.sqlite_errorname})"))
        return
    for future, result, error in answers:
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def _attempt(db: Db, job: Callable[[Db], Any]) -> tuple[Any, BaseException | None]:
    db.connection.execute("SAVEPOINT job")
    try:
        result = job(db)
    except Exception as error:  # it belongs to whoever waits for the future
        code = getattr(error, "sqlite_errorcode", _BAD_SQL)  # the driver's own errors have none
        if isinstance(error, sqlite3.OperationalError) and code != _BAD_SQL:
            raise  # the disk or the file is in trouble, and so is everybody else
        db.connection.execute("ROLLBACK TO job")
        db.connection.execute("RELEASE job")
        return None, error
    db.connection.execute("RELEASE job")
    return result, None
