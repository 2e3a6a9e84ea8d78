"""Mass sends against a WeCom that remembers: gate, grouping, doubt, refusal, cancellation."""

# the names carry the ids of the rules and invariants

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from backends import allow, forbid
from branch_world import TODAY, Branch, add_errand, build_branch, errands, shanghai

from bot.actions import CancelMassSend
from bot.clock import FixedClock
from bot.errors import Invalid, Refused, Retry, Uncertain
from bot.model import UserId
from bot.outbox import Outbox
from bot.rulebook import Rulebook
from bot.store import planning, pushes, weighing
from bot.store.db import Database, Db, Row
from bot.vault import Vault

BORN = (11, 24)


@pytest.fixture
def branch(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Branch:
    return build_branch(store, vault, clock, rules)


def raising(trouble: Exception, call: str = "create") -> Callable[[str], None]:
    """Raises once at a call."""
    left = [trouble]

    def hook(name: str) -> None:
        if name == call and left:
            raise left.pop()

    return hook


# -- the gate and the call


def test_U1_the_gates_answer_is_written_before_the_call(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    seen: list[tuple[list[tuple[str, str]], list[str]]] = []

    def look(call: str) -> None:
        if call == "create":
            seen.append((branch.decisions("wm_a"), branch.tasks()))

    branch.wecom.before = look
    branch.plan()
    branch.send()
    # Once at release, once more immediately before the call.
    assert seen == [([("send", "[]"), ("send", "[]")], ["calling"])]


def test_I4_without_a_written_answer_there_is_no_call(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.mass.release()
    branch.store.write(lambda db: forbid(db, "INSERT ON decision"))
    branch.work()
    assert branch.wecom.calls == ["list"]  # read, before the gate


def test_a_push_counts_only_when_the_member_confirmed_and_the_result_says_so(
    branch: Branch,
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.send()
    branch.mass.poll()
    assert (branch.statuses(), branch.tasks()) == ({"wm_a": "tasked"}, ["accepted"])
    branch.wecom.tap("msg0")
    branch.mass.poll()
    assert (branch.statuses(), branch.tasks()) == ({"wm_a": "confirmed"}, ["done"])


def test_the_gate_is_asked_again_when_the_task_is_handed_over(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.mass.release()
    branch.store.write(
        lambda db: db.run("INSERT INTO kill_switch (scope, engaged) VALUES ('bank', 1)")
    )
    branch.work()
    assert branch.wecom.calls == ["list"]  # read, before the gate
    assert branch.pushes() == [("wm_a", "held", "held", 1)]
    branch.store.write(lambda db: db.run("UPDATE kill_switch SET engaged = 0"))
    branch.settle(16)
    assert branch.statuses() == {"wm_a": "tasked"}
    assert len(branch.wecom.tasks) == 1


def test_what_cannot_be_read_is_held_and_goes_out_when_it_can_be_read_again(
    branch: Branch,
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.mass.release()
    branch.later(hours=-48)
    branch.compared()  # two days ago
    branch.later(hours=48)
    branch.work()
    assert branch.wecom.calls == ["list"]  # read, before the gate
    assert branch.decisions("wm_a")[-1] == ("hold", '["G2", "unknown"]')
    assert branch.mass.release() == 0
    branch.compared()
    branch.settle(16)
    assert branch.statuses() == {"wm_a": "tasked"}


def test_G4_without_consent_a_greeting_is_dropped_with_its_reason(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN, consented=False)
    branch.plan()
    branch.send()
    assert branch.decisions("wm_a") == [("drop", '["G4"]')]
    assert branch.pushes() == [("wm_a", "dropped", "gate", 1)]
    assert branch.wecom.calls == []


def test_C7_a_maturity_notice_goes_out_to_somebody_who_refused_marketing(branch: Branch) -> None:
    branch.meet("wm_a", consented=False)
    branch.hold("A1", "wm_a", TODAY + timedelta(days=7))
    branch.refuse("wm_a")
    branch.plan()
    branch.send()
    assert branch.statuses() == {"wm_a": "tasked"}
    assert branch.wecom.tasks[0].customers == ["wm_a"]


def test_K1_a_text_with_a_missing_value_is_not_sent(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.store.write(lambda db: db.run("UPDATE staff SET name = '' WHERE userid = 'lin'"))
    branch.plan()
    branch.send()
    assert branch.decisions("wm_a") == [("drop", '["K1"]')]
    assert branch.wecom.calls == []


def test_K1_a_name_is_never_read_as_a_template(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN, layer="high", name="{{7*7}}")
    branch.plan()
    branch.send()
    assert [each.text for each in branch.wecom.tasks if "49" in each.text] == []
    assert len(branch.wecom.tasks) == 1


def test_G6_a_text_that_the_release_does_not_pin_is_held(branch: Branch) -> None:
    from dataclasses import replace  # noqa: PLC0415  # this test alone

    branch.meet("wm_a", birthday=BORN)
    branch.mass.rules = replace(branch.rules, release={})
    branch.plan()
    branch.send()
    assert branch.decisions("wm_a") == [("hold", '["G6"]')]
    assert branch.wecom.calls == []


def test_G13_F4_the_channels_own_quota_is_never_planned_beyond(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)

    def used(db: Db) -> None:
        for number in range(30):  # November has thirty days
            db.run(
                "INSERT INTO push (key, external_userid, purpose, status, due_at, useful_until,"
                " changed_at) VALUES (:key, 'wm_a', 'service', 'confirmed', 0, 0, :now)",
                key=f"k{number}",
                now=branch.now,
            )

    branch.store.write(used)
    branch.plan()
    branch.send()
    assert branch.decisions("wm_a") == [("drop", '["G13", "F4"]')]


def test_C3_F5_a_complaint_holds_the_greeting_until_its_case_is_closed(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.store.write(
        lambda db: db.run(
            "INSERT INTO escalation (key, kind, external_userid, opened_at)"
            " VALUES ('k', 'complaint', 'wm_a', 0)"
        )
    )
    branch.plan()
    branch.send()
    assert branch.decisions("wm_a") == [("hold", '["F5"]')]
    branch.store.write(lambda db: db.run("UPDATE escalation SET status = 'closed'"))
    branch.settle(16)
    assert branch.statuses() == {"wm_a": "tasked"}


@pytest.mark.parametrize(
    ("days_ago", "expected"),
    [
        (0, (1, 1, 1)),
        (1, (0, 1, 1)),
        (6, (0, 1, 1)),
        (7, (0, 0, 1)),
        (29, (0, 0, 1)),
        (30, (0, 0, 0)),
    ],
)
@pytest.mark.parametrize("status", ["tasked", "confirmed"])
def test_F3_marketing_is_counted_confirmed_and_reserved_by_days_of_shanghai(
    branch: Branch, days_ago: int, expected: tuple[int, int, int], status: str
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    early = shanghai(2026, 11, 24, 0, 0) - timedelta(days=days_ago)
    branch.store.write(lambda db: add_push(db, "offer", "marketing", status, early))
    branch.store.write(lambda db: add_push(db, "gone", "marketing", "dropped", early))
    row = standing(branch)
    assert (row["today"], row["week"], row["month"]) == expected


def test_F4_the_channels_quota_counts_every_purpose_in_the_calendar_month(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    for number, at in enumerate([shanghai(2026, 10, 31, 23, 59), shanghai(2026, 11, 1, 0, 0)]):
        branch.store.write(
            lambda db, n=number, at=at: add_push(  # type: ignore[misc]  # defaults bind
                db, f"k{n}", "service", "confirmed", at
            )
        )
    assert standing(branch)["channel"] == 1


def add_push(db: Db, key: str, purpose: str, status: str, at: datetime) -> None:
    db.run(
        "INSERT INTO push (key, external_userid, purpose, status, due_at, useful_until, changed_at)"
        " VALUES (:key, 'wm_a', :purpose, :status, 0, 0, :at)",
        key=key,
        purpose=purpose,
        status=status,
        at=int(at.timestamp() * 1000),
    )


def standing(branch: Branch) -> Row:
    """What the gate is told about the planned greeting."""
    number = branch.store.read().value("SELECT id FROM push WHERE occasion = 'birthday'")
    return weighing.standings(branch.store.read(), [number], branch.clock.now(), "month_days")[
        number
    ]


def test_T8_a_notice_names_the_kind_and_the_day_and_never_a_sum_an_account_or_a_reason(
    branch: Branch,
) -> None:
    branch.meet("wm_a", layer="high", name="周小芳", birthday=BORN)
    branch.hold("62170000123", "wm_a", TODAY + timedelta(days=7))
    branch.store.write(
        lambda db: db.run("UPDATE holding SET amount = 876543, product = '安心存三号'")
    )
    branch.store.write(lambda db: db.run("UPDATE customer SET assets = 7654321"))
    branch.plan()
    branch.send()
    texts = [each.text for each in branch.wecom.tasks]
    assert len(texts) == 2
    told = ["876543", "87万", "62170000123", "0123", "7654321", "安心存三号", "高端", "high"]
    assert [each for each in told for text in texts if each in text] == []


# -- grouping and texts by name


def test_one_text_of_one_member_is_one_task(branch: Branch) -> None:
    for who, sender in (("wm_a", "lin"), ("wm_b", "lin"), ("wm_c", "zhou")):
        branch.meet(who, sender=sender, birthday=BORN)
    branch.plan()
    branch.send()
    made = sorted((each.sender, each.customers) for each in branch.wecom.tasks)
    assert made == [("lin", ["wm_a", "wm_b"]), ("zhou", ["wm_c"])]


def test_a_text_by_name_is_a_task_for_one_person(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN, layer="high", name="周小芳")
    branch.meet("wm_b", birthday=BORN, layer="high", name="吴小丽")
    branch.meet("wm_c", birthday=BORN, layer="effective", name="郑小梅")
    branch.plan()
    branch.send()
    texts = {each.customers[0]: each.text for each in branch.wecom.tasks}
    assert [len(each.customers) for each in branch.wecom.tasks] == [1, 1, 1]
    assert texts["wm_a"].startswith("周女士")
    assert texts["wm_b"].startswith("吴女士")
    assert "郑" not in texts["wm_c"]


def test_a_nickname_of_a_chat_is_not_used_to_address_anybody(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN, layer="high")
    branch.store.write(lambda db: db.run("UPDATE customer SET name = '高兴' WHERE core_id IS NULL"))
    branch.plan()
    branch.send()
    assert branch.wecom.tasks[0].text.startswith("您好")


def test_a_member_gets_ten_texts_by_name_a_day_and_the_rest_in_one_without(
    branch: Branch,
) -> None:
    surnames = "赵钱孙李周吴郑王冯陈褚卫蒋"
    for number, surname in enumerate(surnames):
        branch.meet(f"wm_{number:02}", birthday=BORN, layer="high", name=f"{surname}小芳")
    branch.plan()
    branch.send()
    sizes = sorted(len(each.customers) for each in branch.wecom.tasks)
    assert sizes == [1] * 10 + [3]
    big = max(branch.wecom.tasks, key=lambda each: len(each.customers))
    assert big.text.startswith("您好")
    assert set(branch.statuses().values()) == {"tasked"}


def test_the_personal_limit_holds_over_several_releases_and_for_each_member(
    branch: Branch,
) -> None:
    for number, surname in enumerate("赵钱孙李周吴郑王冯陈褚卫蒋"):
        branch.meet(f"wm_{number:02}", birthday=BORN, layer="high", name=f"{surname}小芳")
        branch.plan()
        branch.send()
    branch.meet("wm_zz", sender="zhou", birthday=BORN, layer="high", name="何小芳")
    branch.plan()
    branch.send()
    by_name = [each for each in branch.wecom.tasks if "女士" in each.text]
    assert sum(each.sender == "lin" for each in by_name) == 10
    assert [each.customers for each in by_name if each.sender == "zhou"] == [["wm_zz"]]
    assert set(branch.statuses().values()) == {"tasked"}


def test_who_is_nobodys_friend_gets_nothing(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.store.write(lambda db: db.run("UPDATE follow SET ended_at = 1"))
    branch.plan()
    branch.send()
    assert branch.decisions("wm_a") == [("drop", '["G2"]')]


def test_the_holdings_manager_sends_when_they_are_a_friend_else_the_oldest_friend(
    branch: Branch,
) -> None:
    branch.meet("wm_a", sender="lin")
    branch.store.write(
        lambda db: db.run(
            "INSERT INTO follow (userid, external_userid, since_at)"
            " VALUES ('zhou', 'wm_a', 1800000000000)"
        )
    )
    branch.hold("A1", "wm_a", TODAY, manager="zhou")
    branch.hold("A2", "wm_a", TODAY + timedelta(days=1), manager="nobody")
    branch.plan()
    rows = branch.store.read().rows("SELECT step, sender FROM push ORDER BY step")
    assert [(row["step"], row["sender"]) for row in rows] == [("0", "zhou"), ("1", "lin")]


# -- refusals of WeCom


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Refused(41048), "not_friend"),
        (Refused(40058), "errcode 40058"),
        (Invalid("群发文字太长"), "invalid"),
    ],
)
def test_what_wecom_or_its_door_refuses_has_failed_with_its_reason(
    branch: Branch, trouble: Exception, reason: str
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.wecom.before = raising(trouble)
    branch.plan()
    branch.send()
    branch.settle(10)
    assert branch.pushes() == [("wm_a", "failed", reason, 1)]
    assert (branch.tasks(), branch.wecom.calls) == (["failed"], ["list", "create"])


def test_whom_wecom_cannot_reach_has_failed_and_the_others_go_on(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.meet("wm_b", birthday=BORN)
    branch.wecom.fail_list = ("wm_a",)
    branch.plan()
    branch.send()
    branch.wecom.tap("msg0")
    branch.mass.poll()
    assert branch.pushes() == [
        ("wm_a", "failed", "not_friend", 1),
        ("wm_b", "confirmed", "sent", 1),
    ]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (1, ("confirmed", "sent")),
        (2, ("failed", "not_friend")),
        (3, ("failed", "channel_quota")),
        (0, ("tasked", None)),
    ],
)
def test_the_result_of_a_recipient_settles_their_push(
    branch: Branch, status: int, expected: tuple[str, str | None]
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.send()
    branch.wecom.tap("msg0", status=status)
    branch.mass.poll()
    assert branch.pushes() == [("wm_a", *expected, 1)]


def test_results_on_many_pages_are_all_read(branch: Branch) -> None:
    for number in range(7):
        branch.meet(f"wm_{number}", birthday=BORN)
    branch.plan()
    branch.send()
    branch.wecom.tap("msg0")
    assert branch.mass.poll() == 7
    assert set(branch.statuses().values()) == {"confirmed"}


def test_what_may_work_later_is_called_again_and_accepted_once(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.wecom.before = raising(Retry("限流", 5.0))
    branch.plan()
    branch.send()
    assert branch.tasks() == ["waiting"]
    branch.settle(2)
    assert (branch.tasks(), len(branch.wecom.tasks)) == (["accepted"], 1)


# -- doubt


def test_I2_a_lost_answer_is_found_again_and_nothing_is_sent_twice(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.wecom.after = raising(Uncertain("超时"))
    branch.plan()
    branch.send()
    assert (branch.tasks(), branch.statuses()) == (["uncertain"], {"wm_a": "tasked"})
    branch.later(seconds=3)
    assert branch.mass.reconcile() == 1
    assert branch.tasks() == ["accepted"]
    assert errands(branch.store.read(), "CreateMassSend") == ["done"]
    branch.settle(20)
    assert len(branch.wecom.tasks) == 1
    branch.wecom.tap("msg0")
    branch.mass.poll()
    assert branch.statuses() == {"wm_a": "confirmed"}


def test_I2_what_is_absent_three_times_over_five_minutes_is_planned_anew_and_sent_once(
    branch: Branch,
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.wecom.before = raising(Uncertain("超时"))
    branch.plan()
    branch.send()
    looks: list[float] = []
    began = branch.clock.now()
    while branch.tasks() == ["uncertain"]:
        branch.later(seconds=5)
        if branch.mass.reconcile():
            looks.append((branch.clock.now() - began).total_seconds())
    assert len(looks) == 3
    assert looks[-1] - looks[0] >= 300
    assert (branch.tasks(), branch.pushes()) == (["absent"], [("wm_a", "planned", None, 2)])
    branch.send()
    assert (branch.tasks(), len(branch.wecom.tasks)) == (["absent", "accepted"], 1)
    branch.wecom.tap("msg0")
    branch.mass.poll()
    assert branch.pushes() == [("wm_a", "confirmed", "sent", 2)]


def test_a_task_of_another_member_time_or_person_is_not_taken_for_the_lost_one(
    branch: Branch,
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.wecom.before = raising(Uncertain("超时"))
    branch.plan()
    branch.send()
    text = branch.vault.open_text(
        branch.store.read().value("SELECT text_sealed FROM send_task WHERE id = 1")
    )
    branch.wecom.before = lambda _call: None
    others = (("zhou", "wm_a", 0), ("lin", "wm_x", 0), ("lin", "wm_a", -5))
    for sender, customer, hours in others:
        branch.wecom.add_msg_template(
            "single", sender=UserId(sender), external_userids=[customer], text=text
        )
        branch.wecom.tasks[-1].made_at += timedelta(hours=hours)
    branch.settle(8)
    assert branch.tasks()[0] == "absent"


def test_a_task_that_is_known_already_is_not_found_for_a_second_one(branch: Branch) -> None:
    """The same text to others, hours apart: the first task must not answer for the second."""
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.send()
    branch.meet("wm_b", birthday=BORN)
    branch.wecom.before = raising(Uncertain("超时"))
    branch.plan()
    branch.send()
    branch.settle(9)
    assert branch.tasks() == ["accepted", "absent", "accepted"]
    assert [each.customers for each in branch.wecom.tasks] == [["wm_a"], ["wm_b"]]


def test_a_task_that_was_cancelled_is_not_taken_for_its_next_attempt(branch: Branch) -> None:
    """Same text, member, person and nearly the same time: only the known msgid tells them."""
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.send()
    add_errand(branch, CancelMassSend(1, "stale"))
    branch.work()
    branch.wecom.before = raising(Uncertain("超时"))
    branch.send()
    assert branch.tasks() == ["cancelled", "uncertain"]
    branch.settle(9)
    assert branch.tasks() == ["cancelled", "absent", "accepted"]
    assert [each.cancelled for each in branch.wecom.tasks] == [True, False]


def test_while_one_call_of_a_text_is_in_doubt_no_second_one_goes_out(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.wecom.after = raising(Uncertain("超时"))
    branch.plan()
    branch.send()
    branch.meet("wm_b", birthday=BORN)
    branch.plan()
    branch.send()
    assert branch.wecom.calls.count("create") == 1
    branch.settle(5)
    assert [each.customers for each in branch.wecom.tasks] == [["wm_a"], ["wm_b"]]


def crash(branch: Branch) -> None:
    """The process dies and starts again: what was in memory is gone."""
    branch.box = Outbox(branch.store, branch.clock, branch.box._perform)
    branch.box.resume()


class Killed(BaseException):
    """Ends the process at a point of the test's choice: nobody catches it."""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_I2_a_crash_around_the_call_sends_once_and_loses_nobody(
    branch: Branch, moment: str
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.meet("wm_b", birthday=BORN)
    branch.plan()

    def die(call: str) -> None:
        if call == "create":
            raise Killed

    setattr(branch.wecom, moment, die)
    with pytest.raises(Killed):
        branch.send()
    setattr(branch.wecom, moment, lambda _call: None)
    assert branch.tasks() == ["calling"]
    crash(branch)
    branch.settle(10)
    assert [branch.wecom.open_tasks_with(who) for who in ("wm_a", "wm_b")] == [1, 1]
    branch.wecom.tap(branch.wecom.tasks[-1].msgid)
    branch.mass.poll()
    assert branch.statuses() == {"wm_a": "confirmed", "wm_b": "confirmed"}


def test_a_crash_before_the_call_began_only_asks_again(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.mass.release()
    branch.store.write(lambda db: db.run("UPDATE outbox SET state = 'calling'"))
    crash(branch)
    assert errands(branch.store.read(), "CreateMassSend") == ["uncertain"]
    branch.settle(1)
    assert (branch.tasks(), len(branch.wecom.tasks)) == (["accepted"], 1)


def test_I2_an_accepted_call_whose_answer_could_not_be_written_is_never_made_again(
    branch: Branch,
) -> None:
    """WeCom said yes, and then the disk was full: the errand comes again, the call must not."""
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.store.write(lambda db: forbid(db, "UPDATE ON send_task WHEN NEW.status = 'accepted'"))
    branch.send()
    assert (branch.tasks(), len(branch.wecom.tasks)) == (["calling"], 1)
    branch.later(seconds=30)
    branch.work()
    branch.store.write(lambda db: allow(db, "send_task"))
    branch.settle(10)
    assert (branch.tasks(), len(branch.wecom.tasks)) == (["accepted"], 1)


def test_I2_an_answer_that_comes_while_we_look_is_not_overruled_by_what_we_did_not_find(
    branch: Branch,
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.wecom.after = raising(Uncertain("超时"))
    branch.plan()
    branch.send()
    branch.later(seconds=10)
    doubtful = branch.store.read().one("SELECT * FROM send_task")
    assert doubtful is not None
    branch.mass.reconcile()
    assert branch.tasks() == ["accepted"]
    # Another look began before and ends now, without having found what is known by now.
    for _ in range(3):
        branch.store.write(lambda db: branch.mass._clear_up(db, doubtful, None))
    branch.settle(10)
    assert (branch.tasks(), len(branch.wecom.tasks)) == (["accepted"], 1)


def test_a_task_in_doubt_for_longer_than_wecom_lists_can_still_be_looked_for(
    branch: Branch,
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.wecom.after = raising(Uncertain("超时"))
    branch.plan()
    branch.send()
    branch.later(days=40)
    branch.compared()
    assert branch.mass.reconcile() == 1
    assert branch.tasks() == ["accepted"]


def test_I2_a_list_that_lags_behind_by_minutes_is_looked_at_again(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.wecom.lag = timedelta(minutes=4)
    branch.wecom.after = raising(Uncertain("超时"))
    branch.plan()
    branch.send()
    branch.settle(10)
    assert (branch.tasks(), len(branch.wecom.tasks)) == (["accepted"], 1)


def test_a_list_that_cannot_be_read_proves_nothing(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.wecom.after = raising(Uncertain("超时"))
    branch.plan()
    branch.send()

    def down(call: str) -> None:
        if call == "list":
            raise Retry("网络中断")

    branch.wecom.before = down
    branch.settle(20)
    assert branch.tasks() == ["uncertain"]
    branch.wecom.before = lambda _call: None
    branch.settle(3)
    assert (branch.tasks(), len(branch.wecom.tasks)) == (["accepted"], 1)


# -- refusal at each point (P5)


def test_C3_a_refusal_while_it_is_planned_drops_it(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.refuse("wm_a")
    branch.send()
    assert branch.pushes() == [("wm_a", "dropped", "refused", 1)]
    assert branch.wecom.calls == []


def test_C3_a_refusal_in_quiet_hold_drops_it(branch: Branch) -> None:
    branch.clock.moment = shanghai(2026, 11, 24, 8, 5)
    branch.compared()
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.store.write(lambda db: db.run("UPDATE push SET due_at = 0"))
    branch.send()
    assert branch.statuses() == {"wm_a": "held"}
    branch.refuse("wm_a")
    branch.later(hours=2)
    branch.send()
    assert branch.pushes() == [("wm_a", "dropped", "refused", 1)]


def test_C3_a_refusal_before_the_call_takes_the_person_out_of_the_task(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.meet("wm_b", birthday=BORN)
    branch.plan()
    branch.mass.release()
    branch.refuse("wm_a")
    branch.settle(3)
    assert branch.wecom.open_tasks_with("wm_a") == 0
    assert branch.wecom.open_tasks_with("wm_b") == 1
    assert branch.statuses() == {"wm_a": "dropped", "wm_b": "tasked"}


def test_C3_a_refusal_while_the_call_is_out_cancels_the_task_and_the_others_go_on(
    branch: Branch,
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.meet("wm_b", birthday=BORN)
    branch.plan()
    refused: list[bool] = []

    def meanwhile(call: str) -> None:
        if call == "create" and not refused:
            refused.append(True)
            branch.refuse("wm_a")

    branch.wecom.after = meanwhile
    branch.send()
    branch.settle(3)
    assert branch.wecom.tasks[0].cancelled
    assert branch.wecom.open_tasks_with("wm_a") == 0
    assert branch.wecom.open_tasks_with("wm_b") == 1
    assert branch.statuses() == {"wm_a": "dropped", "wm_b": "tasked"}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE customer SET marketing_ok = 0 WHERE external_userid = 'wm_a'",
        "UPDATE customer SET refused = 1 WHERE external_userid = 'wm_a'",
        "UPDATE customer SET restricted = 1 WHERE external_userid = 'wm_a'",
        "UPDATE follow SET ended_at = 1 WHERE external_userid = 'wm_a'",
    ],
)
def test_whoever_may_not_be_reached_any_more_when_the_answer_comes_is_taken_out(
    branch: Branch, change: str
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.meet("wm_b", birthday=BORN)
    branch.plan()
    changed: list[bool] = []

    def meanwhile(call: str) -> None:
        if call == "create" and not changed:
            changed.append(True)
            branch.store.write(lambda db: db.run(change))

    branch.wecom.after = meanwhile
    branch.send()
    branch.settle(3)
    assert branch.wecom.open_tasks_with("wm_a") == 0
    assert branch.statuses() == {"wm_a": "dropped", "wm_b": "tasked"}


def test_C3_C7_a_refusal_leaves_planned_service_alone(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.hold("A1", "wm_a", TODAY)
    branch.plan()
    branch.refuse("wm_a")
    branch.send()
    rows = branch.store.read().rows("SELECT occasion, status FROM push ORDER BY occasion")
    assert [tuple(row) for row in rows] == [("birthday", "dropped"), ("maturity", "tasked")]


def test_C3_a_refusal_after_the_call_cancels_the_unconfirmed_task(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.meet("wm_b", birthday=BORN)
    branch.plan()
    branch.send()
    branch.refuse("wm_a")
    branch.work()
    branch.send()
    assert branch.pushes() == [("wm_a", "dropped", "gate", 2), ("wm_b", "tasked", None, 2)]
    assert [each.customers for each in branch.wecom.tasks] == [["wm_a", "wm_b"], ["wm_b"]]
    assert branch.tasks() == ["cancelled", "accepted"]


def test_C3_a_refusal_while_the_task_is_in_doubt_cancels_it_as_soon_as_it_is_found(
    branch: Branch,
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.meet("wm_b", birthday=BORN)
    branch.wecom.after = raising(Uncertain("超时"))
    branch.plan()
    branch.send()
    branch.refuse("wm_a")
    branch.settle(5)
    assert branch.wecom.tasks[0].cancelled
    assert branch.wecom.open_tasks_with("wm_a") == 0
    assert branch.wecom.open_tasks_with("wm_b") == 1


def test_C3_service_in_the_same_days_work_survives_a_refusal(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.hold("A1", "wm_a", TODAY)
    branch.plan()
    branch.send()
    branch.refuse("wm_a")
    branch.settle(3)
    rows = branch.store.read().rows("SELECT occasion, status FROM push ORDER BY occasion")
    assert [tuple(row) for row in rows] == [("birthday", "dropped"), ("maturity", "tasked")]


# -- cancellation


def test_a_cancelled_tasks_results_are_read_before_anything_is_planned_anew(
    branch: Branch,
) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.meet("wm_b", birthday=BORN)
    branch.plan()
    branch.send()
    branch.wecom.tap("msg0", only=["wm_b"])
    branch.refuse("wm_a")
    branch.work()
    branch.send()
    assert branch.wecom.calls[:5] == ["list", "create", "cancel", "members", "results"]
    assert branch.pushes() == [("wm_a", "dropped", "gate", 2), ("wm_b", "confirmed", "sent", 1)]
    assert len(branch.wecom.tasks) == 1


# -- a store that was restored


def forget(branch: Branch) -> None:
    """The store is that of before the tasks, and a process begins on it."""
    for sql in (
        "DELETE FROM send_task",
        "DELETE FROM outbox",
        "UPDATE push SET status = 'planned', task_id = NULL",
    ):
        branch.store.write(lambda db, sql=sql: db.run(sql))
    branch.mass.__dict__.pop("doubts", None)
    branch.wecom.calls.clear()


def test_I2_who_got_it_before_a_restore_gets_it_no_second_time(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.meet("wm_b", birthday=BORN)
    branch.plan()
    branch.send()
    branch.wecom.tap("msg0", only=["wm_a"])
    forget(branch)
    branch.settle(10)
    assert [task.customers for task in branch.wecom.tasks] == [["wm_a", "wm_b"], ["wm_b"]]
    assert branch.statuses() == {"wm_a": "confirmed", "wm_b": "tasked"}


def test_C3_a_task_of_before_a_restore_is_stopped_for_who_has_refused(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.meet("wm_b", birthday=BORN)
    branch.plan()
    branch.send()
    forget(branch)
    branch.refuse("wm_b")
    branch.settle(10)
    branch.wecom.tap("msg0")
    assert branch.wecom.tasks[0].sent == {}
    assert [task.customers for task in branch.wecom.tasks[1:]] == [["wm_a"]]


def test_I2_nothing_is_made_before_wecom_told_what_there_is(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.wecom.before = raising(Refused(41063), "list")
    branch.plan()
    branch.send()
    branch.settle(10)
    assert branch.wecom.calls[:3] == ["list", "list", "create"]


def test_a_tap_between_our_cancellation_and_our_reading_is_counted(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.send()
    branch.wecom.before = lambda call: branch.wecom.tap("msg0") if call == "cancel" else None
    add_errand(branch, CancelMassSend(1, "stale"))
    branch.settle(5)
    assert branch.statuses() == {"wm_a": "confirmed"}
    assert len(branch.wecom.tasks) == 1


def test_when_the_results_cannot_be_read_nothing_is_planned_anew(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.send()

    def down(call: str) -> None:
        if call in {"members", "results"}:
            raise Retry("还在分发", 30.0)

    branch.wecom.before = down
    add_errand(branch, CancelMassSend(1, "stale"))
    branch.settle(5)
    assert branch.pushes() == [("wm_a", "tasked", None, 1)]
    assert len(branch.wecom.tasks) == 1
    branch.wecom.before = lambda _call: None
    branch.settle(8)
    assert branch.pushes() == [("wm_a", "tasked", None, 2)]
    assert len(branch.wecom.tasks) == 2


def test_I2_cancelling_a_task_whose_call_just_began_waits_for_its_answer(branch: Branch) -> None:
    """The cancellation was read as 'waiting'; before it is written the call goes out."""
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.mass.release()
    effect = branch.mass.cancel(CancelMassSend(1, "refusal"))
    assert effect is not None
    branch.work()
    with pytest.raises(Retry):
        branch.store.write(effect)
    branch.settle(5)
    assert len(branch.wecom.tasks) == 1
    assert branch.pushes() == [("wm_a", "tasked", None, 1)]


def test_results_read_before_a_cancellation_do_not_bring_the_task_back(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.send()
    before = branch.store.read().one("SELECT * FROM send_task")
    assert before is not None
    results = branch.mass.doubts.results(before)
    add_errand(branch, CancelMassSend(1, "stale"))
    branch.work()
    branch.store.write(lambda db: branch.mass._settle(db, before, results))
    assert branch.tasks() == ["cancelled"]


def test_cancelling_twice_does_nothing_more(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.send()
    add_errand(branch, CancelMassSend(1, "stale"))
    add_errand(branch, CancelMassSend(1, "refusal"))
    branch.work()
    assert branch.mass.cancel(CancelMassSend(1, "refusal")) is None
    assert branch.wecom.calls.count("cancel") == 1


# -- time


def test_G15_what_nobody_confirmed_on_its_day_is_called_back_and_expires(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    branch.send()
    branch.clock.moment = shanghai(2026, 11, 25, 9, 0)
    branch.compared()
    branch.settle(3)
    assert branch.wecom.tasks[0].cancelled
    assert branch.pushes() == [("wm_a", "expired", "gate", 2)]
    assert len(branch.wecom.tasks) == 1


def test_F1_an_unconfirmed_task_is_called_back_when_the_hours_close(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.hold("A1", "wm_a", TODAY + timedelta(days=30))
    branch.plan()
    branch.send()
    branch.clock.moment = shanghai(2026, 11, 24, 19, 59)
    branch.settle(3)
    first = {each.text[:9]: each.cancelled for each in branch.wecom.tasks}
    assert sorted(first.values()) == [False, True]  # service may be sent until nine
    branch.clock.moment = shanghai(2026, 11, 24, 21, 0)
    branch.settle(3)
    assert [each.cancelled for each in branch.wecom.tasks] == [True, True]
    branch.clock.moment = shanghai(2026, 11, 25, 8, 35)
    branch.compared()
    branch.settle(3)
    rows = branch.store.read().rows("SELECT occasion, status FROM push ORDER BY occasion")
    assert [tuple(row) for row in rows] == [("birthday", "expired"), ("maturity", "tasked")]


def test_F2_what_was_held_overnight_passes_the_whole_gate_in_the_morning(branch: Branch) -> None:
    branch.meet("wm_a")
    branch.hold("A1", "wm_a", TODAY + timedelta(days=30))
    branch.plan()
    branch.clock.moment = shanghai(2026, 11, 24, 22, 0)
    branch.send()
    assert branch.decisions("wm_a") == [("hold", '["G12"]')]
    branch.store.write(lambda db: db.run("UPDATE holding SET status = 'closed'"))
    branch.clock.moment = shanghai(2026, 11, 25, 9, 0)
    branch.compared()
    branch.send()
    assert branch.decisions("wm_a")[-1] == ("drop", '["G15"]')
    assert branch.wecom.calls == []


CASE = (
    "INSERT INTO escalation (key, kind, external_userid, opened_at)"
    " VALUES ('k', 'fraud', 'wm_a', 0)"
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("UPDATE customer SET refused = 1", ("drop", '["G3"]')),
        ("UPDATE customer SET marketing_ok = 0", ("drop", '["G4"]')),
        ("UPDATE customer SET notice_ok = 0", ("drop", '["G4", "C5"]')),
        ("UPDATE customer SET restricted = 1", ("drop", '["G2"]')),
        ("UPDATE follow SET ended_at = 1", ("drop", '["G2"]')),
        (CASE, ("hold", '["F5"]')),
    ],
)
def test_F2_whatever_changed_while_it_was_held_counts_at_the_release(
    branch: Branch, change: str, expected: tuple[str, str]
) -> None:
    def switched(*, off: bool) -> None:
        branch.store.write(
            lambda db: pushes.switch(db, "bank", engaged=off, by="ann", reason="", now=branch.now)
        )

    branch.meet("wm_a", birthday=BORN)
    branch.plan()
    switched(off=True)
    branch.send()
    assert branch.decisions("wm_a") == [("hold", '["G1"]')]
    branch.store.write(lambda db: db.run(change))
    switched(off=False)
    branch.later(minutes=16)
    branch.send()
    assert branch.decisions("wm_a")[-1] == expected
    assert branch.wecom.calls == []


def test_G15_a_deposit_that_was_renewed_after_planning_is_not_announced(branch: Branch) -> None:
    branch.meet("wm_a")
    branch.hold("A1", "wm_a", TODAY + timedelta(days=7))
    branch.plan()
    branch.store.write(lambda db: db.run("UPDATE holding SET matures_on = '2027-11-24'"))
    branch.send()
    assert branch.pushes() == [("wm_a", "dropped", "gate", 1)]


# -- planning


def test_two_maturities_of_a_customer_on_a_day_are_one_notice(branch: Branch) -> None:
    branch.meet("wm_a")
    branch.hold("A1", "wm_a", TODAY + timedelta(days=7))
    branch.hold("A2", "wm_a", TODAY + timedelta(days=7), kind="large_cd")
    assert branch.plan() == 1
    branch.send()
    (task,) = branch.wecom.tasks
    assert ("定期" in task.text, "大额存单" in task.text) == (True, True)


def test_I2_planning_again_adds_nothing_whatever_became_of_it(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.meet("wm_b", birthday=BORN, consented=False)
    branch.hold("A1", "wm_a", TODAY + timedelta(days=1))
    assert branch.plan() == 3
    assert branch.plan() == 0
    branch.send()
    branch.wecom.tap("msg0")
    branch.mass.poll()
    assert branch.plan() == 0
    assert len(branch.pushes()) == 3


def test_I2_a_birthday_that_was_corrected_by_a_day_is_greeted_once_a_cycle(
    branch: Branch,
) -> None:
    branch.meet("wm_a", birthday=BORN)
    assert branch.plan() == 1
    branch.meet("wm_a", birthday=(11, 25))
    assert branch.plan(TODAY + timedelta(days=1)) == 0


def test_an_erased_customer_is_not_planned(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.store.write(lambda db: db.run("UPDATE customer SET erased = 1"))
    assert branch.plan() == 0


@pytest.mark.parametrize(
    ("on", "planned"),
    [
        (date(2026, 11, 24), 1),  # thirty days before 24 December
        (date(2026, 12, 17), 1),
        (date(2026, 12, 23), 1),
        (date(2026, 12, 24), 1),
        (date(2026, 11, 25), 0),
        (date(2026, 12, 25), 0),
    ],
)
def test_a_maturity_is_announced_thirty_seven_and_one_day_ahead_and_on_the_day(
    branch: Branch, on: date, planned: int
) -> None:
    branch.meet("wm_a")
    branch.hold("A1", "wm_a", date(2026, 12, 24))
    assert branch.plan(on) == planned


def greetings(branch: Branch, first: date, last: date) -> list[tuple[str, str]]:
    """Plan every day of a span as the scheduler does; (day, cycle) of each greeting."""
    day = first
    while day <= last:
        branch.clock.moment = shanghai(day.year, day.month, day.day, 8, 0)

        def ring(db: Db, day: date = day) -> None:
            if db.value("SELECT 1 FROM customer WHERE next_birthday_on <= :d", d=day.isoformat()):
                planning.plan(db, branch.steps(db, day), branch.now)
                branch.rules.advance_birthdays(db, branch.now)

        # The next day that matters, so that nine years cost nothing.
        branch.store.write(ring)
        ahead = branch.store.read().value("SELECT min(next_birthday_on) FROM customer")
        day = max(day + timedelta(days=1), min(date.fromisoformat(ahead), last))
        if date.fromisoformat(ahead) > last:
            break
    rows = branch.store.read().rows(
        "SELECT planned_on, cycle FROM push WHERE occasion = 'birthday' ORDER BY planned_on"
    )
    return [tuple(row) for row in rows]


def test_who_was_born_on_29_february_is_greeted_once_a_year(branch: Branch) -> None:
    branch.clock.moment = shanghai(2024, 1, 1, 8, 0)
    branch.meet("wm_a", birthday=(2, 29))
    found = greetings(branch, date(2024, 1, 1), date(2032, 12, 31))
    assert found == [
        (f"{year}-02-{29 if year % 4 == 0 else 28}", f"{year}") for year in range(2024, 2033)
    ]


def test_a_lunar_birthday_is_greeted_once_a_lunar_year_twice_or_never_in_a_solar_one(
    branch: Branch,
) -> None:
    branch.clock.moment = shanghai(2024, 1, 1, 8, 0)
    branch.meet("wm_a", birthday=(11, 25), calendar="lunar")
    found = greetings(branch, date(2024, 1, 1), date(2029, 12, 31))
    assert [cycle for _, cycle in found] == [f"L{year}" for year in range(2023, 2030)]
    years = [int(day[:4]) for day, _ in found]
    assert [years.count(year) for year in range(2024, 2030)] == [2, 0, 1, 2, 0, 2]


def test_who_was_born_in_a_leap_month_is_greeted_once_a_year(branch: Branch) -> None:
    branch.clock.moment = shanghai(2024, 1, 1, 8, 0)
    branch.meet("wm_a", birthday=(6, 15), calendar="lunar", leap=True)
    found = greetings(branch, date(2024, 1, 1), date(2026, 12, 31))
    assert found == [
        ("2024-07-20", "L2024"),
        ("2025-08-08", "L2025"),  # 闰六月十五
        ("2026-07-28", "L2026"),
    ]


def test_who_was_born_on_the_thirtieth_is_greeted_on_the_last_day_of_a_short_month(
    branch: Branch,
) -> None:
    branch.clock.moment = shanghai(2025, 1, 1, 8, 0)
    branch.meet("wm_a", birthday=(12, 30), calendar="lunar")
    found = greetings(branch, date(2025, 1, 1), date(2027, 3, 1))
    assert found == [("2025-01-28", "L2024"), ("2026-02-16", "L2025"), ("2027-02-05", "L2026")]


def test_a_text_in_the_outbox_never_holds_words_or_names(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN, layer="high", name="周小芳")
    branch.plan()
    branch.send()
    payloads = [row["payload"] for row in branch.store.read().rows("SELECT payload FROM outbox")]
    assert payloads == ['{"task_id": 1}']


def test_I2_results_that_are_older_than_the_cancellation_send_nobody_the_same_twice(
    branch: Branch,
) -> None:
    branch.mass.doubts.late = timedelta(minutes=2)
    for who in ("wm_a", "wm_b", "wm_c"):
        branch.meet(who, birthday=BORN)
    branch.plan()
    branch.send()
    branch.refuse("wm_b")
    branch.work()
    # The member had tapped just before; WeCom tells only now.
    branch.wecom.tasks[0].sent["wm_a"] = 1
    branch.settle()
    assert branch.statuses() == {"wm_a": "confirmed", "wm_b": "dropped", "wm_c": "tasked"}
    assert [task.customers for task in branch.wecom.tasks[1:]] == [["wm_c"]]


def test_what_was_not_sent_waits_until_the_results_prove_it(branch: Branch) -> None:
    branch.mass.doubts.late = timedelta(minutes=2)
    for who in ("wm_a", "wm_b"):
        branch.meet(who, birthday=BORN)
    branch.plan()
    branch.send()
    branch.refuse("wm_b")
    branch.work()
    branch.settle(1)
    assert (branch.tasks(), len(branch.wecom.tasks)) == (["cancelling"], 1)
    branch.settle(3)
    assert (branch.tasks(), len(branch.wecom.tasks)) == (["cancelled", "accepted"], 2)


def test_C3_a_refusal_while_wecoms_list_is_read_is_seen_by_the_gate(branch: Branch) -> None:
    for who in ("wm_a", "wm_b"):
        branch.meet(who, birthday=BORN)
    branch.plan()

    def refuse(call: str) -> None:
        if call == "list":
            branch.refuse("wm_a")

    branch.wecom.before = refuse
    branch.send()
    assert [task.customers for task in branch.wecom.tasks] == [["wm_b"]]
