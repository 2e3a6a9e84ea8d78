"""The figures of employees and branches, counted from what happened."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from bot.store import measures
from bot.store.db import Database, Db

LAST = date(2026, 11, 30)
SINCE = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)
UNTIL = int(datetime(2026, 11, 30, 23, tzinfo=UTC).timestamp() * 1000)
IN_SPAN = SINCE + 86_400_000
MINUTE = 60_000


def put(db: Db, table: str, **values: Any) -> None:
    names = ", ".join(values)
    holes = ", ".join(f":{name}" for name in values)
    db.run(f"INSERT INTO {table} ({names}) VALUES ({holes})", **values)


def fill(db: Db) -> None:
    for userid, branch in (("lin", "东支行"), ("zhou", "西支行"), ("gone", "西支行")):
        put(
            db,
            "staff",
            userid=userid,
            name=userid.title(),
            branch=branch,
            active=int(userid != "gone"),
        )
    for number in range(4):
        who = f"wm_{number}"
        put(db, "customer", external_userid=who, branch="东支行", manager="lin", created_at=0)
        put(db, "follow", userid="lin", external_userid=who, since_at=IN_SPAN if number else 0)
    db.run("UPDATE follow SET ended_at = :at WHERE external_userid = 'wm_3'", at=IN_SPAN)
    put(db, "activity", external_userid="wm_0", day_on="2026-09-02", replies=1)
    put(db, "activity", external_userid="wm_1", day_on="2026-09-01", replies=5)
    put(db, "activity", external_userid="wm_2", day_on="2026-11-02", messages=9)
    for key, closed, deadline, outcome in (
        ("a", IN_SPAN + 6 * MINUTE, IN_SPAN + 10 * MINUTE, "contacted"),
        ("b", IN_SPAN + 14 * MINUTE, IN_SPAN + 10 * MINUTE, "sold"),
        ("c", None, IN_SPAN + 10 * MINUTE, None),
    ):
        put(
            db,
            "escalation",
            key=key,
            kind="unanswered",
            external_userid="wm_0",
            assignee="lin",
            status="closed" if closed else "open",
            outcome=outcome,
            opened_at=IN_SPAN,
            deadline_at=deadline,
            closed_at=closed,
        )
    for status in ("done", "accepted", "absent"):
        put(
            db,
            "send_task",
            sender="lin",
            text_sealed=b"x",
            status=status,
            created_at=IN_SPAN,
            useful_until=UNTIL,
        )
    put(db, "consent", external_userid="wm_1", purpose="marketing", granted=0, at=IN_SPAN)


@pytest.fixture
def branch(store: Database) -> Database:
    store.write(fill)
    return store


def people(store: Database, name: str = "") -> list[dict[str, Any]]:
    return measures.people(store.read(), name, LAST, SINCE, UNTIL)


def test_an_employee_s_figures_are_counted_with_their_base(branch: Database) -> None:
    (lin,) = people(branch, "东支行")
    assert {
        "userid": "lin",
        "name": "Lin",
        "branch": "东支行",
        "customers": 3,
        "answered": 1,
        "contact_percent": 33,
        "befriended": 3,
        "lost": 1,
        "cases": 3,
        "met": 1,
        "met_percent": 33,
        "sold": 1,
        "answer_minutes": 10,
        "tasks": 2,
        "confirmed": 1,
        "confirmed_percent": 50,
        "opt_outs": 1,
        "referrals": 0,
        "brought": 0,
    } == lin


def test_without_a_base_there_is_no_share_and_who_left_is_not_listed(branch: Database) -> None:
    (zhou,) = people(branch, "西支行")
    assert (None, None, None, None) == (
        zhou["contact_percent"],
        zhou["met_percent"],
        zhou["confirmed_percent"],
        zhou["answer_minutes"],
    )


def test_branches_are_ranked_by_the_share_of_effective_contacts(branch: Database) -> None:
    ranked = measures.branches(people(branch))
    assert [(1, "东支行", 33, 10), (2, "西支行", None, None)] == [
        (row["rank"], row["branch"], row["contact_percent"], row["answer_minutes"])
        for row in ranked
    ]


def test_customers_who_crossed_a_layer_s_line_are_counted_by_manager(branch: Database) -> None:
    def move(db: Db) -> None:
        for who, entered, left, at in (
            ("wm_0", "high", "middle", IN_SPAN),
            ("wm_1", "effective", "middle", IN_SPAN),
            ("wm_2", "middle", "unknown", IN_SPAN),
            ("wm_2", "high", "middle", SINCE - 1),
        ):
            why = f'{{"entered": ["near_line", "layer:{entered}"], "left": ["layer:{left}"]}}'
            put(db, "journal", at=at, kind="segments", external_userid=who, why=why)

    branch.write(move)
    assert [{"branch": "东支行", "manager": "lin", "up": 1, "down": 1}] == measures.moves(
        branch.read(), "", SINCE, UNTIL
    )
    assert [] == measures.moves(branch.read(), "西支行", SINCE, UNTIL)


def test_the_share_of_few_hands_and_of_one_trade_is_told(branch: Database) -> None:
    def enrich(db: Db) -> None:
        for number in range(12):
            put(
                db,
                "customer",
                external_userid=f"wm_rich{number}",
                branch="西支行",
                layer="high",
                assets=1_000_000,
                occupation="茶商" if number < 3 else "",
                created_at=0,
            )

    branch.write(enrich)
    assert [
        {
            "branch": "西支行",
            "customers": 12,
            "assets": 12_000_000,
            "top_ten_percent": 83,
            "largest_trade": "茶商",
            "largest_trade_percent": 25,
        }
    ] == measures.concentration(branch.read(), "")
