"""Journeys: they begin once, go on after the step before, and end when there is a reason."""

# the names carry the ids of the compliance rules

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from branch_world import TODAY, Branch, build_branch, shanghai
from test_campaign_planning import adult, enter, put, source

from bot.clock import SHANGHAI, FixedClock
from bot.errors import Invalid
from bot.rulebook import Rulebook
from bot.store import journeys
from bot.store.db import Database
from bot.vault import Vault

WORDS = "您好，第{{ step }}次问候。\n{{ stop_way }}\n——{{ branch }} {{ sender_name }}"


def journey(**keys: str) -> str:
    return source(
        "way",
        WORDS,
        **(
            {
                "occasion": "journey",
                "dates": "",
                "steps": "",
                "start": "joined",
                "after": "[1天, 3天]",
                "latest_useful": "{0: 2天, 1: 2天}",
                "purpose": "marketing",
                "about": "bank",
            }
            | keys
        ),
    )


@pytest.fixture
def branch(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Branch:
    branch = build_branch(store, vault, clock, rules)
    branch.mass.public_url = "https://bank.example"
    return branch


def on_the_way(branch: Branch, **keys: str) -> None:
    """The campaign begins today, and a friend is made today."""
    branch.campaign(journey(**keys))
    branch.only("way")
    adult(branch, "wm_a")
    befriend(branch, "wm_a", TODAY)


def befriend(branch: Branch, customer: str, on: date) -> None:
    at = int(datetime(on.year, on.month, on.day, 15, tzinfo=SHANGHAI).timestamp() * 1000)
    put(branch, "UPDATE follow SET since_at = :at WHERE external_userid = :id", at=at, id=customer)


def live(branch: Branch, days: int, *, confirm: bool = True, first: date = TODAY) -> None:
    """Let days pass: planned at eight, sent at nine, confirmed at noon."""
    for ahead in range(days):
        day = first + timedelta(days=ahead)
        branch.clock.moment = shanghai(day.year, day.month, day.day, 9, 5)
        branch.compared()
        branch.plan(day)
        branch.send()
        branch.clock.moment = shanghai(day.year, day.month, day.day, 12, 0)
        if confirm:
            for task in branch.wecom.tasks:
                branch.wecom.tap(task.msgid)
        branch.mass.poll()
        branch.clock.moment = shanghai(day.year, day.month, day.day, 20, 1)
        branch.mass.expire()
        branch.work()
        branch.mass.poll()


def steps(branch: Branch) -> list[tuple[str, str, str]]:
    """(day, step, status) of every push of the way."""
    rows = branch.store.read().rows(
        "SELECT planned_on, step, status FROM push ORDER BY planned_on, id"
    )
    return [tuple(row) for row in rows]


def ways(branch: Branch) -> list[tuple[str, str]]:
    rows = branch.store.read().rows("SELECT status, reason FROM journey ORDER BY id")
    return [tuple(row) for row in rows]


def say(branch: Branch, customer: str, chat_id: str = "") -> None:
    put(
        branch,
        "INSERT INTO message (msgid, chat_id, sender, sent_at) VALUES (:id, :chat, :who, :at)",
        id=f"m{branch.now}",
        chat=chat_id,
        who=customer,
        at=branch.now,
    )


def test_a_step_waits_for_its_days_after_the_one_before_was_delivered(branch: Branch) -> None:
    on_the_way(branch)
    live(branch, 8)
    assert steps(branch) == [
        ("2026-11-25", "0", "confirmed"),
        ("2026-11-28", "1", "confirmed"),
    ]
    assert ways(branch) == [("done", "")]
    assert [task.text[:6] for task in branch.wecom.tasks] == ["您好，第0次", "您好，第1次"]


def test_a_step_that_nobody_confirmed_counts_from_the_day_on_which_it_ran_out(
    branch: Branch,
) -> None:
    on_the_way(branch)
    live(branch, 5, confirm=False)
    assert steps(branch) == [("2026-11-25", "0", "expired")]
    live(branch, 4, first=TODAY + timedelta(days=5))
    assert steps(branch)[1] == ("2026-12-01", "1", "confirmed")


def test_a_way_that_stops_on_a_skip_ends_there(branch: Branch) -> None:
    on_the_way(branch, on_skip="stop")
    live(branch, 9, confirm=False)
    assert (steps(branch), ways(branch)) == (
        [("2026-11-25", "0", "expired")],
        [("left", "skipped")],
    )


def test_who_was_a_friend_before_the_campaign_began_is_no_newcomer(branch: Branch) -> None:
    branch.campaign(journey())
    branch.only("way")
    adult(branch, "wm_old", "wm_new")
    befriend(branch, "wm_old", TODAY - timedelta(days=1))
    live(branch, 1)
    befriend(branch, "wm_new", TODAY + timedelta(days=2))
    live(branch, 4, first=TODAY + timedelta(days=1))
    rows = branch.store.read().rows("SELECT external_userid FROM journey")
    assert [row[0] for row in rows] == ["wm_new"]


def test_deleting_a_friend_and_adding_them_again_is_no_new_start(branch: Branch) -> None:
    on_the_way(branch)
    live(branch, 6)
    befriend(branch, "wm_a", TODAY + timedelta(days=6))
    live(branch, 6, first=TODAY + timedelta(days=6))
    assert (len(ways(branch)), len(steps(branch))) == (1, 2)


@pytest.mark.parametrize(
    ("exits", "leave", "reason"),
    [
        ("[answered]", lambda branch: say(branch, "wm_a"), "answered"),
        ("[refused]", lambda branch: branch.refuse("wm_a"), "refused"),
        (
            "[deal]",
            lambda branch: put(
                branch,
                "INSERT INTO holding (account_ref, external_userid, opened_on)"
                " VALUES ('N', 'wm_a', '2026-11-26')",
            ),
            "deal",
        ),
        (
            "[deal]",
            lambda branch: put(
                branch,
                "INSERT INTO escalation (key, external_userid, status, outcome, opened_at,"
                " closed_at) VALUES ('k', 'wm_a', 'closed', 'sold', :now, :now)",
                now=branch.now,
            ),
            "deal",
        ),
    ],
)
def test_an_exit_ends_the_way_and_the_next_step_is_never_planned(
    branch: Branch, exits: str, leave: Any, reason: str
) -> None:
    on_the_way(branch, exits=exits)
    live(branch, 2)
    leave(branch)
    live(branch, 6, first=TODAY + timedelta(days=2))
    assert ways(branch) == [("left", reason)]
    assert steps(branch) == [("2026-11-25", "0", "confirmed")]


def test_an_answer_in_a_group_or_before_the_first_step_is_no_exit(branch: Branch) -> None:
    on_the_way(branch, exits="[answered]")
    say(branch, "wm_a")
    live(branch, 2)
    say(branch, "wm_a", "wr_1")
    live(branch, 6, first=TODAY + timedelta(days=2))
    assert ways(branch) == [("done", "")]


def test_an_exit_cancels_what_is_planned_held_or_waits_for_its_member(branch: Branch) -> None:
    on_the_way(branch, exits="[deal]", latest_useful="{0: 9天, 1: 9天}")
    adult(branch, "wm_b", "wm_c")
    for each in ("wm_b", "wm_c"):
        befriend(branch, each, TODAY)
    live(branch, 1)
    branch.clock.moment = shanghai(2026, 11, 25, 8, 0)
    branch.compared()
    branch.plan(date(2026, 11, 25))
    branch.clock.moment = shanghai(2026, 11, 25, 9, 5)
    put(
        branch,
        "UPDATE push SET status = 'held', held_until = :at WHERE external_userid = 'wm_b'",
        at=branch.now + 3_600_000,
    )
    put(
        branch,
        "UPDATE push SET due_at = :at WHERE external_userid = 'wm_c'",
        at=branch.now + 3_600_000,
    )
    branch.send()
    assert branch.statuses() == {"wm_a": "tasked", "wm_b": "held", "wm_c": "planned"}
    for each in ("wm_a", "wm_b", "wm_c"):
        put(
            branch,
            "INSERT INTO holding (account_ref, external_userid, opened_on)"
            " VALUES (:ref, :id, '2026-11-25')",
            ref=f"N{each}",
            id=each,
        )
    branch.store.write(lambda db: journeys.leave(db, branch.now))
    branch.settle(3)
    assert set(branch.statuses().values()) == {"dropped"}
    assert branch.wecom.open_tasks_with("wm_a") == 0
    assert {(status, why) for _, status, why, _ in branch.pushes()} >= {("dropped", "left")}


def test_a_matured_deposit_that_was_renewed_begins_nothing_and_ends_what_began(
    branch: Branch,
) -> None:
    adult(branch, "wm_a", "wm_b")
    branch.hold("A", "wm_a", TODAY)
    branch.hold("B", "wm_b", TODAY)
    branch.campaign(journey(start="maturity_passed", exits="[renewed]"))
    branch.only("way")
    branch.plan(TODAY)
    put(
        branch,
        "INSERT INTO holding (account_ref, external_userid, opened_on)"
        " VALUES ('B2', 'wm_b', '2026-11-24')",
    )
    live(branch, 2, first=TODAY + timedelta(days=1))
    assert steps(branch) == [("2026-11-25", "0", "confirmed")]
    put(branch, "UPDATE holding SET status = 'renewed' WHERE account_ref = 'A'")
    live(branch, 5, first=TODAY + timedelta(days=3))
    assert ways(branch) == [("left", "renewed")]


def test_whoever_leaves_the_segment_leaves_the_way(branch: Branch) -> None:
    branch.campaign(journey(start="segment_entered", segment="merchant", exits="[segment_left]"))
    branch.only("way")
    adult(branch, "wm_a")
    enter(branch, "wm_a", "merchant")
    live(branch, 2)
    put(branch, "DELETE FROM segment_member")
    live(branch, 5, first=TODAY + timedelta(days=2))
    assert (steps(branch), ways(branch)) == (
        [("2026-11-25", "0", "confirmed")],
        [("left", "segment_left")],
    )


def test_who_came_to_an_event_is_thanked_after_it(branch: Branch) -> None:
    branch.campaign(journey(start="attended", after="[1天]", latest_useful="{0: 2天}"))
    branch.only("way")
    adult(branch, "wm_a")
    put(
        branch,
        "INSERT INTO activity (external_userid, day_on, attended) VALUES ('wm_a', :d, 1)",
        d=TODAY.isoformat(),
    )
    live(branch, 3)
    assert steps(branch) == [("2026-11-25", "0", "confirmed")]


def test_who_is_on_the_way_keeps_the_waits_of_their_version(branch: Branch) -> None:
    on_the_way(branch)
    live(branch, 2)
    branch.campaign(journey(after="[1天, 9天]", version="2"))
    branch.only("way")
    live(branch, 4, first=TODAY + timedelta(days=2))
    assert steps(branch)[1][:2] == ("2026-11-28", "1")


def test_a_journey_planned_twice_adds_nothing(branch: Branch) -> None:
    on_the_way(branch)
    branch.plan(TODAY)
    assert [branch.plan(TODAY + timedelta(days=1)) for _ in range(3)] == [1, 0, 0]


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"start": "born"}, "joined"),
        ({"after": ""}, "缺少 after"),
        ({"exits": "[tired]"}, "answered"),
        ({"exits": "[segment_left]"}, "segment_entered"),
        ({"start": "segment_entered"}, "缺少 segment"),
        ({"start": "segment_entered", "segment": "parents"}, "敏感信息"),
        ({"latest_useful": "{0: 2天}"}, "缺少 1"),
    ],
)
def test_a_mistake_in_a_journey_names_the_fix(
    branch: Branch, keys: dict[str, str], word: str
) -> None:
    with pytest.raises(Invalid, match=rf"^way\.md 第 \d+ 行:.*{word}"):
        branch.campaign(journey(**keys))
