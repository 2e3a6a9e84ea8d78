"""Alliance offers: taken in, promised to whom they are for, given back, used once."""

# the names carry the ids of the compliance rules

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest
from branch_world import TODAY, Branch, build_branch
from test_approvals import ANN, ANSWERS, CITY, LEE, Desk, texts

from bot.clock import FixedClock
from bot.dry import plan_dry
from bot.errors import Invalid
from bot.importing import ImportReport
from bot.model import Role
from bot.rulebook import Rulebook
from bot.store import alliance, erasure, measures, persons
from bot.store.account import account
from bot.store.db import Database, Db
from bot.store.imports import import_file
from bot.store.library import OFFERS
from bot.store.sight import Viewer
from bot.vault import Vault

HEAD = "代码,商户,类别,权益,网点,地址,客群,条件,份数,生效,失效\n"
NOODLES = "A1,老街面馆,餐饮,招牌牛肉面一碗,,东山路12号,,签到,2,2026-11-01,2026-12-31\n"
TEA = "A2,伯光茶庄,餐饮,老白茶一泡,西山支行,西山路3号,,到场,5,2026-11-01,2026-12-31\n"
CAMPAIGN = f"""---
name: eat_out
version: 1
occasion: date
dates: [{TODAY.isoformat()}]
steps: [0]
audience: everyone
purpose: marketing
about: bank
offer: 餐饮
channel: mass_single
latest_useful: {{0: 3天}}
personal: false
holdout: 0
approver: compliance
---
街坊{{{{ offer_merchant }}}}给咱们备了{{{{ offer_benefit }}}}，{{{{ offer_condition }}}}。
店在{{{{ offer_address }}}}，有效到{{{{ offer_until }}}}。
{{{{ stop_way }}}}
——{{{{ branch }}}} {{{{ sender_name }}}}
"""
Take = Callable[..., ImportReport]


@pytest.fixture
def take(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook, tmp_path: Path) -> Take:
    def take(text: str, as_of: date | None = None) -> ImportReport:
        file = tmp_path / "offers.csv"
        file.write_text(HEAD + text, encoding="utf-8")
        return import_file(
            store,
            vault,
            clock,
            file,
            "offers",
            as_of=as_of,
            actor="admin",
            dry_run=False,
            derivation=rules.derivation,
        )

    return take


