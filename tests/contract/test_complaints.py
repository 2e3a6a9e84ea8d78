"""Complaints: until when, by whom, and who gives more time."""

# the names carry the ids of the compliance rules

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from madeup import MadeUp, build_branch, open_branch
from test_inbox_worker import Office, agreed, office

from bot import outbox
from bot.actions import CloseCase
from bot.complaints import remind
from bot.errors import Invalid
from bot.model import Role, UserId
from bot.store import cases, journal, people
from bot.store.db import Database, Db
from bot.store.sight import Viewer
from bot.web import extending
from bot.web.corrections import close_case

__all__ = ["agreed", "office"]

EAST = "城东支行"
CHEN = Viewer("chenxy", Role.MANAGER, EAST)
ZHOU = Viewer("zhoujun", Role.HEAD, EAST)
HE = Viewer("heguan", Role.COMPLIANCE, EAST)
MA = Viewer("mazy", Role.ADMIN, EAST)


def employ(office: Office, *roles: tuple[str, str, str]) -> None:
    """Colleagues of one branch: userid, name and role."""

    def keep(db: Db) -> None:
        for userid, name, role in roles:
            people.keep_member(db, {"userid": userid, "name": name}, 1)
            db.run(
                "UPDATE staff SET branch = '东山支行', role = :role WHERE userid = :id",
                role=role,
                id=userid,
            )
        db.run("UPDATE customer SET branch = '东山支行'")

    office.store.write(keep)


BRANCH = (
    ("lin", "林小青", "manager"),
    ("hao", "郝建国", "head"),
    ("shi", "石磊", "city"),
)


def opened(store: Database) -> list[tuple[str, str]]:
    rows = store.read().rows("SELECT assignee, concerned FROM escalation WHERE kind = 'complaint'")
    return [(row["assignee"], row["concerned"]) for row in rows]


@pytest.mark.parametrize(
    ("text", "handler", "concerned"),
    [
        ("投诉,排队太久", "lin", ""),
        ("你这态度太差了", "hao", "lin"),
        ("投诉林小青", "hao", "lin"),
        ("林经理答应的没兑现,投诉", "hao", "lin"),
        ("投诉小林", "hao", "lin"),
        ("你们郝行长态度太差", "shi", "hao"),
        ("投诉林经理和郝行长", "shi", "hao,lin"),
        ("投诉树林里没有路灯", "lin", ""),
    ],
)
def test_E1_whom_a_complaint_is_about_does_not_get_it(
    agreed: Office, text: str, handler: str, concerned: str
) -> None:
    employ(agreed, *BRANCH)
    agreed.say(text)
    agreed.work()
    assert [(handler, concerned)] == opened(agreed.store)


def test_E1_F5_a_complaint_that_nobody_may_handle_is_open_all_the_same(agreed: Office) -> None:
    employ(agreed, BRANCH[0])
    agreed.say("你这态度太差了")
    agreed.work()
    assert [("", "lin")] == opened(agreed.store)
    assert "SendCard" not in agreed.kinds()
    rows = agreed.store.read().rows("SELECT kind FROM journal WHERE kind LIKE 'case%' ORDER BY id")
    assert ["case_without_owner", "case_opened"] == [row["kind"] for row in rows]


def test_E1_whom_it_is_about_cannot_close_it_by_a_card_either(agreed: Office) -> None:
    employ(agreed, *BRANCH)
    agreed.say("你这态度太差了")
    agreed.work()
    for userid, status in (("lin", "open"), ("hao", "closed")):
        press = CloseCase(1, "contacted", UserId(userid), "r")

        def pressed(db: Db, press: CloseCase = press) -> list[object]:
            return list(agreed.worker.act(db, press, 1))

        agreed.store.write(pressed)
        found = cases.case(agreed.store.read(), 1)
        assert found is not None
        assert status == found["status"]


def test_E1_whom_a_complaint_is_about_stays_so_under_another_userid(agreed: Office) -> None:
    employ(agreed, *BRANCH)
    agreed.say("投诉林经理和郝行长")
    agreed.work()
    for old, new in (("lin", "linxq"), ("shi", "shilei")):
        agreed.store.write(
            lambda db, old=old, new=new: people.rename_member(db, UserId(old), UserId(new))  # type: ignore[misc]  # bound here
        )
    assert [("shilei", "hao,linxq")] == opened(agreed.store)


def test_E1_the_clock_begins_with_the_first_message_however_late_it_is_heard(
    agreed: Office,
) -> None:
    employ(agreed, *BRANCH)
    agreed.say("我要投诉")
    agreed.clock.move(timedelta(days=3))
    agreed.work()
    (row,) = agreed.store.read().rows("SELECT settle_by, settle_days FROM escalation")
    assert ("2026-12-09", 15) == tuple(row)


