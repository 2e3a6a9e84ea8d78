"""What tells who somebody is is covered; everything else and all places stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot.masking import cover_numbers, cover_person

ROOT = Path(__file__).parents[3]
NAMES = ["王秀兰", "王姐", "葡萄园1号", "C10086"]


@pytest.mark.parametrize(
    ("said", "covered"),
    [
        ("打我138 0000 0001这个号", "打我●●●●●●●●●●●●●这个号"),
        ("身份证11010519491231002X", "身份证●●●●●●●●●●●●●●●●●●"),
        ("幺三八零零零零零零零一", "●●●●●●●●●●●"),
        ("我是王秀兰,叫我秀兰或王姐", "我是●●●,叫我●●或●●"),
        ("家住幸福路12号3栋2单元501室", "●●●●●●●●●●●●●●●●●"),
        ("3号楼2单元交钱", "●●●●●●交钱"),
        ("微信wxid_abc123def", "微信●●●●●●●●●●●●●●"),
        ("发a.b@example.com", "发●●●●●●●●●●●●●●●"),
        ("客户号C10086", "客户号●●●●●●"),
    ],
)
def test_what_tells_who_it_is_is_covered(said: str, covered: str) -> None:
    assert covered == cover_person(said, NAMES)


@pytest.mark.parametrize(
    "said",
    [
        "下个月有二十万货款到账",
        "12月8号去网点",
        "存15000,年底到期",
        "十二月三十一号到期",
        "五十个放你们那",
        "我种了三十亩葡萄",
        "城东这边3点开门",
    ],
)
def test_sums_days_and_plain_talk_stay(said: str) -> None:
    assert said == cover_person(said, ["", " ", "王", *NAMES])


def test_every_place_stays_and_little_of_ordinary_talk_is_covered() -> None:
    texts = [
        json.loads(line)["text"]
        for path in (ROOT / "tests/data").glob("talk_*.jsonl")
        for line in path.read_text("utf-8").splitlines()
    ]
    covered = [cover_person(text, NAMES) for text in texts]
    assert [len(text) for text in texts] == [len(text) for text in covered]
    assert sum(old != new for old, new in zip(texts, covered, strict=True)) < len(texts) / 50
    assert [cover_numbers(text) for text in covered] == covered