@pytest.fixture
def branch(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Branch:
    found = build_branch(store, vault, clock, rules)
    found.campaign(CAMPAIGN)
    found.only("eat_out")
    return found


def meet(branch: Branch, *customers: str) -> None:
    for each in customers:
        branch.meet(each)
    branch.store.write(_grown_up_and_heard)


def _grown_up_and_heard(db: Db) -> None:
    db.run("UPDATE customer SET birthday_year = 1980")
    db.run("DELETE FROM agreement")
    db.run(
        "INSERT INTO agreement (conversation, external_userid, status, changed_at)"
        " SELECT f.userid || '|' || f.external_userid, f.external_userid, 'Agree', 0 FROM follow f"
    )


def taken(store: Database, code: str = "A1") -> int:
    (row,) = OFFERS.current(store.read(), [code])
    return int(row["taken"])


def tap(branch: Branch) -> None:
    for task in branch.wecom.tasks:
        branch.wecom.tap(task.msgid)
    branch.mass.poll()


# -- the bank's file


def test_offers_are_kept_and_a_changed_one_is_a_new_version(store: Database, take: Take) -> None:
    assert (2, 0) == (take(NOODLES + TEA).new, len(take(NOODLES + TEA).bad))
    assert 1 == take(NOODLES.replace("牛肉面", "排骨面")).changed
    assert ["招牌排骨面一碗", "招牌牛肉面一碗"] == [
        row["benefit"] for row in OFFERS.history(store.read(), "A1")
    ]


def test_a_full_list_ends_the_offers_that_it_lacks(store: Database, take: Take) -> None:
    take(NOODLES + TEA)
    assert 1 == take(NOODLES, TODAY).closed
    (tea,) = OFFERS.current(store.read(), ["A2"])
    assert "2026-11-23" == tea["valid_to"]


@pytest.mark.parametrize(
    "condition",
    [
        "存款满5万",
        "存5万",
        "资产提升",
        "转账一笔",
        "新开户",
        "办卡",
        "买理财",
        "介绍朋友来",
        "老带新",
    ],
)
def test_K6_a_condition_about_money_or_bringing_somebody_is_refused(
    store: Database, take: Take, condition: str
) -> None:
    report = take(NOODLES.replace("签到", condition) + TEA)
    (problem,) = report.bad
    assert (2, "条件") == (problem.line, problem.column)
    assert "不能以存款、余额、转账、开户办卡、买产品或介绍别人来办为条件" in problem.problem
    assert ["A2"] == [row["code"] for row in OFFERS.all(store.read())]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (NOODLES.replace("签到", "抽奖"), "请填:到场、签到、反馈、生日、会员年限"),
        (NOODLES.replace("签到", ""), "条件 不能为空"),
        (NOODLES.replace("招牌牛肉面", "存款满5万送牛肉面"), "挂钩"),
        (NOODLES.replace(",,签到", ",没有的客群,签到"), "没有这个客群"),
        (NOODLES.replace(",,签到", ",competitor_maturity,签到"), "没有这个客群"),
        (NOODLES.replace("2026-12-31", "2026-10-01"), "早于生效日"),
        (NOODLES.replace("老街面馆", "面" * 25), "超过 24 个字"),
        (NOODLES.replace(",2,", ",很多,"), "不是数量"),
    ],
)
def test_K1_K6_an_offer_that_cannot_be_used_is_told_with_its_line(
    store: Database, take: Take, row: str, words: str
) -> None:
    report = take(TEA + row)
    assert [(3, True)] == [(each.line, words in each.problem) for each in report.bad]
    assert ["A2"] == [each["code"] for each in OFFERS.all(store.read())]


def test_a_stock_below_what_is_promised_is_refused(branch: Branch, take: Take) -> None:
    take(NOODLES)
    meet(branch, "wm_a", "wm_b")
    branch.plan()
    branch.send()
    (problem,) = take(NOODLES.replace(",2,", ",1,")).bad
    assert "已有 2 份留给客户" in problem.problem
    assert 1 == take(NOODLES.replace(",2,", ",3,")).changed
    assert 2 == taken(branch.store)


# -- to whom


def test_the_text_says_merchant_benefit_condition_address_and_end(
    branch: Branch, take: Take
) -> None:
    take(NOODLES)
    meet(branch, "wm_a")
    branch.plan()
    branch.send()
    (task,) = branch.wecom.tasks
    assert (
        "街坊老街面馆给咱们备了招牌牛肉面一碗，来网点签到就能领。\n"
        "店在东山路12号，有效到12月31日(周四)。\n"
        "不想收到这类消息，回复「退订」就行。\n——东山支行 林一"
    ) == task.text


@pytest.mark.parametrize(
    ("row", "planned"),
    [
        (NOODLES, 1),
        (NOODLES.replace(",,东山路", ",东山支行,东山路"), 1),
        (NOODLES.replace(",,东山路", ",西山支行,东山路"), 0),
        (NOODLES.replace("餐饮", "洗车"), 0),
        (NOODLES.replace("2026-12-31", "2026-11-23"), 0),
        (NOODLES.replace("2026-12-31", "2026-11-24"), 1),
        (NOODLES.replace("2026-11-01", "2026-11-25"), 0),
        (NOODLES.replace(",,签到", ",key_person,签到"), 0),
    ],
)
def test_somebody_is_planned_only_when_an_offer_fits_day_branch_and_segment(
    branch: Branch, take: Take, row: str, planned: int
) -> None:
    assert 1 == take(row).new
    meet(branch, "wm_a")
    assert planned == branch.plan()


