"""SIGKILL at random moments: what was acknowledged has its effect, once; nothing is lost."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3
from bot_process import BotProcess, FileClock, process_branch, wait
from live_branch import BRANCH, LI, ZHAO, until
from load import Load

from bot.sandbox.app import SandboxServer
from bot.sandbox.envelope import to_xml
from bot.sandbox.records import Callback

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FACT = "我是开超市的"
SMALL_TALK = "今天天气不错"


class Postman:
    """Delivers callbacks as WeCom does, and remembers which ones were acknowledged."""

    def __init__(self, sandbox: SandboxServer) -> None:
        self._sandbox = sandbox
        self._http = urllib3.PoolManager(maxsize=16, retries=False, timeout=5)
        self._threads = ThreadPoolExecutor(8)
        self._notify = sandbox.world.emit
        self.acknowledged: list[dict[str, Any]] = []
        self._alarm: tuple[int, threading.Event] | None = None
        sandbox.world.emit = self.send

    def send(self, callback: Callback) -> None:
        """Queue one; archive notifications keep their own way, for those are merged."""
        if callback.family == "archive":
            self._notify(callback)
        else:
            self._threads.submit(self._deliver, callback)

    def _deliver(self, callback: Callback) -> None:
        door = self._sandbox.door
        source = self._sandbox.sandbox.settings.family_sources[callback.family]
        xml = to_xml(callback.fields)
        for _ in range(4):
            post = door.envelope(source).post(xml)
            url = f"{door.address(source)}?{urlencode(post.query)}"
            try:
                answer = self._http.request("POST", url, body=post.body)
            except urllib3.exceptions.HTTPError:
                answer = None
            if answer is not None and answer.status == 200:
                self.acknowledged.append(callback.fields)
                if self._alarm and len(self.acknowledged) >= self._alarm[0]:
                    self._alarm[1].set()
                return
            wait(0.3)

    def after(self, more: int) -> threading.Event:
        """Set the moment when so many more were acknowledged, not a thread switch later."""
        alarm = threading.Event()
        self._alarm = (len(self.acknowledged) + more, alarm)
        return alarm

    def close(self) -> None:
        """Wait until everything was delivered or given up."""
        self._threads.shutdown()
        self._http.clear()

    def heard(self, event: str, change: str = "") -> list[dict[str, Any]]:
        """The acknowledged callbacks of a kind."""
        return [
            fields
            for fields in self.acknowledged
            if fields.get("Event", fields["MsgType"]) == event
            and change in ("", fields.get("ChangeType"))
        ]


class Town:
    """Who lives in the branch, and what they do while the bot dies."""

    def __init__(self, sandbox: SandboxServer, load: Load) -> None:
        self.world = sandbox.world
        self.load = load
        self.said: dict[str, str] = {}
        """Text by ``msgid``."""
        number = next(iter(n for n, d in self.world.departments.items() if d.name == BRANCH))
        self.desk = [self.world.add_staff(f"desk{n}", f"柜员{n}", number) for n in range(40)]
        self.speakers = [self.world.add_customer(f"群友{n}") for n in range(30)]
        # Whoever tells something tells it once: a repetition within a minute is one thought.
        self.tellers = [self.world.add_customer(f"群友甲{n}") for n in range(load.records // 10)]
        everybody = [*self.speakers, *self.tellers]
        self.chat_id = self.world.create_group(ZHAO, "城东客户群", everybody)
        for speaker in everybody:
            self.world.agree(self.chat_id, speaker)
        self.friends = [self.world.add_customer(f"新客{n}") for n in range(load.friends)]
        self.joiners = [self.world.add_customer(f"新群友{n}") for n in range(load.joins)]

    def deeds(self, chance: random.Random) -> list[Any]:
        """Everything that will happen, in a random order."""
        load, world = self.load, self.world
        found: list[Any] = [lambda who=who: world.add_friend(who, LI) for who in self.friends]
        found += [lambda who=who: world.join_group(self.chat_id, who) for who in self.joiners]
        found += [
            lambda n=n: world.staff_text(self.desk[n % len(self.desk)], f"查 没有{n}")
            for n in range(load.texts)
        ]
        found += [lambda n=n: self._say(n) for n in range(load.records)]
        chance.shuffle(found)
        return found

    def _say(self, number: int) -> None:
        tells, rest = divmod(number, 10)
        text = SMALL_TALK if rest else FACT
        speaker = self.speakers[number % len(self.speakers)] if rest else self.tellers[tells]
        self.said[self.world.say(speaker, text, chat_id=self.chat_id)] = text


def test_what_was_acknowledged_survives_every_kill_and_happens_once(
    folder: Path, keys: Path, load: Load
) -> None:
    chance = random.Random(20261124)
    clock = FileClock(folder)
    with process_branch(folder, keys, clock, welcome_seconds=600.0) as (bot, sandbox):
        town = Town(sandbox, load)
        bot.start()
        until(bot.reconciled, 60, "read WeCom once")
        sandbox.point_callbacks_at(bot.url)
        postman = Postman(sandbox)
        deeds = town.deeds(chance)
        size = len(deeds) // (load.kills + 1) + 1
        for part in range(load.kills + 1):
            last_word = postman.after(chance.randint(1, load.friends // load.kills))
            for deed in deeds[part * size : (part + 1) * size]:
                deed()
            if part < load.kills:
                # Every other kill follows an acknowledgement so closely that whatever was
                # not on the disk by then is gone; the others come at some moment.
                last_word.wait(10) if part % 2 == 0 else wait(chance.uniform(0.0, 1.5))
                bot.kill()
                bot.start()
        postman.close()
        # Half a minute on, the timer asks the archive; an hour on, all is compared.
        last = sandbox.world.archive.last_seq
        clock.move(timedelta(minutes=61))
        cursor = "SELECT value FROM cursor WHERE name = 'archive'"
        until(lambda: int(bot.value(cursor) or 0) >= last, 120, "the archive was read")
        until(bot.idle, 120, "all is done")
        assert_all_happened_once(bot, sandbox, town, postman)


def assert_all_happened_once(
    bot: BotProcess, sandbox: SandboxServer, town: Town, postman: Postman
) -> None:
    """The world's record is the oracle."""
    greeted = Counter(one["external_userid"] for one in sandbox.world.delivered(channel="welcome"))
    adds = postman.heard("change_external_contact", "add_external_contact")
    heard = {fields["ExternalUserID"] for fields in adds}
    # A friend whose callback nobody took is not greeted, for its code is lost; one whose
    # callback was kept just before the kill may be greeted without an acknowledgement.
    assert heard - set(greeted) == set()
    assert set(greeted.values()) == {1}
    accepted = Counter(
        call.args["welcome_code"]
        for call in sandbox.api.calls_of("send_welcome_msg")
        if call.errcode == 0
    )
    assert set(accepted.values()) == {1}
    joined = Counter(
        row["external_userid"]
        for row in bot.rows("SELECT external_userid FROM journal WHERE kind = 'joined_group'")
    )
    assert set(joined) == set(town.joiners)
    assert set(joined.values()) == {1}
    members = {
        row["member"] for row in bot.rows("SELECT member FROM group_member WHERE left_at IS NULL")
    }
    assert members == set(sandbox.world.groups[town.chat_id].members)
    assert_answers(sandbox, postman, town)
    assert_archive(bot, town)
    assert bot.rows("SELECT id FROM inbox WHERE state = 2") == []


def assert_answers(sandbox: SandboxServer, postman: Postman, town: Town) -> None:
    """Every text is answered; a kill between call and record may cost a second answer."""
    asked = Counter(fields["FromUserName"] for fields in postman.heard("text"))
    answers = Counter(
        userid
        for entry in sandbox.history("app_message")
        if entry["msgtype"] == "text" and "没找到" in str(entry["body"])
        for userid in entry["to"]
    )
    assert {who: n for who, n in asked.items() if answers[who] < n} == {}
    assert answers.total() - asked.total() <= 4 * town.load.kills


def assert_archive(bot: BotProcess, town: Town) -> None:
    """No record is missing, no fact and no activity counted twice."""
    kept = Counter(
        row["msgid"] for row in bot.rows("SELECT msgid FROM message WHERE kind = 'text'")
    )
    assert kept == Counter(list(town.said))
    told = Counter(msgid for msgid, text in town.said.items() if text == FACT)
    facts = Counter(row["msgid"] for row in bot.rows("SELECT msgid FROM fact"))
    assert facts == told
    assert bot.value("SELECT sum(messages) FROM activity") == len(town.said)
