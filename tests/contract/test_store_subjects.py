"""What the store remembers: ledger, talk, groups, segments, cases, journal, erasure."""

# the names carry the ids of the compliance rules

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from backends import Place, every_store, raw_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import Invalid
from bot.facts import Evidence, Fact, FactType
from bot.model import ArchivedMessage, ChatId, ExternalUserId, MsgId, Role, UserId
from bot.rulebook import Rulebook
from bot.store import cases, consents, journal, ledger, people, segments, sight, talk
from bot.store.db import Database, Db
from bot.store.erasure import erase
from bot.vault import Vault

WHO = ExternalUserId("wm_a")
NOON = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
DAY_MS = 86_400_000
SAID = "年底有十五万要到期"


def fact(
    kind: str = "product.interest", value: dict[str, Any] | None = None, confidence: float = 0.9
) -> Fact:
    return Fact(
        FactType(kind),
        value if value is not None else {"product": "large_cd"},
        Evidence(2, 6, SAID),
        confidence,
        "rule.one",
        "3",
    )


def learn(db: Db, vault: Vault, msgid: str, at: datetime, what: Fact | None = None) -> int | None:
    people.know_person(db, WHO, 0)
    return ledger.add_fact(db, vault, WHO, what or fact(), ledger.Source(msgid, at))


def ledger_of(store: Database) -> dict[str, str]:
    rows = store.read().rows("SELECT msgid, status FROM fact ORDER BY msgid")
    return {row["msgid"]: row["status"] for row in rows}


# -- the ledger


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_latest_statement_counts_in_any_order_of_arrival(
    store: Database, vault: Vault, order: Sequence[int]
) -> None:
    for number in order:
        store.write(
            lambda db, n=number: learn(db, vault, f"m{n}", NOON + timedelta(days=n))  # type: ignore[misc]  # a default binds n
        )
    assert ledger_of(store) == {"m0": "superseded", "m1": "superseded", "m2": "current"}


def test_statements_about_different_things_stand_side_by_side(
    store: Database, vault: Vault
) -> None:
    for number, product in enumerate(("large_cd", "gold", "fund")):
        one = fact(value={"product": product})
        store.write(lambda db, n=number, f=one: learn(db, vault, f"m{n}", NOON, f))  # type: ignore[misc]  # defaults bind
    assert ledger_of(store) == {"m0": "current", "m1": "current", "m2": "current"}


def test_two_complaints_are_two_events(store: Database, vault: Vault) -> None:
    for number in range(2):
        one = fact("risk.complaint", {"topic": "queue"})
        at = NOON + timedelta(hours=number)
        store.write(lambda db, n=number, f=one, at=at: learn(db, vault, f"m{n}", at, f))  # type: ignore[misc]  # defaults bind
    assert ledger_of(store) == {"m0": "current", "m1": "current"}


def test_the_same_reading_again_adds_nothing_and_replaces_nothing(
    store: Database, vault: Vault
) -> None:
    first = store.write(lambda db: learn(db, vault, "m0", NOON))
    again = store.write(lambda db: learn(db, vault, "m0", NOON))
    assert (first is not None, again) == (True, None)
    assert ledger_of(store) == {"m0": "current"}


def test_an_unsure_fact_waits_and_replaces_nothing(store: Database, vault: Vault) -> None:
    store.write(lambda db: learn(db, vault, "m0", NOON))
    unsure = fact(confidence=0.5)
    store.write(lambda db: learn(db, vault, "m1", NOON + timedelta(days=1), unsure))
    assert ledger_of(store) == {"m0": "current", "m1": "pending"}


def test_a_recall_takes_the_fact_its_words_and_sums_and_restores_what_it_replaced(
    store: Database, vault: Vault
) -> None:
    store.write(lambda db: learn(db, vault, "m0", NOON))
    inflow = fact(value={"product": "large_cd", "amount": 150_000, "date_to": "2026-12-31"})
    store.write(lambda db: learn(db, vault, "m1", NOON + timedelta(days=1), inflow))
    assert store.write(lambda db: ledger.recall(db, "m1")) == [WHO]
    assert ledger_of(store) == {"m0": "current", "m1": "recalled"}
    row = store.read().one("SELECT * FROM fact WHERE msgid = 'm1'")
    assert row is not None
    kept = [row[name] for name in ("value", "words_sealed", "amount", "date_from", "date_to")]
    assert kept == ["{}", None, None, None, None]
    assert store.write(lambda db: ledger.recall(db, "m1")) == []


def test_a_recall_of_something_older_restores_nothing(store: Database, vault: Vault) -> None:
    for number in range(3):
        at = NOON + timedelta(days=number)
        store.write(lambda db, n=number, at=at: learn(db, vault, f"m{n}", at))  # type: ignore[misc]  # defaults bind
    store.write(lambda db: ledger.recall(db, "m1"))
    assert ledger_of(store) == {"m0": "superseded", "m1": "recalled", "m2": "current"}
    store.write(lambda db: ledger.recall(db, "m2"))
    assert ledger_of(store) == {"m0": "current", "m1": "recalled", "m2": "recalled"}


