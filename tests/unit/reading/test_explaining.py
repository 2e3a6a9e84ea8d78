from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from bot.facts import Speech
from handlers.reading import Reader
from handlers.reading.explaining import Explanation, Stopped, explain

MONDAY = datetime(2026, 7, 6, 2, tzinfo=UTC)
TALK = Path(__file__).parents[2] / "data" / "talk_dev.jsonl"


def explained(reader: Reader, text: str) -> Explanation:
    return explain(reader, Speech(text, MONDAY))


def why(reader: Reader, text: str, rule: str) -> Stopped:
    return next(each for each in explained(reader, text).stopped if each.frame.id == rule)


def test_dates_sums_and_words_of_the_text_are_told(reader: Reader) -> None:
    found = explained(reader, "我工行有２０万定期，8月3号到期")
    assert ("我工行有20万定期", "8月3号到期") == found.clauses
    assert [("8月3号", date(2026, 8, 3), date(2026, 8, 3))] == list(found.days)
    assert [("20万", 200_000, "CNY", True)] == list(found.sums)
    assert ("工行", (("bank", "工商银行"),)) in found.words
    assert ["holding.other_bank"] == [str(fact.type) for fact in found.facts]


def test_a_guard_is_named_with_its_words_and_what_it_stopped(reader: Reader) -> None:
    text = "我朋友有两个孩子"
    stopped = why(reader, text, "children.count")
    assert ("guard", "我朋友", "other") == (stopped.why, stopped.what, stopped.guard)
    guard = next(each for each in explained(reader, text).guards if each.id == "other")
    assert ("我朋友", ("children.count",)) == (guard.words, guard.stopped)


@pytest.mark.parametrize(
    ("text", "rule", "reason", "what"),
    [
        ("贷款三年利息多少", "product.deposit", "unless", "贷"),
        ("现在彩礼涨到三十万 要交定金 娶不起", "outflow.expense", "never", "涨到"),
        ("我农历生的", "birthday.mine", "near", None),
        ("货款到账", "inflow.arrive", "need", "amount、date"),
        ("定金要交", "outflow.must", "need", "amount"),
        ("6月中旬有一笔二十万的货款到账", "inflow.general", "beaten", "inflow.arrive"),
    ],
)
def test_the_part_that_stopped_a_rule_is_told(
    reader: Reader, text: str, rule: str, reason: str, what: str | None
) -> None:
    found = why(reader, text, rule)
    assert (reason, what or found.what) == (found.why, found.what)


def test_words_in_quotation_marks_are_told_as_such(reader: Reader) -> None:
    found = explained(reader, '"以后别再给我发广告了" 这话说得')
    assert {"quoted"} <= {each.why for each in found.stopped}
    assert () == found.facts


def test_rules_whose_words_all_occur_in_no_known_order_are_named(reader: Reader) -> None:
    found = explained(reader, "工资还没发愁人")
    assert "inflow.arrive" in [frame.id for frame in found.loose]


def test_small_talk_comes_near_no_rule(reader: Reader) -> None:
    found = explained(reader, "早上好")
    assert ((), (), (), ()) == (found.facts, found.stopped, found.loose, found.guards)


def test_explaining_reads_what_reading_reads_and_stops_only_other_rules(reader: Reader) -> None:
    for line in TALK.read_text(encoding="utf-8").splitlines()[:300]:
        entry = json.loads(line)
        speech = Speech(entry["text"], datetime.fromisoformat(entry["sent_at"]))
        found = explain(reader, speech)
        assert reader.read(speech) == list(found.facts)
        assert not {fact.rule for fact in found.facts} & {each.frame.id for each in found.stopped}
