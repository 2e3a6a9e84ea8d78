"""``python -m bot`` as a process that tests start, kill and start again, beside its sandbox."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import urllib3
from live_branch import MORNING, settle_in, town_settings, until

from bot.clock import MovableClock
from bot.sandbox.app import SandboxServer, running_sandbox

ROOT = Path(__file__).parents[2]
KEY = "process-tests-secret-0000"
START_SECONDS = 60.0


class FileClock:
    """The clock of a process and of its world: both follow the file in the data folder."""

    def __init__(self, folder: Path, start: datetime = MORNING) -> None:
        self._file = folder / "clock"
        self._file.write_text(start.isoformat(), encoding="utf-8")
        self._clock = MovableClock(start.isoformat(), self._file)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._clock.now()

    def move(self, span: timedelta) -> None:
        """Go forward, and wait until everybody can have noticed."""
        target = self.now() + span
        fresh = self._file.with_suffix(".new")
        fresh.write_text(target.isoformat(), encoding="utf-8")
        fresh.rename(self._file)
        until(lambda: self.now() >= target, 5, "the clock moved")


class BotProcess:
    """One bot on one data folder; may be killed at any moment and started again."""

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str],
        command: tuple[str, ...] = ("run",),
        where: Path = ROOT,
    ) -> None:
        self.folder = folder
        self._where = where
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"log-{self.port}.txt"
        self._command = command
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bot", *self._command],
                cwd=self._where,
                env=self.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._answers, START_SECONDS, f"the bot answers; see {self.log}")
        return self

    def environment(self) -> dict[str, str]:
        """Its settings; nothing of the caller's own may reach it."""
        names = ("QUNGUAN", "WECOM", "DATABASE_URL", "REDIS_URL")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(names)}
        return inherited | {"QUNGUAN_PORT": str(self.port), **self._environment}

    def _answers(self) -> bool:
        assert self._process is not None
        written = self.log.read_text(encoding="utf-8")
        assert self._process.poll() is None, written[-3_000:]
        if self._command[0:1] in {("worker",), ("scheduler",)}:
            return "已启动" in written
        with urllib3.PoolManager(retries=False, timeout=2) as http:
            try:
                return http.request("GET", f"{self.url}/healthz").status == 200
            except urllib3.exceptions.HTTPError:
                return False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    def kill(self) -> None:
        """SIGKILL, with whatever it started: nothing is finished, nothing is flushed."""
        process, self._process = self._process, None
        if process is not None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def pause(self) -> None:
        """As a machine that stands still."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Wake it up again; it does not know that it slept."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, as a service manager does; the exit status."""
        process, self._process = self._process, None
        assert process is not None
        process.send_signal(number)
        try:
            return process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def rows(self, sql: str, **values: Any) -> list[Any]:
        """What the store holds, read from another process."""
        if url := self._environment.get("DATABASE_URL"):
            from bot.store.postgres import Connection  # noqa: PLC0415  # where there is a driver

            with closing(Connection(url, writing=False)) as found:
                return list(found.execute(sql, values).fetchall())
        with closing(sqlite3.connect(self.folder / "qunguan.db", timeout=10)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(sql, values).fetchall()

    def value(self, sql: str, **values: Any) -> Any:
        rows = self.rows(sql, **values)
        return rows[0][0] if rows else None

    def reconciled(self) -> bool:
        return bool(self.value("SELECT 1 FROM cursor WHERE name = 'reconciled'"))

    def idle(self) -> bool:
        """Nothing waits in the inbox or the outbox."""
        inbox = "SELECT count(*) FROM inbox WHERE state = 0"
        outbox = "SELECT count(*) FROM outbox WHERE state IN ('ready', 'calling')"
        return not self.value(inbox) and not self.value(outbox)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process_branch(
    folder: Path, keys: Path, clock: FileClock, **more: Any
) -> Iterator[tuple[BotProcess, SandboxServer]]:
    """The branch of ``live_branch`` with the bot as a process, not started yet."""
    settings = town_settings(clock, keys, **more)
    with running_sandbox(settings, callback_workers=4) as sandbox:
        settle_in(sandbox.world)
        environment = sandbox.bot_environment() | {
            "QUNGUAN_DATA_DIR": str(folder),
            "QUNGUAN_SECRET_KEY": KEY,
            "QUNGUAN_API_TOKEN": "process-token",
            "QUNGUAN_CLOCK": MORNING.isoformat(),
            "QUNGUAN_LOG_LEVEL": "debug",
        }
        bot = BotProcess(folder, environment)
        try:
            yield bot, sandbox
        finally:
            bot.kill()


def wait(seconds: float) -> None:
    """Let a random moment pass; only kill tests may choose their moments so."""
    time.sleep(seconds)
