"""话术 on the screen and in the interface: who may do what, mistakes at their line, four eyes."""

# the names carry the ids of the compliance rules

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from caller import Answer, Caller, employee, program
from madeup import MadeUp

from bot.store import approvals, journal, pushes
from bot.store.account import PARTS
from bot.store.db import Db

SHIPPED = (Path(__file__).parents[2] / "templates/campaigns/birthday.md").read_text("utf-8")
KINDLY = SHIPPED.replace("祝您生日快乐", "今天是您的好日子,祝您生日快乐")
CALM = SHIPPED.replace("祝您生日快乐", "祝您生日快乐,今天限时想您")
HEAD, LEGAL = "zhoujun", "heguan"


@pytest.fixture
def legal(madeup: MadeUp, address: str) -> Caller:
    """The compliance officer, signed in."""
    return employee(madeup, address, LEGAL)


@pytest.fixture
def api(madeup: MadeUp, address: str) -> Caller:
    """The bank's own approval system."""
    assert madeup
    return program(address)


def send(caller: Caller, path: str, **fields: str) -> Answer:
    return caller.post(path, token=caller.form_token(), **fields)


def write(caller: Caller, source: str = KINDLY) -> str:
    """Save a text; the path of its page."""
    answer = send(caller, "/campaigns", source=source)
    assert answer.status == 303
    return str(answer.headers["location"])


def submit(caller: Caller, source: str = KINDLY) -> str:
    page = write(caller, source)
    assert send(caller, f"{page}/try", on="2026-12-01").status == 303
    assert send(caller, f"{page}/submit").status == 303
    return page


def status(madeup: MadeUp) -> str:
    return str(approvals.versions(madeup.database.read(), "birthday")[0]["status"])


def decide(api: Caller, version_id: int, **body: Any) -> Answer:
    headers = {"content-type": "application/json"}
    return api.call(
        "POST", f"/api/approvals/{version_id}", headers=headers, body=json.dumps(body).encode()
    )


# -- the screen


def test_a_text_is_written_tried_submitted_approved_by_another_and_started(
    madeup: MadeUp, head: Caller, legal: Caller
) -> None:
    page = submit(head)
    assert "去看并审批" in legal.get("/approvals").text
    assert "去看并审批" not in head.get("/approvals").text
    assert send(legal, f"{page}/approve", note="可以").status == 303
    assert status(madeup) == "approved"
    assert send(head, f"{page}/activate").headers["location"] == page
    assert "启用中" in head.get(page).text
    assert "今天是您的好日子" in head.get("/campaigns").text
    assert "可以" in legal.get("/approvals?past=1").text
    assert "启用了话术「生日」第 2 版" in head.get("/").text


def test_A1_the_author_is_told_that_another_must_approve(madeup: MadeUp, legal: Caller) -> None:
    page = submit(legal)
    assert "由另一位来办" in legal.get(page).text
    answer = send(legal, f"{page}/approve")
    assert (answer.status, status(madeup)) == (409, "in_review")
    assert "由另一位来办" in answer.text


def test_A5_submitting_before_a_dry_run_is_answered_with_what_to_do(
    madeup: MadeUp, head: Caller
) -> None:
    answer = send(head, f"{write(head)}/submit")
    assert (answer.status, status(madeup)) == (409, "draft")
    assert "提交前请先试发一次" in answer.text


def test_A5_a_dry_run_shows_the_customers_in_sight_and_counts_the_others(head: Caller) -> None:
    page = write(head)
    shown = head.get(f"{page}/trial?on=2026-12-01").text
    assert "王姐" in shown or "王秀兰" in shown
    assert "生日" in shown
    assert head.get(f"{page}/trial?on=2026-12-03").text.count("<article") == 0
    assert "另有 1 位不在您能看的范围里" in shown
    assert "/customers/wmQian" not in shown


def test_T7_the_page_asks_for_the_impact_assessment_and_keeps_it(
    madeup: MadeUp, head: Caller
) -> None:
    page = write(head, KINDLY.replace("audience: everyone", "audience: merchant"))
    assert "登记影响评估" in head.get(page).text
    refused = send(head, f"{page}/assess", purpose="问候街坊")
    assert (refused.status, "问候街坊</textarea>" in refused.text) == (409, True)
    answers = dict.fromkeys(("purpose", "data", "need", "risks", "safeguards"), "见说明")
    assert send(head, f"{page}/assess", **answers).status == 303
    assert "登记影响评估" not in head.get(page).text
    (row,) = madeup.database.read().rows("SELECT * FROM impact_assessment")
    assert (row["actor"], row["campaign"]) == (HEAD, "birthday")


def test_A4_an_approval_that_runs_out_soon_is_told_on_the_list(
    madeup: MadeUp, head: Caller, legal: Caller
) -> None:
    page = submit(head)
    send(legal, f"{page}/approve")
    send(head, f"{page}/activate")
    assert "天到期" not in head.get("/campaigns").text
    madeup.clock.moment += timedelta(days=170)
    assert "审批还有 9 天到期" in head.get("/campaigns").text
    madeup.clock.moment += timedelta(days=10)
    assert "审批已过期" in head.get("/campaigns").text


