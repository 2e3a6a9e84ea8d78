"""What the language model is asked about, in which words, and what becomes of its answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from madeup import MadeUp
from madeup_town import NOW, at
from model_stub import ModelStub, Said, facts, running_model

from bot import outbox
from bot.actions import AskModel
from bot.clock import SHANGHAI
from bot.errands.asking import Asker
from bot.errors import Retry
from bot.facts import Evidence, Fact, FactType
from bot.listening import Listener
from bot.model import ArchivedMessage, ChatId, ExternalUserId, MsgId, OpenKfId
from bot.modelreader import ModelReader
from bot.store import journal, ledger, talk
from bot.store.db import Db, Row

ROOT = Path(__file__).parents[2]
TEXT = "我是王秀兰,打13800000001,周末去钓鱼,我女儿上初中"
HOBBY = {"type": "interest.hobby", "value": {"name": "钓鱼"}, "evidence": "周末去钓鱼"}
CHILD = {"type": "family.children", "value": {"stage": "middle"}, "evidence": "女儿上初中"}


@pytest.fixture(scope="module")
def server() -> Iterator[ModelStub]:
    with running_model() as stub:
        yield stub


@pytest.fixture
def stub(server: ModelStub) -> ModelStub:
    server.say(facts(HOBBY, CHILD))
    server.asked.clear()
    return server


@pytest.fixture
def asker(madeup: MadeUp, stub: ModelStub) -> Iterator[Asker]:
    services = madeup.services
    limits = replace(madeup.rules.thresholds.model, calls_a_minute=6000)
    model = ModelReader.load(ROOT / "config", stub.url, "qwen", "", limits)
    listener = Listener(services.vault, lambda _speech: [], madeup.rules, second_reader=True)
    yield Asker(services.database, services.vault, services.clock, listener, model, 100)
    model.close()


def say(madeup: MadeUp, msgid: str = "m-new", text: str = TEXT, **more: Any) -> str:
    sent = datetime.fromtimestamp(at(10, 15) / 1000, SHANGHAI)
    who = more.pop("who", "wmWang")
    chat = ChatId("" if more.get("open_kfid") else "wrStreet")
    one = ArchivedMessage(MsgId(msgid), 9, who, (), chat, sent, "text", text, **more)
    vault = madeup.services.vault
    madeup.write(lambda db: talk.keep_message(db, vault, one, talk.conversation_of(one), "read"))
    return msgid


def ask(asker: Asker, msgid: str, meanwhile: Callable[[Db], None] = lambda _db: None) -> None:
    """Perform the errand as the outbox does."""
    effect = asker.ask(AskModel(msgid))
    asker.database.write(meanwhile)
    if effect is not None:
        asker.database.write(effect)


def found(madeup: MadeUp, msgid: str = "m-new") -> list[Row]:
    return madeup.database.read().rows(
        "SELECT * FROM fact WHERE msgid = :id AND rule LIKE 'model.%' ORDER BY id", id=msgid
    )


# -- what comes back


def test_what_the_model_says_waits_for_a_person_and_acts_on_nothing(
    madeup: MadeUp, asker: Asker
) -> None:
    before = madeup.database.read().value("SELECT count(*) FROM escalation")
    ask(asker, say(madeup))
    rows = found(madeup)
    assert [(row["type"], row["status"], row["rule"], row["confidence"]) for row in rows] == [
        ("interest.hobby", "pending", "model.qwen", 0.5),
        ("family.children", "pending", "model.qwen", 0.5),
    ]
    words = madeup.services.vault.open_text(rows[0]["words_sealed"])
    assert (words, TEXT[rows[0]["start"] : rows[0]["end"]]) == ("周末去钓鱼", "周末去钓鱼")
    kinds = [line["kind"] for line in journal.latest(madeup.database.read(), 2)]
    assert kinds == ["fact_pending"] * 2
    assert before == madeup.database.read().value("SELECT count(*) FROM escalation")


def test_facts_that_the_line_has_given_already_are_not_doubled(
    madeup: MadeUp, asker: Asker, stub: ModelStub
) -> None:
    msgid, vault = say(madeup), madeup.services.vault

    def read_before(db: Db) -> None:
        source = ledger.Source(msgid, NOW)
        hobby = Fact(FactType.HOBBY, {"name": "钓鱼"}, Evidence(25, 27, "钓鱼"), 0.9, "h", "1")
        child = Fact(FactType.CHILDREN, {"count": 1}, Evidence(28, 34, "我女儿"), 0.9, "c", "1")
        for fact in (hobby, child):
            number = ledger.add_fact(db, vault, ExternalUserId("wmWang"), fact, source)
            assert number is not None
            ledger.correct(db, number, "rejected", "chenxy")

    madeup.write(read_before)
    other = {"type": "interest.hobby", "value": {"name": "旅游"}, "evidence": "我是"}
    stub.say(facts(HOBBY, CHILD, other, other))
    ask(asker, msgid)
    assert [json.loads(row["value"]) for row in found(madeup)] == [{"name": "旅游"}]


def test_C2_what_is_sensitive_is_kept_only_with_its_consent(
    madeup: MadeUp, asker: Asker, stub: ModelStub
) -> None:
    flow = {"type": "cash.inflow", "value": {"amount": 300, "source": "货款"}, "evidence": "我是"}
    stub.say(facts(HOBBY, CHILD, flow))
    ask(asker, say(madeup, who="wmLi"))
    assert [(row["type"], row["amount"]) for row in found(madeup)] == [
        ("interest.hobby", None),
        ("cash.inflow", None),
    ]


def recalled(db: Db) -> None:
    talk.set_state(db, "m-new", "recalled")


def withdrawn(db: Db) -> None:
    db.run("UPDATE agreement SET status = 'Disagree' WHERE external_userid = 'wmWang'")


def restricted(db: Db) -> None:
    db.run("UPDATE customer SET restricted = 1 WHERE external_userid = 'wmWang'")


def erased(db: Db) -> None:
    db.run("UPDATE customer SET erased = 1 WHERE external_userid = 'wmWang'")


def unknown(db: Db) -> None:
    db.run("DELETE FROM message WHERE msgid = 'm-new'")


STOPS = [recalled, withdrawn, restricted, erased, unknown]


@pytest.mark.parametrize("stop", STOPS)
def test_T1_what_may_not_be_read_is_not_asked_about(
    madeup: MadeUp, asker: Asker, stub: ModelStub, stop: Callable[[Db], None]
) -> None:
    msgid = say(madeup)
    madeup.write(stop)
    ask(asker, msgid)
    assert (stub.asked, found(madeup)) == ([], [])


@pytest.mark.parametrize("stop", STOPS)
def test_T1_what_is_taken_back_while_the_model_thinks_is_not_kept(
    madeup: MadeUp, asker: Asker, stub: ModelStub, stop: Callable[[Db], None]
) -> None:
    ask(asker, say(madeup), meanwhile=stop)
    assert (len(stub.asked), found(madeup)) == (1, [])


def test_customer_service_is_asked_about_with_the_consent_to_profiling_alone(
    madeup: MadeUp, asker: Asker, stub: ModelStub
) -> None:
    msgid = say(madeup, open_kfid=OpenKfId("wkDesk"))
    ask(asker, msgid)
    assert stub.asked == []
    madeup.write(lambda db: db.run("UPDATE customer SET profiling_ok = 1"))
    ask(asker, msgid)
    assert len(stub.asked) == 1


# -- what goes out


def test_D4_names_numbers_addresses_and_other_peoples_words_are_covered(
    madeup: MadeUp, asker: Asker, stub: ModelStub
) -> None:
    text = "「陈经理说:利率涨了」我是王秀兰,找陈小雨,打13800000001,住幸福路3号2单元,秀兰"
    ask(asker, say(madeup, text=text, quoted=((0, 11),)))
    assert stub.text == "●●●●●●●●●●●我是●●●,找●●●,打●●●●●●●●●●●,●●●●●●●●●,●●"
    told = json.dumps(stub.asked, ensure_ascii=False)
    assert not any(each in told for each in ("wmWang", "m-new", "wrStreet", "chenxy", "王姐"))


def test_D4_lines_of_staff_and_of_others_never_go_out(
    madeup: MadeUp, asker: Asker, stub: ModelStub
) -> None:
    say(madeup, "m-staff", "我是陈小雨,您好", who="chenxy")
    say(madeup, "m-other", "我也去钓鱼啊", who="wmLi")
    ask(asker, say(madeup))
    ask(asker, "m-staff")
    assert (len(stub.asked), stub.text) == (1, "我是●●●,打●●●●●●●●●●●,周末去钓鱼,我女儿上初中")
    assert "我也去" not in json.dumps(stub.asked, ensure_ascii=False)


def test_D4_sums_go_out_only_where_the_customer_agreed_to_have_them_kept(
    madeup: MadeUp, asker: Asker, stub: ModelStub
) -> None:
    told = []
    for number, who in enumerate(("wmWang", "wmLi")):
        ask(asker, say(madeup, f"m-{number}", "月底有二十万货款到账", who=who))
        told.append(stub.text)
    assert told == ["月底有二十万货款到账", "月底有●●●货款到账"]


# -- costs and trouble


def test_when_the_days_calls_are_spent_nothing_is_asked_until_tomorrow(
    madeup: MadeUp, asker: Asker, stub: ModelStub
) -> None:
    asker.calls_a_day = 2
    for number in range(4):
        ask(asker, say(madeup, f"m-{number}"))
    assert len(stub.asked) == 2
    madeup.clock.move(timedelta(days=1))
    ask(asker, say(madeup, "m-4"))
    assert len(stub.asked) == 3


def test_a_question_that_is_a_day_old_is_not_asked_any_more(madeup: MadeUp) -> None:
    now = int(NOW.timestamp() * 1000)
    madeup.write(lambda db: outbox.add(db, AskModel("m-new"), now))
    row = madeup.database.read().one("SELECT * FROM outbox WHERE kind = 'AskModel'")
    assert row is not None
    assert (row["useful_until"] - now, row["lane"], "wm" in row["payload"]) == (
        86_400_000,
        "model",
        False,
    )


def test_trouble_is_passed_on_so_that_the_errand_comes_back(
    madeup: MadeUp, asker: Asker, stub: ModelStub
) -> None:
    stub.say(Said(b"", 503))
    with pytest.raises(Retry):
        ask(asker, say(madeup))
    assert found(madeup) == []


def test_without_a_model_nothing_happens(madeup: MadeUp, asker: Asker, stub: ModelStub) -> None:
    asker.model = None
    ask(asker, say(madeup))
    assert stub.asked == []
