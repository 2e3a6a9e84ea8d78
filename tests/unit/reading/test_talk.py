"""Whole messages with their labels: what the rules have learned must not be lost."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from bot.facts import Speech
from handlers.reading import Reader
from handlers.reading.scoring import Line, Score, score

TALK = Path(__file__).parents[2] / "data" / "talk_dev.jsonl"


@pytest.fixture(scope="module")
def talk(reader: Reader) -> list[Line]:
    found = []
    for line in TALK.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        facts = reader.read(Speech(entry["text"], datetime.fromisoformat(entry["sent_at"])))
        read = [{"type": str(fact.type), "value": fact.value} for fact in facts if fact.settled]
        found.append(Line(entry["id"], entry["text"], entry["facts"], read))
    return found


@pytest.fixture(scope="module")
def figures(talk: list[Line]) -> Score:
    return score(talk)


def test_what_was_learned_is_still_read(figures: Score) -> None:
    assert (figures.micro.f1 or 0) >= 0.95


def test_lines_without_facts_stay_without(figures: Score) -> None:
    assert (figures.false_per_100_empty or 0) <= 1


def test_no_refusal_of_contact_is_missed(talk: list[Line]) -> None:
    refusals = [each for each in talk if _refuses(each.wanted)]
    heard = [each for each in refusals if _refuses(each.read)]
    assert len(heard) / len(refusals) >= 0.98


def _refuses(facts: object) -> bool:
    assert isinstance(facts, list)
    return any(fact["type"] == "consent.opt_out" for fact in facts)
