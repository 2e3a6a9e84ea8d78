"""Campaigns planned and sent: audiences, occasions, caps, hold-outs, groups."""

# the names carry the ids of the compliance rules

from __future__ import annotations

import json
from collections import Counter
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from branch_world import TODAY, Branch, build_branch, shanghai
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.clock import SHANGHAI, FixedClock
from bot.dry import plan_dry
from bot.errors import Invalid, Uncertain
from bot.model import UserId
from bot.rulebook import Rulebook
from bot.store import people
from bot.store.db import Database, Db
from bot.store.planning import arm_of
from bot.vault import Vault

WISH = "您好，祝您今天顺心。\n——{{ branch }} {{ sender_name }}"
OFFER = "您好，周末有空来坐坐，茶已经泡好。\n{{ stop_way }}\n——{{ branch }} {{ sender_name }}"


def source(name: str, words: str = WISH, **keys: str) -> str:
    """A campaign's file; one for today that greets everyone unless told otherwise."""
    head = {
        "name": name,
        "version": "1",
        "occasion": "date",
        "dates": "[2026-11-24]",
        "steps": "[0]",
        "audience": "everyone",
        "purpose": "greeting",
        "channel": "mass_single",
        "latest_useful": "{0: 当天}",
        "personal": "false",
        "holdout": "0",
        "approver": "compliance",
    } | keys
    lines = "".join(f"{key}: {value}\n" for key, value in head.items() if value)
    return f"---\n{lines}---\n{words}\n"


def offer(name: str, **keys: str) -> str:
    return source(name, OFFER, **({"purpose": "marketing", "about": "bank"} | keys))


@pytest.fixture
def branch(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Branch:
    branch = build_branch(store, vault, clock, rules)
    branch.mass.public_url = "https://bank.example"
    return branch


def put(branch: Branch, sql: str, **values: Any) -> None:
    branch.store.write(lambda db: db.run(sql, **values))


def adult(branch: Branch, *customers: str, **more: Any) -> None:
    """Customers who may get marketing, and who can refuse it by a word."""
    for each in customers:
        branch.meet(each, **more)
        put(branch, "UPDATE customer SET birthday_year = 1980 WHERE external_userid = :id", id=each)
        put(
            branch,
            "INSERT INTO agreement (conversation, external_userid, status, changed_at)"
            " VALUES (:talk, :id, 'Agree', 1)",
            talk=f"lin|{each}",
            id=each,
        )


def enter(branch: Branch, customer: str, segment: str) -> None:
    put(
        branch,
        "INSERT INTO segment_member (external_userid, segment, version, since_at)"
        " VALUES (:id, :segment, '1', :now)",
        id=customer,
        segment=segment,
        now=branch.now,
    )


def planned(branch: Branch, on: date = TODAY) -> set[str]:
    branch.plan(on)
    rows = branch.store.read().rows("SELECT external_userid, chat_id FROM push")
    return {row["external_userid"] or row["chat_id"] for row in rows}


# -- audiences


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        ("everyone", {"wm_a", "wm_b", "wm_c"}),
        ("{layer: [middle, high]}", {"wm_a", "wm_b"}),
        ("{layer: [middle, high], segment: [merchant, senior]}", {"wm_b"}),
        ("{state: [dormant]}", {"wm_c"}),
        ("{contact_class: [A]}", {"wm_a"}),
        ("{branch: [东山支行]}", {"wm_a", "wm_b", "wm_c"}),
        ("{branch: [西山支行]}", set()),
        ("{tag: [老客户]}", {"wm_a"}),
        ("merchant", {"wm_b"}),
    ],
)
def test_every_kind_of_an_audience_must_hold_and_of_a_list_one_name_is_enough(
    branch: Branch, audience: str, expected: set[str]
) -> None:
    for who, layer in (("wm_a", "middle"), ("wm_b", "high"), ("wm_c", "potential")):
        branch.meet(who, layer=layer)
    enter(branch, "wm_b", "merchant")
    put(branch, "INSERT INTO customer_state VALUES ('wm_c', 'dormant', 1)")
    put(branch, "UPDATE customer SET contact_class = 'A' WHERE external_userid = 'wm_a'")
    put(branch, "INSERT INTO corp_tag (tag_id, name) VALUES ('t1', '老客户')")
    put(branch, "UPDATE follow SET tags = '[\"t1\"]' WHERE external_userid = 'wm_a'")
    branch.campaign(source("tea", audience=audience))
    branch.only("tea")
    assert planned(branch) == expected


