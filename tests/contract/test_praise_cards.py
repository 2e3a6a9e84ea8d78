"""Praise and prompts from the store's figures to one message of the app."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from branch_world import Branch, build_branch, errands, shanghai

from bot.clock import FixedClock
from bot.errors import Invalid
from bot.praise import Praising, period, propose_week
from bot.rulebook import Rulebook
from bot.store import deeds
from bot.store.db import Database, Db, Row
from bot.vault import Vault

MONDAY = date(2026, 11, 23)
FIRST = date(2026, 11, 16)
LINK = "https://bank.example/praise"


@pytest.fixture
def branch(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Branch:
    found = build_branch(store, vault, clock, rules)
    store.write(
        lambda db: db.run(
            "INSERT INTO staff (userid, name, branch, role)"
            " VALUES ('head', '何三', '东山支行', 'head')"
        )
    )
    return found


def at(day: int, hour: int = 10) -> int:
    return ms(shanghai(2026, 11, day, hour, 0))


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def week(branch: Branch) -> dict[str, dict[str, Any]]:
    """Every employee's figures of 16 to 22 November."""
    since, until = at(16, 0), at(23, 0) - 1
    rows = deeds.of_week(branch.store.read(), FIRST, date(2026, 11, 22), since, until)
    return {row["userid"]: row for row in rows}


def talked(branch: Branch, userid: str, customers: int, day: int = 18) -> None:
    """Somebody noted contacts of a day."""

    def keep(db: Db) -> None:
        for number in range(customers):
            who = f"wm_{userid}{number}"
            db.run(
                "INSERT INTO follow (userid, external_userid, since_at) VALUES (:userid, :who, 1)",
                userid=userid,
                who=who,
            )
            db.run(
                "INSERT INTO contact (at, day_on, userid, external_userid, matter, outcome)"
                " VALUES (:at, :on, :userid, :who, :who, 'contacted')",
                at=at(day),
                on=f"2026-11-{day}",
                userid=userid,
                who=who,
            )

    branch.store.write(keep)


def task(branch: Branch, day: int, status: str = "done", confirmed: int = 0, **more: str) -> None:
    """A task of 林一, confirmed on a day."""

    def keep(db: Db) -> None:
        number = db.insert(
            "INSERT INTO send_task (sender, text_sealed, status, reason, created_at)"
            " VALUES ('lin', :none, :status, :reason, :at)",
            none=b"",
            status=status,
            reason=more.get("reason"),
            at=at(day, 20),
        )
        if confirmed:
            db.run(
                "INSERT INTO push (key, task_id, status, due_at, useful_until, confirmed_at)"
                " VALUES (:key, :task, 'confirmed', 0, 0, :at)",
                key=f"k{number}",
                task=number,
                at=at(confirmed, 1 if confirmed > day else 23),
            )

    branch.store.write(keep)


def propose(branch: Branch, day: date = MONDAY) -> int:
    return branch.store.write(lambda db: propose_week(db, branch.rules, day, branch.now, LINK))


def proposals(branch: Branch) -> list[Row]:
    return deeds.proposals(branch.store.read(), "", 0)


def decide(branch: Branch, act: str, row: Row) -> bool:
    praising = Praising(branch.rules)
    return branch.store.write(lambda db: getattr(praising, act)(db, row, "head", branch.now))


def told(branch: Branch) -> list[dict[str, Any]]:
    rows = branch.store.read().rows(
        "SELECT payload FROM outbox WHERE kind = 'TellStaff' ORDER BY id"
    )
    return [json.loads(row["payload"]) for row in rows]


def test_contacts_count_customers_of_the_week_once_and_of_no_other_week(branch: Branch) -> None:
    talked(branch, "lin", 3)
    talked(branch, "zhou", 2, day=15)
    found = week(branch)
    assert (3, 0) == (found["lin"]["contacted"], found["zhou"]["contacted"])
    assert "head" not in found


def test_a_task_confirmed_after_midnight_is_not_of_the_same_day(branch: Branch) -> None:
    task(branch, 17, confirmed=17)
    assert (1, 100) == (week(branch)["lin"]["done"], week(branch)["lin"]["same_day_percent"])
    task(branch, 18, confirmed=19)
    assert (2, 50) == (week(branch)["lin"]["done"], week(branch)["lin"]["same_day_percent"])
    assert week(branch)["zhou"]["same_day_percent"] is None


def test_only_what_nobody_tapped_in_time_lapsed(branch: Branch) -> None:
    for reason in ("stale", "closing_hour", "refusal", "gate"):
        task(branch, 18, "cancelled", reason=reason)
    assert week(branch)["lin"]["lapsed"] == 2