@settings(max_examples=40)
@given(st.permutations(range(4)), st.lists(st.integers(0, 3), max_size=3))
def test_whatever_comes_and_goes_the_latest_that_is_left_counts(
    tmp_path_factory: pytest.TempPathFactory, order: Sequence[int], recalled: Sequence[int]
) -> None:
    vault = Vault("made-up-secret-of-the-tests")
    for store in every_store(tmp_path_factory, order, recalled):

        def history(db: Db) -> None:
            for number in order:
                learn(db, vault, f"m{number}", NOON + timedelta(days=number))
            for number in recalled:
                ledger.recall(db, f"m{number}")

        store.write(history)
        found = ledger_of(store)
        left = [n for n in range(4) if n not in recalled]
        expected = {f"m{n}": "recalled" if n in recalled else "superseded" for n in range(4)}
        if left:
            expected[f"m{max(left)}"] = "current"
        assert found == expected


def test_T3_a_fact_keeps_rule_version_confidence_time_expiry_and_its_span(
    store: Database, vault: Vault
) -> None:
    number = store.write(lambda db: learn(db, vault, "m0", NOON))
    assert number is not None
    row = ledger.fact_row(store.read(), number)
    assert row is not None
    assert ledger.restore(row, vault) == fact()
    assert ledger.observed_at(row) == NOON
    assert (row["msgid"], row["expires_on"], row["class"]) == ("m0", "2027-02-22", "ordinary")


def test_T2_a_type_that_is_not_in_the_vocabulary_cannot_be_a_fact() -> None:
    with pytest.raises(ValueError, match="religion"):
        FactType("person.religion")


def test_T2_sensitive_facts_are_marked_and_hidden_from_those_who_may_not_see_them(
    store: Database, vault: Vault
) -> None:
    secret = fact("holding.other_bank", {"bank": "icbc", "amount": 9})
    store.write(lambda db: learn(db, vault, "m0", NOON, secret))
    store.write(lambda db: learn(db, vault, "m1", NOON))
    read = store.read()
    assert [row["msgid"] for row in ledger.facts_of(read, WHO, sensitive=False)] == ["m1"]
    assert [row["msgid"] for row in ledger.facts_of(read, WHO, sensitive=True)] == ["m1", "m0"]


@pytest.mark.parametrize(
    ("what", "expires"),
    [
        (fact("cash.inflow", {"date_to": "2026-12-31"}), "2027-01-30"),
        (fact("contact.request", {}), "2026-12-24"),
        (fact("interest.hobby", {"name": "chess"}), None),
    ],
)
def test_a_fact_expires_a_month_past_its_dates_or_with_its_type(
    store: Database, vault: Vault, what: Fact, expires: str | None
) -> None:
    number = store.write(lambda db: learn(db, vault, "m0", NOON, what))
    assert number is not None
    row = ledger.fact_row(store.read(), number)
    assert row is not None
    assert row["expires_on"] == expires


def test_a_person_corrects_a_fact_and_its_columns_follow(store: Database, vault: Vault) -> None:
    inflow = fact("cash.inflow", {"amount": 150_000, "date_to": "2026-12-31"})
    number = store.write(lambda db: learn(db, vault, "m0", NOON, inflow))
    assert number is not None
    row = store.write(
        lambda db: ledger.correct(
            db, number, "confirmed", "lin", {"amount": 150_000, "date_to": "2027-01-15"}
        )
    )
    assert row is not None
    assert (row["status"], row["decided_by"], row["date_to"], row["amount"]) == (
        "confirmed",
        "lin",
        "2027-01-15",
        150_000,
    )
    assert store.write(lambda db: ledger.correct(db, 99, "confirmed", "lin")) is None


# -- talk


def message(msgid: str, at: datetime = NOON, **changed: Any) -> ArchivedMessage:
    return replace(
        ArchivedMessage(MsgId(msgid), 1, WHO, ("lin",), ChatId(""), at, "text", SAID, raw="{}"),
        **changed,
    )


def kept(store: Database, msgid: str) -> tuple[str, bool, bool]:
    """(state, has text, has raw)."""
    row = talk.message(store.read(), msgid)
    assert row is not None
    return row["state"], row["text_sealed"] is not None, row["raw_sealed"] is not None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("read", ("read", True, True)),
        ("unread", ("unread", True, True)),
        ("sealed", ("sealed", True, False)),
        ("refused", ("refused", False, False)),
    ],
)
def test_a_message_is_kept_once_with_as_much_as_its_state_allows(
    store: Database, vault: Vault, state: str, expected: tuple[str, bool, bool]
) -> None:
    keep = lambda db: talk.keep_message(db, vault, message("m0"), "lin|wm_a", state)  # noqa: E731  # used twice
    assert [store.write(keep), store.write(keep)] == [True, False]
    assert kept(store, "m0") == expected