@pytest.mark.parametrize(
    ("condition", "changed", "planned"),
    [
        ("生日", "customer SET next_birthday_on = '2026-11-29'", 1),
        ("生日", "customer SET next_birthday_on = '2026-12-01'", 0),
        ("生日", "customer SET next_birthday_on = NULL", 0),
        ("会员年限", "follow SET since_at = 1763900000000", 1),  # 23 November 2025
        ("会员年限", "follow SET since_at = 1764100000000", 0),  # 25 November 2025
    ],
)
def test_nobody_is_told_of_a_condition_that_they_cannot_meet(
    branch: Branch, take: Take, condition: str, changed: str, planned: int
) -> None:
    take(NOODLES.replace("签到", condition))
    meet(branch, "wm_a")
    branch.store.write(lambda db: db.run(f"UPDATE {changed}"))
    assert planned == branch.plan()


def test_an_offer_for_a_segment_reaches_its_members_and_before_the_common_one(
    branch: Branch, take: Take
) -> None:
    take(TEA.replace("西山支行", "") + NOODLES.replace(",,签到", ",key_person,签到"))
    meet(branch, "wm_a", "wm_b")
    branch.store.write(
        lambda db: db.run(
            "INSERT INTO segment_member (external_userid, segment, version, since_at)"
            " VALUES ('wm_b', 'key_person', '1', 1)"
        )
    )
    branch.plan()
    branch.send()
    assert {"wm_a": "伯光茶庄", "wm_b": "老街面馆"} == {
        task.customers[0]: task.text[2:6] for task in branch.wecom.tasks
    }


def test_nobody_is_offered_the_same_twice(branch: Branch, take: Take) -> None:
    take(NOODLES)
    meet(branch, "wm_a")
    branch.plan()
    branch.send()
    branch.campaign(CAMPAIGN.replace("eat_out", "eat_again"))
    branch.only("eat_again")
    assert 0 == branch.plan()


def test_one_person_under_two_ids_is_offered_it_once(branch: Branch, take: Take) -> None:
    take(NOODLES)
    meet(branch, "wm_a", "wm_b")
    branch.store.write(lambda db: persons.merge(db, ["wm_a", "wm_b"], "hand", "lin", branch.now))
    branch.plan()
    branch.send()
    assert 1 == taken(branch.store)


# -- stock


def test_G15_when_the_stock_is_gone_the_rest_is_dropped_with_the_reason(
    branch: Branch, take: Take
) -> None:
    take(NOODLES)
    meet(branch, "wm_a", "wm_b", "wm_c")
    assert 3 == branch.plan()
    branch.send()
    assert (2, [("drop", '["G15", "no_offer"]')]) == (
        taken(branch.store),
        branch.decisions("wm_c"),
    )
    assert "no_offer" != branch.rules.label("rule", "no_offer")


def test_when_one_offer_is_gone_the_next_is_promised_and_then_nobody_is_planned(
    branch: Branch, take: Take
) -> None:
    other = NOODLES.replace("A1", "B1").replace("老街面馆", "伯光茶庄")
    take(NOODLES.replace(",2,", ",1,") + other.replace(",2,", ",1,"))
    meet(branch, "wm_a", "wm_b")
    branch.plan()
    branch.send()
    assert ["老街面馆", "伯光茶庄"] == [task.text[2:6] for task in branch.wecom.tasks]
    meet(branch, "wm_c")
    assert 0 == branch.plan()


