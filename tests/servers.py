"""PostgreSQL and Redis for the tests: on free ports, in temporary folders, not as root."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

from bot.store.migrations import upgrade

_START_SECONDS = 30.0
_NAMES = count()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _not_outlive_us(server: subprocess.Popen[bytes]) -> subprocess.Popen[bytes]:
    """Ends a server when the tests are gone, however they ended: its input closes then."""
    return subprocess.Popen(
        ["/bin/sh", "-c", f"cat >/dev/null; kill -INT {server.pid}"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _as_nobody_special() -> dict[str, Any]:
    """PostgreSQL refuses to run as root; its package brings a user."""
    return {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}


def _dismiss(guard: subprocess.Popen[bytes] | None) -> None:
    if guard is not None and guard.stdin is not None:
        guard.kill()
        guard.stdin.close()
        guard.wait()


@cache
def _postgres_folder() -> Path:
    """Where the server's programs are; Debian keeps them out of the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    anywhere = shutil.which("postgres")
    assert anywhere, "run scripts/install-servers"
    return Path(anywhere).resolve().parent


@cache
def can_run_postgres() -> bool:
    """CI installs everything and skips nothing."""
    try:
        import psycopg  # noqa: F401, PLC0415  # an optional extra
    except ImportError:
        return bool(os.environ.get("CI"))
    return bool(os.environ.get("CI") or list(Path("/usr/lib/postgresql").glob("*/bin/postgres")))


@dataclass
class PostgresServer:
    """A server of our own; databases are copies of one that was migrated once."""

    folder: Path = field(default_factory=lambda: Path(mkdtemp(prefix="qunguan-pg-")))
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    guard: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        subprocess.run(
            [
                _postgres_folder() / "initdb",
                "--pgdata",
                self.folder / "data",
                "--username=qunguan",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **_as_nobody_special(),
        )

    def start(self, *, durable: bool = False) -> None:
        # Nobody pulls the plug in a test: what survives a killed process needs no fsync.
        fast = () if durable else ("fsync=off", "full_page_writes=off")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    _postgres_folder() / "postgres",
                    "-D",
                    self.folder / "data",
                    "-p",
                    str(self.port),
                    "-k",
                    self.folder,
                    *(f"--{each}" for each in (*fast, "max_connections=200")),
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **_as_nobody_special(),
            )
        self.guard = _not_outlive_us(self.process)
        self._wait()

    def _wait(self) -> None:
        import psycopg  # noqa: PLC0415  # only where there is a server

        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            with suppress(psycopg.OperationalError):
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            time.sleep(0.05)  # a server of somebody else's says nothing when ready
        raise AssertionError((self.folder / "log").read_text(encoding="utf-8")[-2000:])

    def stop(self) -> None:
        """As an operator stops it for an update: connections are cut."""
        assert self.process is not None
        _dismiss(self.guard)
        self.process.send_signal(2)
        self.process.wait()

    def url(self, database: str) -> str:
        return f"postgresql://qunguan@127.0.0.1:{self.port}/{database}"

    def run(self, *statements: str) -> None:
        import psycopg  # noqa: PLC0415  # as above

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload, unused-ignore]  # our own text

    def new_database(self, template: str = "template0") -> str:
        """A fresh database; the name of it."""
        name = f"q{os.getpid()}_{next(_NAMES)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def can_run_redis() -> bool:
    """As for PostgreSQL."""
    try:
        import redis  # noqa: F401, PLC0415  # an optional extra
    except ImportError:
        return bool(os.environ.get("CI"))
    return bool(os.environ.get("CI") or shutil.which("redis-server"))


@dataclass
class RedisServer:
    """A server of our own that keeps what it acknowledged, as the bot asks for."""

    folder: Path = field(default_factory=lambda: Path(mkdtemp(prefix="qunguan-redis-")))
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    guard: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self, fsync: str = "always") -> None:
        import redis  # noqa: PLC0415  # only where there is a server

        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": fsync,
            "save": "",
            "databases": "16",
        }
        self.process = subprocess.Popen(
            [
                "redis-server",
                *(part for name, value in settings.items() for part in (f"--{name}", value)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
        )
        self.guard = _not_outlive_us(self.process)
        until = time.monotonic() + _START_SECONDS
        while time.monotonic() < until:
            with suppress(redis.RedisError), redis.Redis.from_url(self.url) as client:
                client.ping()
                return
            time.sleep(0.02)  # as above
        raise AssertionError("redis-server did not start")

    def kill(self) -> None:
        assert self.process is not None
        _dismiss(self.guard)
        self.process.kill()
        self.process.wait()

    def empty(self) -> None:
        import redis  # noqa: PLC0415  # as above

        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


# -- one server of each for all tests of the process


@cache
def postgres() -> PostgresServer:
    server = PostgresServer()
    server.create()
    server.start()
    atexit.register(server.remove)
    return server


@cache
def redis_server() -> RedisServer:
    server = RedisServer()
    server.start()
    atexit.register(server.remove)
    return server


@cache
def _migrated() -> str:
    name = postgres().new_database()
    upgrade(postgres().url(name))
    return name


_EMPTY = """
DO $$ DECLARE one record; found boolean; BEGIN
  DROP FUNCTION IF EXISTS forbid, no_room CASCADE;
  FOR one IN SELECT c.oid, c.relname FROM pg_class c WHERE c.relkind = 'r'
    AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'alembic_version'
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', one.relname) INTO found;
    IF found THEN EXECUTE format('TRUNCATE %I', one.relname); END IF;
  END LOOP;
  PERFORM setval(s.oid::regclass, 1, false) FROM pg_class s WHERE s.relkind = 'S';
END $$
"""
# A test may take something away or leave something behind.
_SHAPE = """
SELECT (SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'D'),
  (SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace)
"""
_free: list[str] = []


@cache
def _usual_shape() -> tuple[Any, ...] | None:
    import psycopg  # noqa: PLC0415  # where there is a driver

    fresh = postgres().url(postgres().new_database(_migrated()))
    with psycopg.connect(fresh, autocommit=True) as connection:
        return connection.execute(_SHAPE).fetchone()


def fresh_database() -> str:
    """The address of an empty, migrated store.

    One that an earlier test has done with is emptied: that is six times as fast as a copy.
    """
    if not can_run_postgres():
        pytest.skip("no PostgreSQL here: make install-test")
    import psycopg  # noqa: PLC0415  # where there is a driver

    while _free:
        url = _free.pop()
        with psycopg.connect(url, autocommit=True) as connection:
            if connection.execute(_SHAPE).fetchone() == _usual_shape():
                connection.execute(_EMPTY)
                return url
    return postgres().url(postgres().new_database(_migrated()))


def give_back(url: str) -> None:
    """Nobody has it open any more."""
    _free.append(url)


def empty_redis() -> str:
    """The address of a Redis that holds nothing."""
    if not can_run_redis():
        pytest.skip("no Redis here: make install-test")
    redis_server().empty()
    return redis_server().url
