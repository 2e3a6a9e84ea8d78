"""What members mass-send by hand counts in the channel's quota before anything is planned (F4)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from branch_world import Branch, build_branch, shanghai
from short_wire import Platform

from bot.clock import FixedClock
from bot.errands.others import OtherMasses
from bot.errors import Refused, Retry
from bot.rulebook import Rulebook
from bot.sandbox.settings import SandboxSettings
from bot.store import others, weighing
from bot.store.db import Database
from bot.vault import Vault

BORN = (11, 24)
A_MONTH = 30


@pytest.fixture
def branch(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Branch:
    return build_branch(store, vault, clock, rules)


def reader(branch: Branch) -> OtherMasses:
    return OtherMasses(branch.store, branch.clock, branch.mass.wecom)


def read(branch: Branch, minutes: float = 2) -> int:
    """A look at WeCom's list, a little later than what was just sent."""
    branch.later(minutes=minutes)
    return reader(branch).read()


def used(branch: Branch) -> int | None:
    """How much of the quota the gate is told is used by the planned greeting's customer."""
    number = branch.store.read().value("SELECT id FROM push WHERE occasion = 'birthday'")
    at = branch.clock.now()
    row = weighing.standings(branch.store.read(), [number], at, "month_days")[number]
    return int(row["channel"])


def ledger(branch: Branch) -> list[tuple[str, str]]:
    rows = branch.store.read().rows("SELECT recipient, msgid FROM other_send ORDER BY 2, 1")
    return [(row["recipient"], row["msgid"]) for row in rows]