def test_a_dry_run_tells_who_gets_nothing_and_why_and_takes_nothing(
    branch: Branch, take: Take
) -> None:
    take(NOODLES)
    meet(branch, "wm_a", "wm_b", "wm_c")
    branch.store.write(
        lambda db: db.run("UPDATE customer SET branch = '西山支行' WHERE external_userid = 'wm_a'")
    )
    take(NOODLES.replace(",,东山路", ",东山支行,东山路").replace(",2,", ",1,"))
    found = {
        each["external_userid"]: (each["decision"], each["rules"])
        for each in plan_dry(branch.store, branch.mass.judge, branch.clock.now(), TODAY)
    }
    assert {
        "wm_a": ("drop", ["no_offer"]),
        "wm_b": ("send", []),
        "wm_c": ("drop", ["G15", "no_offer"]),
    } == found
    assert 0 == taken(branch.store)
    branch.plan()
    branch.send()
    later = plan_dry(branch.store, branch.mass.judge, branch.clock.now(), TODAY)
    assert {"wm_a": 1, "wm_b": 1, "wm_c": 1} == Counter(each["external_userid"] for each in later)


def test_G15_an_offer_that_ended_meanwhile_is_not_sent_and_a_task_is_called_back(
    branch: Branch, take: Take
) -> None:
    take(NOODLES)
    meet(branch, "wm_a")
    branch.plan()
    branch.send()
    take(NOODLES.replace("2026-12-31", "2026-11-23"))
    branch.mass.expire()
    branch.work()
    branch.mass.release()
    assert (True, {"wm_a": "dropped"}, 0) == (
        branch.wecom.tasks[0].cancelled,
        branch.statuses(),
        taken(branch.store),
    )


def test_a_refusal_gives_the_benefit_back(branch: Branch, take: Take) -> None:
    take(NOODLES.replace(",2,", ",1,"))
    meet(branch, "wm_a", "wm_b")
    branch.plan()
    branch.send()
    assert {"wm_a": "tasked", "wm_b": "dropped"} == branch.statuses()
    branch.refuse("wm_a")
    branch.work()
    branch.mass.release()
    assert ("dropped", 0) == (branch.statuses()["wm_a"], taken(branch.store))


def test_a_failed_send_gives_the_benefit_back(branch: Branch, take: Take) -> None:
    take(NOODLES)
    meet(branch, "wm_a")
    branch.wecom.fail_list = ("wm_a",)
    branch.plan()
    branch.send()
    assert ({"wm_a": "failed"}, 0) == (branch.statuses(), taken(branch.store))


def test_no_benefit_is_promised_twice_by_two_schedulers(store: Database, take: Take) -> None:
    take(NOODLES.replace(",2,", ",7,"))

    def one(number: int) -> bool:
        return store.write(lambda db: alliance.reserve(db, number, f"wm{number}", "A1", 1))

    with ThreadPoolExecutor(8) as pool:
        assert 7 == sum(pool.map(one, range(20)))
    assert 7 == taken(store)


def test_setting_aside_again_takes_nothing_more(store: Database, take: Take) -> None:
    take(NOODLES)
    for _ in range(2):
        assert store.write(lambda db: alliance.reserve(db, 5, "wm_a", "A1", 1))
    assert 1 == taken(store)


# -- using it


def test_a_benefit_is_used_once_and_that_can_be_taken_back(branch: Branch, take: Take) -> None:
    take(NOODLES)
    meet(branch, "wm_a")
    branch.plan()
    branch.send()
    store = branch.store
    (row,) = alliance.of_customer(store.read(), "wm_a")
    use: Callable[[], bool] = lambda: store.write(  # noqa: E731  # called four times
        lambda db: alliance.use(db, row["id"], "lin", 9)
    )
    assert not use()  # not delivered yet
    tap(branch)
    assert [True, False] == [use(), use()]
    assert store.write(lambda db: alliance.undo_use(db, row["id"], "lin", 9))
    assert not store.write(lambda db: alliance.undo_use(db, row["id"], "lin", 9))
    assert use()
    assert 1 == taken(store)


