"""What people said about facts: labelled examples, and the record of every reading rule.

An example points at the fact and the message and holds no words of its own. When those go, for
whatever reason, triggers of the table strip it down to a count for its rule.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import sqrt
from typing import Any

from bot.clock import SHANGHAI
from bot.store.db import Db, Row
from bot.store.sight import Sight

PERSON = "person"
"""The rule, and the reader, of a fact that a person found."""
_MODEL = "model."
_CONFIDENCE = 1.96  # two-sided 95 %

_ADD = """
INSERT INTO verdict (given_on, at, by, branch, external_userid, msgid, fact_id, type, rule,
  version, reader, confidence, verdict, given, stated)
VALUES (:day, :at, :by,
  coalesce((SELECT branch FROM customer WHERE external_userid = :customer), ''), :customer,
  :msgid, :fact, :type, :rule, :version, :reader, :confidence, :verdict, :given, :stated)
"""
# A fact may outlive its words; what is said about it then is a count from the start.
_FORGET_WORDLESS = """
UPDATE verdict SET at = NULL, by = '', external_userid = '', msgid = '', fact_id = NULL,
  given = '{}', stated = '{}'
WHERE id = :id AND NOT EXISTS (
  SELECT 1 FROM message m WHERE m.msgid = verdict.msgid AND m.text_sealed IS NOT NULL)
"""
_JUDGED = """
SELECT rule, version, type, reader, sum(verdict = 'confirmed') AS confirmed,
  sum(verdict = 'rejected') AS rejected, sum(verdict = 'changed') AS changed,
  sum(verdict = 'added') AS added
FROM verdict WHERE latest = 1 AND given_on BETWEEN :first_on AND :last_on
  AND (:branch = '' OR branch = :branch)
GROUP BY rule, version, type, reader
"""
_HEARD = """
SELECT f.rule, f.version, f.type, sum(f.observed_at BETWEEN :since AND :until) AS heard,
  max(f.observed_at) AS last_used_at
FROM fact f WHERE f.status <> 'recalled' AND (:branch = '' OR EXISTS (
  SELECT 1 FROM customer c WHERE c.external_userid = f.external_userid AND c.branch = :branch))
GROUP BY f.rule, f.version, f.type
"""
_EXAMPLES = """
SELECT v.* FROM verdict v JOIN customer c USING (external_userid)
WHERE v.rule = :rule AND v.latest = 1 AND v.fact_id IS NOT NULL AND {seen}
ORDER BY v.id DESC LIMIT :limit
"""


@dataclass(frozen=True, slots=True)
class Span:
    """Days of a report, both included: ISO days, and as epoch milliseconds."""

    first_on: str
    last_on: str
    since: int
    until: int


@dataclass(slots=True)
class Record:
    """How one version of a rule did.

    Attributes:
        heard: Facts that it read in the span.
        added: Facts that people found and no reader did; only of the reader ``person``.
        precision: Confirmed as read, of all that people decided on; None before the first.
        lower: The lower end of the 95 % Wilson interval of the precision.
        last_used_on: The day of the newest fact, whether or not in the span.
        mend: People should look at the rule.
    """

    rule: str
    version: str
    type: str
    reader: str
    heard: int = 0
    confirmed: int = 0
    rejected: int = 0
    changed: int = 0
    added: int = 0
    precision: float | None = None
    lower: float | None = None
    last_used_on: str | None = None
    mend: bool = False

    @property
    def judged(self) -> int:
        """How many of its readings people decided on."""
        return self.confirmed + self.rejected + self.changed


def reader_of(rule: str) -> str:
    """Who reads under a rule's name: ``rules``, ``model`` or ``person``."""
    if rule == PERSON:
        return PERSON
    return "model" if rule.startswith(_MODEL) else "rules"


def rule_version(version: str) -> str:
    """The version of the rule alone: a doubted fact carries that of the doubt behind it."""
    return version.partition("+")[0]


