"""A made-up branch with customers, groups, facts, sends and cases, and its site served."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

import uvicorn
from madeup_town import NOW, fill, refresh

from bot.actions import CloseCase, Refuse
from bot.approving import Approving
from bot.clock import FixedClock
from bot.dry import Trials
from bot.errands.judging import Judge
from bot.errands.staff import Desk
from bot.facts import Fact
from bot.links import EventLinks, LoginLinks, OutLinks
from bot.rulebook import Rulebook, load_rulebook
from bot.store import journal, migrations
from bot.store.db import Database, Db
from bot.vault import Vault
from bot.web.services import Services
from bot.web.site import build_site
from bot.wecom import Secrets, WeComClient
from bot.worker import close_case, refuse

ROOT = Path(__file__).parents[1]
TOKEN = "a-token-for-tests"


@dataclass
class MadeUp:
    """The store of the made-up branch and what its site is handed."""

    services: Services
    clock: FixedClock
    acted: list[Refuse | CloseCase] = field(default_factory=list)
    heard: list[tuple[int, Fact]] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    trouble: tuple[str, ...] = ()

    @property
    def database(self) -> Database:
        return self.services.database

    @property
    def rules(self) -> Rulebook:
        return self.services.rules

    def write(self, change: Any) -> Any:
        return self.database.write(change)

    def login(self, userid: str) -> str:
        """The path of a sign-in link."""
        link = self.services.login_links.of(userid)
        return link.removeprefix(self.services.login_links.public_url)

    def note(self, kind: str, **about: Any) -> int:
        moment = int(self.clock.now().timestamp() * 1000)
        return int(self.write(lambda db: journal.note(db, kind, moment, **about)))

    def act(self, change: Refuse | CloseCase) -> None:
        self.acted.append(change)
        moment = self.clock.now()
        now = int(moment.timestamp() * 1000)

        def apply(db: Db) -> None:
            if isinstance(change, Refuse):
                list(refuse(db, change, now, moment))
            else:
                list(close_case(db, change, self.rules, now))

        self.write(apply)

    def refresh(self, customer: str) -> None:
        self.write(lambda db: refresh(db, self.rules, [customer]))


def build_branch(folder: Path) -> MadeUp:
    """Make the store in a folder and fill it."""
    folder.mkdir(parents=True, exist_ok=True)
    migrations.upgrade(folder / "qunguan.db")
    branch = open_branch(folder)
    branch.write(lambda db: fill(db, branch))
    (folder / "ids.json").write_text(json.dumps(branch.ids), encoding="utf-8")
    return branch


@cache
def rulebook() -> Rulebook:
    return load_rulebook(ROOT / "config", ROOT / "templates")


def open_branch(folder: Path) -> MadeUp:
    """An embedded store in a folder, and services around it that reach nobody."""
    database, vault = Database(folder / "qunguan.db"), Vault("a secret for tests only")
    clock = FixedClock(NOW)
    rules = rulebook()
    wecom = WeComClient("http://127.0.0.1:9", "wwTest", 1, Secrets(agent="none"))
    logins = LoginLinks("http://console.invalid", vault, clock)
    trials = Trials(database, clock, Judge(clock, rules))
    branch = MadeUp(
        Services(
            database=database,
            vault=vault,
            clock=clock,
            rules=rules,
            wecom=wecom,
            desk=Desk(database, vault, clock, rules, wecom, logins),
            out_links=OutLinks("http://console.invalid", vault),
            event_links=EventLinks("http://console.invalid", vault),
            login_links=logins,
            api_token=TOKEN,
            act=lambda change: branch.act(change),  # noqa: PLW0108  # branch comes next
            refresh=lambda customer: branch.refresh(customer),  # noqa: PLW0108  # as above
            metrics=lambda: "qunguan_up 1\n",
            plan=planned,
            approving=Approving(database, clock, rules, trials),
            preview=trials.preview,
            rule_trouble=lambda: branch.trouble,
            learned=lambda _db, _message, fact, number: branch.heard.append((number, fact)),
        ),
        clock,
    )
    ids = folder / "ids.json"
    if ids.exists():
        branch.ids = json.loads(ids.read_text(encoding="utf-8"))
    return branch


def planned(on: str) -> list[dict[str, Any]]:
    """A dry run as the bot would give it."""
    chosen = {"by": {"audience": "everyone"}, "inputs": []}
    shared = {"on": on, "cycle": on, "step": "0", "sender": "chenxy", "chat_id": None}
    shared["chosen"] = chosen
    birthday = {**shared, "occasion": "birthday", "campaign": "birthday", "purpose": "greeting"}
    return [
        {
            **birthday,
            "external_userid": "wmWang",
            "decision": "send",
            "rules": [],
            "text": "王姐,祝您生日快乐,身体健康,事事顺心。\n——城东支行 陈小雨",
        },
        {
            **birthday,
            "external_userid": "wmDeng",
            "decision": "drop",
            "rules": ["G3"],
            "text": "",
        },
        {
            **birthday,
            "external_userid": "wmQian",
            "decision": "hold",
            "rules": ["G12"],
            "text": "",
            "sender": "qinlan",
        },
    ]


# -- serving


class Stage:
    """A server on a port of its own that shows one branch's site after the other."""

    def __init__(self) -> None:
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._site: Any = None
        self._server = uvicorn.Server(
            uvicorn.Config(
                self,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, args=([self._listening],), daemon=True
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._site(scope, receive, send)

    def show(self, branch: MadeUp, public_url: str = "") -> str:
        """Serve this branch from now on; the address is its public one unless told otherwise."""
        links = replace(branch.services.login_links, public_url=public_url or self.address)
        branch.services = replace(branch.services, login_links=links)
        self._site = build_site(branch.services)
        return self.address

    def __enter__(self) -> Self:
        self._thread.start()
        until = time.monotonic() + 20
        while not self._server.started and time.monotonic() < until:
            self._thread.join(0.01)
        return self

    def __exit__(self, *_trouble: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._listening.close()


@contextmanager
def served(branch: MadeUp, public_url: str = "") -> Iterator[str]:
    """A server for one branch; gives its address."""
    with Stage() as stage:
        yield stage.show(branch, public_url)
