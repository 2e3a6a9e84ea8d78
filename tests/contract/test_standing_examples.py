"""The rules that the product brings hold for their examples and not for the others."""

from __future__ import annotations

import pytest
from backends import Place
from standing_story import ROOT, TRAITS, rulebook, story, tell

from handlers.rules import Example, load_examples

RULES = ROOT / "config" / "rules"
SEGMENTS = load_examples(RULES / "segments.yaml")
STATES = load_examples(RULES / "states.yaml", "states")


def named(example: Example) -> str:
    return f"{example.rule}-{example.title}"


@pytest.mark.parametrize("example", SEGMENTS, ids=named)
def test_a_segment_holds_for_its_examples_only(shared_place: Place, example: Example) -> None:
    with story(shared_place) as at:
        tell(at, "wmAnna", dict(example.traits))
        at.settle()
        assert example.belongs == (example.rule in at.segments("wmAnna"))


@pytest.mark.parametrize("example", STATES, ids=named)
def test_a_state_holds_for_its_examples_only(shared_place: Place, example: Example) -> None:
    with story(shared_place) as at:
        tell(at, "wmAnna", dict(example.traits))
        at.settle()
        assert example.belongs == (example.rule in at.states("wmAnna"))


def test_every_rule_has_an_example_and_a_counter_example() -> None:
    rules = [rule.name for rule in (*rulebook().segments, *rulebook().standing.states)]
    told = {(each.rule, each.belongs) for each in (*SEGMENTS, *STATES)}
    assert {(rule, belongs) for rule in rules for belongs in (True, False)} == told


def test_examples_use_the_traits_that_the_rule_files_explain() -> None:
    explained = "\n".join(
        (RULES / name).read_text(encoding="utf-8") for name in ("segments.yaml", "states.yaml")
    )
    comments = "\n".join(line for line in explained.splitlines() if line.startswith("#"))
    assert [trait for trait in (*TRAITS, "fact") if trait not in comments] == []
