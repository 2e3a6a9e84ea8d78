"""The customer ledger: facts with their evidence, merged over time, corrected, recalled."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bot.clock import SHANGHAI
from bot.facts import SENSITIVE_KEYS, Evidence, Fact, FactType
from bot.model import ExternalUserId
from bot.store.db import Db, Row
from bot.vault import Vault

_ADD = """
INSERT INTO fact
  (external_userid, type, subject, value, class, msgid, start, "end", words_sealed, confidence,
   rule, version, status, date_from, date_to, amount, expires_on, observed_at)
VALUES (:customer, :type, :subject, :value, :class, :msgid, :start, :end, :words, :confidence,
  :rule, :version, :status, :date_from, :date_to, :amount, :expires, :at)
ON CONFLICT (msgid, external_userid, type, subject, start, "end") DO NOTHING
"""
# What was said later about the same thing counts; both stay with their times. Lines that
# arrive out of order settle the same way, because observation times are compared.
_SUPERSEDE = """
UPDATE fact SET status = 'superseded'
WHERE external_userid = :customer AND type = :type AND subject = :subject
  AND status = 'current' AND observed_at < :at
"""
_LATER = """
SELECT 1 FROM fact WHERE external_userid = :customer AND type = :type AND subject = :subject
  AND status IN ('current', 'confirmed') AND observed_at > :at
"""
_REVIVE = """
UPDATE fact SET status = 'current' WHERE id = (
  SELECT id FROM fact WHERE external_userid = :customer AND type = :type AND subject = :subject
    AND status = 'superseded' ORDER BY observed_at DESC, id DESC LIMIT 1)
  AND NOT EXISTS (SELECT 1 FROM fact WHERE external_userid = :customer AND type = :type
    AND subject = :subject AND status IN ('current', 'confirmed'))
"""

# The keys that make two facts of a type speak of the same thing.
_SUBJECTS: dict[FactType, tuple[str, ...]] = {
    FactType.CHILDREN: ("stage",),
    FactType.ELDERS: ("relation",),
    FactType.LIFE_EVENT: ("kind",),
    FactType.HOBBY: ("name",),
    FactType.CONCERN: ("topic",),
    FactType.PRODUCT_INTEREST: ("product",),
    FactType.OTHER_BANK: ("bank", "product"),
    FactType.MATURITY: ("product",),
    FactType.INFLOW: ("source",),
    FactType.OUTFLOW: ("purpose",),
    FactType.CHURN: ("kind",),
    FactType.COMPLAINT: ("topic",),
    FactType.CONTACT_REQUEST: ("channel",),
}
# Complaints and sign-ups are events: each one stands for itself.
_EVENTS = frozenset({FactType.COMPLAINT, FactType.RSVP, FactType.OPT_OUT, FactType.OPT_IN})
_LIVES: dict[FactType, int] = {
    FactType.PRODUCT_INTEREST: 90,
    FactType.CHURN: 90,
    FactType.COMPLAINT: 180,
    FactType.CONTACT_REQUEST: 30,
    FactType.RSVP: 60,
    FactType.LIFE_EVENT: 365,
    FactType.CONCERN: 365,
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact was said."""

    msgid: str
    at: datetime


def subject_of(fact: Fact) -> str:
    """What a fact is about, within its type."""
    keys = _SUBJECTS.get(fact.type, ())
    return "/".join(str(fact.value.get(key, "")) for key in keys)


def expiry_of(fact: Fact, observed: date) -> date | None:
    """The day after which a fact is stale: a month past its dates, else by its type."""
    _, until = fact.due
    if until is not None:
        return until + timedelta(days=30)
    days = _LIVES.get(fact.type)
    return observed + timedelta(days=days) if days else None


def add_fact(
    db: Db, vault: Vault, customer: ExternalUserId, fact: Fact, source: Source
) -> int | None:
    """Put a fact into the ledger; its id, or None when this very reading is known.

    A later statement about the same subject supersedes an earlier one; a fact below the
    threshold waits as ``pending`` and supersedes nothing.
    """
    at = int(source.at.timestamp() * 1000)
    about = {"customer": customer, "type": fact.type, "subject": subject_of(fact)}
    status = "current" if fact.settled else "pending"
    if status == "current" and fact.type not in _EVENTS:
        if db.value(_LATER, **about, at=at):
            status = "superseded"
        else:
            db.run(_SUPERSEDE, **about, at=at)
    observed = source.at.astimezone(SHANGHAI).date()
    expires = expiry_of(fact, observed)
    values = _columns(fact, vault)
    row = db.insert(
        _ADD,
        **about,
        **values,
        msgid=source.msgid,
        status=status,
        expires=expires.isoformat() if expires else None,
        at=at,
    )
    return row or None


def _columns(fact: Fact, vault: Vault) -> dict[str, Any]:
    return {
        "value": json.dumps(fact.value, ensure_ascii=False, sort_keys=True),
        "class": fact.sensitivity,
        "start": fact.evidence.start,
        "end": fact.evidence.end,
        "words": vault.seal_text(fact.evidence.text),
        "confidence": fact.confidence,
        "rule": fact.rule,
        "version": fact.version,
        "date_from": fact.value.get("date_from"),
        "date_to": fact.value.get("date_to"),
        "amount": fact.value.get("amount"),
    }


