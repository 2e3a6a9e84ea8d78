"""What the bank lists for everybody: products and events, rows against what is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.importing import Row, RowProblem
from bot.store import events, products
from bot.store.db import Db
from bot.store.intake import Intake, Plan, Planner


@dataclass(slots=True)
class ProductPlan(Plan):
    """A changed product is a new version beside the old one; nothing is overwritten."""

    def write(self, db: Db, intake: Intake) -> None:
        """Write the changes of this batch."""
        for product in self.kept.values():
            products.add_version(db, product, intake.now)


def plan_products(db: Db, intake: Intake, rows: Sequence[Row]) -> Plan:  # noqa: ARG001  # as its kin
    """What a product says in the bank's file; a blank cell changes nothing."""
    plan = ProductPlan()
    known = {row["code"]: dict(row) for row in products.current(db, _codes(rows))}
    for row in rows:
        code = row.values["code"]
        old = known.get(code)
        before = {name: old[name] for name in products.FACTS} if old else products.BLANK
        fresh = {name: row.values.get(name) for name in products.FACTS}
        product = {
            "code": code,
            **before,
            **{name: value for name, value in fresh.items() if value is not None},
        }
        differs = old is None or any(product[name] != old[name] for name in products.FACTS)
        plan.count(old, differs=differs)
        if differs:
            known[code] = plan.kept[code] = product
    return plan


@dataclass(slots=True)
class EventPlan(Plan):
    """Events change in place; who has signed up stays signed up."""

    def write(self, db: Db, intake: Intake) -> None:
        """Write the changes of this batch."""
        for each in self.kept.values():
            events.keep(db, each, intake.now)


def plan_events(db: Db, intake: Intake, rows: Sequence[Row]) -> Plan:  # noqa: ARG001  # as its kin
    """What the branch's file says of its events; a blank cell changes nothing."""
    plan = EventPlan()
    known = {row["code"]: dict(row) for row in events.by_codes(db, _codes(rows))}
    for row in rows:
        old = known.get(row.values["code"])
        before = old or dict.fromkeys(events.FACTS, "")
        fresh = {name: row.values.get(name) for name in events.FACTS}
        told = {name: value for name, value in fresh.items() if value is not None}
        event = {**before, "code": row.values["code"], **told}
        if old and event["seats"] < old["taken"]:
            why = f"已有 {old['taken']} 人报上名,名额不能改到比这少"
            plan.problems.append(RowProblem(row.line, "名额", why))
            continue
        differs = old is None or any(event[name] != old[name] for name in events.FACTS)
        plan.count(old, differs=differs)
        if differs:
            known[event["code"]] = plan.kept[event["code"]] = event
    return plan


def _codes(rows: Sequence[Row]) -> set[str]:
    return {row.values["code"] for row in rows}


LISTINGS: dict[str, Planner] = {"products": plan_products, "events": plan_events}
"""By kind; nothing of these waits for a person."""
