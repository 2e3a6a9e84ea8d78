"""The outbox: each errand once, by priority, one at a time in its lane, honest about doubt."""

# the names carry the ids of the rules and invariants

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from backends import Place

from bot import outbox
from bot.actions import (
    AnswerKf,
    CreateMassSend,
    Errand,
    MarkTags,
    PullArchive,
    Reconcile,
    SendCard,
    SyncCustomer,
    SyncTags,
    unpack,
)
from bot.clock import FixedClock
from bot.errors import Invalid, Refused, Retry, Uncertain
from bot.model import ExternalUserId, OpenKfId, UserId
from bot.outbox import MOST_BREAKS, Effect, Outbox
from bot.store.db import Database, Db

WHO, OTHER, LIN = ExternalUserId("wm_a"), ExternalUserId("wm_b"), UserId("lin")
Behave = Callable[[Errand], Effect | None]


class Doer:
    """Performs errands as the test says, and remembers which."""

    def __init__(self) -> None:
        self.done: list[Errand] = []
        self.behave: Behave = lambda _errand: None

    def __call__(self, errand: Errand) -> Effect | None:
        self.done.append(errand)
        return self.behave(errand)

    def always(self, trouble: Exception) -> None:
        def fail(_errand: Errand) -> None:
            raise trouble

        self.behave = fail


@pytest.fixture
def doer() -> Doer:
    return Doer()


@pytest.fixture
def box(store: Database, clock: FixedClock, doer: Doer) -> Outbox:
    return Outbox(store, clock, doer)


def add(store: Database, clock: FixedClock, *errands: Errand, useful: int | None = None) -> int:
    now = int(clock.now().timestamp() * 1000)

    def put(db: Db) -> int:
        return sum(outbox.add(db, each, now, useful) for each in errands)

    return store.write(put)


def row_of(store: Database, key: str) -> dict[str, Any]:
    row = store.read().one("SELECT * FROM outbox WHERE key = :key", key=key)
    assert row is not None
    return dict(row)


def state(store: Database, errand: Errand) -> str:
    return str(row_of(store, errand.key)["state"])


def work_all(box: Outbox) -> int:
    worked = 0
    while box.work_once():
        worked += 1
    return worked


PULL = PullArchive("a")
MASS = CreateMassSend(7)