@pytest.mark.parametrize("state", ["refused", "recalled"])
def test_text_that_was_refused_or_recalled_is_destroyed(
    store: Database, vault: Vault, state: str
) -> None:
    store.write(lambda db: talk.keep_message(db, vault, message("m0"), "lin|wm_a", "read"))
    store.write(lambda db: talk.set_state(db, "m0", state))
    assert kept(store, "m0") == (state, False, False)


def test_T1_sealed_text_is_destroyed_after_five_days(store: Database, vault: Vault) -> None:
    store.write(lambda db: talk.keep_message(db, vault, message("m0"), "lin|wm_a", "sealed"))
    store.write(lambda db: talk.keep_message(db, vault, message("m1"), "lin|wm_a", "read"))
    five_days = NOON_MS + 5 * DAY_MS
    assert store.write(lambda db: talk.destroy_unanswered(db, five_days)) == 0
    assert store.write(lambda db: talk.destroy_unanswered(db, five_days + 1)) == 1
    assert kept(store, "m0") == ("refused", False, False)
    assert kept(store, "m1") == ("read", True, True)


ANSWERS = [(True, 100), (False, 200), (True, 300), (False, 300)]


@pytest.mark.parametrize("order", list(itertools.permutations(ANSWERS, 3)))
def test_the_latest_agreement_counts_in_any_order_and_a_tie_is_no(
    store: Database, order: Sequence[tuple[bool, int]]
) -> None:
    for agreed, at in order:
        store.write(
            lambda db, a=agreed, at=at: talk.keep_agreement(db, "c", WHO, agreed=a, at=at)  # type: ignore[misc]  # defaults bind
        )
    latest = max(at for _, at in order)
    expected = all(agreed for agreed, at in order if at == latest)
    assert talk.agreement(store.read(), "c", WHO) == talk.Agreement(expected, latest)


def test_an_answer_says_whether_it_is_now_the_answer(store: Database) -> None:
    def answer(*, agreed: bool, at: int) -> bool:
        return store.write(lambda db: talk.keep_agreement(db, "c", WHO, agreed=agreed, at=at))

    assert answer(agreed=True, at=200)
    assert not answer(agreed=False, at=100)
    assert answer(agreed=False, at=300)
    assert talk.agreement(store.read(), "another", WHO) is None


def test_staff_lines_count_as_a_question_only_when_nobody_spoke_between(
    store: Database, vault: Vault
) -> None:
    def say(msgid: str, sender: str, minute: int, text: str) -> None:
        one = message(msgid, NOON + timedelta(minutes=minute), sender=sender, text=text)
        store.write(lambda db: talk.keep_message(db, vault, one, "wr", "read"))

    say("m0", "lin", 0, "早上好")
    say("m1", "lin", 11, "您的存款几号到期")
    say("m2", WHO, 12, "嗯")
    at = NOON_MS + 13 * 60_000

    def lines() -> tuple[str, ...]:
        return talk.recent_staff_lines(store.read(), vault, "wr", WHO, at)

    assert lines() == ("您的存款几号到期",)
    say("m3", "wm_other", 12, "我先问")
    assert lines() == ()


def test_activity_is_counted_a_day_in_shanghai(store: Database, vault: Vault) -> None:
    midnight = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
    times = (midnight - timedelta(seconds=1), midnight, midnight + timedelta(hours=1))

    def count(db: Db) -> None:
        people.know_person(db, WHO, 0)
        for number, at in enumerate(times):
            one = message(f"m{number}", at)
            talk.keep_message(db, vault, one, "lin|wm_a", "read")
            talk.count_activity(db, one, asks=False)

    store.write(count)
    read = store.read()
    assert talk.activity(read, WHO, "2026-11-24", "2026-11-24") == (1, 1)
    assert talk.activity(read, WHO, "2026-11-24", "2026-11-25") == (3, 2)
    who = people.customer(read, WHO)
    assert who is not None
    assert who["spoke_at"] == int((midnight + timedelta(hours=1)).timestamp() * 1000)


def test_a_customer_who_writes_again_opens_the_session_and_its_five_answers(
    store: Database,
) -> None:
    store.write(lambda db: talk.kf_spoke(db, "wk", WHO, 1))
    store.write(lambda db: talk.kf_answered(db, "wk", WHO))
    store.write(lambda db: talk.kf_moved(db, "wk", WHO, 4, ""))
    row = talk.kf_session(store.read(), "wk", WHO)
    assert row is not None
    assert (row["service_state"], row["sent_since"]) == (4, 1)
    store.write(lambda db: talk.kf_spoke(db, "wk", WHO, 2))
    row = talk.kf_session(store.read(), "wk", WHO)
    assert row is not None
    assert (row["service_state"], row["sent_since"], row["spoke_at"]) == (0, 0, 2)


# -- groups and friendships


def group(*members: str, version: str = "v1", **changed: Any) -> dict[str, Any]:
    rows = [{"userid": each, "name": f"名{each}", "join_time": 1} for each in members]
    return {
        "chat_id": "wr",
        "name": "邻里群",
        "owner": "lin",
        "member_version": version,
        "member_list": rows,
        **changed,
    }