def test_who_fits_exclude_is_left_out_and_a_dry_run_says_so(branch: Branch) -> None:
    branch.meet("wm_a")
    branch.meet("wm_b")
    enter(branch, "wm_b", "merchant")
    branch.campaign(source("tea", exclude="{segment: [merchant]}"))
    branch.only("tea")
    found = {each["external_userid"]: each["rules"] for each in dry(branch)}
    assert found == {"wm_a": [], "wm_b": ["excluded"]}
    assert planned(branch) == {"wm_a"}


def dry(branch: Branch, on: date = TODAY) -> list[dict[str, Any]]:
    return plan_dry(branch.store, branch.mass.judge, branch.clock.now(), on)


@pytest.mark.parametrize("key", ["audience", "exclude"])
def test_T2_a_segment_of_sensitive_facts_never_selects(branch: Branch, key: str) -> None:
    with pytest.raises(Invalid) as refused:
        branch.campaign(source("tea", **{key: "{segment: [competitor_maturity]}"}))
    line = 7 if key == "audience" else 14
    told = f"tea.md 第 {line} 行:分群 competitor_maturity 用到敏感信息"
    assert str(refused.value).startswith(told)


def test_T2_a_segment_that_is_not_there_is_refused_with_its_line(branch: Branch) -> None:
    with pytest.raises(Invalid, match=r"^tea\.md 第 7 行:没有分群 tea_lovers,请从"):
        branch.campaign(source("tea", audience="{segment: [tea_lovers]}"))


def test_T6_a_push_tells_by_which_rule_version_and_inputs_it_came_to_be(branch: Branch) -> None:
    branch.meet("wm_a", layer="middle")
    enter(branch, "wm_a", "merchant")
    branch.campaign(source("tea", audience="{layer: [middle], segment: [merchant, senior]}"))
    branch.only("tea")
    branch.plan()
    row = branch.store.read().one(
        "SELECT p.inputs, s.rule, s.version FROM push p JOIN selection s ON s.id = p.selection_id"
    )
    assert row is not None
    assert json.loads(row["inputs"]) == ["layer middle", "segment merchant 1"]
    rule = json.loads(row["rule"])
    assert rule["audience"] == {"layer": ["middle"], "segment": ["merchant", "senior"]}
    assert rule["segments"] == {"merchant": "2", "senior": "1"}
    assert row["version"].startswith("1.")


def test_T7_a_campaign_by_a_profile_is_not_planned_before_its_assessment(branch: Branch) -> None:
    branch.meet("wm_a")
    enter(branch, "wm_a", "merchant")
    branch.campaign(source("tea", audience="{segment: [merchant]}"), assessed=False)
    branch.only("tea")
    assert planned(branch) == set()
    (seen,) = dry(branch)
    assert (seen["decision"], seen["rules"]) == ("hold", ["G6"])


def test_whoever_leaves_the_audience_before_the_send_gets_nothing(branch: Branch) -> None:
    branch.meet("wm_a", layer="middle")
    branch.campaign(source("tea", audience="{layer: [middle]}"))
    branch.only("tea")
    branch.plan()
    put(branch, "UPDATE customer SET layer = 'effective'")
    branch.send()
    assert branch.decisions("wm_a") == [("drop", '["G15"]')]


def test_an_audience_that_changes_in_the_middle_of_a_batch_calls_back_who_left_it(
    branch: Branch,
) -> None:
    for who in ("wm_a", "wm_b", "wm_c"):
        branch.meet(who, layer="middle")
    branch.campaign(source("tea", audience="{layer: [middle]}"))
    branch.only("tea")
    branch.plan()
    branch.send()
    (task,) = branch.wecom.tasks
    branch.wecom.tap(task.msgid, only=["wm_a"])
    put(branch, "UPDATE customer SET layer = 'effective' WHERE external_userid <> 'wm_c'")
    branch.settle()
    assert task.cancelled
    # Who had it has it, who left gets nothing, who stayed gets it from the next task.
    assert branch.statuses() == {"wm_a": "confirmed", "wm_b": "dropped", "wm_c": "tasked"}
    assert [each.customers for each in branch.wecom.tasks[1:]] == [["wm_c"]]


