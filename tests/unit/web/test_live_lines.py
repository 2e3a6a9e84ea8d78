"""The live page has a sentence of its own for everything that is noted, and words for its slugs."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import yaml

from bot.web.console.telling import FAMILIES

ROOT = Path(__file__).parents[3]
LINES = (ROOT / "templates/console/_line.html").read_text(encoding="utf-8")


def noted() -> Iterator[str]:
    """Every kind that the program writes into the journal by name."""
    for file in (ROOT / "bot").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            if isinstance(node.func, ast.Attribute) and node.func.attr == "note":
                kinds = (each for each in ast.walk(node.args[1]) if isinstance(each, ast.Constant))
                yield from (each.value for each in kinds if isinstance(each.value, str))


def test_whatever_is_noted_has_a_sentence_in_chinese() -> None:
    kinds = {kind for kind in noted() if kind.isidentifier() and not kind.endswith("_")}
    kinds |= {kind for family in FAMILIES.values() for kind in family}
    assert len(kinds) > 40
    assert [] == sorted(kind for kind in kinds if f"'{kind}'" not in LINES)


def test_every_outcome_of_a_sign_up_has_words() -> None:
    words = yaml.safe_load((ROOT / "templates/labels.yaml").read_text(encoding="utf-8"))
    outcomes = {"going", "waiting", "full", "closed", "off", "came", "come", "cancel", "here"}
    buttons = {"add", "cancel", "came", "spoke", "silent", "code", "cancelled"}
    assert outcomes | buttons == set(words["signup_told"])
