"""How complete the ledger is, and where each of its entries comes from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from bot.facts import SENSITIVE_KEYS, FactClass
from bot.model import Layer
from bot.store import people
from bot.store.db import Db, Row
from bot.store.sight import Sight
from bot.vault import Vault
from handlers.ledger_fields import LedgerField, LedgerRules

_FILLED = {
    "name": "c.name <> ''",
    "phone": "c.phone_hash IS NOT NULL",
    "address": "c.address_sealed IS NOT NULL",
    "birthday": "c.birthday_month IS NOT NULL",
    "assets": "c.assets IS NOT NULL",
    "occupation": "c.occupation <> ''",
    "risk_level": "c.risk_level <> ''",
    "manager": "c.manager <> ''",
}
_SAID = """EXISTS (SELECT 1 FROM fact f WHERE f.external_userid = c.external_userid
  AND f.type IN ({types}) AND f.status IN ('current', 'confirmed'))"""
_ONE = "SELECT c.layer, {columns} FROM customer c WHERE c.external_userid = :id AND c.erased = 0"
_COVERAGE = """
SELECT owner, layer, count(*) AS customers, CAST(round(avg(percent)) AS INTEGER) AS percent,
  sum(percent >= CASE layer {targets} END) AS reached
FROM (SELECT c.{by} AS owner, c.layer, {percent} AS percent FROM customer c
  WHERE c.erased = 0 AND c.layer IN ({layers}) AND {sight}) AS one
GROUP BY owner, layer ORDER BY owner, layer
"""
_FACTS = """
SELECT id, type, value, class, status, observed_at, decided_by FROM fact
WHERE external_userid = :id AND status IN ('current', 'confirmed')
  AND (class = 'ordinary' OR :sensitive = 1) ORDER BY observed_at DESC, id DESC
"""


class Origin(StrEnum):
    """Where an entry comes from, the most trusted first."""

    CORE = "core"
    STAFF = "staff"
    TALK = "talk"
    WECOM = "wecom"


_TRUST = {origin: rank for rank, origin in enumerate(Origin)}


@dataclass(frozen=True, slots=True)
class FieldCandidate:
    """One thing that is known of a field.

    Attributes:
        value: Text, yuan, or the value of a fact.
        fact_id: The fact, None for a column.
        observed_at: When it was said, epoch milliseconds; None for a column.
        by: Who confirmed it.
        used: This one fills the field; of a field with many, each does.
    """

    field: str
    value: Any
    origin: Origin
    fact_id: int | None = None
    observed_at: int | None = None
    by: str | None = None
    used: bool = False


@dataclass(frozen=True, slots=True)
class Completeness:
    """A customer's ledger: percent filled, what is asked for (None: nothing), what lacks."""

    percent: int
    target: int | None
    missing: tuple[str, ...]

    @property
    def reached(self) -> bool:
        """As complete as their layer asks."""
        return self.target is None or self.percent >= self.target


@dataclass(frozen=True, slots=True)
class Coverage:
    """The ledgers of one owner's customers in one layer.

    Attributes:
        owner: A manager's userid or a branch, "" for nobody's.
        percent: The mean over the customers.
        reached: How many customers reach the target.
    """

    owner: str
    layer: Layer
    customers: int
    percent: int
    target: int
    reached: int


# -- how complete


def _filled(field: LedgerField) -> str:
    parts = [_FILLED[field.column]] if field.column else []
    if field.facts:
        parts.append(_SAID.format(types=", ".join(f"'{each}'" for each in field.facts)))
    return "(" + " OR ".join(parts) + ")"


def _asked(field: LedgerField) -> str:
    return "c.sensitive_ok" if field.sensitive else "1"


def _percent(rules: LedgerRules) -> str:
    counted = [field for field in rules.fields if field.weight]
    full = " + ".join(f"{field.weight} * {_asked(field)}" for field in counted)
    there = " + ".join(
        f"CASE WHEN {_filled(field)} THEN {field.weight} * {_asked(field)} ELSE 0 END"
        for field in counted
    )
    return f"(100 * ({there}) / max(1, {full}))"


def of(db: Db, rules: LedgerRules, external_userid: str) -> Completeness:
    """How complete one customer's ledger is; a stranger's is empty."""
    counted = [field for field in rules.fields if field.weight]
    columns = [f"({_asked(field)} = 1 AND NOT {_filled(field)})" for field in counted]
    row = db.one(
        _ONE.format(columns=", ".join([f"{_percent(rules)} AS percent", *columns])),
        id=external_userid,
    )
    if row is None:
        return Completeness(0, None, tuple(field.name for field in counted))
    lacking = zip(counted, tuple(row)[2:], strict=True)
    return Completeness(
        percent=row["percent"],
        target=rules.targets.get(Layer(row["layer"])),
        missing=tuple(field.name for field, lacks in lacking if lacks),
    )


