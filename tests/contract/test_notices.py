"""A changed notice needs a new consent (C5): from the setting to the send."""

# the names carry the id of the compliance rule

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from branch_world import Branch, build_branch

from bot.clock import FixedClock
from bot.importing import ImportReport
from bot.rulebook import Rulebook
from bot.store import consents, notices
from bot.store.db import Database
from bot.store.imports import Derivation, import_file
from bot.vault import Vault
from scheduler.lunar import next_birthday

BORN = (11, 24)
NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)


@pytest.fixture
def branch(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Branch:
    return build_branch(store, vault, clock, rules)


def in_force(branch: Branch, *, derived: bool = True, **versions: str) -> None:
    """The bank names other notices, as a changed thresholds file does."""
    wanted = {**branch.rules.thresholds.notices, **versions}
    thresholds = replace(branch.rules.thresholds, notices=wanted)
    if derived:
        branch.store.write(lambda db: notices.put(db, wanted, branch.now))
    branch.rules = branch.mass.rules = replace(branch.rules, thresholds=thresholds)
    branch.mass.__dict__.pop("judge", None)


def agree(branch: Branch, who: str, notice: str | None, purpose: str = "marketing") -> None:
    branch.store.write(
        lambda db: consents.record_consent(
            db,
            who,
            purpose,
            granted=True,
            channel="counter",
            proof=f"form-{notice}",
            at=branch.now,
            notice_version=notice,
        )
    )


def flags(branch: Branch, who: str) -> tuple[int, ...]:
    row = consents.standing(branch.store.read(), who)
    assert row is not None
    names = ("marketing_ok", "notice_ok", "sensitive_ok", "profiling_ok")
    return tuple(row[name] for name in names)


def test_C5_after_a_new_notice_only_who_agreed_to_it_gets_anything(branch: Branch) -> None:
    for who, notice in (("wm_a", "2026-1"), ("wm_b", "2026-2"), ("wm_c", "")):
        branch.meet(who, birthday=BORN, consented=False)
        agree(branch, who, notice)
    in_force(branch, marketing="2026-2")
    branch.plan()
    branch.send()
    assert branch.statuses() == {"wm_a": "dropped", "wm_b": "tasked", "wm_c": "dropped"}
    assert branch.decisions("wm_a") == branch.decisions("wm_c") == [("drop", '["G4", "C5"]')]


def test_C5_until_a_notice_is_named_every_consent_rests_on_the_one_there_is(
    branch: Branch,
) -> None:
    branch.meet("wm_a", birthday=BORN, consented=False)
    agree(branch, "wm_a", "2026-1")
    branch.plan()
    branch.send()
    assert branch.statuses() == {"wm_a": "tasked"}


def test_C5_a_notice_that_changes_under_a_task_calls_it_back(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.send()
    (task,) = branch.wecom.tasks
    in_force(branch, marketing="2026-2")
    branch.settle(2)
    assert task.cancelled


def test_C5_consents_that_were_not_derived_by_the_notices_in_force_hold_everything(
    branch: Branch,
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    in_force(branch, derived=False, marketing="2026-2")
    branch.send()
    assert branch.decisions("wm_a") == [("hold", '["G4", "unknown"]')]
    assert branch.wecom.tasks == []


def test_C5_every_purpose_has_a_notice_of_its_own(branch: Branch) -> None:
    branch.meet("wm_a", consented=False)
    for purpose in ("marketing", "profiling", "profiling_sensitive"):
        agree(branch, "wm_a", "2026-1", purpose)
    assert flags(branch, "wm_a") == (1, 1, 1, 1)
    in_force(branch, profiling_sensitive="2026-2")
    assert flags(branch, "wm_a") == (1, 1, 0, 1)
    in_force(branch, profiling_sensitive="2026-2", profiling="2026-2", marketing="2026-1")
    assert flags(branch, "wm_a") == (1, 1, 0, 0)
    agree(branch, "wm_a", "2026-2", "profiling_sensitive")
    assert flags(branch, "wm_a") == (1, 1, 1, 0)


def test_C5_a_word_in_talk_rests_on_the_notice_of_its_moment_however_late_it_is_heard(
    branch: Branch,
) -> None:
    branch.meet("wm_a", consented=False)
    in_force(branch, marketing="2026-1")
    said = branch.now
    branch.later(seconds=60)
    in_force(branch, marketing="2026-2")
    branch.store.write(
        lambda db: consents.record_consent(
            db, "wm_a", "marketing", granted=True, channel="talk", proof="m1", at=said
        )
    )
    assert flags(branch, "wm_a") == (1, 0, 0, 0)
    agree(branch, "wm_a", None)
    assert flags(branch, "wm_a") == (1, 1, 0, 0)
    rows = branch.store.read().rows("SELECT notice_version FROM consent ORDER BY at")
    assert [row[0] for row in rows] == ["2026-1", "2026-2"]


def test_C5_old_rows_stay_as_they_are_and_the_change_is_on_record(branch: Branch) -> None:
    branch.meet("wm_a", consented=False)
    agree(branch, "wm_a", "2026-1")
    kept = [tuple(row) for row in branch.store.read().rows("SELECT * FROM consent")]
    in_force(branch, marketing="2026-2")
    in_force(branch, marketing="2026-2")
    assert [tuple(row) for row in branch.store.read().rows("SELECT * FROM consent")] == kept
    acts = branch.store.read().rows("SELECT act, object FROM audit WHERE act = 'notice_in_force'")
    assert [tuple(row) for row in acts] == [("notice_in_force", "notice:marketing")]


Take = Callable[[str], ImportReport]


@pytest.fixture
def take(store: Database, vault: Vault, tmp_path: Path) -> Take:
    def take(text: str) -> ImportReport:
        file = tmp_path / "consents.csv"
        file.write_text(text, encoding="utf-8")
        return import_file(
            store,
            vault,
            FixedClock(NOW),
            file,
            "consents",
            as_of=None,
            actor="admin",
            dry_run=False,
            derivation=Derivation(next_birthday, lambda _assets: ""),
        )

    return take


def test_C5_an_import_keeps_rows_of_an_older_notice_and_says_that_they_do_not_count(
    branch: Branch, take: Take
) -> None:
    in_force(branch, marketing="2026-2")
    for who in ("wm_a", "wm_b", "wm_c", "wm_d"):
        branch.meet(who, consented=False)
    report = take(
        "外部联系人ID,用途,同意,时间,告知版本\n"
        "wm_a,marketing,是,2026-11-01,2026-2\n"
        "wm_b,marketing,是,2026-11-01,2026-1\n"
        "wm_c,marketing,是,2026-11-01,\n"
        "wm_d,marketing,否,2026-11-01,2026-1\n"
    )
    assert (report.new, len(report.notes)) == (4, 1)
    assert "有 2 行同意不是按现行告知书取得的" in report.notes[0]
    found = {who: flags(branch, who)[:2] for who in ("wm_a", "wm_b", "wm_c", "wm_d")}
    assert found == {"wm_a": (1, 1), "wm_b": (1, 0), "wm_c": (1, 0), "wm_d": (0, 0)}
