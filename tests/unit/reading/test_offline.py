from __future__ import annotations

import json
from typing import Any

import pytest

from handlers.reading import Reader
from handlers.reading.offline import read_lines


def line(number: int, text: str, **more: str) -> str:
    at = more.pop("at", "2026-07-06T10:00:00+08:00")
    return json.dumps({"id": number, "sent_at": at, "text": text, **more}, ensure_ascii=False)


def run(reader: Reader, *lines: str, expressions: bool = False) -> tuple[list[Any], list[Any]]:
    problems: list[tuple[int, str]] = []
    out = read_lines(
        lines, reader, expressions=expressions, on_error=lambda n, why: problems.append((n, why))
    )
    return [json.loads(entry) for entry in out], problems


def test_each_line_gets_its_facts(reader: Reader) -> None:
    out, problems = run(reader, line(1, "别再给我发广告了"), line(2, "早啊"))
    assert [] == problems
    assert [(1, ["consent.opt_out"]), (2, [])] == [
        (entry["id"], [fact["type"] for fact in entry["facts"]]) for entry in out
    ]


def test_a_bad_line_is_reported_and_the_others_are_read(reader: Reader) -> None:
    out, problems = run(
        reader, line(1, "早"), "{", line(2, "早", at="gestern"), "[]", "", line(3, "早")
    )
    assert ([1, 3], [2, 3, 4]) == ([e["id"] for e in out], [number for number, _ in problems])


def test_lines_of_one_speaker_within_a_minute_are_one_thought(reader: Reader) -> None:
    first = line(1, "工行那二十万", chat="c", at="2026-07-06T10:00:00+08:00", **{"from": "a"})
    second = line(2, "下个月到期", chat="c", at="2026-07-06T10:00:40+08:00", **{"from": "a"})
    out, _ = run(reader, first, second)
    value = out[1]["facts"][0]["value"]
    assert ("工商银行", 200_000, "2026-08-01") == (
        value["bank"],
        value["amount"],
        value["date_from"],
    )


def test_what_is_said_again_in_the_next_line_is_heard_in_both(reader: Reader) -> None:
    first = line(1, "我爱钓鱼", chat="c", at="2026-07-06T10:00:00+08:00", **{"from": "a"})
    again = line(2, "我爱钓鱼", chat="c", at="2026-07-06T10:00:20+08:00", **{"from": "a"})
    out, _ = run(reader, first, again)
    assert [[fact["value"] for fact in one["facts"]] for one in out] == [[{"name": "钓鱼"}]] * 2


def test_other_speakers_and_later_lines_are_other_thoughts(reader: Reader) -> None:
    first = line(1, "工行那二十万", chat="c", at="2026-07-06T10:00:00+08:00", **{"from": "a"})
    other = line(2, "下个月到期", chat="c", at="2026-07-06T10:00:40+08:00", **{"from": "b"})
    later = line(3, "下个月到期", chat="c", at="2026-07-06T10:05:00+08:00", **{"from": "a"})
    out, _ = run(reader, first, other, later)
    assert [] == [f for entry in out[1:] for f in entry["facts"] if "amount" in f["value"]]


def test_staff_lines_give_no_facts(reader: Reader) -> None:
    out, _ = run(reader, line(1, "别再给我发广告了", role="staff", chat="c", **{"from": "s"}))
    assert [{"id": 1, "facts": []}] == out


def test_expressions_are_added_on_demand(reader: Reader) -> None:
    out, _ = run(reader, line(1, "明天给你三万块"), expressions=True)
    assert [
        {
            "kind": "date",
            "start": 0,
            "end": 2,
            "text": "明天",
            "ranges": [["2026-07-07T00:00:00", "2026-07-08T00:00:00"]],
        },
        {"kind": "amount", "start": 4, "end": 7, "text": "三万块", "value": 30_000},
    ] == out[0]["expressions"]


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (f'{{"id":1,"sent_at":"{moment}","text":"下月发工资"}}', "年份要在 1970 到 2099 之间")
        for moment in ("0001-01-01T00:00:00+08:00", "9999-12-31T10:00:00+08:00")
    ]
    + [("[" * 100_000, "不是有效的 JSON")],
    ids=["first year", "last year", "deep"],
)
def test_what_no_time_or_parser_can_hold_is_one_bad_line(
    reader: Reader, raw: str, told: str
) -> None:
    problems: list[tuple[int, str]] = []
    good = '{"id":2,"sent_at":"2026-07-01T10:00:00+08:00","text":"在吗"}'
    out = read_lines(
        [raw, good], reader, expressions=True, on_error=lambda *found: problems.append(found)
    )
    assert len(list(out)) == 1
    assert [number for number, _ in problems] == [1]
    assert told in problems[0][1]
