"""What the bank lists and a text quotes: products and alliance offers, every version kept.

An approval covers the hash of what is quoted, so that a change voids it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from bot.store.db import Db, Row


@dataclass(frozen=True, slots=True)
class Library:
    """One table of versions, of which one a code is current.

    Attributes:
        facts: The columns of the bank's file, besides the code.
        empty: Of these, those that are NULL where the file says nothing.
        counted: Of these, those that no text quotes: they may change without a new approval.
        carried: Columns of our own that a new version takes over from the one before.
    """

    table: str
    facts: tuple[str, ...]
    empty: frozenset[str]
    counted: frozenset[str] = frozenset()
    carried: tuple[str, ...] = ()

    @property
    def blank(self) -> dict[str, Any]:
        """What is known of something that is new."""
        return {name: None if name in self.empty else "" for name in self.facts}

    def add_version(self, db: Db, said: Mapping[str, Any], now: int) -> None:
        """Make this what a code says from now on; what it said before is kept."""
        kept = self._carried(db, said["code"])
        db.run(f"UPDATE {self.table} SET is_current = 0 WHERE code = :code", code=said["code"])
        values = {name: said[name] for name in ("code", *self.facts)} | kept
        names = (*values, "facts_hash", "imported_at", "is_current")
        db.run(
            f"INSERT INTO {self.table} ({', '.join(names)})"
            f" VALUES ({', '.join(':' + name for name in names)})",
            **values,
            facts_hash=self.hash_of(said),
            imported_at=now,
            is_current=1,
        )

    def current(self, db: Db, codes: Iterable[str]) -> list[Row]:
        """What some codes say now, by code; unknown ones are missing."""
        return db.rows(
            f"SELECT * FROM {self.table} WHERE is_current = 1"
            " AND code IN (SELECT value FROM json_each(:codes)) ORDER BY code",
            codes=json.dumps(sorted(codes)),
        )

    def all(self, db: Db) -> list[Row]:
        """Everything as it is now, by kind and code."""
        return db.rows(f"SELECT * FROM {self.table} WHERE is_current = 1 ORDER BY kind, code")

    def history(self, db: Db, code: str) -> list[Row]:
        """Every version of a code, newest first."""
        return db.rows(f"SELECT * FROM {self.table} WHERE code = :code ORDER BY id DESC", code=code)

    def hash_of(self, said: Mapping[str, Any]) -> str:
        """What an approval covers of it."""
        quoted = [said[name] for name in self.facts if name not in self.counted]
        return hashlib.sha256(json.dumps(quoted, ensure_ascii=False).encode()).hexdigest()

    def _carried(self, db: Db, code: str) -> dict[str, Any]:
        if not self.carried:
            return {}
        row = next(iter(self.current(db, [code])), None)
        return {name: row[name] if row is not None else 0 for name in self.carried}


def in_force(row: Row | Mapping[str, Any], on: date) -> bool:
    """Whether something is valid on a day in Asia/Shanghai, both ends included."""
    day = on.isoformat()
    return (row["valid_from"] or day) <= day <= (row["valid_to"] or day)


PRODUCTS = Library(
    "product",
    (
        "name",
        "kind",
        "issuer",
        "risk_level",
        "rate",
        "minimum",
        "term",
        "fees",
        "valid_from",
        "valid_to",
        "contract_version",
        "registration",
        "url",
    ),
    empty=frozenset({"rate", "minimum", "valid_from", "valid_to"}),
)
"""The product library."""
OFFERS = Library(
    "alliance_offer",
    (
        "merchant",
        "kind",
        "benefit",
        "branch",
        "place",
        "segment",
        "condition",
        "stock",
        "valid_from",
        "valid_to",
    ),
    empty=frozenset({"valid_from", "valid_to"}),
    counted=frozenset({"stock"}),
    carried=("taken",),
)
"""Benefits of local merchants (异业联盟)."""
