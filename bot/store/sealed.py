"""Every sealed value of the store: the columns whose name ends in ``_sealed``, whoever made them.

They are found by asking the database, so that a new table is never forgotten. Reading happens
outside the writer, in batches by primary key; a value is exchanged only if it is still the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bot.errors import Invalid
from bot.store.db import Db, Row

_IN_SQLITE = """
SELECT t.name AS table_name, c.name AS column_name, c.pk AS place
FROM sqlite_master t CROSS JOIN pragma_table_info(t.name) c
WHERE t.type = 'table' AND (c.pk > 0 OR c.name LIKE '%\\_sealed' ESCAPE '\\')
ORDER BY t.name, c.pk, c.cid
"""
_IN_POSTGRES = """
SELECT t.relname AS table_name, a.attname AS column_name,
  CASE WHEN a.attnum = ANY(i.indkey) THEN array_position(CAST(i.indkey AS SMALLINT[]), a.attnum)
    ELSE -1 END + 1 AS place
FROM pg_class t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0
  AND NOT a.attisdropped
LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisprimary
WHERE t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace
  AND (a.attnum = ANY(i.indkey) OR a.attname LIKE '%\\_sealed')
ORDER BY t.relname, place, a.attnum
"""


@dataclass(frozen=True)
class Place:
    """A table with sealed columns."""

    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Value:
    """One sealed value, and where it stands."""

    place: Place
    column: str
    row: tuple[object, ...]
    sealed: bytes


def places(db: Db) -> list[Place]:
    """Every table that holds sealed values, with its primary key."""
    embedded = isinstance(db.connection, sqlite3.Connection)
    keys: dict[str, list[str]] = {}
    columns: dict[str, list[str]] = {}
    for row in db.rows(_IN_SQLITE if embedded else _IN_POSTGRES):
        kind = keys if row["place"] > 0 else columns
        kind.setdefault(row["table_name"], []).append(row["column_name"])
    return [Place(table, tuple(keys[table]), tuple(columns[table])) for table in sorted(columns)]


def any_value(db: Db) -> bytes | None:
    """One sealed value; None in a store that has none."""
    for place in places(db):
        for column in place.columns:
            where = f"{column} IS NOT NULL AND length({column}) > 0"
            found = db.value(f"SELECT {column} FROM {place.table} WHERE {where} LIMIT 1")
            if found is not None:
                return bytes(found)
    return None


def count_others(db: Db, place: Place, header: bytes) -> int:
    """How many values of a table do not begin with a key's header."""
    some = " + ".join(f"CASE WHEN {_foreign(column)} THEN 1 ELSE 0 END" for column in place.columns)
    return int(db.value(f"SELECT sum({some}) FROM {place.table}", header=header) or 0)


def not_under(
    read: Callable[[], Db], place: Place, header: bytes, limit: int
) -> Iterator[list[Value]]:
    """The values of a table that do not begin with a key's header, a batch of rows at a time.

    The rows are passed once, in the order of their primary key; what is changed meanwhile is
    seen as it is then.
    """
    names = ", ".join((*place.key, *place.columns))
    others = " OR ".join(f"({_foreign(column)})" for column in place.columns)
    key = ", ".join(place.key)
    after = ", ".join(f":k{number}" for number in range(len(place.key)))
    tail = f"ORDER BY {key} LIMIT :limit"
    first = f"SELECT {names} FROM {place.table} WHERE ({others}) {tail}"
    further = f"SELECT {names} FROM {place.table} WHERE ({key}) > ({after}) AND ({others}) {tail}"
    rows = read().rows(first, header=header, limit=limit)
    while rows:
        yield [value for row in rows for value in _values(place, row, header)]
        last = {f"k{number}": rows[-1][name] for number, name in enumerate(place.key)}
        rows = read().rows(further, header=header, limit=limit, **last)


def under(db: Db, place: Place, beginnings: Sequence[bytes]) -> int:
    """How many rows of a table hold a value that begins in one of these ways."""
    ways = " OR ".join(
        f"substr({column}, 1, {len(each)}) = :b{number}"
        for column in place.columns
        for number, each in enumerate(beginnings)
    )
    wanted = {f"b{number}": each for number, each in enumerate(beginnings)}
    return int(db.value(f"SELECT count(*) FROM {place.table} WHERE {ways}", **wanted))


def exchange(db: Db, values: Sequence[tuple[Value, bytes]]) -> int:
    """Put new values in the place of old ones; how many were still the same."""
    changed = 0
    for value, again in values:
        where = " AND ".join(f"{name} = :k{n}" for n, name in enumerate(value.place.key))
        row = {f"k{number}": each for number, each in enumerate(value.row)}
        changed += db.run(
            f"UPDATE {value.place.table} SET {value.column} = :again"
            f" WHERE {where} AND {value.column} = :before",
            again=again,
            before=value.sealed,
            **row,
        )
    return changed


def _foreign(column: str) -> str:
    return f"length({column}) > 0 AND substr({column}, 1, 3) <> :header"


def _values(place: Place, row: Row, header: bytes) -> Iterator[Value]:
    for column in place.columns:
        found = row[column]
        if found and bytes(found[: len(header)]) != header:
            yield Value(place, column, tuple(row[name] for name in place.key), bytes(found))


def resealed(
    values: Sequence[Value], again: Callable[[bytes], bytes]
) -> tuple[list[tuple[Value, bytes]], list[Value]]:
    """Each value with the new one, and those that no key opens."""
    done, closed = [], []
    for value in values:
        try:
            done.append((value, again(value.sealed)))
        except Invalid:
            closed.append(value)
    return done, closed
