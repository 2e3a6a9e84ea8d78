"""The demo's day, told fast: every beat of the story shows in what the bot knows and did."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from live_branch import MORNING, Branch, HandClock, town_settings, until

from bot.clock import SHANGHAI
from bot.running import import_sheet
from bot.sandbox.app import running_sandbox
from bot.sandbox.town import Staffers, Story, Town, core_files, load_town, populate

TODAY = MORNING.date()
OPENING = datetime(2026, 12, 1, 8, 55, tzinfo=SHANGHAI)


class Demo:
    """The sample branch after its live part, with staff who do their work."""

    def __init__(self, branch: Branch, town: Town) -> None:
        self.branch = branch
        self.town = town

    def who(self, key: str) -> str:
        return self.town.people[key].external_userid

    def facts(self, key: str, status: str = "current") -> dict[str, Any]:
        return dict(self.branch.facts(self.who(key), status))

    def text_of(self, beat: str) -> str:
        return next(line.text for line in self.town.lines() if line.beat == beat)

    def cases(self, key: str) -> list[tuple[str, str]]:
        rows = self.branch.rows(
            "SELECT kind, topic FROM escalation WHERE external_userid = :id", id=self.who(key)
        )
        return [(row["kind"], row["topic"]) for row in rows]

    def rows(self, sql: str, **values: Any) -> list[Any]:
        return self.branch.rows(sql, **values)


@pytest.fixture(scope="module")
def demo(
    tmp_path_factory: pytest.TempPathFactory, key_pair: Path, empty_store: Path
) -> Iterator[Demo]:
    """Played once for all tests of this module; none of them changes it."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "qunguan.db").write_bytes((empty_store / "qunguan.db").read_bytes())
    clock = HandClock(OPENING)
    town = load_town()
    with running_sandbox(town_settings(clock, key_pair)) as sandbox:
        populate(sandbox.world, town, TODAY)
        branch = Branch(folder, sandbox, clock)
        for kind, file in core_files(TODAY, folder / "core").items():
            import_sheet(branch.bot.settings, file, kind, None, dry_run=False, bot=branch.bot)
        with branch.start():
            staffers = Staffers(sandbox.world, town, pace=50.0)
            staffers.start()
            story = Story(sandbox.world, town, pace=6.0)
            story.start()
            assert story.told.wait(60)
            story.stop()
            assert story.skipped == 0
            branch.settle(60)
            branch.later(minutes=10)
            until(lambda: all_sent(branch), 60, "members sent and cards were pressed")
            branch.settle(60)
            staffers.stop()
            yield Demo(branch, town)


def all_sent(branch: Branch) -> bool:
    """Every push is accounted for and every member's task list is empty."""
    branch.later(seconds=16)
    waiting = "SELECT count(*) FROM push WHERE status IN ('planned', 'ready', 'tasked')"
    return not branch.value(waiting)


def test_the_new_friends_are_greeted_and_their_channel_is_known(demo: Demo) -> None:
    welcomed = demo.branch.world.delivered(channel="welcome")
    new = {demo.who("小何姑娘"): "way-counter", demo.who("裴姐"): "way-street"}
    assert {one["external_userid"] for one in welcomed} >= set(new)
    for customer, state in new.items():
        found = demo.branch.value(
            "SELECT state FROM follow WHERE external_userid = :id", id=customer
        )
        assert found == state


def test_the_large_cd_question_reached_its_manager_who_dealt_with_it(demo: Demo) -> None:
    assert ("interest", "large_cd") in demo.cases("方姐")
    (case,) = demo.rows(
        "SELECT * FROM escalation WHERE external_userid = :id AND topic = 'large_cd'",
        id=demo.who("方姐"),
    )
    assert case["assignee"] == "mazhiyuan"
    assert (case["status"], case["outcome"]) == ("closed", "contacted")


