"""What the bank lists for everybody (products, offers, events): rows against what is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.importing import Row, RowProblem
from bot.store import events
from bot.store.db import Db
from bot.store.intake import Intake, Plan, Planner
from bot.store.library import OFFERS, PRODUCTS, Library


@dataclass(slots=True)
class VersionPlan(Plan):
    """What changed is a new version beside the old one; nothing is overwritten."""

    library: Library = PRODUCTS

    def write(self, db: Db, intake: Intake) -> None:
        """Write the changes of this batch."""
        for each in self.kept.values():
            self.library.add_version(db, each, intake.now)


def plan_products(db: Db, intake: Intake, rows: Sequence[Row]) -> Plan:  # noqa: ARG001  # as its kin
    """What the bank's file says of its products."""
    return _plan_versions(db, PRODUCTS, rows)


def plan_offers(db: Db, intake: Intake, rows: Sequence[Row]) -> Plan:
    """What the bank's file says of merchants' offers; never fewer than are set aside."""
    taken = {row["code"]: row["taken"] for row in OFFERS.current(db, _codes(rows))}
    segments, good, problems = intake.derivation.segments, [], []
    for row in rows:
        called = row.values.get("segment", "")
        if called and called not in segments:
            may = "、".join(dict.fromkeys(segments.values()))
            why = f"没有这个客群,或者它用到敏感信息,不能用来选人;可填:{may};不限就留空"
            problems.append(RowProblem(row.line, "客群", why))
        elif row.values["stock"] < taken.get(row.values["code"], 0):
            why = f"已有 {taken[row.values['code']]} 份留给客户,份数不能改到比这少"
            problems.append(RowProblem(row.line, "份数", why))
        else:
            good.append(row._replace(values=row.values | {"segment": segments.get(called)}))
    plan = _plan_versions(db, OFFERS, good)
    plan.problems += problems
    return plan


def _plan_versions(db: Db, library: Library, rows: Sequence[Row]) -> Plan:
    """A blank cell changes nothing."""
    plan = VersionPlan(library=library)
    known = {row["code"]: dict(row) for row in library.current(db, _codes(rows))}
    for row in rows:
        code = row.values["code"]
        old = known.get(code)
        before = {name: old[name] for name in library.facts} if old else library.blank
        fresh = {name: row.values.get(name) for name in library.facts}
        told = {name: value for name, value in fresh.items() if value is not None}
        said = {"code": code, **before, **told}
        differs = old is None or any(said[name] != old[name] for name in library.facts)
        plan.count(old, differs=differs)
        if differs:
            known[code] = plan.kept[code] = said
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


LISTINGS: dict[str, Planner] = {
    "products": plan_products,
    "events": plan_events,
    "offers": plan_offers,
}
"""By kind; nothing of these waits for a person."""