def test_T7_an_assessment_of_the_text_in_force_is_kept_with_all_its_answers(
    madeup: MadeUp, head: Caller
) -> None:
    answers = dict.fromkeys(("purpose", "data", "need", "risks", "safeguards"), "见说明")
    assert send(head, "/campaigns/birthday/assess", purpose="问候").status == 409
    assert send(head, "/campaigns/nothing/assess", **answers).status == 404
    assert send(head, "/campaigns/birthday/assess", **answers).status == 303
    (row,) = madeup.database.read().rows("SELECT * FROM impact_assessment")
    assert json.loads(row["answers"]) == answers


def test_a_mistake_is_shown_at_its_line_and_the_text_is_not_lost(
    madeup: MadeUp, head: Caller
) -> None:
    answer = send(head, "/campaigns", name="birthday", source=KINDLY.replace("address", "phone"))
    assert answer.status == 409
    assert '<li value="15" class="wrong">' in answer.text
    assert "不认识变量 phone" in answer.text
    assert "今天是您的好日子" in answer.text
    assert approvals.versions(madeup.database.read(), "birthday") == []


def test_a_version_shows_what_changed_since_the_one_before(head: Caller) -> None:
    shown = head.get(write(head)).text
    assert '<li class="removed">' in shown
    assert '<li class="added">' in shown
    assert "好日子" in shown.partition("和上一版比")[2]


def test_editing_starts_from_the_text_before(head: Caller) -> None:
    assert "祝您生日快乐" in head.get("/campaigns/birthday/edit").text
    write(head)
    assert "今天是您的好日子" in head.get("/campaigns/birthday/edit").text
    assert "<textarea" in head.get("/campaigns/new/edit").text
    assert head.get("/campaigns/nothing/edit").status == 404


def test_a_preview_is_for_customers_in_sight_alone(head: Caller) -> None:
    page = write(head)
    assert "今天是您的好日子" in head.get(f"{page}?q=王").text.partition("给某位客户看看")[2]
    assert "没有找到" in head.get(f"{page}?q=钱").text


@pytest.mark.parametrize(
    "path", ["/campaigns", "/approvals", "/campaigns/birthday", "/campaigns/birthday/edit"]
)
def test_who_neither_writes_nor_approves_does_not_find_these_pages(
    manager: Caller, path: str
) -> None:
    assert manager.get(path).status == 404
    assert 'href="/campaigns"' not in manager.get("/").text


@pytest.mark.parametrize("act", ["try", "submit", "approve", "reject", "activate", "retire"])
def test_a_manager_cannot_act_on_a_version(
    madeup: MadeUp, head: Caller, manager: Caller, act: str
) -> None:
    page = write(head)
    assert send(manager, f"{page}/{act}", note="x").status == 404
    assert send(manager, "/campaigns", source=KINDLY).status == 404
    assert (status(madeup), len(approvals.versions(madeup.database.read(), "birthday"))) == (
        "draft",
        1,
    )


def test_a_form_without_its_token_changes_nothing(madeup: MadeUp, head: Caller) -> None:
    page = write(head)
    for path in ("/campaigns", f"{page}/try", f"{page}/submit", f"{page}/assess"):
        assert head.post(path, token="", source=KINDLY).status == 403
    assert len(approvals.versions(madeup.database.read(), "birthday")) == 1


@pytest.mark.parametrize(
    ("audience", "told"),
    [
        ("everyone", "对象 所有符合的客户"),
        ("\n  layer: [high, private]\n  segment: [senior]", "对象 高端或私行、老年客群"),
    ],
)
def test_a_version_says_in_words_whom_it_is_for(head: Caller, audience: str, told: str) -> None:
    page = write(head, SHIPPED.replace("audience: everyone", f"audience: {audience}"))
    assert told in head.get(page).text


def test_unknown_versions_and_acts_are_not_there(head: Caller) -> None:
    page = write(head)
    assert head.get("/campaigns/birthday/99").status == 404
    assert send(head, f"{page}/dance").status == 404


def test_G1_a_campaign_is_stopped_by_compliance_and_not_by_a_head(
    madeup: MadeUp, head: Caller, legal: Caller
) -> None:
    scope = "campaign:birthday"
    fields = {"scope": scope, "on": "true", "reason": "措辞有误"}
    assert send(head, "/pushes/switch", **fields).status == 403
    answer = send(legal, "/pushes/switch", **fields)
    assert answer.headers["location"] == "/campaigns/birthday"
    assert pushes.kill_switches(madeup.database.read()) == {scope}
    assert "这份话术已停发" in legal.get("/campaigns/birthday").text
    assert "已停发" in head.get("/pushes").text
    send(legal, "/pushes/switch", scope=scope, on="false")
    assert pushes.kill_switches(madeup.database.read()) == frozenset()


