"""Whole messages with their labels: what the rules have learned must not be lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.facts import Speech
from handlers.reading import Reader

TALK = Path(__file__).parents[2] / "data" / "talk_dev.jsonl"
EXTRA_KEYS_THAT_COST = {"amount", "date_from", "date_to", "count"}
WORDS = {"trade", "source", "purpose"}


def same(key: str, one: Any, other: Any) -> bool:
    return (one in other or other in one) if key in WORDS else one == other


def matches(wanted: dict[str, Any], found: dict[str, Any]) -> bool:
    value, read = wanted["value"], found["value"]
    return (
        wanted["type"] == found["type"]
        and all(key in read and same(key, item, read[key]) for key, item in value.items())
        and not EXTRA_KEYS_THAT_COST & (set(read) - set(value))
    )


def scored(reader: Reader) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]], int]]:
    """For each message: what was wanted, what was read, and how many of them are the same."""
    for line in TALK.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        facts = reader.read(Speech(entry["text"], datetime.fromisoformat(entry["sent_at"])))
        found = [{"type": str(f.type), "value": f.value} for f in facts if f.settled]
        left = list(found)
        hits = 0
        for wanted in entry["facts"]:
            partner = next((fact for fact in left if matches(wanted, fact)), None)
            if partner is not None:
                left.remove(partner)
                hits += 1
        yield entry["facts"], found, hits


def test_what_was_learned_is_still_read(reader: Reader) -> None:
    wanted = found = hits = 0
    for facts, read, same_ones in scored(reader):
        wanted, found, hits = wanted + len(facts), found + len(read), hits + same_ones
    assert 2 * hits / (wanted + found) >= 0.95


def test_lines_without_facts_stay_without(reader: Reader) -> None:
    empty = [found for facts, found, _ in scored(reader) if not facts]
    assert sum(len(found) for found in empty) <= len(empty) / 100


def test_no_refusal_of_contact_is_missed(reader: Reader) -> None:
    refusals = [
        (facts, found)
        for facts, found, _ in scored(reader)
        if any(fact["type"] == "consent.opt_out" for fact in facts)
    ]
    heard = [f for _, f in refusals if any(fact["type"] == "consent.opt_out" for fact in f)]
    assert len(heard) / len(refusals) >= 0.98
