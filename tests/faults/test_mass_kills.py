"""SIGKILL around the calls that cannot be repeated: every recipient gets one text, exactly.

Environment-free kill points: the sandbox holds back its answer, with or without the effect, and
the process dies while it waits; so it dies between the call and the record of it.
"""

from __future__ import annotations

import csv
from collections import Counter
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pytest
from bot_process import KEY, BotProcess, FileClock, process_branch
from live_branch import BRANCH, LI, MORNING, ZHAO, until
from load import Load

from bot.running import import_sheet
from bot.sandbox.app import SandboxServer
from config.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CONTACT = "/cgi-bin/externalcontact"
MAKE, CANCEL = f"{CONTACT}/add_msg_template", f"{CONTACT}/cancel_groupmsg_send"
RESULT = f"{CONTACT}/get_groupmsg_send_result"
STOP = "别再给我发广告了"


class Birthdays:
    """Customers of two members who all have a birthday today; some are greeted by name."""

    def __init__(self, bot: BotProcess, sandbox: SandboxServer, clock: FileClock) -> None:
        self.bot, self.sandbox, self.world, self.clock = bot, sandbox, sandbox.world, clock
        self.people: list[str] = []
        for number, surname in enumerate("王李张刘陈杨赵黄"):
            assets = "800000" if number % 4 == 0 else "3000"
            self._meet(f"{surname}小满", LI if number % 2 else ZHAO, assets)
        self._bring()

    def _meet(self, name: str, userid: str, assets: str) -> None:
        customer = self.world.add_customer(name)
        self.world.add_friend(customer, userid)
        self.world.welcomed.add((userid, customer))
        self.world.agree(userid, customer)
        self.people.append(customer)
        self._rows = [*getattr(self, "_rows", []), (customer, name, assets)]

    def _bring(self) -> None:
        settings = Settings(
            _env_file=None,
            qunguan_data_dir=self.bot.folder,
            qunguan_secret_key=KEY,
            qunguan_clock=MORNING.isoformat(),
            wecom_base_url=self.sandbox.base_url,
        )
        born = f"1980-{MORNING:%m-%d}"
        tables: dict[str, list[dict[str, Any]]] = {
            "customers": [
                {
                    "external_userid": who,
                    "core_id": f"QA{number:06d}",
                    "name": name,
                    "gender": "女",
                    "birthday": born,
                    "assets": assets,
                    "branch": BRANCH,
                }
                for number, (who, name, assets) in enumerate(self._rows)
            ],
            "consents": [
                {
                    "external_userid": who,
                    "purpose": "marketing",
                    "granted": "是",
                    "channel": "柜面",
                    "proof": f"form-{number}",
                    "at": "2026-11-02",
                }
                for number, (who, _, _) in enumerate(self._rows)
            ],
        }
        for kind, rows in tables.items():
            file = self.bot.folder / f"{kind}.csv"
            with file.open("w", encoding="utf-8", newline="") as sheet:
                writer = csv.DictWriter(sheet, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
            assert import_sheet(settings, file, kind, None, dry_run=False)

    def die_in(self, path: str, *holds: str) -> None:
        """Let calls of an interface hang, kill the bot in each, and start it again.

        Args:
            path: The interface.
            holds: One kill each: ``hang_after`` the call was carried out, or ``hang`` without.
        """
        self._hold_back(path, holds[0])
        for kill, hold in enumerate(holds, 1):
            until(lambda: self._held.hits, 90, f"a call of {path}", self.nudge)
            if hold == "hang_after":
                until(lambda: self._effects(path), 10, "the effect")
            self.bot.kill()
            self.sandbox.faults.clear()
            # Before the start: whatever waits goes out at once.
            if kill < len(holds):
                self._hold_back(path, holds[kill])
            self.bot.start()

    def _hold_back(self, path: str, hold: str) -> None:
        self._held = self.sandbox.faults.add(path, hold, count=1)

    def _effects(self, path: str) -> bool:
        return bool(self.sandbox.api.calls_of(path.rsplit("/", 1)[1]))

    def nudge(self) -> None:
        """Let the scheduler's next moment come; it acts once its lease is free."""
        self.clock.move(timedelta(seconds=16))

    def members_send(self) -> None:
        for userid in (LI, ZHAO):
            for task in self.world.pending_tasks(userid):
                self.world.confirm_task(userid, task["msgid"])

    def got(self) -> Counter[str]:
        """How many greetings really reached each customer."""
        found = self.world.delivered(channel="mass_single")
        return Counter(one["external_userid"] for one in found)

    def statuses(self) -> Counter[str]:
        return Counter(row["status"] for row in self.bot.rows("SELECT status FROM push"))

    def finish(self, refused: int = 0) -> None:
        """Members send whatever they are asked to until everybody is accounted for."""

        def all_settled() -> bool:
            self.clock.move(timedelta(seconds=160))
            self.members_send()
            wanted = {"confirmed": len(self.people) - refused} | (
                {"dropped": refused} if refused else {}
            )
            return dict(self.statuses()) == wanted

        until(all_settled, 120, f"everybody settled, not {self.statuses()}")


@pytest.fixture
def clock(folder: Path) -> FileClock:
    return FileClock(folder)


def test_everybody_gets_one_text_however_often_the_bot_dies_around_the_calls(
    folder: Path, keys: Path, clock: FileClock, load: Load
) -> None:
    with process_branch(folder, keys, clock) as (bot, sandbox):
        birthdays = Birthdays(bot, sandbox, clock)
        bot.start()
        sandbox.point_callbacks_at(bot.url)
        # Asking for the texts: with and without effect, the answer is lost and so is the bot.
        birthdays.die_in(MAKE, *islice(cycle(("hang_after", "hang")), load.kills - 1))
        tasked = "SELECT count(*) FROM send_task WHERE status = 'accepted'"
        until(lambda: bot.value(tasked) == 4, 120, "all are asked for", birthdays.nudge)
        # Calling a text back for somebody who refused.
        refusing = birthdays.people[1]
        birthdays.world.say(refusing, STOP, peer=LI)
        birthdays.die_in(CANCEL, "hang_after")
        if load.kills > 2:
            # Reading what became of the texts that the members sent.
            birthdays.members_send()
            birthdays.die_in(RESULT, "hang")
        birthdays.finish(refused=1)
        wanted = Counter(who for who in birthdays.people if who != refusing)
        assert birthdays.got() == wanted
        noted = bot.value("SELECT count(*) FROM journal WHERE kind = 'push_confirmed'")
        assert noted == wanted.total()
