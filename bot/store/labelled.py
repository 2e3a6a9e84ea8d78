"""Messages that people judged, as labelled lines: only what may still be read, covered up."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.clock import SHANGHAI
from bot.facts import Evidence, Fact, FactType, keepable
from bot.masking import cover_numbers, cover_person, cover_sums
from bot.store import talk
from bot.store.db import Db, Row
from bot.vault import Vault

# The state of a message follows the agreement; it is asked for here again, because what leaves
# the store cannot be called back.
_READABLE = """
SELECT m.*, c.sensitive_ok, c.profiling_ok
FROM message m JOIN customer c ON c.external_userid = m.sender
WHERE m.state = 'read' AND m.text_sealed IS NOT NULL AND c.erased = 0 AND c.restricted = 0
  AND (CASE WHEN m.conversation LIKE 'wk%' THEN c.profiling_ok = 1 ELSE EXISTS (
    SELECT 1 FROM agreement a WHERE a.conversation = m.conversation
      AND a.external_userid = m.sender AND a.status = 'Agree') END)
"""
_JUDGED = f"""{_READABLE}
  AND EXISTS (SELECT 1 FROM verdict v WHERE v.msgid = m.msgid AND v.latest = 1)
ORDER BY m.sent_at, m.msgid
"""
_FACTS = """
SELECT f.*, v.verdict, v.given, v.stated FROM fact f
LEFT JOIN verdict v ON v.fact_id = f.id AND v.latest = 1
WHERE f.msgid = :msgid AND f.external_userid = :customer AND f.status <> 'recalled'
ORDER BY f.id
"""
UNJUDGED = "unjudged"
_DAYS = ("date_from", "date_to")


@dataclass(slots=True)
class Labelled:
    """One message with what people say is in it, and what a reader found that is not.

    Attributes:
        id: A hash of the message's id.
        facts: ``type``, ``value``, ``evidence``, ``rule``, ``version`` and ``verdict``:
            ``confirmed``, ``changed``, ``added``, or ``unjudged`` for what was read and nobody
            looked at.
        rejected: The same for what people rejected, with the value as it was read.
    """

    id: str
    sent_at: datetime
    text: str
    facts: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def line(self, watermark: str = "") -> str:
        """As a JSON line, perhaps with what tells who took it away."""
        found = {
            "id": self.id,
            "sent_at": self.sent_at.isoformat(),
            "text": self.text,
            "facts": self.facts,
            "rejected": self.rejected,
        }
        marked = found | {"watermark": watermark} if watermark else found
        return json.dumps(marked, ensure_ascii=False)


def readable(db: Db, msgid: str) -> Row | None:
    """A message that may be read now, with what its customer consented to; else None."""
    return db.one(f"{_READABLE} AND m.msgid = :msgid", msgid=msgid)


def labelled(db: Db, vault: Vault) -> Iterator[Labelled]:
    """Every message with a verdict that may be read now, oldest first.

    Long numbers, known names and addresses are covered with dots, one for one.
    """
    for row in db.rows(_JUDGED):
        found = _labelled(db, vault, row)
        if found.facts or found.rejected:
            yield found


def covered(text: str, names: Iterable[str], consents: Row) -> str:
    """Words as they may leave the store: nobody recognisable, no sums without their consent."""
    plain = cover_person(text, names)
    return plain if consents["sensitive_ok"] else cover_sums(plain)


def telling_words(db: Db, vault: Vault, customer: str) -> list[str]:
    """What is known that would tell who a customer is: names, nicknames, address, number.

    The names of their follow users are among it.
    """
    rows = db.rows(
        "SELECT name FROM customer WHERE external_userid = :id"
        " UNION SELECT core_id FROM customer WHERE external_userid = :id"
        " UNION SELECT remark FROM follow WHERE external_userid = :id"
        " UNION SELECT s.name FROM follow f JOIN staff s USING (userid)"
        "   WHERE f.external_userid = :id"
        " UNION SELECT nickname FROM group_member WHERE member = :id",
        id=customer,
    )
    sealed = db.value(
        "SELECT address_sealed FROM customer WHERE external_userid = :id", id=customer
    )
    return [each for each in (*(row[0] for row in rows), vault.open_text(sealed)) if each]


def _labelled(db: Db, vault: Vault, row: Row) -> Labelled:
    message = talk.restore(row, vault)
    facts = db.rows(_FACTS, msgid=message.msgid, customer=message.sender)
    leads = {each["id"]: _lead(each, vault) for each in facts}
    before = talk.lines_just_before(db, vault, row["conversation"], row["sender"], row["sent_at"])
    allowed = "\n".join([*before, ""])
    lead = max((each for each in leads.values() if allowed.endswith(each)), key=len, default="")
    names = telling_words(db, vault, message.sender)
    found = Labelled(
        hashlib.sha256(message.msgid.encode()).hexdigest()[:16],
        message.sent_at.astimezone(SHANGHAI),
        covered(lead + message.text, names, row),
    )
    for each in facts:
        if lead.endswith(leads[each["id"]]):
            start = each["start"] + len(lead) - len(leads[each["id"]])
            _put(found, each, start, each["end"] + len(lead), sensitive=bool(row["sensitive_ok"]))
    return found


def _lead(fact: Row, vault: Vault) -> str:
    """The part of a fact's words that stands in earlier lines of the same thought."""
    words = vault.open_text(fact["words_sealed"])
    return words[: -fact["end"]] if fact["start"] == 0 and len(words) > fact["end"] else ""


def _put(found: Labelled, row: Row, start: int, end: int, *, sensitive: bool) -> None:
    verdict = row["verdict"] or {
        "confirmed": "confirmed",
        "rejected": "rejected",
        "pending": "",
    }.get(row["status"], UNJUDGED)
    if not verdict:
        return
    told = {"rejected": row["given"], None: row["value"]}.get(row["verdict"], row["stated"])
    value = {
        key: cover_numbers(each) if isinstance(each, str) and key not in _DAYS else each
        for key, each in json.loads(told or row["value"]).items()
    }
    fact = keepable(
        Fact(FactType(row["type"]), value, Evidence(start, end, ""), row["confidence"]),
        sensitive_consent=sensitive,
    )
    if fact is None:
        return
    entry = {
        "type": row["type"],
        "value": fact.value,
        "evidence": {"start": start, "end": end, "text": found.text[start:end]},
        "rule": row["rule"],
        "version": row["version"],
        "verdict": verdict,
    }
    (found.rejected if verdict == "rejected" else found.facts).append(entry)
