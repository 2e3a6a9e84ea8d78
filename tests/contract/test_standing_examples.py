"""The rules that the product brings hold for their examples and not for the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from standing_story import ROOT, TRAITS, new_store, rulebook, story, tell

from handlers.rules import Example, load_examples

RULES = ROOT / "config" / "rules"
SEGMENTS = load_examples(RULES / "segments.yaml")
STATES = load_examples(RULES / "states.yaml", "states")


def named(example: Example) -> str:
    return f"{example.rule}-{example.title}"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_store(tmp_path_factory.mktemp("examples"))


@pytest.mark.parametrize("example", SEGMENTS, ids=named)
def test_a_segment_holds_for_its_examples_only(store: Path, example: Example) -> None:
    with story(store) as at:
        tell(at, "wmAnna", dict(example.traits))
        at.settle()
        assert example.belongs == (example.rule in at.segments("wmAnna"))


@pytest.mark.parametrize("example", STATES, ids=named)
def test_a_state_holds_for_its_examples_only(store: Path, example: Example) -> None:
    with story(store) as at:
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
