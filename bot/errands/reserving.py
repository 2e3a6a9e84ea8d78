"""What a batch of pushes has taken already: the frequency ledger between reading and writing.

The store is read once for a batch; who is let go in it counts for those who come after (F3).
The first rank comes first: service, maturity, wishes, events, products.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.model import Channel, Purpose
from bot.store.db import Row

_COUNTED = frozenset({Purpose.MARKETING, Purpose.GREETING})


@dataclass
class Taken:
    """The sends of one batch, by person or group.

    ``persons`` names the person of the ids that are not the only one of theirs.
    """

    persons: Mapping[str, str] = field(default_factory=dict)
    _counted: Counter[str] = field(default_factory=Counter)
    _all: Counter[tuple[str, bool]] = field(default_factory=Counter)
    _campaigns: Counter[tuple[str, str]] = field(default_factory=Counter)
    _judged: set[int] = field(default_factory=set)
    _went: set[tuple[str, str, str, str]] = field(default_factory=set)

    @staticmethod
    def in_order(rows: Iterable[Row]) -> list[Row]:
        """Whoever goes first in the ledger is judged first."""
        return sorted(rows, key=lambda row: (row["rank"], row["id"]))

    def with_taken(self, push: Row, found: Row | None) -> Mapping[str, Any] | None:
        """What the store knows, and what this batch has added to it."""
        if found is None:
            return None
        who = self._person_of(push)
        waiting = sum(int(each) not in self._judged for each in json.loads(found["reserved"]))
        more = self._counted[who] + waiting
        return dict(found) | {
            "today": found["today"] + more,
            "week": found["week"] + more + (found["birthday_soon"] or 0),
            "month": found["month"] + more,
            "channel": found["channel"] + self._all[subject_of(push), _is_moment(push)],
            "key_used": found["key_used"] or self._occurrence(push) in self._went,
        }

    def of_campaign(self, campaign: str, subject: str = "") -> int:
        """How many of a campaign this batch lets go, to one customer or group or to all."""
        return self._campaigns[campaign, self.persons.get(subject, subject)]

    def settle(self, push: Row, *, sent: bool) -> None:
        """A push was judged; one that goes takes its place, unless a task had it already."""
        self._judged.add(push["id"])
        if not sent or push["status"] == "tasked":
            return
        who = self._person_of(push)
        self._all[subject_of(push), _is_moment(push)] += 1
        self._went.add(self._occurrence(push))
        self._campaigns[push["campaign"], ""] += 1
        self._campaigns[push["campaign"], who] += 1
        if push["purpose"] in _COUNTED:
            self._counted[who] += 1

    def _person_of(self, push: Row) -> str:
        return self.persons.get(subject_of(push), subject_of(push))

    def _occurrence(self, push: Row) -> tuple[str, str, str, str]:
        """What one person gets once; a birthday in two calendars is one birthday."""
        cycle = "" if push["occasion"] == "birthday" else push["cycle"]
        return self._person_of(push), push["occasion"], cycle, push["step"]


def subject_of(push: Row) -> str:
    """The customer or the group of a push."""
    who: str = push["chat_id"] or push["external_userid"]
    return who


def _is_moment(push: Row) -> bool:
    return bool(push["channel"] == Channel.MOMENTS)
