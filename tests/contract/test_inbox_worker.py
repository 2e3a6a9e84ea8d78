"""The worker and the listener: what comes in changes the store once, and only as it may."""

# the names carry the ids of the compliance rules

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import handlers
from bot import dispatch
from bot.actions import Action, PullArchive
from bot.clock import FixedClock
from bot.dispatch import Handlers, collect, on
from bot.events import MsgAuditNotify
from bot.facts import Evidence, Fact, FactType, Speech
from bot.inbox import MAX_ATTEMPTS, Inbox, Item
from bot.listening import ARCHIVE, KF, Listener
from bot.model import ExternalUserId
from bot.rulebook import Rulebook
from bot.store import cases, consents, ledger, people, segments, talk
from bot.store.db import Database, Db
from bot.store.erasure import erase
from bot.vault import Vault
from bot.worker import Worker

WHO = "wm_a"
MORNING = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
# What the stand-in for the reading engine understands.
WORDS: dict[str, tuple[str, dict[str, Any], float]] = {
    "大额存单": ("product.interest", {"product": "large_cd"}, 0.9),
    "大概存单": ("product.interest", {"product": "large_cd"}, 0.5),
    "国债": ("product.interest", {"product": "treasury_bond", "amount": 50_000}, 0.9),
    "投诉": ("risk.complaint", {"topic": "service"}, 0.9),
    "态度": ("risk.complaint", {"topic": "attitude"}, 0.9),
    "别再发": ("consent.opt_out", {"scope": "marketing"}, 0.95),
    "可以发": ("consent.opt_in", {}, 0.95),
    "生日": ("person.birthday", {"calendar": "solar", "month": 12, "day": 5}, 0.9),
    "寿辰": ("person.birthday", {"calendar": "solar", "month": 6, "day": 8}, 0.9),
    "他行": ("holding.other_bank", {"bank": "icbc", "date_to": "2026-12-20"}, 0.9),
    "种地": ("work.occupation", {"group": "farmer"}, 0.9),
}


def read(speech: Speech) -> list[Fact]:
    """Facts by their words, and what breaks the code."""
    if "炸" in speech.text:
        raise ValueError("boom")
    return [
        Fact(
            FactType(kind),
            dict(value),
            Evidence(speech.text.index(word), speech.text.index(word) + len(word), word),
            confidence,
            "test",
            "1",
        )
        for word, (kind, value, confidence) in WORDS.items()
        if word in speech.text
    ]