def members(store: Database) -> list[str]:
    rows = store.read().rows("SELECT member FROM group_member WHERE left_at IS NULL ORDER BY 1")
    return [row["member"] for row in rows]


def test_a_group_is_what_its_last_whole_reading_says(store: Database) -> None:
    assert store.write(lambda db: people.keep_group(db, group("lin", "wm_a"), 1)) == ["wm_a"]
    again = group("lin", "wm_b", version="v2", name="新名")
    assert store.write(lambda db: people.keep_group(db, again, 2)) == ["wm_b"]
    assert members(store) == ["lin", "wm_b"]
    row = people.group(store.read(), "wr")
    assert row is not None
    assert (row["name"], row["member_version"]) == ("新名", "v2")


def test_who_leaves_and_comes_back_is_a_member_and_new_again(store: Database) -> None:
    store.write(lambda db: people.keep_group(db, group("wm_a"), 1))
    store.write(lambda db: people.members_left(db, "wr", ["wm_a"], 2))
    assert members(store) == []
    assert store.write(lambda db: people.keep_group(db, group("wm_a"), 3)) == ["wm_a"]
    assert members(store) == ["wm_a"]


def test_a_dismissed_group_that_wecom_lists_again_is_open_again(store: Database) -> None:
    store.write(lambda db: people.keep_group(db, group("wm_a"), 1))
    store.write(lambda db: people.dismiss_group(db, ChatId("wr"), 2))
    row = people.group(store.read(), "wr")
    assert row is not None
    assert row["dismissed_at"] == 2
    store.write(lambda db: people.keep_group(db, group("wm_a"), 3))
    row = people.group(store.read(), "wr")
    assert row is not None
    assert row["dismissed_at"] is None


