"""Four eyes on campaigns: saved, tried, submitted, approved, used, changed, revoked, run out."""

# the names carry the ids of the compliance rules

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from branch_world import TODAY, Branch, build_branch, dump, shanghai

from bot.approving import Approving
from bot.clock import FixedClock
from bot.dry import Trials
from bot.errors import Invalid
from bot.jobs import plan_steps
from bot.model import Role
from bot.permits import permits_of, read_version
from bot.rulebook import Rulebook
from bot.store import approvals, journal, pushes
from bot.store.db import Database, Row
from bot.store.sight import Viewer
from bot.vault import Vault
from scheduler.approval import Duty

SHIPPED = (Path(__file__).parents[2] / "templates/campaigns/birthday.md").read_text("utf-8")
KINDLY = SHIPPED.replace("祝您生日快乐", "今天是您的好日子,祝您生日快乐")
ANN = Viewer("ann", Role.HEAD, "东山支行")
LEE = Viewer("lee", Role.COMPLIANCE)
LAO = Viewer("lao", Role.COMPLIANCE)
CITY = Viewer("city", Role.CITY)
LIN = Viewer("lin", Role.MANAGER, "东山支行")
ANSWERS = dict.fromkeys(("purpose", "data", "need", "risks", "safeguards"), "见附件")


class Desk:
    """People at work on campaigns of one branch."""

    def __init__(self, branch: Branch) -> None:
        self.branch = branch
        self.trials = Trials(branch.store, branch.clock, branch.mass.judge)
        self.acts = Approving(branch.store, branch.clock, branch.rules, self.trials)

    def ruled(self, **changed: Any) -> None:
        """The branch changes its rules."""
        rules = replace(self.branch.rules, **changed)
        self.branch.rules = self.branch.mass.rules = rules
        self.branch.mass.__dict__.pop("judge", None)
        self.trials = Trials(self.branch.store, self.branch.clock, self.branch.mass.judge)
        self.acts = Approving(self.branch.store, self.branch.clock, rules, self.trials)

    def submitted(self, source: str = KINDLY, author: Viewer = ANN) -> int:
        version_id = int(self.acts.save(author, source)["id"])
        self.acts.try_out(author, version_id, TODAY)
        self.acts.submit(author, version_id)
        return version_id

    def assess(self, version_id: int, answers: dict[str, str]) -> None:
        self.acts.assess(ANN, read_version(self.row(version_id)), answers)

    def approved(self, source: str = KINDLY) -> int:
        version_id = self.submitted(source)
        self.acts.approve(LEE, version_id)
        return version_id

    def active(self, source: str = KINDLY) -> int:
        version_id = self.approved(source)
        self.acts.activate(ANN, version_id)
        return version_id

    def row(self, version_id: int) -> Row:
        row = approvals.version(self.branch.store.read(), version_id)
        assert row is not None
        return row

    def status(self, version_id: int) -> str:
        return str(self.row(version_id)["status"])

    def why(self) -> str:
        permits = permits_of(self.branch.store.read(), self.branch.rules, self.branch.clock.now())
        return permits["birthday"].why

    def refused(self, act: Any, *given: Any) -> str:
        """The reason for which an act was refused; nothing happened."""
        before = dump(self.branch.store.read())
        with pytest.raises(Invalid) as wrong:
            act(*given)
        assert dump(self.branch.store.read()) == before
        return str(wrong.value)