def test_a_benefit_given_by_hand_must_fit_and_is_counted(branch: Branch, take: Take) -> None:
    take(NOODLES + TEA)
    meet(branch, "wm_a")
    day = TODAY.isoformat()

    def give(code: str) -> bool:
        return branch.store.write(lambda db: alliance.give(db, "wm_a", code, day, "lin", 9))

    assert ["A1"] == [row["code"] for row in alliance.fitting(branch.store.read(), "wm_a", day)]
    assert [True, False, False] == [give("A1"), give("A1"), give("A2")]
    (row,) = alliance.of_customer(branch.store.read(), "wm_a")
    assert ("check_in", 1) == (row["condition"], taken(branch.store))
    assert branch.store.write(lambda db: alliance.use(db, row["id"], "lin", 9))
    (counted,) = measures.offers(branch.store.read(), "", 0, 10)
    assert (1, 1, 1) == (counted["reserved"], counted["given"], counted["used"])


def test_the_account_of_a_message_names_the_offer(branch: Branch, take: Take) -> None:
    take(NOODLES)
    meet(branch, "wm_a")
    branch.plan()
    branch.send()
    push_id = branch.store.read().value("SELECT id FROM push")
    steps = account(branch.store.read(), [push_id])[push_id]
    assert ["A1"] == [row["detail"] for row in steps if row["what"] == "offer"]


def test_D6_an_erased_customers_benefit_names_nobody_and_stays_counted(
    branch: Branch, take: Take
) -> None:
    take(NOODLES)
    meet(branch, "wm_a")
    branch.plan()
    branch.send()
    tap(branch)
    branch.store.write(lambda db: erasure.erase(db, "wm_a", "lee", 9))
    rows = branch.store.read().rows("SELECT external_userid FROM benefit")
    assert ([("erased-1",)], 1) == ([tuple(row) for row in rows], taken(branch.store))


# -- four eyes


def test_A2_T7_an_offer_campaign_needs_an_assessment_and_a_changed_offer_voids_the_approval(
    branch: Branch, take: Take
) -> None:
    desk = Desk(branch)
    take(NOODLES)
    meet(branch, "wm_a")
    branch.store.write(lambda db: db.run("DELETE FROM impact_assessment"))
    version_id = int(desk.acts.save(ANN, CAMPAIGN)["id"])
    desk.acts.try_out(ANN, version_id, TODAY)
    assert "影响评估" in desk.refused(desk.acts.submit, ANN, version_id)
    desk.assess(version_id, ANSWERS)
    desk.acts.submit(ANN, version_id)
    for person in (LEE, Viewer("hao", Role.HEAD, "东山支行"), CITY):
        if "approved" != desk.status(version_id):
            desk.acts.approve(person, version_id)
    desk.acts.activate(ANN, version_id)
    branch.plan()
    take(NOODLES.replace(",2,", ",9,"))  # more of the same needs nobody
    take(NOODLES.replace("牛肉面", "排骨面"))
    branch.send()
    assert ([], [("hold", '["G6"]')]) == (texts(desk), branch.decisions("wm_a"))


def test_a_campaign_for_an_offer_that_nobody_has_cannot_be_submitted(branch: Branch) -> None:
    desk = Desk(branch)
    version_id = int(desk.acts.save(ANN, CAMPAIGN)["id"])
    desk.acts.try_out(ANN, version_id, TODAY)
    desk.assess(version_id, ANSWERS)
    assert "权益" in desk.refused(desk.acts.submit, ANN, version_id)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("about: bank", "about: product\nproduct_kinds: [time_deposit]", "不能和产品放在一条里"),
        ("channel: mass_single", "channel: mass_group", "不发到群"),
        ("{{ offer_until }}", "月底", "offer_until"),
        ("offer: 餐饮\n", "", "offer_"),
    ],
)
def test_K5_K6_a_text_about_an_offer_is_about_nothing_else(
    rules: Rulebook, old: str, new: str, words: str
) -> None:
    with pytest.raises(Invalid) as wrong:
        rules.parse(CAMPAIGN.replace(old, new), "eat_out.md")
    assert words in str(wrong.value)
