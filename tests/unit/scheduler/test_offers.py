"""Suitability, the choice of A and B, and what a text about products has to say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from scheduler.offers import (
    FIELDS,
    Holder,
    Offer,
    another_price,
    certified,
    choose,
    lacks,
    unsuitable,
    values_of,
    written_price,
)

ON = date(2026, 11, 24)
DEPOSIT = Offer("D3", "三年定期", "time_deposit", "本行", "", 1.75, 50, "三年", "", "", "")
WEALTH = Offer("W2", "安心", "wealth", "某理财", "R2", None, 10_000, "半年", "无", "Z1", "")
FUND = replace(WEALTH, code="F4", kind="fund", risk_level="R4")
HOLDER = Holder("C3", date(2027, 1, 1), 40, met=False, cautious=False, kinds=frozenset())


def test_S1_a_deposit_asks_no_test() -> None:
    assert () == unsuitable(DEPOSIT, replace(HOLDER, risk_level="", risk_valid_to=None), ON)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ()),
        ({"risk_level": ""}, ("S1",)),
        ({"risk_valid_to": None}, ("S1",)),
        ({"risk_valid_to": date(2026, 11, 23)}, ("S1",)),
        ({"risk_valid_to": ON}, ()),
        ({"risk_level": "C1"}, ("S1",)),
        ({"risk_level": "C2"}, ()),
    ],
)
def test_S1_the_bank_s_own_test_must_cover_the_product_on_the_day(
    changed: dict[str, object], expected: tuple[str, ...]
) -> None:
    assert expected == unsuitable(WEALTH, replace(HOLDER, **changed), ON)


def test_S1_a_product_without_risk_level_is_offered_to_nobody() -> None:
    assert ("S1",) == unsuitable(replace(WEALTH, risk_level=""), HOLDER, ON)


def test_S3_who_is_65_or_of_unknown_age_must_have_been_spoken_with() -> None:
    for age, met, expected in (
        (64, False, ()),
        (65, False, ("S3",)),
        (None, False, ("S3",)),
        (80, True, ()),
    ):
        assert expected == unsuitable(WEALTH, replace(HOLDER, age=age, met=met), ON)


def test_S6_a_cautious_word_only_lowers_what_is_offered() -> None:
    bold = replace(HOLDER, risk_level="C5", cautious=True)
    assert ("S6",) == unsuitable(FUND, bold, ON)
    assert () == unsuitable(WEALTH, bold, ON)
    assert ("S1",) == unsuitable(WEALTH, replace(HOLDER, risk_level="C1", cautious=False), ON)


def test_B_is_the_first_that_suits_and_is_not_held_yet() -> None:
    insurance = replace(WEALTH, code="I1", kind="insurance")
    offered = [DEPOSIT, FUND, WEALTH, insurance]
    assert ((DEPOSIT, WEALTH), ()) == choose(offered, HOLDER, ON, bundle=True)
    has = replace(HOLDER, kinds=frozenset({"wealth"}))
    assert ((DEPOSIT, insurance), ()) == choose(offered, has, ON, bundle=True)
    both = replace(HOLDER, kinds=frozenset({"wealth", "insurance"}))
    assert ((DEPOSIT, WEALTH), ()) == choose(offered, both, ON, bundle=True)


def test_without_a_fitting_B_there_is_no_bundle() -> None:
    assert ((DEPOSIT,), ("S1",)) == choose([DEPOSIT, FUND], HOLDER, ON, bundle=True)
    assert ((DEPOSIT,), ("S1",)) == choose([DEPOSIT], HOLDER, ON, bundle=True)
    assert ((DEPOSIT,), ()) == choose([DEPOSIT, FUND], HOLDER, ON, bundle=False)


def test_K3_only_what_the_library_says_can_be_written() -> None:
    values = values_of([DEPOSIT, WEALTH], {"time_deposit": "定期存款", "wealth": "理财"})
    assert {
        "a_name": "三年定期",
        "a_kind": "定期存款",
        "a_issuer": "本行",
        "a_rate": "1.75%",
        "a_minimum": "50元",
        "a_term": "三年",
        "b_name": "安心",
        "b_kind": "理财",
        "b_issuer": "某理财",
        "b_risk": "R2",
        "b_minimum": "1万元",
        "b_term": "半年",
        "b_fees": "无",
        "b_registration": "Z1",
    } == values
    assert set(values) <= FIELDS


@pytest.mark.parametrize(
    ("used", "kinds", "words", "lacking"),
    [
        ({"a_name", "a_rate"}, {"time_deposit"}, "", ""),
        ({"a_rate"}, {"time_deposit"}, "", "a_name"),
        ({"b_name"}, {"time_deposit"}, "", "a_"),
        ({"a_name", "b_name"}, {"time_deposit"}, "", "类别"),
        ({"a_name", "a_kind", "b_name", "b_kind"}, {"time_deposit"}, "", "可以不选"),
        ({"a_name", "a_kind", "b_name", "b_kind"}, {"time_deposit"}, "可以只选一样", ""),
        ({"a_name"}, {"wealth"}, "", "a_risk"),
        ({"a_name", "a_risk"}, {"wealth"}, "", "a_url"),
        ({"a_name", "a_risk", "a_url"}, {"wealth"}, "", ""),
        ({"a_name", "a_risk", "a_issuer", "a_registration", "a_fees"}, {"wealth"}, "", ""),
    ],
)
def test_K5_a_text_names_every_part_and_its_risk_and_lets_it_be_declined(
    used: set[str], kinds: set[str], words: str, lacking: str
) -> None:
    found = lacks(used, kinds, words)
    assert (bool(lacking), True) == (bool(found), lacking in found)


@pytest.mark.parametrize(
    ("used", "kinds", "lacking"),
    [
        ({"a_name", "a_rate"}, {"consumer_loan"}, "a_fees"),
        ({"a_name", "a_rate", "a_fees"}, {"consumer_loan"}, ""),
        ({"a_name"}, {"consumer_loan"}, ""),
        ({"a_name", "a_rate"}, {"time_deposit"}, ""),
    ],
)
def test_K7_the_rate_of_a_loan_never_stands_without_its_fees(
    used: set[str], kinds: set[str], lacking: str
) -> None:
    found = lacks(used, kinds, "")
    assert (bool(lacking), True) == (bool(found), lacking in found)


def test_S5_a_structured_deposit_asks_for_the_test_under_whatever_kind_it_is_listed() -> None:
    nobody = replace(HOLDER, risk_level="", risk_valid_to=None)
    linked = replace(DEPOSIT, name="汇率挂钩结构性存款", risk_level="R2")
    assert ("S1",) == unsuitable(linked, nobody, ON)
    assert () == unsuitable(linked, HOLDER, ON)
    assert ("S1",) == unsuitable(replace(linked, risk_level=""), HOLDER, ON)


@pytest.mark.parametrize(
    ("words", "price"),
    [
        ("三年定期3.2%", "3.2%"),
        ("手续费 20", "手续费 20"),
        ("额度最高30万", "额度最高30"),
        ("满5万元", "5万元"),
        ("三年定期{{ a_rate }},{{ a_minimum }}起", ""),
        ("周六 9 点开门,带上身份证", ""),
    ],
)
def test_T5_a_price_written_by_hand_is_found(words: str, price: str) -> None:
    assert price == written_price(words)


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"rate": 1.95}, "D9"),
        ({"fees": "年费10元"}, "D9"),
        ({"rate": 1.95, "name": "三年定期(贵宾)"}, "D9"),
        ({}, ""),
        ({"rate": 1.95, "term": "五年"}, ""),
        ({"rate": 1.95, "minimum": 200_000}, ""),
        ({"rate": 1.95, "registration": "Z7"}, ""),
        ({"rate": 1.95, "kind": "large_cd"}, ""),
    ],
)
def test_T5_the_same_product_at_another_price_is_found(other: dict[str, object], code: str) -> None:
    listed = [DEPOSIT, WEALTH, replace(DEPOSIT, code="D9", **other)]
    assert code == another_price(DEPOSIT, listed)


def test_S4_a_certificate_is_needed_for_every_kind_that_asks_for_one() -> None:
    accepted = {"wealth": {"理财", "wealth"}, "fund": {"基金"}}
    assert certified(["理财"], {"wealth", "time_deposit"}, accepted)
    assert not certified(["理财"], {"wealth", "fund"}, accepted)
    assert not certified([""], {"wealth"}, accepted)
    assert certified([""], {"time_deposit"}, accepted)
