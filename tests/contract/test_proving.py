"""What is wrong with a copy of the rules is told with file, line and fix, all of it at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bot.proving import Proof, prove, version_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Copies of ``config`` and ``templates`` to change."""
    for name in ("config", "templates"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path / "config", tmp_path / "templates"


def change(file: Path, old: str, new: str) -> int:
    """Write a mistake; the number of its line."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return text.partition(old)[0].count("\n") + 1


def test_the_shipped_rules_are_good() -> None:
    proof = prove(ROOT / "config", ROOT / "templates")
    assert () == proof.problems
    assert proof.book is not None
    assert proof.reader is not None
    assert all(count > 0 for count in proof.counts.values())


@pytest.mark.parametrize(
    ("file", "old", "new", "fix"),
    [
        ("rules/frames-money.yaml", "need: [amount, date]", "need: [amount, day]", "可用的有"),
        ("rules/frames-guards.yaml", "scope: before", "scope: above", "scope 应为"),
        ("lexicon/desk.yaml", "clerk: 柜员", "clerk: 坐班的 {clerks}", "没有定义"),
        ("rules/segments.yaml", "group: [business_owner", "group: [owner", "请从这些里选"),
        ("rules/segments.yaml", "{assets: 40000}", "{assets: 4}", "应当属于 near_line"),
        ("rules/segments.yaml", "{assets: 50000}", "{assets: 49999}", "不应属于 near_line"),
        ("rules/segments.yaml", "{assets: 40000}", "{asset: 40000}", "例子里不认识 asset"),
        ("rules/states.yaml", "昨天加好友: {added: 1}", "昨天加好友: {added: 99}", "应当属于 new"),
        ("rules/states.yaml", "half_life_days: 14", "half_life_days: 0", "1 到 60"),
        ("rules/ledger.yaml", "column: phone", "column: mobile", "请从这些里选"),
        ("rules/tags.yaml", "large_cd: 大额存单", "large: 大额存单", "不认识 large"),
        ("rules/escalation.yaml", "complaint:", "complaints:", "不认识 complaints"),
        ("rules/escalation.yaml", "[time_deposit", "[deposit", "请从这些里选"),
        ("thresholds.yaml", "feb29: feb28", "feb29: feb30", "feb28、mar1"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_fix(
    folders: tuple[Path, Path], file: str, old: str, new: str, fix: str
) -> None:
    line = change(folders[0] / file, old, new)
    (problem,) = prove(*folders).problems
    assert problem.startswith(f"{Path(file).name} 第 {line} 行:")
    assert fix in problem


def test_mistakes_of_several_files_are_told_together(folders: tuple[Path, Path]) -> None:
    config, templates = folders
    change(config / "rules/frames-money.yaml", "need: [amount, date]", "need: [day]")
    change(config / "rules/frames-work.yaml", "type: work.occupation", "type: work.nothing")
    change(config / "thresholds.yaml", "feb29: feb28", "feb29: feb30")
    change(config / "rules/segments.yaml", "tag: true", "tag: maybe")
    change(templates / "labels.yaml", "time_deposit: 定期存款", "time_deposit:")
    told = [problem.partition(" ")[0] for problem in prove(config, templates).problems]
    assert [
        "frames-money.yaml",
        "frames-work.yaml",
        "thresholds.yaml",
        "segments.yaml",
        "labels.yaml",
    ] == told


def test_a_segment_without_examples_is_told(folders: tuple[Path, Path]) -> None:
    line = change(
        folders[0] / "rules/segments.yaml",
        "key_person:\n  label: 关键人",
        "own:\n  label: 自己的\n  version: 1\n  tag: false\n  any:\n    prospect: true\n\n"
        "key_person:\n  label: 关键人",
    )
    lacking = [f"segments.yaml 第 {line} 行:own 缺少 {each}" for each in _FAMILIES]
    assert lacking == [each.partition(",")[0] for each in prove(*folders).problems]


_FAMILIES = ("examples", "counter_examples")


def test_the_version_follows_the_content_and_nothing_else(folders: tuple[Path, Path]) -> None:
    config, templates = folders
    before = version_of(config, templates)
    words = config / "lexicon/desk.yaml"
    words.touch()
    (config / "notes.txt").write_text("x", encoding="utf-8")
    assert before == version_of(config, templates)
    change(words, "clerk: 柜员", "clerk: 坐班的 柜员")
    assert before != version_of(config, templates)


def test_a_proof_without_problems_reads_by_the_changed_words(folders: tuple[Path, Path]) -> None:
    change(folders[0] / "lexicon/desk.yaml", "clerk: 柜员", "clerk: 坐班的 柜员")
    proof: Proof = prove(*folders)
    assert proof.reader is not None
    assert "坐班的" in proof.reader.rules.words["clerk"]
