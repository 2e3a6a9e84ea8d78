"""Dry runs: planned and judged inside a transaction that is undone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, TypeVar

from bot.clock import SHANGHAI, Clock
from bot.errands.judging import Judge, Judged
from bot.permits import Permit, permits_of
from bot.planning import plan_steps
from bot.store import choosing, planning, samples
from bot.store.db import Database, Db
from scheduler.approval import stamp_of
from scheduler.campaigns import Campaign
from scheduler.occasions import WEEKDAYS

T = TypeVar("T")


class _Undo(Exception):
    """Ends a dry run: everything it wrote is rolled back, and what it found is told."""

    def __init__(self, found: Any) -> None:
        super().__init__()
        self.found = found


def plan_dry(database: Database, judge: Judge, now: datetime, on: date) -> list[dict[str, Any]]:
    """What would be sent on a day and what held back, with all reasons; changes nothing.

    Args:
        database: Where the day is planned, and undone.
        judge: Asks the gate.
        now: A day to come is judged as at 09:00, and so is one that has passed.
        on: The day, Asia/Shanghai.
    """
    moment = _moment(now, on)

    def dry(db: Db) -> list[dict[str, Any]]:
        in_force, at = permits_of(db, judge.rules, moment), int(moment.timestamp() * 1000)
        steps = plan_steps(judge.rules, on, in_force, waiting=True)
        # Before the judging: what it sets aside for some would be gone for all.
        left = [each for step in steps for each in _left_out(db, step, at)]
        planning.plan(db, steps, at)
        due = planning.planned_on(db, on.isoformat())
        return [_entry(db, judged, on) for judged in judge.judge(db, due, moment)] + left

    return _undone(database, dry)


@dataclass(frozen=True)
class Trials:
    """Campaigns tried as if they were approved: whom they would reach, and in what words."""

    database: Database
    clock: Clock
    judge: Judge

    def run(self, campaign: Campaign, on: date) -> list[dict[str, Any]]:
        """What a day would bring of one campaign: one entry a customer and step (A5)."""
        moment, permits = _moment(self.clock.now(), on), self._supposed(campaign)

        def dry(db: Db) -> list[dict[str, Any]]:
            steps = plan_steps(self.judge.rules, on, permits)
            planning.plan(db, steps, int(moment.timestamp() * 1000))
            due = samples.planned_for(db, campaign.name, on.isoformat(), stamp_of(campaign))
            return [_entry(db, judged, on) for judged in self.judge.judge(db, due, moment, permits)]

        return _undone(self.database, dry)

    def preview(self, campaign: Campaign, customer: str) -> dict[str, Any]:
        """The words for one customer whatever the gate says, and what it would say now.

        Raises:
            Invalid: The text cannot be filled for them; names the variable.
        """
        at, permits = self.clock.now(), self._supposed(campaign)

        def dry(db: Db) -> dict[str, Any]:
            push = samples.sample(
                db,
                customer,
                campaign=campaign.name,
                version=stamp_of(campaign),
                occasion=campaign.occasion,
                purpose=campaign.purpose,
                step=campaign.steps[0],
                subject=_EXAMPLE | _named(campaign),
                today=at.astimezone(SHANGHAI).date(),
                now=int(at.timestamp() * 1000),
            )
            (judged,) = self.judge.judge(db, [push], at, permits)
            text = judged.text or self.judge.render(db, campaign, push, at)[1]
            return {**_entry(db, judged, at.astimezone(SHANGHAI).date()), "text": text}

        return _undone(self.database, dry)

    def _supposed(self, campaign: Campaign) -> dict[str, Permit]:
        words = frozenset(self.judge.rules.to_review(campaign, campaign.words))
        permit = Permit(campaign, stamp_of(campaign), valid=True, why="supposed", reviewed=words)
        return {campaign.name: permit}


_EXAMPLE = {"years": 3}


def _named(campaign: Campaign) -> dict[str, str]:
    """What the first occurrence of a campaign is called."""
    when = campaign.when
    return {
        **({"festival": when.festivals[0]} if when.festivals else {}),
        **({"weekday": WEEKDAYS[when.weekdays[0]]} if when.weekdays else {}),
        **({"season": when.seasons[0]} if when.seasons else {}),
    }


def _moment(now: datetime, on: date) -> datetime:
    opening = datetime.combine(on, time(9, 0), SHANGHAI)
    return opening if now.astimezone(SHANGHAI).date() > on else max(now, opening)


def _undone(database: Database, dry: Callable[[Db], T]) -> T:
    """What a change gives; the change itself is rolled back."""

    def change(db: Db) -> None:
        raise _Undo(dry(db))

    try:
        database.write(change)
    except _Undo as undone:
        found: T = undone.found
        return found
    raise AssertionError("a dry run was kept")


def _entry(db: Db, judged: Judged, on: date) -> dict[str, Any]:
    push, decision = judged.push, judged.decision
    return {
        "on": on.isoformat(),
        "external_userid": push["external_userid"],
        "chat_id": push["chat_id"],
        "occasion": push["occasion"],
        "cycle": push["cycle"],
        "step": push["step"],
        "campaign": push["campaign"],
        "purpose": push["purpose"],
        "decision": decision.answer.value,
        "rules": list(decision.rules),
        "text": judged.text,
        "sender": push["sender"],
        "chosen": {
            "by": choosing.explained(db, push["selection_id"]),
            "inputs": json.loads(push["inputs"]),
        },
    }


def _left_out(db: Db, step: planning.PlanStep, now: int) -> list[dict[str, Any]]:
    """Those who are kept from a campaign, each with the reason."""
    groups = step.choice.groups
    return [
        {
            "on": step.on.isoformat(),
            "external_userid": None if groups else who,
            "chat_id": who if groups else None,
            "occasion": step.occasion,
            "cycle": step.cycle,
            "step": step.step,
            "campaign": step.campaign,
            "purpose": step.purpose,
            "decision": "drop",
            "rules": [rule],
            "text": "",
            "sender": "",
            "chosen": {"by": step.rule, "inputs": {}},
        }
        for who, rule in planning.left_out(db, step, now)
    ]
