from __future__ import annotations

import json
import string
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.facts import FactType, Speech
from handlers import reading
from handlers.reading import Reader
from handlers.reading.text import Normaliser

MONDAY = datetime(2026, 7, 6, 2, 0, tzinfo=UTC)
SHIPPED = Reader.load(Path(__file__).parents[3] / "config")
WORDS = sorted({word for words in SHIPPED.rules.words.values() for word in words})
PIECES = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(["三万", "号", " ", ",", "不", "我", "了", "[微笑]", "\u200b", "½", "👍"]),
    st.text(max_size=3),
)


def values(text: str) -> list[tuple[str, dict[str, object]]]:
    return [(str(fact.type), fact.value) for fact in reading.read(Speech(text, MONDAY))]


def test_the_shipped_rules_read_without_being_loaded_by_hand() -> None:
    assert [("consent.opt_out", {"scope": "marketing"})] == values("别再给我发广告了")


def test_employees_say_no_facts() -> None:
    assert [] == reading.read(Speech("别再给我发广告了", MONDAY, by_customer=False))


def test_a_short_answer_leans_on_the_question_of_staff() -> None:
    answer = Speech("我肯定去", MONDAY, asked=("周六的茶艺沙龙您来吗",))
    expected = [{"response": "yes"}]
    assert expected == [fact.value for fact in reading.read(answer)]


def test_quoted_words_are_not_the_speakers() -> None:
    text = "我工行有20万定期下月到期 这人真有钱"
    assert [] == reading.read(Speech(text, MONDAY, quoted=((0, 16),)))


def test_evidence_is_cut_from_the_original_words() -> None:
    text = "ＯＫ👍\u200b我 們 ２０号貨款回来 十八萬上下[微笑]"
    fact = reading.read(Speech(text, MONDAY))[0]
    span = fact.evidence
    assert (FactType.INFLOW, 180_000) == (fact.type, fact.value["amount"])
    assert span.text == text[span.start : span.end]


def test_dates_are_days_in_shanghai() -> None:
    late = datetime(2026, 7, 6, 17, 30, tzinfo=UTC)
    facts = reading.read(Speech("明天下午给我打个电话", late))
    assert ["2026-07-08"] == [fact.value["date_from"] for fact in facts]


def test_simplifying_keeps_every_position() -> None:
    plain = Normaliser({"錢": "钱"}).plain("a\u200b錢")
    assert ("a钱", (2, 3)) == (plain.text, plain.span(1, 2))


def test_the_words_of_a_region_are_read_as_the_usual_ones() -> None:
    plain = Normaliser({}, {"细路": "孩子", "阮(?=家)": "我", "唔好": "别"}).plain
    assert ["孩子", "我家", "阮经理", "唔好"] == [
        plain(said).text for said in ("细路", "阮家", "阮经理", "唔好")
    ]


def test_what_is_taken_back_does_not_count() -> None:
    text = "上回讲我那八万定存21号到 看岔了 是24号"
    expected = {"amount": 80_000, "date_from": "2026-07-24", "date_to": "2026-07-24"}
    assert [("holding.maturity", {"product": "time_deposit"} | expected)] == values(text)


def test_a_correction_is_no_denial() -> None:
    expected = {"amount": 650_000, "date_from": "2026-09-01", "date_to": "2026-09-30"}
    text = "工程款不是8月,是9月回 65万"
    assert [("cash.inflow", expected | {"source": "工程款"})] == values(text)


def test_a_wished_loan_is_no_cash_flow() -> None:
    found = values("我那纸箱厂旺季要备料,想再贷八十万周转")
    assert {"cash.inflow", "cash.outflow"}.isdisjoint(kind for kind, _ in found)


def test_money_that_has_come_has_no_day_to_come() -> None:
    text = "大姑娘腊月十八出门子 男方彩礼给了十六万八"
    flows = [value for kind, value in values(text) if kind == "cash.inflow"]
    assert [{"amount": 168_000, "source": "彩礼"}] == flows


def test_the_wrong_direction_leaves_its_sum_to_the_right_one() -> None:
    text = "年前要把挖机师傅的工钱结了 三万六"
    flows = [(kind, value["amount"]) for kind, value in values(text)]
    assert [("cash.outflow", 36_000)] == flows


@pytest.mark.parametrize("text", ["学费一年九万八 八月底交", "下季度房租九万八 八月底交"])
def test_what_a_fee_is_for_is_neither_price_nor_day(text: str) -> None:
    flows = [value for kind, value in values(text) if kind == "cash.outflow"]
    days = {"date_from": "2026-08-25", "date_to": "2026-08-31"}
    assert [{"amount": 98_000} | days] == [
        {key: value[key] for key in ("amount", "date_from", "date_to")} for value in flows
    ]


@given(st.lists(PIECES, max_size=25).map("".join))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_without_an_exception(text: str) -> None:
    for fact in SHIPPED.read(Speech(text, MONDAY)):
        span = fact.evidence
        assert span.text == text[span.start : span.end]
        json.dumps(fact.value)
    for found in SHIPPED.expressions(text, MONDAY):
        assert found["text"] == text[found["start"] : found["end"]]


@pytest.mark.parametrize("unit", ["给我发广告", "一", "5", '"', "还有", string.punctuation])
def test_a_very_long_text_is_read_in_pieces(unit: str) -> None:
    SHIPPED.read(Speech(unit * (60_000 // len(unit)), MONDAY))