def by_manager(db: Db, rules: LedgerRules, scope: Sight) -> list[Coverage]:
    """The ledgers within a scope by customer manager and layer."""
    return _coverage(db, rules, scope, "manager")


def by_branch(db: Db, rules: LedgerRules, scope: Sight) -> list[Coverage]:
    """The ledgers within a scope by branch and layer."""
    return _coverage(db, rules, scope, "branch")


def _coverage(db: Db, rules: LedgerRules, scope: Sight, by: str) -> list[Coverage]:
    if not rules.targets:
        return []
    statement = _COVERAGE.format(
        by=by,
        percent=_percent(rules),
        targets=" ".join(f"WHEN '{layer}' THEN {most}" for layer, most in rules.targets.items()),
        layers=", ".join(f"'{layer}'" for layer in rules.targets),
        sight=scope.where,
    )
    return [
        Coverage(
            row["owner"],
            Layer(row["layer"]),
            row["customers"],
            row["percent"],
            rules.targets[Layer(row["layer"])],
            row["reached"],
        )
        for row in db.rows(statement, **scope.values)
    ]


# -- where from


def candidates(
    db: Db, vault: Vault, rules: LedgerRules, external_userid: str, *, sensitive: bool
) -> list[FieldCandidate]:
    """All that is known of every field, in the order of the rules; what is used comes first.

    The core system's word counts before what staff confirmed, that before the newest word of
    the customer. Without ``sensitive`` neither sensitive facts nor amounts are among them.
    """
    who = people.customer(db, external_userid)
    if who is None or who["erased"]:
        return []
    facts = db.rows(_FACTS, id=external_userid, sensitive=int(sensitive))
    found: list[FieldCandidate] = []
    for field in rules.fields:
        known = [*_from_row(field, who, vault), *_from_facts(field, facts, sensitive=sensitive)]
        found += _chosen(field, known)
    return found


def _chosen(field: LedgerField, known: Iterable[FieldCandidate]) -> list[FieldCandidate]:
    """The newest comes first already, and sorting keeps that among equals."""
    ranked = sorted(known, key=lambda each: _TRUST[each.origin])
    return [replace(each, used=field.many or not place) for place, each in enumerate(ranked)]


def _from_row(field: LedgerField, who: Row, vault: Vault) -> list[FieldCandidate]:
    value = _value_of(field.column, who, vault)
    if value in {None, ""}:
        return []
    return [FieldCandidate(field.name, value, _origin_of(field.column, who))]


def _value_of(column: str, who: Row, vault: Vault) -> Any:
    match column:
        case "":
            return None
        case "phone" | "address":
            return vault.open_text(who[f"{column}_sealed"])
        case "birthday":
            # Talk fills the columns too; what was said stands among the facts with its proof.
            if who["birthday_month"] is None or who["birthday_from"] == "talk":
                return None
            year = who["birthday_year"] or "----"
            leap = "+" if who["birthday_leap"] else ""
            day = f"{year}-{who['birthday_month']:02d}{leap}-{who['birthday_day']:02d}"
            return f"{who['birthday_calendar']} {day}"
        case _:
            return who[column]


def _origin_of(column: str, who: Row) -> Origin:
    """Who is not known to the core system was named by WeCom, and their phone by a remark."""
    if column == "birthday" or who["core_id"] is not None:
        return Origin.CORE
    return {"name": Origin.WECOM, "phone": Origin.STAFF}.get(column, Origin.CORE)


def _from_facts(
    field: LedgerField, facts: Iterable[Row], *, sensitive: bool
) -> list[FieldCandidate]:
    return [
        FieldCandidate(
            field=field.name,
            value=_shown(row, sensitive=sensitive),
            origin=Origin.STAFF if row["status"] == "confirmed" else Origin.TALK,
            fact_id=row["id"],
            observed_at=row["observed_at"],
            by=row["decided_by"],
        )
        for row in facts
        if row["type"] in field.facts
    ]


def _shown(row: Row, *, sensitive: bool) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(row["value"])
    if sensitive or row["class"] == FactClass.SENSITIVE:
        return value
    return {key: each for key, each in value.items() if key not in SENSITIVE_KEYS}
