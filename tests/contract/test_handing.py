"""Cases from hand to hand: deputies, the one alarm, the way back, and what the customer hears."""

# the names carry the ids of the compliance rules

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from branch_world import build_branch
from test_inbox_worker import WHO, Office, agreed, build, office
from test_signals import answers

import handlers
from bot.actions import CloseCase
from bot.clock import FixedClock
from bot.dispatch import collect
from bot.jobs import Jobs
from bot.model import UserId
from bot.rulebook import Rulebook
from bot.store import cases, people, rings, talk
from bot.store.db import Database, Db, Row
from bot.vault import Vault

__all__ = ["agreed", "office"]

QUESTION = "存折丢了怎么补?"
STAFF = (
    ("lin", "林小青", "manager", "zhou"),
    ("zhou", "周俊", "manager", ""),
    ("hao", "郝建国", "head", ""),
    ("shi", "石磊", "city", ""),
)


class Desk:
    """The branch at work: what comes in, and the look at its cases every half minute."""

    def __init__(self, office: Office, jobs: Jobs) -> None:
        self.office = office
        self.jobs = jobs
        fence = office.store.write(lambda db: rings.take_lease(db, "me"))
        assert fence is not None
        self.fence = fence

    def look(self, **later: float) -> int:
        self.office.clock.move(timedelta(**later))
        return self.jobs.case_deadlines(self.fence, self.office.clock.now())

    def run(self, sql: str) -> None:
        self.office.store.write(lambda db: db.run(sql))

    def off_duty(self, *who: str) -> None:
        for each in who:
            self.run(f"UPDATE staff SET active = 0 WHERE userid = '{each}'")

    def hear(self, text: str = QUESTION) -> None:
        self.office.kf(text)
        self.office.work()

    @property
    def now(self) -> int:
        return int(self.office.clock.now().timestamp() * 1000)

    @property
    def case(self) -> Row:
        (found,) = self.office.store.read().rows("SELECT * FROM escalation")
        return found

    def steps(self) -> list[tuple[str, str]]:
        found = cases.steps(self.office.store.read(), self.case["id"])
        return [(each["step"], each["note"]) for each in found if each["step"] != "opened"]

    def errands(self, kind: str) -> list[dict[str, Any]]:
        rows = self.office.store.read().rows(
            "SELECT payload FROM outbox WHERE kind = :kind ORDER BY id", kind=kind
        )
        return [json.loads(row["payload"]) for row in rows]

    def cards(self) -> list[tuple[str, str]]:
        return [
            (each["userid"], "head" if each["overdue"] else each["turn"])
            for each in self.errands("SendCard")
        ]

    def answered(self) -> list[str]:
        return [each["words"] for each in self.errands("AnswerKf")]