# -- caps and ranks


def test_F3_twenty_campaigns_after_one_customer_in_one_second_are_one_message(
    branch: Branch,
) -> None:
    adult(branch, "wm_a")
    for number in range(20):
        branch.campaign(offer(f"offer{number}"))
    branch.only(*(f"offer{number}" for number in range(20)))
    branch.plan()
    branch.send()
    counts = Counter(status for _, status, _, _ in branch.pushes())
    assert counts == {"tasked": 1, "dropped": 19}
    assert len(branch.wecom.tasks) == 1
    reasons = Counter(rules for _, rules in branch.decisions("wm_a"))
    assert reasons['["G13", "F3"]'] == 19


def test_F3_the_higher_rank_goes_first_also_when_it_was_planned_later(branch: Branch) -> None:
    adult(branch, "wm_a", birthday=(11, 24))
    branch.campaign(offer("products", about="product"))
    branch.campaign(offer("salon", about="event"))
    everything = branch.rules
    branch.only("products")
    branch.plan()
    branch.rules = everything
    branch.only("birthday", "products", "salon")
    branch.plan()
    branch.send()
    rows = branch.store.read().rows("SELECT campaign, status FROM push ORDER BY rank")
    assert [tuple(row) for row in rows] == [
        ("birthday", "tasked"),
        ("salon", "dropped"),
        ("products", "dropped"),
    ]


def test_F3_what_is_useful_tomorrow_moves_there_with_a_record(branch: Branch) -> None:
    adult(branch, "wm_a", birthday=(11, 24))
    branch.campaign(offer("salon", about="event", latest_useful="{0: 3天}"))
    branch.only("birthday", "salon")
    branch.plan()
    branch.send()
    assert branch.status_of("salon") == "held"
    assert ("hold", '["G13", "F3"]') in branch.decisions("wm_a")
    branch.clock.moment = shanghai(2026, 11, 25, 9, 1)
    branch.compared()
    branch.send()
    assert branch.status_of("salon") == "tasked"


def test_F3_what_waits_for_later_today_has_its_place_reserved(branch: Branch) -> None:
    adult(branch, "wm_a", birthday=(11, 24))
    branch.campaign(offer("salon", about="event"))
    branch.only("birthday", "salon")
    branch.plan()
    noon = branch.now + 2 * 3_600_000
    put(branch, "UPDATE push SET due_at = :noon WHERE campaign = 'birthday'", noon=noon)
    branch.send()
    assert (branch.status_of("birthday"), branch.status_of("salon")) == ("planned", "dropped")
    branch.later(hours=2)
    branch.send()
    assert branch.status_of("birthday") == "tasked"


def test_F3_a_week_with_a_birthday_ahead_keeps_a_place_for_its_greeting(branch: Branch) -> None:
    adult(branch, "wm_a", birthday=(11, 28))
    branch.campaign(offer("one", dates="[2026-11-24]"))
    branch.campaign(offer("two", dates="[2026-11-26]"))
    branch.only("birthday", "one", "two")
    for day in (24, 26, 28):
        branch.clock.moment = shanghai(2026, 11, day, 9, 30)
        branch.compared()
        branch.plan(date(2026, 11, day))
        branch.send()
        for task in branch.wecom.tasks:
            branch.wecom.tap(task.msgid)
        branch.mass.poll()
    found = {name: branch.status_of(name) for name in ("one", "two", "birthday")}
    assert found == {"one": "confirmed", "two": "dropped", "birthday": "confirmed"}


def test_a_campaigns_own_caps_hold_for_one_customer_and_for_a_day(branch: Branch) -> None:
    names = [f"wm_{number}" for number in range(5)]
    adult(branch, *names)
    branch.campaign(offer("tea", caps="{a_day: 2}", latest_useful="{0: 3天}"))
    branch.only("tea")
    branch.plan()
    branch.send()
    assert Counter(branch.statuses().values()) == {"tasked": 2, "held": 3}
    assert Counter(rules for who in names for _, rules in branch.decisions(who))['["own_cap"]'] == 3


