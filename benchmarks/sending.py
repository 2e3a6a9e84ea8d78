"""Sending: texts rendered, tasks through the whole pipeline, and how true the pacing is."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import urllib3
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from benchmarks.figures import GENERATOR_CORE, SERVER_CORE, Figure, Scale, in_turns, pin, ratio_of
from benchmarks.people import DAY
from benchmarks.planning import rulebook
from benchmarks.servers import fresh_folder
from bot.actions import CreateMassSend, Errand
from bot.clock import SHANGHAI, Clock, FixedClock
from bot.errands.mass import MassSender
from bot.model import ExternalUserId
from bot.outbox import Effect, Outbox
from bot.permits import permits_of
from bot.planning import plan_steps
from bot.rulebook import Rulebook
from bot.store import consents, migrations, others, people, planning, talk
from bot.store.db import Database, Db
from bot.vault import Vault
from bot.wecom import Secrets, WeComClient
from bot.wecom.pacing import PER_MINUTE, Pacing

_MORNING = datetime(DAY.year, DAY.month, DAY.day, 10, 0, tzinfo=SHANGHAI)
_ADD = "/cgi-bin/externalcontact/add_msg_template"
_VALUES = {
    "address": "李先生",
    "calendar": "lunar",
    "lunar_day": "十月十六",
    "branch": "东山支行",
    "sender_name": "林一",
}


# -- texts


def render(scale: Scale) -> list[Figure]:
    """Finished and checked texts a second, against the sandbox's template compiled once."""
    rules = rulebook()
    campaign = rules.campaigns["birthday"]
    sandbox = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = sandbox.from_string(campaign.words)
    count = scale.pushes

    def ours(_round: int) -> float:
        begun = time.perf_counter()
        for _ in range(count):
            rules.renderer.render(campaign, _VALUES)
        return count / (time.perf_counter() - begun)

    def floor(_round: int) -> float:
        begun = time.perf_counter()
        for _ in range(count):
            template.render(_VALUES)
        return count / (time.perf_counter() - begun)

    mine, least = in_turns(scale.rounds, ours, floor)
    return [
        Figure(
            "render",
            f"{statistics.median(mine):.0f}/s",
            f"sandbox {statistics.median(least):.0f}/s",
            ratio_of(mine, least),
            0.85,
            least=True,
        )
    ]


# -- tasks


class _Hasty(Pacing):
    """All of the pacing's work at a thousand times its rate."""

    def wait_for(self, path: str, per_minute: int) -> float:
        return super().wait_for(path, 1000 * per_minute)


def send_pipeline(scale: Scale) -> list[Figure]:
    """Due pushes through gate, text, task, pacing, call and result, against the call alone."""
    pin(0, SERVER_CORE)
    clock = FixedClock(_MORNING)
    rules = rulebook()
    filled = _filled(rules, clock, scale.tasks)

    with _no_op_server() as url:

        def ours(_round: int) -> float:
            folder = fresh_folder("sending")
            shutil.copytree(filled, folder, dirs_exist_ok=True)
            return _sent(folder, rules, clock, url, scale.tasks)

        def floor(_round: int) -> float:
            return _called(url, scale.tasks)

        mine, least = in_turns(scale.rounds, ours, floor)
    shutil.rmtree(filled)
    return [
        Figure(
            "send_pipeline",
            f"{statistics.median(mine):.0f}/s",
            f"call alone {statistics.median(least):.0f}/s",
            ratio_of(mine, least),
            0.5,
            least=True,
            note=f"{scale.tasks} tasks a round",
        )
    ]


def _filled(rules: Rulebook, clock: Clock, count: int) -> Path:
    """A store in which so many birthday greetings are planned."""
    folder = fresh_folder("sending-filled")
    now = int(clock.now().timestamp() * 1000)
    migrations.upgrade(folder / "qunguan.db")
    with closing(Database(folder / "qunguan.db")) as store:
        store.write(lambda db: _befriend(db, rules, count, now))
        steps = plan_steps(rules, DAY, permits_of(store.read(), rules, clock.now()))
        planned = store.write(lambda db: planning.plan(db, steps, now))
    if planned != count:
        raise RuntimeError(f"{planned} of {count} were planned")
    return folder


