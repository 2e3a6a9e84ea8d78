"""The reports by name, for the console and the JSON interface."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import date
from typing import Any

from bot.store import measures, reports
from bot.store.db import Row
from bot.store.sight import Viewer
from bot.web.console.rules import records_of, span_of
from bot.web.services import Services
from bot.web.wording import iso

SHOWN = (
    "people",
    "branches",
    "ledger",
    "events",
    "moves",
    "concentration",
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
        "moves": lambda: measures.moves(db, branch, since, until),
        "concentration": lambda: measures.concentration(db, branch),
    }
    if name in made:
        return list(made[name]())
    now = int(services.clock.now().timestamp() * 1000)
    return [dict(row) for row in reports.report(db, name, **asdict(span), now=now)]


def _event(row: Row) -> dict[str, Any]:
    return dict(row) | {"starts_at": iso(row["starts_at"])}
