"""The inbox: kept once, handed out in order, settled with its effects, poison set aside."""

# the names carry the ids of the rules and invariants

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from backends import POSTGRES, SQLITE, Place, every_store, fresh_redis
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import SHANGHAI, FixedClock
from bot.errors import Invalid
from bot.inbox import MAX_ATTEMPTS, Inbox, forget
from bot.store.db import Database, Db
from bot.vault import Vault

MORNING = datetime(2026, 11, 24, 10, 0, tzinfo=SHANGHAI)


@pytest.fixture
def inbox(store: Database, vault: Vault, clock: FixedClock) -> Inbox:
    return Inbox(store, vault, clock)


@pytest.fixture(params=["sqlite", "postgres", "redis"])
def any_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where the store of each kind of inbox lives."""
    backend = SQLITE if request.param == "sqlite" else POSTGRES
    backend.create(tmp_path)
    yield Place(backend, tmp_path)
    backend.remove(tmp_path)


@pytest.fixture
def store_behind(any_place: Place) -> Iterator[Database]:
    database = any_place.open()
    yield database
    database.close()


@pytest.fixture
def any_inbox(
    request: pytest.FixtureRequest, store_behind: Database, vault: Vault, clock: FixedClock
) -> Inbox:
    """An inbox of each kind: what every one of them has to do is asked through it."""
    return open_inbox(request.node.callspec.params["any_place"], store_behind, vault, clock)


def open_inbox(kind: str, store: Database, vault: Vault, clock: FixedClock) -> Inbox:
    if kind != "redis":
        return Inbox(store, vault, clock)
    shared = fresh_redis()
    from bot.shared import SharedInbox  # noqa: PLC0415  # where there is a client

    return SharedInbox(shared, store, vault, clock)


def work(inbox: Inbox, store: Database, limit: int = 100) -> list[bytes]:
    """Work what waits; the bodies of what was not done already."""
    items = inbox.claim(limit)

    def take(db: Db) -> list[bytes]:
        return [item.body for item in items if inbox.take(db, item)]

    done = store.write(take)
    inbox.release(items)
    return done


def put(inbox: Inbox, *keys: str) -> None:
    for key in keys:
        inbox.put(key.encode(), "app", f"<{key}>".encode()).result()


def bodies(inbox: Inbox, limit: int = 100) -> list[bytes]:
    return [item.body for item in inbox.claim(limit)]


def ms(clock: FixedClock) -> int:
    return int(clock.now().timestamp() * 1000)


def test_I1_an_item_is_durable_when_its_future_is_done(inbox: Inbox, place: Place) -> None:
    put(inbox, "a")
    with place.look() as db:
        assert db.value("SELECT count(*) FROM inbox") == 1


def test_an_item_that_comes_again_is_kept_once_and_the_first_body_counts(any_inbox: Inbox) -> None:
    any_inbox.put(b"key", "app", b"first").result()
    any_inbox.put(b"key", "app", b"second").result()
    any_inbox.put_all([(b"key", "kf", b"third"), (b"other", "kf", b"fourth")]).result()
    assert bodies(any_inbox) == [b"first", b"fourth"]


def test_an_item_that_comes_again_after_it_was_done_is_not_worked_again(
    any_inbox: Inbox, store_behind: Database
) -> None:
    put(any_inbox, "a")
    work(any_inbox, store_behind)
    put(any_inbox, "a")
    assert work(any_inbox, store_behind) == []
    assert any_inbox.depth() == (0, 0)


def test_a_hundred_threads_with_ten_keys_keep_ten_items(any_inbox: Inbox) -> None:
    threads = [threading.Thread(target=put, args=(any_inbox, f"k{n % 10}")) for n in range(100)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(bodies(any_inbox)) == [f"<k{n}>".encode() for n in range(10)]


def test_items_come_out_in_the_order_in_which_they_came_in(any_inbox: Inbox) -> None:
    put(any_inbox, "c", "a", "b")
    assert bodies(any_inbox, 2) == [b"<c>", b"<a>"]
    assert bodies(any_inbox) == [b"<c>", b"<a>", b"<b>"]


def test_an_item_and_its_effects_are_one_transaction(
    any_inbox: Inbox, store_behind: Database
) -> None:
    put(any_inbox, "a")
    (item,) = any_inbox.claim()

    def work(db: Db, *, crash: bool) -> None:
        db.run("INSERT INTO cursor (name, value, moved_at) VALUES ('effect', 'x', 0)")
        assert any_inbox.take(db, item)
        if crash:
            raise Invalid("坏了")

    with pytest.raises(Invalid):
        store_behind.write(lambda db: work(db, crash=True))
    assert bodies(any_inbox) == [b"<a>"]
    assert store_behind.read().value("SELECT count(*) FROM cursor") == 0
    store_behind.write(lambda db: work(db, crash=False))
    assert not store_behind.write(lambda db: any_inbox.take(db, item))
    assert store_behind.read().value("SELECT count(*) FROM cursor") == 1


def test_a_done_item_keeps_its_key_and_loses_its_body(
    any_inbox: Inbox, store_behind: Database
) -> None:
    put(any_inbox, "a")
    work(any_inbox, store_behind)
    row = store_behind.read().one("SELECT key, body_sealed FROM inbox")
    assert row is not None
    assert (row["key"], row["body_sealed"]) == (b"a", None)


def test_a_failed_item_comes_again_after_a_pause_and_the_others_flow(
    any_inbox: Inbox, store_behind: Database, clock: FixedClock
) -> None:
    put(any_inbox, "bad", "good")
    bad = any_inbox.claim(1)[0]
    store_behind.write(lambda db: any_inbox.fail(db, bad, "ValueError"))
    any_inbox.release([bad])
    assert work(any_inbox, store_behind) == [b"<good>"]
    clock.move(timedelta(seconds=2))
    (again,) = any_inbox.claim()
    assert (again.body, again.attempts) == (b"<bad>", 1)
    assert work(any_inbox, store_behind) == [b"<bad>"]


def test_the_fifth_failure_sets_an_item_aside_with_its_reason_and_its_body(
    any_inbox: Inbox, store_behind: Database, clock: FixedClock
) -> None:
    put(any_inbox, "bad", "good")
    attempts = 0
    while items := [item for item in any_inbox.claim() if item.body == b"<bad>"]:
        attempts += 1
        store_behind.write(lambda db, items=items: any_inbox.fail(db, items[0], "ValueError"))  # type: ignore[misc]  # a default binds the items
        any_inbox.release(items)
        clock.move(timedelta(seconds=2))
    row = store_behind.read().one(
        "SELECT state, reason, body_sealed FROM inbox WHERE key = :k", k=b"bad"
    )
    assert row is not None
    assert (attempts, row["state"], row["reason"]) == (MAX_ATTEMPTS, 2, "ValueError")
    assert row["body_sealed"] is not None
    assert any_inbox.depth() == (1, 1)


def test_an_item_that_no_key_opens_holds_nobody_up_and_is_set_aside(
    inbox: Inbox, store: Database, clock: FixedClock
) -> None:
    put(inbox, "torn", "good")
    store.write(
        lambda db: db.run("UPDATE inbox SET body_sealed = :torn WHERE id = 1", torn=b"\1\0")
    )
    for _ in range(MAX_ATTEMPTS):
        assert bodies(inbox) == [b"<good>"]
        clock.move(timedelta(seconds=2))
    assert inbox.depth() == (1, 1)


def test_depth_and_lag_tell_what_waits(
    any_inbox: Inbox, store_behind: Database, clock: FixedClock
) -> None:
    assert (any_inbox.depth(), any_inbox.lag_seconds()) == ((0, 0), 0.0)
    put(any_inbox, "a")
    clock.move(timedelta(seconds=30))
    put(any_inbox, "b")
    assert (any_inbox.depth(), any_inbox.lag_seconds()) == ((2, 0), 30.0)
    work(any_inbox, store_behind, 1)
    assert (any_inbox.depth(), any_inbox.lag_seconds()) == ((1, 0), 0.0)


def test_a_clock_that_goes_back_makes_no_negative_lag(any_inbox: Inbox, clock: FixedClock) -> None:
    put(any_inbox, "a")
    clock.move(-timedelta(hours=2))
    assert any_inbox.lag_seconds() == 0.0


def test_old_done_items_are_forgotten_and_all_others_stay(
    inbox: Inbox, store: Database, clock: FixedClock
) -> None:
    put(inbox, "done", "waiting")
    work(inbox, store, 1)
    clock.move(timedelta(days=7))
    put(inbox, "new")
    new = inbox.claim()[1]
    assert store.write(lambda db: inbox.take(db, new))
    assert store.write(lambda db: forget(db, ms(clock))) == 1
    keys = [row["key"] for row in store.read().rows("SELECT key FROM inbox ORDER BY id")]
    assert keys == [b"waiting", b"new"]


def test_D3_what_came_in_cannot_be_read_in_the_file(inbox: Inbox, place: Place) -> None:
    inbox.put(b"key", "app", "我有十五万到期,电话13900000001".encode()).result()
    stored = b"".join(file.read_bytes() for file in place.folder.iterdir() if file.is_file())
    assert "十五万".encode() not in stored
    assert b"13900000001" not in stored


def test_waiting_ends_when_something_arrives_or_somebody_wakes(inbox: Inbox) -> None:
    put(inbox, "a")
    assert inbox.wait(10)
    assert not inbox.wait(0)
    inbox.wake()
    assert inbox.wait(10)


@settings(max_examples=25)
@given(st.lists(st.sampled_from("abcdef"), max_size=12))
def test_I1_whatever_the_order_of_arrivals_each_key_is_worked_once(
    tmp_path_factory: pytest.TempPathFactory, keys: list[str]
) -> None:
    for store in every_store(tmp_path_factory, keys):
        clock = FixedClock(MORNING)
        inbox = Inbox(store, Vault("made-up-secret-of-the-tests"), clock)
        worked: list[bytes] = []
        for key in keys:
            put(inbox, key)
            if key in "ab":
                worked += work(inbox, store)
        worked += bodies(inbox)
        assert worked == [f"<{key}>".encode() for key in dict.fromkeys(keys)]
