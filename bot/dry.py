"""Dry runs: a day planned and judged inside a transaction that is undone."""

from __future__ import annotations

import contextlib
from datetime import date, datetime, time
from typing import Any

from bot.clock import SHANGHAI
from bot.errands.judging import Judge, Judged
from bot.jobs import plan_steps
from bot.store import pushes
from bot.store.db import Database, Db


class _Undo(Exception):
    """Ends a dry run: everything it wrote is rolled back."""


def plan_dry(database: Database, judge: Judge, now: datetime, on: date) -> list[dict[str, Any]]:
    """What would be sent on a day and what held back, with all reasons; changes nothing.

    Args:
        database: Where the day is planned, and undone.
        judge: Asks the gate.
        now: A day to come is judged as at 09:00, and so is one that has passed.
        on: The day, Asia/Shanghai.
    """
    opening = datetime.combine(on, time(9, 0), SHANGHAI)
    moment = opening if now.astimezone(SHANGHAI).date() > on else max(now, opening)
    found: list[dict[str, Any]] = []

    def dry(db: Db) -> None:
        pushes.plan(db, plan_steps(judge.rules, on), int(moment.timestamp() * 1000))
        due = pushes.planned_on(db, on.isoformat())
        found.extend(_entry(judged, on) for judged in judge.judge(db, due, moment))
        raise _Undo

    with contextlib.suppress(_Undo):
        database.write(dry)
    return found


def _entry(judged: Judged, on: date) -> dict[str, Any]:
    push, decision = judged.push, judged.decision
    return {
        "on": on.isoformat(),
        "external_userid": push["external_userid"],
        "occasion": push["occasion"],
        "cycle": push["cycle"],
        "step": push["step"],
        "campaign": push["campaign"],
        "purpose": push["purpose"],
        "decision": decision.answer.value,
        "rules": list(decision.rules),
        "text": judged.text,
        "sender": push["sender"],
    }
