"""What a person finds in a customer's words and no rule read: shown, checked, kept, undone."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from caller import Answer, Caller, employee, program
from live_branch import LI, Branch
from madeup import MadeUp
from madeup_town import at

from bot.clock import SHANGHAI
from bot.facts import FactType
from bot.model import ArchivedMessage, ChatId, MsgId, OpenKfId
from bot.store import people, sight, talk
from bot.store.db import Row
from bot.web.adding import add_fact

SAID = "我家老二今年中考,打13800000001找我"
MSGID = "m-wmWang/said+1="


@pytest.fixture
def said(madeup: MadeUp) -> str:
    """A message of wmWang's that no rule read; its path."""
    say(madeup, MSGID, SAID)
    return f"/talk/{MSGID}"


def say(
    madeup: MadeUp,
    msgid: str,
    text: str,
    *,
    who: str = "wmWang",
    staff: str = "",
    **more: Any,
) -> None:
    sent = datetime.fromtimestamp(at(10, 5) / 1000, SHANGHAI)
    chat = ChatId("" if staff or more.get("open_kfid") else "wrStreet")
    receivers = (staff,) if staff else ()
    one = ArchivedMessage(MsgId(msgid), 7, who, receivers, chat, sent, "text", text, **more)
    vault = madeup.services.vault
    madeup.write(lambda db: talk.keep_message(db, vault, one, talk.conversation_of(one), "read"))


def add(caller: Caller, path: str, kind: str, words: str, **value: str) -> Answer:
    fields = [("token", caller.form_token()), ("type", kind), ("evidence", words)]
    for name, text in value.items():
        fields += [("name", name), ("given", text)]
    return caller.call("POST", path, fields=fields, encode_multipart=False)


def facts(madeup: MadeUp, rule: str = "person") -> list[Row]:
    return madeup.database.read().rows("SELECT * FROM fact WHERE rule = :rule", rule=rule)


# -- the form


def test_a_follow_user_adds_what_no_rule_read(madeup: MadeUp, manager: Caller, said: str) -> None:
    assert "从这句补记" in manager.get("/customers/wmWang/talk").text
    form = manager.get(f"{said}?type=family.children").text
    assert ("中考" in form, "阶段" in form, "13800000001" in form) == (True, True, False)
    answer = add(manager, said, "family.children", "我家老二今年中考", stage="middle", exam="")
    assert (answer.status, answer.headers["location"]) == (303, "/customers/wmWang#ledger")
    (row,) = facts(madeup)
    assert (row["status"], row["decided_by"], row["class"], row["confidence"]) == (
        "confirmed",
        "chenxy",
        "sensitive",
        1.0,
    )
    assert (json.loads(row["value"]), row["start"], row["end"]) == ({"stage": "middle"}, 0, 8)
    assert [(number, fact.evidence.text) for number, fact in madeup.heard] == [
        (row["id"], "我家老二今年中考")
    ]
    page = manager.get("/customers/wmWang").text
    assert ("员工补记" in page, "撤销" in page) == (True, True)


def test_an_addition_is_an_example_and_in_the_trail(
    madeup: MadeUp, manager: Caller, said: str, address: str
) -> None:
    add(manager, said, "family.children", "我家老二今年中考", stage="middle")
    read = madeup.database.read()
    (row,) = read.rows("SELECT * FROM verdict")
    assert (row["verdict"], row["reader"], row["by"], row["msgid"], row["stated"]) == (
        "added",
        "person",
        "chenxy",
        MSGID,
        '{"stage": "middle"}',
    )
    found = read.one("SELECT * FROM audit ORDER BY id DESC LIMIT 1")
    assert found is not None
    assert (found["actor"], found["act"]) == ("chenxy", "fact_added")
    rows = program(address).get("/api/reports/rules").json["rows"]
    assert [each["added"] for each in rows if each["reader"] == "person"] == [1]
    head = employee(madeup, address, "zhoujun")
    assert "子女：1 条" in head.get("/rules").text
    assert "补记了" in head.get("/").text


