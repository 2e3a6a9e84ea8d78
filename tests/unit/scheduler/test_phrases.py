"""Phrases: the list's own examples, evasions, plain branch texts, required sentences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import Invalid
from bot.rulebook import check_phrases, load_rulebook
from scheduler.campaigns import parse_campaign
from scheduler.phrases import Phrases, Verdict, load_phrases, load_simplified

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data"
FILE = ROOT / "config" / "rules" / "phrases.yaml"
SIMPLIFIED = load_simplified(ROOT / "config" / "lexicon" / "tables.yaml")
PHRASES = load_phrases(FILE, SIMPLIFIED)
RULES = load_rulebook(ROOT / "config", ROOT / "templates")
BIRTHDAY = (ROOT / "templates" / "campaigns" / "birthday.md").read_text(encoding="utf-8")


def blocks(text: str, topics: frozenset[str], phrases: Phrases = PHRASES) -> list[str]:
    return [hit.rule for hit in phrases.look(text, topics) if hit.verdict is Verdict.BLOCK]


def lines(name: str) -> list[tuple[str, frozenset[str]]]:
    found = []
    for line in (DATA / name).read_text(encoding="utf-8").splitlines():
        text, kind = line.rsplit("|", 1)
        found.append((text, PHRASES.topics("marketing", [kind])))
    return found


def examples(kind: str) -> list[tuple[str, str]]:
    return [(rule.id, text) for rule in PHRASES.phrases for text in getattr(rule, kind)]


@pytest.mark.parametrize(("rule", "text"), examples("hit"))
def test_P3_every_example_of_a_rule_is_found(rule: str, text: str) -> None:
    about = next(each.about for each in PHRASES.phrases if each.id == rule)
    assert rule in [hit.rule for hit in PHRASES.look(text, about)]


@pytest.mark.parametrize(("rule", "text"), examples("miss"))
def test_P3_no_counter_example_of_a_rule_is_found(rule: str, text: str) -> None:
    about = next(each.about for each in PHRASES.phrases if each.id == rule)
    assert rule not in [hit.rule for hit in PHRASES.look(text, about)]


def test_P3_the_documented_miss_rate_of_the_evasion_set_is_what_is_measured() -> None:
    everyone = lines("phrases_evasions.txt")
    missed = [text for text, topics in everyone if not blocks(text, topics)]
    said = f"{len(missed)} of {len(everyone)}"
    assert f"evasions missed: {said}" in (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")


def test_P3_the_documented_false_block_rate_of_plain_branch_texts_is_what_is_measured() -> None:
    everyone = lines("phrases_clean.txt")
    stopped = [text for text, topics in everyone if blocks(text, topics)]
    said = f"{len(stopped)} of {len(everyone)}"
    assert f"plain texts stopped: {said}" in (ROOT / "docs" / "rules.md").read_text(
        encoding="utf-8"
    )


def test_G7_a_hit_points_at_the_words_as_they_stand() -> None:
    text = "您好,这是 零 風\u200b險 的产品"
    (hit,) = PHRASES.look(text, {"wealth"})
    assert "零 風\u200b險" == text[hit.start : hit.end] == hit.words


@given(st.text(max_size=200))
def test_G7_any_text_can_be_looked_at_and_hits_lie_inside_it(text: str) -> None:
    for hit in PHRASES.look(text, PHRASES.kinds.values()):
        assert 0 <= hit.start < hit.end <= len(text)
    PHRASES.gives_away(text)


def test_G7_a_phrase_counts_for_the_products_that_it_is_about() -> None:
    assert ["F001"] == blocks("保本保息", frozenset({"structured_deposit"}))
    assert [] == blocks("保本保息", frozenset({"deposit"}))
    assert frozenset({"deposit", "event"}) == PHRASES.topics("marketing", [])
    assert frozenset({"greeting"}) == PHRASES.topics("greeting", [])
    assert frozenset({"metal", "wealth"}) == PHRASES.topics("marketing", ["gold", "wealth"])


@pytest.mark.parametrize(
    ("text", "topic", "lacking"),
    [
        ("这款理财挺多人问", "wealth", ["R001"]),
        ("这款理财。理财非存款,产品有风险,投资须谨慎", "wealth", []),
        (
            "业绩比较基准2.5%。理财非存款、产品有风险、投资须谨慎",
            "wealth",
            ["R002"],
        ),
        ("近一年净值增长。理财非存款、产品有风险、投资须谨慎", "wealth", ["R003"]),
        ("基金可以定投", "fund", ["R006"]),
        ("分红险。本保险产品由保险公司发行与管理", "insurance", ["R008"]),
        ("三年期1.75%", "deposit", ["R010"]),
        ("三年期1.75%,利率以本行挂牌公告为准", "deposit", []),
        ("定期怎么存都行", "deposit", []),
        ("月供不高", "loan", ["R009"]),
    ],
)
def test_K4_K7_required_sentences_are_missed(text: str, topic: str, lacking: list[str]) -> None:
    assert lacking == PHRASES.missing(text, {topic})


def test_K4_a_product_of_another_issuer_needs_the_agent_s_sentence() -> None:
    text = "理财非存款、产品有风险、投资须谨慎"
    assert ["R005"] == PHRASES.missing(text, {"wealth"}, agency=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("打13812345678找我", ["P001"]),
        ("打１３８１２３４５６７８找我", ["P001"]),
        ("证件11010519491231002x", ["P002"]),
        ("证件110105194912310021", []),
        ("卡6222020000000000000", ["P003"]),
        ("卡6222020000000000001", []),
        ("您的余额为120,000元", ["P006"]),
        ("网点电话0571-88888888", []),
    ],
)
def test_G8_personal_data_in_a_text_is_found_and_checked(text: str, expected: list[str]) -> None:
    assert expected == PHRASES.gives_away(text)


def test_K2_a_campaign_with_a_forbidden_phrase_is_refused_at_its_line() -> None:
    source = BIRTHDAY.replace("事事顺心", "稳赚不赔")
    campaign = parse_campaign(source, "birthday.md")
    line = source[: source.index("稳赚")].count("\n") + 1
    with pytest.raises(Invalid, match=f"birthday.md 第 {line} 行:「稳赚不赔」"):
        check_phrases(PHRASES, campaign, source, "birthday.md")


def test_K2_words_split_over_values_are_found_in_the_finished_text() -> None:
    campaign = RULES.campaigns["birthday"]
    assert () == RULES.broken_phrases(campaign, "零")
    assert ("F006",) == RULES.broken_phrases(campaign, "零" + "风险支行 小陈")


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("详见 https://bank.example.com/a", []),
        ("详见 https://m.bank.example.com/a", []),
        ("点这里 http://t.cn/Abc", ["t.cn"]),
        ("点 https://bank.example.com.evil.net/x", ["bank.example.com.evil.net"]),
        ("看 www.other.com", ["other.com"]),
        ("看 short.ly/abc", ["short.ly"]),
        ("ｈｔｔｐ：／／ｔ．ｃｎ／ａ", ["t.cn"]),
        ("年利率1.75%,3.5万起", []),
        ("https://bot.bank.internal/out/x", []),
    ],
)
def test_K8_only_the_bank_s_own_addresses_stand_in_a_text(text: str, hosts: list[str]) -> None:
    listed = replace(PHRASES, link_domains=frozenset({"bank.example.com"}))
    assert hosts == listed.foreign_links(text, "https://bot.bank.internal")


def test_K8_a_foreign_link_is_refused_when_written_and_found_when_finished() -> None:
    source = BIRTHDAY.replace("事事顺心", "详见 http://t.cn/x")
    with pytest.raises(Invalid, match=r"t\.cn 不是本行的"):
        check_phrases(PHRASES, parse_campaign(source, "birthday.md"), source, "birthday.md")
    assert ("K8",) == RULES.broken_phrases(RULES.campaigns["birthday"], "http://t.cn/x")


def test_K2_shipped_texts_pass_both_looks() -> None:
    for campaign in RULES.campaigns.values():
        assert () == RULES.broken_phrases(campaign, campaign.words)
        assert () == RULES.to_review(campaign, campaign.words)


def test_a_rule_whose_example_says_otherwise_is_refused(tmp_path: Path) -> None:
    text = FILE.read_text(encoding="utf-8").replace("hit: ['零风险'", "hit: ['平平常常'")
    (tmp_path / "phrases.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(Invalid, match="F006"):
        load_phrases(tmp_path / "phrases.yaml", SIMPLIFIED)


def test_a_broken_pattern_is_answered_with_its_line(tmp_path: Path) -> None:
    text = FILE.read_text(encoding="utf-8").replace("- '本息无忧'", "- '本息(无忧'")
    (tmp_path / "phrases.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(Invalid, match=r"phrases.yaml 第 \d+ 行.*括号"):
        load_phrases(tmp_path / "phrases.yaml", SIMPLIFIED)