# -- the hold-out


def test_the_arm_follows_from_campaign_and_customer_alone() -> None:
    arms = Counter(arm_of("tea", f"wm_{number}", 20) for number in range(5_000))
    assert arms["holdout"] / 5_000 == pytest.approx(0.2, abs=0.02)
    assert arm_of("tea", "wm_1", 20) == arm_of("tea", "wm_1", 20)
    assert any(arm_of("tea", f"wm_{n}", 50) != arm_of("cake", f"wm_{n}", 50) for n in range(20))


def held_out(campaign: str, percent: int) -> list[str]:
    return [
        who for who in (f"wm_{n}" for n in range(40)) if arm_of(campaign, who, percent) == "holdout"
    ]


def test_the_hold_out_is_planned_and_never_messaged(branch: Branch) -> None:
    adult(branch, *(f"wm_{number}" for number in range(40)))
    branch.campaign(offer("tea", holdout="25"))
    branch.only("tea")
    branch.plan()
    branch.send()
    dropped = {
        who for who, status, why, _ in branch.pushes() if (status, why) == ("dropped", "holdout")
    }
    assert dropped == set(held_out("tea", 25))
    reached = {who for task in branch.wecom.tasks for who in task.customers}
    assert reached == {f"wm_{number}" for number in range(40)} - dropped


def test_another_share_later_changes_nobodys_arm(branch: Branch) -> None:
    adult(branch, *(f"wm_{number}" for number in range(40)))
    for share, day in (("25", 24), ("50", 25)):
        branch.campaign(offer("tea", holdout=share, dates=f"[2026-11-{day}]"))
        branch.only("tea")
        branch.plan(date(2026, 11, day))
    rows = branch.store.read().rows(
        "SELECT planned_on, external_userid FROM push WHERE arm = 'holdout'"
    )
    by_day = {
        day: sorted(r[1] for r in rows if r[0] == day) for day in ("2026-11-24", "2026-11-25")
    }
    assert by_day["2026-11-24"] == by_day["2026-11-25"] == sorted(held_out("tea", 25))


# -- occasions


def days_of(branch: Branch, first: date, last: date) -> list[tuple[str, str, str]]:
    """Plan every day of a span; (day, campaign, cycle) of what came of it."""
    day = first
    while day <= last:
        branch.clock.moment = shanghai(day.year, day.month, day.day, 8, 0)
        branch.plan(day)
        day += timedelta(days=1)
    rows = branch.store.read().rows(
        "SELECT planned_on, campaign, cycle FROM push ORDER BY planned_on, id"
    )
    return [tuple(row) for row in rows]


def test_festivals_fall_on_their_lunar_days_and_once_a_lunar_year(branch: Branch) -> None:
    branch.meet("wm_a")
    branch.only("spring_festival", "mid_autumn")
    assert days_of(branch, date(2026, 1, 20), date(2027, 2, 20)) == [
        ("2026-02-17", "spring_festival", "春节:2026"),
        ("2026-09-25", "mid_autumn", "中秋:2026"),
        ("2027-02-06", "spring_festival", "春节:2027"),
    ]


def test_a_friend_since_29_february_is_thought_of_every_year(branch: Branch) -> None:
    since = int(datetime(2024, 2, 29, 20, 0, tzinfo=SHANGHAI).timestamp() * 1000)
    branch.meet("wm_a")
    put(branch, "UPDATE follow SET since_at = :at", at=since)
    branch.only("anniversary")
    found = [
        each
        for year in range(2025, 2030)
        for each in [date(year, 2, 28), date(year, 3, 1)]
        + ([date(year, 2, 29)] if year % 4 == 0 else [])
        if branch.plan(each)
    ]
    expected = [(2025, 28), (2026, 28), (2027, 28), (2028, 29), (2029, 28)]
    assert found == [date(year, 2, day) for year, day in expected]


