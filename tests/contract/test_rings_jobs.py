"""The jobs that the scheduler rings, each under its fence."""

# the names carry the ids of the compliance rules

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from branch_world import TODAY, Branch, build_branch, dump, shanghai

from bot.clock import FixedClock
from bot.errors import Retry
from bot.happenings import CaseOverdue
from bot.jobs import Jobs
from bot.listening import Listener
from bot.model import ExternalUserId, UserId
from bot.rulebook import Rulebook
from bot.store import cases, rings
from bot.store.db import Database, Db
from bot.store.rings import Fence
from bot.vault import Vault
from scheduler.ring import Ringer

STALE = Fence("nobody", 99)


class Office:
    """A branch, its jobs, and what they noticed."""

    def __init__(self, branch: Branch) -> None:
        self.branch = branch
        self.noticed: list[object] = []
        self.woken = 0
        listener = Listener(branch.vault, lambda _speech: [], branch.rules)
        self.jobs = Jobs(
            branch.store,
            branch.clock,
            branch.rules,
            listener,
            branch.mass,
            self._notice,
            self._wake,
        )
        fence = branch.store.write(lambda db: rings.take_lease(db, "me"))
        assert fence is not None
        self.fence = fence

    def _notice(self, _db: Db, events: list[object]) -> None:
        self.noticed += events

    def _wake(self) -> None:
        self.woken += 1


@pytest.fixture
def office(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Office:
    office = Office(build_branch(store, vault, clock, rules))
    office.branch.meet("wm_a", birthday=(11, 24))
    store.write(
        lambda db: db.run(
            "INSERT INTO staff (userid, name, branch, role)"
            " VALUES ('head', '何三', '东山支行', 'head')"
        )
    )
    return office


def open_case(office: Office) -> int:
    now = office.branch.now
    number = office.branch.store.write(
        lambda db: cases.open_case(
            db,
            kind="complaint",
            topic="fee",
            customer="wm_a",
            chat_id="",
            branch="东山支行",
            assignee="lin",
            fact_id=None,
            at=now,
            deadline=now + 60_000,
            quiet_since=0,
        )
    )
    assert number is not None
    return number


FENCED: dict[str, Callable[[Office, Fence], object]] = {
    "plan_day": lambda office, fence: office.jobs.plan_day(fence, office.branch.clock.now()),
    "case_deadlines": lambda office, fence: office.jobs.case_deadlines(
        fence, office.branch.clock.now()
    ),
    "pull_archive": lambda office, fence: office.jobs.pull_archive(
        fence, office.branch.clock.now()
    ),
    "reconcile": lambda office, fence: office.jobs.reconcile(fence, office.branch.clock.now()),
    "read_others": lambda office, fence: office.jobs.read_others(fence, office.branch.clock.now()),
    "destroy_sealed": lambda office, fence: office.jobs.destroy_sealed(
        fence, office.branch.clock.now()
    ),
    "release": lambda office, fence: office.jobs.release(fence, office.branch.clock.now()),
    "expire_tasks": lambda office, fence: office.jobs.expire_tasks(
        fence, office.branch.clock.now()
    ),
    "forget": lambda office, fence: office.jobs.forget(fence, office.branch.clock.now()),
}


@pytest.mark.parametrize("name", FENCED)
def test_a_job_under_a_fence_that_passed_on_changes_nothing(office: Office, name: str) -> None:
    open_case(office)
    office.branch.later(hours=30)
    office.branch.compared()
    before = dump(office.branch.store.read())
    with pytest.raises(Retry):
        FENCED[name](office, STALE)
    assert dump(office.branch.store.read()) == before
    FENCED[name](office, office.fence)


def test_E3_the_head_is_told_once_of_a_case_past_its_deadline(office: Office) -> None:
    number = open_case(office)
    now = office.branch.clock.now
    office.jobs.case_deadlines(office.fence, now())
    assert office.noticed == []
    office.branch.later(minutes=2)
    for _ in range(3):
        office.jobs.case_deadlines(office.fence, now())
    assert office.noticed == [CaseOverdue(number, ExternalUserId("wm_a"), UserId("head"), now())]


def test_a_day_is_planned_for_its_own_date_and_birthdays_move_on(office: Office) -> None:
    assert office.jobs.plan_day(office.fence, office.branch.clock.now()) == 1
    assert office.jobs.plan_day(office.fence, office.branch.clock.now()) == 0
    office.branch.clock.moment = shanghai(2026, 11, 25, 8, 0)
    office.branch.compared()
    assert office.jobs.plan_day(office.fence, office.branch.clock.now()) == 0
    next_on = office.branch.store.read().value("SELECT next_birthday_on FROM customer")
    assert next_on == "2027-11-24"


def test_greetings_of_missed_days_are_accounted_for_and_not_sent_late(office: Office) -> None:
    office.branch.meet("wm_b", birthday=(11, 26))
    ringer = Ringer(
        office.branch.store,
        office.branch.clock,
        [job for job in office.jobs.all() if job.name == "plan_day"],
    )
    office.branch.store.write(lambda db: rings.give_lease_up(db, office.fence))
    office.branch.clock.moment = shanghai(2026, 11, 23, 8, 0)
    office.branch.compared()
    assert ringer.tick() == 1
    office.branch.clock.moment = shanghai(2026, 11, 26, 8, 40)
    office.branch.compared()
    assert ringer.tick() == 3
    office.branch.send()
    assert office.branch.statuses() == {"wm_a": "expired", "wm_b": "tasked"}


def test_nothing_is_planned_on_friendships_that_nobody_compared(office: Office) -> None:
    office.branch.later(hours=30)
    with pytest.raises(Retry):
        office.jobs.plan_day(office.fence, office.branch.clock.now())
    assert office.branch.pushes() == []


def test_the_outbox_is_woken_when_something_was_released_or_called_back(office: Office) -> None:
    now = office.branch.clock.now
    assert (office.jobs.release(office.fence, now()), office.woken) == (0, 0)
    office.branch.plan()
    assert (office.jobs.release(office.fence, now()), office.woken) == (1, 1)
    office.branch.work()
    office.branch.clock.move(timedelta(days=1))
    assert (office.jobs.expire_tasks(office.fence, now()), office.woken) == (1, 2)
    assert (office.jobs.expire_tasks(office.fence, now()), office.woken) == (0, 2)


def test_every_job_is_named_once_and_has_one_rhythm(office: Office) -> None:
    jobs = office.jobs.all()
    assert len({job.name for job in jobs}) == len(jobs)
    assert [job.name for job in jobs if (job.every is None) == (job.at is None)] == []


def test_an_hour_of_ringing_plans_sends_and_settles_a_day(office: Office) -> None:
    office.branch.hold("A1", "wm_a", TODAY + timedelta(days=1))
    office.branch.store.write(lambda db: rings.give_lease_up(db, office.fence))
    ringer = Ringer(office.branch.store, office.branch.clock, office.jobs.all())
    for _ in range(6):
        office.branch.later(seconds=15)
        ringer.tick()
        office.branch.store.write(
            lambda db: db.run("DELETE FROM outbox WHERE kind NOT LIKE '%Mass%'")
        )
        office.branch.work()
        for task in office.branch.wecom.tasks:
            office.branch.wecom.tap(task.msgid)
    rows = office.branch.store.read().rows("SELECT occasion, status FROM push ORDER BY occasion")
    assert [tuple(row) for row in rows] == [("birthday", "confirmed"), ("maturity", "confirmed")]
    assert len(office.branch.wecom.tasks) == 2
