"""What ``qunguan rules try`` and ``score`` tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_rules import write_small_rules

from bot.errors import Invalid
from bot.rulework import score_figures, score_lines, score_words, try_sentence
from handlers.reading import Reader
from handlers.reading.scoring import Score

TEMPLATES = Path(__file__).parents[2] / "templates"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few rules."""
    return write_small_rules(tmp_path_factory.mktemp("config"))


def tried(config: Path, sentence: str, role: str = "customer") -> str:
    return "\n".join(try_sentence(sentence, config, TEMPLATES, "2026-06-01T10:00", role))


def test_a_sentence_is_told_with_clauses_spans_facts_and_the_rules_that_gave_way(
    config: Path,
) -> None:
    assert [
        "客户在 2026年6月1日(周一)10:00 说:我工行有20万定期,下月到期",
        "分句:我工行有20万定期 | 下月到期",
        "日期:「下月」= 7月1日到7月31日",
        "金额:「20万」= 20万元",
        "词语:「工行」属于 bank=工商银行",
        "词语:「定期」属于 held=time_deposit",
        "读到 他行资产(holding.other_bank):工商银行，定期存款，20万元，7月1日到7月31日",
        "     规则 other_bank.has 第 1 版,把握 0.9;依据「我工行有20万定期,下月」",
        "没读 本行到期(规则 maturity.ours):让位给 other_bank.has",
    ] == tried(config, "我工行有20万定期,下月到期").split("\n")


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("我朋友有两个孩子", "子女(规则 children.count):被守卫说别人(other)挡下,因为「我朋友」"),
        ("我朋友有两个孩子", "守卫:说别人(other)「我朋友」挡下 children.count"),
        ("贷款三年利息多少", "产品意向(规则 product.deposit):同一分句有 unless 的词「贷」"),
        ("货款到账", "要进的钱(规则 inflow.arrive):缺少金额、日期(至少要有一样)"),
        ("到账的货款在哪", "要进的钱(规则 inflow.arrive):词都有,但次序或间隔不合它的 any"),
        ("有三十个孩子", "子女(规则 children.count):句中的数字或日期对不上"),
        ("早上好", "没有一条规则的词在这句话里凑齐"),
    ],
)
def test_what_stopped_a_rule_is_told_in_words(config: Path, sentence: str, reason: str) -> None:
    assert reason in tried(config, sentence)


def test_a_fact_under_the_threshold_is_said_to_wait_for_a_person(config: Path) -> None:
    told = tried(config, "有金豆没")
    assert "规则 gold.maybe 第 3 版,把握 0.5,低于 0.6,要等员工核实" in told


def test_words_of_staff_are_not_read(config: Path) -> None:
    told = tried(config, "我工行有20万定期", role="staff")
    assert told.startswith("员工在")
    assert "读到" not in told
    assert told.endswith("员工的话不读事实,只用来理解客户接下来的回答")


def test_foreign_sums_vague_ones_and_numbers_that_may_be_none_are_told_as_such(
    config: Path,
) -> None:
    told = tried(config, "换两千美元 还有几万块 拿五十个来")
    assert "外币(USD),不折算" in told
    assert "没有确定的数" in told
    assert "(句中谈到钱才算)" in told


@pytest.mark.parametrize(
    ("sentence", "sent_at", "complaint"),
    [("", None, "1 到 600 字"), ("长" * 601, None, "600 字"), ("早", "昨天", "请写成 2026-07-01")],
)
def test_what_cannot_be_tried_is_refused_with_what_to_write(
    config: Path, sentence: str, sent_at: str | None, complaint: str
) -> None:
    with pytest.raises(Invalid, match=complaint):
        list(try_sentence(sentence, config, TEMPLATES, sent_at, "customer"))


# -- score


def line(number: Any, text: str, *facts: Any, **more: Any) -> str:
    entry = {"id": number, "sent_at": "2026-06-01T10:00:00+08:00", "text": text, "facts": facts}
    return json.dumps({**entry, **more}, ensure_ascii=False)