@pytest.fixture
def desk(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Desk:
    return Desk(build_branch(store, vault, clock, rules))


def born_today(desk: Desk, *customers: str) -> None:
    for each in customers:
        desk.branch.meet(each, birthday=(11, 24))


def texts(desk: Desk) -> list[str]:
    return [task.text for task in desk.branch.wecom.tasks]


# -- from draft to the customer


def test_G6_an_approved_version_goes_out_in_place_of_the_shipped_text(desk: Desk) -> None:
    born_today(desk, "wm_a")
    desk.active()
    desk.branch.plan()
    desk.branch.send()
    assert ["今天是您的好日子" in text for text in texts(desk)] == [True]
    row = desk.branch.store.read().one("SELECT * FROM send_task")
    assert row is not None
    assert row["version"] == approvals.versions(desk.branch.store.read(), "birthday")[0]["stamp"]


def test_G6_until_it_is_activated_the_shipped_text_stays_in_force(desk: Desk) -> None:
    born_today(desk, "wm_a")
    desk.approved()
    desk.branch.plan()
    desk.branch.send()
    assert ["今天是您的好日子" in text for text in texts(desk)] == [False]


def test_G6_a_version_in_force_without_approvals_is_held(desk: Desk) -> None:
    born_today(desk, "wm_a")
    version_id = desk.active()
    desk.branch.store.write(lambda db: db.run("DELETE FROM approval"))
    desk.branch.plan()
    desk.branch.send()
    assert (desk.status(version_id), desk.why(), texts(desk)) == ("active", "waiting", [])
    assert desk.branch.decisions("wm_a") == [("hold", '["G6"]')]


def test_A1_whoever_wrote_or_submitted_the_words_never_approves_them(desk: Desk) -> None:
    version_id = desk.submitted(author=LEE)
    assert "另一位" in desk.refused(desk.acts.approve, LEE, version_id)
    desk.acts.approve(LAO, version_id)
    assert desk.status(version_id) == "approved"


def test_A1_words_saved_anew_by_another_are_still_their_authors(desk: Desk) -> None:
    first = desk.submitted(author=LEE)
    desk.acts.withdraw(LEE, first)
    again = int(desk.acts.again(ANN, first)["id"])
    desk.acts.try_out(ANN, again, TODAY)
    desk.acts.submit(ANN, again)
    assert "另一位" in desk.refused(desk.acts.approve, LEE, again)


def test_A1_a_role_without_the_duty_cannot_approve_and_a_manager_cannot_write(desk: Desk) -> None:
    version_id = desk.submitted()
    assert "职责" in desk.refused(desk.acts.approve, CITY, version_id)
    assert "职责" in desk.refused(desk.acts.approve, LIN, version_id)
    assert "起草" in desk.refused(desk.acts.save, LIN, KINDLY)


def test_A1_two_duties_are_two_people(desk: Desk) -> None:
    rules = desk.branch.rules.approvals
    greeting = next(each for each in rules.policies if each.name == "greeting")
    both = replace(greeting, duties=rules.policies[-1].duties)
    holders = dict.fromkeys(rules.holders, frozenset({Role.COMPLIANCE}))
    desk.ruled(approvals=replace(rules, policies=(both,), holders=holders))
    version_id = desk.submitted()
    desk.acts.approve(LEE, version_id)
    assert desk.status(version_id) == "in_review"
    assert "另一位" in desk.refused(desk.acts.approve, LEE, version_id)
    desk.acts.approve(LAO, version_id)
    assert desk.status(version_id) == "approved"


def test_A3_while_in_review_the_campaign_is_locked(desk: Desk) -> None:
    version_id = desk.submitted()
    assert "锁定" in desk.refused(desk.acts.save, ANN, SHIPPED)
    desk.acts.withdraw(ANN, version_id)
    assert desk.acts.save(ANN, SHIPPED)["version"] == 3


def test_A3_without_a_policy_a_campaign_is_neither_submitted_nor_activated(desk: Desk) -> None:
    version_id = desk.approved()
    draft = int(desk.acts.save(ANN, SHIPPED)["id"])
    desk.acts.try_out(ANN, draft, TODAY)
    desk.ruled(approvals=replace(desk.branch.rules.approvals, policies=()))
    assert "审批规定" in desk.refused(desk.acts.activate, ANN, version_id)
    assert "审批规定" in desk.refused(desk.acts.submit, ANN, draft)


def test_A5_nothing_is_submitted_before_a_dry_run_of_exactly_this_text(desk: Desk) -> None:
    version_id = int(desk.acts.save(ANN, KINDLY)["id"])
    assert "试发" in desk.refused(desk.acts.submit, ANN, version_id)
    desk.acts.try_out(ANN, version_id, TODAY)
    desk.ruled(words=replace(desk.branch.rules.words, text_hash="changed"))
    assert "试发" in desk.refused(desk.acts.submit, ANN, version_id)


def test_A5_a_dry_run_names_everybody_with_reasons_and_words_and_leaves_only_its_record(
    desk: Desk,
) -> None:
    born_today(desk, "wm_a")
    desk.branch.meet("wm_no", birthday=(11, 24), consented=False)
    desk.branch.meet("wm_later", birthday=(11, 30))
    version_id = int(desk.acts.save(ANN, KINDLY)["id"])
    before = dump(desk.branch.store.read())
    found = desk.acts.try_out(ANN, version_id, TODAY)
    assert [(each["external_userid"], each["decision"], each["rules"]) for each in found] == [
        ("wm_a", "send", []),
        ("wm_no", "drop", ["G4"]),
    ]
    assert "今天是您的好日子" in found[0]["text"]
    (kept,) = desk.branch.store.read().rows("SELECT * FROM dry_run")
    assert kept["counts"] == '{"G4": 1, "drop": 1, "hold": 0, "send": 1}'
    after = dump(desk.branch.store.read())
    assert after | {"dry_run": []} == before


def test_A5_a_dry_run_of_a_day_that_is_planned_already_shows_the_new_words(desk: Desk) -> None:
    born_today(desk, "wm_a")
    desk.branch.plan()
    version_id = int(desk.acts.save(ANN, KINDLY)["id"])
    (entry,) = desk.acts.try_out(ANN, version_id, TODAY)
    assert "今天是您的好日子" in entry["text"]


def test_a_preview_shows_the_words_for_anybody_and_what_the_gate_would_say(desk: Desk) -> None:
    desk.branch.meet("wm_no", name="王秀兰", layer="high", consented=False)
    campaign = desk.branch.rules.campaigns["maturity"]
    before = dump(desk.branch.store.read())
    shown = desk.trials.preview(campaign, "wm_no")
    assert "王女士" in shown["text"]
    greeting = desk.trials.preview(desk.branch.rules.campaigns["birthday"], "wm_no")
    assert (greeting["decision"], greeting["rules"]) == ("drop", ["G4"])
    assert "生日快乐" in greeting["text"]
    assert dump(desk.branch.store.read()) == before


# -- what voids an approval


def test_A2_a_changed_rule_voids_the_approval_and_calls_the_batch_back(desk: Desk) -> None:
    born_today(desk, "wm_a", "wm_b")
    desk.active()
    desk.branch.plan()
    desk.branch.send()
    assert desk.branch.tasks() == ["accepted"]
    desk.ruled(words=replace(desk.branch.rules.words, text_hash="changed"))
    desk.branch.settle(3)
    assert desk.why() == "changed"
    assert desk.branch.tasks() == ["cancelled"]
    assert desk.branch.statuses() == {"wm_a": "held", "wm_b": "held"}


def test_A3_an_approval_file_that_asks_for_more_in_the_middle_of_a_batch_stops_its_rest(
    desk: Desk,
) -> None:
    born_today(desk, "wm_a", "wm_b")
    desk.active()
    desk.branch.plan()
    desk.branch.send()
    (task,) = desk.branch.wecom.tasks
    desk.branch.wecom.tap(task.msgid, only=["wm_a"])
    stricter = [
        replace(each, duties=each.duties | {Duty.BRANCH})
        for each in desk.branch.rules.approvals.policies
    ]
    desk.ruled(approvals=replace(desk.branch.rules.approvals, policies=tuple(stricter)))
    desk.branch.settle(30)
    assert task.cancelled
    assert desk.branch.statuses() == {"wm_a": "confirmed", "wm_b": "held"}
    assert desk.branch.decisions("wm_b")[-1] == ("hold", '["G6"]')


def test_A2_a_segment_whose_rule_changes_voids_the_approval(desk: Desk) -> None:
    version_id = int(desk.acts.save(ANN, KINDLY.replace("everyone", "merchant"))["id"])
    desk.acts.try_out(ANN, version_id, TODAY)
    desk.assess(version_id, ANSWERS)
    desk.acts.submit(ANN, version_id)
    desk.acts.approve(LEE, version_id)
    rules = desk.branch.rules.segments
    desk.ruled(segments=[replace(each, version=f"{each.version}-new") for each in rules])
    desk.assess(version_id, ANSWERS)
    assert "失效" in desk.refused(desk.acts.activate, ANN, version_id)


def test_A4_a_revocation_stops_the_rest_of_a_running_batch(desk: Desk) -> None:
    born_today(desk, "wm_a", "wm_b")
    version_id = desk.active()
    desk.branch.plan()
    desk.branch.send()
    (task,) = desk.branch.wecom.tasks
    desk.branch.wecom.tap(task.msgid, only=["wm_a"])
    desk.acts.revoke(LAO, version_id, "措辞不妥")
    desk.branch.settle(30)
    assert task.cancelled
    assert desk.branch.statuses() == {"wm_a": "confirmed", "wm_b": "held"}
    assert [desk.status(version_id), desk.why(), len(texts(desk))] == ["paused", "paused", 1]
    assert desk.branch.decisions("wm_b")[-1] == ("hold", '["G6"]')


def test_A4_a_revocation_calls_back_at_once_and_waits_for_no_round(desk: Desk) -> None:
    born_today(desk, "wm_a")
    version_id = desk.active()
    desk.branch.plan()
    desk.branch.send()
    desk.acts.revoke(LAO, version_id, "措辞不妥")
    desk.branch.work()
    assert [task.cancelled for task in desk.branch.wecom.tasks] == [True]


def test_A4_what_was_revoked_cannot_be_started_again_without_a_new_approval(desk: Desk) -> None:
    version_id = desk.active()
    desk.acts.revoke(LAO, version_id, "措辞不妥")
    assert "没有齐" in desk.refused(desk.acts.activate, ANN, version_id)
    assert "原因" in desk.refused(desk.acts.revoke, LAO, version_id, " ")


def test_A4_an_approval_ends_at_midnight_in_shanghai_in_the_middle_of_a_batch(desk: Desk) -> None:
    version_id = desk.active()
    ends = desk.branch.store.read().value("SELECT expires_at FROM approval")
    midnight = shanghai(2027, 5, 23, 0, 0)
    assert ends == midnight.timestamp() * 1000
    desk.branch.clock.moment = midnight - timedelta(seconds=1)
    assert desk.why() == "approved"
    desk.branch.clock.moment = midnight
    assert (desk.status(version_id), desk.why()) == ("active", "expired")


def test_G6_a_new_version_in_the_middle_of_a_batch_takes_over_who_has_not_got_it(
    desk: Desk,
) -> None:
    born_today(desk, "wm_a", "wm_b")
    desk.branch.plan()
    desk.branch.send()
    (first,) = desk.branch.wecom.tasks
    desk.branch.wecom.tap(first.msgid, only=["wm_a"])
    desk.active()
    desk.branch.settle(5)
    assert first.cancelled
    second = desk.branch.wecom.tasks[1]
    assert ("今天是您的好日子" in second.text, second.customers) == (True, ["wm_b"])
    desk.branch.wecom.tap(second.msgid)
    desk.branch.settle(2)
    assert desk.branch.statuses() == {"wm_a": "confirmed", "wm_b": "confirmed"}


def test_G6_a_new_version_calls_the_old_words_back_at_once(desk: Desk) -> None:
    born_today(desk, "wm_a")
    desk.branch.plan()
    desk.branch.send()
    desk.active()
    desk.branch.work()
    assert [task.cancelled for task in desk.branch.wecom.tasks] == [True]


def test_G6_a_released_text_that_changes_under_a_task_calls_it_back(desk: Desk) -> None:
    born_today(desk, "wm_a")
    desk.branch.plan()
    desk.branch.send()
    rules = desk.branch.rules
    newer = replace(rules.campaigns["birthday"], version=2, text_hash="e" * 64)
    desk.ruled(
        campaigns={**rules.campaigns, "birthday": newer},
        release={**rules.release, "campaigns/birthday.md": newer.text_hash},
    )
    desk.branch.settle(5)
    assert [task.cancelled for task in desk.branch.wecom.tasks] == [True, False]
    assert desk.branch.statuses() == {"wm_a": "tasked"}


def test_G6_who_was_in_a_task_of_a_version_for_other_people_gets_no_words_of_the_new_one(
    desk: Desk,
) -> None:
    born_today(desk, "wm_a")
    desk.branch.plan()
    desk.branch.send()
    version_id = int(desk.acts.save(ANN, KINDLY.replace("everyone", "merchant"))["id"])
    desk.acts.try_out(ANN, version_id, TODAY)
    desk.assess(version_id, ANSWERS)
    desk.acts.submit(ANN, version_id)
    desk.acts.approve(LEE, version_id)
    desk.acts.activate(ANN, version_id)
    desk.branch.settle(5)
    assert [task.cancelled for task in desk.branch.wecom.tasks] == [True]
    assert desk.branch.statuses() == {"wm_a": "held"}


def test_G6_a_new_version_for_other_people_takes_nobody_over(desk: Desk) -> None:
    born_today(desk, "wm_a")
    desk.branch.plan()
    version_id = int(desk.acts.save(ANN, KINDLY.replace("everyone", "merchant"))["id"])
    desk.acts.try_out(ANN, version_id, TODAY)
    desk.assess(version_id, ANSWERS)
    desk.acts.submit(ANN, version_id)
    desk.acts.approve(LEE, version_id)
    desk.acts.activate(ANN, version_id)
    desk.branch.send()
    assert desk.branch.pushes() == [("wm_a", "dropped", "superseded", 1)]


def test_G6_a_draft_saved_in_the_middle_of_a_batch_changes_nothing(desk: Desk) -> None:
    born_today(desk, "wm_a")
    desk.active()
    desk.branch.plan()
    desk.branch.send()
    desk.acts.save(ANN, SHIPPED)
    desk.branch.settle(3)
    assert (desk.branch.tasks(), desk.why()) == (["accepted"], "approved")


def test_a_paused_campaign_is_not_planned_and_a_retired_one_gives_way_to_the_shipped_text(
    desk: Desk,
) -> None:
    born_today(desk, "wm_a")
    version_id = desk.active()
    desk.acts.pause(ANN, version_id, "先看看反馈")
    assert desk.branch.plan() == 0
    desk.acts.activate(ANN, version_id)
    desk.acts.retire(ANN, version_id, "换回原文")
    assert (desk.why(), desk.branch.plan()) == ("released", 1)


# -- profiling, review words, undo


def test_T7_a_profiling_campaign_needs_a_recorded_impact_assessment(desk: Desk) -> None:
    version_id = int(desk.acts.save(ANN, KINDLY.replace("everyone", "merchant"))["id"])
    desk.acts.try_out(ANN, version_id, TODAY)
    assert "影响评估" in desk.refused(desk.acts.submit, ANN, version_id)
    assert "每一项" in desk.refused(desk.assess, version_id, ANSWERS | {"risks": " "})
    desk.assess(version_id, ANSWERS)
    desk.acts.submit(ANN, version_id)
    desk.acts.approve(LEE, version_id)
    desk.branch.store.write(lambda db: db.run("DELETE FROM impact_assessment"))
    assert "影响评估" in desk.refused(desk.acts.activate, ANN, version_id)


def test_T7_without_its_assessment_a_profiling_campaign_in_force_is_held(desk: Desk) -> None:
    version_id = int(desk.acts.save(ANN, KINDLY.replace("everyone", "merchant"))["id"])
    desk.acts.try_out(ANN, version_id, TODAY)
    desk.assess(version_id, ANSWERS)
    desk.acts.submit(ANN, version_id)
    desk.acts.approve(LEE, version_id)
    desk.acts.activate(ANN, version_id)
    assert desk.why() == "approved"
    desk.branch.store.write(lambda db: db.run("DELETE FROM impact_assessment"))
    assert desk.why() == "no_assessment"


def test_T2_a_segment_for_people_only_never_chooses_recipients(desk: Desk) -> None:
    wrong = desk.refused(desk.acts.save, ANN, KINDLY.replace("everyone", "competitor_maturity"))
    assert "第 6 行" in wrong


def test_K2_a_review_word_needs_a_second_person_who_names_it(desk: Desk) -> None:
    version_id = desk.submitted(KINDLY.replace("好日子", "限时好日子"))
    assert "限时" in desk.refused(desk.acts.approve, LEE, version_id)
    desk.acts.approve(LEE, version_id, words=["限时"])
    (row,) = approvals.decisions(desk.branch.store.read(), version_id)
    assert (row["actor"], row["words"]) == ("lee", '["限时"]')
    desk.acts.activate(ANN, version_id)
    born_today(desk, "wm_a")
    desk.branch.plan()
    desk.branch.send()
    assert len(texts(desk)) == 1


def brings_in(desk: Desk, value: str) -> list[tuple[str, str]]:
    """What becomes of a birthday's text whose branch has this name; nothing may go out."""
    desk.branch.meet("wm_a", birthday=(11, 24))
    desk.branch.store.write(lambda db: db.run("UPDATE customer SET branch = :value", value=value))
    desk.branch.plan()
    desk.branch.send()
    assert texts(desk) == []
    return desk.branch.decisions("wm_a")


def test_K2_a_review_word_that_a_value_brings_in_is_held(desk: Desk) -> None:
    assert brings_in(desk, "限时支行") == [("hold", '["K2"]')]


def test_G7_a_phrase_that_only_values_make_complete_never_goes_out(desk: Desk) -> None:
    assert brings_in(desk, "零风险支行") == [("drop", '["G7", "F006"]')]


def test_G8_personal_data_that_a_value_brings_in_never_goes_out(desk: Desk) -> None:
    assert brings_in(desk, "支行13812345678") == [("drop", '["G8", "P001"]')]


def test_an_older_version_is_gone_back_to_by_approving_it_anew(desk: Desk) -> None:
    first = desk.active()
    desk.active(SHIPPED)
    again = int(desk.acts.again(ANN, first)["id"])
    assert (desk.row(again)["version"], desk.status(again)) == (4, "draft")
    assert desk.row(again)["words_hash"] == desk.row(first)["words_hash"]
    assert desk.status(first) == "retired"


def test_a_rejected_version_goes_back_with_the_reason(desk: Desk) -> None:
    version_id = desk.submitted()
    assert "原因" in desk.refused(desk.acts.reject, LEE, version_id, "")
    desk.acts.reject(LEE, version_id, "称呼太随意")
    assert (desk.status(version_id), desk.row(version_id)["reason"]) == ("draft", "称呼太随意")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [("steps: [0]", "steps: [1]", 2), ("{{ address }}", "{{ phone }}", 15), ("---\n", "", 1)],
)
def test_a_mistake_is_answered_with_its_line_and_nothing_is_kept(
    desk: Desk, old: str, new: str, line: int
) -> None:
    assert f"第 {line} 行" in desk.refused(desk.acts.save, ANN, KINDLY.replace(old, new, 1))


