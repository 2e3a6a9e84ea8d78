"""A customer put together for a viewer: standing, segments, consent, activity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from bot.clock import today
from bot.store import standing, views
from bot.store.db import Db, Row
from bot.store.sight import Viewer
from bot.store.standing import Standing
from bot.store.views import ACTIVITY_DAYS, Around
from bot.web.services import Services
from bot.web.wording import iso


@dataclass(frozen=True, slots=True)
class Profile:
    """One customer as a viewer may see them.

    Attributes:
        segments: Names; those that rest on sensitive facts only where the viewer may see them.
        consent: By purpose, with ``refused`` and ``refused_at`` (ISO 8601).
    """

    row: Row
    around: Around
    standing: Standing
    segments: list[str]
    consent: dict[str, bool | str | None]

    def days(self, last: date) -> list[tuple[date, int]]:
        """Messages a day over the last 30 days, oldest first."""
        every = [last - timedelta(days=back) for back in reversed(range(ACTIVITY_DAYS))]
        return [(day, self.around.activity.get(day.isoformat(), 0)) for day in every]


def profile_of(services: Services, db: Db, who: Viewer, rows: Sequence[Row]) -> list[Profile]:
    """Profiles in the order of the rows, which must come from a query within the sight."""
    day = today(services.clock)
    hidden = {rule.name for rule in services.rules.segments if rule.people_only}
    ids = [row["external_userid"] for row in rows]
    around = views.around(db, who, ids, day)
    stand = standing.of_many(db, services.rules, ids, day)
    return [
        Profile(
            row,
            around[row["external_userid"]],
            stand[row["external_userid"]],
            _segments(around[row["external_userid"]], hidden),
            consent_of(row, around[row["external_userid"]]),
        )
        for row in rows
    ]


def _segments(around: Around, hidden: set[str]) -> list[str]:
    names = [each["segment"] for each in around.segments]
    return [name for name in names if around.sensitive or name not in hidden]


def consent_of(row: Row, around: Around) -> dict[str, bool | str | None]:
    """What the customer agreed to now, purpose by purpose; refusal above all."""
    refusals = [
        each["at"] for each in around.consents if each["purpose"] == "marketing" and row["refused"]
    ]
    return {
        "service": bool(row["friend"] or around.holdings),
        "marketing": bool(row["marketing_ok"] and row["notice_ok"]) and not row["refused"],
        "profiling": bool(row["profiling_ok"] or around.agreed),
        "profiling_sensitive": bool(row["sensitive_ok"]),
        "archive_analysis": around.agreed > 0,
        "refused": bool(row["refused"]),
        "refused_at": iso(refusals[0]) if refusals else None,
    }