@pytest.fixture
def desk(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Desk:
    branch = build_branch(store, vault, clock, rules)
    branch.meet(WHO)
    office = build(store, vault, clock, rules, collect(handlers))

    def keep(db: Db) -> None:
        for userid, name, role, deputy in STAFF:
            people.keep_member(db, {"userid": userid, "name": name}, 1)
            db.run(
                "UPDATE staff SET branch = '东山支行', role = :role, deputy = :deputy, name = :name"
                " WHERE userid = :id",
                role=role,
                deputy=deputy,
                name=name,
                id=userid,
            )
        db.run("UPDATE customer SET branch = '东山支行'")

    store.write(keep)
    listener = office.worker._listener
    notice = office.worker.notice
    return Desk(office, Jobs(store, clock, rules, listener, branch.mass, notice, lambda: None))


# -- deputies


@pytest.mark.parametrize(
    ("off_duty", "handler"),
    [((), "lin"), (("lin",), "zhou"), (("lin", "zhou"), "hao"), (("lin", "zhou", "hao"), "shi")],
)
def test_E3_whoever_is_off_duty_gets_no_case_but_their_deputy(
    desk: Desk, off_duty: tuple[str, ...], handler: str
) -> None:
    desk.off_duty(*off_duty)
    desk.hear()
    assert handler == desk.case["assignee"]
    assert [(handler, "first")] == desk.cards()


@pytest.mark.parametrize(
    ("off_duty", "heir"),
    [(("lin",), "zhou"), (("lin", "zhou"), "hao"), (("lin", "zhou", "hao"), "shi")],
)
def test_E3_an_open_case_moves_on_once_when_its_handler_goes_off_duty(
    desk: Desk, off_duty: tuple[str, ...], heir: str
) -> None:
    desk.hear()
    desk.off_duty(*off_duty)
    assert [1, 0, 0] == [desk.look() for _ in range(3)]
    assert heir == desk.case["assignee"]
    assert [("handed on", heir)] == desk.steps()
    assert [("lin", "first"), (heir, "1")] == desk.cards()


def test_E3_nobodys_friend_goes_to_the_deputy_of_a_manager_who_is_off_duty(desk: Desk) -> None:
    desk.run("DELETE FROM follow")
    desk.run("UPDATE customer SET manager = 'lin'")
    desk.off_duty("lin")
    desk.hear()
    assert "zhou" == desk.case["assignee"]


def test_E3_a_case_of_which_nobody_can_take_hold_waits_and_then_finds_somebody(desk: Desk) -> None:
    desk.hear()
    desk.off_duty("lin", "zhou", "hao", "shi")
    assert (0, "lin") == (desk.look(), desk.case["assignee"])
    desk.run("UPDATE staff SET active = 1 WHERE userid = 'hao'")
    assert (1, "hao") == (desk.look(), desk.case["assignee"])


def test_E3_E1_a_deputy_whom_a_complaint_is_about_does_not_inherit_it(desk: Desk) -> None:
    desk.hear("我要投诉周俊")
    assert ("hao", "zhou") == (desk.case["assignee"], desk.case["concerned"])
    desk.run("UPDATE escalation SET assignee = 'lin'")
    desk.off_duty("lin")
    desk.look()
    assert "hao" == desk.case["assignee"]


def test_E3_a_case_that_is_closed_moves_nowhere(desk: Desk) -> None:
    desk.hear()
    desk.run("UPDATE escalation SET status = 'closed'")
    desk.off_duty("lin")
    assert 0 == desk.look(days=3)


# -- the alarm and the way back


def test_E3_what_nobody_takes_is_told_to_the_head_once_and_goes_back_once(desk: Desk) -> None:
    desk.hear()  # at ten o'clock, ten minutes for an answer
    assert [0, 0] == [desk.look(), desk.look(minutes=9)]
    assert [1, 0, 0] == [desk.look(minutes=1), desk.look(), desk.look(minutes=1)]
    assert [("raised", "hao")] == desk.steps()
    assert [("lin", "first"), ("hao", "head")] == desk.cards()
    desk.office.clock.moment = datetime(2026, 11, 24, 16, 59, tzinfo=UTC) - timedelta(hours=8)
    assert 0 == desk.look()
    assert [1, 0, 0] == [desk.look(minutes=1), desk.look(), desk.look(days=9)]
    assert [("raised", "hao"), ("returned", "lin")] == desk.steps()
    assert ("lin", "1") == desk.cards()[-1]
    (told,) = desk.errands("TellStaff")
    assert ("shi", "staff_case_returned", "林小青、郝建国") == (
        told["userid"],
        told["words"],
        told["values"]["names"],
    )
    text = desk.office.rules.renderer.render(
        desk.office.rules.messages["staff_case_returned"], {**told["values"], "customer": "周姐"}
    )
    assert text.startswith("周姐的事(没人回复,第 1 号)")
    assert "open" == desk.case["status"]


def test_E3_the_deadline_counts_as_missed_after_it_went_back(desk: Desk) -> None:
    desk.hear()
    before = desk.case["deadline_at"]
    desk.look(minutes=11)
    desk.look(hours=8)
    assert ("returned", "lin") == desk.steps()[-1]
    assert before == desk.case["deadline_at"]


def test_E3_the_customer_is_told_each_time_and_until_when(desk: Desk) -> None:
    desk.hear()
    desk.look(minutes=11)
    desk.look(hours=8)
    assert ["kf_person", "kf_late", "kf_returned"] == desk.answered()
    said = answers(desk.office)[1:]  # said at 18:11: until the next branch day closes
    assert [True, True] == ["明天17:00前跟您联系" in each for each in said]


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("UPDATE kf_session SET service_state = 3", "a person has the session"),
        ("UPDATE kf_session SET spoke_at = spoke_at - 172800001", "it is two days ago"),
        ("UPDATE escalation SET kind = 'interest'", "they expect nobody"),
        ("UPDATE escalation SET chat_id = 'wr_group'", "they spoke in a group"),
    ],
)
def test_E3_the_bot_says_nothing_where_that_is_not_its_part(desk: Desk, sql: str, why: str) -> None:
    desk.hear()
    desk.run(sql)
    desk.look(minutes=11)
    desk.look(hours=8)
    assert ["kf_person"] == desk.answered(), why
    assert ("returned", "lin") == desk.steps()[-1]


