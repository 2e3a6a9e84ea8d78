"""The product library: what the bank's file says of each product, every version of it kept.

A text quotes these facts and nothing else; an approval covers the hash of those that it quotes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from bot.store.db import Db, Row

FACTS = (
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
)
"""The columns that a text may rest on."""
BLANK: Mapping[str, Any] = {
    **dict.fromkeys(FACTS, ""),
    **dict.fromkeys(("rate", "minimum", "valid_from", "valid_to")),
}
_ADD = f"""
INSERT INTO product (code, {", ".join(FACTS)}, facts_hash, imported_at, is_current)
VALUES (:code, {", ".join(":" + name for name in FACTS)}, :facts_hash, :now, 1)
"""


def add_version(db: Db, product: Mapping[str, Any], now: int) -> None:
    """Make this what a product says from now on; what it said before is kept."""
    db.run("UPDATE product SET is_current = 0 WHERE code = :code", code=product["code"])
    said = {name: product[name] for name in ("code", *FACTS)}
    db.run(_ADD, **said, facts_hash=facts_hash(product), now=now)


def current(db: Db, codes: Iterable[str]) -> list[Row]:
    """What some products say now, by code; unknown codes are missing."""
    return db.rows(
        "SELECT * FROM product WHERE is_current = 1"
        " AND code IN (SELECT value FROM json_each(:codes)) ORDER BY code",
        codes=json.dumps(sorted(codes)),
    )


def library(db: Db) -> list[Row]:
    """Every product as it is now, by kind and name."""
    return db.rows("SELECT * FROM product WHERE is_current = 1 ORDER BY kind, name, code")


def history(db: Db, code: str) -> list[Row]:
    """Every version of a product, newest first."""
    return db.rows("SELECT * FROM product WHERE code = :code ORDER BY id DESC", code=code)


def is_on_sale(row: Row | Mapping[str, Any], on: date) -> bool:
    """Whether a product's facts are in force on a day in Asia/Shanghai, both ends included."""
    day = on.isoformat()
    return (row["valid_from"] or day) <= day <= (row["valid_to"] or day)


def facts_hash(product: Mapping[str, Any]) -> str:
    """What an approval covers of a product."""
    said = json.dumps([product[name] for name in FACTS], ensure_ascii=False)
    return hashlib.sha256(said.encode()).hexdigest()