def record(db: Db, fact: Row, verdict: str, by: str, stated: Mapping[str, Any], now: int) -> None:
    """Keep what a person said about a fact, as the fact was before.

    Args:
        db: Where to keep it.
        fact: The fact's row before the correction.
        verdict: ``confirmed``, ``rejected`` or ``added``; ``confirmed`` with another value than
            the reader gave is kept as ``changed``.
        by: Who says so.
        stated: The value as the person left it.
        now: Epoch milliseconds.
    """
    first = db.value("SELECT given FROM verdict WHERE fact_id = :id ORDER BY id", id=fact["id"])
    given = fact["value"] if first is None or verdict == "added" else first
    if verdict == "confirmed" and json.loads(given) != stated:
        verdict = "changed"
    db.run("UPDATE verdict SET latest = 0 WHERE fact_id = :id", id=fact["id"])
    row = db.insert(
        _ADD,
        day=datetime.fromtimestamp(now / 1000, UTC).astimezone(SHANGHAI).date().isoformat(),
        at=now,
        by=by,
        customer=fact["external_userid"],
        msgid=fact["msgid"],
        fact=fact["id"],
        type=fact["type"],
        rule=fact["rule"],
        version=rule_version(fact["version"]),
        reader=reader_of(fact["rule"]),
        confidence=fact["confidence"],
        verdict=verdict,
        given=given,
        stated=json.dumps(stated, ensure_ascii=False, sort_keys=True),
    )
    db.run(_FORGET_WORDLESS, id=row)


def records(db: Db, span: Span, *, least: int, mend_below: float, branch: str = "") -> list[Record]:
    """Every rule that read or was judged in a span; those to mend first, then the least sure.

    Args:
        db: Where to look.
        span: The days.
        least: Verdicts that a rule needs before anything is proposed.
        mend_below: The lower bound under which mending is proposed.
        branch: Only facts of its customers; "" for all.
    """
    found: dict[tuple[str, str, str], Record] = {}
    newest: dict[str, tuple[int, str]] = {}
    for row in db.rows(_HEARD, since=span.since, until=span.until, branch=branch):
        one = _of(found, row)
        one.heard += row["heard"]
        one.last_used_on = max(one.last_used_on or "", _day(row["last_used_at"]))
        newest[one.rule] = max(newest.get(one.rule, (0, "")), (row["last_used_at"], one.version))
    for row in db.rows(_JUDGED, first_on=span.first_on, last_on=span.last_on, branch=branch):
        one = _of(found, row)
        for name in ("confirmed", "rejected", "changed", "added"):
            setattr(one, name, row[name])
    for one in found.values():
        if one.judged:
            one.precision = one.confirmed / one.judged
            one.lower = lower_bound(one.confirmed, one.judged)
            current = newest.get(one.rule, (0, one.version))[1] == one.version
            enough = one.judged >= least and one.reader != PERSON
            one.mend = current and enough and one.lower < mend_below
    spoken = [one for one in found.values() if one.heard or one.judged or one.added]
    return sorted(spoken, key=lambda one: (not one.mend, one.lower or 1.0, -one.heard, one.rule))


def examples_of(db: Db, scope: Sight, rule: str, limit: int = 50) -> list[Row]:
    """The newest corrections of a rule about customers within a sight, newest first."""
    return db.rows(_EXAMPLES.format(seen=scope.where), rule=rule, limit=limit, **scope.values)


def _of(found: dict[tuple[str, str, str], Record], row: Row) -> Record:
    key = (row["rule"], rule_version(row["version"]), row["type"])
    return found.setdefault(key, Record(*key, reader_of(row["rule"])))


def _day(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(SHANGHAI).date().isoformat()


def lower_bound(right: int, of: int) -> float:
    """The lower end of the 95 % Wilson interval of a share; ``of`` is at least one."""
    z = _CONFIDENCE
    share = right / of
    middle = share + z * z / (2 * of)
    spread = z * sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return max(0.0, (middle - spread) / (1 + z * z / of))