def test_late_and_open_are_cases_of_the_week_that_nobody_closed(branch: Branch) -> None:
    def keep(db: Db) -> None:
        for number, (status, due) in enumerate([("open", 18), ("closed", 18), ("open", 24)]):
            db.run(
                "INSERT INTO escalation (key, kind, external_userid, assignee, status, opened_at,"
                " deadline_at) VALUES (:key, 'unanswered', 'wm', 'lin', :status, :at, :due)",
                key=str(number),
                status=status,
                at=at(17),
                due=at(due),
            )

    branch.store.write(keep)
    assert (1, 1) == (week(branch)["lin"]["late_open"], week(branch)["lin"]["questions"])


def test_customers_who_went_up_and_who_spoke_at_events_count_for_their_employee(
    branch: Branch,
) -> None:
    branch.meet("wm_a", sender="zhou")

    def keep(db: Db) -> None:
        db.run("UPDATE customer SET manager = 'zhou'")
        db.run(
            "INSERT INTO journal (at, kind, external_userid, why)"
            " VALUES (:at, 'segments', 'wm_a', :why)",
            at=at(18),
            why='{"entered": ["layer:high"], "left": ["layer:middle"]}',
        )
        event = db.insert(
            "INSERT INTO event (code, starts_at, ends_at, sign_up_until, seats, taken)"
            " VALUES ('E1', :at, :at, :at, 5, 1)",
            at=at(19),
        )
        db.run(
            "INSERT INTO signup (event_id, external_userid, party, at, spoke)"
            " VALUES (:event, 'wm_a', 1, 1, 1)",
            event=event,
        )

    branch.store.write(keep)
    found = week(branch)
    assert (1, 1) == (found["zhou"]["moved_up"], found["zhou"]["spoke"])
    assert (0, 0) == (found["lin"]["moved_up"], found["lin"]["spoke"])


def test_a_week_is_proposed_once_and_its_head_is_told_once(branch: Branch) -> None:
    talked(branch, "lin", 12)
    assert [propose(branch) for _ in range(3)] == [1, 0, 0]
    assert [row["rule"] for row in proposals(branch)] == ["contacts"]
    (waiting,) = told(branch)
    assert ("head", "staff_praise_waiting") == (waiting["userid"], waiting["words"])
    assert {"period": "11月16日到22日", "count": 1, "link": LINK} == waiting["values"]
    assert propose(branch, MONDAY + timedelta(days=7)) == 0


def test_one_tap_sends_one_card_that_names_the_deed_and_no_customer(branch: Branch) -> None:
    talked(branch, "lin", 12)
    propose(branch)
    (row,) = proposals(branch)
    assert [decide(branch, "send", row) for _ in range(2)] == [True, False]
    assert not decide(branch, "decline", row)
    assert errands(branch.store.read(), "TellStaff") == ["ready", "ready"]
    card = told(branch)[1]
    text = branch.rules.renderer.render(branch.rules.messages[card["words"]], card["values"])
    assert (card["userid"], card["about"]) == ("lin", None)
    assert text == (
        "表扬卡:11月16日到22日您和12位客户聊上了,是网点里最多的。\n"
        "肯回话的客户,到期、办事都会先想到您。\n——东山支行 何三"
    )
    audit = branch.store.read().one("SELECT * FROM audit ORDER BY id DESC LIMIT 1")
    assert audit is not None
    assert ("head", "praise_sent", "lin") == (audit["actor"], audit["act"], audit["object"])


def test_what_is_declined_is_never_sent(branch: Branch) -> None:
    talked(branch, "lin", 12)
    propose(branch)
    (row,) = proposals(branch)
    assert [decide(branch, act, row) for act in ("decline", "send")] == [True, False]
    assert [each["words"] for each in told(branch)] == ["staff_praise_waiting"]
    assert propose(branch) == 0


def test_a_card_whose_rule_is_gone_cannot_be_sent(branch: Branch) -> None:
    talked(branch, "lin", 12)
    propose(branch)
    branch.store.write(lambda db: db.run("UPDATE praise SET rule = 'gone'"))
    with pytest.raises(Invalid, match="可以点「不发」"):
        decide(branch, "send", proposals(branch)[0])


@pytest.mark.parametrize(
    ("first", "words"), [(FIRST, "11月16日到22日"), (date(2026, 11, 30), "11月30日到12月6日")]
)
def test_a_period_is_told_in_words(first: date, words: str) -> None:
    assert period(first) == words
