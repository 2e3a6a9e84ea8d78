"""Consent and refusal: rows that are only ever added, and the flags derived from them.

The newest row of a purpose counts; of two from the same moment the refusing one does. No
row means no. A marketing row that says no is a refusal, wherever it came from: the stricter
reading, since a customer who once said no may not be asked again for a while. A yes to an older
notice than the one in force counts no more (C5).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from bot.errors import Invalid
from bot.store import sameness
from bot.store.db import Db, Row

PURPOSES = ("service", "marketing", "profiling", "profiling_sensitive", "archive_analysis")
_DAY_MS = 86_400_000
SCOPES = ("all", "marketing", "calls")
"""What a customer may refuse; each of them ends all marketing."""

# A person of whom nothing is known yet may refuse too.
_MEET = """
INSERT INTO customer (external_userid, created_at) VALUES (:external_userid, :at)
ON CONFLICT (external_userid) DO NOTHING
"""
_ADD = """
INSERT INTO consent
  (external_userid, purpose, granted, channel, notice_version, proof, employee, at)
VALUES
  (:external_userid, :purpose, :granted, :channel,
   coalesce(:notice_version, (SELECT n.version FROM notice n WHERE n.purpose = :purpose
     AND n.since_at <= :at ORDER BY n.since_at DESC LIMIT 1), ''), :proof, :employee, :at)
ON CONFLICT (external_userid, purpose, granted, at, proof) DO NOTHING
"""
_LATEST = (
    "SELECT granted FROM consent WHERE external_userid = customer.external_userid"
    " AND purpose = '{}' ORDER BY at DESC, granted LIMIT 1"
)
# The same, a yes only under the notice in force; none in force means that any counts.
_STANDS = """
SELECT CASE WHEN granted = 1 AND coalesce((SELECT n.version FROM notice n
    WHERE n.purpose = '{0}' ORDER BY n.since_at DESC LIMIT 1), '') IN ('', notice_version)
  THEN 1 ELSE 0 END
FROM consent WHERE external_userid = customer.external_userid
  AND purpose = '{0}' ORDER BY at DESC, granted LIMIT 1
"""
_DERIVE = f"""
UPDATE customer SET
  marketing_ok = coalesce(({_LATEST.format("marketing")}), 0),
  refused = 1 - coalesce(({_LATEST.format("marketing")}), 1),
  notice_ok = coalesce(({_STANDS.format("marketing")}), 0),
  sensitive_ok = coalesce(({_STANDS.format("profiling_sensitive")}), 0),
  profiling_ok = coalesce(({_STANDS.format("profiling")}), 0)
WHERE external_userid = :external_userid
"""  # only the constants above are put in
# Of one person's ids the strictest word counts: what one refused no other may do.
_NO = f"""
EXISTS (SELECT 1 FROM same_person a JOIN same_person b ON b.person = a.person
  JOIN customer o ON o.external_userid = b.external_userid
  WHERE a.external_userid = :external_userid
    AND ({_LATEST.replace("customer.", "o.")}) = 0)
"""
_TIGHTEN = f"""
UPDATE customer SET
  marketing_ok = CASE WHEN {_NO.format("marketing")} THEN 0 ELSE marketing_ok END,
  refused = CASE WHEN {_NO.format("marketing")} THEN 1 ELSE refused END,
  sensitive_ok = CASE WHEN {_NO.format("profiling_sensitive")} THEN 0 ELSE sensitive_ok END,
  profiling_ok = CASE WHEN {_NO.format("profiling")} THEN 0 ELSE profiling_ok END
WHERE external_userid = :external_userid
"""  # as above
_REFUSED_AT = """
SELECT max(at) FROM consent WHERE purpose = 'marketing' AND granted = 0
  AND external_userid IN (SELECT value FROM json_each(:ids))
"""
_IMPERSONAL = f"""
SELECT 1 FROM customer
WHERE external_userid IN (SELECT value FROM json_each(:ids))
  AND ({_LATEST.format("profiling")}) = 0
