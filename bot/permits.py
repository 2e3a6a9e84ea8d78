"""Which text of each campaign is in force now, and whether it may go out (the gate's rule G6).

A version approved in the console stands in place of the file of its name while it is active or
paused. A file needs no approval while the release pins exactly its text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from bot.errors import Invalid
from bot.rulebook import Rulebook
from bot.store import approvals
from bot.store.db import Db, Row
from bot.store.library import OFFERS, PRODUCTS
from scheduler.approval import (
    Cast,
    Requirement,
    State,
    Vote,
    audience_cover,
    cover_of,
    is_profiling,
    stamp_of,
    state_of,
)
from scheduler.audience import EVERYONE, written_out
from scheduler.campaigns import Campaign, parse_campaign


@dataclass(frozen=True, slots=True)
class Permit:
    """One campaign's text in force.

    Attributes:
        campaign: None when the kept text cannot be read any more.
        stamp: Version and hash, as pushes and tasks carry it.
        valid: Exactly this text may go out now.
        why: ``released``, ``approved``, or what is missing: ``not_released``, ``paused``,
            ``unreadable``, ``no_assessment``, ``no_policy``, ``waiting``, ``changed``, ``expired``.
        approvals: Ids of the decisions that count.
        reviewed: Review words that a second person looked at in this text.
        until: When the approval runs out; None for the release, which does not.
    """

    campaign: Campaign | None
    stamp: str
    valid: bool
    why: str
    approvals: tuple[int, ...] = ()
    reviewed: frozenset[str] = field(default_factory=frozenset)
    until: datetime | None = None

    @property
    def released(self) -> bool:
        """Whether the release is the approval."""
        return self.why == "released"

    def allows(self, push: Row) -> bool:
        """Whether a push may go out: planned for this text and, if a task carries it, in it."""
        carried = push["task_version"] if "task_version" in push.keys() else self.stamp  # noqa: SIM118  # a row
        return (
            self.valid
            and carried == self.stamp
            and (self.released or push["version"] == self.stamp)
        )


Permits = Mapping[str, Permit]
"""By the name of the campaign."""


def permits_of(db: Db, rules: Rulebook, at: datetime) -> dict[str, Permit]:
    """Every campaign's text in force at this moment."""
    found = {name: _of_file(db, rules, campaign) for name, campaign in rules.campaigns.items()}
    for row in approvals.in_force(db):
        found[row["name"]] = _of_version(db, rules, row, at)
    return found


def _of_file(db: Db, rules: Rulebook, campaign: Campaign) -> Permit:
    stamp = stamp_of(campaign)
    if not rules.is_pinned(campaign):
        return Permit(campaign, stamp, valid=False, why="not_released")
    if lacks_assessment(db, rules, campaign):
        return Permit(campaign, stamp, valid=False, why="no_assessment")
    words = frozenset(rules.to_review(campaign, campaign.words))
    return Permit(campaign, stamp, valid=True, why="released", reviewed=words)


def _of_version(db: Db, rules: Rulebook, row: Row, at: datetime) -> Permit:
    try:
        campaign = read_version(row)
    except Invalid:
        return Permit(None, row["stamp"], valid=False, why="unreadable")
    if row["status"] != "active":
        return Permit(campaign, row["stamp"], valid=False, why="paused")
    if lacks_assessment(db, rules, campaign):
        return Permit(campaign, row["stamp"], valid=False, why="no_assessment")
    state = approval_state(db, rules, row, campaign, at)
    return Permit(
        campaign,
        row["stamp"],
        valid=state.valid,
        why=state.why,
        approvals=tuple(each.id for each in state.counted.values()),
        reviewed=reviewed_words(db, row),
        until=state.until,
    )


@lru_cache(maxsize=256)
def _parsed(source: str, file: str) -> Campaign:
    return parse_campaign(source, file)


def read_version(row: Row) -> Campaign:
    """The campaign of a kept version.

    Raises:
        Invalid: An upgrade made the rules for texts stricter than this one is.
    """
    return _parsed(row["source"], f"{row['name']}.md")


def approval_state(db: Db, rules: Rulebook, row: Row, campaign: Campaign, at: datetime) -> State:
    """How far the approval of a version is at a moment."""
    casts = [_cast(each) for each in approvals.decisions(db, row["id"])]
    return state_of(requirement_of(rules, campaign), casts, covers(db, rules, campaign), at)


def _cast(row: Row) -> Cast:
    ends = row["expires_at"]
    return Cast(
        id=row["id"],
        actor=row["actor"],
        duty=row["duty"],
        vote=Vote(row["vote"]),
        covers=row["covers"],
        expires_at=None if ends is None else datetime.fromtimestamp(ends / 1000, UTC),
    )


def requirement_of(rules: Rulebook, campaign: Campaign) -> Requirement | None:
    """Who must approve a campaign; None when nobody can, because no policy fits."""
    return rules.approvals.required(campaign.purpose, campaign.product_kinds)


def covers(db: Db, rules: Rulebook, campaign: Campaign) -> str:
    """What an approval of a campaign covers just now (A2)."""
    return cover_of(
        campaign,
        words_hash=rules.words.text_hash,
        audience=audience_rule(rules, campaign),
        schedule=_schedule(rules, campaign),
        products=_quoted(db, campaign),
    )


def _quoted(db: Db, campaign: Campaign) -> dict[str, str]:
    """What the bank's lists say now of everything that a text may quote, by code."""
    found = {row["code"]: row["facts_hash"] for row in PRODUCTS.current(db, campaign.products)}
    if campaign.offer:
        offers = [row for row in OFFERS.all(db) if row["kind"] == campaign.offer]
        found |= {f"offer {row['code']}": row["facts_hash"] for row in offers}
    return found


def audience_rule(rules: Rulebook, campaign: Campaign) -> str:
    """The rule that chooses people, written out with its segments' versions and values."""
    rule = campaign.rule(rules.segments)
    if rule == {"audience": EVERYONE}:
        return EVERYONE
    used = rule.get("segments", {})
    named = (each for each in rules.segments if each.name in used)
    parts = [f"{each.name} {each.where} {sorted(each.values.items())}" for each in named]
    return "\n".join([written_out(rule), *parts])


def _schedule(rules: Rulebook, campaign: Campaign) -> dict[str, Any]:
    return {
        "window": str(rules.thresholds.windows.get(campaign.purpose)),
        "late": rules.thresholds.latest_useful_days.get(campaign.occasion),
    }


def lacks_assessment(db: Db, rules: Rulebook, campaign: Campaign) -> bool:
    """Whether a campaign chooses people by what is known of them and nobody assessed that (T7)."""
    if not is_profiling(campaign):
        return False
    about = audience_cover(campaign, audience_rule(rules, campaign))
    return approvals.assessment(db, campaign.name, about) is None


def reviewed_words(db: Db, row: Row) -> frozenset[str]:
    """The review words that some approver of exactly this version looked at, by name."""
    return frozenset(
        word
        for each in approvals.decisions(db, row["id"])
        if each["vote"] == Vote.APPROVE
        for word in json.loads(each["words"])
    )
