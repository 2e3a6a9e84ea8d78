"""The writer: changes share a commit, fail alone, and are done only when they are durable."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any

import pytest
from backends import Place

from bot.errors import Invalid, Retry
from bot.store.db import Database, Db


def put(db: Db, name: str, value: str = "x") -> None:
    db.run(
        "INSERT INTO cursor (name, value, moved_at) VALUES (:name, :value, 0)",
        name=name,
        value=value,
    )


def names(db: Db) -> list[str]:
    return [row["name"] for row in db.rows("SELECT name FROM cursor ORDER BY name")]


class Stopped:
    """A job that keeps the writer busy, so that what follows has to wait together."""

    def __init__(self, store: Database) -> None:
        self._go = threading.Event()
        started = threading.Event()

        def wait(_db: Db) -> None:
            started.set()
            self._go.wait()

        self.future = store.submit(wait)
        started.wait()

    def go(self) -> None:
        self._go.set()
        self.future.result()


def test_a_change_is_durable_before_its_future_is_done(store: Database, place: Place) -> None:
    seen: list[list[str]] = []

    def look(_future: Future[Any]) -> None:
        with place.look() as db:
            seen.append(names(db))

    stopped = Stopped(store)
    future = store.submit(lambda db: put(db, "a"))
    future.add_done_callback(look)  # runs in the writer, at the very moment
    stopped.go()
    future.result()
    store.write(lambda _db: None)
    assert seen == [["a"]]


def test_nothing_can_be_seen_of_a_change_before_its_commit(store: Database, place: Place) -> None:
    stopped = threading.Event()
    go = threading.Event()

    def slow(db: Db) -> None:
        put(db, "a")
        stopped.set()
        go.wait()

    future = store.submit(slow)
    stopped.wait()
    with place.look() as db:
        assert names(db) == []
    assert names(store.read()) == []
    go.set()
    future.result()
    assert names(store.read()) == ["a"]


def test_changes_that_wait_at_one_moment_share_one_commit(store: Database, place: Place) -> None:
    seen: list[list[str]] = []

    def look(_future: Future[Any]) -> None:
        with place.look() as db:
            seen.append(names(db))

    stopped = Stopped(store)
    futures = [store.submit(lambda db, n=n: put(db, f"{n:02}")) for n in range(20)]  # type: ignore[misc]  # a default binds n
    futures[0].add_done_callback(look)
    stopped.go()
    for each in futures:
        each.result()
    assert seen == [[f"{n:02}" for n in range(20)]]


def test_a_failing_change_undoes_only_itself_and_its_neighbours_are_kept(store: Database) -> None:
    def broken(db: Db) -> None:
        put(db, "half")
        raise Invalid("坏的一条")

    stopped = Stopped(store)
    before = store.submit(lambda db: put(db, "before"))
    failing = store.submit(broken)
    after = store.submit(lambda db: put(db, "after"))
    stopped.go()
    assert (before.result(), after.result()) == (None, None)
    with pytest.raises(Invalid, match="坏的一条"):
        failing.result()
    assert names(store.read()) == ["after", "before"]


def test_a_statement_that_is_wrong_or_forbidden_is_its_own_trouble(store: Database) -> None:
    stopped = Stopped(store)
    good = store.submit(lambda db: put(db, "good"))
    wrong = store.submit(lambda db: db.run("UPDATE nowhere SET nothing = 1"))
    twice = store.submit(lambda db: [put(db, each) for each in ("twice", "twice")])  # type: ignore[func-returns-value]  # only the second one fails
    stopped.go()
    good.result()
    assert {type(each.exception()).__name__ for each in (wrong, twice)} in (
        {"OperationalError", "IntegrityError"},
        {"UndefinedTable", "UniqueViolation"},
    )
    assert names(store.read()) == ["good"]


def test_when_the_disk_is_full_everybody_is_told_to_come_again_and_nothing_is_kept(
    store: Database, place: Place
) -> None:
    store.write(lambda db: put(db, "first"))
    store.write(place.backend.fill_up)
    stopped = Stopped(store)
    small = store.submit(lambda db: put(db, "small"))
    big = store.submit(lambda db: put(db, "big", "x" * 300_000))
    stopped.go()
    for each in (small, big):
        with pytest.raises(Retry):
            each.result()
    assert names(store.read()) == ["first"]
    store.write(place.backend.make_room)
    store.write(lambda db: put(db, "later", "x" * 300_000))
    assert names(store.read()) == ["first", "later"]


def test_what_a_change_returns_comes_back(store: Database) -> None:
    assert store.write(lambda db: db.value("SELECT 6 * 7")) == 42


def test_a_change_that_was_cancelled_while_it_waited_is_not_done(store: Database) -> None:
    stopped = Stopped(store)
    cancelled = store.submit(lambda db: put(db, "cancelled"))
    other = store.submit(lambda db: put(db, "other"))
    assert cancelled.cancel()
    stopped.go()
    other.result()
    store.write(lambda db: put(db, "the writer lives"))
    assert names(store.read()) == ["other", "the writer lives"]


def test_a_change_inside_a_change_is_refused_instead_of_waiting_for_itself(
    store: Database,
) -> None:
    with pytest.raises(RuntimeError):
        store.write(lambda _db: store.write(lambda db: put(db, "inner")))
    assert names(store.read()) == []


def test_a_reading_connection_cannot_write(store: Database) -> None:
    with pytest.raises(Exception, match=r"read-?only"):
        put(store.read(), "a")


def test_closing_finishes_what_is_queued_and_takes_nothing_more(place: Place) -> None:
    store = place.open()
    stopped = Stopped(store)
    queued = [store.submit(lambda db, n=n: put(db, f"{n}")) for n in range(200)]  # type: ignore[misc]  # a default binds n
    closing = threading.Thread(target=store.close)
    closing.start()
    stopped.go()
    closing.join()
    assert all(each.done() for each in queued)
    with pytest.raises(Retry):
        store.submit(lambda _db: None)
    with place.look() as db:
        assert len(names(db)) == 200


def test_what_was_written_is_there_after_opening_again(place: Place) -> None:
    store = place.open()
    store.write(lambda db: put(db, "kept"))
    store.close()
    again = place.open()
    assert names(again.read()) == ["kept"]
    again.close()


def test_threads_read_at_once_and_see_every_commit(store: Database) -> None:
    found: list[int] = []
    lock = threading.Lock()

    def work(number: int) -> None:
        store.write(lambda db: put(db, f"{number}"))
        seen = f"{number}" in names(store.read())
        with lock:
            found.append(seen)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [True] * 12
