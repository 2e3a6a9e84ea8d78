"""K11: a model only reads and tags; no word of it reaches a customer, and people see its mark."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from branch_world import build_branch

from bot.clock import FixedClock
from bot.facts import CONFIRM_BELOW, Evidence, Fact, FactType
from bot.model import ExternalUserId
from bot.modelreader import CONFIDENCE
from bot.rulebook import Rulebook
from bot.store import ledger
from bot.store.db import Database
from bot.store.ledger import Source
from bot.vault import Vault

ROOT = Path(__file__).parents[2]
READERS = {"bot/opening.py", "bot/errands/asking.py"}
"""The modules that know the model: one sets it up, one asks it and keeps facts."""
SPEAKS = {"bot.wecom", "scheduler.words", "scheduler.voice", "scheduler.campaigns", "bot.errands"}
"""What words for a customer pass through."""
WORD = "模型写的词"


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def test_K11_nothing_that_speaks_to_customers_knows_the_model() -> None:
    knowing = {
        file.relative_to(ROOT).as_posix()
        for folder in ("bot", "handlers", "scheduler")
        for file in (ROOT / folder).rglob("*.py")
        if "bot.modelreader" in set(imports(file))
    }
    assert knowing == READERS
    asked = set(imports(ROOT / "bot/errands/asking.py"))
    spoken = [each for each in asked if any(f"{each}.".startswith(f"{s}.") for s in SPEAKS)]
    assert spoken == []


def test_K11_what_a_model_says_waits_for_a_person() -> None:
    assert CONFIDENCE < CONFIRM_BELOW


@pytest.mark.parametrize("template", ["_fact.html", "_brief.html", "fact.html"])
def test_K11_wherever_a_reading_of_a_model_is_shown_it_is_marked(template: str) -> None:
    shown = (ROOT / "templates" / "console" / template).read_text("utf-8")
    assert ("startswith('model.')" in shown, "模型" in shown) == (True, True)


def test_K11_even_once_a_person_confirmed_it_no_word_of_a_model_stands_in_a_text(
    store: Database, vault: Vault, clock: FixedClock, rules: Rulebook
) -> None:
    branch = build_branch(store, vault, clock, rules)
    branch.meet("wm_a", birthday=(11, 24), layer="high", name="王秀兰")
    facts = (
        Fact(FactType.INFLOW, {"amount": 5, "source": WORD}, Evidence(0, 2, WORD), 0.5, "model.x"),
        Fact(FactType.OCCUPATION, {"trade": WORD}, Evidence(0, 2, WORD), 0.5, "model.x"),
        Fact(FactType.HOBBY, {"name": WORD}, Evidence(0, 2, WORD), 0.5, "model.x"),
    )
    for number, fact in enumerate(facts):
        source = Source(f"m{number}", clock.now())
        added = store.write(
            lambda db, fact=fact, source=source: ledger.add_fact(  # type: ignore[misc]  # defaults bind
                db, vault, ExternalUserId("wm_a"), fact, source
            )
        )
        assert added is not None
    statuses = store.read().rows("SELECT DISTINCT status FROM fact")
    assert [row["status"] for row in statuses] == ["pending"]
    store.write(lambda db: db.run("UPDATE fact SET status = 'confirmed'"))
    branch.plan()
    branch.send()
    (task,) = branch.wecom.tasks
    assert ("王" in task.text, WORD in task.text) == (True, False)