def test_an_addition_can_be_undone(madeup: MadeUp, manager: Caller, said: str) -> None:
    add(manager, said, "family.children", "我家老二今年中考", stage="middle")
    (row,) = facts(madeup)
    manager.post(f"/facts/{row['id']}", token=manager.form_token(), status="rejected")
    (row,) = facts(madeup)
    assert row["status"] == "rejected"
    latest = madeup.database.read().rows("SELECT verdict FROM verdict WHERE latest = 1")
    assert [each["verdict"] for each in latest] == ["rejected"]


@pytest.mark.parametrize(
    ("kind", "words", "value", "told"),
    [
        ("interest.hobby", "我家老二今年中考", {}, "至少要写明 「名称」"),
        ("family.children", "老二要中考", {"stage": "middle"}, "一字不差"),
        ("family.children", " ", {"stage": "middle"}, "摘出作为依据"),
        ("family.children", "我家老二今年中考", {"age": "十四"}, "「岁数」应当是数字"),
        ("family.children", "我家老二今年中考", {"age": "140"}, "「岁数」 应当是 0 到 80"),
        ("cash.inflow", "我家老二", {"amount": "-3万"}, "「金额(元)」不是金额"),
        ("cash.inflow", "我家老二", {"source": "化疗报销"}, "「来源」 含有不得登记的内容"),
        (
            "cash.inflow",
            "我家老二",
            {"date_from": "2026-12-09", "date_to": "2026-12-01"},
            "「从哪天」 不能晚于 「到哪天」",
        ),
    ],
)
def test_a_form_that_does_not_do_says_why_and_keeps_what_was_written(
    madeup: MadeUp,
    manager: Caller,
    said: str,
    kind: str,
    words: str,
    value: dict[str, str],
    told: str,
) -> None:
    answer = add(manager, said, kind, words, **value)
    assert (answer.status, told in answer.text) == (422, True)
    assert all(f'value="{each}"' in answer.text for each in value.values())
    assert facts(madeup) == []


def test_amounts_may_be_written_as_people_write_them(
    madeup: MadeUp, manager: Caller, said: str
) -> None:
    add(manager, said, "cash.inflow", "我家老二", amount="12万", source="货款")
    (row,) = facts(madeup)
    assert (row["amount"], json.loads(row["value"])["source"]) == (120_000, "货款")


def test_long_numbers_are_covered_and_the_evidence_keeps_its_place(
    madeup: MadeUp, manager: Caller, said: str
) -> None:
    form = manager.get(f"{said}?type=contact.request").text
    assert "打●●●●●●●●●●●找我" in form
    add(manager, said, "contact.request", "打●●●●●●●●●●●找我", channel="call")
    (row,) = facts(madeup)
    assert SAID[row["start"] : row["end"]] == "打13800000001找我"
    page = manager.get("/customers/wmWang").text
    assert ("打●●●●●●●●●●●找我" in page, "13800000001" in page) == (True, False)


def test_the_same_thing_is_not_added_twice(madeup: MadeUp, manager: Caller, said: str) -> None:
    for _ in range(2):
        answer = add(manager, said, "family.children", "我家老二今年中考", stage="middle")
    assert (answer.status, "已经有一条" in answer.text, len(facts(madeup))) == (422, True, 1)


# -- consent


def test_C2_what_is_sensitive_is_not_added_without_its_consent(
    madeup: MadeUp, manager: Caller
) -> None:
    say(madeup, "m-li", "我家孙女今年中考", who="wmLi")
    for kind, value, told in (
        ("family.children", {"stage": "middle"}, "没有单独同意保存敏感信息"),
        ("cash.inflow", {"amount": "100"}, "请把金额留空"),
    ):
        answer = add(manager, "/talk/m-li", kind, "今年中考", **value)
        assert (answer.status, told in answer.text) == (422, True)
    assert (
        add(manager, "/talk/m-li", "family.children", "今年中考", stage="university").status == 303
    )


