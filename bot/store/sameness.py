"""Which external ids are one person's, as statements ask it (``store.persons`` decides it)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from bot.store.db import Db

IDS_OF = (
    "SELECT b.external_userid FROM same_person a JOIN same_person b ON b.person = a.person"
    " WHERE a.external_userid = {}"
)
"""All ids of the person of one id; none when it was never merged."""
_PERSONS = """
SELECT b.external_userid, b.person FROM same_person a JOIN same_person b ON b.person = a.person
WHERE a.external_userid IN (SELECT value FROM json_each(:ids))
"""


def ids_of(db: Db, external_userid: str) -> list[str]:
    """Every id of the person, this one included."""
    rows = db.rows(f"{IDS_OF.format(':id')} ORDER BY 1", id=external_userid)
    return [row[0] for row in rows] or [external_userid]


def persons_of(db: Db, external_userids: Iterable[str]) -> dict[str, str]:
    """By id of those that share a person with one of these, what names the person."""
    rows = db.rows(_PERSONS, ids=json.dumps(sorted(external_userids)))
    found = {row["external_userid"]: row["person"] for row in rows}
    sizes = Counter(found.values())
    return {who: person for who, person in found.items() if sizes[person] > 1}