# -- the trail


def test_U1_every_step_is_in_the_trail_with_what_it_was_before_and_after(desk: Desk) -> None:
    version_id = desk.active()
    desk.acts.pause(ANN, version_id, "先看看")
    rows = desk.branch.store.read().rows("SELECT * FROM audit ORDER BY id")
    assert [(row["actor"], row["act"]) for row in rows] == [
        ("ann", "campaign_save"),
        ("ann", "campaign_submit"),
        ("lee", "campaign_approve"),
        ("ann", "campaign_activate"),
        ("ann", "campaign_pause"),
    ]
    assert {row["object"] for row in rows} == {"campaign:birthday:2"}
    assert all('"after"' in row["why"] for row in rows)
    assert journal.first_broken_link(desk.branch.store.read()) is None


def test_the_plan_of_a_day_uses_what_is_in_force(desk: Desk) -> None:
    version_id = desk.active()

    def stamps(db: Any) -> list[str]:
        permits = permits_of(db, desk.branch.rules, desk.branch.clock.now())
        return [
            step.version
            for step in plan_steps(desk.branch.rules, TODAY, permits)
            if step.campaign == "birthday"
        ]

    assert set(stamps(desk.branch.store.read())) == {desk.row(version_id)["stamp"]}
    assert pushes.kill_switches(desk.branch.store.read()) == frozenset()