# -- the interface


def test_the_interface_lists_what_waits_and_takes_a_decision(
    madeup: MadeUp, head: Caller, api: Caller
) -> None:
    submit(head)
    (item,) = api.get("/api/approvals?status=in_review").json["items"]
    assert (item["campaign"], item["version"], item["author"]) == ("birthday", 2, HEAD)
    assert item["duties"] == [{"duty": "legal", "roles": ["compliance"], "approved_by": None}]
    assert item["dry_run"]["on"] == "2026-12-01"
    answer = decide(api, item["id"], decision="approve", note="同意")
    assert (answer.status, answer.json["status"], answer.json["valid"]) == (200, "approved", True)
    assert answer.json["expires_at"] == "2027-05-30T00:00:00+08:00"
    (told,) = answer.json["history"]
    assert (told["actor"], told["via"], told["note"]) == ("api", "api", "同意")
    assert status(madeup) == "approved"
    assert journal.first_broken_link(madeup.database.read()) is None


def test_A1_a_named_employee_counts_by_role_and_never_for_their_own_words(
    madeup: MadeUp, legal: Caller, api: Caller
) -> None:
    submit(legal)
    (item,) = api.get("/api/approvals").json["items"]
    for by in (LEGAL, "chenxy", "nobody"):
        answer = decide(api, item["id"], decision="approve", by=by)
        assert answer.error == (409, "conflict")
        assert answer.json["error"]["hint"]
    assert status(madeup) == "in_review"


def test_K2_review_words_need_a_person_by_name_who_lists_them(
    madeup: MadeUp, head: Caller, api: Caller
) -> None:
    submit(head, CALM)
    (item,) = api.get("/api/approvals").json["items"]
    assert item["review_words"] == ["限时"]
    assert decide(api, item["id"], decision="approve", words=["限时"]).status == 409
    assert decide(api, item["id"], decision="approve", by=LEGAL).status == 409
    answer = decide(api, item["id"], decision="approve", by=LEGAL, words=["限时"])
    assert (answer.status, status(madeup)) == (200, "approved")


def test_A4_the_interface_sends_back_and_revokes_with_a_reason(
    madeup: MadeUp, head: Caller, api: Caller
) -> None:
    page = submit(head)
    (item,) = api.get("/api/approvals").json["items"]
    assert decide(api, item["id"], decision="rejected", note="").status == 409
    assert decide(api, item["id"], decision="rejected", note="太长").json["status"] == "draft"
    assert send(head, f"{page}/submit").status == 303
    decide(api, item["id"], decision="approved")
    send(head, f"{page}/activate")
    answer = decide(api, item["id"], decision="revoke", note="客户投诉")
    assert (answer.json["status"], answer.json["valid"]) == ("paused", False)
    assert status(madeup) == "paused"


def test_an_unknown_approval_is_not_there(api: Caller) -> None:
    assert decide(api, 999, decision="approve").error == (404, "not_found")
    assert decide(api, 999, decision="maybe").error == (422, "invalid")


# -- one message from its author to its answer


@pytest.mark.parametrize(
    ("words", "told"), [('["layer middle"]', "结果一样"), ('["layer high"]', "结果不一样")]
)
def test_T6_the_page_of_a_message_says_whether_its_choice_comes_out_again(
    madeup: MadeUp, manager: Caller, words: str, told: str
) -> None:
    push_id = madeup.ids["push wmWang"]

    def choose(db: Db) -> None:
        number = db.insert(
            "INSERT INTO selection (key, rule, at) VALUES ('k', :rule, 1)",
            rule='{"audience": {"layer": ["middle"]}}',
        )
        db.run(
            "UPDATE push SET inputs = :words, selection_id = :number WHERE id = :id",
            words=words,
            number=number,
            id=push_id,
        )

    madeup.write(choose)
    assert f"按当时的规则和资料重算,{told}" in manager.get(f"/pushes/{push_id}").text


def test_U2_a_message_tells_on_its_page_and_in_the_interface_how_it_came_about(
    madeup: MadeUp, manager: Caller, api: Caller
) -> None:
    push_id = madeup.ids["push wmWang"]
    shown = manager.get(f"/pushes/{push_id}").text
    for words in ("谁写的", "谁批的", "为什么是这位客户", "凭什么同意", "结果"):
        assert words in shown
    assert f'href="/pushes/{push_id}"' in manager.get("/pushes").text
    items = api.get("/api/pushes?external_userid=wmWang").json["items"]
    parts = [step["part"] for step in items[0]["account"]]
    assert parts == sorted(parts, key=list(PARTS).index)
    assert {"written", "approved", "chosen", "consent", "answered"} <= set(parts)


def test_U2_nobody_reads_about_a_message_to_somebody_out_of_sight(
    madeup: MadeUp, stranger: Caller
) -> None:
    assert stranger.get(f"/pushes/{madeup.ids['push wmWang']}").status == 404
    assert stranger.get("/pushes/99999").status == 404