def contact(*follows: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    rows = [
        {"userid": userid, "createtime": 100 + n, "remark_mobiles": ["13900000001"]}
        for n, userid in enumerate(follows)
    ]
    return {"external_userid": WHO, "name": "周小芳", "gender": 2}, rows


def test_a_whole_reading_ends_friendships_it_does_not_name_and_a_page_does_not(
    store: Database, vault: Vault
) -> None:
    def keep(*follows: str, whole: bool) -> None:
        store.write(
            lambda db: people.keep_customer(db, vault, *contact(*follows), 9, complete=whole)
        )

    keep("lin", "zhou", whole=True)
    keep("zhou", whole=False)
    assert {row["userid"] for row in people.follows_of(store.read(), WHO)} == {"lin", "zhou"}
    keep("zhou", whole=True)
    assert [row["userid"] for row in people.follows_of(store.read(), WHO)] == ["zhou"]


def test_the_banks_name_outlives_a_nickname(store: Database, vault: Vault) -> None:
    store.write(lambda db: people.know_person(db, WHO, 0, "周小芳"))
    store.write(lambda db: db.run("UPDATE customer SET core_id = 'C1'"))
    nickname = {"external_userid": WHO, "name": "高兴"}
    store.write(lambda db: people.keep_customer(db, vault, nickname, [], 1, complete=True))
    who = people.customer(store.read(), WHO)
    assert who is not None
    assert (who["name"], who["friend"]) == ("周小芳", 0)


@pytest.mark.parametrize(
    ("manager", "follows", "chat", "expected"),
    [
        ("zhou", ("lin", "zhou"), "", "zhou"),
        ("wang", ("lin", "zhou"), "", "lin"),
        ("wang", (), "wr", "lin"),
        ("wang", (), "", "wang"),
        ("", (), "", None),
    ],
)
def test_who_acts_first_for_a_customer(
    store: Database, manager: str, follows: Sequence[str], chat: str, expected: str | None
) -> None:
    def keep(db: Db) -> None:
        people.know_person(db, WHO, 0)
        db.run("UPDATE customer SET manager = :m", m=manager)
        for n, userid in enumerate(follows):
            people.keep_follow(db, WHO, {"userid": userid, "createtime": n})
        people.keep_group(db, group(), 1)

    store.write(keep)
    assert people.responsible_for(store.read(), WHO, chat) == expected


def test_a_member_who_left_does_not_act_first(store: Database) -> None:
    def keep(db: Db) -> None:
        people.know_person(db, WHO, 0)
        for n, userid in enumerate(("lin", "zhou")):
            people.keep_member(db, {"userid": userid, "name": userid}, 1)
            people.keep_follow(db, WHO, {"userid": userid, "createtime": n})
        people.retire_member(db, UserId("lin"))

    store.write(keep)
    assert people.responsible_for(store.read(), WHO) == "zhou"


def test_a_renamed_member_keeps_friends_and_groups(store: Database) -> None:
    def keep(db: Db) -> None:
        people.keep_member(db, {"userid": "lin", "name": "林一"}, 1)
        people.keep_follow(db, WHO, {"userid": "lin", "createtime": 1})
        people.keep_group(db, group(), 1)
        people.rename_member(db, UserId("lin"), UserId("lin2"))

    store.write(keep)
    read = store.read()
    assert [row["userid"] for row in people.follows_of(read, WHO)] == ["lin2"]
    row = people.group(read, "wr")
    assert row is not None
    assert row["owner"] == "lin2"
    assert people.staff(read, "lin") is None


# -- consent


def test_C2_the_five_purposes_are_separate(store: Database) -> None:
    for purpose in ("service", "archive_analysis", "profiling"):
        store.write(
            lambda db, p=purpose: consents.record_consent(  # type: ignore[misc]  # a default binds p
                db, WHO, p, granted=True, channel="counter", proof="f", at=1
            )
        )
    who = people.customer(store.read(), WHO)
    assert who is not None
    flags = [who[name] for name in ("marketing_ok", "sensitive_ok", "profiling_ok", "refused")]
    assert flags == [0, 0, 1, 0]


def test_C1_rows_are_only_added_and_carry_their_proof(store: Database) -> None:
    def say(*, granted: bool, at: int) -> bool:
        return store.write(
            lambda db: consents.record_consent(
                db, WHO, "marketing", granted=granted, channel="talk", proof="m1", at=at
            )
        )

    assert [say(granted=True, at=1), say(granted=True, at=1), say(granted=False, at=2)] == [
        True,
        False,
        True,
    ]
    rows = store.read().rows("SELECT granted, proof, at FROM consent ORDER BY at")
    assert [tuple(row) for row in rows] == [(1, "m1", 1), (0, "m1", 2)]


def test_C4_the_last_refusal_is_remembered_even_after_a_new_consent(store: Database) -> None:
    store.write(
        lambda db: consents.record_refusal(db, WHO, "all", channel="talk", proof="m1", at=5)
    )
    store.write(
        lambda db: consents.record_consent(
            db, WHO, "marketing", granted=True, channel="counter", proof="f", at=9
        )
    )
    who = people.customer(store.read(), WHO)
    assert who is not None
    assert (who["marketing_ok"], who["refused"]) == (1, 0)
    assert consents.refused_at(store.read(), WHO) == 5


def test_C4_for_as_long_as_the_setting_says_nobody_may_ask_whoever_refused(
    store: Database,
) -> None:
    day = 86_400_000

    def until(now: int) -> int | None:
        return consents.not_asked_before(store.read(), WHO, 180, now)

    assert until(0) is None
    for at in (5, day):
        store.write(
            lambda db, at=at: consents.record_refusal(  # type: ignore[misc]  # defaults bind
                db, WHO, "all", channel="talk", proof="m1", at=at
            )
        )
    # The last refusal counts, and a consent of their own does not shorten it.
    store.write(
        lambda db: consents.record_consent(
            db, WHO, "marketing", granted=True, channel="counter", proof="f", at=2 * day
        )
    )
    assert [until(181 * day - 1), until(181 * day)] == [181 * day, None]


@settings(max_examples=30)
@given(st.permutations([(True, 1), (False, 2), (True, 3), (False, 4), (True, 5), (False, 5)]))
def test_C1_the_present_state_does_not_depend_on_the_order_of_arrival(
    tmp_path_factory: pytest.TempPathFactory, rows: Sequence[tuple[bool, int]]
) -> None:
    for store in every_store(tmp_path_factory, rows):
        for known in (3, 6):

            def history(db: Db, known: int = known) -> None:
                for granted, at in rows[:known]:
                    consents.record_consent(
                        db, WHO, "marketing", granted=granted, channel="t", proof=f"{at}", at=at
                    )

            store.write(history)
            who = people.customer(store.read(), WHO)
            assert who is not None
            latest = max(at for _, at in rows[:known])
            agreed = all(granted for granted, at in rows[:known] if at == latest)
            assert (who["marketing_ok"], who["refused"]) == (int(agreed), int(not agreed))


# -- cases


def opened(store: Database, at: int = 100, quiet_since: int = 0, **changed: Any) -> int | None:
    about = {
        "kind": "churn",
        "topic": "transfer_out",
        "customer": WHO,
        "chat_id": "",
        "branch": "东山支行",
        "assignee": "lin",
        "fact_id": None,
        **changed,
    }
    return store.write(
        lambda db: cases.open_case(db, **about, at=at, deadline=at + 50, quiet_since=quiet_since)
    )


def test_the_same_matter_is_one_case_while_it_is_open_and_for_its_quiet_days(
    store: Database,
) -> None:
    first = opened(store)
    assert first is not None
    assert opened(store, at=1000, quiet_since=999) is None
    assert store.write(lambda db: cases.close_case(db, first, "contacted", UserId("lin"), 1001))
    assert opened(store, at=1002, quiet_since=99) is None
    assert opened(store, at=1003, quiet_since=100) is not None
    assert opened(store, at=1003, topic="rate_shopping") is not None


def test_a_case_opened_again_in_the_same_moment_touches_no_other_case(store: Database) -> None:
    first = opened(store)
    assert first is not None
    store.write(lambda db: cases.close_case(db, first, "contacted", UserId("lin"), 100))
    other = opened(store, topic="rate_shopping")
    assert other is not None
    assert opened(store, quiet_since=100) is None
    assert [row["step"] for row in cases.steps(store.read(), other)] == ["opened"]


def test_a_case_is_closed_once_and_its_history_tells_by_whom(store: Database) -> None:
    number = opened(store)
    assert number is not None
    closing = [
        store.write(lambda db, by=by: cases.close_case(db, number, "contacted", UserId(by), 200))  # type: ignore[misc]  # a default binds by
        for by in ("lin", "zhou")
    ]
    assert closing == [True, False]
    steps = [(row["actor"], row["step"]) for row in cases.steps(store.read(), number)]
    assert steps == [("bot", "opened"), ("lin", "contacted")]


def test_E3_an_overdue_case_is_raised_once(store: Database) -> None:
    number = opened(store)
    assert number is not None
    read = store.read()
    assert [row["id"] for row in cases.overdue(read, 149)] == []
    assert [row["id"] for row in cases.overdue(read, 150)] == [number]
    raised = [store.write(lambda db: cases.raise_case(db, number, "head", 160)) for _ in range(2)]
    assert raised == [True, False]
    assert cases.overdue(read, 999) == []
    assert [row["id"] for row in cases.open_cases_of(read, "head")] == [number]


# -- journal and audit


ADD_A_ROW = """
INSERT INTO audit (at, actor, act, object, why, previous, hash)
SELECT at, actor, act, object, why, previous, hash FROM audit WHERE id = 4
"""


def audit_trail(store: Database, rows: int = 4) -> None:
    for number in range(rows):
        store.write(
            lambda db, n=number: journal.audit(db, "lin", "refuse", f"s{n}", 10 + n, scope="all")  # type: ignore[misc]  # a default binds n
        )


def lift_the_guard(db: Db) -> None:
    """What an intruder does who has the database: take the triggers away first."""
    if isinstance(db.connection, sqlite3.Connection):
        for name in ("audit_unchanged", "audit_undeleted"):
            db.run(f"DROP TRIGGER {name}")
    else:
        db.run("ALTER TABLE audit DISABLE TRIGGER USER")


@pytest.mark.parametrize("change", ["UPDATE audit SET actor = 'zhou'", "DELETE FROM audit"])
def test_U1_the_trail_refuses_to_be_changed(store: Database, change: str) -> None:
    audit_trail(store)
    with pytest.raises(Exception, match="append-only"):
        store.write(lambda db: db.run(change))
    assert store.read().value("SELECT count(*) FROM audit") == 4
    assert journal.first_broken_link(store.read()) is None


def test_U1_an_untouched_audit_trail_is_whole(store: Database) -> None:
    assert journal.first_broken_link(store.read()) is None
    audit_trail(store)
    assert journal.first_broken_link(store.read()) is None


@pytest.mark.parametrize(
    ("tamper", "broken"),
    [
        ("UPDATE audit SET why = '{}' WHERE id = 2", 2),
        ("UPDATE audit SET actor = 'zhou' WHERE id = 4", 4),
        ("UPDATE audit SET at = 11 WHERE id = 3", 3),
        ("DELETE FROM audit WHERE id = 1", 2),
        ("DELETE FROM audit WHERE id = 3", 4),
        ("DELETE FROM audit WHERE id = 4", 4),
        ("DELETE FROM audit", 1),
        ("UPDATE audit SET id = 9 WHERE id = 2", 3),
        (ADD_A_ROW, 5),
    ],
)
def test_U3_a_changed_removed_reordered_or_added_row_is_detected(
    store: Database, tamper: str, broken: int
) -> None:
    audit_trail(store)
    store.write(lift_the_guard)
    store.write(lambda db: db.run(tamper))
    assert journal.first_broken_link(store.read()) == broken


def test_U1_an_audit_row_and_what_it_tells_of_are_one_transaction(store: Database) -> None:
    def broken(db: Db) -> None:
        journal.audit(db, "lin", "refuse", WHO, 1)
        raise Invalid("坏了")

    with pytest.raises(Invalid):
        store.write(broken)
    audit_trail(store, 1)
    assert store.read().value("SELECT count(*) FROM audit") == 1
    assert journal.first_broken_link(store.read()) is None


def test_the_journal_is_read_forwards_and_backwards(store: Database) -> None:
    for number in range(3):
        store.write(lambda db, n=number: journal.note(db, f"k{n}", n, customer=WHO, count=n))  # type: ignore[misc]  # a default binds n
    read = store.read()
    assert [row["kind"] for row in journal.lines(read, after=1)] == ["k1", "k2"]
    assert [row["kind"] for row in journal.latest(read, 2)] == ["k2", "k1"]
    assert json.loads(journal.latest(read, 1)[0]["why"]) == {"count": 2}


# -- what cannot be read in the file


def test_D3_words_phones_and_spans_cannot_be_read_in_the_store(
    store: Database, vault: Vault, place: Place
) -> None:
    def keep(db: Db) -> None:
        people.keep_customer(db, vault, *contact("lin"), 1, complete=True)
        talk.keep_message(db, vault, message("m0", raw=SAID), "lin|wm_a", "read")
        learn(db, vault, "m0", NOON)

    store.write(keep)
    who = people.customer(store.read(), WHO)
    assert who is not None
    assert vault.open_text(who["phone_sealed"]) == "13900000001"
    assert who["phone_hash"] == vault.phone_hash("139 0000 0001")
    stored = raw_bytes(store.read())
    stored += b"".join(file.read_bytes() for file in place.folder.iterdir() if file.is_file())
    found = [each for each in (SAID.encode(), "十五万".encode(), b"13900000001") if each in stored]
    assert found == []
    assert WHO.encode() in stored  # ids are plain, so the store was really read


# -- erasure


def test_D6_an_erased_person_is_gone_and_stays_gone_after_the_next_reading(
    store: Database, vault: Vault
) -> None:
    def keep(db: Db) -> None:
        people.keep_customer(db, vault, *contact("lin"), 1, complete=True)
        people.keep_group(db, group(WHO, "wm_b"), 1)

    store.write(keep)
    store.write(lambda db: erase(db, WHO, "compliance", 2))
    store.write(keep)
    who = people.customer(store.read(), WHO)
    assert who is not None
    assert (who["name"], who["phone_sealed"], who["erased"], who["refused"]) == ("", None, 1, 1)
    assert people.follows_of(store.read(), WHO) == []
    row = store.read().one("SELECT nickname FROM group_member WHERE member = :id", id=WHO)
    assert row is not None
    assert row["nickname"] == ""


def test_D6_erasing_a_person_leaves_another_with_a_longer_id_alone(
    store: Database, vault: Vault
) -> None:
    longer = ExternalUserId(f"{WHO}_b")

    def keep(db: Db) -> None:
        for who in (WHO, longer):
            people.know_person(db, who, 0)
            one = message(f"m-{who}", sender=who)
            talk.keep_message(db, vault, one, talk.conversation_of(one), "read")
            for key, payload in (("a", {"customer": who}), ("b", {"conversation": f"lin|{who}"})):
                db.run(
                    "INSERT INTO outbox (key, payload, not_before, created_at)"
                    " VALUES (:key, :payload, 0, 0)",
                    key=f"{key}-{who}",
                    payload=json.dumps(payload),
                )

    store.write(keep)
    store.write(lambda db: erase(db, WHO, "compliance", 2))
    read = store.read()
    assert [row[0] for row in read.rows("SELECT msgid FROM message")] == [f"m-{longer}"]
    assert [row[0] for row in read.rows("SELECT key FROM outbox ORDER BY key")] == [
        f"a-{longer}",
        f"b-{longer}",
    ]


def test_D6_who_is_not_known_cannot_be_erased(store: Database) -> None:
    with pytest.raises(Invalid, match="wm"):
        store.write(lambda db: erase(db, "wm_nobody", "compliance", 1))


# -- sight


def test_D5_everybody_sees_whom_they_follow_own_or_manage_and_a_head_the_branch(
    store: Database,
) -> None:
    def keep(db: Db) -> None:
        for who in ("wm_follow", "wm_group", "wm_manage", "wm_none"):
            people.know_person(db, who, 0)
        db.run("UPDATE customer SET branch = '东山支行' WHERE external_userid <> 'wm_follow'")
        people.keep_follow(db, ExternalUserId("wm_follow"), {"userid": "lin", "createtime": 1})
        people.keep_group(db, group("wm_group"), 1)
        db.run("UPDATE customer SET manager = 'lin' WHERE external_userid = 'wm_manage'")
        db.run("UPDATE customer SET branch = '东山支行'")

    store.write(keep)
    read = store.read()

    def seen(viewer: sight.Viewer) -> list[str]:
        rows = read.rows("SELECT external_userid FROM customer ORDER BY 1")
        return [row[0] for row in rows if sight.may_see(read, viewer, row[0])]

    owner = sight.Viewer("lin", Role.OWNER, "东山支行")
    assert seen(owner) == ["wm_follow", "wm_group", "wm_manage"]
    assert seen(replace(owner, userid="zhou")) == []
    assert len(seen(sight.Viewer("head", Role.HEAD, "东山支行"))) == 4
    assert seen(sight.Viewer("head", Role.HEAD, "西山支行")) == []
    assert sight.may_see_sensitive(read, owner, "wm_follow")
    assert not sight.may_see_sensitive(read, owner, "wm_manage")


# -- segments: touched or all, the result is the same

STEPS = st.one_of(
    st.tuples(st.just("learn"), st.integers(0, 3), st.integers(0, 7), st.integers(0, 9)),
    st.tuples(st.just("recall"), st.integers(0, 3), st.integers(0, 7), st.integers(0, 9)),
    st.tuples(st.just("assets"), st.integers(0, 3), st.integers(0, 7), st.integers(0, 9)),
    st.tuples(st.just("holding"), st.integers(0, 3), st.integers(0, 7), st.integers(0, 9)),
    st.tuples(st.just("erase"), st.integers(0, 3), st.just(0), st.just(0)),
)
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("work.occupation", {"group": "farmer"}),
    ("work.occupation", {"group": "retiree"}),
    ("family.children", {"stage": "primary"}),
    ("cash.inflow", {"source": "bonus", "date_to": "2026-12-20"}),
    ("cash.inflow", {"source": "bonus", "date_to": "2028-12-20"}),
    ("holding.other_bank", {"bank": "icbc", "date_to": "2026-12-20"}),
    ("risk.churn", {"kind": "transfer_out"}),
    ("product.interest", {"product": "payment_code"}),
]
ASSETS = [None, 0, 8_000, 9_999, 10_000, 45_000, 50_000, 499_999, 500_000, 7_000_000]