def test_the_anniversary_counts_from_the_oldest_friendship_that_still_is(branch: Branch) -> None:
    branch.meet("wm_a", sender="lin")
    branch.meet("wm_a", sender="zhou")
    old = int(datetime(2023, 5, 6, 9, tzinfo=SHANGHAI).timestamp() * 1000)
    young = int(datetime(2024, 7, 8, 9, tzinfo=SHANGHAI).timestamp() * 1000)
    put(branch, "UPDATE follow SET since_at = :at WHERE userid = 'lin'", at=old)
    put(branch, "UPDATE follow SET since_at = :at WHERE userid = 'zhou'", at=young)
    branch.only("anniversary")
    assert [branch.plan(date(2026, 5, 6)), branch.plan(date(2026, 7, 8))] == [1, 0]
    branch.part("wm_a", "lin")
    assert branch.plan(date(2027, 7, 8)) == 1


def test_a_monthly_day_that_a_month_lacks_is_its_last_one(branch: Branch) -> None:
    branch.meet("wm_a")
    branch.campaign(source("month", occasion="monthly", dates="", month_days="[31]"))
    branch.only("month")
    days = [day for day, _, _ in days_of(branch, date(2027, 1, 25), date(2027, 4, 30))]
    assert days == ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]


def test_a_season_begins_on_its_first_working_day(branch: Branch) -> None:
    branch.meet("wm_a")
    branch.campaign(source("season", occasion="season", dates="", seasons="[Q1, Q2, Q4]"))
    branch.only("season")
    found = days_of(branch, date(2026, 1, 1), date(2026, 12, 31))
    assert [(day, cycle) for day, _, cycle in found] == [
        ("2026-01-04", "2026Q1"),
        ("2026-04-01", "2026Q2"),
        ("2026-10-08", "2026Q4"),
    ]


def test_near_a_line_is_cared_for_once_a_month_and_not_soon_after_a_contact(
    branch: Branch,
) -> None:
    adult(branch, "wm_a", "wm_b")
    enter(branch, "wm_a", "near_line")
    enter(branch, "wm_b", "near_line")
    put(
        branch,
        "INSERT INTO escalation (key, external_userid, status, outcome, opened_at, closed_at)"
        " VALUES ('k', 'wm_b', 'closed', 'contacted', 1, :now)",
        now=branch.now,
    )
    care = offer("care", occasion="near_line", dates="", quiet="30天")
    branch.campaign(care)
    branch.only("care")
    found = [(day, cycle) for day, _, cycle in days_of(branch, TODAY, date(2026, 12, 31))]
    # wm_a this month and next (nothing was delivered), wm_b when thirty days are over.
    assert found == [
        ("2026-11-24", "2026-11"),
        ("2026-12-01", "2026-12"),
        ("2026-12-25", "2026-12"),
    ]


def test_a_round_of_the_dormant_is_a_quarter(branch: Branch) -> None:
    adult(branch, "wm_a")
    put(branch, "INSERT INTO customer_state VALUES ('wm_a', 'dormant', 1)")
    branch.campaign(offer("wake", occasion="dormant", dates="", quiet="30天"))
    branch.only("wake")
    found = [cycle for _, _, cycle in days_of(branch, TODAY, date(2027, 1, 20))]
    assert found == ["2026Q4", "2027Q1"]


def test_marketing_with_a_successor_product_is_a_second_message_of_its_own(branch: Branch) -> None:
    adult(branch, "wm_a")
    branch.hold("A1", "wm_a", TODAY + timedelta(days=7))
    words = OFFER.replace("茶已经泡好", "三年期的定存我给您留着资料")
    branch.campaign(
        source(
            "successor",
            words,
            occasion="maturity_offer",
            dates="",
            steps="[7]",
            latest_useful="{7: 3天}",
            purpose="marketing",
            about="product",
            product_kinds="[time_deposit]",
        )
    )
    branch.only("maturity", "successor")
    branch.plan()
    branch.send()
    rows = branch.store.read().rows("SELECT key, status FROM push ORDER BY key")
    assert [tuple(row) for row in rows] == [
        ("maturity:2026-12-01:wm_a:7", "tasked"),
        ("maturity_offer:2026-12-01:wm_a:7", "tasked"),
    ]
    branch.later(hours=2)
    put(branch, "UPDATE holding SET status = 'renewed'")
    branch.mass.expire()
    branch.work()
    branch.mass.release()
    assert set(branch.statuses().values()) == {"dropped"}


# -- groups


