"""One person under several external ids: which ids are the same person's, and why.

A merger changes no other row, so that undoing it leaves no trace: whoever counts or asks for
consent looks at all ids of the person. It only ever takes away: what one id refused counts for
all, what one id agreed to is no yes of another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from bot.errors import Invalid
from bot.store import consents, journal
from bot.store.db import Db, Row
from bot.store.sameness import IDS_OF, ids_of

CORE, HAND, PARTED = "core", "hand", "parted"
"""Why ids belong together: one core number, or an employee says so; or that they do not."""
_KEEP = """
INSERT INTO same_person (external_userid, person, why, by, at)
VALUES (:id, :person, :why, :by, :now)
ON CONFLICT (external_userid) DO UPDATE SET person = :person, why = :why, by = :by, at = :now
"""
_MOVE = "UPDATE same_person SET person = :person WHERE external_userid = :id"
# Whom somebody took apart by hand the next file does not put together again.
_SHARING_CORE = """
SELECT c.core_id, c.external_userid, s.person FROM customer c
LEFT JOIN same_person s ON s.external_userid = c.external_userid
WHERE c.core_id <> '' AND c.erased = 0 AND s.why IS DISTINCT FROM 'parted'
  AND c.core_id IN (SELECT core_id FROM customer
    WHERE external_userid IN (SELECT value FROM json_each(:ids)))
ORDER BY c.core_id, c.external_userid
"""


def merge(db: Db, ids: Iterable[str], why: str, by: str, now: int) -> bool:
    """Have ids count as one person, with those that count as the same person already.

    Returns:
        False when they did.

    Raises:
        Invalid: Fewer than two, or one that is not known or was erased.
    """
    wanted = sorted(set(ids))
    known = db.rows(
        "SELECT external_userid FROM customer WHERE erased = 0"
        " AND external_userid IN (SELECT value FROM json_each(:ids))",
        ids=json.dumps(wanted),
    )
    if len(known) != len(wanted) or len(wanted) < 2:
        raise Invalid("请选两位在册的客户来合并;已删除的客户不能合并")
    groups = {tuple(ids_of(db, each)) for each in wanted}
    if len(groups) == 1:
        return False
    everybody = sorted({each for group in groups for each in group})
    for each in everybody:
        # Who belonged to a group already keeps the reason; nobody stays apart by hand.
        before = of(db, each)
        if before is None or before["why"] == PARTED:
            db.run(_KEEP, id=each, person=everybody[0], why=why, by=by, now=now)
        else:
            db.run(_MOVE, id=each, person=everybody[0])
    consents.derive_consent(db, everybody)
    _note(db, "customers_merged", everybody, by, now, why)
    return True


def part(db: Db, external_userid: str, by: str, now: int) -> bool:
    """Take one id out again, for good; False when it stands alone."""
    group = ids_of(db, external_userid)
    rest = [each for each in group if each != external_userid]
    if not rest:
        return False
    db.run(_KEEP, id=external_userid, person=external_userid, why=PARTED, by=by, now=now)
    for each in rest:
        db.run(_MOVE, id=each, person=rest[0])
    consents.derive_consent(db, group)
    _note(db, "customers_parted", group, by, now, external_userid)
    return True


def merge_by_core(db: Db, imported: Iterable[str], now: int) -> int:
    """Merge whoever the core system knows by one number, unless somebody parted them."""
    sharing: dict[str, list[str]] = {}
    for row in db.rows(_SHARING_CORE, ids=json.dumps(sorted(imported))):
        sharing.setdefault(row["core_id"], []).append(row["external_userid"])
    several = [ids for ids in sharing.values() if len(ids) > 1]
    return sum(merge(db, ids, CORE, "import", now) for ids in several)


def others_of(db: Db, external_userid: str) -> list[Row]:
    """The person's other ids, with why and by whom."""
    return db.rows(
        f"SELECT * FROM same_person WHERE external_userid IN ({IDS_OF.format(':id')})"
        " AND external_userid <> :id ORDER BY external_userid",
        id=external_userid,
    )


def of(db: Db, external_userid: str) -> Row | None:
    """Why an id belongs where it does; None when nobody ever said so."""
    return db.one("SELECT * FROM same_person WHERE external_userid = :id", id=external_userid)


def _note(db: Db, kind: str, ids: list[str], by: str, now: int, about: str) -> None:
    for each in ids:
        journal.note(db, kind, now, customer=each, by=by, ids=ids, about=about)
    journal.audit(db, by, kind, ids[0], now, ids=ids, about=about)
