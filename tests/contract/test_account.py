"""The trail of a message: written before the call, told in one query, checked every day."""

# the names carry the ids of the compliance rules

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import structlog
from branch_world import TODAY, Branch, build_branch
from test_approvals import ANN, KINDLY, LEE, Desk
from test_store_subjects import lift_the_guard

from bot.clock import FixedClock
from bot.jobs import Jobs
from bot.rulebook import Rulebook
from bot.store import account as account_module
from bot.store import journal, rings
from bot.store.account import PARTS, account
from bot.store.db import Database, Db, Row
from bot.vault import Vault


@pytest.fixture
def desk(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Desk:
    return Desk(build_branch(store, vault, clock, rules))


class Counting(Db):
    """Counts the queries that are asked of it."""

    asked = 0

    def rows(self, sql: str, /, **values: Any) -> list[Row]:
        self.asked += 1
        return super().rows(sql, **values)


def delivered(branch: Branch) -> int:
    """A greeting of today reaches wm_a; the id of its push."""
    branch.meet("wm_a", birthday=(11, 24))
    branch.plan()
    branch.send()
    branch.wecom.tap(branch.wecom.tasks[-1].msgid)
    branch.mass.poll()
    return int(branch.store.read().value("SELECT id FROM push"))


def told(db: Db, push_id: int) -> dict[str, list[tuple[str, str, str]]]:
    found: dict[str, list[tuple[str, str, str]]] = {part: [] for part in PARTS}
    for row in account(db, [push_id])[push_id]:
        found[PARTS[row["part"] - 1]].append((row["who"], row["what"], row["detail"]))
    return found


def test_U2_one_query_tells_who_wrote_who_approved_why_by_what_right_and_what_came_of_it(
    desk: Desk,
) -> None:
    version_id = desk.active()
    push_id = delivered(desk.branch)
    db = Counting(desk.branch.store.read().connection)
    found = told(db, push_id)
    assert db.asked == 1
    assert found == {
        "written": [("ann", "birthday", desk.row(version_id)["stamp"])],
        "approved": [("lee", "approve", "legal")],
        "chosen": [("lin", "birthday", "2026 0")],
        "consent": [("", "marketing", "counter form")],
        "decided": [("gate", "send", "[]"), ("gate", "send", "[]")],
        "sent": [("lin", "done", "msg0")],
        "answered": [("wecom", "confirmed", "sent")],
    }


def test_U2_a_shipped_service_notice_names_the_release_and_needs_no_consent(desk: Desk) -> None:
    desk.branch.meet("wm_b", consented=False)
    desk.branch.hold("A1", "wm_b", TODAY + timedelta(days=7))
    desk.branch.plan()
    desk.branch.send()
    push_id = int(desk.branch.store.read().value("SELECT id FROM push"))
    found = told(desk.branch.store.read(), push_id)
    assert [found[part][0][:2] for part in ("written", "approved", "consent")] == [
        ("release", "maturity"),
        ("release", "approve"),
        ("", "service"),
    ]


def test_U2_the_consent_is_the_one_that_counted_when_it_was_sent(desk: Desk) -> None:
    push_id = delivered(desk.branch)
    desk.branch.later(days=1)
    desk.branch.refuse("wm_a")
    assert told(desk.branch.store.read(), push_id)["consent"] == [("", "marketing", "counter form")]


def test_U2_a_push_that_was_dropped_says_by_which_rule(desk: Desk) -> None:
    desk.branch.meet("wm_no", birthday=(11, 24), consented=False)
    desk.branch.plan()
    desk.branch.send()
    push_id = int(desk.branch.store.read().value("SELECT id FROM push"))
    found = told(desk.branch.store.read(), push_id)
    assert (found["decided"], found["sent"]) == ([("gate", "drop", '["G4"]')], [])
    assert found["answered"] == [("wecom", "dropped", "gate")]
    assert account_module.account(desk.branch.store.read(), []) == {}


# -- before the call


def test_U1_a_call_is_in_the_trail_with_text_approval_and_rules_before_it_is_made(
    desk: Desk,
) -> None:
    version_id = desk.active()
    seen: list[list[str]] = []

    def look(call: str) -> None:
        if call == "create":
            rows = desk.branch.store.read().rows("SELECT act FROM audit ORDER BY id")
            seen.append([row["act"] for row in rows])

    desk.branch.wecom.before = look
    delivered(desk.branch)
    assert [acts[-1] for acts in seen] == ["send"]
    row = desk.branch.store.read().one("SELECT * FROM audit WHERE act = 'send'")
    assert row is not None
    why = json.loads(row["why"])
    assert (row["actor"], row["object"]) == ("bot", "task:1")
    assert why["rules"]["text"] == desk.row(version_id)["stamp"]
    assert why["rules"]["approval"] == "1"
    assert why["before"] != why["after"]
    assert len(why["pushes"]) == 1


def test_U1_where_the_trail_cannot_be_written_nothing_is_sent(desk: Desk) -> None:
    desk.branch.meet("wm_a", birthday=(11, 24))
    desk.branch.plan()
    desk.branch.mass.release()
    desk.branch.store.write(lambda db: db.run("ALTER TABLE audit RENAME TO lost"))
    desk.branch.work()
    assert desk.branch.wecom.tasks == []
    assert desk.branch.tasks() == ["waiting"]


# -- every day


def check(desk: Desk) -> int:
    """Ring the daily check."""
    jobs = Jobs(
        desk.branch.store,
        desk.branch.clock,
        desk.branch.rules,
        None,  # type: ignore[arg-type]  # the check hears nobody
        desk.branch.mass,
        lambda _db, _events: None,
        lambda: None,
    )
    fence = desk.branch.store.write(lambda db: rings.take_lease(db, "me"))
    assert fence is not None
    return jobs.check_audit(fence, desk.branch.clock.now())


@pytest.mark.parametrize(
    ("tamper", "broken"),
    [
        ("UPDATE audit SET actor = 'zhou' WHERE id = 2", 2),
        ("DELETE FROM audit WHERE id = 1", 2),
        ("DELETE FROM audit WHERE id = 3", 3),
    ],
)
def test_U3_the_daily_check_finds_a_changed_or_removed_row_and_says_so(
    desk: Desk, tamper: str, broken: int
) -> None:
    desk.acts.save(ANN, KINDLY)
    desk.acts.save(LEE, KINDLY)
    desk.acts.save(ANN, KINDLY)
    assert check(desk) == 0
    assert journal.broken_row(desk.branch.store.read()) == 0
    desk.branch.store.write(lift_the_guard)
    desk.branch.store.write(lambda db: db.run(tamper))
    with structlog.testing.capture_logs() as logs:
        assert check(desk) == broken
    assert [each["event"] for each in logs] == ["the audit trail was changed"]
    assert journal.broken_row(desk.branch.store.read()) == broken
    (line,) = [
        each for each in journal.latest(desk.branch.store.read()) if each["kind"] == "audit_broken"
    ]
    assert json.loads(line["why"]) == {"row": broken}


def test_U3_the_check_rings_every_day(desk: Desk) -> None:
    jobs = Jobs(
        desk.branch.store,
        desk.branch.clock,
        desk.branch.rules,
        None,  # type: ignore[arg-type]  # nothing is rung
        desk.branch.mass,
        lambda _db, _events: None,
        lambda: None,
    )
    (daily,) = [job for job in jobs.all() if job.name == "check_audit"]
    assert (daily.at.hour if daily.at else None, daily.every) == (4, None)