def take_step(db: Db, vault: Vault, step: tuple[str, int, int, int]) -> str:
    name, person, choice, number = step
    who = ExternalUserId(f"wm_{person}")
    if name == "learn":
        kind, value = KINDS[choice]
        at = NOON + timedelta(hours=number)
        source = ledger.Source(f"m-{who}-{choice}-{number}", at)
        ledger.add_fact(db, vault, who, fact(kind, value), source)
    elif name == "recall":
        ledger.recall(db, f"m-{who}-{choice}-{number}")
    elif name == "assets":
        db.run(
            "UPDATE customer SET assets = :a, gender = :g, occupation = :o,"
            " birthday_year = 1950 + :n, birthday_month = 11, birthday_day = 20 + :n,"
            " key_person = :k WHERE external_userid = :id",
            a=ASSETS[number],
            g="female" if choice % 2 else "male",
            o="退休教师" if choice > 5 else "",
            n=number,
            k=choice == 3,
            id=who,
        )
    elif name == "holding":
        db.run(
            "INSERT INTO holding (account_ref, external_userid, kind, status) VALUES"
            " (:ref, :id, 'payment_code', :status) ON CONFLICT (account_ref) DO UPDATE"
            " SET status = :status",
            ref=f"A{person}",
            id=who,
            status="open" if number % 2 else "closed",
        )
    else:
        db.run("UPDATE customer SET erased = 1 WHERE external_userid = :id", id=who)
    return who


