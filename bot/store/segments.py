"""Layers and segments: derived by the same statements for a few customers or for all."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from bot.store.db import Db

_SCOPE = "c.external_userid IN (SELECT value FROM json_each(:ids))"
_BATCH = 1000
# Every rule is a column of one statement: a customer is read once, not once a rule.
_BELONGS = f"SELECT c.external_userid, c.erased, {{columns}} FROM customer c WHERE {_SCOPE}"
_MEMBERS = f"SELECT c.external_userid, c.segment FROM segment_member c WHERE {_SCOPE}"


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

    @property
    def turns(self) -> Sequence[str]:
        """Expressions for the days on which the predicate may change by itself."""
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
    moved: dict[str, tuple[list[str], list[str]]] = {}
    for ids in batches(db, customers):
        _refresh_layers(db, lines, ids, moved)
        if rules:
            _refresh_segments(db, rules, lines, ids, today, now, moved)
    return [Moved(who, tuple(entered), tuple(left)) for who, (entered, left) in moved.items()]


def batches(db: Db, customers: Iterable[str] | None) -> Iterator[str]:
    """The ids of some customers or of all, as JSON lists of at most a thousand."""
    if customers is not None:
        some = sorted(set(customers))
        for first in range(0, len(some), _BATCH):
            yield json.dumps(some[first : first + _BATCH])
        return
    after = ""
    while ids := customers_after(db, after, _BATCH):
        yield json.dumps(ids)
        after = ids[-1]


def customers_after(db: Db, after: str, limit: int) -> list[str]:
    """Everybody in the order of their ids, from one id on."""
    return [
        row[0]
        for row in db.rows(
            "SELECT external_userid FROM customer WHERE external_userid > :after"
            " ORDER BY external_userid LIMIT :limit",
            after=after,
            limit=limit,
        )
    ]


def _refresh_layers(
    db: Db, lines: Lines, ids: str, moved: dict[str, tuple[list[str], list[str]]]
) -> None:
    steps = " ".join(
        f"WHEN c.assets >= {int(line)} THEN '{layer}'" for layer, line in reversed(lines.lines)
    )
    layer = f"CASE WHEN c.assets IS NULL THEN 'unknown' {steps} ELSE 'potential' END"
    changed = db.rows(
        f"SELECT c.external_userid, c.layer, {layer} AS new FROM customer c"
        f" WHERE c.layer <> {layer} AND {_SCOPE}",
        ids=ids,
    )
    db.many(
        "UPDATE customer SET layer = ? WHERE external_userid = ?",
        [(row["new"], row["external_userid"]) for row in changed],
    )
    for row in changed:
        entered, left = moved.setdefault(row["external_userid"], ([], []))
        entered.append(f"layer:{row['new']}")
        left.append(f"layer:{row['layer']}")


def _refresh_segments(
    db: Db,
    rules: Sequence[Rule],
    lines: Lines,
    ids: str,
    today: date,
    now: int,
    moved: dict[str, tuple[list[str], list[str]]],
) -> None:
    values: dict[str, Any] = {
        "today": today.isoformat(),
        "lines": json.dumps([line for _, line in lines.lines]),
        "near_percent": lines.near_percent,
    }
    for rule in rules:
        values |= rule.values
    columns = ", ".join(f"({rule.where})" for rule in rules)
    has = {
        (row[0], rule.name)
        for row in db.rows(_BELONGS.format(columns=columns), ids=ids, **values)
        for rule, belongs in zip(rules, row[2:], strict=True)
        if belongs and not row["erased"]
    }
    had = {(row[0], row[1]) for row in db.rows(_MEMBERS, ids=ids)}
    versions = {rule.name: rule.version for rule in rules}
    entered, left = sorted(has - had), sorted(had - has)
    db.many(
        "INSERT INTO segment_member (external_userid, segment, version, since_at)"
        " VALUES (?, ?, ?, ?)",
        [(who, segment, versions[segment], now) for who, segment in entered],
    )
    db.many("DELETE FROM segment_member WHERE external_userid = ? AND segment = ?", left)
    for who, segment in entered:
        moved.setdefault(who, ([], []))[0].append(segment)
    for who, segment in left:
        moved.setdefault(who, ([], []))[1].append(segment)


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
