"""A language model beside the rules in a running bot: nobody waits for it, nothing rests on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from live_branch import LI, Branch
from model_stub import ModelStub, Silent, facts, running_model

from bot.store import sight
from bot.web.corrections import correct_fact

SAID = "你们那个叫号真是绝了,等得我"
COMPLAINT = {"type": "risk.complaint", "value": {"topic": "queue"}, "evidence": "叫号真是绝了"}


@pytest.fixture
def stub() -> Iterator[ModelStub]:
    with running_model() as found:
        yield found


@pytest.fixture
def beside(quiet_branch: Branch, stub: ModelStub) -> Iterator[Branch]:
    """A bot at work that has a model."""
    quiet_branch.bot = quiet_branch.build(qunguan_model_url=stub.url, qunguan_model_name="qwen")
    with ExitStack() as life:
        life.push(quiet_branch.start())
        yield quiet_branch


def test_what_the_model_reads_waits_and_acts_once_a_person_confirms_it(
    beside: Branch, stub: ModelStub
) -> None:
    stub.say(facts(COMPLAINT))
    customer = beside.customer("周小满", LI)
    beside.world.say(customer, SAID, peer=LI)
    beside.until(lambda: beside.facts(customer, "pending"), what="the model's fact")
    beside.settle()
    assert beside.facts(customer, "pending") == {"risk.complaint": {"topic": "queue"}}
    assert (beside.facts(customer), beside.value("SELECT count(*) FROM escalation")) == ({}, 0)
    assert stub.text == SAID
    db = beside.bot.database.read()
    who = sight.viewer(db, LI)
    assert who is not None
    number = beside.value("SELECT id FROM fact WHERE rule = 'model.qwen'")
    assert correct_fact(beside.bot.services, who, number, "confirmed")
    assert [row["kind"] for row in beside.rows("SELECT kind FROM escalation")] == ["complaint"]


def test_while_the_model_is_silent_everything_else_goes_on(beside: Branch, stub: ModelStub) -> None:
    stub.say(Silent())
    customer = beside.customer("周小满", LI)
    for line in ("大额存单现在多少利率?", "我周末都去钓鱼", "我带两个朋友一起来存"):
        beside.world.say(customer, line, peer=LI)
    beside.until(lambda: beside.cards_of(LI), what="a card while the model is silent")
    beside.until(lambda: "referral.offer" in beside.facts(customer), what="the last line read")
    beside.until(lambda: stub.asked, what="the model asked")
    assert len(stub.asked) == 1
    stub.over.set()


def test_without_the_settings_nothing_is_asked(branch: Branch) -> None:
    customer = branch.customer("周小满", LI)
    branch.world.say(customer, SAID, peer=LI)
    branch.settle()
    assert branch.value("SELECT count(*) FROM outbox WHERE kind = 'AskModel'") == 0
