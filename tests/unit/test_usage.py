"""What a wrong command line is answered with: Chinese, and what to write instead."""

from __future__ import annotations

import re

import pytest

from bot import usage
from bot.__main__ import app


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("plan --on 2026-13-01", "--on 的值不对:「2026-13-01」不是日期,请写成 2026-12-01"),
        ("plan --on 2026-12-01 --format xml", "「xml」不能用,请填"),
        ("plan", "少了 --on,请补上"),
        ("plan --on", "--on 后面要写内容"),
        ("plan --on 2026-12-01 x", "多了 x"),
        ("plan --no", "没有 --no 这个选项"),
        ("read --expressions=1", "--expressions 后面不写内容"),
        ("read /nowhere/at-all", "没有「/nowhere/at-all」这个文件"),
        ("read /", "「/」是文件夹"),
        ("erase", "少了 external_userid,请补上"),
        ("demo --port many", "--port 的值不对:"),
        ("demo --port 99999", "--port 的值不对:"),
        ("dance", "没有 dance 这个命令"),
        ("rules dance", "没有 dance 这个命令"),
    ],
)
def test_a_wrong_command_line_is_told_in_chinese(line: str, words: str) -> None:
    with pytest.raises(Exception) as wrong:  # noqa: PT011  # its class is the library's own affair
        app(line.split(), standalone_mode=False)
    told = usage.told(wrong.value) or ""
    assert told.startswith("出错:")
    assert words in told
    assert "--help" in told
    assert not re.search(r"[A-Za-z]+ [a-z]+ [a-z]+", told.partition("。用法见")[0])


def test_an_error_of_the_program_is_none_of_the_command_line() -> None:
    assert usage.told(OSError("disk")) is None
