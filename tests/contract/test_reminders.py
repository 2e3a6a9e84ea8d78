"""People are called before a day that a customer named, and when an important one falls silent."""

# the names carry the ids of the compliance rules

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from branch_world import TODAY, Branch, build_branch, shanghai
from test_campaign_planning import put

from bot.clock import SHANGHAI, FixedClock
from bot.happenings import DayComesNear, ImportantSilent
from bot.jobs import Jobs
from bot.listening import Listener
from bot.rulebook import Rulebook
from bot.store import rings
from bot.store.db import Database
from bot.vault import Vault


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
