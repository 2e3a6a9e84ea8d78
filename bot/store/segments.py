"""Layers and segments: derived by the same statements for a few customers or for all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from bot.store.db import Db

_SCOPE = "AND c.external_userid IN (SELECT value FROM json_each(:ids))"


class Rule(Protocol):
    """What a segment needs to be run."""

    @property
    def name(self) -> str:
        """The slug."""
        ...

    @property
    def version(self) -> str:
        """Of the rule."""
        ...

    @property
    def where(self) -> str:
        """A predicate over ``customer c``."""
        ...

    @property
    def values(self) -> Mapping[str, Any]:
        """What the predicate names."""
        ...


@dataclass(frozen=True, slots=True)
class Lines:
    """The layer lines, lowest first, and how near counts as near, in percent."""

    lines: Sequence[tuple[str, int]]
    near_percent: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A customer who entered or left segments (or a layer, as ``layer:<name>``)."""

    external_userid: str
    entered: tuple[str, ...]
    left: tuple[str, ...]


def refresh(
    db: Db,
    rules: Sequence[Rule],
    lines: Lines,
    today: date,
    now: int,
    customers: Iterable[str] | None = None,
) -> list[Moved]:
    """Derive layers and segments again, for some customers or (None) for everybody.

    Returns who moved; running it twice moves nobody the second time.
    """
    scope = None if customers is None else json.dumps(sorted(set(customers)))
    if scope == "[]":
        return []
    moved: dict[str, tuple[list[str], list[str]]] = {}
    _refresh_layers(db, lines, scope, moved)
    for rule in rules:
        _refresh_segment(db, rule, lines, today, now, scope, moved)
    return [Moved(who, tuple(entered), tuple(left)) for who, (entered, left) in moved.items()]


def _refresh_layers(
    db: Db,
    lines: Lines,
    scope: str | None,
    moved: dict[str, tuple[list[str], list[str]]],
) -> None:
    steps = " ".join(
        f"WHEN c.assets >= {int(line)} THEN '{layer}'" for layer, line in reversed(lines.lines)
    )
    layer = f"CASE WHEN c.assets IS NULL THEN 'unknown' {steps} ELSE 'potential' END"
    where = f"c.layer <> {layer} {_SCOPE if scope else ''}"
    changed = db.rows(
        f"SELECT c.external_userid, c.layer, {layer} AS new FROM customer c WHERE {where}",
        **({"ids": scope} if scope else {}),
    )
    db.many(
        "UPDATE customer SET layer = ? WHERE external_userid = ?",
        [(row["new"], row["external_userid"]) for row in changed],
    )
    for row in changed:
        entered, left = moved.setdefault(row["external_userid"], ([], []))
        entered.append(f"layer:{row['new']}")
        left.append(f"layer:{row['layer']}")


def _refresh_segment(
    db: Db,
    rule: Rule,
    lines: Lines,
    today: date,
    now: int,
    scope: str | None,
    moved: dict[str, tuple[list[str], list[str]]],
) -> None:
    values: dict[str, Any] = {
        **rule.values,
        "today": today.isoformat(),
        "lines": json.dumps([line for _, line in lines.lines]),
        "near_percent": lines.near_percent,
    }
    if scope:
        values["ids"] = scope
    limit = _SCOPE if scope else ""
    belongs = (
        f"SELECT c.external_userid FROM customer c WHERE c.erased = 0 {limit} AND ({rule.where})"
    )
    before = db.rows(
        "SELECT c.external_userid FROM segment_member c WHERE c.segment = :segment " + limit,
        segment=rule.name,
        **({"ids": scope} if scope else {}),
    )
    had = {row[0] for row in before}
    has = {row[0] for row in db.rows(belongs, **values)}
    _write(db, rule, has - had, had - has, now)
    for who in sorted(has - had):
        moved.setdefault(who, ([], []))[0].append(rule.name)
    for who in sorted(had - has):
        moved.setdefault(who, ([], []))[1].append(rule.name)


def _write(db: Db, rule: Rule, entered: set[str], left: set[str], now: int) -> None:
    db.many(
        "INSERT INTO segment_member (external_userid, segment, version, since_at)"
        " VALUES (?, ?, ?, ?)",
        [(who, rule.name, rule.version, now) for who in entered],
    )
    db.many(
        "DELETE FROM segment_member WHERE external_userid = ? AND segment = ?",
        [(who, rule.name) for who in left],
    )


def segments_of(db: Db, external_userid: str) -> list[str]:
    """The segments that a customer is in, by name."""
    return [
        row[0]
        for row in db.rows(
            "SELECT segment FROM segment_member WHERE external_userid = :id ORDER BY segment",
            id=external_userid,
        )
    ]


def wanted_tags(db: Db, external_userid: str) -> set[str]:
    """The slugs of the tags that a customer should carry: layer, segments, open interests."""
    slugs = {f"segment:{name}" for name in segments_of(db, external_userid)}
    layer = db.value("SELECT layer FROM customer WHERE external_userid = :id", id=external_userid)
    slugs.add(f"layer:{layer}")
    interests = db.rows(
        "SELECT DISTINCT json_extract(value, '$.product') FROM fact WHERE external_userid = :id"
        " AND type = 'product.interest' AND class = 'ordinary'"
        " AND status IN ('current', 'confirmed')",
        id=external_userid,
    )
    return slugs | {f"interest:{row[0]}" for row in interests}


def people_with_due_recheck(db: Db, today: date) -> list[str]:
    """Customers whose segments change by the calendar today (age, dates, expiry)."""
    return [
        row[0]
        for row in db.rows(
            "SELECT external_userid FROM customer WHERE recheck_on <= :today",
            today=today.isoformat(),
        )
    ]