def test_F4_what_a_member_sent_by_hand_counts_and_nobody_is_planned_beyond(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.meet("wm_b", birthday=BORN)
    for _ in range(A_MONTH):
        branch.wecom.send_by_hand("lin", "wm_a")
    read(branch)
    branch.plan()
    branch.send()
    assert branch.decisions("wm_a") == [("drop", '["G13", "F4"]')]
    assert branch.statuses()["wm_b"] == "tasked"


def test_F4_a_send_between_planning_and_the_call_still_counts(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.mass.release()
    assert branch.statuses() == {"wm_a": "tasked"}
    for _ in range(A_MONTH):
        branch.wecom.send_by_hand("zhou", "wm_a")
    read(branch)
    branch.work()
    assert branch.statuses() == {"wm_a": "dropped"}
    assert "create" not in branch.wecom.calls


def test_F4_only_who_really_got_it_counts_once_however_often_it_is_read(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    msgid = branch.wecom.send_by_hand("lin", "wm_a", "wm_x", "wm_y")
    branch.wecom.task(msgid).sent |= {"wm_x": 2, "wm_y": 3}
    for _ in range(3):
        read(branch, minutes=11)
    assert ledger(branch) == [("wm_a", msgid)]
    assert used(branch) == 1


def test_F4_a_groups_sends_by_hand_count_for_the_group(branch: Branch) -> None:
    msgid = branch.wecom.send_by_hand("lin", "wr_a", chat_type="group")
    read(branch)
    assert ledger(branch) == [("wr_a", msgid)]


def test_F4_our_own_tasks_are_not_counted_twice(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.send()
    branch.wecom.tap("msg0")
    read(branch)
    branch.mass.poll()
    assert branch.statuses() == {"wm_a": "confirmed"}
    assert ledger(branch) == []


def test_F4_a_task_of_ours_that_was_listed_while_in_doubt_counts_once_in_the_end(
    branch: Branch,
) -> None:
    branch.wecom.send_by_hand("lin", "wm_a")
    read(branch)
    branch.store.write(
        lambda db: db.run(
            "INSERT INTO send_task (sender, text_sealed, wecom_msgid, created_at)"
            " VALUES ('lin', :none, 'hand0', 1)",
            none=b"",
        )
    )
    read(branch, minutes=11)
    assert ledger(branch) == []


def test_F4_a_task_of_the_console_counts_when_its_member_confirms_it_days_later(
    branch: Branch,
) -> None:
    msgid = branch.wecom.send_by_hand("lin", "wm_a", "wm_b", "wm_c")
    task = branch.wecom.task(msgid)
    task.by_hand, task.sent = False, {}
    read(branch)
    assert ledger(branch) == []
    branch.later(days=2)
    branch.wecom.tap(msgid)
    read(branch)
    assert [who for who, _ in ledger(branch)] == ["wm_a", "wm_b", "wm_c"]


def test_the_list_is_read_from_where_it_stopped_and_what_is_settled_is_read_no_more(
    branch: Branch,
) -> None:
    branch.wecom.send_by_hand("lin", "wm_a")
    read(branch)
    first = len(branch.wecom.calls)
    assert branch.wecom.calls == ["list", "list", "members", "results"]
    read(branch, minutes=10)
    assert branch.wecom.calls[first:] == ["list", "list"]


def test_who_does_not_send_for_long_is_asked_about_less_and_less(branch: Branch) -> None:
    msgid = branch.wecom.send_by_hand("lin", "wm_a")
    branch.wecom.task(msgid).sent = {}
    read(branch)
    branch.later(days=5)
    asked = []
    for _ in range(15):
        before = branch.wecom.calls.count("members")
        read(branch, minutes=60)
        asked.append(branch.wecom.calls.count("members") - before)
    assert sum(asked) == 2  # at once, and half a day later


def test_F4_while_the_list_cannot_be_read_for_a_day_nothing_is_handed_over(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)

    def fails(call: str) -> None:
        if call == "list":
            raise Refused(48002, "api forbidden")

    branch.plan()
    branch.wecom.before = fails
    branch.store.write(lambda db: db.run("DELETE FROM cursor WHERE name = 'other_masses'"))
    assert read(branch) == 0
    branch.send()
    assert branch.statuses() == {"wm_a": "planned"}
    branch.wecom.before = lambda _call: None
    read(branch)
    branch.send()
    assert branch.statuses() == {"wm_a": "tasked"}


def test_F4_a_task_made_before_the_list_became_unknown_is_not_called(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.mass.release()
    branch.store.write(lambda db: db.run("DELETE FROM cursor WHERE name = 'other_masses'"))
    branch.work()
    assert branch.statuses() == {"wm_a": "held"}
    assert branch.decisions("wm_a")[-1] == ("hold", '["G13", "unknown"]')


@pytest.mark.parametrize("trouble", [Refused(40058, "invalid"), Retry("41063", 30.0)])
def test_one_mass_send_whose_results_cannot_be_read_is_read_later(
    branch: Branch, trouble: Exception
) -> None:
    msgid = branch.wecom.send_by_hand("lin", "wm_a")
    left = [trouble]

    def fails(call: str) -> None:
        if call == "members" and left:
            raise left.pop()

    branch.wecom.before = fails
    read(branch)
    assert ledger(branch) == []
    read(branch, minutes=11)
    assert ledger(branch) == [("wm_a", msgid)]


def test_what_no_quota_counts_any_more_is_forgotten(branch: Branch) -> None:
    branch.wecom.send_by_hand("lin", "wm_a")
    read(branch)
    branch.later(days=20)
    assert branch.store.write(lambda db: others.forget(db, branch.now)) == 0
    branch.later(days=12)
    assert branch.store.write(lambda db: others.forget(db, branch.now)) == 1


def test_F4_through_the_real_client_a_members_own_mass_send_in_the_sandbox_counts(
    store: Database,
) -> None:
    clock = FixedClock(shanghai(2026, 11, 24, 10, 0))
    platform = Platform(SandboxSettings(clock=clock))
    world = platform.world
    world.add_staff("lin", "林一")
    customers = [world.add_customer(name) for name in ("甲", "乙")]
    for each in customers:
        world.add_friend(each, "lin")
    world.delete_friend("lin", customers[1], by="customer")
    by_hand = OtherMasses(store, clock, platform.client())
    msgid = world.send_by_hand("lin", "周末愉快", customers)
    assert by_hand.read() == 0  # it is still being handed out
    clock.move(timedelta(minutes=10))
    by_hand.read()
    rows = store.read().rows("SELECT * FROM other_send")
    found = [(row["recipient"], row["msgid"], _moment(row["sent_at"])) for row in rows]
    assert found == [(customers[0], msgid, shanghai(2026, 11, 24, 10, 0))]
    assert world.mass_used(customers[0]) == 1


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, shanghai(2026, 11, 24, 0, 0).tzinfo)