@dataclass
class Office:
    """The receiving half of the bot."""

    store: Database
    vault: Vault
    clock: FixedClock
    rules: Rulebook
    inbox: Inbox
    worker: Worker
    seq: int = 0

    def say(
        self,
        text: str,
        *,
        minute: float = 0,
        sender: str = WHO,
        to: tuple[str, ...] = ("lin",),
        room: str = "",
        **more: Any,
    ) -> str:
        """A record of the archive; its ``msgid``."""
        self.seq += 1
        msgid = f"m{self.seq}"
        record = {
            "msgid": msgid,
            "action": "send",
            "from": sender,
            "tolist": list(to),
            "roomid": room,
            "msgtime": int((MORNING + timedelta(minutes=minute)).timestamp() * 1000),
            "msgtype": "text",
            "text": {"content": text},
            **more,
        }
        self._put(msgid, ARCHIVE, [self.seq, msgid, json.dumps(record, ensure_ascii=False)])
        return msgid

    def recall(self, msgid: str, *, minute: float = 1) -> None:
        """The customer takes a message back."""
        self.say("", minute=minute, msgtype="revoke", revoke={"pre_msgid": msgid}, action="recall")

    def kf(self, text: str, *, minute: float = 0) -> str:
        """A message in WeChat customer service."""
        self.seq += 1
        msgid = f"k{self.seq}"
        item = {
            "msgid": msgid,
            "open_kfid": "wk_made_up",
            "external_userid": WHO,
            "send_time": int((MORNING + timedelta(minutes=minute)).timestamp()),
            "origin": 3,
            "msgtype": "text",
            "text": {"content": text},
        }
        self._put(msgid, KF, item)
        return msgid

    def callback(self, event: str, **fields: Any) -> None:
        """A callback as its door keeps it."""
        self.seq += 1
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        body = (
            f"<xml><ToUserName>ww</ToUserName><FromUserName>sys</FromUserName><CreateTime>"
            f"{int(MORNING.timestamp())}</CreateTime><MsgType>event</MsgType>"
            f"<Event>{event}</Event>{inner}</xml>"
        )
        self.inbox.put(f"c{self.seq}".encode(), "app", body.encode()).result()

    def _put(self, key: str, source: str, body: Any) -> None:
        content = json.dumps(body, ensure_ascii=False).encode()
        self.inbox.put(key.encode(), source, content).result()

    def work(self) -> None:
        while self.worker.work_once():
            pass

    def answer(self, *, agreed: bool, minute: float = 0, conversation: str = f"lin|{WHO}") -> None:
        """An answer to archiving, as a reading of WeCom brings it."""
        at = int((MORNING + timedelta(minutes=minute)).timestamp() * 1000)

        def settle(db: Db) -> None:
            found = self.worker._listener.settle_agreement(
                db,
                conversation,
                ExternalUserId(WHO),
                agreed=agreed,
                at=at,
                now=at,
            )
            self.worker.notice(db, list(found))

        self.store.write(settle)

    def consent(self, purpose: str) -> None:
        self.store.write(
            lambda db: consents.record_consent(
                db, WHO, purpose, granted=True, channel="counter", proof="f", at=1
            )
        )

    # -- what to look at

    def facts(self) -> list[tuple[str, str]]:
        rows = self.store.read().rows(
            "SELECT type, status FROM fact WHERE status <> 'recalled' ORDER BY observed_at, type"
        )
        return [(row["type"], row["status"]) for row in rows]

    def state(self, msgid: str) -> str | None:
        row = talk.message(self.store.read(), msgid)
        return row["state"] if row else None

    def person(self) -> dict[str, Any]:
        row = people.customer(self.store.read(), WHO)
        assert row is not None
        return dict(row)

    def kinds(self) -> list[str]:
        """The kinds of the errands that wait."""
        return [row[0] for row in self.store.read().rows("SELECT kind FROM outbox ORDER BY id")]


def build(
    store: Database, vault: Vault, clock: FixedClock, rules: Rulebook, heard: Handlers
) -> Office:
    inbox = Inbox(store, vault, clock)
    worker = Worker(store, inbox, clock, rules, Listener(vault, read, rules), heard)
    return Office(store, vault, clock, rules, inbox, worker)


