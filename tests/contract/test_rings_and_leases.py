"""The scheduler: rings as rows, one holder of the lease, fencing, misfires, coalescing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta

import pytest

from bot.clock import SHANGHAI, FixedClock
from bot.errors import Retry
from bot.store import rings
from bot.store.db import Database, Db
from bot.store.rings import LEASE_MS, Fence
from scheduler.ring import Job, Ringer


def take(store: Database, holder: str) -> Fence | None:
    return store.write(lambda db: rings.take_lease(db, holder))


def run_out(store: Database) -> None:
    """The lease's end passes: the holder slept."""
    store.write(lambda db: db.run("UPDATE lease SET until_at = until_at - :ms", ms=LEASE_MS + 1))


def states(store: Database, job: str) -> list[tuple[datetime, str]]:
    rows = store.read().rows("SELECT * FROM ring WHERE job = :job ORDER BY due_at", job=job)
    return [(datetime.fromtimestamp(row["due_at"] / 1000, SHANGHAI), row["state"]) for row in rows]


class Bell:
    """A job that counts when it rang."""

    def __init__(self) -> None:
        self.rung: list[datetime] = []
        self.behave: Callable[[Fence, datetime], object] = lambda _fence, _due: None

    def __call__(self, fence: Fence, due: datetime) -> object:
        self.rung.append(due)
        return self.behave(fence, due)


@pytest.fixture
def bell() -> Bell:
    return Bell()


def often(bell: Bell) -> Job:
    return Job("often", bell, every=timedelta(seconds=5))


def daily(bell: Bell, useful_for: timedelta = timedelta(hours=12)) -> Job:
    return Job("daily", bell, at=time(8, 0), useful_for=useful_for)


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=SHANGHAI)  # type: ignore[misc,arg-type]  # year to minute


# -- the lease


def test_one_holder_at_a_time_and_renewing_keeps_the_number(store: Database) -> None:
    first = take(store, "one")
    assert first is not None
    assert take(store, "two") is None
    assert take(store, "one") == first


def test_a_lease_that_ran_out_passes_on_with_a_higher_number(store: Database) -> None:
    first = take(store, "one")
    run_out(store)
    second = take(store, "two")
    assert first is not None
    assert second is not None
    assert (second.holder, second.number) == ("two", first.number + 1)
    assert take(store, "one") is None


def test_a_holder_who_comes_back_after_its_lease_ran_out_gets_a_new_number(
    store: Database,
) -> None:
    first = take(store, "one")
    run_out(store)
    again = take(store, "one")
    assert first is not None
    assert again == Fence("one", first.number + 1)


def test_a_lease_from_before_a_restart_of_the_machine_counts_as_run_out(store: Database) -> None:
    take(store, "one")
    store.write(lambda db: db.run("UPDATE lease SET until_at = until_at + 999999999"))
    assert rings.holder(store.read()) is None
    assert take(store, "two") is not None


def test_a_lease_given_up_is_free_at_once_but_only_by_its_holder(store: Database) -> None:
    first = take(store, "one")
    assert first is not None
    store.write(lambda db: rings.give_lease_up(db, Fence("two", first.number)))
    store.write(lambda db: rings.give_lease_up(db, Fence("one", first.number - 1)))
    assert rings.holder(store.read()) == "one"
    store.write(lambda db: rings.give_lease_up(db, first))
    assert rings.holder(store.read()) is None
    assert take(store, "two") is not None


@pytest.mark.parametrize(
    "late_write",
    [
        rings.check,
        lambda db, fence: rings.ring(db, fence, "daily", 1),
        lambda db, fence: rings.finish(db, fence, "daily", 1, 2),
    ],
    ids=["check", "ring", "finish"],
)
def test_fencing_refuses_the_late_write_of_a_holder_that_slept(
    store: Database, late_write: Callable[[Db, Fence], object]
) -> None:
    first = take(store, "one")
    assert first is not None
    store.write(lambda db: rings.ring(db, first, "daily", 1))
    run_out(store)
    take(store, "two")
    with pytest.raises(Retry):
        store.write(lambda db: late_write(db, first))
    row = store.read().one("SELECT state FROM ring WHERE job = 'daily'")
    assert row is not None
    assert row["state"] == "due"


def test_a_job_that_slept_through_its_lease_changes_nothing_more(
    store: Database, clock: FixedClock, bell: Bell
) -> None:
    def slept(fence: Fence, _due: datetime) -> None:
        run_out(store)
        take(store, "another")

        def late(db: Db) -> None:
            rings.check(db, fence)
            db.run("DELETE FROM ring")

        store.write(late)

    bell.behave = slept
    ringer = Ringer(store, clock, [daily(bell)])
    assert ringer.tick() == 1
    assert [state for _, state in states(store, "daily")] == ["due"]
    assert ringer.tick() == 0
    assert len(bell.rung) == 1


# -- ringing


def test_a_daily_job_rings_once_a_day(store: Database, clock: FixedClock, bell: Bell) -> None:
    ringer = Ringer(store, clock, [daily(bell)])
    assert [ringer.tick() for _ in range(3)] == [1, 0, 0]
    clock.move(timedelta(hours=22))
    assert [ringer.tick() for _ in range(3)] == [1, 0, 0]
    assert bell.rung == [at(2026, 11, 24, 8, 0), at(2026, 11, 25, 8, 0)]
    assert [state for _, state in states(store, "daily")] == ["done", "done"]


def test_before_its_first_time_of_day_a_daily_job_does_not_ring(
    store: Database, clock: FixedClock, bell: Bell
) -> None:
    clock.move(-timedelta(hours=3))
    assert Ringer(store, clock, [daily(bell)]).tick() == 0