def test_C1_nobody_registers_consent_for_a_customer(
    madeup: MadeUp, manager: Caller, said: str
) -> None:
    assert 'value="consent.opt_in"' not in manager.get(said).text
    assert add(manager, said, "consent.opt_in", "打", scope="marketing").status == 404
    assert facts(madeup) == []


def test_customer_service_without_profiling_consent_gives_only_requests(
    madeup: MadeUp, manager: Caller
) -> None:
    say(madeup, "m-kf", "我姓王爱钓鱼,给我打电话", open_kfid=OpenKfId("wkDesk"))
    hobby = add(manager, "/talk/m-kf", "interest.hobby", "爱钓鱼", name="钓鱼")
    assert (hobby.status, "没有同意画像" in hobby.text) == (422, True)
    call = add(manager, "/talk/m-kf", "contact.request", "给我打电话", channel="call")
    assert call.status == 303


def test_a_quoted_line_is_not_the_customers_own(madeup: MadeUp, manager: Caller) -> None:
    say(madeup, "m-quoted", "「我爱钓鱼」 是的", quoted=((0, 6),))
    answer = add(manager, "/talk/m-quoted", "interest.hobby", "爱钓鱼", name="钓鱼")
    assert (answer.status, "引用或转发" in answer.text) == (422, True)


@pytest.mark.parametrize("state", ["refused", "recalled", "sealed", "unread"])
def test_T1_what_may_not_be_read_is_not_shown(
    madeup: MadeUp, manager: Caller, said: str, state: str
) -> None:
    madeup.write(
        lambda db: db.run("UPDATE message SET state = :s WHERE msgid = :id", s=state, id=MSGID)
    )
    assert "中考" not in manager.get("/customers/wmWang/talk").text
    assert (manager.get(said).status, add(manager, said, "family.children", "中考").status) == (
        404,
        404,
    )


# -- who


@pytest.mark.parametrize(
    ("userid", "status"),
    [("chenxy", 200), ("zhoujun", 200), ("liumin", 404), ("heguan", 404), ("qinlan", 404)],
)
def test_D5_follow_users_and_the_head_alone_read_what_was_said(
    madeup: MadeUp, address: str, said: str, userid: str, status: int
) -> None:
    caller = employee(madeup, address, userid)
    assert (caller.get("/customers/wmWang/talk").status, caller.get(said).status) == (
        status,
        status,
    )
    added = add(caller, said, "family.children", "我家老二今年中考", stage="middle")
    assert added.status == (303 if status == 200 else 404)


def test_D5_a_colleagues_private_talk_is_for_the_colleague_and_the_head(
    madeup: MadeUp, address: str, manager: Caller
) -> None:
    say(madeup, "m-private", "我想换个经理", staff="mazy")
    say(madeup, "m-mine", "您好陈经理", staff="chenxy")
    head = employee(madeup, address, "zhoujun")
    pages = [caller.get("/customers/wmWang/talk").text for caller in (manager, head)]
    assert [("我想换个经理" in page, "您好陈经理" in page) for page in pages] == [
        (False, True),
        (True, True),
    ]
    assert (manager.get("/talk/m-private").status, head.get("/talk/m-private").status) == (404, 200)


def test_a_form_of_another_session_adds_nothing(
    madeup: MadeUp, manager: Caller, head: Caller, said: str
) -> None:
    fields = [("token", head.form_token()), ("type", "family.children"), ("evidence", "中考")]
    assert manager.call("POST", said, fields=fields, encode_multipart=False).status == 403
    assert facts(madeup) == []


def test_older_talk_is_on_the_next_page(manager: Caller) -> None:
    first = manager.get("/customers/wmWang/talk").text
    (older,) = {part.split('"')[0] for part in first.split("/talk?before=")[1:]}
    second = manager.get(f"/customers/wmWang/talk?before={older}").text
    assert (first.count("从这句补记"), "今天菜价还行" in second) == (30, True)


