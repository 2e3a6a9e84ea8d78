"""After 90 days only the fact and the hash of its words stay."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot import inbox, outbox
from bot.facts import Evidence, Fact, FactType
from bot.model import ArchivedMessage, ChatId, ExternalUserId, MsgId
from bot.store import agenda, ledger, others, people, talk
from bot.store.catalogue import catalogue
from bot.store.db import Database, Db
from bot.store.retention import WORDS_DAYS, forget_unreadable, forget_words
from bot.vault import Vault

WHO = ExternalUserId("wm_a")
SAID = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
WORDS = "大额存单几个点"
DAY = 86_400_000
THEN = int(SAID.timestamp() * 1000)


def say(db: Db, vault: Vault, msgid: str) -> None:
    people.know_person(db, WHO, 0)
    one = ArchivedMessage(MsgId(msgid), 1, WHO, (), ChatId("wr"), SAID, "text", WORDS, raw="{}")
    talk.keep_message(db, vault, one, "wr", "read")
    value = {"product": "large_cd"}
    fact = Fact(FactType.PRODUCT_INTEREST, value, Evidence(0, 7, WORDS), 0.9, "ask", "1")
    ledger.add_fact(db, vault, WHO, fact, ledger.Source(msgid, SAID))


def test_D7_T3_words_stay_for_90_days_and_then_only_their_hash(
    store: Database, vault: Vault
) -> None:
    store.write(lambda db: say(db, vault, "m1"))
    last = THEN + WORDS_DAYS * DAY
    assert 0 == store.write(lambda db: forget_words(db, vault, last, 10))
    assert 2 == store.write(lambda db: forget_words(db, vault, last + 1, 10))
    message = store.read().one("SELECT * FROM message")
    fact = store.read().one("SELECT * FROM fact")
    assert message is not None
    assert fact is not None
    assert (None, None) == (message["text_sealed"], message["raw_sealed"])
    assert None is fact["words_sealed"]
    assert vault.words_hash(WORDS) == message["text_hash"] == fact["words_hash"]
    assert ("current", 0, 7) == (fact["status"], fact["start"], fact["end"])


def test_D7_a_few_at_a_time_until_nothing_is_left(store: Database, vault: Vault) -> None:
    store.write(lambda db: [say(db, vault, f"m{n}") for n in range(3)])
    later = THEN + 400 * DAY
    assert 4 == store.write(lambda db: forget_words(db, vault, later, 2))
    assert 2 == store.write(lambda db: forget_words(db, vault, later, 2))
    assert 0 == store.write(lambda db: forget_words(db, vault, later, 2))


def test_D7_a_recall_after_that_still_takes_the_fact(store: Database, vault: Vault) -> None:
    store.write(lambda db: say(db, vault, "m1"))
    store.write(lambda db: forget_words(db, vault, THEN + 100 * DAY, 10))
    assert [WHO] == store.write(lambda db: ledger.recall(db, "m1"))
    assert "recalled" == store.read().value("SELECT status FROM fact")


def test_D7_what_could_not_be_read_goes_too(store: Database) -> None:
    def broken(db: Db) -> None:
        for state, at in ((2, 0), (0, 0), (2, 95 * DAY)):
            db.run(
                "INSERT INTO inbox (key, source, received_at, state)"
                " VALUES (:key, 'app', :at, :state)",
                key=f"{state}-{at}".encode(),
                at=at,
                state=state,
            )
        db.run("INSERT INTO set_aside (seq, msgid, reason, at) VALUES (1, 'm', 'damaged', 0)")

    store.write(broken)
    assert 2 == store.write(lambda db: forget_unreadable(db, 100 * DAY))
    assert 2 == store.read().value("SELECT count(*) FROM inbox")


# -- what has to be kept

YEAR = 366 * DAY
FLOORS = {
    "consent and refusal: 3 years after the relationship": (3 * YEAR, {"consent"}),
    "marketing texts, approvals, recipients, decisions: 5 years": (
        5 * YEAR,
        {
            "campaign_version",
            "approval",
            "dry_run",
            "impact_assessment",
            "selection",
            "assignment",
            "push",
            "send_task",
            "decision",
        },
    ),
    "rights and complaint files: 5 years": (
        5 * YEAR,
        {"rights_request", "rights_step", "escalation", "escalation_step"},
    ),
    "security and access logs: 6 months at least": (YEAR, {"audit", "journal"}),
}
BOT = Path(__file__).parents[2] / "bot"


def one_row(db: Db, table: str) -> None:
    """A row from the beginning of time, with whatever the table insists on."""
    texts = {
        "escalation": {"key": "k"},
        "push": {"key": "k"},
        "selection": {"key": "k"},
        "send_task": {"text_sealed": b"x"},
    }.get(table, {})
    numbers = {
        "approval": "version_id",
        "dry_run": "version_id",
        "escalation_step": "escalation_id",
        "rights_step": "request_id",
        "campaign_version": "version",
    }
    moments = {
        "campaign_version": ("created_at", "changed_at"),
        "escalation": ("opened_at",),
        "push": ("due_at", "useful_until"),
        "rights_request": ("opened_at",),
        "send_task": ("created_at",),
    }.get(table, ("at",))
    values = {**texts, **dict.fromkeys(moments, 1)}
    if table in numbers:
        values[numbers[table]] = 1
    names = ", ".join(f'"{name}"' for name in values)
    places = ", ".join(f":{name}" for name in values)
    db.run(f'INSERT INTO "{table}" ({names}) VALUES ({places})', **values)


def clean_up(db: Db, vault: Vault, now: int) -> None:
    """All that the nightly job deletes."""
    forget_unreadable(db, now)
    forget_words(db, vault, now, 100)
    inbox.forget(db, now)
    outbox.forget(db, now)
    agenda.forget(db, now)
    others.forget(db, now)


@pytest.mark.parametrize("record", FLOORS)
def test_D7_what_must_be_kept_is_there_when_its_time_has_passed(
    store: Database, vault: Vault, record: str
) -> None:
    span, tables = FLOORS[record]
    store.write(lambda db: [one_row(db, table) for table in sorted(tables)])
    store.write(lambda db: clean_up(db, vault, span + DAY))
    left = {table: store.read().value(f"SELECT count(*) FROM {table}") for table in tables}
    assert dict.fromkeys(tables, 1) == left


@pytest.mark.parametrize("record", FLOORS)
def test_D7_no_statement_deletes_what_must_be_kept_but_an_erasure(record: str) -> None:
    _, tables = FLOORS[record]
    found = {
        (file.name, table)
        for file in BOT.rglob("*.py")
        if "sandbox" not in file.parts and "migrations" not in file.parts
        for table in re.findall(r"DELETE FROM (\w+)", file.read_text(encoding="utf-8"))
        if table in tables
    }
    assert set() == {each for each in found if each[0] != "erasure.py"}
    assert tables <= set(catalogue())


def test_D7_no_setting_shortens_or_lengthens_how_long_words_are_kept() -> None:
    assert 90 == WORDS_DAYS
    written = (BOT.parent / "config/thresholds.yaml").read_text(encoding="utf-8")
    written += (BOT.parent / "config/settings.py").read_text(encoding="utf-8")
    assert [] == re.findall(r"(?m)^\s*\w*(?:keep|retention|words_days)\w*:", written)
