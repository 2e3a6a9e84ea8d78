"""The commands of ``qunguan rules`` as they are typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.__main__ import app

ROOT = Path(__file__).parents[2]
RUN = CliRunner()


def test_the_shipped_rules_pass_the_check() -> None:
    answer = RUN.invoke(app, ["rules", "check"])
    assert (0, True) == (answer.exit_code, "全部通过" in answer.stdout)


def test_a_mistake_ends_the_check_with_1_and_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "config", tmp_path / "config")
    with (tmp_path / "config/rules/frames-own.yaml").open("w", encoding="utf-8") as file:
        file.write("frames:\n  - {id: own, type: cash.inflow, any: ['(x']}\n")
    monkeypatch.setenv("QUNGUAN_CONFIG_DIR", str(tmp_path / "config"))
    answer = RUN.invoke(app, ["rules", "check"])
    assert 1 == answer.exit_code
    assert "[不通过] frames-own.yaml 第 2 行:any 里的「(x」写错了" in answer.stdout
    assert "有 1 处要改" in answer.stdout


def test_a_sentence_is_tried_with_its_moment_and_speaker() -> None:
    asked = ["rules", "try", "明天下午给我打个电话", "--sent-at", "2026-06-01"]
    answer = RUN.invoke(app, asked)
    assert (0, True) == (answer.exit_code, "6月2日" in answer.stdout)
    staff = RUN.invoke(app, [*asked, "--role", "staff"])
    assert "员工的话不读事实" in staff.stdout


@pytest.mark.parametrize("output", ["text", "json"])
def test_labelled_talk_is_scored_and_bad_lines_end_it_with_1(tmp_path: Path, output: str) -> None:
    talk = tmp_path / "talk.jsonl"
    good = {"id": 1, "sent_at": "2026-06-01T10:00:00+08:00", "text": "早", "facts": []}
    talk.write_text(f"\ufeff{json.dumps(good)}\n{{\n", encoding="utf-8")
    answer = RUN.invoke(app, ["rules", "score", str(talk), "--format", output])
    assert 1 == answer.exit_code
    assert "第 2 行:不是有效的 JSON" in answer.stderr
    if output == "json":
        assert 1 == json.loads(answer.stdout)["messages"]
    else:
        assert "没有错处" in answer.stdout
