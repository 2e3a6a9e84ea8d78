"""An interest that is no longer a fact is no longer a tag, whoever took it back."""

from __future__ import annotations

from live_branch import LI, Branch

from bot.store import ledger

QUESTION = "大额存单现在多少利率?"
TAG = "大额存单"


def asked(branch: Branch) -> tuple[str, str]:
    """A friend who asked about a product, and the message; the tag is there."""
    customer = branch.customer("周小满", LI)
    branch.settle()
    msgid = branch.world.say(customer, QUESTION, peer=LI)
    branch.settle()
    assert TAG in branch.tags(LI, customer)
    return customer, msgid


def test_a_recalled_question_takes_its_tag_along(branch: Branch) -> None:
    customer, msgid = asked(branch)
    branch.world.recall(msgid)
    branch.settle()
    assert TAG not in branch.tags(LI, customer)


def test_an_interest_that_a_person_rejected_loses_its_tag(branch: Branch) -> None:
    customer, _ = asked(branch)
    fact = branch.value("SELECT id FROM fact WHERE external_userid = :id", id=customer)
    branch.bot.database.write(lambda db: ledger.correct(db, fact, "rejected", LI))
    branch.bot.refresh_customer(customer)
    branch.settle()
    assert TAG not in branch.tags(LI, customer)


def test_a_refusal_right_after_a_pasted_text_is_heard(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    branch.settle()
    branch.world.say(customer, "好" * 20_000, peer=LI)
    branch.world.say(customer, "别再给我发消息了", peer=LI)
    branch.settle()
    assert "consent.opt_out" in branch.facts(customer)
