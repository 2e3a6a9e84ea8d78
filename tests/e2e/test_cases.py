"""When a person must act: the card, the press, the deadline."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from live_branch import HEAD, LI, PROFILES, ZHAO, Branch

pytestmark = PROFILES

QUESTION = "大额存单现在多少利率?"


def words(card: object) -> str:
    return json.dumps(card, ensure_ascii=False)


def test_a_large_cd_question_becomes_a_card_with_the_evidence_and_is_closed_by_a_press(
    branch: Branch,
) -> None:
    customer = branch.customer("周小满", LI)
    branch.world.edit_by_hand(LI, customer, remark="周姐")
    chat_id = branch.group(ZHAO, customer)
    branch.settle()
    branch.world.say(customer, QUESTION, chat_id=chat_id)
    branch.settle()
    (card,) = branch.cards_of(LI)
    assert "周姐" in words(card)
    assert "大额存单" in words(card)
    assert "城东客户群" in words(card)
    keys = [one["key"] for one in card["body"]["button_list"]]
    assert keys == ["contacted", "later", "not_needed"]
    branch.world.press_card(LI, card["task_id"], "contacted")
    branch.settle()
    (case,) = branch.rows("SELECT * FROM escalation")
    assert (case["kind"], case["topic"]) == ("interest", "large_cd")
    assert (case["status"], case["outcome"], case["closed_by"]) == ("closed", "contacted", LI)
    (card,) = branch.cards_of(LI)
    assert card["closed"] == "已联系"


def test_the_same_question_within_its_quiet_days_opens_no_second_case(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    branch.settle()
    branch.world.say(customer, QUESTION, peer=LI)
    branch.settle()
    branch.later(days=1)
    branch.world.say(customer, QUESTION, peer=LI)
    branch.settle()
    assert branch.value("SELECT count(*) FROM escalation WHERE kind = 'interest'") == 1
    assert len([card for card in branch.cards_of(LI) if "first" in card["task_id"]]) == 1


def test_a_second_press_changes_nothing(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    branch.settle()
    branch.world.say(customer, QUESTION, peer=LI)
    branch.settle()
    (card,) = branch.cards_of(LI)
    branch.sandbox.faults.add("app/template_card_event*", "duplicate", count=1)
    branch.world.press_card(LI, card["task_id"], "not_needed")
    branch.settle()
    (case,) = branch.rows("SELECT outcome FROM escalation")
    assert case["outcome"] == "not_needed"
    closed = branch.value("SELECT count(*) FROM journal WHERE kind = 'case_closed'")
    assert closed == 1


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("排队排了两个小时", "complaint"),
        ("我要把钱都转走", "churn"),
        ("下个月有一笔30万货款回来", "inflow"),
    ],
)
def test_a_signal_in_talk_calls_its_person(branch: Branch, text: str, kind: str) -> None:
    customer = branch.customer("周小满", LI)
    chat_id = branch.group(ZHAO, customer)
    branch.settle()
    branch.world.say(customer, text, chat_id=chat_id)
    branch.settle()
    assert kind in [row["kind"] for row in branch.rows("SELECT kind FROM escalation")]
    assert any(text[:4] in words(card) for card in branch.cards_of(LI))


def test_a_group_only_customers_case_goes_to_the_groups_owner(branch: Branch) -> None:
    customer = branch.customer("周小满")
    chat_id = branch.group(ZHAO, customer)
    branch.settle()
    branch.world.say(customer, QUESTION, chat_id=chat_id)
    branch.settle()
    assert len(branch.cards_of(ZHAO)) == 1
    assert branch.cards_of(LI) == []


def test_a_member_who_speaks_enough_is_shown_once(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    chat_id = branch.group(ZHAO, customer)
    branch.settle()
    for _ in range(3):
        for text in ("早上好", "今天天气不错"):
            branch.world.say(customer, text, chat_id=chat_id)
        branch.settle()
        branch.later(days=1)
    branch.world.say(customer, "下午好", chat_id=chat_id)
    branch.settle()
    assert [row["kind"] for row in branch.rows("SELECT kind FROM escalation")] == ["active"]
    first = [card for card in branch.cards_of(LI) if card["task_id"].endswith("first")]
    assert len(first) == 1


def test_a_case_that_nobody_dealt_with_is_told_to_the_head_once(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    branch.settle()
    branch.world.say(customer, QUESTION, peer=LI)
    branch.settle()
    assert branch.cards_of(HEAD) == []
    branch.later(hours=1, minutes=50)
    branch.settle()
    assert branch.cards_of(HEAD) == []
    branch.later(minutes=15)
    branch.until(lambda: branch.cards_of(HEAD), what="the head was told")
    branch.later(minutes=30)
    rung = "SELECT count(*) FROM ring WHERE job = 'case_deadlines'"
    before = branch.value(rung)
    branch.later(minutes=1)
    branch.until(lambda: branch.value(rung) > before, what="another look")
    branch.settle()
    (card,) = branch.cards_of(HEAD)
    assert "大额存单" in words(card)
    assert branch.value("SELECT count(*) FROM journal WHERE kind = 'case_overdue'") == 1


def test_the_deadline_counts_branch_hours_only(branch: Branch) -> None:
    branch.clock.move_to(branch.clock.now() + timedelta(hours=7, minutes=30))  # 16:30
    customer = branch.customer("周小满", LI)
    branch.settle()
    branch.world.say(customer, QUESTION, peer=LI)
    branch.settle()
    (case,) = branch.rows("SELECT opened_at, deadline_at FROM escalation")
    # Half an hour is left of Tuesday; the other 90 minutes are Wednesday's first.
    assert timedelta(milliseconds=case["deadline_at"] - case["opened_at"]) == timedelta(hours=18)