def test_without_any_talk_the_page_says_why(madeup: MadeUp, address: str) -> None:
    friend = employee(madeup, address, "mazy")
    assert "没有可以看的话" in friend.get("/customers/wmChen/talk").text


# -- putting right


def test_a_fact_is_put_right_in_the_console(madeup: MadeUp, manager: Caller) -> None:
    number = madeup.ids["inflow"]
    assert 'value="200000"' in manager.get(f"/facts/{number}").text
    fields = [("token", manager.form_token()), ("status", "confirmed")]
    for name, text in (("amount", "30万"), ("date_from", "2026-12-21"), ("date_to", "")):
        fields += [("name", name), ("given", text)]
    answer = manager.call("POST", f"/facts/{number}", fields=fields, encode_multipart=False)
    row = madeup.database.read().one("SELECT * FROM fact WHERE id = :id", id=number)
    assert row is not None
    assert (answer.status, row["status"], json.loads(row["value"])) == (
        303,
        "confirmed",
        {"amount": 300_000, "date_from": "2026-12-21", "source": "货款"},
    )
    (verdict,) = madeup.database.read().rows("SELECT verdict, given FROM verdict")
    assert (verdict["verdict"], json.loads(verdict["given"])["amount"]) == ("changed", 200_000)


def test_who_may_not_see_sums_puts_the_rest_right_and_leaves_them_alone(
    madeup: MadeUp, address: str
) -> None:
    number, officer = madeup.ids["inflow"], employee(madeup, address, "heguan")
    page = officer.get(f"/facts/{number}").text
    assert ("200000" in page, 'value="amount"' in page) == (False, False)
    fields = [("token", officer.form_token()), ("status", "confirmed")]
    fields += [("name", "source"), ("given", "工资")]
    forged = [*fields, ("name", "amount"), ("given", "1")]
    answers = [
        officer.call("POST", f"/facts/{number}", fields=each, encode_multipart=False)
        for each in (forged, fields)
    ]
    assert [each.status for each in answers] == [422, 303]
    row = madeup.database.read().one("SELECT value FROM fact WHERE id = :id", id=number)
    assert row is not None
    value = json.loads(row["value"])
    assert (value["source"], value["amount"]) == ("工资", 200_000)


def test_what_waited_acts_once_a_person_confirms_it(madeup: MadeUp, manager: Caller) -> None:
    token, number = manager.form_token(), madeup.ids["maybe"]
    manager.post(f"/facts/{number}", token=token, status="rejected")
    assert madeup.heard == []
    madeup.write(lambda db: db.run("UPDATE fact SET status = 'pending' WHERE id = :i", i=number))
    manager.post(f"/facts/{number}", token=token, status="confirmed")
    manager.post(f"/facts/{madeup.ids['interest']}", token=token, status="confirmed")
    assert [each for each, _ in madeup.heard] == [number]


# -- in a running bot


def test_an_added_complaint_opens_its_case_and_an_added_refusal_stops_sending(
    branch: Branch,
) -> None:
    customer = branch.customer("周小满", LI)
    branch.world.say(customer, "你们那个叫号真是绝了", peer=LI)
    branch.settle()
    bot = branch.bot
    who = sight.viewer(bot.database.read(), LI)
    assert who is not None
    msgid = branch.value("SELECT msgid FROM message WHERE state = 'read'")
    for kind, value in (
        (FactType.COMPLAINT, {"topic": "queue"}),
        (FactType.OPT_OUT, {"scope": "marketing"}),
    ):
        assert add_fact(bot.services, who, msgid, kind, value, "真是绝了") == customer
    branch.settle()
    assert [row["kind"] for row in branch.rows("SELECT kind FROM escalation")] == ["complaint"]
    row = people.customer(bot.database.read(), customer)
    assert row is not None
    assert row["refused"] == 1