def test_a_key_is_taken_once_also_after_it_was_done(
    box: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    assert add(store, clock, PULL, PULL) == 1
    work_all(box)
    assert add(store, clock, PULL) == 0
    work_all(box)
    assert doer.done == [PULL]


def test_what_customers_wait_for_comes_first_then_the_oldest(
    box: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    answer = AnswerKf(OpenKfId("wk"), WHO, "kf_person", "m1")
    errands: list[Errand] = [
        Reconcile("a"),
        MASS,
        MarkTags(WHO, LIN, "a"),
        PULL,
        SendCard(1, LIN),
        answer,
    ]
    add(store, clock, *errands)
    add(store, clock, PullArchive("b"))
    work_all(box)
    assert doer.done == [
        SendCard(1, LIN),
        answer,
        PULL,
        PullArchive("b"),
        MarkTags(WHO, LIN, "a"),
        MASS,
        Reconcile("a"),
    ]


def test_the_first_thread_takes_only_what_customers_wait_for(
    box: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    add(store, clock, PULL)
    assert not box.work_once(priority=1)
    add(store, clock, SendCard(1, LIN))
    assert box.work_once(priority=1)
    assert doer.done == [SendCard(1, LIN)]


def test_I1_calling_is_on_the_disk_before_the_call(
    box: Outbox, store: Database, clock: FixedClock, doer: Doer, place: Place
) -> None:
    seen: list[str] = []

    def look(errand: Errand) -> None:
        with place.look() as db:
            seen.append(db.value("SELECT state FROM outbox WHERE key = :key", key=errand.key))

    doer.behave = look
    add(store, clock, PULL)
    work_all(box)
    assert seen == ["calling"]
    assert state(store, PULL) == "done"


def test_the_effect_and_the_end_are_one_transaction(
    box: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    def effect(db: Db) -> None:
        db.run("INSERT INTO cursor (name, value, moved_at) VALUES ('effect', 'x', 0)")
        if len(doer.done) == 1:
            raise Retry("首次写入失败")

    doer.behave = lambda _errand: effect
    add(store, clock, PULL)
    work_all(box)
    assert (state(store, PULL), store.read().value("SELECT count(*) FROM cursor")) == ("ready", 0)
    clock.move(timedelta(minutes=1))
    work_all(box)
    assert (state(store, PULL), store.read().value("SELECT count(*) FROM cursor")) == ("done", 1)


def test_a_retry_waits_at_least_as_long_as_it_was_told(
    box: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    doer.always(Retry("稍后再试", 60.0))
    add(store, clock, PULL)
    assert work_all(box) == 1
    clock.move(timedelta(seconds=47))  # 60 less a fifth of jitter
    assert work_all(box) == 0
    clock.move(timedelta(seconds=26))
    assert work_all(box) == 1
    assert row_of(store, PULL.key)["reason"] == "稍后再试"


def test_pauses_grow_and_never_exceed_five_minutes(
    box: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    doer.always(Retry("稍后再试", 0.1))
    add(store, clock, PULL)
    pauses = []
    for _ in range(14):
        work_all(box)
        row = row_of(store, PULL.key)
        now = int(clock.now().timestamp() * 1000)
        pauses.append(row["not_before"] - now)
        clock.move(timedelta(milliseconds=pauses[-1]))
    assert pauses[0] < 1000 < pauses[3] < pauses[6] < pauses[9]
    assert max(pauses) <= 360_000


def test_what_is_refused_or_invalid_fails_at_once_with_its_reason(
    box: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    def behave(errand: Errand) -> None:
        raise Refused(40003) if errand == PULL else Invalid("文字太长")

    doer.behave = behave
    add(store, clock, PULL, SyncTags("a"))
    work_all(box)
    rows = [row_of(store, PULL.key), row_of(store, SyncTags("a").key)]
    assert [(row["state"], row["reason"]) for row in rows] == [
        ("failed", "errcode 40003"),
        ("failed", "文字太长"),
    ]


def test_a_doubtful_harmless_errand_is_repeated_and_a_mass_send_is_not(
    box: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    doer.always(Uncertain("超时"))
    add(store, clock, PULL, MASS)
    work_all(box)
    assert (state(store, PULL), state(store, MASS)) == ("ready", "uncertain")
    clock.move(timedelta(hours=1))
    work_all(box)
    assert doer.done == [PULL, MASS, PULL]


def test_after_a_crash_in_calling_the_harmless_is_repeated_and_a_mass_send_is_doubted(
    store: Database, clock: FixedClock, doer: Doer
) -> None:
    add(store, clock, PULL, MASS)
    store.write(lambda db: db.run("UPDATE outbox SET state = 'calling'"))
    after = Outbox(store, clock, doer)
    after.resume()
    work_all(after)
    assert doer.done == [PULL]
    assert (state(store, PULL), state(store, MASS)) == ("done", "uncertain")


def test_what_is_past_its_useful_time_is_dropped_instead_of_repeated(
    box: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    doer.always(Retry("稍后再试"))
    soon = int((clock.now() + timedelta(seconds=20)).timestamp() * 1000)
    add(store, clock, PULL, useful=soon)
    work_all(box)
    clock.move(timedelta(seconds=30))
    work_all(box)
    row = row_of(store, PULL.key)
    assert (row["state"], row["reason"]) == ("dropped", "已过有效时间:稍后再试")


def test_an_errand_that_breaks_our_code_is_given_up_and_its_reason_names_no_words(
    box: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    doer.always(ValueError("十五万"))
    add(store, clock, PULL)
    for _ in range(MOST_BREAKS + 3):
        work_all(box)
        clock.move(timedelta(minutes=10))
    row = row_of(store, PULL.key)
    assert (row["state"], row["reason"], len(doer.done)) == ("failed", "ValueError", MOST_BREAKS)


def test_an_errand_of_another_version_is_given_up_and_blocks_nobody(
    box: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    add(store, clock, SyncCustomer(WHO, "old"), SyncCustomer(WHO, "new"))
    store.write(
        lambda db: db.run("UPDATE outbox SET payload = '{\"nobody\": 1}' WHERE key LIKE '%old'")
    )
    store.write(lambda db: db.run("UPDATE outbox SET kind = 'Gone' WHERE key LIKE '%nothing'"))
    for _ in range(MOST_BREAKS + 1):
        work_all(box)
        clock.move(timedelta(minutes=10))
    assert doer.done == [SyncCustomer(WHO, "new")]
    assert state(store, SyncCustomer(WHO, "old")) == "failed"


@pytest.mark.parametrize("change", ["DELETE FROM outbox", "UPDATE outbox SET state = 'dropped'"])
def test_an_errand_that_was_erased_or_given_up_after_it_was_read_is_not_done(
    box: Outbox, store: Database, clock: FixedClock, doer: Doer, change: str
) -> None:
    add(store, clock, PULL)
    claim = box._claim(9)  # what a thread holds between reading and beginning
    assert claim is not None
    store.write(lambda db: db.run(change))
    box._do(claim)
    assert doer.done == []


# -- threads


@pytest.fixture
def running(box: Outbox) -> Iterator[Outbox]:
    yield box
    box.stop()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that threads bring about; the suite's timeout ends a bad wait."""
    tick = threading.Event()
    while not condition():
        tick.wait(0.01)


def test_errands_of_one_lane_never_overlap_and_those_of_others_do(
    running: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    inside: set[str] = set()
    most: list[int] = []
    both = threading.Barrier(2)
    lock = threading.Lock()

    def behave(errand: Errand) -> None:
        assert isinstance(errand, SyncCustomer)
        with lock:
            assert errand.customer not in inside
            inside.add(errand.customer)
            most.append(len(inside))
        both.wait(20)  # only passes when both lanes are inside
        with lock:
            inside.discard(errand.customer)

    doer.behave = behave
    add(store, clock, *(SyncCustomer(who, f"{n}") for n in range(5) for who in (WHO, OTHER)))
    running.start()
    until(running.idle)
    assert len(doer.done) == 10
    assert max(most) == 2
    assert {row["state"] for row in store.read().rows("SELECT state FROM outbox")} == {"done"}


def test_a_long_queue_behind_a_busy_lane_hides_nothing_that_could_be_done(
    running: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    go = threading.Event()

    def behave(errand: Errand) -> None:
        if isinstance(errand, SyncCustomer) and errand.customer == WHO:
            go.wait(20)

    doer.behave = behave
    add(store, clock, *(SyncCustomer(WHO, f"{n}") for n in range(70)), Reconcile("a"))
    running.start()
    until(lambda: state(store, Reconcile("a")) == "done")
    go.set()
    until(running.idle)
    assert len(doer.done) == 71


def test_no_errand_is_done_twice_by_many_threads(
    running: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    add(store, clock, *(SendCard(n, LIN) for n in range(40)))
    running.start()
    until(running.idle)
    assert sorted(each.case_id for each in doer.done if isinstance(each, SendCard)) == list(
        range(40)
    )


def test_the_threads_outlive_a_full_disk_and_nothing_stays_in_calling(
    running: Outbox, store: Database, clock: FixedClock, doer: Doer, place: Place
) -> None:
    """The disk fills up while errands are out: their ends cannot be written, for a while."""

    def effect(db: Db) -> None:
        db.run("INSERT INTO cursor (name, value, moved_at) VALUES (:n, :v, 0)", n="e", v="x" * 9999)

    def behave(_errand: Errand) -> Effect:
        if len(doer.done) == 1:
            store.write(place.backend.fill_up)
            # Nor can the later try be written, until the disk has room.
            store.write = refuse  # type: ignore[method-assign,assignment]  # a disk without a single page
        return effect

    write = store.write

    def refuse(_job: Callable[[Db], Any]) -> Any:
        raise Retry("数据库暂时无法写入")

    doer.behave = behave
    add(store, clock, PULL)
    running.start()
    until(lambda: len(doer.done) == 1)
    until(lambda: running._interrupted)
    store.write = write  # type: ignore[method-assign]  # there is room again
    write(place.backend.make_room)
    until(running.idle)
    assert (state(store, PULL), len(doer.done)) == ("done", 2)
    assert all(thread.is_alive() for thread in running._threads)


def test_resuming_leaves_alone_what_a_thread_has_in_hand(
    box: Outbox, store: Database, clock: FixedClock, doer: Doer
) -> None:
    seen: list[str] = []

    def behave(errand: Errand) -> None:
        box.resume()
        seen.append(state(store, errand))

    doer.behave = behave
    add(store, clock, PULL, MASS)
    work_all(box)
    assert (doer.done, seen) == ([PULL, MASS], ["calling", "calling"])
    assert (state(store, PULL), state(store, MASS)) == ("done", "done")


def test_done_errands_are_forgotten_and_their_keys_with_them(
    box: Outbox, store: Database, clock: FixedClock
) -> None:
    add(store, clock, PULL, SyncTags("a"))
    box.work_once()
    clock.move(timedelta(days=8))
    now = int(clock.now().timestamp() * 1000)
    assert store.write(lambda db: outbox.forget(db, now)) == 1
    keys = [row["key"] for row in store.read().rows("SELECT key FROM outbox")]
    assert len(keys) == 1


def test_what_waits_in_the_outbox_is_what_was_asked_for(store: Database, clock: FixedClock) -> None:
    errand = MarkTags(WHO, LIN, "a")
    add(store, clock, errand)
    row = row_of(store, errand.key)
    assert unpack(row["kind"], row["payload"]) == errand
    assert (row["lane"], row["priority"]) == (f"customer:{WHO}", 4)
