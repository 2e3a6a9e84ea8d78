"""PostgreSQL behind the same statements as SQLite; loaded only when ``DATABASE_URL`` names it.

Every change runs as if it were alone (``SERIALIZABLE``), which is what one writer is for
SQLite; a change that lost a race is run again, from the third time on with all other writers
kept out, so that nobody starves. Functions of SQLite that statements use exist here under the same
names (``migrations/functions.sql``).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import count
from typing import Any

from bot.errors import Invalid, Retry
from bot.store.db import Db, Verdict

try:
    import psycopg
    from psycopg import errors
    from psycopg.adapt import Loader
    from psycopg.types.numeric import Int8Dumper
    from psycopg.types.string import StrDumper
except ImportError:
    raise Invalid("没有安装 PostgreSQL 的驱动,请运行 pip install 'qunguan[scaled]'") from None

_READERS = 4
"""Connections that all reading threads of a process share."""
_CONNECT_SECONDS = 5
_STATEMENTS = 512
_WRITERS = 7_201_001
"""The advisory lock that writers share, and that a starving one takes alone."""
_SOLE_USE = 7_201_003
_PATIENCE = 2
_MOST_ATTEMPTS = 10
_TOKENS = re.compile(
    r"('(?:[^']|'')*')"  # a text stays as it is
    r"|(::)"
    r"|:([a-z_][a-z_0-9]*)"
    r"|(\?)"
    r"|(\bINDEXED BY \w+)"
    # A plus before a column keeps SQLite from an index; PostgreSQL plans by itself.
    r"|(?<=[\s(])\+(?=[a-z])",
    re.IGNORECASE,
)


class Row(tuple[Any, ...]):
    """A row by name and by number, as ``sqlite3.Row`` is."""

    __slots__ = ()
    places: Mapping[str, int] = {}

    def __getitem__(self, key: Any) -> Any:
        """A column."""
        if isinstance(key, str):
            return tuple.__getitem__(self, self.places[key])
        return tuple.__getitem__(self, key)

    def keys(self) -> list[str]:
        """The names of the columns."""
        return list(self.places)


@lru_cache(maxsize=1024)
def _kind_of_row(names: tuple[str, ...]) -> type[Row]:
    places = {name: place for place, name in reversed(list(enumerate(names)))}
    in_order = dict(sorted(places.items(), key=lambda each: each[1]))
    return type("Row", (Row,), {"__slots__": (), "places": in_order})


def _rows_by_name(cursor: Any) -> Callable[[Sequence[Any]], Any]:
    if cursor.description is None:
        return tuple
    return _kind_of_row(tuple(column.name for column in cursor.description))


class _Text(StrDumper):
    """Text that is known to be text, so that nothing has to be guessed; it cannot hold NUL."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\ufffd") if "\0" in obj else str(obj))


class _Flag(Int8Dumper):
    """Flags are 0 and 1 in every column."""

    def dump(self, obj: Any) -> Any:
        return super().dump(int(obj))


class _Truth(Loader):
    """What a condition says, as SQLite says it."""

    def load(self, data: Any) -> int:
        return int(bytes(data) == b"t")


class _Number(Loader):
    """Sums are whole numbers, means are not."""

    def load(self, data: Any) -> int | float:
        text = bytes(data).decode()
        return float(text) if "." in text or "N" in text else int(text)


@lru_cache(maxsize=4096)
def translated(sql: str) -> str:
    """A statement with ``:names`` or ``?`` as the driver wants it."""

    def change(found: re.Match[str]) -> str:
        text, cast, name, place, _ = found.groups()
        if text is not None:
            return text.replace("%", "%%")
        if cast is not None:
            return cast
        if name is not None:
            return f"%({name})s"
        return "%s" if place is not None else ""

    return _TOKENS.sub(change, sql)


