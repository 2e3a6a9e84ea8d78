"""WeChat customer service, the one place where the bot answers customers by itself."""

from __future__ import annotations

from live_branch import KFID, LI, PROFILES, Branch

pytestmark = PROFILES

STOP = "别再给我发广告了"


def answers_to(branch: Branch, customer: str) -> list[str]:
    return [one["text"] for one in branch.world.delivered(channel="kf", external_userid=customer)]


def visitor(branch: Branch) -> str:
    """Somebody who has opened the chat and was greeted."""
    customer = str(branch.world.add_customer("周小满"))
    branch.world.kf_enter(customer, KFID)
    branch.settle()
    assert len(answers_to(branch, customer)) == 1
    return customer


def test_a_refusal_is_answered_with_one_fixed_sentence_and_kept(branch: Branch) -> None:
    customer = visitor(branch)
    branch.world.kf_say(customer, KFID, STOP)
    branch.settle()
    (_, answer) = answers_to(branch, customer)
    assert "不再给您发" in answer
    row = branch.rows(
        "SELECT refused, marketing_ok FROM customer WHERE external_userid = :id", id=customer
    )[0]
    assert (row["refused"], row["marketing_ok"]) == (1, 0)
    assert (
        branch.value("SELECT channel FROM consent WHERE external_userid = :id", id=customer) == "kf"
    )


def test_a_complaint_is_answered_and_becomes_a_case(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    branch.settle()
    branch.world.kf_enter(customer, KFID)
    branch.world.kf_say(customer, KFID, "排队排了两个小时")
    branch.settle()
    assert "给您添麻烦了" in answers_to(branch, customer)[-1]
    assert branch.value("SELECT kind FROM escalation") == "complaint"


def test_a_session_that_a_person_has_is_left_to_the_person(branch: Branch) -> None:
    customer = visitor(branch)
    branch.world.kf_servicer_say(LI, customer, KFID, "您好,我来帮您看")
    session = branch.world.kf_session(KFID, customer)
    session.state, session.servicer = 3, LI
    branch.settle()
    branch.world.kf_say(customer, KFID, STOP)
    branch.settle()
    assert len(answers_to(branch, customer)) == 1
    # Silence towards the customer is not deafness: the refusal counts all the same.
    assert (
        branch.value("SELECT refused FROM customer WHERE external_userid = :id", id=customer) == 1
    )


def test_small_talk_gets_no_made_up_answer(branch: Branch) -> None:
    customer = visitor(branch)
    branch.world.kf_say(customer, KFID, "今天天气不错")
    branch.settle()
    assert len(answers_to(branch, customer)) == 1


def test_talk_in_customer_service_teaches_only_what_the_customer_wants_of_us(
    branch: Branch,
) -> None:
    customer = visitor(branch)
    branch.world.kf_say(customer, KFID, "我是开超市的")
    branch.world.kf_say(customer, KFID, STOP)
    branch.settle()
    assert list(branch.facts(customer)) == ["consent.opt_out"]


def test_a_customer_who_blocked_the_account_breaks_nothing(branch: Branch) -> None:
    customer = visitor(branch)
    branch.world.kf_refuse(customer)
    branch.world.kf_say(customer, KFID, STOP)
    branch.settle()
    assert len(answers_to(branch, customer)) == 1
    assert branch.value("SELECT count(*) FROM journal WHERE kind = 'kf_send_failed'") == 1
    assert branch.bot.inbox.depth() == (0, 0)


def test_what_was_said_while_nobody_called_back_is_read_with_the_next_callback(
    branch: Branch,
) -> None:
    customer = visitor(branch)
    branch.sandbox.faults.add("kf/*", "drop", count=1)
    branch.world.kf_say(customer, KFID, STOP)
    branch.world.kf_say(customer, KFID, "你好")
    branch.settle()
    assert (
        branch.value("SELECT refused FROM customer WHERE external_userid = :id", id=customer) == 1
    )
    assert len(answers_to(branch, customer)) == 2
