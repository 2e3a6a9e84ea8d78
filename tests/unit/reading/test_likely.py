"""What such words hardly ever tell waits for a person, whatever the rules read."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from small_rules import write_small_rules

from bot.errors import Invalid
from bot.facts import Fact, Speech
from bot.likelyfile import write_likely
from bot.proving import version_of
from bot.rulework import try_sentence
from handlers.reading import Reader, rules
from handlers.reading.likely import FILE, Likely, load

ROOT = Path(__file__).parents[3]
MONDAY = datetime(2026, 7, 6, 2, tzinfo=UTC)
OWN = [f"我工行有{sum_}万定期" for sum_ in (2, 3, 5, 8, 20)] * 60
OTHERS = [f"电影里演的 工行有{sum_}万定期被抢" for sum_ in (2, 3, 5, 8, 20)] * 60
HELD = {"type": "holding.other_bank", "value": {}}
MISREAD = "电影里演的 工行有9万定期被抢"


def taught(folder: Path) -> Path:
    """A few rules, and a check that learnt from a few lines."""
    config, talk = write_small_rules(folder / "config"), folder / "talk"
    talk.mkdir(exist_ok=True)
    lines = [{"text": text, "facts": [HELD]} for text in OWN]
    lines += [{"text": text, "facts": []} for text in OTHERS]
    written = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (talk / "talk_small.jsonl").write_text(written, encoding="utf-8")
    write_likely(talk, config)
    return config


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return taught(tmp_path)


def read(config: Path, text: str) -> list[Fact]:
    return Reader.load(config).read(Speech(text, MONDAY))


def test_what_such_words_hardly_ever_tell_waits_for_a_person(config: Path) -> None:
    (kept,), (held,) = read(config, "我工行有9万定期"), read(config, MISREAD)
    assert kept.settled
    assert not held.settled
    assert (kept.type, kept.rule, kept.version) == (held.type, held.rule, held.version)


def test_without_the_file_nothing_is_checked(config: Path) -> None:
    (config / FILE).unlink()
    (fact,) = read(config, MISREAD)
    assert fact.settled


def test_a_rule_that_came_after_the_learning_is_not_checked(config: Path) -> None:
    told = json.loads((config / FILE).read_text(encoding="utf-8"))
    told["frames"] = ["another.rule"]
    (config / FILE).write_text(json.dumps(told), encoding="utf-8")
    (fact,) = read(config, MISREAD)
    assert fact.settled


def test_the_same_lines_teach_the_same(config: Path, tmp_path: Path) -> None:
    again = taught(tmp_path)
    assert (config / FILE).read_bytes() == (again / FILE).read_bytes()


def test_nothing_is_learnt_from_sealed_talk(config: Path, tmp_path: Path) -> None:
    before = (config / FILE).read_bytes()
    (tmp_path / "talk/talk_sealed_x.jsonl").write_text("no line of talk", encoding="utf-8")
    write_likely(tmp_path / "talk", config)
    assert before == (config / FILE).read_bytes()


def test_trying_a_sentence_tells_what_held_a_reading_back(config: Path) -> None:
    told = "\n".join(try_sentence(MISREAD, config, ROOT / "templates", None, "customer"))
    assert "学来的核对留住了规则" in told
    assert "电影" in told
    calm = "\n".join(try_sentence("我工行有9万定期", config, ROOT / "templates", None, "customer"))
    assert "学来的核对" not in calm


def test_what_is_told_stands_where_ornaments_vanished(config: Path) -> None:
    said = "🎬\u200b电影里演的 工行有９万定期被抢"
    told = "\n".join(try_sentence(said, config, ROOT / "templates", None, "customer"))
    assert "学来的核对留住了规则" in told


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 0},
        {"pieces": "少"},
        {"types": {"no.type": {}}},
        {"types": {"cash.inflow": {"below": 2, "bias": 0, "step": 1, "weights": ""}}},
        {"frames": 3},
    ],
)
def test_a_broken_file_is_refused_with_what_to_do(config: Path, changed: dict[str, Any]) -> None:
    told = json.loads((config / FILE).read_text(encoding="utf-8"))
    (config / FILE).write_text(json.dumps({**told, **changed}), encoding="utf-8")
    with pytest.raises(Invalid, match=r"likely\.json 读不懂.*删去"):
        rules.load(config)


def test_another_file_is_another_version_of_the_rules(config: Path) -> None:
    before = version_of(config, ROOT / "templates")
    (config / FILE).unlink()
    assert before != version_of(config, ROOT / "templates")


# -- as shipped


@pytest.fixture(scope="module")
def shipped() -> Likely:
    found = load(ROOT / "config")
    assert found is not None
    return found


@pytest.mark.parametrize("text", ["早上跑步的人真多", "地铁上有人公放视频 烦死了"])
def test_the_shipped_check_holds_back_what_the_shipped_rules_misread(
    reader: Reader, text: str
) -> None:
    facts = reader.read(Speech(text, MONDAY))
    assert facts
    assert [] == [fact for fact in facts if fact.settled]


def test_no_example_of_a_shipped_rule_is_held_back(shipped: Likely, reader: Reader) -> None:
    held = []
    for frame in reader.rules.frames:
        for text in frame.examples:
            plain = reader.normaliser.plain(text).text
            if shipped.holds_back(frame.id, frame.type, plain, 0, len(plain)):
                held.append((frame.id, text))
    assert [] == held


@pytest.mark.parametrize("text", ["0000", "TD", "T", "退订", "拒收", "回T"])
def test_a_refusal_by_a_code_is_never_held_back(reader: Reader, text: str) -> None:
    (fact,) = reader.read(Speech(text, MONDAY))
    assert fact.settled


@pytest.mark.parametrize("between", ["\n", " "])
@pytest.mark.parametrize(
    "text", ["别再给我发广告了", "我工行有20万定期下月到期", "昨天排队排了两小时", "下个月儿子结婚"]
)
def test_what_stands_beside_a_fact_does_not_hold_it_back(
    reader: Reader, text: str, between: str
) -> None:
    chat = "今天菜场的鱼真新鲜 买了两条回来红烧 隔壁阿姨说打折 早上还下了一阵雨"
    facts = reader.read(Speech(between.join((chat, text, chat)), MONDAY))
    assert [True] == [fact.settled for fact in facts]


def test_a_copy_of_the_rules_without_the_check_reads_as_before(tmp_path: Path) -> None:
    config = Path(shutil.copytree(ROOT / "config", tmp_path / "config"))
    (config / FILE).unlink()
    assert any(fact.settled for fact in read(config, "早上跑步的人真多"))