class Connection:
    """A connection that understands our statements."""

    def __init__(self, url: str, *, writing: bool) -> None:
        try:
            self.driver: Any = psycopg.connect(
                url,
                autocommit=True,
                row_factory=_rows_by_name,
                connect_timeout=_CONNECT_SECONDS,
                application_name="qunguan",
            )
        except psycopg.OperationalError as trouble:
            raise Retry(
                f"连不上 PostgreSQL({type(trouble).__name__}),请检查 DATABASE_URL 和数据库服务"
            ) from None
        self.driver.prepared_max = _STATEMENTS
        adapters = self.driver.adapters
        adapters.register_dumper(str, _Text)
        adapters.register_dumper(int, Int8Dumper)
        adapters.register_dumper(bool, _Flag)
        adapters.register_loader("bool", _Truth)
        adapters.register_loader("numeric", _Number)
        # Compiling a statement as long as ours takes longer than running it.
        self.driver.execute("SET jit = off")
        if not writing:
            self.driver.execute("SET default_transaction_read_only = on")

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> Any:
        """Run one statement."""
        return self.driver.execute(translated(sql), values or {})

    def executemany(self, sql: str, rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> Any:
        """Run one statement for many rows."""
        cursor = self.driver.cursor()
        cursor.executemany(translated(sql), rows)
        return cursor

    def close(self) -> None:
        """Hang up."""
        self.driver.close()


class PostgresDb(Db):
    """A connection to PostgreSQL, as store functions know it."""

    def insert(self, sql: str, /, **values: Any) -> int:
        """Execute an insert; the ``id`` of the new row, 0 when the row was there already."""
        row = self.connection.execute(f"{sql} RETURNING id", values).fetchone()
        return row[0] if row else 0

    def ticks(self) -> int:
        """The server's clock: several machines have no other one in common."""
        now: int = self.value("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)")
        return now

    def many(self, sql: str, rows: Iterable[Mapping[str, Any] | Sequence[Any]]) -> int:
        """Execute one change for many rows; the number of rows touched."""
        some = list(rows)
        return super().many(sql, some) if some else 0


class _Readers:
    """A connection that many threads read through, and that outlives the server's restarts."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._open: Connection | None = None

    def execute(self, sql: str, values: Mapping[str, Any] | None = None) -> Any:
        """Run one query; on a new connection if the old one is gone, for reading repeats well."""
        connection = self._connected()
        try:
            return connection.execute(sql, values)
        except psycopg.OperationalError as trouble:
            if not connection.driver.closed:
                raise Retry(f"数据库暂时无法读取({type(trouble).__name__})") from None
        return self._connected().execute(sql, values)

    def _connected(self) -> Connection:
        with self._lock:
            if self._open is None or self._open.driver.closed:
                self._open = Connection(self._url, writing=False)
            return self._open

    def close(self) -> None:
        """Hang up."""
        if self._open is not None:
            self._open.close()


class Postgres:
    """A server; any number of processes write to it."""

    def __init__(self, url: str) -> None:
        self._url = url
        # The driver takes the threads' queries one by one; a thread keeps to one connection.
        self._readers = [PostgresDb(_Readers(url)) for _ in range(_READERS)]
        self._turns = count()
        self._reading = threading.local()

    def connect(self, *, writing: bool) -> Db:
        """A connection of its own."""
        return PostgresDb(Connection(self._url, writing=writing))

    def reader(self) -> Db:
        """One of a few that the threads share."""
        db: Db | None = getattr(self._reading, "db", None)
        if db is None:
            db = self._reading.db = self._readers[next(self._turns) % _READERS]
        return db

    @contextmanager
    def transaction(self, db: Db, attempt: int) -> Iterator[None]:
        """As if alone; after losing twice really alone."""
        driver = db.connection.driver
        alone = attempt >= _PATIENCE
        try:
            if alone:
                # Before the transaction: its view of the store must not be older than the lock.
                driver.execute(f"SELECT pg_advisory_lock({_WRITERS})")
                driver.execute("BEGIN ISOLATION LEVEL SERIALIZABLE")
            else:
                driver.execute(
                    "BEGIN ISOLATION LEVEL SERIALIZABLE;"
                    f" SELECT pg_advisory_xact_lock_shared({_WRITERS})"
                )
            yield
            driver.execute("COMMIT")
        finally:
            if not driver.closed and driver.info.transaction_status != _IDLE:
                driver.execute("ROLLBACK")
            if alone and not driver.closed:
                driver.execute(f"SELECT pg_advisory_unlock({_WRITERS})")

    def verdict(self, error: Exception, attempt: int) -> Verdict:
        """Races are lost again and again only while others write."""
        if isinstance(error, (errors.SerializationFailure, errors.DeadlockDetected)):
            return Verdict.AGAIN if attempt < _MOST_ATTEMPTS else Verdict.EVERYBODY
        # Two who both found nothing and both insert: the second one hears of the key instead.
        if isinstance(error, errors.UniqueViolation) and attempt < _PATIENCE:
            return Verdict.AGAIN
        if isinstance(error, psycopg.OperationalError):
            return Verdict.EVERYBODY
        return Verdict.OWN

    def name_of(self, error: Exception) -> str:
        """Such as DiskFull."""
        return type(error).__name__

    def is_usable(self, db: Db) -> bool:
        """Not after the server was restarted."""
        return not db.connection.driver.closed

    def close(self) -> None:
        """Hang up."""
        for each in self._readers:
            each.connection.close()


_PATIENCE_MS = 3_000
_IDLE = psycopg.pq.TransactionStatus.IDLE


@contextmanager
def sole_use_of_database(url: str) -> Iterator[None]:
    """Hold a database while one process alone works on it.

    The server lets go of a process that ended a moment after its end; a restart waits for that.

    Raises:
        Invalid: Another bot holds it.
    """
    connection = Connection(url, writing=True)
    try:
        connection.execute(f"SET lock_timeout = {_PATIENCE_MS}")
        try:
            connection.execute(f"SELECT pg_advisory_lock({_SOLE_USE})")
        except psycopg.errors.LockNotAvailable:
            raise Invalid(
                "这个数据库正由另一个群管使用:请先停掉它;要多个进程一起运行,请设置 REDIS_URL"
            ) from None
        yield
    finally:
        connection.close()
