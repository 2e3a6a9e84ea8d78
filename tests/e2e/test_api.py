"""The JSON interface over HTTP: what it tells, whom it lets in, how it refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from caller import Answer, Caller, program
from madeup import MadeUp, Stage
from madeup_town import NOW

from bot.actions import CloseCase
from bot.store import journal

LISTS = ("customers", "groups", "pushes", "escalations", "audit")


@pytest.fixture
def api(address: str) -> Caller:
    return program(address)


def post(api: Caller, path: str, body: object) -> Answer:
    return api.call("POST", path, json=body)


# -- who calls


@pytest.mark.parametrize("name", [f"/api/{each}" for each in LISTS])
def test_without_the_token_nothing_is_told(address: str, name: str) -> None:
    answers = [Caller(address).get(name), program(address, "wrong").get(name)]
    assert [each.error for each in answers] == [(401, "unauthorized")] * 2
    assert answers[0].headers["www-authenticate"] == "Bearer"


def test_without_a_token_in_the_settings_the_interface_is_closed(
    madeup: MadeUp, stage: Stage
) -> None:
    madeup.services = replace(madeup.services, api_token="")
    answer = program(stage.show(madeup), "").get("/api/customers")
    assert answer.error == (403, "closed")
    assert "QUNGUAN_API_TOKEN" in answer.json["error"]["hint"]


def test_what_is_not_there_is_404_and_known_paths_stay_hidden_without_the_token(
    address: str, api: Caller
) -> None:
    assert api.get("/api/nothing").error == (404, "not_found")
    assert Caller(address).get("/api/nothing").error == (401, "unauthorized")


# -- customers


def test_a_customer_is_told_whole(api: Caller) -> None:
    found = api.get("/api/customers/wmWang").json
    assert {key: found[key] for key in list(found)[:7]} == {
        "external_userid": "wmWang",
        "name": "王秀兰",
        "layer": "middle",
        "contact_class": "A",
        "states": ["active", "core"],
        "segments": ["merchant", "promised_inflow", "women"],
        "tags": ["中端", "大额存单"],
    }
    assert [(e["userid"], e["remark"]) for e in found["follow_users"]] == [("chenxy", "王姐")]
    assert [each["name"] for each in found["groups"]] == ["城东邻里群", "东街商户朋友群"]
    assert [
        (e["account_ref"], e["kind"], e["amount"], e["matures_on"]) for e in found["holdings"]
    ] == [("a1", "time_deposit", 80_000, "2026-12-08")]
    assert (
        found["consent"]["marketing"],
        found["consent"]["profiling_sensitive"],
        found["consent"]["refused"],
    ) == (True, True, False)
    assert tuple(
        found["activity"][key] for key in ("messages_7", "days_7", "messages_30", "days_30")
    ) == (12, 4, 42, 14)
    assert found["activity"]["score"] > 0


def test_a_fact_comes_with_the_words_that_prove_it(api: Caller, madeup: MadeUp) -> None:
    facts = {each["id"]: each for each in api.get("/api/customers/wmWang").json["facts"]}
    found = facts[madeup.ids["interest"]]
    assert (
        found["type"],
        found["value"],
        found["confidence"],
        found["status"],
    ) == ("product.interest", {"product": "large_cd"}, 0.92, "current")
    assert (
        found["evidence"]["text"],
        found["evidence"]["start"],
        found["evidence"]["end"],
    ) == ("我想聊聊大额存单", 0, 8)
    assert found["observed_at"] == "2026-12-01T09:31:00+08:00"


def test_the_token_of_the_bank_sees_sums_heard_in_talk(api: Caller, madeup: MadeUp) -> None:
    facts = {each["id"]: each for each in api.get("/api/customers/wmWang").json["facts"]}
    found = facts[madeup.ids["inflow"]]
    assert (
        found["evidence"]["text"],
        "amount" in found["value"],
    ) == ("下旬有一笔二十万的货款到账", True)


def test_the_token_of_the_bank_sees_sensitive_facts_and_their_words(api: Caller) -> None:
    fang = api.get("/api/customers/wmFang").json
    (fact,) = fang["facts"]
    assert (fact["type"], fact["value"]["bank"]) == ("holding.other_bank", "工商银行")
    assert "competitor_maturity" in fang["segments"]
    (case,) = api.get("/api/escalations?kind=competitor_maturity").json["items"]
    assert (case["evidence"]["text"], case["topic"]) == (fact["evidence"]["text"], "工商银行")


def test_customers_are_found_by_name_remark_and_phone(api: Caller, madeup: MadeUp) -> None:
    def found(query: str) -> list[str]:
        items = api.get(f"/api/customers?{query}").json["items"]
        return [each["external_userid"] for each in items]

    hashed = madeup.services.vault.phone_hash("13800000001")
    madeup.write(
        lambda db: db.run(
            "UPDATE customer SET phone_hash = :hash WHERE external_userid = 'wmLi'", hash=hashed
        )
    )
    assert found("q=%E7%A7%80%E5%85%B0") == ["wmWang"]
    assert found("q=%E6%96%B9%E5%A7%90") == ["wmFang"]
    assert found("q=138-0000-0001") == ["wmLi"]
    assert found("layer=high") == ["wmFang", "wmXu"]
    assert found("segment=grower") == ["wmGe"]


@pytest.mark.parametrize("name", LISTS)
def test_pages_of_one_give_the_same_as_one_page_of_all(api: Caller, name: str) -> None:
    whole = api.get(f"/api/{name}?limit=500").json
    items, cursor = [], ""
    while cursor is not None:
        page = api.get(f"/api/{name}?limit=1&cursor={cursor}").json
        items += page["items"]
        cursor = page["next_cursor"]
    assert (whole["items"], None) == (items, whole["next_cursor"])


@pytest.mark.parametrize(
    ("query", "hint"),
    [
        ("customers?limit=0", "query.limit: 不能小于 1"),
        ("customers?limit=many", "query.limit: 应为整数"),
        ("pushes?on=today", "query.on: 应写成 2026-12-01 这样的日期"),
        ("pushes?on=2026-02-30", "请写成 2026-12-01,年份在 2000 到 2099 之间"),
        ("reports/people?to=0001-01-01", "请写成 2026-12-01,年份在 2000 到 2099 之间"),
        ("reports/people?from=2026-12-02&to=2026-12-01", "请把 from 写成不晚于 to 的一天"),
    ],
)
def test_the_hint_says_in_chinese_what_to_write(api: Caller, query: str, hint: str) -> None:
    answer = api.get(f"/api/{query}")
    assert (422, hint) == (answer.status, answer.json["error"]["hint"])


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("limit=0", (422, "invalid")),
        ("limit=501", (422, "invalid")),
        ("limit=many", (422, "invalid")),
        ("cursor=%21%21", (400, "invalid")),
    ],
)
@pytest.mark.parametrize("name", LISTS)
def test_a_request_that_breaks_the_description_is_told_so(
    api: Caller, name: str, query: str, error: tuple[int, str]
) -> None:
    answer = api.get(f"/api/{name}?{query}")
    assert error == answer.error
    assert answer.json["error"]["hint"]


def test_a_cursor_of_another_list_is_refused(api: Caller) -> None:
    cursor = api.get("/api/customers?limit=1").json["next_cursor"]
    assert api.get(f"/api/pushes?cursor={cursor}").error == (400, "invalid")


def test_an_erased_customer_is_not_there(api: Caller, madeup: MadeUp) -> None:
    madeup.write(lambda db: db.run("UPDATE customer SET erased = 1 WHERE external_userid = 'wmLi'"))
    listed = [e["external_userid"] for e in api.get("/api/customers").json["items"]]
    assert api.get("/api/customers/wmLi").error == (404, "not_found")
    assert "wmLi" not in listed


# -- facts


def test_a_fact_can_be_confirmed_with_another_value(api: Caller, madeup: MadeUp) -> None:
    fact = madeup.ids["farm"]
    body = {"status": "confirmed", "value": {"area_mu": 40}}
    answer = post(api, f"/api/facts/{fact}", body)
    assert (
        answer.status,
        answer.json["status"],
        answer.json["value"],
    ) == (200, "confirmed", {"group": "farmer", "trade": "葡萄", "area_mu": 40})


def test_a_rejected_fact_moves_the_customer_out_of_its_segment(api: Caller, madeup: MadeUp) -> None:
    madeup.write(lambda db: db.run("UPDATE customer SET occupation = ''"))
    madeup.refresh("wmGe")
    before = api.get("/api/customers/wmGe").json["segments"]
    post(api, f"/api/facts/{madeup.ids['farm']}", {"status": "rejected"})
    after = api.get("/api/customers/wmGe").json["segments"]
    assert (before, after) == (["grower"], [])


def test_a_correction_is_in_the_journal_and_in_the_trail(api: Caller, madeup: MadeUp) -> None:
    post(api, f"/api/facts/{madeup.ids['farm']}", {"status": "rejected"})
    (line,) = journal.latest(madeup.database.read(), 1)
    (row, *_) = api.get("/api/audit").json["items"]
    assert ("fact_rejected", "wmGe", madeup.ids["farm"]) == (
        line["kind"],
        line["external_userid"],
        line["ref"],
    )
    assert ("api", "fact_rejected", f"fact:{madeup.ids['farm']}") == (
        row["actor"],
        row["act"],
        row["object"],
    )
    assert journal.first_broken_link(madeup.database.read()) is None


@pytest.mark.parametrize(
    "body",
    [
        {"status": "maybe"},
        {},
        {"status": "confirmed", "value": {"date_to": "soon"}},
        {"status": "confirmed", "value": {"amount": "20万"}},
        {"status": "confirmed", "value": {"amount": 200_000}},
        {"status": "confirmed", "more": 1},
    ],
)
def test_a_correction_that_may_not_be_kept_changes_nothing(
    api: Caller, madeup: MadeUp, body: dict[str, object]
) -> None:
    fact = madeup.ids["farm"]
    before = api.get("/api/customers/wmGe").json["facts"]
    assert post(api, f"/api/facts/{fact}", body).error == (422, "invalid")
    assert before == api.get("/api/customers/wmGe").json["facts"]


def test_a_correction_may_not_make_a_fact_sensitive(api: Caller, madeup: MadeUp) -> None:
    body = {"status": "confirmed", "value": {"topic": "health"}}
    madeup.write(
        lambda db: db.run(
            "UPDATE fact SET type = 'interest.concern', value = '{\"topic\": \"tax\"}'"
            " WHERE id = :id",
            id=madeup.ids["farm"],
        )
    )
    assert post(api, f"/api/facts/{madeup.ids['farm']}", body).error == (422, "invalid")


def test_an_unknown_fact_cannot_be_corrected(api: Caller) -> None:
    answer = post(api, "/api/facts/999999", {"status": "rejected"})
    assert answer.error == (404, "not_found")


# -- groups, pushes


def test_a_group_tells_its_members_and_its_health(api: Caller) -> None:
    found = api.get("/api/groups/wrStreet").json
    assert (
        found["name"],
        found["owner"],
        found["member_count"],
        found["customer_count"],
    ) == ("城东邻里群", "liumin", 6, 5)
    assert found["health"] == {"joined": 1, "left": 0, "spoke": 2, "messages": 15}
    assert {"liumin", "wmWang", "wmLi", "wmDeng", "wmSun", "wmXu"} == {
        each["id"] for each in found["members"]
    }
    assert api.get("/api/groups/wrNone").error == (404, "not_found")


def test_a_push_tells_its_words_its_task_and_its_reasons(api: Caller) -> None:
    items = api.get("/api/pushes").json["items"]
    pushes = {each["external_userid"]: each for each in items}
    assert tuple(pushes["wmSun"][key] for key in ("rules", "text", "task", "status")) == (
        ["G2", "G4"],
        None,
        None,
        "dropped",
    )
    assert (
        pushes["wmWang"]["task"]["status"],
        pushes["wmWang"]["task"]["wecom_msgid"],
    ) == ("accepted", "msg-wmWang")
    assert pushes["wmWang"]["text"].startswith("王姐")
    assert pushes["wmLi"]["confirmed_at"] == "2026-12-01T09:20:00+08:00"


@pytest.mark.parametrize(
    ("query", "customers"),
    [
        ("status=held", ["wmChen"]),
        ("campaign=maturity", ["wmLi"]),
        ("external_userid=wmWang", ["wmWang"]),
        ("on=2026-12-02", []),
        ("on=2026-12-01&status=tasked", ["wmWang"]),
    ],
)
def test_pushes_can_be_asked_for(api: Caller, query: str, customers: list[str]) -> None:
    items = api.get(f"/api/pushes?{query}").json["items"]
    assert customers == [each["external_userid"] for each in items]


# -- cases


def test_a_case_tells_why_and_what_happened(api: Caller) -> None:
    items = api.get("/api/escalations?status=open").json["items"]
    (case,) = [each for each in items if each["kind"] == "complaint"]
    assert (
        case["topic"],
        case["external_userid"],
        case["chat_id"],
        case["assignee"],
        case["evidence"]["text"],
    ) == ("queue", "wmLi", "wrStreet", "chenxy", "昨天排队排了两小时")
    assert [each["step"] for each in case["history"]] == ["opened", "card sent", "raised"]


def test_an_outcome_closes_a_case_once(api: Caller, madeup: MadeUp) -> None:
    case = madeup.ids["case interest"]
    first = post(api, f"/api/escalations/{case}", {"outcome": "sold", "note": "办了三年期"})
    second = post(api, f"/api/escalations/{case}", {"outcome": "later"})
    assert tuple(first.json[key] for key in ("status", "outcome", "note")) == (
        "closed",
        "sold",
        "办了三年期",
    )
    assert second.error == (409, "conflict")
    assert [CloseCase(case, "sold", "api", note="办了三年期")] == madeup.acted  # type: ignore[arg-type]  # a plain id will do in a test


def test_later_leaves_a_case_open_with_another_deadline(api: Caller, madeup: MadeUp) -> None:
    case = madeup.ids["case interest"]
    answer = post(api, f"/api/escalations/{case}", {"outcome": "later", "note": "下周再说"})
    assert (
        answer.json["status"],
        answer.json["deadline"],
        [each["step"] for each in answer.json["history"]][-2:],
    ) == ("open", "2026-12-02T17:00:00+08:00", ["later", "noted"])


def test_an_unknown_outcome_is_refused(api: Caller, madeup: MadeUp) -> None:
    case = madeup.ids["case interest"]
    answer = post(api, f"/api/escalations/{case}", {"outcome": "happy"})
    assert (answer.error, madeup.acted) == ((422, "invalid"), [])


# -- the rest


def test_reports_count_a_span_of_days(api: Caller) -> None:
    rows = api.get("/api/reports/pushes?from=2026-12-01&to=2026-12-01").json["rows"]
    birthday = next(each for each in rows if each["campaign"] == "birthday")
    assert tuple(birthday[key] for key in ("planned", "tasked", "held", "dropped")) == (5, 1, 1, 2)
    before = api.get("/api/reports/pushes?from=2026-11-01&to=2026-11-30").json
    assert ((before["first"], before["last"]), before["rows"]) == (("2026-11-01", "2026-11-30"), [])


@pytest.mark.parametrize("name", ["pushes", "cases", "groups", "consents", "facts"])
def test_every_report_answers(api: Caller, name: str) -> None:
    answer = api.get(f"/api/reports/{name}")
    assert (200, name, NOW.date().isoformat()) == (
        answer.status,
        answer.json["name"],
        answer.json["last"],
    )
    assert answer.json["rows"]


def test_a_day_that_does_not_exist_is_refused(api: Caller) -> None:
    assert api.get("/api/reports/pushes?from=2026-02-30").error == (422, "invalid")


def test_the_description_and_its_page_need_nobody_elses_server(address: str) -> None:
    described = Caller(address).get("/openapi.json").json
    page = Caller(address).get("/docs").text
    assert all(path.replace("{", "{") in page for path in described["paths"])
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


def test_a_body_over_one_mebibyte_is_refused(api: Caller, madeup: MadeUp) -> None:
    body = {"status": "confirmed", "value": {"trade": "x" * (1 << 20)}}
    assert post(api, f"/api/facts/{madeup.ids['farm']}", body).error == (413, "too_large")


def test_errors_never_repeat_what_was_sent(api: Caller, madeup: MadeUp) -> None:
    secret = "13800000001"
    answer = post(api, f"/api/facts/{madeup.ids['farm']}", {"status": secret})
    assert secret not in answer.text
    broken = api.call(
        "POST",
        f"/api/facts/{madeup.ids['farm']}",
        body=json.dumps(secret)[:-1],
        headers={"content-type": "application/json"},
    )
    assert (broken.error, secret in broken.text) == ((422, "invalid"), False)


def test_metrics_are_served(address: str) -> None:
    answer = Caller(address).get("/metrics")
    assert (answer.status, answer.text) == (200, "qunguan_up 1\n")
