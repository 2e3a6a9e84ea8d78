"""A small branch of made-up people, the sandbox it lives in, and a running bot that serves it.

``running_branch`` gives a :class:`Branch`: the world to act in, the bot's store to look into, one
clock for both that tests move. Nothing is patched: callbacks and calls go over real HTTP.
"""

from __future__ import annotations

import csv
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from bot import outbox
from bot.actions import Errand
from bot.app import Bot
from bot.clock import SHANGHAI, Clock
from bot.running import import_sheet
from bot.sandbox.app import SandboxServer, running_sandbox
from bot.sandbox.records import Fields
from bot.sandbox.settings import SandboxSettings, write_archive_key
from bot.sandbox.world import World
from bot.store.db import Row
from bot.wecom import Secrets, WeComClient
from config.settings import Settings
from handlers.reading import Reader

HEAD, LI, ZHAO = "wanghead", "limanager", "zhaoowner"
STAFF = {HEAD: ("王行长", True), LI: ("李经理", False), ZHAO: ("赵群主", False)}
BRANCH = "城东支行"
MORNING = datetime(2026, 12, 1, 9, 0, tzinfo=SHANGHAI)
"""A Tuesday, a working day, after the doors opened."""
KFID = "wkCounter00000000000000000000001"


SERVERS = "servers.json"
"""In the data folder: the addresses of PostgreSQL and Redis, where the bot uses them."""
PROFILES = pytest.mark.parametrize("profile", ["embedded", "scaled"])
"""For tests that run on both."""


def servers_of(folder: Path) -> dict[str, str]:
    """The settings of the scaled profile, none for the embedded one."""
    file = folder / SERVERS
    found: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return found


class HandClock:
    """Runs like a clock and is moved by hand; the bot and its world go by the same one."""

    def __init__(self, start: datetime = MORNING) -> None:
        self._start, self._began = start, time.monotonic()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            gone = timedelta(seconds=time.monotonic() - self._began)
            return (self._start + gone).astimezone(UTC)

    def move(self, span: timedelta) -> None:
        with self._lock:
            self._start += span

    def move_to(self, moment: datetime) -> None:
        self.move(moment - self.now())


_BUSY = 3


def until(
    condition: Callable[[], Any],
    seconds: float = 15.0,
    what: str = "",
    nudge: Callable[[], object] = lambda: None,
) -> Any:
    """Wait for a condition; what it gave when it was true. ``nudge`` is called before each look.

    Raises:
        AssertionError: It did not become true in ``seconds`` of an idle machine. A machine that
            does other work as well gets more of them: how fast it is, is for the benchmarks.
    """
    patience = _BUSY * seconds
    end = time.monotonic() + patience
    while True:
        nudge()
        found = condition()
        if found:
            return found
        assert time.monotonic() < end, f"not within {patience} s: {what or condition.__name__}"
        time.sleep(0.02)


@lru_cache
def _reader(config: Path) -> Reader:
    """One reading engine for all tests: it holds rules alone, and loading takes a second."""
    return Reader.load(config)


def _without_rounds(bot: Bot) -> None:
    """Tests count messages to employees: lists of the day and reminders would be more of them."""
    held = bot.rules.thresholds
    over = replace(held.morning, until=time_of_day(8, 45))
    never = replace(held.chase, after=timedelta(days=30))
    bot.rules.become(replace(bot.rules, thresholds=replace(held, morning=over, chase=never)))


