"""Several processes perform the errands of one store: each once, lanes kept, the dead inherited."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from backends import Place

from bot import outbox
from bot.actions import CreateMassSend, Errand, MarkTags, SyncCustomer
from bot.clock import FixedClock
from bot.model import ExternalUserId, UserId
from bot.outbox import GONE_MS, Effect, Outbox
from bot.store.db import Database, Db


@pytest.fixture
def stores(place: Place) -> Iterator[list[Database]]:
    """One store as several processes open it; SQLite has one process."""
    number = 1 if place.backend.name == "sqlite" else 3
    found = [place.open() for _ in range(number)]
    yield found
    for each in found:
        each.close()


def add(store: Database, clock: FixedClock, *errands: Errand) -> None:
    now = int(clock.now().timestamp() * 1000)
    store.write(lambda db: [outbox.add(db, each, now) for each in errands])


def states(store: Database) -> list[str]:
    return [row["state"] for row in store.read().rows("SELECT state FROM outbox ORDER BY id")]


def fall_silent(store: Database) -> None:
    """As if nobody had been heard of for longer than the living are."""
    store.write(lambda db: db.run("UPDATE worker SET seen_at = seen_at - :ms", ms=GONE_MS + 1))


def sync(number: int) -> Errand:
    return SyncCustomer(ExternalUserId(f"wm_{number}"), f"test-{number}")


def test_each_errand_is_done_once_however_many_processes_look(
    stores: list[Database], clock: FixedClock
) -> None:
    add(stores[0], clock, *(sync(number) for number in range(40)))
    done: list[str] = []

    def perform(errand: Errand) -> None:
        done.append(errand.key)

    boxes = [Outbox(store, clock, perform, alone=False) for store in stores]

    def work(box: Outbox) -> None:
        box.resume()
        while set(states(stores[0])) != {"done"}:
            box.work_once()

    threads = [threading.Thread(target=work, args=(box,)) for box in boxes for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(done) == sorted(sync(number).key for number in range(40))


def test_errands_of_one_lane_are_done_one_after_the_other_and_in_order(
    stores: list[Database], clock: FixedClock
) -> None:
    who, lin = ExternalUserId("wm_a"), UserId("lin")
    errands = [MarkTags(who, lin, f"cause-{number}") for number in range(12)]
    add(stores[0], clock, *errands)
    inside, most, order = 0, 0, list[str]()
    lock = threading.Lock()

    def perform(errand: Errand) -> Effect | None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            order.append(errand.key)
        stores[0].read().value("SELECT count(*) FROM outbox")
        with lock:
            inside -= 1
        return None

    boxes = [Outbox(store, clock, perform, alone=False) for store in stores]

    def work(box: Outbox) -> None:
        while set(states(stores[0])) != {"done"}:
            box.work_once()

    threads = [threading.Thread(target=work, args=(box,)) for box in boxes]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (most, order) == (1, [each.key for each in errands])


def test_what_a_dead_process_had_in_flight_is_taken_over_by_kind(
    stores: list[Database], clock: FixedClock
) -> None:
    store = stores[-1]
    add(store, clock, sync(1), CreateMassSend(7))
    hung = threading.Event()
    go_on = threading.Event()

    def hang(_errand: Errand) -> None:
        hung.set()
        go_on.wait()

    dead = Outbox(stores[0], clock, hang, alone=False)
    dead.resume()
    threads = [threading.Thread(target=dead.work_once) for _ in range(2)]
    for each in threads:
        each.start()
    while states(store) != ["calling", "calling"]:
        assert hung.wait(10)
    living = Outbox(store, clock, lambda _errand: None, alone=False)
    living.resume()
    assert states(store) == ["calling", "calling"]
    fall_silent(store)
    living.resume()
    assert states(store) == ["ready", "uncertain"]
    go_on.set()
    for each in threads:
        each.join()


@pytest.mark.parametrize("meanwhile", ["done", "calling"])
def test_whoever_slept_writes_nothing_after_its_errand_was_taken_over(
    stores: list[Database], clock: FixedClock, meanwhile: str
) -> None:
    store = stores[-1]
    add(store, clock, sync(1))
    take_over = "UPDATE outbox SET state = :state, owner = 'another'"

    def effect(db: Db) -> None:
        db.run("INSERT INTO cursor (name, value, moved_at) VALUES ('late', 'x', 0)")

    def sleep(_errand: Errand) -> Effect:
        store.write(lambda db: db.run(take_over, state=meanwhile))
        return effect

    sleeper = Outbox(stores[0], clock, sleep, alone=False)
    sleeper.resume()
    assert sleeper.work_once()
    assert states(store) == [meanwhile]
    assert store.read().value("SELECT count(*) FROM cursor WHERE name = 'late'") == 0


def test_a_living_process_keeps_what_it_has_in_flight(
    stores: list[Database], clock: FixedClock
) -> None:
    store = stores[-1]
    add(store, clock, sync(1))
    other = Outbox(store, clock, lambda _errand: None, alone=False)

    def look(_errand: Errand) -> None:
        clock.move(timedelta(hours=1))
        other.resume()
        assert states(store) == ["calling"]

    box = Outbox(stores[0], clock, look, alone=False)
    box.resume()
    assert box.work_once()
    assert states(store) == ["done"]


# -- races


def test_changes_that_race_are_as_if_one_came_after_the_other(stores: list[Database]) -> None:
    """Each reads and then writes what it read plus one; none of them may be lost."""
    stores[0].write(
        lambda db: db.run("INSERT INTO cursor (name, value, moved_at) VALUES ('n', '0', 0)")
    )

    def add_one(db: Db) -> None:
        value = int(db.value("SELECT value FROM cursor WHERE name = 'n'"))
        db.run("UPDATE cursor SET value = :value WHERE name = 'n'", value=str(value + 1))

    def work(store: Database) -> None:
        for _ in range(15):
            store.write(add_one)

    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert stores[0].read().value("SELECT value FROM cursor") == str(15 * len(stores))


def test_two_who_find_nothing_and_both_insert_are_one_row_and_no_error(
    stores: list[Database],
) -> None:
    met = threading.Barrier(len(stores))
    tries: list[int] = []

    def insert(db: Db) -> bool:
        there = db.value("SELECT 1 FROM cursor WHERE name = 'once'")
        tries.append(1)
        if len(tries) <= len(stores):
            met.wait(10)
        if there:
            return False
        db.run("INSERT INTO cursor (name, value, moved_at) VALUES ('once', 'x', 0)")
        return True

    futures = [store.submit(insert) for store in stores]
    assert sum(future.result() for future in futures) == 1
