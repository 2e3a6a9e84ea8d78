"""What people say about facts: kept beside the fact, counted for the rule, forgotten with it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.facts import Evidence, Fact, FactType
from bot.model import ArchivedMessage, ChatId, ExternalUserId, MsgId
from bot.store import ledger, people, retention, talk, verdicts
from bot.store.db import Database, Db, Row
from bot.store.erasure import erase
from bot.store.verdicts import Record, Span, lower_bound, records
from bot.vault import Vault

WHO = ExternalUserId("wm_a")
NOON = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
NOW = int(NOON.timestamp() * 1000)
DAY = Span("2026-11-24", "2026-11-24", NOW - 43_200_000, NOW + 43_200_000)


def say(db: Db, vault: Vault, msgid: str, rule: str = "interest.ask", version: str = "1") -> int:
    """A message that is read, and a fact of it."""
    people.know_person(db, WHO, 0)
    db.run("UPDATE customer SET branch = '东山支行' WHERE external_userid = :id", id=WHO)
    words = "大额存单几个点"
    one = ArchivedMessage(MsgId(msgid), 1, WHO, (), ChatId("wr"), NOON, "text", words)
    talk.keep_message(db, vault, one, "wr", "read")
    fact = Fact(
        FactType.PRODUCT_INTEREST,
        {"product": "large_cd"},
        Evidence(0, 7, words),
        0.9,
        rule,
        version,
    )
    found = ledger.add_fact(db, vault, WHO, fact, ledger.Source(msgid, NOON))
    assert found is not None
    return found


def judge(db: Db, fact: int, verdict: str, product: str = "large_cd") -> None:
    """What a correction does, in the same order."""
    row = ledger.fact_row(db, fact)
    assert row is not None
    stated = {"product": product}
    ledger.correct(db, fact, verdict, "lin", stated)
    verdicts.record(db, row, verdict, "lin", stated, NOW)


def rows(store: Database) -> list[Row]:
    return store.read().rows("SELECT * FROM verdict ORDER BY id")


def only(store: Database, **more: Any) -> Record:
    (found,) = records(store.read(), DAY, least=2, mend_below=0.5, **more)
    return found


def test_an_example_says_who_when_what_was_read_and_what_it_is(
    store: Database, vault: Vault
) -> None:
    fact = store.write(lambda db: say(db, vault, "m0"))
    store.write(lambda db: judge(db, fact, "confirmed", "time_deposit"))
    (row,) = rows(store)
    assert dict(row) == {
        "id": 1,
        "given_on": "2026-11-24",
        "at": NOW,
        "by": "lin",
        "branch": "东山支行",
        "external_userid": WHO,
        "msgid": "m0",
        "fact_id": fact,
        "type": "product.interest",
        "rule": "interest.ask",
        "version": "1",
        "reader": "rules",
        "confidence": 0.9,
        "verdict": "changed",
        "given": '{"product": "large_cd"}',
        "stated": '{"product": "time_deposit"}',
        "latest": 1,
    }


def test_the_last_word_about_a_fact_counts_against_what_the_reader_gave(
    store: Database, vault: Vault
) -> None:
    fact = store.write(lambda db: say(db, vault, "m0"))
    for verdict, product in (
        ("rejected", "large_cd"),
        ("confirmed", "gold"),
        ("confirmed", "gold"),
    ):
        store.write(lambda db, v=verdict, p=product: judge(db, fact, v, p))  # type: ignore[misc]  # defaults bind
    assert [(row["verdict"], row["latest"]) for row in rows(store)] == [
        ("rejected", 0),
        ("changed", 0),
        ("changed", 1),
    ]
    found = only(store)
    assert (found.confirmed, found.rejected, found.changed, found.heard) == (0, 0, 1, 1)


def recalled(db: Db) -> None:
    ledger.recall(db, "m0")


def withdrawn(db: Db) -> None:
    talk.set_state(db, "m0", "refused")


def words_dropped(db: Db) -> None:
    db.run("UPDATE message SET text_sealed = NULL")


def erased(db: Db) -> None:
    erase(db, WHO, "compliance", NOW)


def fact_dropped(db: Db) -> None:
    db.run("DELETE FROM fact")


@pytest.mark.parametrize("gone", [recalled, withdrawn, words_dropped, erased, fact_dropped])
def test_T3_an_example_goes_with_the_words_and_leaves_a_count(
    store: Database, vault: Vault, gone: Callable[[Db], None]
) -> None:
    fact = store.write(lambda db: say(db, vault, "m0"))
    store.write(lambda db: judge(db, fact, "confirmed"))
    store.write(gone)
    (row,) = rows(store)
    kept = {name: row[name] for name in dict(row) if row[name] not in {"", "{}", None}}
    assert kept == {
        "id": 1,
        "given_on": "2026-11-24",
        "branch": "东山支行",
        "type": "product.interest",
        "rule": "interest.ask",
        "version": "1",
        "reader": "rules",
        "confidence": 0.9,
        "verdict": "confirmed",
        "latest": 1,
    }
    assert only(store).confirmed == 1


def test_T3_what_is_said_about_a_fact_without_words_is_a_count_from_the_start(
    store: Database, vault: Vault
) -> None:
    fact = store.write(lambda db: say(db, vault, "m0"))
    store.write(words_dropped)
    store.write(lambda db: judge(db, fact, "rejected"))
    (row,) = rows(store)
    assert (row["by"], row["msgid"], row["given"], row["rule"]) == ("", "", "{}", "interest.ask")


def test_T3_after_90_days_only_a_count_is_left(store: Database, vault: Vault) -> None:
    fact = store.write(lambda db: say(db, vault, "m0"))
    store.write(lambda db: judge(db, fact, "confirmed"))
    later = NOW + (retention.WORDS_DAYS + 1) * 86_400_000
    store.write(lambda db: retention.forget_words(db, vault, later, 10))
    (row,) = rows(store)
    assert (row["by"], row["msgid"], row["stated"], row["verdict"]) == ("", "", "{}", "confirmed")


def test_a_doubted_reading_counts_for_the_version_of_its_rule(
    store: Database, vault: Vault
) -> None:
    for number, version in enumerate(("1", "1+abcd1234")):
        fact = store.write(lambda db, n=number, v=version: say(db, vault, f"m{n}", version=v))  # type: ignore[misc]  # defaults bind
        store.write(lambda db, f=fact: judge(db, f, "rejected"))  # type: ignore[misc]  # as above
    found = only(store)
    assert (found.version, found.heard, found.rejected, found.mend) == ("1", 2, 2, True)


def test_another_message_that_goes_takes_nothing_along(store: Database, vault: Vault) -> None:
    first = store.write(lambda db: say(db, vault, "m0"))
    store.write(lambda db: say(db, vault, "m1"))
    store.write(lambda db: judge(db, first, "confirmed"))
    store.write(lambda db: ledger.recall(db, "m1"))
    store.write(lambda db: talk.set_state(db, "m1", "recalled"))
    (row,) = rows(store)
    assert row["msgid"] == "m0"


@pytest.mark.parametrize(
    ("right", "of", "lower"), [(0, 1, 0.0), (1, 1, 0.2065), (9, 10, 0.5958), (95, 100, 0.8882)]
)
def test_the_lower_bound_is_wilsons(right: int, of: int, lower: float) -> None:
    assert lower_bound(right, of) == pytest.approx(lower, abs=1e-4)


def test_a_rule_is_proposed_for_mending_when_enough_people_said_no(
    store: Database, vault: Vault
) -> None:
    for number in range(2):
        fact = store.write(lambda db, n=number: say(db, vault, f"m{n}"))  # type: ignore[misc]  # a default binds n
        assert not only(store).mend
        store.write(lambda db, f=fact: judge(db, f, "rejected"))  # type: ignore[misc]  # as above
    found = only(store)
    assert (found.mend, found.precision, found.lower, found.last_used_on) == (
        True,
        0.0,
        0.0,
        "2026-11-24",
    )


def test_a_new_version_of_a_rule_begins_with_a_clean_record(store: Database, vault: Vault) -> None:
    for number in range(2):
        fact = store.write(lambda db, n=number: say(db, vault, f"m{n}"))  # type: ignore[misc]  # a default binds n
        store.write(lambda db, f=fact: judge(db, f, "rejected"))  # type: ignore[misc]  # as above
    store.write(lambda db: say(db, vault, "m2", version="2"))
    found = records(store.read(), DAY, least=2, mend_below=0.5)
    assert [(each.version, each.judged, each.mend) for each in found] == [
        ("1", 2, False),
        ("2", 0, False),
    ]


def test_a_branch_sees_the_record_of_its_own_customers(store: Database, vault: Vault) -> None:
    fact = store.write(lambda db: say(db, vault, "m0"))
    store.write(lambda db: judge(db, fact, "confirmed"))
    assert only(store, branch="东山支行").judged == 1
    assert records(store.read(), DAY, least=2, mend_below=0.5, branch="西山支行") == []


def test_days_outside_the_span_do_not_count(store: Database, vault: Vault) -> None:
    fact = store.write(lambda db: say(db, vault, "m0"))
    store.write(lambda db: judge(db, fact, "confirmed"))
    before = Span("2026-11-22", "2026-11-23", 0, DAY.since - 1)
    assert records(store.read(), before, least=2, mend_below=0.5) == []
