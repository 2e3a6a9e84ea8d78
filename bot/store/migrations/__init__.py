"""Alembic migrations of the store.

SQLAlchemy and Alembic are imported only when there is something to do: a start that finds
the database at ``HEAD`` costs one query.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.errors import Invalid

if TYPE_CHECKING:
    from sqlalchemy import Engine

HEAD = "r0023"
_FUNCTIONS = Path(__file__).parent / "functions.sql"
_ONE_AT_A_TIME = 7_201_002
_OLDEST_SERVER = 140_000
_PATIENCE_SECONDS = 60
"""How long a process waits while another one migrates."""


def revision_of(place: Path | str) -> str | None:
    """The revision a database stands at; None when it is new.

    Raises:
        Retry: PostgreSQL does not answer.
    """
    if isinstance(place, str):
        return _revision_in_postgres(place)
    if not place.exists():
        return None
    connection = sqlite3.connect(place)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()
    return row[0] if row else None


def _revision_in_postgres(url: str) -> str | None:
    from bot.store.postgres import Connection  # noqa: PLC0415  # the embedded store has no driver

    connection = Connection(url, writing=False)
    try:
        there = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
        if there[0] is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    finally:
        connection.close()
    return str(row[0]) if row else None


def upgrade(place: Path | str) -> bool:
    """Bring the database to ``HEAD``; True when something was changed. Safe to repeat.

    Raises:
        Invalid: PostgreSQL is too old, or the database sorts text in another way than we do.
        Retry: PostgreSQL does not answer.
    """
    if revision_of(place) == HEAD:
        return False
    from alembic import command  # noqa: PLC0415  # costs 0.2 s that a usual start saves
    from alembic.config import Config  # noqa: PLC0415  # as above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("version_locations", str(Path(__file__).parent / "versions"))
    config.set_main_option("path_separator", "os")
    engine = _open(place)
    try:
        with engine.begin() as connection:
            if isinstance(place, str):
                _prepare_postgres(connection)
            config.attributes["connection"] = connection
            command.upgrade(config, HEAD)
    finally:
        engine.dispose()
    return True


def _open(place: Path | str) -> Engine:
    """An engine whose statements, those that make tables too, are one change of the database.

    Python's driver would commit each ``CREATE`` by itself: a death between two of them would
    leave a store that no later start can read.
    """
    from sqlalchemy import create_engine, event  # noqa: PLC0415  # as above

    if isinstance(place, Path):
        _make(place.parent)
        engine = create_engine(f"sqlite:///{place}", connect_args={"timeout": _PATIENCE_SECONDS})
        event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        event.listen(engine, "begin", lambda begun: begun.exec_driver_sql("BEGIN IMMEDIATE"))
        return engine
    return create_engine("postgresql+psycopg://" + place.split("://", 1)[1])


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as trouble:
        raise Invalid(
            f"数据文件夹 {folder} 不能用({trouble.strerror}),请检查 QUNGUAN_DATA_DIR 和权限"
        ) from None


def _prepare_postgres(connection: Any) -> None:
    """Several processes may start at once; only one migrates, the others find it done."""
    run = connection.exec_driver_sql
    run(f"SELECT pg_advisory_xact_lock({_ONE_AT_A_TIME})")
    if int(run("SHOW server_version_num").scalar()) < _OLDEST_SERVER:
        raise Invalid("PostgreSQL 版本太旧,请使用 14 或更新的版本")
    place = "SELECT datcollate, pg_encoding_to_char(encoding) FROM pg_database"
    sorting, encoding = run(f"{place} WHERE datname = current_database()").one()
    if sorting not in {"C", "POSIX"} or encoding != "UTF8":
        raise Invalid(
            f"数据库的排序规则是 {sorting}、编码是 {encoding},群管需要 C 和 UTF8;请这样新建数据库:"
            "CREATE DATABASE qunguan TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    for statement in _FUNCTIONS.read_text(encoding="utf-8").split(";\n"):
        if statement.strip():
            run(statement)
