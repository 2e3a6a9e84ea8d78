"""Planning ahead: a dry run tells everything about a day and changes nothing."""

# the names carry the ids of the compliance rules

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from branch_world import TODAY, Branch, build_branch, dump, shanghai

from bot.clock import FixedClock
from bot.dry import plan_dry
from bot.rulebook import Rulebook
from bot.store.db import Database
from bot.vault import Vault


@pytest.fixture
def branch(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Branch:
    branch = build_branch(store, vault, clock, rules)
    branch.meet("wm_a", birthday=(11, 24))
    branch.meet("wm_b", birthday=(11, 24), consented=False)
    branch.meet("wm_c", birthday=(11, 27))
    branch.hold("A1", "wm_a", TODAY + timedelta(days=7))
    return branch


def dry(branch: Branch, on: date) -> list[dict[str, Any]]:
    return plan_dry(branch.store, branch.mass.judge, branch.clock.now(), on)


def told(found: list[dict[str, Any]]) -> list[tuple[str, str, str, list[str]]]:
    return sorted(
        (each["external_userid"], each["occasion"], each["decision"], each["rules"])
        for each in found
    )


def test_A5_a_dry_run_names_every_recipient_and_every_reason_and_changes_nothing(
    branch: Branch,
) -> None:
    before = dump(branch.store.read())
    found = dry(branch, TODAY)
    assert told(found) == [
        ("wm_a", "birthday", "send", []),
        ("wm_a", "maturity", "send", []),
        ("wm_b", "birthday", "drop", ["G4"]),
    ]
    assert dump(branch.store.read()) == before
    assert branch.wecom.calls == []


def test_A5_the_texts_of_a_dry_run_are_those_that_go_out(branch: Branch) -> None:
    shown = sorted(each["text"] for each in dry(branch, TODAY) if each["decision"] == "send")
    branch.plan()
    branch.send()
    assert sorted(each.text for each in branch.wecom.tasks) == shown


@pytest.mark.parametrize("ahead", [1, 3, 30])
def test_A5_a_dry_run_of_a_later_day_rests_on_what_is_known_today(
    branch: Branch, ahead: int
) -> None:
    """Friendships were compared just now; that the day is far off makes them no older."""
    on = TODAY + timedelta(days=ahead)
    branch.meet("wm_d", birthday=(on.month, on.day))
    decisions = {each["external_userid"]: each["decision"] for each in dry(branch, on)}
    assert decisions["wm_d"] == "send"


def test_A5_a_dry_run_after_the_day_was_planned_shows_the_same_pushes_once(
    branch: Branch,
) -> None:
    first = told(dry(branch, TODAY))
    branch.plan()
    assert told(dry(branch, TODAY)) == first


def test_A5_a_dry_run_of_a_past_day_changes_nothing(branch: Branch) -> None:
    before = dump(branch.store.read())
    dry(branch, TODAY - timedelta(days=1))
    assert dump(branch.store.read()) == before


def test_A5_a_dry_run_with_stale_friendships_says_that_they_are_not_known(
    branch: Branch,
) -> None:
    branch.clock.moment = shanghai(2026, 11, 26, 10, 0)
    (found,) = dry(branch, date(2026, 11, 27))
    assert (found["decision"], found["rules"]) == ("hold", ["G2", "unknown"])