class Branch:
    """The sandbox, the bot and the clock of one test."""

    def __init__(
        self, folder: Path, sandbox: SandboxServer, clock: HandClock, *, rounds: bool = False
    ) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.clock = clock
        self.world: World = sandbox.world
        self.rounds = rounds
        self.bot: Bot = self.build()
        self.url = ""

    def build(self, **more: Any) -> Bot:
        """A bot on this branch's data folder, not started."""
        wired: dict[str, Any] = {
            name.lower(): value for name, value in self.sandbox.bot_environment().items()
        }
        settings = Settings(
            _env_file=None,
            qunguan_data_dir=self.folder,
            qunguan_secret_key="e2e-only-secret-key-0000",
            qunguan_api_token="e2e-token",
            qunguan_public_url="http://bank.example",
            qunguan_clock=MORNING.isoformat(),
            **(wired | servers_of(self.folder) | more),
        )
        bot = Bot(settings)
        # The same clock as the world's, so that both move at the same moment.
        bot.clock = self.clock
        bot.reader = _reader(bot.settings.qunguan_config_dir)
        if not self.rounds:
            _without_rounds(bot)
        bot.wecom = self.client(bot.settings, **bot.paced_together())
        bot.mass.doubts.late = timedelta(0)  # the stand-in's results are never late
        return bot

    @staticmethod
    def client(settings: Settings, **more: Any) -> WeComClient:
        """WeCom's client as the bot builds it, but a lost answer is given up after two seconds."""
        secrets = Secrets(
            agent=settings.wecom_agent_secret.get_secret_value(),
            contact=settings.wecom_contact_secret.get_secret_value(),
            kf=settings.wecom_kf_secret.get_secret_value(),
            archive=settings.wecom_archive_secret.get_secret_value(),
        )
        return WeComClient(
            settings.wecom_base_url,
            settings.wecom_corp_id,
            settings.wecom_agent_id,
            secrets,
            read_seconds=2.0,
            **more,
        )

    # -- looking

    def rows(self, sql: str, **values: Any) -> list[Row]:
        return self.bot.database.read().rows(sql, **values)

    def value(self, sql: str, **values: Any) -> Any:
        return self.bot.database.read().value(sql, **values)

    def facts(self, customer: str, status: str = "current") -> dict[str, Fields]:
        """Values by type."""
        rows = self.rows(
            "SELECT type, value FROM fact WHERE external_userid = :id AND status = :status",
            id=customer,
            status=status,
        )
        return {row["type"]: json.loads(row["value"]) for row in rows}

    def tags(self, userid: str, customer: str) -> set[str]:
        """Names of the corp tags that the member sees at the customer."""
        with self.world.lock:
            found = [self.world.find_tag(t) for t in self.world.friendships[userid, customer].tags]
            return {tag.name for tag in found if tag is not None}

    def inbox_of(self, userid: str) -> list[Fields]:
        """The app's messages to a member, newest first."""
        found: list[Fields] = self.world.staff_inbox(userid)
        return found

    def texts_to(self, userid: str) -> list[str]:
        """The words of the app's text messages to a member, oldest first."""
        texts = [one for one in self.inbox_of(userid) if one["msgtype"] == "text"]
        return [str(one["body"]["content"]) for one in reversed(texts)]

    def cards_of(self, userid: str) -> list[Fields]:
        """The app's cards to a member, oldest first."""
        return [one for one in reversed(self.inbox_of(userid)) if one["task_id"]]

    def calls(self, path: str) -> int:
        """How often the bot called an interface of WeCom."""
        return len(self.sandbox.api.calls_of(path))

    def masses(self) -> list[Fields]:
        """Every mass-send task that WeCom made for us, cancelled ones too."""
        with self.world.lock:
            return [
                {
                    "msgid": mass.msgid,
                    "text": mass.text,
                    "cancelled": mass.cancelled,
                    "plan": {userid: set(task.recipients) for userid, task in mass.tasks.items()},
                }
                for mass in self.world.masses.values()
                if not mass.by_hand
            ]

    # -- waiting

    def until(
        self,
        condition: Callable[[], Any],
        seconds: float = 15.0,
        what: str = "",
        nudge: Callable[[], object] = lambda: None,
    ) -> Any:
        return until(condition, seconds, what, nudge)

    def settle(self, seconds: float = 20.0) -> None:
        """Wait until nothing is on its way: callbacks, inbox, outbox."""
        self.until(self._quiet, seconds, "quiet")

    def _quiet(self) -> bool:
        for _ in range(2):
            if not self.sandbox.drain(0.05) or self.bot.inbox.depth()[0]:
                return False
            # A message in the archive is on its way until it was pulled.
            if self.world.archive.last_seq > int(self._archive_cursor() or 0):
                return False
            if not self.bot.outbox.idle():
                self._skip_delay()
                return False
        return True

    def _skip_delay(self) -> None:
        """When all that is left waits for a moment, let the moment come."""
        next_one = self.value(
            "SELECT min(not_before) FROM outbox WHERE state = 'ready'"
            " AND NOT EXISTS (SELECT 1 FROM outbox WHERE state = 'calling')"
        )
        ahead = (next_one or 0) - self.clock.now().timestamp() * 1000
        if 0 < ahead < 10_000:
            self.clock.move(timedelta(milliseconds=ahead + 1))
            self.bot.outbox.wake()

    def _archive_cursor(self) -> Any:
        return self.value("SELECT value FROM cursor WHERE name = 'archive'")

    def later(self, **span: float) -> None:
        """Let time pass, and let the scheduler notice it at once (it looks once a second)."""
        self.clock.move(timedelta(**span))
        self.bot.ringer.tick()

    # -- acting

    def errand(self, errand: Errand) -> None:
        """Put an errand into the outbox, as a job of the scheduler would."""
        now = int(self.clock.now().timestamp() * 1000)
        self.bot.database.write(lambda db: outbox.add(db, errand, now))
        self.bot.outbox.wake()

    def customer(self, name: str, *follows: str, welcomed: bool = True) -> str:
        """A person who is the friend of some members and agreed to be archived there."""
        customer = str(self.world.add_customer(name))
        for userid in follows:
            self.world.add_friend(customer, userid)
            if welcomed:
                self.world.welcomed.add((userid, customer))
            self.world.agree(userid, customer)
        return customer

    def group(self, owner: str, *members: str, name: str = "城东客户群") -> str:
        """A customer group whose customers agreed to be archived."""
        chat_id = str(self.world.create_group(owner, name, list(members)))
        for member in members:
            if member in self.world.customers:
                self.world.agree(chat_id, member)
        return chat_id

    def bring(self, kind: str, rows: list[Fields]) -> None:
        """Import a table of the core system."""
        file = self.folder / f"{kind}-{time.monotonic_ns()}.csv"
        with file.open("w", encoding="utf-8", newline="") as sheet:
            writer = csv.DictWriter(sheet, list(dict.fromkeys(key for row in rows for key in row)))
            writer.writeheader()
            writer.writerows(rows)
        good = import_sheet(self.bot.settings, file, kind, None, dry_run=False, bot=self.bot)
        assert good, file.with_suffix(".problems.csv")

    # -- the bot's life

    def start(self) -> ExitStack:
        """Serve and run the bot; the returned stack ends it."""
        with ExitStack() as life:
            self.url = life.enter_context(serving(self.bot.asgi))
            life.callback(self.bot.stop)
            self.bot.start()
            life.callback(self.sandbox.point_callbacks_at, "")
            self.until(
                lambda: self.value("SELECT 1 FROM cursor WHERE name = 'reconciled'"),
                30,
                "read WeCom once",
            )
            self.sandbox.point_callbacks_at(self.url)
            return life.pop_all()

    def restart(self, life: ExitStack, **more: Any) -> ExitStack:
        """End the bot and start another one on the same data."""
        life.close()
        self.bot = self.build(**more)
        return self.start()


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The application on a port of its own."""
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([plug],), name="served-bot")
        thread.start()
        until(lambda: server.started or not thread.is_alive(), what="the web server")
        try:
            yield f"http://127.0.0.1:{plug.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def town_settings(clock: Clock, keys: Path, **more: Any) -> SandboxSettings:
    """A corp whose platform answers without its usual delays."""
    settings = SandboxSettings(archive_keys_dir=keys, clock=clock)
    return replace(settings, dispatch_seconds=0.0, notify_seconds=0.05, **more)


def make_keys(folder: Path) -> Path:
    """An archive key pair; drawn once a session, because that takes a moment."""
    if not (folder / "1.pem").exists():
        write_archive_key(folder, 1)
    return folder


def settle_in(world: World) -> None:
    """Departments, staff and the customer-service account."""
    number = world.add_department(BRANCH)
    for userid, (name, leads) in STAFF.items():
        world.add_staff(userid, name, number, leader=leads)
    world.add_kf_account("城东支行客服", [LI], KFID)


@contextmanager
def open_branch(
    folder: Path, keys: Path, clock: HandClock | None = None, *, rounds: bool = False, **more: Any
) -> Iterator[Branch]:
    """The branch with its sandbox; the bot is built but not started."""
    hand = clock or HandClock()
    with running_sandbox(town_settings(hand, keys, **more)) as sandbox:
        settle_in(sandbox.world)
        yield Branch(folder, sandbox, hand, rounds=rounds)


@contextmanager
def running_branch(
    folder: Path, keys: Path, clock: HandClock | None = None, **more: Any
) -> Iterator[Branch]:
    """The branch with a bot at work."""
    with open_branch(folder, keys, clock, **more) as branch, ExitStack() as life:
        life.push(branch.start())
        yield branch
