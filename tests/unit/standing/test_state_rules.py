"""The rules of standing: decay, score lines, and the answers to mistakes in the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import Invalid
from bot.model import Layer
from handlers.ledger_fields import load_ledger
from handlers.rules import load_examples, load_segments, selecting
from handlers.states import (
    SCORE_DAYS,
    ActiveLine,
    ScoreLine,
    StandingRules,
    days_until_turn,
    decay,
    load_states,
)

CONFIG = Path(__file__).parents[3] / "config" / "rules"
LINE = ActiveLine(messages=5, days=3, window_days=7)
CALM = settings(deadline=None, derandomize=True, database=None)


def changed(folder: Path, file: str, old: str, new: str) -> Path:
    text = (CONFIG / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder / file


def shipped() -> StandingRules:
    return load_states(CONFIG / "states.yaml", LINE)


# -- decay


def test_half_of_the_points_are_left_after_a_half_life() -> None:
    shares = decay(14)
    assert (1000, 500, 250, 125) == (
        shares[0],
        shares[14],
        shares[28],
        shares[42],
    )  # expected first


@pytest.mark.parametrize("half_life", [1, 7, 14, 30, 60])
def test_points_only_ever_decay(half_life: int) -> None:
    shares = decay(half_life)
    assert sorted(shares, reverse=True) == list(shares)
    assert len(shares) == SCORE_DAYS


def plain_score(points: list[tuple[int, int]], ahead: int) -> int:
    shares = decay(14)
    ages = [(age + ahead, each) for age, each in points]
    return sum(each * shares[age] for age, each in ages if 0 <= age < SCORE_DAYS) // 1000


def holds(points: list[tuple[int, int]], line: ScoreLine, ahead: int) -> bool:
    above = plain_score(points, ahead) >= line.line
    if not line.within:
        return above
    return above and plain_score(points, ahead - line.within) < line.line


@settings(CALM, max_examples=300)
@given(
    points=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 12)), max_size=15),
    lines=st.lists(
        st.builds(ScoreLine, st.integers(1, 90), st.sampled_from((0, 3, 7, 30))),
        min_size=1,
        max_size=3,
    ),
)
def test_the_next_turn_of_a_score_line_is_the_first_day_that_differs(
    points: list[tuple[int, int]], lines: list[ScoreLine]
) -> None:
    today = [holds(points, line, 0) for line in lines]
    differing = (
        ahead for ahead in range(1, 200) if [holds(points, line, ahead) for line in lines] != today
    )
    expected = next(differing, None)
    found = days_until_turn(points, decay(14), lines)
    # A look may come early, when a score falls to a line that the rule had left before.
    assert expected is None or (found is not None and found <= expected)
    if all(not line.within for line in lines):
        assert expected == found


# -- questions


@pytest.mark.parametrize("text", ["利率多少", "能办吗", "怎么开通", "在哪里?", "ok?"])
def test_a_line_with_a_mark_of_a_question_asks(text: str) -> None:
    assert shipped().asks(text)


@pytest.mark.parametrize("text", ["好的", "", "明天见"])
def test_other_lines_ask_nothing(text: str) -> None:
    assert not shipped().asks(text)


# -- mistakes


def read_states(path: Path) -> object:
    return load_states(path, LINE)


@pytest.mark.parametrize(
    ("file", "read", "old", "new", "told"),
    [
        ("states.yaml", read_states, "  lurking:\n", "  sleeping:\n", "不认识状态 sleeping"),
        ("states.yaml", read_states, "grouped_for: 14\n", "grouped: 14\n", "不认识 grouped"),
        ("states.yaml", read_states, "      active: true", "      active: false", "只能写 true"),
        ("states.yaml", read_states, "states: [active, core]", "states: [new]", "new 要写在前面"),
        ("states.yaml", read_states, "        until: 90", "        until: 14", "until"),
        ("states.yaml", read_states, "half_life_days: 14", "half_life_days: 0", "half_life_days"),
        ("states.yaml", read_states, "facts: [product.interest", "facts: [product.hope", "hope"),
        (
            "segments.yaml",
            load_segments,
            "    near_line: true",
            "    near_line: false",
            "只能写 true",
        ),
        ("segments.yaml", load_segments, "差得还远: {assets: 39999}", "差: [1]", "差"),
        ("ledger.yaml", load_ledger, "  middle: 70", "  median: 70", "不认识分层 median"),
        ("ledger.yaml", load_ledger, "column: phone", "column: fax", "fax"),
        ("ledger.yaml", load_ledger, "    column: address\n", "", "没有来源"),
    ],
)
def test_a_mistake_is_answered_with_its_place(
    tmp_path: Path, file: str, read: Callable[[Path], object], old: str, new: str, told: str
) -> None:
    path = changed(tmp_path, file, old, new)
    with pytest.raises(Invalid, match=rf"{file} 第 \d+ 行:.*{told}"):
        read(path)


def test_a_segment_on_sensitive_facts_cannot_carry_a_tag(tmp_path: Path) -> None:
    path = changed(
        tmp_path,
        "segments.yaml",
        "tag: false\n  people_only: true",
        "tag: true\n  people_only: true",
    )
    with pytest.raises(Invalid, match="不能打标签"):
        load_segments(path)


# -- what is shipped


def test_segments_for_people_only_select_nobody() -> None:
    rules = load_segments(CONFIG / "segments.yaml")
    assert {rule.name for rule in rules} - selecting(rules) == {"parents", "competitor_maturity"}


def test_every_predicate_outside_people_only_segments_reads_ordinary_facts_alone() -> None:
    for rule in load_segments(CONFIG / "segments.yaml"):
        read, ordinary = rule.where.count("FROM fact"), rule.where.count("f.class = 'ordinary'")
        assert rule.people_only or read == ordinary


def test_the_contact_class_reads_ordinary_facts_alone() -> None:
    found = shipped().contact_class
    assert found.count("FROM fact") == found.count("f.class = 'ordinary'")


def test_examples_say_for_which_rule_they_stand() -> None:
    found = [each for each in load_examples(CONFIG / "segments.yaml") if each.rule == "prospect"]
    assert [(each.title, each.belongs) for each in found] == [
        ("名单上的潜在户", True),
        ("只是关键人", False),
    ]


def test_the_targets_are_those_of_the_bank() -> None:
    targets = load_ledger(CONFIG / "ledger.yaml").targets
    assert targets == {Layer.MIDDLE: 70, Layer.HIGH: 100, Layer.PRIVATE: 100}
