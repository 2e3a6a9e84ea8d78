"""The day's planning as an application usually does it: a loop over mapped objects.

Customers come a thousand at a time with their deposits in one more query each thousand (no
N+1), the program looks whose birthday or maturity the day is, and one commit writes the pushes.
It plans what the floor of ``planning`` plans, on the same data.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    selectinload,
)

from benchmarks.figures import Figure, Scale
from benchmarks.people import DAY
from benchmarks.planning import NOW, data, emptied, planned_once, steps_of
from bot.store.db import Db, connect
from bot.store.planning import PlanStep

_AT_ONCE = 1_000


class _Mapped(DeclarativeBase):
    pass


class _Customer(_Mapped):
    __tablename__ = "customer"
    external_userid: Mapped[str] = mapped_column(primary_key=True)
    manager: Mapped[str]
    branch: Mapped[str]
    next_birthday_on: Mapped[str]
    birthday_cycle: Mapped[str]
    birthday_calendar: Mapped[str]
    holdings: Mapped[list[_Holding]] = relationship()


class _Holding(_Mapped):
    __tablename__ = "holding"
    account_ref: Mapped[str] = mapped_column(primary_key=True)
    external_userid: Mapped[str] = mapped_column(ForeignKey("customer.external_userid"))
    matures_on: Mapped[str]
    status: Mapped[str]
    kind: Mapped[str]


class _Push(_Mapped):
    __tablename__ = "push"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str]
    campaign: Mapped[str]
    version: Mapped[str]
    occasion: Mapped[str]
    cycle: Mapped[str]
    step: Mapped[str]
    external_userid: Mapped[str]
    purpose: Mapped[str]
    channel: Mapped[str]
    sender: Mapped[str]
    branch: Mapped[str]
    planned_on: Mapped[str]
    due_at: Mapped[int]
    useful_until: Mapped[int]
    changed_at: Mapped[int]


def plan_day_orm(scale: Scale) -> list[Figure]:
    """How many times as fast the planning statement is as the loop, which runs once."""
    folder = data(scale.customers)
    with closing(connect(folder / "qunguan.db")) as connection:
        db = Db(connection)
        steps = steps_of(db)
        ours = [planned_once(db, steps) for _ in range(scale.rounds)]
        emptied(db)
        seconds, rows = _loop(folder / "qunguan.db", steps)
        emptied(db)
    mine = statistics.median(ours)
    return [
        Figure(
            "plan_day_orm",
            f"{mine * 1000:.0f} ms",
            f"ORM loop {seconds:.1f} s",
            seconds / mine,
            120,
            least=True,
            note=f"the loop planned {rows}",
        )
    ]


def _loop(file: Path, steps: list[PlanStep]) -> tuple[float, int]:
    maturing = {step.values["matures"]: step.step for step in steps if step.occasion == "maturity"}
    engine = create_engine(f"sqlite:///{file}")
    rows = 0
    begun = time.perf_counter()
    with Session(engine) as session:
        everybody = select(_Customer).options(selectinload(_Customer.holdings))
        for customer in session.scalars(everybody.execution_options(yield_per=_AT_ONCE)):
            due = list(_due(customer, maturing))
            session.add_all(due)
            rows += len(due)
        session.commit()
    seconds = time.perf_counter() - begun
    engine.dispose()
    return seconds, rows


def _due(customer: _Customer, maturing: dict[Any, Any]) -> Iterator[_Push]:
    if customer.next_birthday_on == DAY.isoformat():
        yield _push(customer, "birthday", customer.birthday_cycle, "0", "greeting")
    days = {each.matures_on for each in customer.holdings if each.status == "open"}
    for day in sorted(days & maturing.keys()):
        yield _push(customer, "maturity", day, str(maturing[day]), "service")


def _push(customer: _Customer, occasion: str, cycle: str, step: str, purpose: str) -> _Push:
    return _Push(
        key=f"{occasion}:{cycle}:{customer.external_userid}:{step}",
        campaign=occasion,
        version="1",
        occasion=occasion,
        cycle=cycle,
        step=step,
        external_userid=customer.external_userid,
        purpose=purpose,
        channel="mass_single",
        sender=customer.manager,
        branch=customer.branch,
        planned_on=DAY.isoformat(),
        due_at=NOW,
        useful_until=NOW,
        changed_at=NOW,
    )