def test_K10_a_group_gets_no_product_once_anyone_refused_and_neutral_words_still(
    branch: Branch,
) -> None:
    adult(branch, "wm_a", "wm_b")
    branch.group("wr_calm", "wm_a")
    branch.group("wr_refused", "wm_a", "wm_b")
    branch.refuse("wm_b")
    words = (
        "大家好，新一期的活动资料在网点可以取。\n不想收到，私信我「退订」就行。"
        "\n——{{ branch }} {{ sender_name }}"
    )
    days = {"product": "[2026-11-24]", "event": "[2026-11-25]"}
    for name, about in (("shelf", "product"), ("salon", "event")):
        keys = {"purpose": "marketing", "about": about, "dates": days[about]}
        branch.campaign(source(name, words, channel="mass_group", **keys))
    branch.only("shelf", "salon")
    branch.plan()
    branch.send()
    assert branch.by_chat("shelf") == {"wr_calm": "tasked", "wr_refused": "dropped"}
    branch.clock.moment = shanghai(2026, 11, 25, 10, 0)
    branch.compared()
    branch.mass.expire()
    branch.work()
    branch.plan(date(2026, 11, 25))
    branch.send()
    assert branch.by_chat("salon")["wr_refused"] == "tasked"


def test_K10_a_group_text_holds_no_personal_variable(branch: Branch) -> None:
    with pytest.raises(Invalid, match="客户群"):
        branch.campaign(source("tea", channel="mass_group", personal="true", layers="[high]"))
    with pytest.raises(Invalid, match="address"):
        branch.campaign(source("tea", WISH.replace("您好", "{{ address }}"), channel="mass_group"))
    with pytest.raises(Invalid, match="客户群"):
        branch.campaign(source("tea", channel="mass_group", occasion="birthday", dates=""))


def test_a_group_task_goes_to_the_owner_and_counts_group_by_group(branch: Branch) -> None:
    branch.group("wr_1", owner="lin")
    branch.group("wr_2", owner="lin")
    branch.group("wr_3", owner="zhou")
    branch.campaign(source("tea", channel="mass_group"))
    branch.only("tea")
    branch.plan()
    branch.send()
    made = {(task.sender, tuple(task.customers), task.chat_type) for task in branch.wecom.tasks}
    assert made == {("lin", ("wr_1", "wr_2"), "group"), ("zhou", ("wr_3",), "group")}
    lin = next(task for task in branch.wecom.tasks if task.sender == "lin")
    branch.wecom.tap(lin.msgid, only=["wr_1"])
    branch.mass.poll()
    assert branch.by_chat("tea") == {"wr_1": "confirmed", "wr_2": "tasked", "wr_3": "tasked"}
    branch.clock.moment = shanghai(2026, 11, 24, 20, 1)
    branch.mass.expire()
    branch.work()
    assert branch.by_chat("tea") == {"wr_1": "confirmed", "wr_2": "planned", "wr_3": "planned"}


def test_a_lost_answer_of_a_group_task_is_found_again(branch: Branch) -> None:
    branch.group("wr_1")
    branch.campaign(source("tea", channel="mass_group"))
    branch.only("tea")
    branch.plan()
    left = [Uncertain("lost")]

    def lose(call: str) -> None:
        if call == "create" and left:
            raise left.pop()

    branch.wecom.after = lose
    branch.send()
    assert branch.tasks() == ["uncertain"]
    branch.later(minutes=1)
    branch.mass.reconcile()
    assert (branch.tasks(), len(branch.wecom.tasks)) == (["accepted"], 1)


def test_F4_a_groups_quota_is_its_own(branch: Branch) -> None:
    branch.group("wr_1")
    branch.campaign(source("tea", channel="mass_group"))
    branch.only("tea")

    def used(db: Db) -> None:
        for number in range(30):
            db.run(
                "INSERT INTO push (key, chat_id, purpose, status, due_at, useful_until, changed_at)"
                " VALUES (:key, 'wr_1', 'service', 'confirmed', 0, 0, :now)",
                key=f"k{number}",
                now=branch.now,
            )

    branch.store.write(used)
    branch.plan()
    branch.send()
    assert branch.by_chat("tea")["wr_1"] == "dropped"


# -- who sends


