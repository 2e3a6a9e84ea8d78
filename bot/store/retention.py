"""How long words are kept: after 90 days only the fact and a keyed hash of the words stay."""

from __future__ import annotations

from bot.store.db import Db
from bot.vault import Vault

WORDS_DAYS = 90
"""For messages and for the evidence of facts. No setting: nobody may keep them longer."""
_DAY_MS = 86_400_000
_OLD_MESSAGES = """
SELECT msgid AS id, text_sealed AS words FROM message
WHERE (text_sealed IS NOT NULL OR raw_sealed IS NOT NULL) AND sent_at < :before
ORDER BY sent_at LIMIT :limit
"""
_OLD_EVIDENCE = """
SELECT id, words_sealed AS words FROM fact
WHERE words_sealed IS NOT NULL AND observed_at < :before ORDER BY observed_at LIMIT :limit
"""


def forget_words(db: Db, vault: Vault, now: int, limit: int) -> int:
    """Replace words older than 90 days by their hash, oldest first; how many places that were.

    Call it until it returns 0: a transaction takes ``limit`` messages and as many facts.
    """
    before = now - WORDS_DAYS * _DAY_MS
    messages = _hashes(db, vault, _OLD_MESSAGES, before, limit)
    facts = _hashes(db, vault, _OLD_EVIDENCE, before, limit)
    db.many(
        "UPDATE message SET text_sealed = NULL, raw_sealed = NULL, text_hash = ? WHERE msgid = ?",
        messages,
    )
    db.many("UPDATE fact SET words_sealed = NULL, words_hash = ? WHERE id = ?", facts)
    return len(messages) + len(facts)


def forget_unreadable(db: Db, now: int) -> int:
    """Delete what could not be read within 90 days: records set aside, and broken items."""
    before = now - WORDS_DAYS * _DAY_MS
    gone = db.run("DELETE FROM set_aside WHERE at < :before", before=before)
    return gone + db.run(
        "DELETE FROM inbox WHERE state = 2 AND received_at < :before", before=before
    )


def _hashes(
    db: Db, vault: Vault, statement: str, before: int, limit: int
) -> list[tuple[str | None, str]]:
    rows = db.rows(statement, before=before, limit=limit)
    return [
        (vault.words_hash(vault.open_text(row["words"])) if row["words"] else None, row["id"])
        for row in rows
    ]
