"""The closed schema: what the rules read fits it, and what does not fit is refused."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.errors import Invalid
from bot.facts import FactType
from bot.schema import SCHEMA, check_value

ROOT = Path(__file__).parents[3]
# Which family of labels names the options of a key.
FAMILIES = {
    ("work.occupation", "group"): "occupation",
    ("contact.request", "channel"): "reach",
    ("life.event", "kind"): "life",
    ("risk.churn", "kind"): "churn",
    ("interest.concern", "topic"): "concern",
    ("risk.complaint", "topic"): "complaint",
}


def labelled() -> list[tuple[str, Mapping[str, Any]]]:
    found = []
    for path in sorted((ROOT / "tests/data").glob("talk_*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            found += [(each["type"], each["value"]) for each in json.loads(line)["facts"]]
    return found


def test_the_labels_of_the_talk_fit_the_schema_but_for_what_is_barred() -> None:
    wrong = []
    facts = labelled()
    for kind, value in facts:
        try:
            check_value(FactType(kind), value)
        except Invalid as flaw:
            wrong.append(str(flaw))
    assert len(facts) > 900
    assert [each for each in wrong if "不得登记" not in each] == []
    assert len(wrong) <= 3


def test_every_option_has_a_word_on_screen() -> None:
    labels = yaml.load((ROOT / "templates/labels.yaml").read_text("utf-8"), yaml.BaseLoader)
    missing = [
        (kind, name, option)
        for kind, keys in SCHEMA.items()
        for name, key in keys.items()
        for option in key.options
        if kind is not FactType.HOBBY
        and option not in labels[FAMILIES.get((kind.value, name), name)]
    ]
    assert missing == []
    assert {name for keys in SCHEMA.values() for name in keys} <= {
        *labels["fact_key"], "amount", "date_from", "date_to"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("interest.hobby", {"name": "赌博"}, "name 应当是 读书"),
        ("interest.hobby", {}, "至少要写明 name"),
        ("interest.hobby", {"topic": "x"}, "没有 topic 这一项"),
        ("cash.inflow", {"amount": "20万"}, "amount 应当是 1 到"),
        ("cash.inflow", {"amount": True}, "amount 应当是"),
        ("cash.inflow", {"amount": 0}, "amount 应当是"),
        ("cash.inflow", {"date_from": "2026-2-3"}, "date_from 应当是日期"),
        ("cash.inflow", {"date_from": "2026-02-30"}, "date_from 应当是日期"),
        ("cash.inflow", {"date_from": "2026-03-02", "date_to": "2026-03-01"}, "不能晚于"),
        ("cash.inflow", {"source": "教会奉献"}, "不得登记"),
        ("cash.outflow", {"purpose": "化疗"}, "不得登记"),
        ("cash.outflow", {"purpose": "很" * 21}, "一到 20 个字"),
        ("person.birthday", {"month": 13}, "month 应当是 1 到 12"),
        ("work.occupation", {"area_mu": -1}, "area_mu 应当是 0 到"),
    ],
)
def test_what_does_not_fit_is_refused_and_named(
    kind: str, value: dict[str, Any], told: str
) -> None:
    with pytest.raises(Invalid, match=told) as refused:
        check_value(FactType(kind), value)
    assert not any(str(each) in str(refused.value) for each in ("赌博", "20万", "教会奉献", "化疗"))


def test_a_change_is_checked_alone_and_gives_the_whole_value() -> None:
    kept = {"purpose": "手术", "amount": 100, "date_to": "2026-03-01"}
    change = {"amount": 200, "date_to": None}
    assert check_value(FactType.OUTFLOW, change, kept) == {"purpose": "手术", "amount": 200}
    with pytest.raises(Invalid, match="不能晚于"):
        check_value(FactType.OUTFLOW, {"date_from": "2026-03-02"}, kept)