def test_who_refused_advertising_is_marked_and_gets_none(demo: Demo) -> None:
    row = demo.rows("SELECT * FROM customer WHERE external_userid = :id", id=demo.who("邓姐"))[0]
    assert (row["refused"], row["marketing_ok"]) == (1, 0)
    sent = demo.rows(
        "SELECT purpose FROM push WHERE external_userid = :id AND status = 'confirmed'",
        id=demo.who("邓姐"),
    )
    assert {row["purpose"] for row in sent} <= {"service"}


def test_what_was_said_before_the_agreement_is_gone_and_what_came_after_is_read(
    demo: Demo,
) -> None:
    facts = demo.facts("柯姐")
    assert "holding.other_bank" not in facts
    assert facts["product.interest"] == {"product": "treasury_bond"}


def test_who_disagreed_is_never_read(demo: Demo) -> None:
    customer = demo.who("卢先生")
    assert (
        demo.branch.value("SELECT count(*) FROM fact WHERE external_userid = :id", id=customer) == 0
    )
    kept = demo.rows(
        "SELECT count(text_sealed) AS texts FROM message WHERE sender = :id AND kind = 'text'"
        " AND state <> 'unread'",
        id=customer,
    )
    assert kept[0]["texts"] == 0


def test_the_recalled_message_left_nothing(demo: Demo) -> None:
    recalled = [
        row["msgid"] for row in demo.rows("SELECT msgid FROM message WHERE state = 'recalled'")
    ]
    assert recalled != []
    for msgid in recalled:
        facts = demo.rows("SELECT status, words_sealed FROM fact WHERE msgid = :id", id=msgid)
        assert {tuple(row) for row in facts} <= {("recalled", None)}


def test_complaints_became_cases(demo: Demo) -> None:
    assert "complaint" in [kind for kind, _ in demo.cases("丁哥")]


def test_everybody_planned_is_accounted_for_and_nobody_got_anything_twice(demo: Demo) -> None:
    pushes = demo.rows("SELECT * FROM push")
    statuses = Counter(row["status"] for row in pushes)
    assert statuses["confirmed"] > 5
    assert set(statuses) <= {"confirmed", "dropped", "held", "expired", "failed"}
    assert all(row["reason"] for row in pushes)
    sent = demo.branch.world.delivered(channel="mass_single")
    assert statuses["confirmed"] == len(sent)
    twice = {
        key: n
        for key, n in Counter((s["external_userid"], s["text"]) for s in sent).items()
        if n > 1
    }
    assert twice == {}


def test_the_birthdays_and_maturities_of_the_day_went_out(demo: Demo) -> None:
    sent = demo.rows(
        "SELECT occasion, step, count(*) AS n FROM push WHERE status = 'confirmed'"
        " GROUP BY occasion, step"
    )
    found = {(row["occasion"], row["step"]) for row in sent}
    assert {("birthday", "0"), ("maturity", "0"), ("maturity", "1"), ("maturity", "7")} <= found


def test_facts_became_tags_that_staff_see(demo: Demo) -> None:
    tags: Counter[str] = Counter()
    with demo.branch.world.lock:
        for userid, customer in demo.branch.world.friendships:
            tags.update(demo.branch.tags(userid, customer))
    assert tags["大额存单"] >= 1
    assert tags["国债"] >= 1
    assert sum(tags.values()) > 50


def test_most_of_the_branch_is_known_by_the_evening(demo: Demo) -> None:
    people = demo.branch.value("SELECT count(DISTINCT external_userid) FROM fact")
    assert people > 30
    evidence = demo.rows("SELECT * FROM fact WHERE status = 'current'")
    assert all(row["words_sealed"] and row["rule"] and row["version"] for row in evidence)


def test_nothing_was_left_lying_and_nothing_broke(demo: Demo) -> None:
    assert demo.branch.bot.inbox.depth() == (0, 0)
    broken = demo.rows("SELECT kind, reason FROM outbox WHERE state IN ('failed', 'uncertain')")
    assert [tuple(row) for row in broken] == []
    assert json.loads(json.dumps(demo.branch.bot.readiness()))["problems"] == []