@pytest.mark.parametrize("ringers", [2, 3])
def test_several_ringers_ring_once(
    store: Database, clock: FixedClock, bell: Bell, ringers: int
) -> None:
    all_of_them = [Ringer(store, clock, [daily(bell), often(bell)]) for _ in range(ringers)]
    for _ in range(11):
        for each in all_of_them:
            each.tick()
        clock.move(timedelta(seconds=5))
    assert len(bell.rung) == len(set(bell.rung)) == 12
    assert len(states(store, "daily")) == 1


def test_when_the_holder_dies_the_next_one_goes_on_where_it_stopped(
    store: Database, clock: FixedClock, bell: Bell
) -> None:
    first, second = (Ringer(store, clock, [daily(bell), often(bell)]) for _ in range(2))
    first.tick()
    assert second.tick() == 0
    run_out(store)
    assert second.tick() == 0  # both rang already
    clock.move(timedelta(seconds=5))
    assert (first.tick(), second.tick()) == (0, 1)


def test_a_frequent_job_that_was_missed_rings_once_for_all(
    store: Database, clock: FixedClock, bell: Bell
) -> None:
    ringer = Ringer(store, clock, [often(bell)])
    ringer.tick()
    clock.move(timedelta(hours=3, seconds=2))
    assert [ringer.tick() for _ in range(2)] == [1, 0]
    assert bell.rung == [at(2026, 11, 24, 10, 0), at(2026, 11, 24, 13, 0)]


def test_days_that_were_missed_ring_in_order_each_with_its_own_day(
    store: Database, clock: FixedClock, bell: Bell
) -> None:
    ringer = Ringer(store, clock, [daily(bell, useful_for=timedelta(days=10))])
    ringer.tick()
    clock.move(timedelta(days=3))
    assert ringer.tick() == 3
    assert bell.rung == [at(2026, 11, day, 8, 0) for day in (24, 25, 26, 27)]


def test_a_day_missed_for_too_long_is_a_visible_row_and_never_silence(
    store: Database, clock: FixedClock, bell: Bell
) -> None:
    ringer = Ringer(store, clock, [daily(bell)])
    ringer.tick()
    clock.move(timedelta(days=2))
    assert ringer.tick() == 1
    assert states(store, "daily") == [
        (at(2026, 11, 24, 8, 0), "done"),
        (at(2026, 11, 25, 8, 0), "missed"),
        (at(2026, 11, 26, 8, 0), "done"),
    ]


def test_a_day_whose_job_broke_is_done_later_also_after_the_next_day_began(
    store: Database, clock: FixedClock, bell: Bell
) -> None:
    def breaks(_fence: Fence, _due: datetime) -> object:
        raise ValueError("broken")

    bell.behave = breaks
    ringer = Ringer(store, clock, [daily(bell, useful_for=timedelta(days=10))])
    ringer.tick()
    clock.move(timedelta(days=1))
    ringer.tick()
    assert [state for _, state in states(store, "daily")] == ["due", "due"]
    bell.behave = lambda _fence, _due: "7"
    assert ringer.tick() == 2
    assert [state for _, state in states(store, "daily")] == ["done", "done"]
    assert ringer.tick() == 0


def test_a_job_that_breaks_silences_no_other(
    store: Database, clock: FixedClock, bell: Bell
) -> None:
    def breaks(_fence: Fence, _due: datetime) -> object:
        raise ValueError("broken")

    Ringer(store, clock, [Job("bad", breaks, at=time(8, 0)), daily(bell)]).tick()
    assert len(bell.rung) == 1


@pytest.mark.parametrize("breaks", [False, True])
def test_rings_of_a_frequent_job_do_not_pile_up(
    store: Database, clock: FixedClock, bell: Bell, *, breaks: bool
) -> None:
    def behave(_fence: Fence, due: datetime) -> object:
        if breaks and due < at(2026, 11, 24, 10, 30):
            raise Retry("数据库暂时无法写入")
        return None

    bell.behave = behave
    ringer = Ringer(store, clock, [Job("often", bell, every=timedelta(minutes=10))])
    for _ in range(12):
        ringer.tick()
        clock.move(timedelta(minutes=10))
    assert len(bell.rung) == 12
    assert len(states(store, "often")) <= 8


@pytest.mark.parametrize("jump", [timedelta(hours=2), timedelta(hours=-2), timedelta(days=1)])
def test_a_jump_of_the_wall_clock_rings_nothing_twice_and_keeps_the_lease(
    store: Database, clock: FixedClock, bell: Bell, jump: timedelta
) -> None:
    ringer, other = (Ringer(store, clock, [daily(bell)]) for _ in range(2))
    ringer.tick()
    clock.move(jump)
    assert other.tick() == 0  # the lease runs on the machine's own time
    ringer.tick()
    clock.move(-jump)
    ringer.tick()
    assert len(bell.rung) == len(set(bell.rung))
    assert {state for _, state in states(store, "daily")} == {"done"}


def test_what_a_job_did_is_on_record(store: Database, clock: FixedClock, bell: Bell) -> None:
    bell.behave = lambda _fence, _due: 12
    Ringer(store, clock, [daily(bell)]).tick()
    row = rings.recent(store.read())[0]
    assert (row["job"], row["state"], row["result"]) == ("daily", "done", "12")
    assert row["done_at"] == int(clock.now().timestamp() * 1000)


def test_starting_ticks_at_once_and_stopping_frees_the_lease(
    store: Database, clock: FixedClock, bell: Bell
) -> None:
    import threading  # noqa: PLC0415  # the one test with a thread of its own

    rang = threading.Event()
    bell.behave = lambda _fence, _due: rang.set()
    ringer = Ringer(store, clock, [daily(bell)])
    ringer.start()
    assert rang.wait(20)
    ringer.stop()
    assert rings.holder(store.read()) is None
