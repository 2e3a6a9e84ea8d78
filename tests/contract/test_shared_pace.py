"""Tokens, pace and lease in Redis: one corp, whatever the number of processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from backends import POSTGRES, Place, fresh_redis

from bot.errors import Retry
from bot.store import rings
from bot.store.db import Database
from bot.vault import Vault
from bot.wecom.pacing import MEMBER_CAPS, Pacing
from bot.wecom.tokens import MemoryTokenCache, Secrets, TokenCache, Tokens
from scheduler.ring import StoreLease

if TYPE_CHECKING:
    from bot.shared import Shared

PATH = "/cgi-bin/externalcontact/list"


class Stopwatch:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def shared() -> Shared:
    return fresh_redis()


@pytest.fixture(params=["memory", "redis"])
def open_pacing(request: pytest.FixtureRequest, stopwatch: Stopwatch) -> Callable[[], Pacing]:
    """What gives each process its pacing; one memory is one process."""
    if request.param == "memory":
        only = Pacing(stopwatch, stopwatch.sleep)
        return lambda: only
    shared = fresh_redis()
    from bot.shared import SharedPacing  # noqa: PLC0415  # where there is a client

    return lambda: SharedPacing(shared, stopwatch, stopwatch.sleep)


def test_turns_are_spread_over_the_minute_for_all_processes_together(
    open_pacing: Callable[[], Pacing], stopwatch: Stopwatch
) -> None:
    first, second = open_pacing(), open_pacing()
    for pacing in (first, second, first):
        with pacing.turn(PATH, per_minute=60):
            pass
    assert [round(each) for each in stopwatch.slept] in ([1, 1], [1, 2])


def test_a_queue_longer_than_our_patience_goes_back_to_the_outbox(
    open_pacing: Callable[[], Pacing], stopwatch: Stopwatch
) -> None:
    first, second = open_pacing(), open_pacing()
    with first.turn(PATH, per_minute=6):
        pass
    with pytest.raises(Retry, match="排队"), second.turn(PATH, per_minute=6):
        pass
    assert stopwatch.slept == []


def test_an_interface_that_rests_rests_for_everybody_and_longer_when_it_strikes_again(
    open_pacing: Callable[[], Pacing],
) -> None:
    first, second = open_pacing(), open_pacing()
    assert first.park(PATH, 60, 600) == pytest.approx(60, abs=1)
    with pytest.raises(Retry, match="冷却"):
        second.check(PATH)
    assert second.park(PATH, 60, 600) == pytest.approx(60, abs=1)
    second.check("/cgi-bin/other")


def test_a_members_cap_counts_what_all_processes_sent(open_pacing: Callable[[], Pacing]) -> None:
    first, second = open_pacing(), open_pacing()
    _, most = MEMBER_CAPS[0]
    for number in range(most):
        (first if number % 2 else second).admit(["lin"])
    with pytest.raises(Retry, match="上限") as told:
        first.admit(["mazy", "LIN"])
    assert 0 < told.value.after <= 60
    second.admit(["mazy"])


def test_nobody_is_counted_when_one_of_them_is_over_the_cap(
    open_pacing: Callable[[], Pacing],
) -> None:
    pacing = open_pacing()
    _, most = MEMBER_CAPS[0]
    for _ in range(most):
        pacing.admit(["lin"])
    for _ in range(3):
        with pytest.raises(Retry):
            pacing.admit(["lin", "mazy"])
    for _ in range(most):
        pacing.admit(["mazy"])


def test_what_was_sent_before_redis_was_emptied_counts_once(shared: Shared) -> None:
    from bot.shared import SharedPacing  # noqa: PLC0415  # where there is a client

    pacing = SharedPacing(shared, Stopwatch(), lambda _seconds: None)
    _, most = MEMBER_CAPS[0]
    for _ in range(2):
        pacing.recall([("lin", 5.0)] * (most - 1))
    pacing.admit(["lin"])
    with pytest.raises(Retry, match="上限"):
        pacing.admit(["lin"])


def test_one_friendship_is_written_by_one_process_at_a_time(
    open_pacing: Callable[[], Pacing],
) -> None:
    inside, most = 0, 0

    def write(pacing: Pacing) -> None:
        nonlocal inside, most
        for _ in range(5):
            with pacing.lane("lin", "wm_a"):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=write, args=(open_pacing(),)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert most == 1


# -- tokens


@pytest.fixture(params=["memory", "redis"])
def open_cache(request: pytest.FixtureRequest, vault: Vault) -> Callable[[], TokenCache]:
    if request.param == "memory":
        only = MemoryTokenCache()
        return lambda: only
    shared = fresh_redis()
    from bot.shared import SharedTokenCache  # noqa: PLC0415  # where there is a client

    return lambda: SharedTokenCache(shared, vault)


def test_what_was_put_is_there_for_all_until_it_expires(
    open_cache: Callable[[], TokenCache],
) -> None:
    open_cache().put("key", "token", 60)
    assert (open_cache().get("key"), open_cache().get("other")) == ("token", None)


def test_fifty_threads_of_several_processes_fetch_one_token(
    open_cache: Callable[[], TokenCache],
) -> None:
    fetched: list[str] = []

    def fetch(_secret: str) -> tuple[str, float]:
        fetched.append("x")
        return f"token{len(fetched)}", 7200.0

    def process() -> Tokens:
        return Tokens("wwMadeUp", Secrets("secret"), open_cache(), fetch, lambda: 0.0)

    processes, found = [process() for _ in range(5)], []
    threads = [
        threading.Thread(target=lambda n=n: found.append(processes[n % 5].of("agent")))  # type: ignore[misc]  # a default binds n
        for n in range(50)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (len(fetched), set(found)) == (1, {"token1"})


def test_D3_tokens_cannot_be_read_in_redis(shared: Shared, vault: Vault) -> None:
    from bot.shared import SharedTokenCache  # noqa: PLC0415  # where there is a client

    SharedTokenCache(shared, vault).put("key", "a-token-to-hide", 60)
    (name,) = shared.client.keys("*")
    assert b"a-token-to-hide" not in shared.client.get(name)


# -- the lease


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    POSTGRES.create(tmp_path)
    found = Place(POSTGRES, tmp_path).open()
    yield found
    found.close()
    POSTGRES.remove(tmp_path)


@pytest.fixture(params=["store", "redis"])
def lease(request: pytest.FixtureRequest, database: Database) -> Any:
    if request.param == "store":
        return StoreLease(database)
    shared = fresh_redis()
    from bot.shared import SharedLease  # noqa: PLC0415  # where there is a client

    return SharedLease(shared, database)


def test_one_of_several_schedulers_holds_the_lease_and_keeps_its_number(lease: Any) -> None:
    mine = lease.take("a")
    assert (lease.take("b"), lease.take("a")) == (None, mine)


def test_a_lease_that_was_given_up_is_free_at_once_and_its_number_is_worth_nothing(
    lease: Any, database: Database
) -> None:
    mine = lease.take("a")
    lease.give_up(mine)
    theirs = lease.take("b")
    assert theirs.number == mine.number + 1
    assert rings.holder(database.read()) == "b"
    with pytest.raises(Retry):
        database.write(lambda db: rings.check(db, mine))


def test_after_redis_was_emptied_the_number_tells_the_old_holder_from_the_new(
    shared: Shared, database: Database
) -> None:
    from bot.shared import SharedLease  # noqa: PLC0415  # where there is a client

    lease = SharedLease(shared, database)
    old = lease.take("a")
    assert old is not None
    shared.client.flushall()
    new = lease.take("b")
    assert new is not None
    with pytest.raises(Retry):
        database.write(lambda db: rings.ring(db, old, "job", 1))
    assert database.write(lambda db: rings.ring(db, new, "job", 1))


def test_ticks_of_two_connections_are_one_clock(database: Database) -> None:
    first, second = database.read().ticks(), database.write(lambda db: db.ticks())
    assert 0 <= second - first < 10_000
    assert first > int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000) - 10**12
