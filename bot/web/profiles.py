"""A customer put together for a viewer: states, consent, activity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from bot.clock import today
from bot.store import views
from bot.store.db import Db, Row
from bot.store.sight import Viewer
from bot.store.views import ACTIVITY_DAYS, Around
from bot.web.services import Services
from bot.web.wording import iso
from scheduler.thresholds import Activity

_NEW_MS = 30 * 86_400_000


@dataclass(frozen=True, slots=True)
class Profile:
    """One customer as a viewer may see them.

    Attributes:
        states: Of new, lurking, active; empty for somebody in between.
        segments: Names; those that rest on sensitive facts only where the viewer may see them.
        score: Activity of the last 30 days, 0 to 100: a point a message, two a day.
    """

    row: Row
    around: Around
    states: list[str]
    segments: list[str]
    consent: dict[str, bool | str | None]
    week: tuple[int, int]
    month: tuple[int, int]

    @property
    def score(self) -> int:
        """0 for silence, 100 at most."""
        messages, days = self.month
        return min(100, messages + 2 * days)

    def days(self, last: date) -> list[tuple[date, int]]:
        """Messages a day over the last 30 days, oldest first."""
        every = [last - timedelta(days=back) for back in reversed(range(ACTIVITY_DAYS))]
        return [(day, self.around.activity.get(day.isoformat(), 0)) for day in every]


def profile_of(services: Services, db: Db, who: Viewer, rows: Sequence[Row]) -> list[Profile]:
    """Profiles in the order of the rows, which must come from a query within the sight."""
    day = today(services.clock)
    now = int(services.clock.now().timestamp() * 1000)
    hidden = {rule.name for rule in services.rules.segments if rule.people_only}
    around = views.around(db, who, [row["external_userid"] for row in rows], day)
    return [
        _profile(row, around[row["external_userid"]], services, day, now, hidden) for row in rows
    ]


def _profile(
    row: Row, around: Around, services: Services, day: date, now: int, hidden: set[str]
) -> Profile:
    return Profile(
        row,
        around,
        states_of(row, around, services.rules.thresholds.activity, day, now),
        [
            each["segment"]
            for each in around.segments
            if around.sensitive or each["segment"] not in hidden
        ],
        consent_of(row, around),
        around.messages_since(day - timedelta(days=6)),
        around.messages_since(day - timedelta(days=ACTIVITY_DAYS - 1)),
    )


def states_of(row: Row, around: Around, line: Activity, day: date, now: int) -> list[str]:
    """The states that the store can tell: new, lurking, active."""
    joined = [each["since_at"] for each in around.follows]
    joined += [each["joined_at"] for each in around.groups if each["joined_at"]]
    states = []
    if joined and now - min(joined) < _NEW_MS:
        states.append("new")
    if around.groups and row["spoke_at"] is None:
        states.append("lurking")
    messages, days = around.messages_since(day - timedelta(days=line.window_days - 1))
    if messages >= line.messages and days >= line.days:
        states.append("active")
    return states


def consent_of(row: Row, around: Around) -> dict[str, bool | str | None]:
    """What the customer agreed to now, purpose by purpose; refusal above all."""
    refusals = [
        each["at"] for each in around.consents if each["purpose"] == "marketing" and row["refused"]
    ]
    return {
        "service": bool(row["friend"] or around.holdings),
        "marketing": bool(row["marketing_ok"]) and not row["refused"],
        "profiling": bool(row["profiling_ok"] or around.agreed),
        "profiling_sensitive": bool(row["sensitive_ok"]),
        "archive_analysis": around.agreed > 0,
        "refused": bool(row["refused"]),
        "refused_at": iso(refusals[0]) if refusals else None,
    }
