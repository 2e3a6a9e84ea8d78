"""Alembic migrations of the store.

SQLAlchemy and Alembic are imported only when there is something to do: a start that finds
the database at ``HEAD`` costs one query.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

HEAD = "r0004"


def revision_of(path: Path) -> str | None:
    """The revision a database file stands at; None when it is new."""
    if not path.exists():
        return None
    connection = sqlite3.connect(path)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None
    finally:
        connection.close()
    return row[0] if row else None


def upgrade(path: Path) -> bool:
    """Bring the database to ``HEAD``; True when something was changed. Safe to repeat."""
    if revision_of(path) == HEAD:
        return False
    from alembic import command  # noqa: PLC0415  # costs 0.2 s that a usual start saves
    from alembic.config import Config  # noqa: PLC0415  # as above
    from sqlalchemy import create_engine  # noqa: PLC0415  # as above

    path.parent.mkdir(parents=True, exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("version_locations", str(Path(__file__).parent / "versions"))
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, HEAD)
    finally:
        engine.dispose()
    return True