def test_the_oldest_friend_that_still_is_sends_whatever_came_and_went(branch: Branch) -> None:
    def sender(day: int) -> str:
        branch.campaign(source("tea", dates=f"[2026-11-{day}]"))
        branch.only("tea")
        branch.plan(date(2026, 11, day))
        on = date(2026, 11, day).isoformat()
        found = branch.store.read().value("SELECT sender FROM push WHERE planned_on = :on", on=on)
        return str(found)

    branch.meet("wm_a", sender="zhou")
    put(branch, "UPDATE follow SET since_at = since_at + 5000")
    branch.meet("wm_a", sender="lin")
    assert sender(24) == "lin"
    branch.part("wm_a", "lin")
    assert sender(25) == "zhou"
    branch.meet("wm_a", sender="lin")
    assert sender(26) == "lin"
    branch.store.write(lambda db: people.rename_member(db, UserId("lin"), UserId("lin2")))
    assert sender(27) == "lin2"


# -- who refuses, and how


def test_C6_marketing_shows_a_way_out_that_works_or_is_not_sent(branch: Branch) -> None:
    adult(branch, "wm_read")
    branch.meet("wm_linked")
    put(branch, "UPDATE customer SET birthday_year = 1980")
    branch.campaign(offer("tea"))
    branch.only("tea")
    branch.plan()
    branch.send()
    texts = {task.customers[0]: task.text for task in branch.wecom.tasks}
    assert "回复「退订」" in texts["wm_read"]
    assert "https://bank.example/out/wm_linked." in texts["wm_linked"]


def test_G8_a_way_out_is_nobody_s_phone_number(branch: Branch) -> None:
    branch.meet("wm-13812345678")
    put(branch, "UPDATE customer SET birthday_year = 1980")
    branch.campaign(offer("tea"))
    branch.only("tea")
    branch.plan()
    branch.send()
    assert [task.customers for task in branch.wecom.tasks] == [["wm-13812345678"]]


def test_G8_a_number_beside_a_way_out_is_still_found(branch: Branch) -> None:
    branch.meet("wm_a")
    put(branch, "UPDATE customer SET birthday_year = 1980, branch = '支行13812345678'")
    branch.campaign(offer("tea"))
    branch.only("tea")
    branch.plan()
    branch.send()
    assert branch.decisions("wm_a") == [("drop", '["G8", "P001"]')]


def test_C6_without_a_working_way_out_there_is_no_send(branch: Branch) -> None:
    branch.mass.public_url = ""
    branch.mass.__dict__.pop("judge", None)
    branch.meet("wm_a")
    put(branch, "UPDATE customer SET birthday_year = 1980")
    branch.campaign(offer("tea"))
    branch.only("tea")
    branch.plan()
    branch.send()
    assert branch.decisions("wm_a") == [("drop", '["C6"]')]


# -- planning again


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    days=st.lists(
        st.dates(date(2025, 1, 1), date(2034, 12, 31)), min_size=1, max_size=5, unique=True
    ),
    again=st.randoms(use_true_random=False),
)
def test_I2_planning_days_twice_and_in_any_order_adds_nothing(
    branch: Branch, days: list[date], again: Any
) -> None:
    put(branch, "DELETE FROM push")
    if not branch.store.read().value("SELECT 1 FROM customer"):
        adult(branch, "wm_a", birthday=(6, 15), calendar="lunar", leap=True)
        adult(branch, "wm_b", birthday=(2, 29))
        branch.group("wr_1", "wm_a")
        put(branch, "INSERT INTO customer_state VALUES ('wm_a', 'dormant', 1)")
        enter(branch, "wm_b", "near_line")
        branch.campaign(offer("care", occasion="near_line", dates=""))
        branch.campaign(offer("wake", occasion="dormant", dates="", quiet="1天"))
        branch.campaign(source("week", occasion="weekly", dates="", weekdays="[周一, 周五]"))
    for day in days:
        branch.plan(day)
    keys = branch.keys()
    again.shuffle(days)
    assert [branch.plan(day) for day in days] == [0] * len(days)
    put(branch, "DELETE FROM push")
    for day in days:
        branch.plan(day)
    assert branch.keys() == keys
    rows = branch.store.read().rows(
        "SELECT occasion, cycle, step, external_userid, chat_id, count(*) FROM push"
        " GROUP BY 1, 2, 3, 4, 5"
    )
    assert all(row[5] == 1 for row in rows)