def _befriend(db: Db, rules: Rulebook, count: int, now: int) -> None:
    """Each customer is another member's friend, and so a task of their own."""
    for number in range(count):
        db.run(
            "INSERT INTO staff (userid, name, branch) VALUES (:id, :name, '东山支行')",
            id=f"u{number:04d}",
            name=f"员工{number}",
        )
        who = ExternalUserId(f"wm{number:030d}")
        people.know_person(db, who, now, f"李{number}")
        db.run(
            "UPDATE customer SET core_id = :core, layer = 'middle', gender = 'male',"
            " branch = '东山支行' WHERE external_userid = :id",
            core=f"K{number}",
            id=who,
        )
        friend = {"userid": f"u{number:04d}", "createtime": 1_700_000_000}
        people.keep_follow(db, who, friend)
        people.settle_customer(db, who)
        consents.record_consent(
            db, who, "marketing", granted=True, channel="counter", proof="made up", at=1
        )
        born = {"calendar": "solar", "month": DAY.month, "day": DAY.day}
        rules.keep_birthday(db, who, born, "core", now)
    for cursor in (talk.RECONCILED, others.READ):
        talk.move_cursor(db, cursor, str(now), now)


def _sent(folder: Path, rules: Rulebook, clock: Clock, url: str, count: int) -> float:
    """Tasks a second from due pushes to stored results."""
    with closing(Database(folder / "qunguan.db")) as store:
        vault = Vault("made-up-secret-of-the-benchmark")
        wecom = _client(url)
        mass = MassSender(store, vault, clock, rules, wecom, "https://bank.example")

        def perform(errand: Errand) -> Effect | None:
            assert isinstance(errand, CreateMassSend)
            return mass.create(errand)

        box = Outbox(store, clock, perform)
        begun = time.perf_counter()
        while mass.release():
            pass
        box.start()
        while not box.idle():
            time.sleep(0.005)
        seconds = time.perf_counter() - begun
        box.stop()
        accepted = store.read().value("SELECT count(*) FROM send_task WHERE status = 'accepted'")
        wecom.close()
    if accepted != count:
        raise RuntimeError(f"{accepted} of {count} tasks were accepted")
    return count / seconds


def _client(url: str) -> WeComClient:
    secrets = Secrets(agent="made up", contact="made up", kf="", archive="")
    return WeComClient(url, "ww0", 1, secrets, pacing=_Hasty(time.monotonic, time.sleep))


def _called(url: str, count: int) -> float:
    """The same calls a second, without anything around them."""
    body = {
        "chat_type": "single",
        "external_userid": ["wm" + "0" * 30],
        "sender": "u0000",
        "text": {"content": "李先生，祝您生日快乐，身体健康，事事顺心。\n——东山支行 员工0"},
    }
    content = json.dumps(body, ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json"}
    with urllib3.PoolManager(headers=headers) as pool:
        begun = time.perf_counter()
        for _ in range(count):
            pool.request("POST", f"{url}{_ADD}?access_token=x", body=content).json()
        return count / (time.perf_counter() - begun)


@contextmanager
def _no_op_server() -> Iterator[str]:
    """A WeCom without opinions in a process and on a core of its own."""
    command = [sys.executable, "-m", "benchmarks.stub"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin
        assert server.stdout
        pin(server.pid, GENERATOR_CORE)
        yield server.stdout.readline().decode().strip()
        server.stdin.close()


# -- pacing


def pacing(scale: Scale) -> list[Figure]:
    """Calls in any minute at full speed, against the rate that was asked for.

    Four threads call as fast as they are let for a minute and a tenth; with ``--quick`` a
    window is shorter. After an idle second's worth of burst, no window may hold more than
    the rate, nor less than 1 % below it.
    """
    window = min(60.0, 6 * scale.seconds)
    moments: list[float] = []
    paced = Pacing(time.monotonic, time.sleep)
    end = time.monotonic() + 1.1 * window + 1.0

    def call() -> None:
        while time.monotonic() < end:
            with paced.turn(_ADD):
                moments.append(time.monotonic())

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = _in_windows(sorted(moments), window)
    rate = PER_MINUTE * window / 60.0
    error = max(abs(count - rate) for count in counts) / rate
    return [
        Figure(
            "pacing_error",
            f"{100 * error:.2f} %",
            f"{rate:.0f} in {window:.0f} s",
            100 * error,
            1.0,
            note=f"{min(counts)} to {max(counts)} in a window; WeCom allows {rate / 0.6:.0f}",
        )
    ]


def _in_windows(moments: list[float], window: float) -> list[int]:
    """How many calls each window holds that begins with a call after the first second."""
    first, last = moments[0] + 1.0, moments[-1] - window
    found, upper = [], 0
    for lower, moment in enumerate(moments):
        while upper < len(moments) and moments[upper] < moment + window:
            upper += 1
        if first <= moment <= last:
            found.append(upper - lower)
    return found
