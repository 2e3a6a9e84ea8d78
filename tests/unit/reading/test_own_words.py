"""A branch adds a hobby, a crop, a bank of the place and a whole way of saying, without code."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.errors import Invalid
from bot.facts import FactType, Speech
from handlers.reading import Reader, rules
from handlers.reading.examples import mistakes

ROOT = Path(__file__).parents[3]
MONDAY = datetime(2026, 7, 6, 2, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of the rules to change."""
    return Path(shutil.copytree(ROOT / "config", tmp_path / "config"))


def add(file: Path, name: str, line: str) -> None:
    """Put a line below the head of a word class."""
    text = file.read_text(encoding="utf-8")
    changed, places = re.subn(rf"(?m)^({name}:.*)$", rf"\1\n  {line}", text)
    assert 1 == places
    file.write_text(changed, encoding="utf-8")


def read(config: Path, text: str) -> list[tuple[FactType, dict[str, Any]]]:
    return [(fact.type, fact.value) for fact in Reader.load(config).read(Speech(text, MONDAY))]


def test_a_branch_adds_a_hobby(config: Path) -> None:
    add(config / "lexicon/words.yaml", "hobby", "掷瓦: 掷瓦 掷瓦片")
    assert [(FactType.HOBBY, {"name": "掷瓦"})] == read(config, "周末就爱去河边掷瓦片")


def test_a_branch_adds_a_crop(config: Path) -> None:
    add(config / "lexicon/words.yaml", "crop", "玉露参")
    value = {"group": "farmer", "trade": "玉露参", "area_mu": 8}
    assert [(FactType.OCCUPATION, value)] == read(config, "我种了八亩玉露参")


def test_a_branch_adds_a_bank_of_the_place(config: Path) -> None:
    add(config / "lexicon/money.yaml", "bank", "临溪农信社: 临溪农信社 临溪信社")
    value = {
        "bank": "临溪农信社",
        "product": "time_deposit",
        "amount": 200_000,
        "date_from": "2026-08-01",
        "date_to": "2026-08-31",
    }
    assert [(FactType.OTHER_BANK, value)] == read(config, "我在临溪信社有二十万定期 8月到期")


FRAME = """
frames:
  - id: own.asleep
    type: {type}
    version: 2
    value: {{kind: dormant}}
    any: ['(折子|卡)~6(喂老鼠|压樟木箱)']
    examples: ['你们的折子早就喂老鼠了']
    counter: ['折子压樟木箱里才放心']
    unless: ['放心']
"""


def test_a_branch_adds_a_whole_frame_of_a_type_that_there_is(config: Path) -> None:
    said = "那张卡压樟木箱好些年"
    assert [] == read(config, said)
    frames = config / "rules/frames-own.yaml"
    frames.write_text(FRAME.format(type="risk.churn"), encoding="utf-8")
    reader = Reader.load(config)
    (fact,) = reader.read(Speech(said, MONDAY))
    assert (FactType.CHURN, "own.asleep", "2") == (fact.type, fact.rule, fact.version)
    assert {"kind": "dormant"} == fact.value
    assert [] == list(mistakes(reader))


def test_a_frame_of_a_type_of_its_own_is_refused_with_the_types_that_there_are(
    config: Path,
) -> None:
    frames = config / "rules/frames-own.yaml"
    frames.write_text(FRAME.format(type="risk.asleep"), encoding="utf-8")
    with pytest.raises(Invalid, match=r"frames-own.yaml 第 4 行.*risk\.asleep.*risk\.churn"):
        rules.load(config)
