from __future__ import annotations

from datetime import datetime

import pytest

from handlers.reading import Reader
from handlers.reading.amounts import Money
from handlers.reading.numerals import parse

NOW = datetime(2026, 7, 6)  # noqa: DTZ001 - local wall time is what expressions take


@pytest.mark.parametrize(
    ("text", "yuan"),
    [
        ("十八万上下", 180_000),
        ("3万5", 35_000),
        ("28万7", 287_000),
        ("两万八千五", 28_500),
        ("二十来万", 200_000),
        ("二十多万", 200_000),
        ("百把万", 1_000_000),
        ("五六万", 50_000),
        ("三五千", 3_000),
        ("小八万", 80_000),
        ("两千出头", 2_000),
        ("12w", 120_000),
        ("1.5万", 15_000),
        ("200,000元", 200_000),
        ("七个半", 75_000),
        ("一百三十个", 1_300_000),
        ("十来个", 100_000),
        ("15000", 15_000),
        ("一百二十万", 1_200_000),
    ],
)
def test_money_talk_becomes_yuan(text: str, yuan: int) -> None:
    assert [yuan] == [amount.yuan for amount in Money({"美元": "USD"}, {"美分": "cent"}).find(text)]


@pytest.mark.parametrize(
    "text",
    ["万一下雨", "千万别来", "3个孩子", "两个月", "八十来头羊", "第318桶", "20号", "五角大楼"],
)
def test_other_numbers_are_no_money(text: str) -> None:
    assert [] == Money({"美元": "USD"}, {"美分": "cent"}).find(text)


def test_a_vague_sum_has_no_value() -> None:
    assert [None] == [a.yuan for a in Money({"美元": "USD"}, {"美分": "cent"}).find("几万块")]


def test_a_branch_without_foreign_money_still_reads_sums() -> None:
    assert [30_000] == [amount.yuan for amount in Money({}, {}).find("一共三万块 两个月")]


def test_foreign_money_is_no_yuan(reader: Reader) -> None:
    found = reader.expressions("存了两万美元", NOW)
    assert [("amount", "两万美元", 20_000)] == [(f["kind"], f["text"], f["value"]) for f in found]


@pytest.mark.parametrize(
    ("text", "value"), [("一百二", 120), ("十一半", 11.5), ("二零二六", 2026), ("万", 10_000)]
)
def test_numerals_as_people_write_them(text: str, value: float) -> None:
    found = parse(text)
    assert found is not None
    assert value == float(found)
