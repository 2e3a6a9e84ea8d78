"""Facts, sums and moments in plain Chinese, and what is covered up."""

from datetime import date

import pytest

from bot.web.wording import (
    fact_words,
    phone_words,
    shown_quote,
    shown_value,
    span_words,
    yuan,
)

TODAY = date(2026, 12, 1)
LABELS = {
    ("product", "time_deposit"): "定期存款",
    ("life", "wedding"): "婚礼",
    ("churn", "transfer_out"): "要转走",
    ("calendar", "solar"): "公历",
    ("fact_key", "source"): "来源",
    ("stage", "middle"): "初中",
    ("exam", "zhongkao"): "中考",
}


def label(family: str, slug: str) -> str:
    return LABELS.get((family, slug), slug)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (0, "0元"),
        (800, "800元"),
        (8_000, "8,000元"),
        (35_000, "3.5万元"),
        (200_000, "20万元"),
        (123_456, "123,456元"),
        (1_200_000, "120万元"),
        (120_000_000, "1.2亿元"),
    ],
)
def test_sums_read_as_people_say_them(amount: int, words: str) -> None:
    assert words == yuan(amount)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2026-12-08", "2026-12-08", "12月8日(周二)"),
        ("2026-12-11", "2026-12-20", "12月11日到12月20日"),
        ("2026-12-25", "2027-01-05", "12月25日到2027年1月5日"),
        ("2027-01-01", "2027-01-31", "2027年1月1日到1月31日"),
        (None, "2026-12-20", "12月20日前"),
        ("2026-12-20", None, "12月20日起"),
        (None, None, ""),
    ],
)
def test_spans_of_days_read_as_people_say_them(
    start: str | None, end: str | None, words: str
) -> None:
    assert words == span_words(start, end, TODAY)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("life.event", {"kind": "wedding"}, "婚礼"),
        ("risk.churn", {"kind": "transfer_out"}, "要转走"),
        ("person.birthday", {"calendar": "lunar", "month": 8, "day": 16}, "农历八月十六"),
        ("person.birthday", {"calendar": "solar", "month": 8, "day": 16}, "公历8月16日"),
        ("person.birthday", {"month": 8}, "8月"),
        ("family.children", {"stage": "middle", "exam": "zhongkao"}, "初中，中考"),
        (
            "cash.inflow",
            {"source": "货款", "amount": 200_000, "date_to": "2026-12-20"},
            "20万元，来源：货款，12月20日前",
        ),
        (
            "holding.other_bank",
            {"amount": 5_000, "product": "time_deposit", "bank": "工商银行", "rate": 1.5},
            "工商银行，定期存款，5,000元，年利率1.5%",
        ),
        ("event.rsvp", {"party": 2}, "2位"),
        ("risk.complaint", {}, ""),
    ],
)
def test_a_fact_reads_as_one_line(kind: str, value: dict[str, object], words: str) -> None:
    assert words == fact_words(kind, value, label, TODAY)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("有一笔二十万的货款到账", "有一笔●●●的货款到账"),
        ("12,000元到期", "●●●●●●●到期"),
        ("五十个放你们那", "●●●放你们那"),
        ("3万5吧", "●●●吧"),
        ("家里两个老人要照顾", "家里两个老人要照顾"),
        ("12月8号去网点", "12月8号去网点"),
        ("大额存单现在几个点", "大额存单现在几个点"),
    ],
)
def test_sums_are_covered_for_those_who_may_not_see_them(said: str, shown: str) -> None:
    assert (shown, said) == (
        shown_quote(said, sensitive=False),
        shown_quote(said, sensitive=True),
    )


def test_long_numbers_are_covered_for_everybody_and_keep_their_length() -> None:
    said = "打我138 0000 0001这个号"
    assert shown_quote(said, sensitive=True) == "打我●●●●●●●●●●●●●这个号"


def test_an_amount_is_left_out_for_those_who_may_not_see_it() -> None:
    value = {"amount": 1, "source": "货款"}
    assert ({"source": "货款"}, value) == (
        shown_value(value, sensitive=False),
        shown_value(value, sensitive=True),
    )


def test_a_phone_number_can_be_recognised_but_not_called() -> None:
    assert phone_words("13800000001") == "138****0001"
