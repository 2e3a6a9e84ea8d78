"""What campaigns brought: credited once, inside the window, to the latest send, hold-out alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from branch_world import TODAY, Branch, build_branch
from test_campaign_planning import adult, held_out, offer, put

from bot.clock import SHANGHAI, FixedClock
from bot.rulebook import Rulebook
from bot.store import lift
from bot.store.db import Database
from bot.vault import Vault

WHO = [f"wm_{number}" for number in range(40)]


@pytest.fixture
def branch(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Branch:
    """A campaign with a hold-out, delivered today to everybody else."""
    branch = build_branch(store, vault, clock, rules)
    adult(branch, *WHO)
    put(branch, "UPDATE customer SET assets = 40000")
    branch.campaign(offer("tea", holdout="25", window="7天"))
    branch.only("tea")
    deliver(branch)
    return branch


def deliver(branch: Branch) -> None:
    branch.plan(branch.clock.now().astimezone(SHANGHAI).date())
    branch.send()
    for task in branch.wecom.tasks:
        branch.wecom.tap(task.msgid)
    branch.mass.poll()


HELD = held_out("tea", 25)
GOT = [who for who in WHO if who not in HELD]


def say(branch: Branch, who: str, number: int = 0) -> None:
    put(
        branch,
        "INSERT INTO message (msgid, sender, sent_at) VALUES (:id, :who, :at)",
        id=f"m{who}{number}",
        who=who,
        at=branch.now + number,
    )


def credit(branch: Branch) -> int:
    lines = list(branch.rules.thresholds.lines.values())
    windows = {name: c.window_days for name, c in branch.rules.campaigns.items()}
    on = branch.clock.now().astimezone(SHANGHAI).date()
    return branch.store.write(lambda db: lift.credit(db, windows, lines, on, branch.now))


def credited(branch: Branch) -> list[tuple[str, str, str]]:
    rows = branch.store.read().rows(
        "SELECT v.campaign, v.kind, p.external_userid FROM conversion v"
        " JOIN push p ON p.id = v.push_id ORDER BY v.kind, p.external_userid"
    )
    return [tuple(row) for row in rows]


def counts(branch: Branch, kind: str = "") -> dict[str, tuple[int, int]]:
    rows = lift.arms(branch.store.read(), TODAY.isoformat(), "2026-12-31", kind)
    return {
        row["arm"]: (row["people"], row["converted"]) for row in rows if row["campaign"] == "tea"
    }


def test_both_arms_are_counted_by_the_same_rule(branch: Branch) -> None:
    branch.later(hours=1)
    for who in (GOT[0], GOT[1], HELD[0]):
        say(branch, who)
        say(branch, who, 5)
    assert credit(branch) == 3
    assert credit(branch) == 0
    assert counts(branch) == {"treated": (len(GOT), 2), "holdout": (len(HELD), 1)}


@pytest.mark.parametrize(("days", "expected"), [(0, 0), (6, 1), (8, 0)])
def test_what_came_before_the_send_or_after_the_window_counts_for_nothing(
    branch: Branch, days: int, expected: int
) -> None:
    branch.later(days=days, hours=-1 if days == 0 else 0)
    say(branch, GOT[0])
    branch.later(hours=2)
    assert credit(branch) == expected


def test_the_latest_send_gets_the_credit(branch: Branch) -> None:
    branch.campaign(offer("cake", dates="[2026-11-26]"))
    branch.only("tea", "cake")
    branch.later(days=2)
    branch.compared()
    deliver(branch)
    branch.later(hours=1)
    say(branch, GOT[0])
    credit(branch)
    assert credited(branch) == [("cake", "reply", GOT[0])]


def test_a_send_that_nobody_confirmed_earns_nothing(branch: Branch) -> None:
    put(
        branch, "UPDATE push SET status = 'expired', confirmed_at = NULL WHERE status = 'confirmed'"
    )
    branch.later(hours=1)
    say(branch, GOT[0])
    assert credit(branch) == 0


@pytest.mark.parametrize(
    ("kind", "happen"),
    [
        (
            "sign_up",
            lambda b, who: put(
                b,
                "INSERT INTO signup (event_id, external_userid, status, at)"
                " VALUES (1, :id, 'going', :at)",
                id=who,
                at=b.now,
            ),
        ),
        (
            "holding_opened",
            lambda b, who: put(
                b,
                "INSERT INTO holding (account_ref, external_userid, opened_on)"
                " VALUES (:ref, :id, '2026-11-25')",
                ref=f"N{who}",
                id=who,
            ),
        ),
        (
            "holding_renewed",
            lambda b, who: put(
                b,
                "INSERT INTO holding (account_ref, external_userid, matures_on, status)"
                " VALUES (:ref, :id, '2026-11-25', 'renewed')",
                ref=f"N{who}",
                id=who,
            ),
        ),
        (
            "assets_up",
            lambda b, who: put(
                b, "UPDATE customer SET assets = 50001 WHERE external_userid = :id", id=who
            ),
        ),
        (
            "layer_up",
            lambda b, who: put(
                b, "UPDATE customer SET assets = 50001 WHERE external_userid = :id", id=who
            ),
        ),
    ],
)
def test_every_kind_of_conversion_is_counted_in_both_arms(
    branch: Branch, kind: str, happen: Any
) -> None:
    branch.later(days=1)
    for who in (GOT[0], HELD[0]):
        happen(branch, who)
    credit(branch)
    assert credit(branch) == 0
    assert counts(branch, kind) == {"treated": (len(GOT), 1), "holdout": (len(HELD), 1)}


def test_interest_is_no_rise_of_assets(branch: Branch) -> None:
    put(branch, "UPDATE customer SET assets = 43000")
    branch.later(days=1)
    assert credit(branch) == 0


def test_a_year_of_campaigns_never_writes_to_the_hold_out(branch: Branch) -> None:
    """Every week another day; whoever was held out at the start never gets a word of it."""
    first = TODAY + timedelta(days=7)
    dates = ", ".join((first + timedelta(weeks=week)).isoformat() for week in range(52))
    branch.campaign(offer("tea", holdout="25", dates=f"[{dates}]"))
    branch.only("tea")
    for _ in range(52):
        branch.later(days=7)
        branch.compared()
        branch.mass.expire()
        branch.work()
        deliver(branch)
    reached = {who for task in branch.wecom.tasks for who in task.customers}
    assert reached == set(GOT)