@pytest.fixture
def office(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Office:
    office = build(store, vault, clock, rules, collect(handlers))

    def friends(db: Db) -> None:
        people.know_person(db, WHO, 0, "周小芳")
        people.keep_member(db, {"userid": "lin", "name": "林一"}, 1)
        people.keep_follow(db, ExternalUserId(WHO), {"userid": "lin", "createtime": 1})
        people.settle_customer(db, WHO)

    store.write(friends)
    return office


@pytest.fixture
def agreed(office: Office) -> Office:
    office.answer(agreed=True, minute=-60)
    return office


# -- the queue's end


def test_a_poison_item_is_set_aside_after_five_attempts_and_the_rest_flows(
    agreed: Office,
) -> None:
    agreed.say("想看看大额存单")
    poison = agreed.say("炸")
    agreed.say("家里种地", minute=5)
    agreed.work()
    assert [kind for kind, _ in agreed.facts()] == ["product.interest", "work.occupation"]
    assert agreed.inbox.depth() == (1, 0)
    for _ in range(MAX_ATTEMPTS):
        agreed.clock.move(timedelta(seconds=3))
        agreed.work()
    assert agreed.inbox.depth() == (0, 1)
    row = agreed.store.read().one("SELECT reason FROM inbox WHERE state = 2")
    assert row is not None
    assert row["reason"] == "ValueError"
    assert agreed.state(poison) is None  # nothing of a failed attempt is kept


def test_an_item_worked_again_changes_nothing_more(agreed: Office) -> None:
    agreed.say("想看看大额存单,也要投诉")
    item = agreed.inbox.claim()[0]
    for _ in range(3):
        agreed.store.write(lambda db: agreed.worker.work(db, item))
    read_db = agreed.store.read()
    assert [kind for kind, _ in agreed.facts()] == ["product.interest", "risk.complaint"]
    assert read_db.value("SELECT sum(messages) FROM activity") == 1
    assert read_db.value("SELECT count(*) FROM escalation") == 2


def test_effects_of_a_handler_and_the_settling_are_one_transaction(
    store: Database, vault: Vault, clock: FixedClock, rules: Rulebook
) -> None:
    broken = [True]

    def half(_event: object, known: Any) -> Iterator[Action]:
        yield PullArchive(known.cause)
        if broken:
            raise KeyError("broken")

    on(MsgAuditNotify)(half)
    office = build(store, vault, clock, rules, Handlers(getattr(half, dispatch._MARK)))
    office.callback("msgaudit_notify")
    office.work()
    assert (office.kinds(), office.inbox.depth()) == ([], (1, 0))
    broken.clear()
    clock.move(timedelta(seconds=3))
    office.work()
    assert (office.kinds(), office.inbox.depth()) == (["PullArchive"], (0, 0))


def test_a_genuine_event_that_nobody_hears_is_counted_and_done(office: Office) -> None:
    office.callback("made_up_event")
    office.callback("made_up_event")
    office.work()
    assert (sum(office.worker.unheard.values()), office.inbox.depth()) == (2, (0, 0))


def test_what_is_not_the_protocol_is_set_aside_and_never_stops_the_worker(
    office: Office,
) -> None:
    bodies = [b"", b"<xml>", b"\x00\xff", b"[1, 2]", b"x" * 100_000]
    for number, source in enumerate([*["app"] * 3, ARCHIVE, KF]):
        office.inbox.put(f"bad{number}".encode(), source, bodies[number]).result()
    office.callback("msgaudit_notify")
    for _ in range(MAX_ATTEMPTS):
        office.work()
        office.clock.move(timedelta(seconds=3))
    assert office.inbox.depth() == (0, 5)
    assert office.kinds() == ["PullArchive"]


def test_the_workers_thread_outlives_what_nobody_expected(
    office: Office, store: Database, vault: Vault, clock: FixedClock
) -> None:
    failed = threading.Event()

    class Failing(Inbox):
        def claim(self, limit: int = 100) -> list[Item]:
            if not failed.is_set():
                failed.set()
                raise OSError("disk")
            return super().claim(limit)

    office.inbox = Failing(store, vault, clock)
    office.worker._inbox = office.inbox
    woken = threading.Event()
    office.worker.wake_outbox = woken.set
    office.callback("msgaudit_notify")
    office.worker.start()
    assert failed.wait(20)
    assert woken.wait(20)
    office.worker.stop()
    assert office.kinds() == ["PullArchive"]


# -- T1: what may be read


def test_T1_without_an_answer_text_stays_sealed_and_the_answer_is_asked_for(
    office: Office,
) -> None:
    msgid = office.say("想看看大额存单")
    office.work()
    assert (office.state(msgid), office.facts(), office.kinds()) == (
        "sealed",
        [],
        ["CheckAgreement"],
    )


@pytest.mark.parametrize(("minute", "state"), [(-1, "refused"), (0, "read"), (1, "read")])
@pytest.mark.parametrize("answer_first", [True, False])
def test_T1_only_text_at_or_after_the_agreement_is_read_whichever_came_first(
    office: Office, minute: float, state: str, *, answer_first: bool
) -> None:
    if answer_first:
        office.answer(agreed=True)
    msgid = office.say("想看看大额存单", minute=minute)
    office.work()
    if not answer_first:
        office.answer(agreed=True)
    assert office.state(msgid) == state
    assert office.facts() == ([("product.interest", "current")] if state == "read" else [])


def test_T1_a_refusal_destroys_what_waited_and_nothing_is_read_after_it(office: Office) -> None:
    before = office.say("想看看大额存单")
    office.work()
    office.answer(agreed=False, minute=1)
    after = office.say("家里种地", minute=2)
    office.work()
    rows = office.store.read().rows("SELECT msgid, state, text_sealed, raw_sealed FROM message")
    assert sorted(tuple(row) for row in rows) == [
        (before, "refused", None, None),
        (after, "refused", None, None),
    ]
    assert office.facts() == []


def test_T1_an_agreement_counts_for_its_own_conversation_and_person_alone(
    office: Office,
) -> None:
    office.answer(agreed=True, minute=-60)
    group = office.say("想看看大额存单", room="wr_made_up", to=("lin", "wm_b"))
    other = office.say("想看看国债", sender="wm_b")
    own = office.say("家里种地")
    office.work()
    assert [office.state(each) for each in (group, other, own)] == ["sealed", "sealed", "read"]


def test_T1_words_of_staff_and_quotations_of_others_never_become_facts_of_theirs(
    agreed: Office,
) -> None:
    agreed.say("您要大额存单吗", sender="lin", to=(WHO,))
    agreed.work()
    assert agreed.facts() == []


def test_T3_a_withdrawn_agreement_takes_the_spans_and_the_facts_with_it(
    agreed: Office,
) -> None:
    msgid = agreed.say("想看看大额存单,家里种地")
    agreed.work()
    assert len(agreed.facts()) == 2
    assert "grower" in segments.segments_of(agreed.store.read(), WHO)
    agreed.answer(agreed=False, minute=30)
    rows = agreed.store.read().rows("SELECT words_sealed, value FROM fact")
    assert [tuple(row) for row in rows] == [(None, "{}")] * 2
    assert (agreed.facts(), agreed.state(msgid)) == ([], "refused")
    assert "grower" not in segments.segments_of(agreed.store.read(), WHO)


def test_T2_sensitive_facts_and_sums_are_kept_only_with_their_own_consent(
    agreed: Office,
) -> None:
    agreed.say("他行的快到期了,想看国债")
    agreed.work()
    rows = agreed.store.read().rows("SELECT type, value, amount FROM fact")
    assert [tuple(row) for row in rows] == [
        ("product.interest", '{"product": "treasury_bond"}', None)
    ]
    agreed.consent("profiling_sensitive")
    agreed.say("他行的快到期了,想看国债", minute=30)
    agreed.work()
    rows = agreed.store.read().rows(
        "SELECT type, amount FROM fact WHERE status = 'current' ORDER BY type"
    )
    assert [tuple(row) for row in rows] == [
        ("holding.other_bank", None),
        ("product.interest", 50_000),
    ]


def test_C2_customer_service_is_read_for_what_the_customer_wants_until_profiling_is_agreed(
    office: Office,
) -> None:
    office.kf("要投诉,想看大额存单")
    office.work()
    assert office.facts() == [("risk.complaint", "current")]
    office.consent("profiling")
    office.kf("家里种地", minute=5)
    office.work()
    assert office.facts() == [("risk.complaint", "current"), ("work.occupation", "current")]


def test_an_unsure_fact_is_kept_for_a_person_and_calls_nobody(agreed: Office) -> None:
    agreed.say("大概存单吧")
    agreed.work()
    assert agreed.facts() == [("product.interest", "pending")]
    assert agreed.kinds() == []


# -- recalls


def test_a_recall_takes_back_text_facts_and_segments(agreed: Office) -> None:
    msgid = agreed.say("家里种地")
    agreed.work()
    agreed.recall(msgid)
    agreed.work()
    assert (agreed.facts(), agreed.state(msgid)) == ([], "recalled")
    assert "grower" not in segments.segments_of(agreed.store.read(), WHO)


def test_a_message_that_comes_after_its_recall_is_not_read(agreed: Office) -> None:
    agreed.recall(f"m{agreed.seq + 2}")
    agreed.work()
    msgid = agreed.say("家里种地")
    agreed.work()
    assert (agreed.facts(), agreed.state(msgid)) == ([], "recalled")
    row = talk.message(agreed.store.read(), msgid)
    assert row is not None
    assert row["text_sealed"] is None


def test_a_birthday_that_only_talk_told_goes_with_its_message(agreed: Office) -> None:
    first = agreed.say("我六月八日寿辰")
    second = agreed.say("我生日十二月五号", minute=30)
    agreed.work()
    assert (agreed.person()["birthday_month"], agreed.person()["next_birthday_on"]) == (
        12,
        "2026-12-05",
    )
    agreed.recall(second, minute=31)
    agreed.work()
    assert (agreed.person()["birthday_month"], agreed.person()["birthday_from"]) == (6, "talk")
    agreed.recall(first, minute=32)
    agreed.work()
    assert (agreed.person()["birthday_month"], agreed.person()["next_birthday_on"]) == (
        None,
        None,
    )


def test_a_birthday_of_the_core_system_outlives_talk_and_its_recall(agreed: Office) -> None:
    value = {"calendar": "solar", "month": 3, "day": 3}
    agreed.store.write(
        lambda db: agreed.rules.keep_birthday(db, ExternalUserId(WHO), value, "core", 0)
    )
    msgid = agreed.say("我生日十二月五号")
    agreed.work()
    agreed.recall(msgid)
    agreed.work()
    assert (agreed.person()["birthday_month"], agreed.person()["birthday_from"]) == (3, "core")


# -- refusal and consent


def test_C3_a_refusal_in_talk_is_committed_with_what_it_stops(agreed: Office) -> None:
    agreed.consent("marketing")
    agreed.store.write(
        lambda db: db.run(
            "INSERT INTO push (key, external_userid, purpose, due_at, useful_until)"
            " VALUES ('k', :id, 'greeting', 0, 0)",
            id=WHO,
        )
    )
    agreed.say("别再发了")
    agreed.work()
    assert (agreed.person()["refused"], agreed.person()["marketing_ok"]) == (1, 0)
    row = agreed.store.read().one("SELECT status, reason FROM push")
    assert row is not None
    assert tuple(row) == ("dropped", "refused")
    assert agreed.kinds() == ["TellStaff"]
    audit = agreed.store.read().one("SELECT act, object FROM audit")
    assert audit is not None
    assert tuple(audit) == ("refuse", WHO)


@pytest.mark.parametrize("late", ["可以发", "别再发"])
def test_C3_what_was_said_last_counts_however_late_the_other_word_is_heard(
    agreed: Office, late: str
) -> None:
    early = {"可以发": "别再发", "别再发": "可以发"}[late]
    agreed.clock.move(timedelta(hours=5))
    agreed.say(early, minute=20)  # said last, heard first
    agreed.work()
    agreed.clock.move(timedelta(hours=1))
    agreed.say(late, minute=10)
    agreed.work()
    refused = early == "别再发"
    assert (agreed.person()["refused"], agreed.person()["marketing_ok"]) == (
        int(refused),
        int(not refused),
    )


# -- cases and segments


def test_E1_a_complaint_opens_one_case_with_a_deadline_in_branch_hours(agreed: Office) -> None:
    agreed.say("我要投诉")
    agreed.say("我要投诉", minute=30)
    agreed.work()
    (case,) = cases.open_cases_of(agreed.store.read(), "lin")
    deadline = agreed.rules.deadline("complaint", agreed.clock.now())
    assert case["deadline_at"] == int(deadline.timestamp() * 1000)
    assert agreed.kinds().count("SendCard") == 1


def test_segments_follow_cases_so_that_deriving_all_of_them_moves_nobody(
    agreed: Office,
) -> None:
    def all_again() -> list[segments.Moved]:
        today = agreed.clock.now().date()
        return agreed.store.write(
            lambda db: segments.refresh(
                db, agreed.rules.segments, agreed.rules.lines, today, 0, None
            )
        )

    all_again()
    agreed.say("我要投诉")
    agreed.work()
    assert "complaint" in segments.segments_of(agreed.store.read(), WHO)
    assert all_again() == []
    agreed.callback(
        "template_card_event",
        EventKey="contacted",
        TaskId="case-1-first",
        ResponseCode="rc",
    )
    agreed.work()
    assert cases.open_cases_of(agreed.store.read(), "lin") == []
    assert "complaint" not in segments.segments_of(agreed.store.read(), WHO)
    assert all_again() == []


def test_D6_nothing_is_heard_of_an_erased_person_again(agreed: Office) -> None:
    agreed.say("家里种地")
    agreed.work()
    agreed.store.write(lambda db: erase(db, WHO, "compliance", 1))
    agreed.say("想看看大额存单", minute=30)
    agreed.callback(
        "change_external_contact",
        ChangeType="add_external_contact",
        UserID="lin",
        ExternalUserID=WHO,
    )
    agreed.work()
    read_db = agreed.store.read()
    assert (agreed.facts(), read_db.value("SELECT count(*) FROM message")) == ([], 0)
    assert people.follows_of(read_db, WHO) == []
    assert agreed.person()["name"] == ""
    assert ledger.facts_of(read_db, WHO, sensitive=True) == []
    assert "MarkTags" not in agreed.kinds()
    assert read_db.value("SELECT count(*) FROM journal WHERE kind = 'friend_added'") == 0