def refreshed(db: Db, rules: Rulebook, customers: list[str] | None) -> list[segments.Moved]:
    return segments.refresh(db, rules.segments, rules.lines, date(2026, 11, 24), NOON_MS, customers)


@settings(max_examples=40)
@given(st.lists(STEPS, max_size=14))
def test_segments_derived_step_by_step_equal_those_derived_for_all_at_once(
    tmp_path_factory: pytest.TempPathFactory,
    rules: Rulebook,
    steps: list[tuple[str, int, int, int]],
) -> None:
    vault = Vault("made-up-secret-of-the-tests")
    for store in every_store(tmp_path_factory, steps):

        def history(db: Db) -> list[segments.Moved]:
            for number in range(4):
                people.know_person(db, f"wm_{number}", 0)
            refreshed(db, rules, None)
            for step in steps:
                who = take_step(db, vault, step)
                refreshed(db, rules, [who])
                assert refreshed(db, rules, [who]) == []
            return refreshed(db, rules, None)

        assert store.write(history) == []


def test_who_moves_is_told_with_what_was_entered_and_left(store: Database, rules: Rulebook) -> None:
    store.write(lambda db: people.know_person(db, WHO, 0))
    store.write(lambda db: refreshed(db, rules, None))
    store.write(lambda db: db.run("UPDATE customer SET assets = 45000"))
    moved = store.write(lambda db: refreshed(db, rules, [WHO]))
    assert moved == [segments.Moved(WHO, ("layer:effective", "near_line"), ("layer:unknown",))]
    store.write(lambda db: db.run("UPDATE customer SET assets = 50000"))
    moved = store.write(lambda db: refreshed(db, rules, [WHO]))
    assert moved == [segments.Moved(WHO, ("layer:middle",), ("layer:effective", "near_line"))]
    assert store.write(lambda db: refreshed(db, rules, [])) == []


def test_T2_no_tag_rests_on_a_sensitive_fact(
    store: Database, vault: Vault, rules: Rulebook
) -> None:
    def keep(db: Db) -> None:
        learn(db, vault, "m0", NOON, fact("family.children", {"stage": "primary"}))
        learn(
            db,
            vault,
            "m1",
            NOON,
            fact("holding.other_bank", {"bank": "b", "date_to": "2026-12-01"}),
        )
        refreshed(db, rules, None)

    store.write(keep)
    read = store.read()
    assert segments.segments_of(read, WHO) == ["competitor_maturity", "parents"]
    tags = {tag.slug for tag in rules.tags}
    assert segments.wanted_tags(read, WHO) & tags == {"layer:unknown"} & tags