def test_E3_what_the_head_took_does_not_go_back(desk: Desk) -> None:
    desk.hear()
    desk.look(minutes=11)
    press = CloseCase(1, "later", UserId("hao"))  # until tomorrow's closing
    desk.office.store.write(lambda db: list(desk.office.worker.act(db, press, desk.now)))
    assert 0 == desk.look(hours=8)
    assert 0 == desk.look(hours=22)
    assert 1 == desk.look(hours=1)
    assert ("returned", "lin") == desk.steps()[-1]


def test_E3_a_case_of_the_head_is_told_further_up(desk: Desk) -> None:
    desk.off_duty("lin", "zhou")
    desk.hear()
    desk.look(minutes=11)
    assert ("hao", "shi") == (desk.case["assignee"], desk.case["raised_to"])


def test_E3_E1_the_head_whom_a_complaint_is_about_hears_of_no_delay(desk: Desk) -> None:
    desk.hear("我要投诉郝行长")
    assert ("shi", "hao") == (desk.case["assignee"], desk.case["concerned"])
    desk.look(hours=2)
    assert None is desk.case["raised_to"]


@pytest.mark.parametrize(
    ("raised", "until"),
    [
        ("2026-11-24 10:00", "2026-11-24 17:00"),
        ("2026-11-24 15:59", "2026-11-24 17:00"),
        ("2026-11-24 16:30", "2026-11-25 17:00"),
        ("2026-11-27 16:30", "2026-11-30 17:00"),  # over the weekend
        ("2026-11-28 11:00", "2026-11-30 17:00"),
    ],
)
def test_E3_who_hears_of_a_late_case_has_branch_hours_for_it(
    rules: Rulebook, raised: str, until: str
) -> None:
    moments = [datetime.fromisoformat(f"{each}+08:00") for each in (raised, until)]
    assert moments[1] == rules.second_deadline(moments[0])


def test_the_account_of_a_customer_is_where_they_wrote_last(store: Database) -> None:
    def speak(db: Db) -> None:
        talk.kf_spoke(db, "wk_a", WHO, 10)
        talk.kf_spoke(db, "wk_b", WHO, 20)
        talk.kf_spoke(db, "wk_c", "wm_b", 30)
        talk.kf_spoke(db, "wk_d", WHO, 40)
        talk.kf_moved(db, "wk_d", WHO, 3, "lin")  # a person has it

    store.write(speak)
    assert ["wk_b", None] == [talk.kf_account(store.read(), WHO, since) for since in (20, 21)]
