"""The notices by which customers were asked: a consent to an older one counts no more (C5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot.store import consents, journal
from bot.store.db import Db

_IN_FORCE = """
SELECT purpose, version FROM notice n
WHERE since_at = (SELECT max(since_at) FROM notice WHERE purpose = n.purpose)
"""
_ADD = """
INSERT INTO notice (purpose, version, since_at) VALUES (:purpose, :version, :now)
ON CONFLICT (purpose, since_at) DO UPDATE SET version = :version
"""
_ASKED = "SELECT DISTINCT external_userid FROM consent WHERE purpose = :purpose"
PUT = "notice_in_force"
"""The act of the audit trail."""


def in_force(db: Db) -> dict[str, str]:
    """The version of each purpose's notice; a purpose without one is left out."""
    return {row["purpose"]: row["version"] for row in db.rows(_IN_FORCE) if row["version"]}


def are(db: Db, wanted: Mapping[str, str]) -> bool:
    """Whether the consents were derived by these notices."""
    return in_force(db) == {purpose: version for purpose, version in wanted.items() if version}


def outdated(db: Db, rows: Iterable[Mapping[str, Any]]) -> int:
    """How many of some rows agree to another notice than the one in force."""
    now = in_force(db)
    return sum(
        bool(row["granted"]) and row.get("notice_version", "") != now[row["purpose"]]
        for row in rows
        if row["purpose"] in now
    )


def put(db: Db, wanted: Mapping[str, str], now: int) -> int:
    """Put notices in force, and derive everybody's consent again; the number of changed notices."""
    before = in_force(db)
    changed = [purpose for purpose in wanted if wanted[purpose] != before.get(purpose, "")]
    for purpose in changed:
        version = wanted[purpose]
        db.run(_ADD, purpose=purpose, version=version, now=now)
        old = before.get(purpose, "")
        journal.audit(db, "system", PUT, f"notice:{purpose}", now, version=version, instead_of=old)
        asked = db.rows(_ASKED, purpose=purpose)
        consents.derive_consent(db, [row["external_userid"] for row in asked])
    return len(changed)
