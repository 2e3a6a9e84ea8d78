"""One person under two external ids: the strictest word, caps over both, each occasion once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from branch_world import TODAY, Branch, build_branch, dump

from bot.clock import FixedClock
from bot.errors import Invalid
from bot.rulebook import Rulebook
from bot.store import consents, erasure, persons
from bot.store.db import Database, Db
from bot.vault import Vault

BORN = (11, 24)
TEA = """---
name: tea
version: 1
occasion: date
dates: [2026-11-24]
steps: [0]
audience: everyone
purpose: marketing
about: event
channel: mass_single
latest_useful: {0: 当天}
personal: false
layers: []
holdout: 0
approver: compliance
---
您好，周六下午有茶艺课，想来回一声就行。
{{ stop_way }}
——{{ branch }} {{ sender_name }}
"""


@pytest.fixture
def branch(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Branch:
    branch = build_branch(store, vault, clock, rules)
    branch.mass.public_url = "https://bank.example"
    return branch


def two(branch: Branch, **more: bool) -> None:
    """wm_a and wm_b, of two members, who may be one person."""
    branch.meet("wm_a", birthday=BORN, **more)  # type: ignore[arg-type]  # flags of ``meet`` alone
    branch.meet("wm_b", birthday=BORN, sender="zhou", **more)  # type: ignore[arg-type]  # as above


def merge(branch: Branch, *ids: str) -> bool:
    return branch.store.write(
        lambda db: persons.merge(db, ids or ("wm_a", "wm_b"), persons.HAND, "lin", branch.now)
    )


def part(branch: Branch, one: str = "wm_b") -> bool:
    return branch.store.write(lambda db: persons.part(db, one, "lin", branch.now))


def flags(branch: Branch) -> dict[str, tuple[int, int]]:
    rows = branch.store.read().rows(
        "SELECT external_userid, marketing_ok, refused FROM customer ORDER BY 1"
    )
    return {row["external_userid"]: (row["marketing_ok"], row["refused"]) for row in rows}


def test_one_person_under_two_ids_is_greeted_once(branch: Branch) -> None:
    two(branch)
    merge(branch)
    branch.plan()
    branch.send()
    assert branch.statuses() == {"wm_a": "tasked", "wm_b": "dropped"}
    assert len(branch.wecom.tasks) == 1


def test_G14_one_notice_of_a_day_on_which_something_of_both_ids_falls_due(branch: Branch) -> None:
    for who in ("wm_a", "wm_b"):
        branch.meet(who)
        branch.hold(f"acc-{who}", who, TODAY + timedelta(days=7))
    merge(branch)
    branch.plan()
    branch.send()
    assert branch.statuses() == {"wm_a": "tasked", "wm_b": "dropped"}
    assert branch.decisions("wm_b") == [("drop", '["G14"]')]


def test_G14_a_birthday_known_in_two_calendars_is_one_birthday(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.meet("wm_b", birthday=(10, 23), calendar="lunar")  # a week later this year
    merge(branch)
    branch.plan()
    branch.send()
    branch.wecom.tap("msg0")
    branch.mass.poll()
    branch.later(days=7)
    branch.compared()
    branch.plan(TODAY + timedelta(days=7))
    branch.send()
    assert branch.statuses() == {"wm_a": "confirmed", "wm_b": "dropped"}
    assert branch.decisions("wm_b") == [("drop", '["G14"]')]


def test_G14_customers_merged_while_both_tasks_wait_keep_one_and_the_other_is_called_back(
    branch: Branch,
) -> None:
    two(branch)
    branch.plan()
    branch.send()
    assert branch.statuses() == {"wm_a": "tasked", "wm_b": "tasked"}
    merge(branch)
    branch.settle(3)
    assert branch.statuses() == {"wm_a": "tasked", "wm_b": "dropped"}
    assert [task.cancelled for task in branch.wecom.tasks] == [False, True]
    branch.wecom.tap("msg0")
    branch.settle(20)
    assert branch.statuses() == {"wm_a": "confirmed", "wm_b": "dropped"}


def test_G14_customers_merged_after_one_of_them_got_it_get_no_second_one(branch: Branch) -> None:
    two(branch)
    branch.plan()
    branch.send()
    branch.wecom.tap("msg1")
    branch.mass.poll()
    assert branch.statuses() == {"wm_a": "tasked", "wm_b": "confirmed"}
    merge(branch)
    branch.settle(3)
    assert branch.statuses() == {"wm_a": "dropped", "wm_b": "confirmed"}
    assert [task.cancelled for task in branch.wecom.tasks] == [True, False]


def test_if_the_first_cannot_be_sent_the_other_id_gets_it(branch: Branch) -> None:
    two(branch)
    branch.plan()
    branch.part("wm_a", "lin")
    merge(branch)
    branch.send()
    assert branch.statuses() == {"wm_a": "dropped", "wm_b": "tasked"}


def test_C3_what_one_id_refuses_counts_for_both_and_a_yes_does_not(branch: Branch) -> None:
    two(branch)
    branch.meet("wm_c", consented=False)
    merge(branch, "wm_a", "wm_b", "wm_c")
    assert flags(branch) == {"wm_a": (1, 0), "wm_b": (1, 0), "wm_c": (0, 0)}
    branch.later(minutes=1)
    branch.refuse("wm_b")
    assert flags(branch) == {"wm_a": (0, 1), "wm_b": (0, 1), "wm_c": (0, 1)}
    assert branch.store.read().value("SELECT count(*) FROM consent WHERE granted = 0") == 1
    assert consents.refused_at(branch.store.read(), "wm_a") == branch.now


def test_C3_a_refusal_by_one_id_stops_what_is_under_way_for_the_other(branch: Branch) -> None:
    two(branch)
    branch.only("birthday")
    branch.hold("acc1", "wm_a", TODAY + timedelta(days=7))
    merge(branch)
    branch.plan()
    branch.send()
    assert branch.statuses()["wm_a"] == "tasked"
    branch.later(minutes=1)
    branch.refuse("wm_b")
    branch.work()
    assert branch.wecom.tasks[0].cancelled
    branch.settle(3)
    assert branch.statuses() == {"wm_a": "dropped", "wm_b": "dropped"}


def test_C3_a_merger_with_somebody_who_refused_stops_what_is_handed_over(branch: Branch) -> None:
    two(branch)
    branch.refuse("wm_b")
    branch.plan()
    branch.send()
    assert branch.statuses()["wm_a"] == "tasked"
    merge(branch)
    branch.settle(3)
    assert branch.statuses() == {"wm_a": "dropped", "wm_b": "dropped"}
    assert branch.wecom.tasks[0].cancelled


def test_T4_personalisation_switched_off_for_one_id_is_off_for_both(branch: Branch) -> None:
    two(branch)
    merge(branch)
    branch.store.write(
        lambda db: consents.record_consent(
            db, "wm_b", "profiling", granted=False, channel="counter", proof="p", at=branch.now
        )
    )
    assert consents.is_impersonal(branch.store.read(), "wm_a")
    assert not consents.is_impersonal(branch.store.read(), "wm_x")


def test_F3_caps_are_counted_over_both_ids(branch: Branch) -> None:
    branch.meet("wm_a")
    branch.meet("wm_b", birthday=BORN, sender="zhou")
    merge(branch)

    def sent(db: Db) -> None:
        db.run(
            "INSERT INTO push (key, external_userid, purpose, status, due_at, useful_until,"
            " changed_at) VALUES ('k', 'wm_a', 'marketing', 'confirmed', 0, 0, :now)",
            now=branch.now,
        )

    branch.store.write(sent)
    branch.plan()
    branch.send()
    assert branch.decisions("wm_b") == [("drop", '["G13", "F3"]')]


def test_F3_in_one_batch_too_both_ids_share_the_day(branch: Branch) -> None:
    branch.meet("wm_a", birthday=BORN)
    branch.meet("wm_b", sender="zhou")
    branch.campaign(TEA)
    branch.only("birthday", "tea")
    merge(branch)
    branch.plan()
    branch.send()
    sent = [(task.sender, task.customers) for task in branch.wecom.tasks]
    assert sent == [("lin", ["wm_a"])]  # the wish goes first, and one a day is all


def test_F5_a_complaint_under_one_id_holds_what_goes_to_the_other(branch: Branch) -> None:
    two(branch)
    merge(branch)
    branch.store.write(
        lambda db: db.run(
            "INSERT INTO escalation (key, kind, external_userid, opened_at)"
            " VALUES ('k', 'complaint', 'wm_b', 0)"
        )
    )
    branch.plan()
    branch.send()
    assert set(branch.statuses().values()) == {"held"}


def test_undoing_a_merger_gives_each_id_its_own_words_and_messages_back(branch: Branch) -> None:
    two(branch)
    branch.refuse("wm_b")
    before = flags(branch)
    merge(branch)
    assert flags(branch) != before
    assert part(branch)
    assert flags(branch) == before
    branch.plan()
    branch.send()
    assert branch.statuses() == {"wm_a": "tasked", "wm_b": "dropped"}


def test_a_merger_and_its_undoing_change_nothing_but_who_belongs_together(branch: Branch) -> None:
    two(branch)
    branch.plan()
    before = dump(branch.store.read())
    merge(branch)
    part(branch)
    after = dump(branch.store.read())
    changed = {name for name, rows in after.items() if rows != before[name]}
    assert changed == {"same_person", "journal", "audit", "cursor"} & changed
    assert {"same_person", "audit"} <= changed


def test_the_first_id_of_three_can_be_taken_out_and_the_others_stay_together(
    branch: Branch,
) -> None:
    for who in ("wm_a", "wm_b", "wm_c"):
        branch.meet(who)
    merge(branch)
    merge(branch, "wm_b", "wm_c")
    assert _others(branch, "wm_a") == ["wm_b", "wm_c"]
    part(branch, "wm_a")
    assert [_others(branch, each) for each in ("wm_a", "wm_b", "wm_c")] == [[], ["wm_c"], ["wm_b"]]
    assert not part(branch, "wm_a")
    assert not merge(branch, "wm_b", "wm_c")


@pytest.mark.parametrize("ids", [("wm_a",), ("wm_a", "wm_nobody"), ("wm_a", "wm_gone")])
def test_only_two_known_customers_can_be_merged(branch: Branch, ids: tuple[str, ...]) -> None:
    for who in ("wm_a", "wm_gone"):
        branch.meet(who)
    branch.store.write(lambda db: erasure.erase(db, "wm_gone", "ann", branch.now))
    with pytest.raises(Invalid, match="两位在册的客户"):
        merge(branch, *ids)


def test_who_is_erased_leaves_the_other_id_as_it_was(branch: Branch) -> None:
    two(branch)
    merge(branch)
    branch.store.write(lambda db: erasure.erase(db, "wm_b", "ann", branch.now))
    branch.store.write(lambda db: consents.derive_consent(db, ["wm_a"]))
    assert flags(branch)["wm_a"] == (1, 0)
    assert _others(branch, "wm_a") == []


def core(numbers: dict[str, str]) -> Callable[[Db], None]:
    def keep(db: Db) -> None:
        for who, number in numbers.items():
            db.run(
                "UPDATE customer SET core_id = :core WHERE external_userid = :id",
                core=number,
                id=who,
            )

    return keep


def test_one_core_number_for_two_ids_merges_them_and_an_undoing_stays(branch: Branch) -> None:
    two(branch)
    branch.meet("wm_c")
    branch.store.write(core({"wm_a": "C1", "wm_b": "C1", "wm_c": "C2"}))

    def imported() -> int:
        return branch.store.write(
            lambda db: persons.merge_by_core(db, {"wm_b", "wm_c"}, branch.now)
        )

    assert imported() == 1
    assert (_others(branch, "wm_a"), _others(branch, "wm_c")) == (["wm_b"], [])
    assert imported() == 0
    part(branch)
    assert imported() == 0
    assert _others(branch, "wm_a") == []
    assert merge(branch)  # by hand it can be done again


def _others(branch: Branch, who: str) -> list[str]:
    rows = persons.others_of(branch.store.read(), who)
    return [row["external_userid"] for row in rows]
