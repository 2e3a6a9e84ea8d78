"""The inbox: kept once, handed out in order, settled with its effects, poison set aside."""

# the names carry the ids of the rules and invariants

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from backends import Place, every_store
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import SHANGHAI, FixedClock
from bot.errors import Invalid
from bot.inbox import MAX_ATTEMPTS, Inbox, fail, forget, settle
from bot.store.db import Database, Db
from bot.vault import Vault

MORNING = datetime(2026, 11, 24, 10, 0, tzinfo=SHANGHAI)


@pytest.fixture
def inbox(store: Database, vault: Vault, clock: FixedClock) -> Inbox:
    return Inbox(store, vault, clock)


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


def test_an_item_that_comes_again_is_kept_once_and_the_first_body_counts(inbox: Inbox) -> None:
    inbox.put(b"key", "app", b"first").result()
    inbox.put(b"key", "app", b"second").result()
    inbox.put_all([(b"key", "kf", b"third"), (b"other", "kf", b"fourth")]).result()
    assert bodies(inbox) == [b"first", b"fourth"]


def test_an_item_that_comes_again_after_it_was_done_is_not_worked_again(
    inbox: Inbox, store: Database
) -> None:
    put(inbox, "a")
    store.write(lambda db: settle(db, [item.id for item in inbox.claim()]))
    put(inbox, "a")
    assert bodies(inbox) == []


def test_a_hundred_threads_with_ten_keys_keep_ten_items(inbox: Inbox) -> None:
    threads = [threading.Thread(target=put, args=(inbox, f"k{n % 10}")) for n in range(100)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(bodies(inbox)) == [f"<k{n}>".encode() for n in range(10)]


def test_items_come_out_in_the_order_in_which_they_came_in(inbox: Inbox) -> None:
    put(inbox, "c", "a", "b")
    assert bodies(inbox, 2) == [b"<c>", b"<a>"]
    assert bodies(inbox) == [b"<c>", b"<a>", b"<b>"]


def test_an_item_and_its_effects_are_one_transaction(inbox: Inbox, store: Database) -> None:
    put(inbox, "a")
    (item,) = inbox.claim()

    def work(db: Db, *, crash: bool) -> None:
        db.run("INSERT INTO cursor (name, value, moved_at) VALUES ('effect', 'x', 0)")
        settle(db, [item.id])
        if crash:
            raise Invalid("坏了")

    with pytest.raises(Invalid):
        store.write(lambda db: work(db, crash=True))
    assert bodies(inbox) == [b"<a>"]
    assert store.read().value("SELECT count(*) FROM cursor") == 0
    store.write(lambda db: work(db, crash=False))
    assert bodies(inbox) == []
    assert store.read().value("SELECT count(*) FROM cursor") == 1


def test_a_done_item_keeps_its_key_and_loses_its_body(inbox: Inbox, store: Database) -> None:
    put(inbox, "a")
    store.write(lambda db: settle(db, [item.id for item in inbox.claim()]))
    row = store.read().one("SELECT key, body_sealed FROM inbox")
    assert row is not None
    assert (row["key"], row["body_sealed"]) == (b"a", None)


def test_a_failed_item_comes_again_after_a_pause_and_the_others_flow(
    inbox: Inbox, store: Database, clock: FixedClock
) -> None:
    put(inbox, "bad", "good")
    bad = inbox.claim(1)[0]
    store.write(lambda db: fail(db, bad.id, "ValueError", ms(clock)))
    assert bodies(inbox) == [b"<good>"]
    clock.move(timedelta(seconds=2))
    assert bodies(inbox) == [b"<bad>", b"<good>"]
    assert inbox.claim(1)[0].attempts == 1


def test_the_fifth_failure_sets_an_item_aside_with_its_reason_and_its_body(
    inbox: Inbox, store: Database, clock: FixedClock
) -> None:
    put(inbox, "bad", "good")
    attempts = 0
    while items := [item for item in inbox.claim() if item.body == b"<bad>"]:
        attempts += 1
        store.write(lambda db, items=items: fail(db, items[0].id, "ValueError", ms(clock)))  # type: ignore[misc]  # a default binds the items
        clock.move(timedelta(seconds=2))
    row = store.read().one("SELECT state, reason, body_sealed FROM inbox WHERE key = :k", k=b"bad")
    assert row is not None
    assert (attempts, row["state"], row["reason"]) == (MAX_ATTEMPTS, 2, "ValueError")
    assert row["body_sealed"] is not None
    assert inbox.depth() == (1, 1)


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


def test_depth_and_lag_tell_what_waits(inbox: Inbox, store: Database, clock: FixedClock) -> None:
    assert (inbox.depth(), inbox.lag_seconds()) == ((0, 0), 0.0)
    put(inbox, "a")
    clock.move(timedelta(seconds=30))
    put(inbox, "b")
    assert (inbox.depth(), inbox.lag_seconds()) == ((2, 0), 30.0)
    store.write(lambda db: settle(db, [inbox.claim()[0].id]))
    assert (inbox.depth(), inbox.lag_seconds()) == ((1, 0), 0.0)


def test_a_clock_that_goes_back_makes_no_negative_lag(inbox: Inbox, clock: FixedClock) -> None:
    put(inbox, "a")
    clock.move(-timedelta(hours=2))
    assert inbox.lag_seconds() == 0.0


def test_old_done_items_are_forgotten_and_all_others_stay(
    inbox: Inbox, store: Database, clock: FixedClock
) -> None:
    put(inbox, "done", "waiting")
    store.write(lambda db: settle(db, [inbox.claim()[0].id]))
    clock.move(timedelta(days=7))
    put(inbox, "new")
    store.write(lambda db: settle(db, [inbox.claim()[1].id]))
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
    for store in every_store(tmp_path_factory):
        clock = FixedClock(MORNING)
        inbox = Inbox(store, Vault("made-up-secret-of-the-tests"), clock)
        worked: list[bytes] = []
        for key in keys:
            put(inbox, key)
            if key in "ab":
                items = inbox.claim()
                worked += [item.body for item in items]
                store.write(lambda db, items=items: settle(db, [each.id for each in items]))  # type: ignore[misc]  # a default binds the items
        worked += bodies(inbox)
        assert worked == [f"<{key}>".encode() for key in dict.fromkeys(keys)]
