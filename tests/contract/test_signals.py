"""Words of fraud, of who answers, of advice: from what a customer wrote to what is done."""

# the names carry the ids of the compliance rules

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest
from branch_world import build_branch
from test_inbox_worker import WHO, Office, agreed, build, office

import handlers
from bot.actions import AnswerKf, unpack
from bot.clock import FixedClock
from bot.dispatch import collect
from bot.errands.greeting import Greeter
from bot.links import OutLinks
from bot.rulebook import Rulebook
from bot.store import cases, people
from bot.store.db import Database, Db, Row
from bot.vault import Vault
from bot.wecom import WeComClient
from bot.wecom.kf import ServiceState
from bot.wecom.messages import Message

__all__ = ["agreed", "office"]


@dataclass
class CustomerService:
    """The two calls of WeCom that an answer needs."""

    said: list[str] = field(default_factory=list)

    def kf_service_state_get(self, _account: str, _customer: str) -> ServiceState:
        return ServiceState(1, None)

    def kf_send_msg(self, _account: str, _customer: str, _msgid: str, message: Message) -> None:
        self.said.append(message.content["content"])


def answers(office: Office) -> list[str]:
    """What the bot says in customer service to what has come in."""
    wecom = CustomerService()
    links = OutLinks("https://bot.example", office.vault)
    greeter = Greeter(
        office.store, office.vault, office.clock, office.rules, cast("WeComClient", wecom), links
    )
    for row in office.store.read().rows("SELECT kind, payload FROM outbox ORDER BY id"):
        if row["kind"] == "AnswerKf":
            greeter.answer_kf(cast("AnswerKf", unpack(row["kind"], row["payload"])))
    return wecom.said


def open_cases(office: Office, kind: str) -> list[Row]:
    found = office.store.read().rows(
        "SELECT * FROM escalation WHERE kind = :kind AND status = 'open'", kind=kind
    )
    return list(found)


def test_E2_fraud_is_an_urgent_case_with_a_safe_answer_and_no_link(office: Office) -> None:
    office.kf("我被骗了,钱转出去了怎么办")
    office.kf("骗了我两万", minute=1)
    office.work()
    (case,) = open_cases(office, "fraud")
    urgent = office.rules.deadline("fraud", office.clock.now())
    assert case["deadline_at"] == int(urgent.timestamp() * 1000)
    assert office.kinds().count("SendCard") == 1
    (said,) = answers(office)
    assert ("先别转账" in said, office.rules.phrases.links(said)) == (True, set())
    assert open_cases(office, "unanswered") == []


def test_E2_F5_marketing_rests_until_a_named_person_has_closed_the_fraud_case(
    store: Database, vault: Vault, clock: FixedClock, rules: Rulebook
) -> None:
    branch = build_branch(store, vault, clock, rules)
    branch.meet(WHO, birthday=(11, 24))
    branch.plan()
    agreed = build(store, vault, clock, rules, collect(handlers))
    agreed.answer(agreed=True, minute=-60)
    agreed.say("刚才有人冒充你们银行让我报验证码")
    agreed.work()
    branch.send()
    assert branch.decisions(WHO) == [("hold", '["F5"]')]
    case_id = open_cases(agreed, "fraud")[0]["id"]
    agreed.callback(
        "template_card_event",
        EventKey="contacted",
        TaskId=f"case-{case_id}-first",
        ResponseCode="r",
    )
    agreed.work()
    case = cases.case(agreed.store.read(), case_id)
    assert case is not None
    assert (case["status"], case["closed_by"]) == ("closed", "sys")
    branch.settle(16)
    assert branch.statuses() == {WHO: "tasked"}


def test_E2_what_others_say_and_what_is_history_calls_nobody(agreed: Office) -> None:
    agreed.say("我被骗了", minute=-8 * 24 * 60)
    agreed.say("防诈骗讲座几点开始")
    agreed.say("您被骗了吗", sender="lin", to=(WHO,))
    agreed.work()
    assert open_cases(agreed, "fraud") == []


def test_E4_who_asks_for_a_machine_in_customer_service_is_told_the_truth(office: Office) -> None:
    office.kf("你是机器人还是真人")
    office.work()
    (said,) = answers(office)
    assert ("自动应答" in said, "不是真人" in said) == (True, True)
    assert open_cases(office, "unanswered") == []


def test_E4_elsewhere_the_follow_user_gets_the_words(agreed: Office) -> None:
    agreed.say("你是机器人吗")
    agreed.work()
    (told,) = [
        unpack(row["kind"], row["payload"])
        for row in agreed.store.read().rows("SELECT * FROM outbox WHERE kind = 'TellStaff'")
    ]
    assert (told.userid, told.words) == ("lin", "staff_machine_draft")  # type: ignore[union-attr]  # a TellStaff


STAFF = (
    ("lin", "", "zhou"),
    ("zhou", "基金", ""),
    ("wu", "理财", ""),
    ("hao", "", ""),
)


def employ(office: Office, **certificates: str) -> None:
    """Four colleagues of one branch; ``hao`` is its head, ``zhou`` is the deputy of ``lin``."""

    def keep(db: Db) -> None:
        for userid, held, deputy in STAFF:
            people.keep_member(db, {"userid": userid, "name": userid}, 1)
            db.run(
                "UPDATE staff SET certificates = :held, deputy = :deputy, branch = '东山支行',"
                " role = :role WHERE userid = :id",
                held=certificates.get(userid, held),
                deputy=deputy,
                role="head" if userid == "hao" else "manager",
                id=userid,
            )
        db.run("UPDATE customer SET branch = '东山支行'")

    office.store.write(keep)


@pytest.mark.parametrize(
    ("text", "certificates", "adviser"),
    [
        ("基金买哪个好", {"lin": "基金"}, "lin"),
        ("基金买哪个好", {}, "zhou"),
        ("风险测评怎么填能买", {}, "wu"),
        ("黄金还会涨吗", {"wu": "贵金属"}, "wu"),
        ("保险推荐哪款保险好", {}, "hao"),
    ],
)
def test_K12_S4_a_question_for_advice_goes_to_who_may_advise_else_to_the_head(
    agreed: Office, text: str, certificates: dict[str, str], adviser: str
) -> None:
    employ(agreed, **certificates)
    agreed.say(text)
    agreed.work()
    (case,) = open_cases(agreed, "advice")
    assert case["assignee"] == adviser


def test_K12_who_is_off_duty_advises_nobody(agreed: Office) -> None:
    employ(agreed, lin="基金")
    agreed.store.write(lambda db: db.run("UPDATE staff SET active = 0 WHERE userid = 'lin'"))
    agreed.say("基金买哪个好")
    agreed.work()
    assert [case["assignee"] for case in open_cases(agreed, "advice")] == ["zhou"]


def test_K12_customer_service_names_no_product_and_helps_with_no_test(office: Office) -> None:
    employ(office)
    office.kf("风险测评怎么填能买R3的")
    office.work()
    (said,) = answers(office)
    assert ("有资格的工作人员" in said, "不能代答" in said) == (True, True)
    products = office.rules.labels["product"].values()
    assert [each for each in products if each in said] == []
    assert len(open_cases(office, "advice")) == 1