def scored(config: Path, *lines: str) -> tuple[Score, list[tuple[int, str]]]:
    bad: list[tuple[int, str]] = []
    reader = Reader.load(config)
    return score_lines(lines, reader, lambda number, why: bad.append((number, why))), bad


OPT_OUT = {"type": "consent.opt_out", "value": {"scope": "marketing"}}
BAD_LINES = [
    ("{", "不是有效的 JSON"),
    ("[]", "应为一个 JSON 对象"),
    ('{"id": 1, "sent_at": "2026-06-01T10:00:00+08:00", "text": "早"}', "缺少 facts"),
    (line(2, "早", "x"), "缺少 facts 或写得不对"),
    (line(3, "早", {"type": "cash.nothing"}), "cash.nothing」,可用的有:family.children"),
    (line(4, "早", {"type": "cash.inflow", "value": 3}), "cash.inflow 的 value"),
    (line(5, "早", {"type": "cash.inflow", "value": {"sum": 3}}), "没有键 sum,可用的有:amount"),
    (line(6, "早", sent_at="gestern"), "sent_at"),
    (line(7, 8), "text"),
    (line("a", "再说一遍"), "id 与第 1 行相同"),
]


@pytest.mark.parametrize(("wrong", "complaint"), BAD_LINES)
def test_a_bad_line_is_told_with_its_number_and_the_rest_is_scored(
    config: Path, wrong: str, complaint: str
) -> None:
    found, bad = scored(
        config, line("a", "早上好"), "", wrong, line("b", "别再给我发广告了", OPT_OUT)
    )
    assert [3] == [number for number, _ in bad]
    assert complaint in bad[0][1]
    assert (2, 1, 1) == (found.messages, found.empty, found.micro.right)


def test_lines_of_one_thought_are_scored_as_they_are_read(config: Path) -> None:
    talk = {"chat": "c", "from": "a"}
    value = {"bank": "工商银行", "amount": 200_000}
    dated = value | {"date_from": "2026-07-01", "date_to": "2026-07-31"}
    found, bad = scored(
        config,
        line(1, "我工行有二十万", {"type": "holding.other_bank", "value": value}, **talk),
        line(2, "下个月到期", {"type": "holding.other_bank", "value": dated}, **talk),
    )
    assert ([], 2, 2) == (bad, found.micro.right, found.micro.wanted)


def test_the_table_shows_every_type_all_together_and_every_mistake(config: Path) -> None:
    found, _ = scored(
        config,
        line(1, "别再给我发广告了", {"type": "consent.opt_out", "value": {"scope": "all"}}),
        line(2, "早上好", {"type": "risk.churn", "value": {"kind": "dormant"}}),
        line(3, "我工行有20万定期"),
    )
    told = "\n".join(score_words(found))
    for part in (
        "合计                     0.0%     0.0%     0.0%        0        2        2",
        "没有事实的 1 句里误读 1 条(每百句 100.0)",
        "错处 3 个,共 3 句",
        '[读错] 1「别再给我发广告了」 应有 consent.opt_out {"scope": "all"} 读成 consent.opt_out',
        '[漏读] 2「早上好」 应有 risk.churn {"kind": "dormant"}',
        "[误读] 3「我工行有20万定期」 读成 holding.other_bank",
    ):
        assert part in told
    assert "「" not in "\n".join(score_words(found, mistakes=False))


def test_the_figures_for_programs_are_those_of_the_table(config: Path) -> None:
    found, _ = scored(config, line(1, "别再给我发广告了", OPT_OUT), line(2, "早上好"))
    figures = json.loads(json.dumps(score_figures(found)))
    one = {"right": 1, "read": 1, "wanted": 1, "precision": 1.0, "recall": 1.0, "f1": 1.0}
    assert (one, {"consent.opt_out": one}) == (figures["micro"], figures["types"])
    assert (2, 1, 0, 0.0, []) == tuple(
        figures[key]
        for key in ("messages", "empty", "false_on_empty", "false_per_100_empty", "wrong")
    )
    assert {"right": 0, "of": 0, "share": None} == figures["dates"]
