"""Every statement that stands whole in the code is understood by both databases.

A statement that is put together at run time is seen by the contract suites, which run on both.
"""

from __future__ import annotations

import ast
import re
import sqlite3
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from backends import POSTGRES, SQLITE, Place
from servers import can_run_redis

from bot.store.db import Db

ROOT = Path(__file__).parents[2]
_METHODS = {"run", "insert", "many", "rows", "one", "value"}
_SQL = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b")
_NAME = re.compile(r"%\((\w+)\)s")


def _whole(node: ast.expr, names: dict[str, object]) -> str | None:
    """The text of an argument that needs nothing from run time."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name) and isinstance(found := names.get(node.id), str):
        return found
    return None


def _statements() -> Iterator[tuple[str, str]]:
    for file in sorted((ROOT / "bot").rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        calls = [
            node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _METHODS
            and node.args
        ]
        elsewhere = {"migrations", "sandbox", "postgres.py"}  # not the store's statements
        if not calls or elsewhere & set(file.parts):
            continue
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        if "shared" in file.parts and not can_run_redis():
            continue
        names = vars(import_module(name))
        for call in calls:
            sql = _whole(call.args[0], names)
            if sql and _SQL.match(sql) and not re.search(r"\{\w*\}", sql):
                yield f"{name}:{call.lineno}", sql


STATEMENTS = dict(_statements())


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Db]:
    folder = tmp_path_factory.mktemp("statements")
    POSTGRES.create(folder)
    with Place(POSTGRES, folder).look() as db:
        yield db
    POSTGRES.remove(folder)


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Db]:
    folder = tmp_path_factory.mktemp("statements")
    SQLITE.create(folder)
    with Place(SQLITE, folder).look() as db:
        yield db


def _complaint_of_postgres(db: Db, sql: str) -> str:
    import psycopg  # noqa: PLC0415  # where there is a driver

    from bot.store.postgres import translated  # noqa: PLC0415  # as above

    order: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[1] not in order:
            order.append(found[1])
        return f"${order.index(found[1]) + 1}"

    text = _NAME.sub(number, translated(sql)).replace("%%", "%")
    for place in range(text.count("%s")):
        text = text.replace("%s", f"${place + 1}", 1)
    try:
        db.connection.driver.execute(f"PREPARE one AS {text}")
        db.connection.driver.execute("DEALLOCATE one")
    except psycopg.Error as wrong:
        return str(wrong)
    return ""


def _complaint_of_sqlite(db: Db, sql: str) -> str:
    values = dict.fromkeys(re.findall(r":([a-z_][a-z_0-9]*)", sql))
    try:
        db.connection.execute(f"EXPLAIN {sql}", values or (None,) * sql.count("?"))
    except sqlite3.Error as wrong:
        return str(wrong)
    return ""


def test_postgres_understands_every_statement(postgres: Db) -> None:
    wrong = {where: _complaint_of_postgres(postgres, sql) for where, sql in STATEMENTS.items()}
    assert {where: words for where, words in wrong.items() if words} == {}


def test_sqlite_understands_every_statement(sqlite: Db) -> None:
    wrong = {where: _complaint_of_sqlite(sqlite, sql) for where, sql in STATEMENTS.items()}
    assert {where: words for where, words in wrong.items() if words} == {}


def test_the_statements_were_found() -> None:
    assert len(STATEMENTS) > 150
