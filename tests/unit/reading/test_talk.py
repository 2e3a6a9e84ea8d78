"""Whole messages with their labels: what the rules have learned must not be lost."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from bot.facts import Speech
from handlers.reading import Reader
from handlers.reading.scoring import Line, Score, score

DATA = Path(__file__).parents[2] / "data"


def lines(reader: Reader, name: str) -> list[Line]:
    found = []
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        facts = reader.read(Speech(entry["text"], datetime.fromisoformat(entry["sent_at"])))
        read = [{"type": str(fact.type), "value": fact.value} for fact in facts if fact.settled]
        found.append(Line(entry["id"], entry["text"], entry["facts"], read))
    return found


@pytest.fixture(scope="module")
def talk(reader: Reader) -> list[Line]:
    return lines(reader, "talk_dev.jsonl")


@pytest.fixture(scope="module")
def refusals(reader: Reader) -> list[Line]:
    return lines(reader, "talk_refusals.jsonl")


@pytest.fixture(scope="module")
def figures(talk: list[Line]) -> Score:
    return score(talk)


def test_what_was_learned_is_still_read(figures: Score) -> None:
    assert (figures.micro.f1 or 0) >= 0.95


def test_lines_without_facts_stay_without(figures: Score) -> None:
    assert (figures.false_per_100_empty or 0) <= 1


def test_money_that_comes_goes_or_lies_somewhere_is_still_read(reader: Reader) -> None:
    figures = score(lines(reader, "talk_money.jsonl"))
    assert (figures.micro.precision or 0) >= 0.97
    assert (figures.micro.recall or 0) >= 0.97


def test_the_business_of_others_hearsay_and_prices_stay_without_facts(reader: Reader) -> None:
    figures = score(lines(reader, "talk_hand_p.jsonl"))
    assert (figures.false_per_100_empty or 0) <= 1
    assert (figures.micro.precision or 0) >= 0.95


def test_no_refusal_of_contact_is_missed(talk: list[Line], refusals: list[Line]) -> None:
    for each in (talk, refusals):
        meant = [line for line in each if _refused(line.wanted)]
        heard = [line for line in meant if _refused(line.read)]
        assert len(heard) / len(meant) >= 0.98


def test_what_only_looks_like_a_refusal_is_none(refusals: list[Line]) -> None:
    heard = [line for line in refusals if _refused(line.read)]
    right = [line for line in heard if _refused(line.read) == _refused(line.wanted)]
    assert len(right) / len(heard) >= 0.95


def _refused(facts: object) -> list[object]:
    assert isinstance(facts, list)
    return [fact["value"] for fact in facts if fact["type"] == "consent.opt_out"]
