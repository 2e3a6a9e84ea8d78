"""Web, workers and schedulers as processes of their own, on one PostgreSQL and one Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bot_process import KEY, BotProcess, FileClock
from live_branch import MORNING, servers_of, settle_in, town_settings, until

from bot.sandbox.app import SandboxServer, running_sandbox


class Crew:
    """The processes of one bot.

    Attributes:
        web: Answers callbacks and pages.
        workers: Read, dispatch and call.
        schedulers: One of them acts.
    """

    def __init__(self, folder: Path, environment: dict[str, str], sandbox: SandboxServer) -> None:
        self.sandbox = sandbox
        self.world = sandbox.world
        self.web = BotProcess(folder, environment, ("web",))
        self.workers = [BotProcess(folder, environment, ("worker",)) for _ in range(2)]
        self.schedulers = [BotProcess(folder, environment, ("scheduler",)) for _ in range(2)]

    @property
    def everybody(self) -> list[BotProcess]:
        return [self.web, *self.workers, *self.schedulers]

    def start(self) -> None:
        for each in self.everybody:
            each.start()
        until(self.web.reconciled, 60, "read WeCom once")
        self.sandbox.point_callbacks_at(self.web.url)

    def value(self, sql: str, **values: Any) -> Any:
        return self.web.value(sql, **values)

    def holder(self) -> BotProcess:
        """The scheduler that acts."""
        name = until(lambda: self.value("SELECT holder FROM lease"), 30, "a lease")
        return next(each for each in self.schedulers if each.pid == int(name.split("-")[0]))

    def kill(self) -> None:
        for each in self.everybody:
            each.kill()


@contextmanager
def crew_at_work(folder: Path, keys: Path, clock: FileClock) -> Iterator[Crew]:
    """The branch of ``live_branch``, served by five processes."""
    servers = servers_of(folder)
    with running_sandbox(town_settings(clock, keys), callback_workers=4) as sandbox:
        settle_in(sandbox.world)
        environment = sandbox.bot_environment() | {
            "QUNGUAN_DATA_DIR": str(folder),
            "QUNGUAN_SECRET_KEY": KEY,
            "QUNGUAN_API_TOKEN": "process-token",
            "QUNGUAN_CLOCK": MORNING.isoformat(),
            "DATABASE_URL": servers["database_url"],
            "REDIS_URL": servers["redis_url"],
        }
        crew = Crew(folder, environment, sandbox)
        try:
            crew.start()
            yield crew
        finally:
            crew.kill()
