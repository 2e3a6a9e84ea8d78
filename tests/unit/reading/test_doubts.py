"""Doubt: learnt from what people decided, sure or silent, and never about a refusal."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from bot.errors import Invalid
from bot.facts import Evidence, Fact, FactType, Speech
from handlers.reading.doubts import (
    DOUBTED,
    Doubts,
    Example,
    Weights,
    examples_of,
    learn,
    pack,
    pieces_of,
    try_out,
    unpack,
)

NOON = datetime(2026, 12, 1, 4, tzinfo=UTC)
RIGHT = [
    "".join(words)
    for words in itertools.product(
        ("周末", "今天", "国庆", "清明"),
        ("跟老哥", "和老伴", "一个人"),
        ("去水库钓鱼", "上山里钓鱼"),
    )
]
WRONG = [
    "".join(words)
    for words in itertools.product(
        ("小心", "又是", "我妈点了"), ("钓鱼网站", "钓鱼短信", "钓鱼链接", "钓鱼邮件")
    )
]


def fact(text: str, kind: FactType = FactType.HOBBY) -> Fact:
    start = text.index("钓鱼")
    evidence = Evidence(start, start + 2, "钓鱼")
    return Fact(kind, {"name": "钓鱼"}, evidence, 0.9, "hobby.fishing", "3")


def examples(texts: Iterable[str], *, right: bool) -> list[Example]:
    return [
        Example(text, "2026-12-01", "interest.hobby", "hobby.fishing", right, pieces)
        for text in texts
        for pieces in [pieces_of(fact(text), text)]
    ]


EVERY = examples(RIGHT, right=True) + examples(WRONG, right=False)


def doubts(at_least: float = 0.9) -> Doubts:
    return Doubts({"interest.hobby": learn(EVERY)}, at_least, "abc")


def doubted(text: str, found: Fact | None = None) -> Fact:
    (one,) = doubts().doubting(lambda _speech: [found or fact(text)])(Speech(text, NOON))
    return one


# -- learning


def test_what_is_wrong_in_the_same_way_is_caught_and_the_rest_left_alone() -> None:
    effect = try_out(EVERY, 0.9)
    assert (effect.right, effect.wrong, effect.misdoubted, effect.useful) == (24, 12, 0, True)
    assert effect.caught >= 10


def test_verdicts_that_follow_no_pattern_teach_nothing() -> None:
    dice = random.Random(7)
    noise = [replace(one, right=dice.random() < 0.8) for one in EVERY]
    effect = try_out(noise, 0.9)
    assert effect.caught + effect.misdoubted <= 2


def test_the_same_examples_in_any_order_give_the_same_file() -> None:
    shuffled = list(EVERY)
    random.Random(1).shuffle(shuffled)
    one, other = (pack({"interest.hobby": learn(each)}, "2026-12-01") for each in (EVERY, shuffled))
    assert one == other


def test_a_file_is_read_back_as_it_was_written() -> None:
    learnt = learn(EVERY)
    found, until = unpack(pack({"interest.hobby": learnt}, "2026-12-01"), 0.8)
    assert (found.types, found.at_least, until) == (
        {"interest.hobby": learnt},
        0.8,
        date(2026, 12, 1),
    )
    assert len(found.version) == 8


def test_a_file_holds_numbers_alone() -> None:
    text = pack({"interest.hobby": learn(EVERY)}, "2026-12-01")
    assert text.isascii()
    assert not any(each in text for each in ("钓鱼", "\\u"))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"format":2}', '{"format":1,"types":{},"until":"soon"}',
     '{"format":1,"until":"2026-12-01","types":{"a":{"bias":0,"pieces":[1]}}}'],
)  # fmt: skip
def test_a_broken_file_says_what_to_do(text: str) -> None:
    with pytest.raises(Invalid, match="qunguan rules train"):
        unpack(text, 0.9)


# -- doubting


def test_a_doubted_reading_waits_for_a_person_and_says_by_which_doubt() -> None:
    one = doubted("他们点了钓鱼链接")
    assert (one.confidence, one.settled, one.rule, one.version) == (
        DOUBTED,
        False,
        "hobby.fishing",
        "3+abc",
    )


def test_a_good_reading_stays_as_it_is() -> None:
    assert doubted("清明和老伴去水库钓鱼") == fact("清明和老伴去水库钓鱼")


@pytest.mark.parametrize("kind", [FactType.OPT_OUT, FactType.COMPLAINT, FactType.CONCERN])
def test_C3_refusals_complaints_and_types_not_learnt_are_never_doubted(kind: FactType) -> None:
    sure = Weights(30.0, {})
    found = Doubts({"consent.opt_out": sure, "risk.complaint": sure}, 0.9, "abc")
    one = fact("小心钓鱼网站", kind)
    assert found.doubting(lambda _speech: [one])(Speech("小心钓鱼网站", NOON)) == [one]


def test_what_waits_already_is_not_touched() -> None:
    unsure = replace(fact("小心钓鱼网站"), confidence=0.4)
    assert doubted("小心钓鱼网站", unsure) == unsure


# -- examples


def line(**more: Any) -> dict[str, Any]:
    hobby = {"type": "interest.hobby", "value": {"name": "钓鱼"}}
    found = {"id": "1", "sent_at": "2026-12-01T10:00:00+08:00", "text": "去钓鱼", "facts": [hobby]}
    return found | more


HOBBY = {"type": "interest.hobby", "value": {"name": "钓鱼"}}
OTHER = {"type": "interest.hobby", "value": {"name": "旅游"}}


@pytest.mark.parametrize(
    ("labels", "right"),
    [
        ({}, [True]),
        ({"facts": []}, [False]),
        ({"facts": [OTHER]}, [False]),
        ({"facts": [HOBBY | {"verdict": "confirmed"}], "rejected": []}, [True]),
        ({"facts": [HOBBY | {"verdict": "unjudged"}], "rejected": []}, []),
        ({"facts": [], "rejected": [HOBBY]}, [False]),
        ({"facts": [], "rejected": [OTHER]}, []),
        ({"facts": [OTHER | {"verdict": "changed"}], "rejected": []}, [False]),
        ({"facts": [OTHER | {"verdict": "confirmed"}], "rejected": []}, []),
        ({"facts": [], "rejected": []}, []),
    ],
)
def test_only_what_people_decided_is_an_example(labels: dict[str, Any], right: list[bool]) -> None:
    found = examples_of([line(**labels)], lambda speech: [fact(speech.text)])
    assert [one.right for one in found] == right


def test_readings_that_wait_or_are_never_doubted_are_no_examples() -> None:
    unsure = replace(fact("去钓鱼"), confidence=0.4)
    refusal = fact("去钓鱼", FactType.OPT_OUT)
    assert list(examples_of([line(facts=[])], lambda _speech: [unsure, refusal])) == []


def test_an_example_says_when_and_by_which_rule() -> None:
    (one,) = examples_of([line()], lambda speech: [fact(speech.text)])
    assert (one.line, one.on, one.type, one.rule) == (
        "1",
        "2026-12-01",
        "interest.hobby",
        "hobby.fishing",
    )
    assert sum(much * much for _, much in one.pieces) == pytest.approx(1)


def test_only_the_words_around_a_reading_count() -> None:
    far = "好" * 200
    assert pieces_of(fact("去钓鱼"), "去钓鱼" + far) == pieces_of(
        fact("去钓鱼"), "去钓鱼" + far * 9
    )
    assert json.dumps(pieces_of(fact("去钓鱼"), "去钓鱼"))
