"""From campaigns in force to what a day's planning looks for: one entry a statement."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from bot.clock import SHANGHAI
from bot.model import Channel
from bot.permits import Permit, Permits
from bot.rulebook import Rulebook
from bot.store.choosing import Choice
from bot.store.journeys import Way
from bot.store.planning import PlanStep
from scheduler.campaigns import Campaign
from scheduler.occasions import DAILY, Occurrence, anniversaries, falls, own_cycle

_OPENS = time(8, 30)


def plan_steps(
    rules: Rulebook, on: date, in_force: Permits, *, waiting: bool = False
) -> list[PlanStep]:
    """What a day's planning looks for: an entry a campaign, step and occurrence.

    Args:
        rules: The branch's own.
        on: The day, Asia/Shanghai.
        in_force: The text of each campaign.
        waiting: Also what may not go out yet, to see whom it would reach. Planned without
            that, a campaign for everybody would leave a held push for everybody.
    """
    found: list[PlanStep] = []
    for permit in in_force.values():
        campaign = permit.campaign
        if campaign is None or permit.why == "paused":
            continue
        if permit.valid or waiting or campaign.occasion in DAILY:
            found += _steps(rules, on, campaign, permit)
    return found


def planned_mark(on: date, steps: Iterable[PlanStep]) -> str:
    """Names a day and the campaigns that were planned for it."""
    return json.dumps(
        [on.isoformat(), sorted({f"{each.campaign} {each.version}" for each in steps})]
    )


def not_planned_yet(mark: str, on: date, steps: Iterable[PlanStep]) -> list[PlanStep]:
    """Of a day's steps those of campaigns that began after the day was planned.

    None at all while the day itself has not been planned: its own ring does that.
    """
    day, done = json.loads(mark) if mark else ("", [])
    if day != on.isoformat():
        return []
    return [each for each in steps if f"{each.campaign} {each.version}" not in done]


@dataclass(frozen=True, slots=True)
class _Event:
    """One statement of an occasion."""

    step: int
    occurrence: Occurrence
    values: Mapping[str, Any]
    subject: Mapping[str, Any]


def _steps(rules: Rulebook, on: date, campaign: Campaign, permit: Permit) -> Iterator[PlanStep]:
    opens = rules.calendar.next_open(campaign.purpose, datetime.combine(on, _OPENS, SHANGHAI))
    rule = campaign.rule(rules.segments)
    for event in _events(rules, on, campaign):
        useful = min(
            campaign.useful_until(event.step, on), _latest_useful(rules, campaign.occasion, on)
        )
        yield PlanStep(
            campaign=campaign.name,
            version=permit.stamp,
            occasion=campaign.occasion,
            purpose=campaign.purpose,
            channel=campaign.channel,
            rank=campaign.rank,
            step=str(event.step),
            cycle=event.occurrence.cycle,
            on=on,
            due_at=int(opens.timestamp() * 1000),
            useful_until=int(useful.timestamp() * 1000),
            choice=choice_of(campaign),
            rule=rule,
            holdout=campaign.holdout,
            way=_way(campaign) if campaign.occasion == "journey" else None,
            subject=json.dumps(event.subject, ensure_ascii=False),
            values=event.values,
            offer=campaign.offer,
        )


def choice_of(campaign: Campaign) -> Choice:
    """A campaign's people as the store chooses them."""
    return Choice(
        campaign.audience.names,
        campaign.exclude.names,
        groups=campaign.channel is Channel.MASS_GROUP,
    )


def _way(campaign: Campaign) -> Way:
    when = campaign.when
    return Way(
        when.start,
        when.waits,
        when.exits,
        when.stops_on_skip,
        "".join(when.segment.names.get("segment", ())),
    )


def _latest_useful(rules: Rulebook, occasion: str, on: date) -> datetime:
    """The branch's own limit for how late a push of an occasion may be."""
    limits = rules.thresholds.latest_useful_days
    days = limits.get("maturity" if occasion == "maturity_offer" else occasion, _NO_LIMIT)
    return datetime.combine(on + timedelta(days=days + 1), time(0), SHANGHAI)


_NO_LIMIT = 90
_THANKED_WITHIN = 7
"""Days after which nobody is thanked any more for whom they brought."""


def _events(rules: Rulebook, on: date, campaign: Campaign) -> Iterator[_Event]:
    """What falls on a day; nothing is usual."""
    occasion, own = campaign.occasion, Occurrence("")
    for step in campaign.steps:
        match occasion:
            case "birthday":
                for calendar in ("solar", "lunar"):
                    yield _Event(step, own, {"calendar": calendar}, {})
            case "maturity" | "maturity_offer":
                matures = (on + timedelta(days=step)).isoformat()
                yield _Event(step, Occurrence(matures), {"matures": matures}, {})
            case "anniversary":
                ranges = _ranges(on, rules.thresholds.feb29)
                yield _Event(step, Occurrence(str(on.year)), {"ranges": json.dumps(ranges)}, {})
            case "near_line" | "dormant":
                quiet = on - timedelta(days=campaign.when.quiet_days)
                cycle = Occurrence(own_cycle(occasion, on))
                yield _Event(step, cycle, {"quiet_since": _midnight(quiet)}, {})
            case "journey":
                yield _Event(step, own, {}, {})
            case "referral":
                since = on - timedelta(days=_THANKED_WITHIN)
                yield _Event(step, own, {"since": _midnight(since), "until": _midnight(on)}, {})
            case _:
                yield from _same_for_all(rules, on, campaign, step)


_NAMED = {"festival": "festival", "weekly": "weekday", "season": "season"}


def _same_for_all(rules: Rulebook, on: date, campaign: Campaign, step: int) -> Iterator[_Event]:
    day = on + timedelta(days=step)
    found = falls(campaign.occasion, campaign.when, campaign.name, day, rules.calendar.is_workday)
    for each in found:
        named = _NAMED.get(campaign.occasion)
        yield _Event(step, each, {}, {named: each.name} if named else {})


def _ranges(on: date, feb29: str) -> list[dict[str, int]]:
    return [
        {"since": _midnight(day), "until": _midnight(day + timedelta(days=1)), "years": years}
        for day, years in anniversaries(on, feb29)
    ]


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), SHANGHAI).timestamp() * 1000)
