"""The inbox in Redis: lanes keep the order of talk, crashes lose and double nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from backends import POSTGRES, Place, fresh_redis
from servers import RedisServer

from bot.clock import FixedClock
from bot.errors import Retry
from bot.inbox import Item
from bot.store.db import Database, Db
from bot.vault import Vault, key_number

if TYPE_CHECKING:
    from bot.shared import Shared, SharedInbox


@pytest.fixture
def shared() -> Shared:
    return fresh_redis()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    POSTGRES.create(tmp_path)
    found = Place(POSTGRES, tmp_path).open()
    yield found
    found.close()
    POSTGRES.remove(tmp_path)


class Crew:
    """Any number of workers on one Redis and one store."""

    def __init__(self, shared: Shared, database: Database, vault: Vault, clock: FixedClock) -> None:
        self.shared, self.database, self._vault, self._clock = shared, database, vault, clock

    def inbox(self) -> SharedInbox:
        from bot.shared import SharedInbox  # noqa: PLC0415  # where there is a client

        return SharedInbox(self.shared, self.database, self._vault, self._clock)


@pytest.fixture
def crew(shared: Shared, database: Database, vault: Vault, clock: FixedClock) -> Crew:
    return Crew(shared, database, vault, clock)


def said(chat: str, number: int) -> tuple[bytes, str, bytes]:
    return f"{chat}-{number}".encode(), "app", f'{{"roomid":"{chat}","n":{number}}}'.encode()


def take(inbox: SharedInbox, database: Database, items: list[Item]) -> list[bytes]:
    def change(db: Db) -> list[bytes]:
        return [item.body for item in items if inbox.take(db, item)]

    return database.write(change)


def pass_time(shared: Shared) -> None:
    """As if a worker had not been seen for a minute: its hold on every lane ends."""
    for lane in range(16):
        shared.client.delete(shared.name("inbox", str(lane), "holder"))


def test_a_conversation_is_worked_by_one_process_at_a_time_and_others_by_others(crew: Crew) -> None:
    first, second = crew.inbox(), crew.inbox()
    first.put_all([said("wrFirst", 1), said("wrFirst", 2), said("wrOther", 1)]).result()
    mine, theirs = first.claim(), second.claim()
    assert {item.body for item in mine} | {item.body for item in theirs} == {
        said(chat, n)[2] for chat, n in (("wrFirst", 1), ("wrFirst", 2), ("wrOther", 1))
    }
    talk = [item.body for item in (*mine, *theirs) if b"wrFirst" in item.body]
    assert talk == [said("wrFirst", 1)[2], said("wrFirst", 2)[2]]
    first.put_all([said("wrFirst", 3)]).result()
    holder = first if any(b"wrFirst" in item.body for item in mine) else second
    other = second if holder is first else first
    other.release(theirs if other is second else mine)
    assert other.claim() == []


def test_what_a_dead_worker_had_in_hand_is_worked_by_the_next_before_what_is_new(
    crew: Crew, shared: Shared
) -> None:
    dead, living = crew.inbox(), crew.inbox()
    dead.put_all([said("wrFirst", 1)]).result()
    assert len(dead.claim()) == 1
    dead.put_all([said("wrFirst", 2)]).result()
    assert living.claim() == []
    pass_time(shared)
    items = living.claim()
    assert take(living, crew.database, items) == [said("wrFirst", 1)[2], said("wrFirst", 2)[2]]


def test_I1_what_was_committed_before_the_crash_is_not_done_again(
    crew: Crew, shared: Shared
) -> None:
    dead, living = crew.inbox(), crew.inbox()
    dead.put_all([said("wrFirst", 1)]).result()
    assert len(take(dead, crew.database, dead.claim())) == 1  # and dies before it releases
    pass_time(shared)
    items = living.claim()
    assert (len(items), take(living, crew.database, items)) == (1, [])
    living.release(items)
    assert living.depth() == (0, 0)


def test_a_worker_that_slept_does_nothing_that_another_has_done_meanwhile(
    crew: Crew, shared: Shared
) -> None:
    sleeper, other = crew.inbox(), crew.inbox()
    sleeper.put_all([said("wrFirst", 1)]).result()
    slept_over = sleeper.claim()
    pass_time(shared)
    items = other.claim()
    assert len(take(other, crew.database, items)) == 1
    other.release(items)
    assert take(sleeper, crew.database, slept_over) == []
    sleeper.release(slept_over)
    assert other.depth() == (0, 0)


def test_many_workers_do_everything_once_and_each_conversation_in_its_order(crew: Crew) -> None:
    chats = [f"wrGroup{n}" for n in range(12)]
    crew.inbox().put_all([said(chat, n) for n in range(40) for chat in chats]).result()
    done: list[bytes] = []
    lock = threading.Lock()

    def work() -> None:
        inbox = crew.inbox()
        while inbox.depth() != (0, 0):
            items = inbox.claim(25)
            bodies = take(inbox, crew.database, items)
            with lock:
                done.extend(bodies)
            inbox.release(items)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for chat in chats:
        of_chat = [body for body in done if f'"{chat}"'.encode() in body]
        assert of_chat == [said(chat, n)[2] for n in range(40)]


def test_an_item_sealed_with_another_key_is_set_back_and_holds_nobody_up(
    crew: Crew, shared: Shared, clock: FixedClock
) -> None:
    stranger = Crew(shared, crew.database, Vault("another-secret-of-the-tests"), clock)
    stranger.inbox().put_all([said("wrFirst", 1)]).result()
    ours = crew.inbox()
    ours.put_all([said("wrFirst", 2)]).result()
    assert [item.body for item in ours.claim()] == [said("wrFirst", 2)[2]]
    row = crew.database.read().one("SELECT key, state, attempts FROM inbox")
    assert row is not None
    assert tuple(row) == (b"wrFirst-1", 0, 1)


def test_D3_what_waits_in_redis_counts_for_the_key_that_sealed_it(crew: Crew, vault: Vault) -> None:
    inbox = crew.inbox()
    assert [] == list(inbox.queued_elsewhere())
    inbox.put_all([said("wrA", 1), said("wrB", 2)]).result()
    assert [vault.key.number] * 2 == [key_number(body) for body in inbox.queued_elsewhere()]


def test_D3_what_came_in_cannot_be_read_in_redis(crew: Crew, shared: Shared) -> None:
    crew.inbox().put(b"key", "app", "我有十五万到期,电话13900000001".encode()).result()
    entries = shared.client.xrange(shared.name("inbox", "0"))
    assert entries
    assert "十五万".encode() not in repr(entries).encode()
    assert b"13900000001" not in repr(entries).encode()


def test_I1_what_was_acknowledged_outlives_a_killed_redis(
    database: Database, vault: Vault, clock: FixedClock
) -> None:
    fresh_redis()  # skips where there is none
    from bot.shared import Shared, SharedInbox  # noqa: PLC0415  # where there is a client

    server = RedisServer()
    server.start()
    try:
        inbox = SharedInbox(Shared(server.url, "wwMadeUp"), database, vault, clock)
        inbox.put_all([said("wrFirst", n) for n in range(50)]).result()
        server.kill()
        with structlog.testing.capture_logs(), pytest.raises(Retry):
            inbox.put_all([said("wrFirst", 50)]).result()
        with pytest.raises(Retry):
            inbox.claim()
        server.start()
        assert len(inbox.claim()) == 50
    finally:
        server.remove()


def test_an_emptied_redis_is_used_again_at_once(crew: Crew, shared: Shared) -> None:
    inbox = crew.inbox()
    inbox.put_all([said("wrFirst", 1)]).result()
    assert len(inbox.claim()) == 1
    shared.client.flushall()
    assert inbox.claim() == []
    inbox.put_all([said("wrFirst", 2)]).result()
    assert [item.body for item in inbox.claim()] == [said("wrFirst", 2)[2]]
