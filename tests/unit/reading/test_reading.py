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
