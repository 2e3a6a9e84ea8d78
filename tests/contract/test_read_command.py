"""``qunguan read`` and ``plan`` on odd input: the line is named, all the others are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.__main__ import app
from bot.errors import Invalid

RUN = CliRunner()
GOOD = '{"id":"%s","sent_at":"2026-06-01T10:00:00+08:00","text":"下月二十万到账"}'


def read(talk: bytes, folder: Path | None = None) -> Result:
    if folder is None:
        return RUN.invoke(app, ["read"], input=talk)
    (folder / "talk.jsonl").write_bytes(talk)
    return RUN.invoke(app, ["read", str(folder / "talk.jsonl")])


def ids(answer: Result) -> list[str]:
    return [json.loads(line)["id"] for line in answer.stdout_bytes.decode().splitlines()]


@pytest.mark.parametrize("by_file", [True, False], ids=["file", "input"])
def test_a_line_that_is_no_utf8_is_named_and_the_others_are_read(
    tmp_path: Path, *, by_file: bool
) -> None:
    first, last = ((GOOD % name).encode() for name in ("1", "3"))
    broken = (GOOD % "2").encode("gb18030")
    answer = read(b"\n".join([first, broken, last]), tmp_path if by_file else None)
    assert (1, ["1", "3"]) == (answer.exit_code, ids(answer))
    assert answer.stderr.startswith("第 2 行:不是 UTF-8")


@pytest.mark.parametrize("by_file", [True, False], ids=["file", "input"])
def test_a_mark_at_the_beginning_and_ends_of_windows_are_fine(
    tmp_path: Path, *, by_file: bool
) -> None:
    talk = "\ufeff" + GOOD % "1" + "\r\n\r\n" + GOOD % "2" + "\r\n"
    answer = read(talk.encode(), tmp_path if by_file else None)
    assert (0, ["1", "2"], "") == (answer.exit_code, ids(answer), answer.stderr)


def test_half_a_character_goes_out_as_it_came_in() -> None:
    answer = read((GOOD % r"\ud83d").encode())
    assert (0, ["\ud83d"]) == (answer.exit_code, ids(answer))


@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "2100-01-01", "9999-12-31"])
def test_a_day_out_of_reach_is_refused_in_words(day: str) -> None:
    answer = RUN.invoke(app, ["plan", "--on", day])
    assert "太远了" in str(answer.exception)


@pytest.mark.parametrize("command", ["read", "migrate"])
@pytest.mark.parametrize(
    ("name", "value"),
    [("QUNGUAN_PORT", "99999"), ("QUNGUAN_PORT", "many"), ("QUNGUAN_LOG_LEVEL", "loud")],
)
def test_a_setting_that_cannot_be_is_named(command: str, name: str, value: str) -> None:
    answer = RUN.invoke(app, [command], input="", env={name: value})
    assert (True, name in str(answer.exception)) == (isinstance(answer.exception, Invalid), True)


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = {
        "QUNGUAN_DATA_DIR": str(tmp_path / "file"),
        "QUNGUAN_SECRET_KEY": "a made-up secret of this test",
    }
    answer = RUN.invoke(app, ["plan", "--on", "2026-12-01"], env=settings)
    assert isinstance(answer.exception, Invalid)
    assert "请检查 QUNGUAN_DATA_DIR" in str(answer.exception)
