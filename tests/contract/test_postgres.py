"""PostgreSQL behind SQLite's statements: translation, rows, values, functions, restarts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backends import POSTGRES, SQLITE, Place
from servers import PostgresServer, can_run_postgres, fresh_database

from bot.errors import Invalid, Retry
from bot.store.db import Database, Db


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Db, Db]]:
    """The same empty store on SQLite and on PostgreSQL."""
    one, other = tmp_path_factory.mktemp("sqlite"), tmp_path_factory.mktemp("postgres")
    SQLITE.create(one)
    POSTGRES.create(other)
    with Place(SQLITE, one).look() as sqlite, Place(POSTGRES, other).look() as postgres:
        yield sqlite, postgres
    POSTGRES.remove(other)


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("SELECT date(:day, '+30 days')", {"day": "2027-01-31"}),
        ("SELECT date(:day, '-1 day')", {"day": "2028-03-01"}),
        ("SELECT date(:at / 1000 + 28800, 'unixepoch')", {"at": 1_795_000_000_000}),
        ("SELECT date(:at / 1000 + 28800, 'unixepoch')", {"at": -86_400_000}),
        ("SELECT date(CAST(NULL AS TEXT), '+1 day')", {}),
        ("SELECT julianday('2027-03-01') - julianday('2027-02-01')", {}),
        ("SELECT instr(:words, '行')", {"words": "我在他行有钱"}),
        ("SELECT substr(:words, 2, 3), substr(:words, 4)", {"words": "二十万货款"}),
        ("SELECT min(3, 7), max(3, 7)", {}),
        ("SELECT json_extract(:fact, '$.product')", {"fact": '{"product": "large_cd"}'}),
        ("SELECT json_extract(:fact, '$.none')", {"fact": "{}"}),
        ("SELECT value FROM json_each(:list) ORDER BY value", {"list": '["乙", "甲", "a:b"]'}),
        ("SELECT sum(x.value = 'a') FROM json_each(:list) x", {"list": '["a", "b", "a"]'}),
        ("SELECT sum(x.value = 'a') FROM json_each(:list) x", {"list": "[]"}),
        ("SELECT 7 / 2, 'a:b' || ':c', 50 || '%', 1 = 1, 'it''s :no name'", {}),
        ("SELECT :n, :text, :nothing", {"n": 1 << 40, "text": "百分之50%", "nothing": None}),
        ("SELECT 'x' WHERE 'wm_a' LIKE 'wm%' AND :flag = 1", {"flag": True}),
    ],
)
def test_both_databases_answer_alike(both: tuple[Db, Db], sql: str, values: dict[str, Any]) -> None:
    sqlite, postgres = both
    expected = [tuple(row) for row in sqlite.rows(sql, **values)]
    assert [tuple(row) for row in postgres.rows(sql, **values)] == expected


def test_a_row_is_read_by_name_and_by_number_like_one_of_sqlite(both: tuple[Db, Db]) -> None:
    rows = [db.one("SELECT 1 AS a, 'x' AS b, NULL AS c") for db in both]
    for row in rows:
        assert row is not None
        assert (row["a"], row[1], row.keys(), tuple(row)) == (
            1,
            "x",
            ["a", "b", "c"],
            (1, "x", None),
        )
        assert dict(row) == {"a": 1, "b": "x", "c": None}
        with pytest.raises((IndexError, KeyError)):
            row["none"]


def test_bytes_come_back_as_bytes_and_text_without_what_it_cannot_hold(
    both: tuple[Db, Db],
) -> None:
    _, postgres = both
    assert postgres.value("SELECT :raw", raw=b"\x00\xff") == b"\x00\xff"
    assert postgres.value("SELECT :text", text="a\0b") == "a\ufffdb"


def test_an_index_named_for_sqlite_and_a_plus_before_a_column_are_left_out() -> None:
    if not can_run_postgres():
        pytest.skip("no PostgreSQL here: make install-test")
    from bot.store.postgres import translated  # noqa: PLC0415  # where there is a driver

    assert translated(
        "FROM t INDEXED BY i WHERE +a = :a AND b = ? AND c LIKE '%:x' || d::text"
    ) == ("FROM t  WHERE a = %(a)s AND b = %s AND c LIKE '%%:x' || d::text")
    assert translated("SELECT a + b, 1 + :n") == "SELECT a + b, 1 + %(n)s"


def test_a_restart_of_the_server_is_a_moments_trouble() -> None:
    fresh_database()  # skips where there is none
    server = PostgresServer()
    server.create()
    server.start()
    try:
        from bot.store.migrations import upgrade  # noqa: PLC0415  # for this one

        url = server.url(server.new_database())
        upgrade(url)
        store = Database(url)
        put = "INSERT INTO cursor (name, value, moved_at) VALUES (:name, 'x', 0)"
        store.write(lambda db: db.run(put, name="before"))
        store.read().value("SELECT 1")
        server.stop()
        with pytest.raises(Retry):
            store.write(lambda db: db.run(put, name="lost"))
        with pytest.raises(Retry):
            store.read().value("SELECT 1")
        server.start()
        store.write(lambda db: db.run(put, name="after"))
        names = [row[0] for row in store.read().rows("SELECT name FROM cursor ORDER BY name")]
        assert names == ["after", "before"]
        store.close()
    finally:
        server.remove()


def test_a_database_that_sorts_text_in_another_way_is_refused_with_what_to_do() -> None:
    from servers import postgres  # noqa: PLC0415  # as above

    fresh_database()
    way = "LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'"
    postgres().run(f"CREATE DATABASE sorted_otherwise TEMPLATE template0 {way}")
    from bot.store.migrations import upgrade  # noqa: PLC0415  # as above

    with pytest.raises(Invalid, match="LC_COLLATE 'C'"):
        upgrade(postgres().url("sorted_otherwise"))


def test_one_bot_alone_holds_its_database() -> None:
    url = fresh_database()
    from bot.store.postgres import sole_use_of_database  # noqa: PLC0415  # as above

    with (
        sole_use_of_database(url),
        pytest.raises(Invalid, match="另一个群管"),
        sole_use_of_database(url),
    ):
        pass
    with sole_use_of_database(url):
        pass


def test_the_embedded_store_loads_no_driver() -> None:
    import subprocess  # noqa: PLC0415  # for this one
    import sys  # noqa: PLC0415  # as above

    look = (
        "import sys, bot.app, bot.running, bot.web.door;"
        " print({'psycopg', 'redis', 'sqlalchemy', 'bot.shared'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    assert done.stdout.strip() == "set()"
    assert sqlite3.sqlite_version_info >= (3, 39)  # for IS DISTINCT FROM
