"""Every duty has a test that is named after it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

TESTS = Path(__file__).parents[1]
_ID = re.compile(r"(?<=_)[A-Z]\d{1,2}(?=_)")


def named() -> Iterator[str]:
    """The ids in the names of all tests."""
    for file in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield from _ID.findall(node.name.upper())


def test_every_duty_has_a_test_that_is_named_after_it() -> None:
    duties = yaml.safe_load((TESTS / "data" / "duties.yaml").read_text("utf-8"))
    assert sorted(set(duties) - set(named())) == []


def test_every_rule_of_the_gate_is_a_duty() -> None:
    duties = yaml.safe_load((TESTS / "data" / "duties.yaml").read_text("utf-8"))
    source = (TESTS.parent / "scheduler" / "gate.py").read_text("utf-8")
    stops = re.findall(r"def ([gf]\d+)_", source)
    assert {each.upper() for each in stops} - set(duties) == set()
