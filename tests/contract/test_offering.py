"""Products in texts: from the library to the customer, or not."""

# the names carry the ids of the compliance rules

from __future__ import annotations

from typing import Any

import pytest
from branch_world import TODAY, build_branch
from test_approvals import ANN, ANSWERS, CITY, LEE, Desk, texts

from bot.clock import FixedClock
from bot.model import Role
from bot.rulebook import Rulebook
from bot.store import consents
from bot.store.db import Database, Db
from bot.store.library import PRODUCTS
from bot.store.sight import Viewer
from bot.vault import Vault

HAO = Viewer("hao", Role.HEAD, "东山支行")
BUNDLE = f"""---
name: two_choices
version: 1
occasion: date
dates: [{TODAY.isoformat()}]
steps: [0]
audience: everyone
purpose: marketing
about: product
product_kinds: [time_deposit, wealth, fund]
products: [D3, F4, W2]
channel: mass_single
latest_useful: {{0: 当天}}
personal: false
holdout: 0
approver: compliance
---
这个月两样可以看看：{{{{ a_name }}}}（{{{{ a_kind }}}}），
{{{{ a_term }}}}{{{{ a_rate }}}}，利率以本行挂牌公告为准；
{{{{ b_name }}}}（{{{{ b_kind }}}}，风险{{{{ b_risk }}}}），
{{{{ b_issuer }}}}，{{{{ b_registration }}}}，{{{{ b_fees }}}}。
可以只选一样，也可以都不选。
理财非存款、产品有风险、投资须谨慎
基金有风险，投资需谨慎
{{{{ stop_way }}}}
——{{{{ branch }}}} {{{{ sender_name }}}}
"""


def product(code: str, kind: str, risk: str = "", **more: Any) -> dict[str, Any]:
    blank = dict.fromkeys(PRODUCTS.facts, "") | dict.fromkeys(("minimum", "valid_to"))
    said = {"name": f"品{code}", "issuer": "某理财公司", "term": "半年", "registration": "Z1"}
    own = {"fees": "无申购费", "rate": 1.75, "valid_from": "2026-01-01", "contract_version": "V1"}
    return {"code": code, "kind": kind, "risk_level": risk} | {
        **{k: v for k, v in blank.items() if k not in {"kind", "risk_level"}},
        **said,
        **own,
        **more,
    }


LIBRARY = (
    product("D3", "time_deposit"),
    product("F4", "fund", "R4"),
    product("W2", "wealth", "R2"),
)


def put(db: Db, table: str, **values: Any) -> None:
    names = ", ".join(values)
    db.run(f"INSERT INTO {table} ({names}) VALUES ({', '.join(':' + n for n in values)})", **values)


@pytest.fixture
def desk(store: Database, vault: Vault, clock: FixedClock, rules: Rulebook) -> Desk:
    found = Desk(build_branch(store, vault, clock, rules))

    def fill(db: Db) -> None:
        for each in LIBRARY:
            PRODUCTS.add_version(db, each, 0)
        db.run("UPDATE staff SET certificates = '理财,基金' WHERE userid = 'lin'")

    store.write(fill)
    found.branch.meet("wm_a")
    set_customer(found)
    found.branch.store.write(
        lambda db: put(
            db,
            "agreement",
            conversation="lin|wm_a",
            external_userid="wm_a",
            status="Agree",
            changed_at=0,
        )
    )
    return found


def set_customer(desk: Desk, **changed: Any) -> None:
    values = {
        "birthday_year": 1980,
        "birthday_month": 1,
        "birthday_day": 1,
        "risk_level": "C3",
        "risk_valid_to": "2027-01-01",
        **changed,
    }
    parts = ", ".join(f"{name} = :{name}" for name in values)
    desk.branch.store.write(lambda db: db.run(f"UPDATE customer SET {parts}", **values))


def activate(desk: Desk, source: str = BUNDLE) -> int:
    version_id = desk.submitted(source)
    desk.acts.approve(LEE, version_id)
    desk.acts.approve(HAO, version_id)
    desk.acts.approve(CITY, version_id)
    desk.acts.activate(ANN, version_id)
    return version_id


def sent(desk: Desk) -> list[str]:
    desk.branch.plan()
    desk.branch.send()
    return texts(desk)


def test_K5_a_deposit_and_what_suits_the_customer_are_offered_with_their_facts(desk: Desk) -> None:
    activate(desk)
    (text,) = sent(desk)
    assert "品D3(定期存款)" in text.replace("（", "(").replace("）", ")")
    assert "品W2" in text
    assert "品F4" not in text
    assert "R2" in text


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"risk_level": "C1"}, '["G10", "S1"]'),
        ({"risk_valid_to": "2026-11-23"}, '["G10", "S1"]'),
        ({"birthday_year": 1950}, '["G10", "S1", "S3"]'),
        ({"birthday_year": None}, '["G5"]'),
    ],
)
def test_S1_S3_who_it_does_not_suit_gets_nothing(
    desk: Desk, changed: dict[str, Any], expected: str
) -> None:
    activate(desk)
    set_customer(desk, **changed)
    assert [] == sent(desk)
    assert [("drop", expected)] == desk.branch.decisions("wm_a")