"""


def record_consent(
    db: Db,
    external_userid: str,
    purpose: str,
    *,
    granted: bool,
    channel: str,
    proof: str,
    at: int,
    notice_version: str | None = None,
    employee: str = "",
) -> bool:
    """Add what a customer said about one purpose, and bring their flags up to date.

    ``proof`` is what shows it later (a ``msgid``, a form's number); ``at`` is when the
    customer said it, epoch milliseconds. ``notice_version`` is what they were shown, "" when
    that is not known, None for the notice that was in force then.

    Returns:
        False when the same row was there already.

    Raises:
        Invalid: The purpose is none of the five.
    """
    added = add_consents(
        db,
        [
            {
                "external_userid": external_userid,
                "purpose": purpose,
                "granted": int(granted),
                "channel": channel,
                "notice_version": notice_version,
                "proof": proof,
                "employee": employee,
                "at": at,
            }
        ],
    )
    return added > 0


def is_impersonal(db: Db, external_userid: str) -> bool:
    """Whether a customer has switched personalisation off (T4): the newest word about it is no.

    Of one person's ids one no is enough.
    """
    ids = json.dumps(sameness.ids_of(db, external_userid))
    return db.value(_IMPERSONAL, ids=ids) is not None


def record_refusal(
    db: Db, external_userid: str, scope: str, *, channel: str, proof: str, at: int
) -> bool:
    """Keep a refusal: from the end of this transaction on nothing is marketed to them.

    Every scope ends all marketing; which one it was stays in ``notice_version``. Only a
    marketing consent that the customer gives later lifts it. ``at`` is when the customer said
    it, epoch milliseconds.

    Returns:
        False when the same refusal was there already.

    Raises:
        Invalid: The scope is none of ``SCOPES``.
    """
    if scope not in SCOPES:
        raise Invalid(f"拒绝范围 {scope!r} 无法识别,应为 {'、'.join(SCOPES)} 之一")
    return record_consent(
        db,
        external_userid,
        "marketing",
        granted=False,
        channel=channel,
        proof=proof,
        at=at,
        notice_version=f"refusal:{scope}",
    )


def add_consents(db: Db, rows: Sequence[Mapping[str, str | int | None]]) -> int:
    """Add many rows with the columns of ``consent``; the number that was not there yet.

    Raises:
        Invalid: A purpose is none of the five; nothing was added.
    """
    for row in rows:
        if row["purpose"] not in PURPOSES:
            raise Invalid(f"同意用途 {row['purpose']!r} 无法识别,应为 {'、'.join(PURPOSES)} 之一")
    db.many(_MEET, rows)
    added = db.many(_ADD, rows)
    derive_consent(db, {str(row["external_userid"]) for row in rows})
    return added


def derive_consent(db: Db, external_userids: Iterable[str]) -> None:
    """Set the flags of consent and refusal of some customers from their rows."""
    wanted = set(external_userids)
    merged = sameness.persons_of(db, wanted)
    db.many(_DERIVE, [{"external_userid": each} for each in sorted(wanted | merged.keys())])
    db.many(_TIGHTEN, [{"external_userid": each} for each in sorted(merged)])


def refused_at(db: Db, external_userid: str) -> int | None:
    """When the customer last refused marketing (epoch ms), even if they agreed since.

    For 180 days from then on nobody may ask them again.
    """
    ids = json.dumps(sameness.ids_of(db, external_userid))
    moment: int | None = db.value(_REFUSED_AT, ids=ids)
    return moment


def not_asked_before(db: Db, external_userid: str, days: int, now: int) -> int | None:
    """Until when nobody may ask somebody who refused (epoch ms); None when they may (C4)."""
    refused = refused_at(db, external_userid)
    until = None if refused is None else refused + days * _DAY_MS
    return until if until is not None and until > now else None


def standing(db: Db, external_userid: str) -> Row | None:
    """The flags derived from the rows, as they are now; nothing else of the customer."""
    return db.one(
        "SELECT external_userid, marketing_ok, notice_ok, refused, sensitive_ok, profiling_ok"
        " FROM customer WHERE external_userid = :id",
        id=external_userid,
    )
