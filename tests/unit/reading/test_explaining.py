from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from small_rules import write_small_rules

from bot.facts import Speech
from handlers.reading import Reader
from handlers.reading.explaining import Explanation, Stopped, explain

MONDAY = datetime(2026, 7, 6, 2, tzinfo=UTC)
TALK = Path(__file__).parents[2] / "data" / "talk_dev.jsonl"


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A reader with a few rules."""
    return Reader.load(write_small_rules(tmp_path_factory.mktemp("config")))


def explained(reader: Reader, text: str) -> Explanation:
    return explain(reader, Speech(text, MONDAY))


def why(reader: Reader, text: str, rule: str) -> Stopped:
    return next(each for each in explained(reader, text).stopped if each.frame.id == rule)


def test_dates_sums_and_words_of_the_text_are_told(few: Reader) -> None:
    found = explained(few, "我工行有２０万定期，8月3号到期")
    assert ("我工行有20万定期", "8月3号到期") == found.clauses
    assert [("8月3号", date(2026, 8, 3), date(2026, 8, 3))] == list(found.days)
    assert [("20万", 200_000, "CNY", True)] == list(found.sums)
    words = [("工行", (("bank", "工商银行"),)), ("定期", (("held", "time_deposit"),))]
    assert words == list(found.words)
    assert ["holding.other_bank"] == [str(fact.type) for fact in found.facts]


def test_a_guard_is_named_with_its_words_and_what_it_stopped(few: Reader) -> None:
    found = explained(few, "我朋友有两个孩子")
    (stopped,) = found.stopped
    assert ("guard", "我朋友", "other") == (stopped.why, stopped.what, stopped.guard)
    assert [("other", "我朋友", ("children.count",))] == list(found.guards)


@pytest.mark.parametrize(
    ("text", "rule", "reason", "what"),
    [
        ("贷款三年利息多少", "product.deposit", "unless", "贷"),
        ("现在涨到三十万 要交定金", "outflow.expense", "never", "涨到"),
        ("我农历生的", "birthday.mine", "near", "{num}月"),
        ("货款到账", "inflow.arrive", "need", "amount、date"),
        ("要交定金", "outflow.expense", "need", "amount"),
        ("有三十个孩子", "children.count", "value", ""),
        ("我工行有20万定期8月到期", "maturity.ours", "beaten", "other_bank.has"),
        ("二十万的货款月底到账", "inflow.general", "beaten", "inflow.arrive"),
        ('"以后别再给我发广告了" 这话说得', "opt_out", "quoted", ""),
    ],
)
def test_the_part_that_stopped_a_rule_is_told(
    few: Reader, text: str, rule: str, reason: str, what: str
) -> None:
    found = why(few, text, rule)
    assert (reason, what) == (found.why, found.what)


def test_rules_whose_words_all_occur_in_no_known_order_are_named(few: Reader) -> None:
    found = explained(few, "到账的货款在哪")
    assert ["inflow.arrive"] == [frame.id for frame in found.loose]


def test_small_talk_comes_near_no_rule(few: Reader) -> None:
    found = explained(few, "早上好")
    assert ((), (), (), ()) == (found.facts, found.stopped, found.loose, found.guards)


def test_explaining_reads_what_reading_reads_and_stops_only_other_rules(reader: Reader) -> None:
    for line in TALK.read_text(encoding="utf-8").splitlines()[:300]:
        entry = json.loads(line)
        speech = Speech(entry["text"], datetime.fromisoformat(entry["sent_at"]))
        found = explain(reader, speech)
        assert reader.read(speech) == list(found.facts)
        assert not {fact.rule for fact in found.facts} & {each.frame.id for each in found.stopped}
