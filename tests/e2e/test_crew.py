"""The scaled profile as processes: killed, paused, cut off from their servers; nothing is lost."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import urllib3
from bot_process import FileClock
from crew import Crew, crew_at_work
from live_branch import BRANCH, LI, ZHAO, servers_of, until
from servers import postgres, redis_server

from bot.running import import_sheet
from config.settings import Settings

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("profile", ["scaled"])]


@pytest.fixture
def clock(folder: Path) -> FileClock:
    return FileClock(folder)


@pytest.fixture
def crew(folder: Path, keys: Path, clock: FileClock) -> Iterator[Crew]:
    with crew_at_work(folder, keys, clock) as found:
        yield found


def befriend(crew: Crew, number: int) -> list[str]:
    people = [str(crew.world.add_customer(f"客户{each}")) for each in range(number)]
    for place, customer in enumerate(people):
        crew.world.add_friend(customer, (LI, ZHAO)[place % 2])
    return people


def welcomed(crew: Crew) -> Counter[str]:
    return Counter(str(one["external_userid"]) for one in crew.world.delivered(channel="welcome"))


def bring_birthdays(crew: Crew, folder: Path, people: list[str]) -> None:
    """The core system knows them all, and they agreed to be written to."""
    tables: dict[str, list[tuple[str, ...]]] = {
        "customers": [("external_userid", "core_id", "name", "birthday", "branch")],
        "consents": [("external_userid", "purpose", "granted", "channel", "proof", "at")],
    }
    for place, customer in enumerate(people):
        row = (customer, f"QA{place:06d}", f"周小{place}", "1970-12-02", BRANCH)
        tables["customers"].append(row)
        row = (customer, "marketing", "是", "柜面", f"form-{place}", "2026-11-02")
        tables["consents"].append(row)
    wired = {name.lower(): value for name, value in crew.web.environment().items()}
    fields = {name: wired[name] for name in Settings.model_fields if name in wired}
    for kind, rows in tables.items():
        file = folder / f"{kind}.csv"
        with file.open("w", encoding="utf-8", newline="") as sheet:
            csv.writer(sheet).writerows(rows)
        settings = Settings(_env_file=None, **fields)
        assert import_sheet(settings, file, kind, None, dry_run=False)


def asked(crew: Crew) -> Counter[str]:
    """How often members were asked to write to each customer."""
    with crew.world.lock:
        return Counter(
            str(customer)
            for mass in crew.world.masses.values()
            for task in mass.tasks.values()
            for customer in task.recipients
        )


def test_a_killed_worker_and_a_killed_scheduler_lose_nothing_and_double_nothing(
    crew: Crew, folder: Path, clock: FileClock
) -> None:
    people = befriend(crew, 30)
    until(lambda: welcomed(crew), 30, "the first one is greeted")
    crew.workers[0].kill()
    crew.holder().kill()
    until(lambda: set(welcomed(crew)) == set(people), 60, "everybody greeted")
    bring_birthdays(crew, folder, people)
    clock.move(timedelta(days=1))

    def everybody_asked() -> bool:
        clock.move(timedelta(seconds=16))
        return set(asked(crew)) >= set(people)

    until(everybody_asked, 60, "everybody asked")
    until(crew.web.idle, 30, "nothing waits")
    assert set(welcomed(crew).values()) == {1}
    assert asked(crew) == Counter(people)
    assert crew.value("SELECT count(*) FROM push") == 30
    assert crew.value("SELECT count(*) FROM inbox WHERE state = 2") == 0


def test_a_scheduler_that_slept_over_its_lease_changes_nothing_any_more(crew: Crew) -> None:
    sleeper = crew.holder()
    number = crew.value("SELECT fence FROM lease")
    sleeper.pause()
    until(lambda: crew.value("SELECT fence FROM lease") > number, 30, "taken over")
    assert crew.holder() is not sleeper
    sleeper.go_on()
    ticks = crew.value("SELECT until_at FROM lease")
    until(lambda: crew.value("SELECT until_at FROM lease") > ticks + 3_000, 30, "time passed")
    assert crew.holder() is not sleeper
    doubled = "SELECT count(*) FROM (SELECT 1 FROM ring GROUP BY job, due_at HAVING count(*) > 1) r"
    assert crew.value(doubled) == 0


def test_without_redis_the_door_says_come_again_and_with_it_all_goes_on(crew: Crew) -> None:
    server = redis_server()
    befriend(crew, 3)
    until(lambda: len(welcomed(crew)) == 3, 30, "greeted")
    server.kill()
    try:
        with urllib3.PoolManager(retries=False, timeout=10) as http:
            ready = http.request("GET", f"{crew.web.url}/readyz")
        assert (ready.status, "inbox" in ready.json()["problems"]) == (503, True)
        late = str(crew.world.add_customer("迟到的客户"))
        crew.world.add_friend(late, LI)
        until(
            lambda: 503 in {each.status for each in crew.sandbox.sandbox.door.deliveries},
            30,
            "the door says come again",
        )
    finally:
        server.start()
    until(lambda: welcomed(crew)[late], 60, "greeted after all")
    assert set(welcomed(crew).values()) == {1}


def test_a_restart_of_postgres_doubles_nothing_and_everybody_comes_back(crew: Crew) -> None:
    people = befriend(crew, 10)
    until(lambda: welcomed(crew), 30, "the first one is greeted")
    postgres().stop()
    postgres().start()
    people += befriend(crew, 5)
    until(lambda: set(welcomed(crew)) == set(people), 60, "everybody greeted")
    until(crew.web.idle, 30, "nothing waits")
    assert set(welcomed(crew).values()) == {1}


def test_an_emptied_redis_costs_nothing_but_a_moment(crew: Crew, folder: Path) -> None:
    befriend(crew, 3)
    until(lambda: len(welcomed(crew)) == 3, 30, "greeted")
    redis_server().empty()
    assert servers_of(folder)
    people = befriend(crew, 5)
    until(lambda: set(people) <= set(welcomed(crew)), 30, "greeted")
    assert set(welcomed(crew).values()) == {1}
