"""The rules that the product brings hold for their examples and not for the others."""

from __future__ import annotations

import pytest
from backends import Place
from standing_story import ROOT, rulebook, story

from bot.errors import Invalid
from bot.store.examples import TRAITS, belongs
from bot.yamlfile import Place as Line
from handlers.rules import Example, load_examples

RULES = ROOT / "config" / "rules"
EXAMPLES = [
    *load_examples(RULES / "segments.yaml"),
    *load_examples(RULES / "states.yaml", "states"),
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: f"{each.rule}-{each.title}")
def test_a_rule_holds_for_its_examples_only(shared_place: Place, example: Example) -> None:
    with story(shared_place) as at:
        assert example.belongs == belongs(at.db, rulebook(), example)


def test_an_example_leaves_no_trace(shared_place: Place) -> None:
    tables = ("customer", "fact", "holding", "escalation", "follow", "group_member", "activity")
    with story(shared_place) as at:
        for example in EXAMPLES:
            belongs(at.db, rulebook(), example)
        rows = [at.db.value(f"SELECT count(*) FROM {each}") for each in tables]
    assert [0] * len(tables) == rows


@pytest.mark.parametrize(
    ("traits", "complaint"),
    [
        ({"asset": "1"}, "segments.yaml 第 7 行:例子里不认识 asset"),
        ({"assets": "很多"}, "第 7 行:例子里 assets 的值 '很多' 不对"),
        ({"spoke": "3天前"}, "第 7 行:例子里 spoke 的值"),
        ({"fact": "cash.nothing"}, "第 7 行:不认识事实类型 cash.nothing"),
        ({"fact": "cash.inflow", "in_days": "下周"}, "第 7 行:in_days 的值"),
    ],
)
def test_an_example_that_cannot_be_understood_is_told_with_its_line(
    shared_place: Place, traits: dict[str, str], complaint: str
) -> None:
    example = Example("prospect", "甲", True, traits, Line("segments.yaml", 7))  # noqa: FBT003  # a record
    with story(shared_place) as at, pytest.raises(Invalid, match=complaint):
        belongs(at.db, rulebook(), example)


def test_every_rule_has_an_example_and_a_counter_example() -> None:
    rules = [rule.name for rule in (*rulebook().segments, *rulebook().standing.states)]
    told = {(each.rule, each.belongs) for each in EXAMPLES}
    assert {(rule, belongs) for rule in rules for belongs in (True, False)} == told


def test_examples_use_the_traits_that_the_rule_files_explain() -> None:
    explained = "\n".join(
        (RULES / name).read_text(encoding="utf-8") for name in ("segments.yaml", "states.yaml")
    )
    comments = "\n".join(line for line in explained.splitlines() if line.startswith("#"))
    assert [trait for trait in (*TRAITS, "fact", "in_days") if trait not in comments] == []
