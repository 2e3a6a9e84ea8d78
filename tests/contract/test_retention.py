"""After 90 days only the fact and the hash of its words stay."""

from __future__ import annotations

from datetime import UTC, datetime

from bot.facts import Evidence, Fact, FactType
from bot.model import ArchivedMessage, ChatId, ExternalUserId, MsgId
from bot.store import ledger, people, talk
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


def test_d7_t3_words_stay_for_90_days_and_then_only_their_hash(
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


def test_d7_a_few_at_a_time_until_nothing_is_left(store: Database, vault: Vault) -> None:
    store.write(lambda db: [say(db, vault, f"m{n}") for n in range(3)])
    later = THEN + 400 * DAY
    assert 4 == store.write(lambda db: forget_words(db, vault, later, 2))
    assert 2 == store.write(lambda db: forget_words(db, vault, later, 2))
    assert 0 == store.write(lambda db: forget_words(db, vault, later, 2))


def test_d7_a_recall_after_that_still_takes_the_fact(store: Database, vault: Vault) -> None:
    store.write(lambda db: say(db, vault, "m1"))
    store.write(lambda db: forget_words(db, vault, THEN + 100 * DAY, 10))
    assert [WHO] == store.write(lambda db: ledger.recall(db, "m1"))
    assert "recalled" == store.read().value("SELECT status FROM fact")


def test_d7_what_could_not_be_read_goes_too(store: Database) -> None:
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