def test_S2_a_tolerance_lowered_after_planning_stops_the_message(desk: Desk) -> None:
    activate(desk)
    desk.branch.plan()
    set_customer(desk, risk_level="C1")
    desk.branch.send()
    assert [] == texts(desk)


def test_G9_a_product_that_left_the_list_holds_the_text(desk: Desk) -> None:
    version_id = activate(desk)
    gone = product("W2", "wealth", "R2", valid_to="2026-11-23")
    desk.branch.store.write(lambda db: PRODUCTS.add_version(db, gone, 1))
    assert [] == sent(desk)
    assert "active" == desk.status(version_id)


def test_A2_K3_changed_facts_of_a_product_void_the_approval(desk: Desk) -> None:
    activate(desk)
    desk.branch.plan()
    new = product("D3", "time_deposit", rate=1.55)
    desk.branch.store.write(lambda db: PRODUCTS.add_version(db, new, 1))
    desk.branch.send()
    assert [] == texts(desk)
    assert [("hold", '["G6"]')] == desk.branch.decisions("wm_a")


def test_S4_without_a_certificate_the_deputy_sends_and_else_nobody(desk: Desk) -> None:
    activate(desk)

    def unlearn(db: Db) -> None:
        db.run("UPDATE staff SET certificates = '', deputy = 'zhou' WHERE userid = 'lin'")

    desk.branch.store.write(unlearn)
    assert [] == sent(desk)
    assert [("hold", '["G11"]')] == desk.branch.decisions("wm_a")

    def befriend(db: Db) -> None:
        db.run("DELETE FROM staff WHERE userid = 'zhou'")
        put(db, "staff", userid="zhou", name="周", branch="东山支行", certificates="理财,基金")
        put(db, "follow", userid="zhou", external_userid="wm_a", since_at=1_800_000_000_000)
        put(
            db,
            "agreement",
            conversation="zhou|wm_a",
            external_userid="wm_a",
            status="Agree",
            changed_at=0,
        )

    desk.branch.store.write(befriend)
    desk.branch.later(minutes=16)
    desk.branch.send()
    assert ["zhou"] == [
        row["sender"] for row in desk.branch.store.read().rows("SELECT sender FROM send_task")
    ]


def test_a_text_about_products_that_the_list_lacks_cannot_be_submitted(desk: Desk) -> None:
    source = BUNDLE.replace("[D3, F4, W2]", "[D3, X9]")
    version_id = int(desk.acts.save(ANN, source)["id"])
    desk.acts.try_out(ANN, version_id, TODAY)
    assert "产品" in desk.refused(desk.acts.submit, ANN, version_id)


CHOSEN = BUNDLE.replace("audience: everyone", "audience: {segment: [near_line]}")
DEARER = product("D9", "time_deposit", name="三年定期(贵宾)", rate=1.95)


def test_T5_a_text_for_people_with_a_tag_gives_no_price_of_its_own(desk: Desk) -> None:
    by_hand = CHOSEN.replace("{{ a_rate }}", "1.95%")
    assert "T5" in desk.refused(desk.acts.save, ANN, by_hand)
    assert desk.acts.save(ANN, BUNDLE.replace("{{ a_rate }}", "1.95%"))
    assert desk.acts.save(ANN, CHOSEN)


def test_T5_where_the_list_has_a_second_price_nobody_is_chosen_for_one_by_a_tag(
    desk: Desk,
) -> None:
    desk.branch.store.write(lambda db: PRODUCTS.add_version(db, DEARER, 0))
    chosen = int(desk.acts.save(ANN, CHOSEN)["id"])
    desk.acts.try_out(ANN, chosen, TODAY)
    desk.acts.assess(ANN, desk.branch.rules.parse(CHOSEN, "two_choices.md"), ANSWERS)
    assert "T5" in desk.refused(desk.acts.submit, ANN, chosen)
    # To everybody it may be offered as before.
    activate(desk)
    assert 1 == len(sent(desk))


def test_T5_a_second_price_that_comes_after_the_approval_stops_the_text(desk: Desk) -> None:
    desk.branch.store.write(
        lambda db: put(
            db,
            "segment_member",
            external_userid="wm_a",
            segment="near_line",
            version="1",
            since_at=0,
        )
    )
    desk.acts.assess(ANN, desk.branch.rules.parse(CHOSEN, "two_choices.md"), ANSWERS)
    activate(desk, CHOSEN)
    desk.branch.store.write(lambda db: PRODUCTS.add_version(db, DEARER, 0))
    assert [] == sent(desk)
    assert [("drop", '["G10", "T5"]')] == desk.branch.decisions("wm_a")


def test_T4_a_text_for_chosen_people_never_reaches_who_switched_that_off(desk: Desk) -> None:
    desk.branch.meet("wm_b", birthday=(11, 24), layer="high", name="王秀兰")

    def switch_off(db: Db) -> None:
        consents.record_consent(
            db, "wm_b", "profiling", granted=False, channel="out_page", proof="p", at=1
        )

    desk.branch.store.write(switch_off)
    desk.branch.plan()
    desk.branch.send()
    (text,) = texts(desk)
    assert "王女士" not in text
