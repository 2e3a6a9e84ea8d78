"""The reports by name, for the console and the JSON interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import date
from typing import Any

from bot.store import lift, measures, reports
from bot.store.db import Db, Row
from bot.store.sight import Viewer
from bot.web.console.rules import records_of, span_of
from bot.web.services import Services
from bot.web.wording import iso
from scheduler.lift import Arm, lift_of

SHOWN = (
    "people",
    "branches",
    "ledger",
    "events",
    "offers",
    "moves",
    "concentration",
    "lift",
    "pushes",
    "cases",
    "groups",
)
"""The reports of the console, in the order of its tabs."""


def figures(
    services: Services, who: Viewer, name: str, begin: date, end: date, *, branch: str = ""
) -> list[dict[str, Any]]:
    """The rows of a report over days of Asia/Shanghai, both included; ``branch`` "" is all."""
    db, span = services.database.read(), span_of(begin, end)
    since, until = span.since, span.until
    made: dict[str, Callable[[], Iterable[dict[str, Any]]]] = {
        "rules": lambda: map(asdict, records_of(services, branch, span)),
        "people": lambda: measures.people(db, branch, end, since, until),
        "branches": lambda: measures.branches(measures.people(db, branch, end, since, until)),
        "ledger": lambda: measures.ledgers(db, services.rules.ledger, who, by="manager"),
        "events": lambda: map(_event, measures.events(db, branch, since, until)),
        "offers": lambda: map(dict, measures.offers(db, branch, since, until)),
        "moves": lambda: measures.moves(db, branch, since, until),
        "lift": lambda: lifts(services, begin, end),
        "concentration": lambda: measures.concentration(db, branch),
    }
    if name in made:
        return list(made[name]())
    now = int(services.clock.now().timestamp() * 1000)
    return [dict(row) for row in reports.report(db, name, **asdict(span), now=now)]


def lifts(services: Services, begin: date, end: date) -> list[dict[str, Any]]:
    """Each campaign with a hold-out: raw counts, and the lift of any conversion and of each kind.

    Rates and differences are in per cent; ``note`` says when there are too few people.
    """
    db, label = services.database.read(), services.rules.label
    found: dict[str, dict[str, Any]] = {}
    for kind in ("", *lift.KINDS):
        for name, (treated, held) in _arms(db, begin, end, kind).items():
            row = found.setdefault(name, {})
            if kind:
                row |= {f"{kind}_treated": treated.converted, f"{kind}_holdout": held.converted}
                continue
            seen = lift_of(treated, held)
            row |= {
                "campaign": name,
                "treated": treated.people,
                "treated_converted": treated.converted,
                "holdout": held.people,
                "holdout_converted": held.converted,
                "treated_percent": _percent(treated.rate),
                "holdout_percent": _percent(held.rate),
                "lift": _percent(seen.difference),
                "low": _percent(seen.low),
                "high": _percent(seen.high),
                "note": "" if seen.enough else label("lift_note", "too_few"),
            }
    return list(found.values())


def _arms(db: Db, begin: date, end: date, kind: str) -> dict[str, tuple[Arm, Arm]]:
    by_name: dict[str, dict[str, Arm]] = {}
    for row in lift.arms(db, begin.isoformat(), end.isoformat(), kind):
        by_name.setdefault(row["campaign"], {})[row["arm"]] = Arm(row["people"], row["converted"])
    nobody = Arm(0, 0)
    return {
        name: (each.get("treated", nobody), each.get("holdout", nobody))
        for name, each in by_name.items()
    }


def _percent(share: float) -> float:
    return round(share * 100, 1)


def _event(row: Row) -> dict[str, Any]:
    return dict(row) | {"starts_at": iso(row["starts_at"])}