def recall(db: Db, msgid: str) -> list[ExternalUserId]:
    """A message was taken back: what was learnt from it goes, what it replaced returns."""
    touched = db.rows(
        "SELECT DISTINCT external_userid, type, subject FROM fact"
        " WHERE msgid = :id AND status <> 'recalled'",
        id=msgid,
    )
    db.run(
        "UPDATE fact SET status = 'recalled', value = '{}', words_sealed = NULL, amount = NULL,"
        " date_from = NULL, date_to = NULL WHERE msgid = :id",
        id=msgid,
    )
    for row in touched:
        db.run(_REVIVE, customer=row["external_userid"], type=row["type"], subject=row["subject"])
    return [ExternalUserId(row["external_userid"]) for row in touched]


def forget_sensitive(db: Db, customer: str) -> None:
    """The separate consent is taken back: sensitive facts go, and sums out of the others."""
    db.run(
        "UPDATE fact SET status = 'recalled', value = '{}', words_sealed = NULL, amount = NULL,"
        " date_from = NULL, date_to = NULL WHERE external_userid = :id AND class = 'sensitive'",
        id=customer,
    )
    for row in db.rows(
        "SELECT id, value FROM fact WHERE external_userid = :id AND status <> 'recalled'",
        id=customer,
    ):
        value = json.loads(row["value"])
        kept = {key: each for key, each in value.items() if key not in SENSITIVE_KEYS}
        if kept != value:
            db.run(
                "UPDATE fact SET value = :value, amount = NULL, words_sealed = NULL WHERE id = :id",
                value=json.dumps(kept, ensure_ascii=False),
                id=row["id"],
            )


def birthdays(db: Db, customer: str) -> list[dict[str, Any]]:
    """The birthdays that stand in the ledger with month and day, the newest last."""
    rows = db.rows(
        "SELECT value FROM fact WHERE external_userid = :id AND type = 'person.birthday'"
        " AND status IN ('current', 'confirmed') ORDER BY observed_at, id",
        id=customer,
    )
    values = [json.loads(row["value"]) for row in rows]
    return [value for value in values if {"month", "day"} <= value.keys()]


def correct(
    db: Db, fact_id: int, status: str, by: str, value: dict[str, Any] | None = None
) -> Row | None:
    """A person confirmed or rejected a fact; the row as it is now.

    ``value`` is the whole value as the person leaves it, None as it was.
    """
    row = fact_row(db, fact_id)
    if row is None:
        return None
    if value is None:
        value = json.loads(row["value"])
    db.run(
        "UPDATE fact SET status = :status, decided_by = :by, value = :value,"
        " date_from = :start, date_to = :end, amount = :amount WHERE id = :id",
        status=status,
        by=by,
        value=json.dumps(value, ensure_ascii=False, sort_keys=True),
        start=value.get("date_from"),
        end=value.get("date_to"),
        amount=value.get("amount"),
        id=fact_id,
    )
    return fact_row(db, fact_id)


def vouch(db: Db, fact_id: int, by: str) -> Row:
    """A person found this fact; what was said later about the same thing still counts."""
    db.run(
        "UPDATE fact SET decided_by = :by,"
        " status = CASE status WHEN 'current' THEN 'confirmed' ELSE status END WHERE id = :id",
        by=by,
        id=fact_id,
    )
    row = fact_row(db, fact_id)
    assert row is not None
    return row


def is_stale(row: Row, today: date) -> bool:
    """Whether a fact is past the day until which it says anything."""
    return row["expires_on"] is not None and row["expires_on"] < today.isoformat()


def speaks_for_itself(db: Db, msgid: str) -> bool:
    """Whether a message held a refusal or a complaint above the threshold."""
    return bool(
        db.value(
            "SELECT 1 FROM fact WHERE msgid = :id AND status = 'current'"
            " AND type IN ('consent.opt_out', 'risk.complaint')",
            id=msgid,
        )
    )


def fact_row(db: Db, fact_id: int) -> Row | None:
    """One fact."""
    return db.one("SELECT * FROM fact WHERE id = :id", id=fact_id)


def facts_on(db: Db, msgid: str) -> list[Row]:
    """What was read of a message, whatever became of it, but what was taken back."""
    return db.rows("SELECT * FROM fact WHERE msgid = :id AND status <> 'recalled'", id=msgid)


def facts_of(db: Db, customer: str, *, sensitive: bool) -> list[Row]:
    """A customer's ledger, newest first; sensitive facts only for those who may see them."""
    return db.rows(
        "SELECT * FROM fact WHERE external_userid = :id AND status <> 'recalled'"
        " AND (class = 'ordinary' OR :sensitive = 1) ORDER BY observed_at DESC, id DESC",
        id=customer,
        sensitive=int(sensitive),
    )


def restore(row: Row, vault: Vault) -> Fact:
    """The fact that a row keeps."""
    return Fact(
        FactType(row["type"]),
        json.loads(row["value"]),
        Evidence(row["start"], row["end"], vault.open_text(row["words_sealed"])),
        row["confidence"],
        row["rule"],
        row["version"],
    )


def observed_at(row: Row) -> datetime:
    """When a fact was said."""
    return datetime.fromtimestamp(row["observed_at"] / 1000, UTC)
