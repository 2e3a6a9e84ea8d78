"""The record of reading rules: what corrections leave behind, and who may look at it."""

from __future__ import annotations

import pytest
from caller import Answer, Caller, employee, program
from madeup import MadeUp

from bot.web import exporting


@pytest.fixture
def api(address: str) -> Caller:
    return program(address)


def correct(api: Caller, fact: int, **body: object) -> Answer:
    return api.call("POST", f"/api/facts/{fact}", json=body)


def report(
    api: Caller, days: str = "from=2026-12-01&to=2026-12-01"
) -> dict[str, dict[str, object]]:
    rows = api.get(f"/api/reports/rules?{days}").json["rows"]
    return {row["rule"]: row for row in rows}


def test_corrections_make_the_record_of_their_rules(api: Caller, madeup: MadeUp) -> None:
    correct(api, madeup.ids["farm"], status="confirmed", value={"area_mu": 40})
    correct(api, madeup.ids["hobby"], status="rejected")
    correct(api, madeup.ids["interest"], status="confirmed")
    found = report(api)
    assert found["product.interest.1"] == {
        "rule": "product.interest.1",
        "version": "1",
        "type": "product.interest",
        "reader": "rules",
        "heard": 1,
        "confirmed": 1,
        "rejected": 0,
        "changed": 0,
        "added": 0,
        "precision": 1.0,
        "lower": pytest.approx(0.2065, abs=1e-4),
        "last_used_on": "2026-12-01",
        "mend": False,
    }
    assert (found["work.occupation.1"]["changed"], found["interest.hobby.1"]["rejected"]) == (1, 1)
    assert report(api, "from=2026-11-01&to=2026-11-30") == {}


def test_a_value_outside_the_schema_is_refused_with_a_reason(api: Caller, madeup: MadeUp) -> None:
    answer = correct(api, madeup.ids["farm"], status="confirmed", value={"acres": 3})
    assert (answer.error, "acres" in answer.json["error"]["hint"]) == ((422, "invalid"), True)
    assert report(api)["work.occupation.1"]["confirmed"] == 0


@pytest.mark.parametrize(
    ("userid", "status"),
    [("zhoujun", 200), ("heguan", 200), ("chenxy", 404), ("qinlan", 404)],
)
def test_heads_and_those_above_them_look_at_the_record(
    madeup: MadeUp, address: str, userid: str, status: int
) -> None:
    caller = employee(madeup, address, userid)
    assert (
        caller.get("/rules").status,
        caller.get("/rules/cash.inflow.1").status,
        'href="/rules"' in caller.get("/groups").text,
    ) == (status, status, status == 200)


def test_a_head_sees_the_corrections_of_the_own_branch_alone(
    madeup: MadeUp, address: str, api: Caller
) -> None:
    correct(api, madeup.ids["farm"], status="rejected")
    ours = employee(madeup, address, "zhoujun")
    assert "work.occupation.1" in ours.get("/rules").text
    madeup.write(lambda db: db.run("UPDATE staff SET branch = '城西支行' WHERE userid = 'zhoujun'"))
    pages = ours.get("/rules").text + ours.get("/rules/work.occupation.1").text
    assert ("work.occupation.1</code></a>" in pages, "葡萄" in pages) == (False, False)


def test_the_page_of_a_rule_shows_the_words_and_both_values(
    madeup: MadeUp, head: Caller, api: Caller
) -> None:
    correct(api, madeup.ids["farm"], status="confirmed", value={"area_mu": 40})
    text = head.get("/rules/work.occupation.1").text
    assert ("30亩" in text, "40亩" in text, "我种了三十亩葡萄" in text) == (True, True, True)


def test_the_page_of_a_rule_covers_what_the_viewer_may_not_see(
    madeup: MadeUp, address: str, api: Caller
) -> None:
    correct(api, madeup.ids["other_bank"], status="rejected")
    correct(api, madeup.ids["inflow"], status="rejected")
    officer = employee(madeup, address, "heguan")
    secret = officer.get("/rules/holding.other_bank.1").text
    money = officer.get("/rules/cash.inflow.1").text
    assert ("工商银行" in secret, "敏感信息" in secret, "20万元" in money, "二十万" in money) == (
        False,
        True,
        False,
        False,
    )


def test_without_any_verdict_the_page_says_how_they_come_about(head: Caller) -> None:
    text = head.get("/rules").text
    assert "在客户的台账里点「核实」「否定」" in text


def test_a_rule_that_people_reject_is_proposed_for_mending(madeup: MadeUp, head: Caller) -> None:
    def rejected(db: object) -> None:
        for _ in range(madeup.rules.thresholds.rule_record.verdicts):
            db.run(  # type: ignore[attr-defined]  # a store
                "INSERT INTO verdict (given_on, type, rule, version, reader, confidence, verdict,"
                " branch) VALUES ('2026-12-01', 'interest.hobby', 'interest.hobby.1', '1',"
                " 'rules', 0.9, 'rejected', '城东支行')"
            )

    madeup.write(rejected)
    assert "建议修改" in head.get("/rules").text


def test_D5_a_second_person_agrees_to_an_export_on_the_page(madeup: MadeUp, address: str) -> None:
    exporting.ask(madeup.database, madeup.clock, "zhoujun", "月度规则评分")
    he, head, admin = (employee(madeup, address, who) for who in ("heguan", "zhoujun", "mazy"))
    assert "月度规则评分" in he.get("/rules").text
    assert "导出判断过的话" not in head.get("/rules").text
    path = "/rules/exports/1"
    assert head.post(path, token=head.form_token(), agreed="true").status == 404
    assert he.post(path, token="", agreed="true").status == 403
    madeup.write(lambda db: db.run("UPDATE staff SET role = 'admin' WHERE userid = 'mazy'"))
    tried = admin.post(path, token=admin.form_token(), agreed="true")
    assert (tried.status, "另一位" in tried.text) == (409, True)
    assert he.post(path, token=he.form_token(), agreed="true").status == 303
    page = he.get("/rules").text
    assert ("已批准,还没导出" in page, f'action="{path}"' in page) == (True, False)
