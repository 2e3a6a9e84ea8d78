"""Praise and prompts: who reaches which line, and what of praise.yaml is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.errors import Invalid
from scheduler.messages import load_messages
from scheduler.praise import BASES, KINDS, PraiseRule, PraiseRules, load_praise

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "config" / "praise.yaml"
MESSAGES = load_messages(ROOT / "templates" / "messages")
NOTHING: dict[str, Any] = dict.fromkeys({*BASES, *BASES.values()} - {""}, 0)


def person(userid: str, branch: str = "东山支行", **figures: Any) -> dict[str, Any]:
    return NOTHING | {"userid": userid, "branch": branch} | figures


def rule(name: str = "talks", figure: str = "contacted", **more: Any) -> PraiseRule:
    usual: dict[str, Any] = {"least": 5, "most": None, "base": 0, "best": False}
    return PraiseRule(name, "praise", figure, words="praise_contacts", **usual | more)


def proposed(rules: list[PraiseRule], *people: dict[str, Any], each: int = 2) -> list[str]:
    found = PraiseRules(0, each, tuple(rules)).propose(people)
    return [f"{rule.name}:{who['userid']}" for rule, who in found]


def test_who_reaches_the_line_is_proposed_and_nobody_below_it() -> None:
    assert proposed([rule()], person("lin", contacted=5), person("zhou", contacted=4)) == [
        "talks:lin"
    ]


def test_the_best_is_the_best_of_each_branch_and_equals_share_it() -> None:
    people = [
        person("lin", contacted=9),
        person("zhou", contacted=9),
        person("he", contacted=8),
        person("wu", "西山支行", contacted=6),
    ]
    assert proposed([rule(best=True)], *people) == ["talks:lin", "talks:zhou", "talks:wu"]


def test_where_less_is_better_the_smallest_is_the_best() -> None:
    fast = rule("fast", "answer_minutes", most=10, base=3, best=True)
    people = [
        person("lin", answer_minutes=4, questions=3),
        person("zhou", answer_minutes=3, questions=2),
        person("he", answer_minutes=None, questions=0),
        person("wu", answer_minutes=11, questions=9),
    ]
    assert proposed([fast], *people) == ["fast:lin"]


def test_a_share_of_few_says_nothing() -> None:
    same_day = rule("same_day", "same_day_percent", least=100, base=5)
    people = [
        person("lin", same_day_percent=100, done=5),
        person("zhou", same_day_percent=100, done=4),
        person("he", same_day_percent=99, done=200),
    ]
    assert proposed([same_day], *people) == ["same_day:lin"]


def test_nobody_gets_more_cards_a_week_than_the_file_says_the_first_rules_first() -> None:
    rules = [rule("a"), rule("b"), rule("c")]
    assert proposed(rules, person("lin", contacted=5)) == ["a:lin", "b:lin"]


def test_the_shipped_rules_are_good_and_prompts_name_a_next_step() -> None:
    found = load_praise(SHIPPED, MESSAGES)
    assert (0, 2) == (found.weekday, found.each_a_week)
    assert {each.kind for each in found.rules} == set(KINDS)
    prompts = [MESSAGES[each.words].words for each in found.rules if each.kind == "prompt"]
    assert all("下一步:" in words for words in prompts)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("    at_least: 10\n", "", "at_least 和 at_most 要写一个"),
        ("figure: contacted", "figure: liked", "figure"),
        ("kind: prompt\n", "kind: blame\n", "kind"),
        ("name: same_day", "name: contacts", "重复"),
        ("words: praise_spoke", "words: praise_nothing", "praise_nothing"),
        ("words: praise_spoke", "words: staff_signups", "names"),
        ("weekday: 周一", "weekday: 星期一", "weekday"),
        ("    best: true\n", "    best: true\n    bset: true\n", "bset"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    file = tmp_path / "praise.yaml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(Invalid, match=r"praise\.yaml 第 \d+ 行") as wrong:
        load_praise(file, MESSAGES)
    assert told in str(wrong.value)


def test_rules_may_be_left_out_altogether(tmp_path: Path) -> None:
    file = tmp_path / "praise.yaml"
    file.write_text("weekday: 周五\neach_a_week: 1\n", encoding="utf-8")
    found = load_praise(file, MESSAGES)
    assert (found.weekday, found.rules) == (4, ())
