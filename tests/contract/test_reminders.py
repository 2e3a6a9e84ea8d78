"""People are called before a day that a customer named, and when an important one falls silent."""

# the names carry the ids of the compliance rules

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from branch_world import TODAY, Branch, build_branch, errands, shanghai
from test_campaign_planning import put

import handlers
from bot.clock import SHANGHAI, FixedClock
from bot.dispatch import collect
from bot.happenings import DayComesNear, ImportantSilent
from bot.inbox import Inbox
from bot.jobs import Jobs
from bot.listening import Listener
from bot.rulebook import Rulebook
from bot.store import persons, rings
from bot.store.db import Database
from bot.vault import Vault
from bot.worker import Worker


@pytest.fixture
def branch(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Branch:
    branch = build_branch(store, vault, clock, rules)
    branch.meet("wm_a")
    return branch


def reminded(branch: Branch, on: date) -> list[tuple[str, str]]:
    """(kind, day) of every day that the job of a morning found; silence as ('silent', who)."""
    found: list[object] = []
    branch.clock.moment = shanghai(on.year, on.month, on.day, 8, 40)
    jobs = Jobs(
        branch.store,
        branch.clock,
        branch.rules,
        Listener(branch.vault, lambda _speech: [], branch.rules),
        branch.mass,
        lambda _db, events: found.extend(events),
        lambda: None,
    )
    fence = branch.store.write(lambda db: rings.take_lease(db, "me"))
    assert fence is not None
    jobs.remind(fence, branch.clock.moment)
    return [
        (each.kind, each.day.isoformat())
        if isinstance(each, DayComesNear)
        else ("silent", str(each.customer if isinstance(each, ImportantSilent) else ""))
        for each in found
    ]


def check(branch: Branch, on: str, who: str = "wm_a") -> None:
    """The bank's file names a day of a check."""
    put(
        branch,
        "UPDATE customer SET postloan_check_on = :on WHERE external_userid = :who",
        on=on,
        who=who,
    )


def opened(branch: Branch, on: date) -> list[tuple[str, str, str, str]]:
    """(kind, topic, assignee, deadline) of open cases after a morning, through the worker."""
    branch.clock.moment = shanghai(on.year, on.month, on.day, 8, 40)
    listener = Listener(branch.vault, lambda _speech: [], branch.rules)
    inbox = Inbox(branch.store, branch.vault, branch.clock)
    handlers_of = collect(handlers)
    worker = Worker(branch.store, inbox, branch.clock, branch.rules, listener, handlers_of)
    jobs = Jobs(
        branch.store,
        branch.clock,
        branch.rules,
        listener,
        branch.mass,
        worker.notice,
        lambda: None,
    )
    fence = branch.store.write(lambda db: rings.take_lease(db, "me"))
    assert fence is not None
    jobs.remind(fence, branch.clock.moment)
    rows = branch.store.read().rows("SELECT * FROM escalation WHERE status = 'open' ORDER BY id")
    return [
        (
            row["kind"],
            row["topic"],
            row["assignee"],
            f"{datetime.fromtimestamp(row['deadline_at'] / 1000, SHANGHAI):%m-%d %H:%M}",
        )
        for row in rows
    ]


def said(
    branch: Branch, kind: str, first: str, last: str, *, status: str = "current", on: date = TODAY
) -> None:
    put(
        branch,
        "INSERT INTO fact (external_userid, type, msgid, confidence, status, date_from, date_to,"
        " observed_at) VALUES ('wm_a', :kind, :msg, 0.9, :status, :first, :last, :at)",
        kind=kind,
        msg=f"m{kind}{first}",
        status=status,
        first=first,
        last=last,
        at=int(datetime(on.year, on.month, on.day, 12, tzinfo=SHANGHAI).timestamp() * 1000),
    )


def mornings(branch: Branch, first: date, count: int) -> list[tuple[date, str, str]]:
    return [
        (day, *each)
        for day in (first + timedelta(days=ahead) for ahead in range(count))
        for each in reminded(branch, day)
    ]


def test_money_in_the_middle_of_june_calls_on_the_first_of_june(branch: Branch) -> None:
    said(branch, "cash.inflow", "2027-06-11", "2027-06-20")
    assert mornings(branch, date(2027, 5, 25), 30) == [
        (date(2027, 6, 1), "promise_due", "2027-06-11")
    ]


def test_another_banks_deposit_calls_ten_and_three_days_before(branch: Branch) -> None:
    said(branch, "holding.other_bank", "2026-12-20", "2026-12-20")
    assert mornings(branch, TODAY, 30) == [
        (date(2026, 12, 10), "competitor_maturity", "2026-12-20"),
        (date(2026, 12, 17), "competitor_maturity", "2026-12-20"),
    ]


@pytest.mark.parametrize("status", ["pending", "rejected", "recalled", "superseded"])
def test_what_is_not_settled_or_taken_back_calls_nobody(branch: Branch, status: str) -> None:
    said(branch, "cash.inflow", "2026-12-10", "2026-12-10", status=status)
    assert mornings(branch, TODAY, 20) == []


def test_a_day_named_this_morning_is_no_second_call(branch: Branch) -> None:
    said(branch, "cash.inflow", "2026-12-04", "2026-12-04")
    assert reminded(branch, TODAY) == []


@pytest.mark.parametrize(
    ("column", "expected"),
    [("layer = 'high'", True), ("key_person = 1", True), ("layer = 'middle'", False)],
)
def test_an_important_customer_who_fell_silent_yesterday_calls_once(
    branch: Branch, column: str, expected: object
) -> None:
    put(branch, f"UPDATE customer SET {column}")
    put(
        branch,
        "INSERT INTO customer_state (external_userid, state, since_at)"
        " VALUES ('wm_a', 'cooling', :at)",
        at=branch.now,
    )
    found = mornings(branch, TODAY, 4)
    wanted = [(TODAY + timedelta(days=1), "silent", "wm_a")] if expected else []
    assert found == wanted


# -- checks of loans


def test_a_check_of_a_loan_calls_the_manager_a_week_before_and_is_due_on_its_day(
    branch: Branch,
) -> None:
    check(branch, "2026-12-01")  # a Tuesday
    assert opened(branch, date(2026, 11, 23)) == []
    wanted = [("postloan", "2026-12-01", "lin", "12-01 17:00")]
    assert opened(branch, date(2026, 11, 24)) == wanted
    assert errands(branch.store.read(), "SendCard") == ["ready"]


def test_a_check_on_a_closed_day_is_due_on_the_branch_day_before(branch: Branch) -> None:
    check(branch, "2026-11-29")  # a Sunday
    assert [case[3] for case in opened(branch, TODAY)] == ["11-27 17:00"]


def test_a_check_opens_one_case_whatever_became_of_it(branch: Branch) -> None:
    check(branch, "2026-12-01")
    for day in (24, 25, 26):
        opened(branch, date(2026, 11, day))
    put(branch, "UPDATE escalation SET status = 'closed', outcome = 'contacted'")
    for day in (27, 30):
        assert opened(branch, date(2026, 11, day)) == []
    assert branch.store.read().value("SELECT count(*) FROM escalation") == 1
    check(branch, "2026-12-07")
    assert [case[1] for case in opened(branch, date(2026, 11, 30))] == ["2026-12-07"]


def test_a_file_that_comes_late_still_calls_and_one_of_long_ago_does_not(branch: Branch) -> None:
    branch.meet("wm_b")
    check(branch, "2026-11-20")
    check(branch, "2026-10-01", "wm_b")
    assert opened(branch, TODAY) == [("postloan", "2026-11-20", "lin", "11-24 17:00")]


def test_one_person_under_two_ids_is_checked_once(branch: Branch) -> None:
    branch.meet("wm_b")
    for who in ("wm_a", "wm_b"):
        check(branch, "2026-12-01", who)
    branch.store.write(lambda db: persons.merge(db, ("wm_a", "wm_b"), "hand", "lin", branch.now))
    assert len(opened(branch, TODAY)) == 1
    assert len(opened(branch, TODAY + timedelta(days=1))) == 1


def test_a_check_that_the_bank_has_moved_closes_its_case(branch: Branch) -> None:
    check(branch, "2026-12-01")
    assert len(opened(branch, TODAY)) == 1
    check(branch, "2027-03-01")
    assert opened(branch, TODAY + timedelta(days=1)) == []
    assert branch.store.read().value("SELECT outcome FROM escalation") == "not_needed"


def test_nothing_of_a_check_ever_reaches_the_customer(branch: Branch) -> None:
    check(branch, "2026-12-01")
    opened(branch, TODAY)
    branch.plan()
    branch.settle(5)
    assert branch.store.read().rows("SELECT * FROM push") == []
    assert branch.wecom.tasks == []
