"""Stored messages worked a second: opened, read with every rule, merged, dispatched, committed.

The floor claims as many stored rows, five hundred a transaction, and commits them as done
without any work. The talk is the mix of ``read``: four lines without facts to each with some.
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing

import handlers
from benchmarks.figures import SERVER_CORE, Figure, Scale, in_turns, pin, ratio_of
from benchmarks.planning import rulebook
from benchmarks.read import ROOT, talk
from benchmarks.servers import fresh_folder
from bot.clock import Clock, SystemClock
from bot.dispatch import collect
from bot.inbox import Arrival, Inbox
from bot.listening import ARCHIVE, Listener
from bot.model import ExternalUserId
from bot.store import migrations, people
from bot.store.db import Database, Db
from bot.vault import Vault
from bot.worker import Worker
from handlers.reading import Reader

_CUSTOMERS = 500
_MEMBER = "lin"
_APART_MS = 400
"""So that each customer speaks every 200 seconds: lines within a minute are one thought."""
_WAITING = "SELECT id, source, body_sealed FROM inbox WHERE state = 0 ORDER BY id LIMIT 500"
_DONE = "UPDATE inbox SET state = 1, body_sealed = NULL WHERE id = ?"


def worker_drain(scale: Scale) -> list[Figure]:
    """Ours against the floor, in turns, each on as many messages of its own."""
    pin(0, SERVER_CORE)
    folder = fresh_folder("drain")
    place = folder / "qunguan.db"
    migrations.upgrade(place)
    rules, clock, vault = rulebook(), SystemClock(), Vault("made-up-secret-of-the-benchmark")
    lines = [speech.text for speech in talk()[: scale.drained]]
    with closing(Database(place)) as store:
        inbox = Inbox(store, vault, clock)
        listener = Listener(vault, Reader.load(ROOT / "config").read, rules)
        worker = Worker(store, inbox, clock, rules, listener, collect(handlers))
        store.write(lambda db: _befriend(db, listener))

        def fill(number: int) -> None:
            inbox.put_all(_arrivals(lines, number, clock)).result()

        def ours(number: int) -> float:
            fill(2 * number)
            return _rate(len(lines), lambda: worker.work_once() > 0)

        def floor(number: int) -> float:
            fill(2 * number + 1)
            return _rate(len(lines), lambda: store.write(_settle) > 0)

        mine, least = in_turns(scale.rounds, ours, floor)
        heard = store.read().value("SELECT count(*) FROM fact")
    shutil.rmtree(folder)
    return [
        Figure(
            "worker_drain",
            f"{statistics.median(mine):.0f}/s",
            f"floor {statistics.median(least):.0f}/s",
            ratio_of(mine, least),
            0.25,
            least=True,
            note=f"{len(lines)} messages a round, {heard} facts kept",
        )
    ]


def _befriend(db: Db, listener: Listener) -> None:
    """Customers whose talk with one member may be read; the answers are told to nobody."""
    people.keep_member(db, {"userid": _MEMBER, "name": "林一"}, 1)
    for number in range(_CUSTOMERS):
        who = ExternalUserId(_who(number))
        people.know_person(db, who, 1, f"客户{number}")
        people.keep_follow(db, who, {"userid": _MEMBER, "createtime": 1})
        people.settle_customer(db, who)
        told = listener.settle_agreement(db, f"{_MEMBER}|{who}", who, agreed=True, at=1, now=1)
        deque(told, maxlen=0)


def _arrivals(lines: list[str], round_number: int, clock: Clock) -> list[Arrival]:
    """Every customer speaks in turn, so that nobody's lines are one thought."""
    now = int(clock.now().timestamp() * 1000)
    found = []
    for number, text in enumerate(lines):
        msgid = f"m{round_number}-{number}"
        record = {
            "msgid": msgid,
            "action": "send",
            "from": _who(number % _CUSTOMERS),
            "tolist": [_MEMBER],
            "roomid": "",
            "msgtime": now + (round_number * len(lines) + number) * _APART_MS,
            "msgtype": "text",
            "text": {"content": text},
        }
        body = json.dumps([number, msgid, json.dumps(record, ensure_ascii=False)]).encode()
        found.append((msgid.encode(), ARCHIVE, body))
    return found


def _who(number: int) -> str:
    return f"wm{number:030d}"


def _settle(db: Db) -> int:
    waiting = db.rows(_WAITING)
    db.many(_DONE, [(row["id"],) for row in waiting])
    return len(waiting)


def _rate(count: int, step: Callable[[], bool]) -> float:
    begun = time.perf_counter()
    while step():
        pass
    return count / (time.perf_counter() - begun)