# -- more time


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up branch, built once; each test has a copy."""
    folder = tmp_path_factory.mktemp("complaints") / "branch"
    build_branch(folder).database.close()
    return folder


@pytest.fixture
def branch(built: Path, tmp_path: Path) -> Iterator[MadeUp]:
    found = open_branch(Path(shutil.copytree(built, tmp_path / "branch")))
    found.write(
        lambda db: db.run(
            "UPDATE escalation SET settle_by = '2026-12-16', settle_days = 15"
            " WHERE kind = 'complaint'"
        )
    )
    yield found
    found.database.close()


def number(branch: MadeUp) -> int:
    return branch.ids["case complaint"] if branch.ids else _complaint(branch)["id"]


def _complaint(branch: MadeUp) -> Any:
    (row,) = branch.database.read().rows("SELECT * FROM escalation WHERE kind = 'complaint'")
    return row


def told(branch: MadeUp) -> list[tuple[str, str]]:
    rows = branch.database.read().rows("SELECT payload FROM outbox WHERE kind = 'TellStaff'")
    found = [json.loads(each["payload"]) for each in rows]
    return [(each["words"], each["userid"]) for each in found]


def test_E1_more_time_is_asked_for_with_a_reason_and_given_by_somebody_else(
    branch: MadeUp,
) -> None:
    case_id = number(branch)
    with pytest.raises(Invalid, match="至少四个字"):
        extending.ask(branch.services, CHEN, case_id, " 忙 ")
    extending.ask(branch.services, CHEN, case_id, "要等总行核对交易明细")
    assert "2026-12-16" == _complaint(branch)["settle_by"]
    assert [("staff_extension_waiting", "zhoujun")] == told(branch)
    with pytest.raises(Invalid, match="一次一个申请"):
        extending.ask(branch.services, ZHOU, case_id, "再申请一次看看")
    for nobody in (CHEN, MA, Viewer("zhoujun", Role.HEAD, "城西支行")):
        with pytest.raises(Invalid, match="另一位负责人"):
            extending.decide(branch.services, nobody, case_id, agreed=True, note="")
    extending.decide(branch.services, ZHOU, case_id, agreed=True, note="")
    row = _complaint(branch)
    assert ("2026-12-31", 30, "") == (row["settle_by"], row["settle_days"], row["extend_by"])
    assert ("staff_extension_decided", "chenxy") == told(branch)[-1]
    steps = cases.steps(branch.database.read(), case_id)[-2:]
    assert [
        ("chenxy", "extension asked", "要等总行核对交易明细"),
        ("zhoujun", "extension approved", "2026-12-31"),
    ] == [(each["actor"], each["step"], each["note"]) for each in steps]
    trail = branch.database.read().rows(
        "SELECT actor, act, why FROM audit WHERE object = :id", id=f"case:{case_id}"
    )
    assert [("chenxy", "ask_extension"), ("zhoujun", "approve_extension")] == [
        (each["actor"], each["act"]) for each in trail
    ]
    assert "2026-12-31" == json.loads(trail[-1]["why"])["settle_by"]
    assert None is journal.first_broken_link(branch.database.read())


def test_E1_a_head_who_asks_or_handles_it_cannot_approve_it(branch: MadeUp) -> None:
    case_id = number(branch)
    extending.ask(branch.services, ZHOU, case_id, "要等总行核对")
    assert [("staff_extension_waiting", "heguan")] == told(branch)
    with pytest.raises(Invalid, match="另一位负责人"):
        extending.decide(branch.services, ZHOU, case_id, agreed=True, note="")
    branch.write(
        lambda db: db.run("UPDATE escalation SET assignee = 'zhoujun', extend_by = 'chenxy'")
    )
    with pytest.raises(Invalid, match="另一位负责人"):
        extending.decide(branch.services, ZHOU, case_id, agreed=True, note="")


def test_E1_sixty_days_are_the_most_and_not_the_branchs_own_to_give(branch: MadeUp) -> None:
    case_id = number(branch)
    extending.ask(branch.services, CHEN, case_id, "要等总行核对")
    extending.decide(branch.services, HE, case_id, agreed=True, note="")
    extending.ask(branch.services, CHEN, case_id, "总行还没有回")
    assert ("staff_extension_waiting", "heguan") == told(branch)[-1]
    with pytest.raises(Invalid, match="分行或合规"):
        extending.decide(branch.services, ZHOU, case_id, agreed=True, note="")
    extending.decide(branch.services, HE, case_id, agreed=True, note="")
    assert "2027-01-30" == _complaint(branch)["settle_by"]
    with pytest.raises(Invalid, match="最长 60 天"):
        extending.ask(branch.services, CHEN, case_id, "还要更久一些")


def test_E1_more_time_that_is_refused_moves_nothing_and_says_why(branch: MadeUp) -> None:
    case_id = number(branch)
    extending.ask(branch.services, CHEN, case_id, "要等总行核对")
    with pytest.raises(Invalid, match="为什么不批准"):
        extending.decide(branch.services, ZHOU, case_id, agreed=False, note="")
    extending.decide(branch.services, ZHOU, case_id, agreed=False, note="材料已经齐了")
    row = _complaint(branch)
    assert ("2026-12-16", 15, "") == (row["settle_by"], row["settle_days"], row["extend_by"])
    last = cases.steps(branch.database.read(), case_id)[-1]
    assert ("extension refused", "材料已经齐了") == (last["step"], last["note"])
    with pytest.raises(Invalid, match="另一位负责人"):
        extending.decide(branch.services, ZHOU, case_id, agreed=True, note="")


def test_E1_whom_it_is_about_neither_asks_nor_approves_nor_closes(branch: MadeUp) -> None:
    case_id = number(branch)
    branch.write(lambda db: db.run("UPDATE escalation SET concerned = 'chenxy,zhoujun'"))
    with pytest.raises(Invalid, match="不能申请延期"):
        extending.ask(branch.services, CHEN, case_id, "要等总行核对")
    with pytest.raises(Invalid, match="说的是您"):
        close_case(branch.services, CHEN, case_id, "contacted", "")
    branch.write(lambda db: db.run("UPDATE escalation SET extend_by = 'mazy'"))
    with pytest.raises(Invalid, match="另一位负责人"):
        extending.decide(branch.services, ZHOU, case_id, agreed=True, note="")
    assert "open" == _complaint(branch)["status"]


def test_E1_only_complaints_can_be_longer_and_another_branch_knows_nothing(branch: MadeUp) -> None:
    other = branch.database.read().value("SELECT id FROM escalation WHERE kind = 'inflow'")
    with pytest.raises(Invalid, match="只有没办结的投诉"):
        extending.ask(branch.services, CHEN, other, "要等总行核对")
    stranger = Viewer("qinlan", Role.MANAGER, "城西支行")
    assert None is extending.ask(branch.services, stranger, number(branch), "要等总行核对")
    assert None is extending.decide(branch.services, stranger, number(branch), agreed=True, note="")


def test_E1_later_moves_the_first_call_and_never_the_last_day(branch: MadeUp) -> None:
    before = _complaint(branch)
    close_case(branch.services, CHEN, number(branch), "later", "")
    after = _complaint(branch)
    assert before["deadline_at"] < after["deadline_at"]
    assert before["settle_by"] == after["settle_by"]


def test_E1_the_handler_is_reminded_once_and_somebody_above_told_once_of_a_last_day(
    branch: MadeUp,
) -> None:
    def look(on: date) -> int:
        now = int(branch.clock.now().timestamp() * 1000)
        return int(branch.write(lambda db: remind(db, on, now, outbox.add)))

    last = date(2026, 12, 16)
    near = last - timedelta(days=3)
    assert [0, 1, 0] == [look(near - timedelta(days=1)), look(near), look(last)]
    assert [("staff_complaint_near", "chenxy")] == told(branch)
    assert [1, 0] == [look(last + timedelta(days=1)), look(last + timedelta(days=2))]
    assert ("staff_complaint_late", "zhoujun") == told(branch)[-1]
    # A new last day is another one.
    branch.write(lambda db: cases.ask_extension(db, number(branch), "chenxy"))
    branch.write(lambda db: cases.answer_extension(db, number(branch), "2026-12-31", 30))
    assert [0, 1, 1] == [
        look(last + timedelta(days=3)),
        look(date(2026, 12, 28)),
        look(date(2027, 1, 1)),
    ]
    acts = branch.database.read().rows("SELECT act FROM audit WHERE act = 'complaint_late'")
    assert 2 == len(acts)


def test_E1_a_complaint_that_is_settled_reminds_nobody(branch: MadeUp) -> None:
    close_case(branch.services, CHEN, number(branch), "contacted", "")
    assert 0 == branch.write(lambda db: remind(db, date(2027, 1, 1), 1, outbox.add))


def test_E1_every_message_about_a_last_day_can_be_written(branch: MadeUp) -> None:
    case_id = number(branch)
    extending.ask(branch.services, CHEN, case_id, "要等总行核对")
    extending.decide(branch.services, ZHOU, case_id, agreed=True, note="")
    for on in (date(2026, 12, 29), date(2027, 1, 1)):
        branch.write(lambda db, on=on: remind(db, on, 1, outbox.add))
    rows = branch.database.read().rows("SELECT payload FROM outbox WHERE kind = 'TellStaff'")
    for each in map(json.loads, (row["payload"] for row in rows)):
        text = branch.rules.renderer.render(
            branch.rules.messages[each["words"]], {**each["values"], "customer": "李叔"}
        )
        assert text.startswith(f"李叔的投诉(第 {case_id} 号)")
    assert 4 == len(rows)
