"""PostgreSQL and Redis for the tests: on free ports, in temporary folders, not as root."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

_START_SECONDS = 30.0
_NAMES = count()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _as_nobody_special() -> dict[str, Any]:
    """PostgreSQL refuses to run as root; its package brings a user."""
    return {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}


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

    def start(self) -> None:
        # Nobody pulls the plug in a test: what survives a killed process needs no fsync.
        fast = ("fsync=off", "full_page_writes=off", "max_connections=200", "shared_buffers=64MB")
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
                    *(f"--{each}" for each in fast),
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **_as_nobody_special(),
            )
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


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.create()
    server.start()
    try:
        yield server
    finally:
        server.remove()
