"""Every rule carries examples and counter-examples; all of them are tests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.errors import Invalid
from bot.facts import Speech
from handlers.reading import Reader, rules

CONFIG = Path(__file__).parents[3] / "config"
RULES = rules.load(CONFIG)
MONDAY = datetime(2026, 7, 6, 2, 0, tzinfo=UTC)
EXAMPLES = [(frame.id, text) for frame in RULES.frames for text in frame.examples]
COUNTERS = [(frame.id, text) for frame in RULES.frames for text in frame.counter]
FRAMES = {frame.id: frame for frame in RULES.frames}


@pytest.mark.parametrize(("rule", "text"), EXAMPLES)
def test_an_example_is_read_as_its_rule_says(reader: Reader, rule: str, text: str) -> None:
    frame = FRAMES[rule]
    found = [fact for fact in reader.read(Speech(text, MONDAY)) if fact.type is frame.type]
    assert any(frame.value.items() <= fact.value.items() for fact in found)


@pytest.mark.parametrize(("rule", "text"), COUNTERS)
def test_a_counter_example_is_not_read_by_its_rule(reader: Reader, rule: str, text: str) -> None:
    assert rule not in {fact.rule for fact in reader.read(Speech(text, MONDAY))}


def test_every_rule_has_a_version_an_example_and_a_counter_example() -> None:
    whole = [frame for frame in RULES.frames if frame.version and frame.examples and frame.counter]
    assert [frame.id for frame in RULES.frames] == [frame.id for frame in whole]


def test_every_expression_compiles() -> None:
    assert [] == list(rules.compile_all(RULES))


def copy_of_config(folder: Path, frames: str) -> Path:
    (folder / "lexicon").mkdir()
    (folder / "rules").mkdir()
    (folder / "lexicon" / "words.yaml").write_text("bank:\n  工商银行: 工行\n", encoding="utf-8")
    (folder / "rules" / "frames.yaml").write_text(frames, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("{id: a, type: cash.inflow, any: ['{nowhere}']}", "第 2 行.*nowhere"),
        ("{id: a, type: cash.nothing, any: ['x']}", "第 2 行.*cash.nothing"),
        ("{id: a, type: cash.inflow, any: ['(x']}", "第 2 行.*括号"),
        ("{id: a, type: cash.inflow, any: ['x'], colour: red}", "第 2 行.*colour"),
        ("{type: cash.inflow, any: ['x']}", "第 2 行.*id"),
        ("{id: [", "frames.yaml 第 2 行|frames.yaml 第 3 行"),
    ],
)
def test_a_broken_rule_is_refused_with_its_line(tmp_path: Path, entry: str, complaint: str) -> None:
    folder = copy_of_config(tmp_path, f"frames:\n  - {entry}\n")
    with pytest.raises(Invalid, match=complaint):
        rules.load(folder)


def test_two_rules_of_one_id_are_refused(tmp_path: Path) -> None:
    rule = "  - {id: a, type: cash.inflow, any: ['x']}\n"
    with pytest.raises(Invalid, match="重复"):
        rules.load(copy_of_config(tmp_path, f"frames:\n{rule}{rule}"))


def test_a_branch_can_add_its_own_rule(tmp_path: Path) -> None:
    folder = copy_of_config(
        tmp_path,
        "frames:\n  - {id: own, type: product.interest, value: {product: gold}, any: ['金豆']}\n",
    )
    facts = Reader.load(folder).read(Speech("有金豆没", MONDAY))
    assert [("own", {"product": "gold"})] == [(fact.rule, fact.value) for fact in facts]
