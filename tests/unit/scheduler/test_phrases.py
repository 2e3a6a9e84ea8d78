"""Phrases: the list's own examples, evasions, plain branch texts, required sentences."""

from __future__ import annotations

import re
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
        ("月供不高", "loan", ["R009", "Q101"]),
        ("年化利率（单利）3.6%。费用:提前还款违约金1%", "loan", []),
        ("年化利率（单利）3.6%,无其他费用", "loan", []),
        ("年化利率（单利）3.6%", "loan", ["Q101"]),
        ("月供三百,年化利率（单利）3.6%。费用:无", "loan", ["R009"]),
        ("每期还200元,年化利率（单利）3.6%。费用:无", "loan", ["R009"]),
        ("{{ a_rate }}起,年化利率（单利）。费用:{{ a_fees }}", "loan", ["R009"]),
        ("想装修的话,带上收入证明来问", "loan", []),
    ],
)
def test_K4_K7_required_sentences_are_missed(text: str, topic: str, lacking: list[str]) -> None:
    assert lacking == PHRASES.missing(text, {topic})


LOAN = """\
---
name: loan
version: 1
occasion: date
dates: [2026-11-24]
steps: [0]
audience: everyone
purpose: marketing
about: product
product_kinds: [consumer_loan]
channel: mass_single
latest_useful: {0: 当天}
personal: false
holdout: 0
approver: compliance
---
装修用的贷款可以来问,年化利率（单利）3.6%起,费用:无。
{{ stop_way }}
——{{ branch }} {{ sender_name }}
"""
NEWS = LOAN.replace("product_kinds: [consumer_loan]\n", "").replace("product\n", "bank\n")
SENTENCE = "装修用的贷款可以来问,年化利率（单利）3.6%起,费用:无。"
PLAIN = NEWS.replace(SENTENCE, "周六网点开门。")


def refused(source: str) -> str:
    """The rule by which a text is refused when it is written; "" when it is taken."""
    try:
        RULES.parse(source, "loan.md")
    except Invalid as wrong:
        return next(iter(re.findall(r"规则 (\w+)", str(wrong))), str(wrong))
    return ""


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (SENTENCE, ""),
        ("首期免息,年化利率（单利）3.6%起,费用:无。", "Q001"),
        ("日息万三,年化利率（单利）3.6%起,费用:无。", "F025"),
        ("年化利率（单利）3.6%起,前三期利息减半,费用:无。", "Q001"),
        ("借一万一天三块钱,年化利率（单利）3.6%起,费用:无。", "Q001"),
        ("贷一笔来买基金,年化利率（单利）3.6%起,费用:无。", "Q002"),
        ("贷款3.6%起,费用:无。", "R009"),
        ("月供低,年化利率（单利）3.6%起,费用:无。", "R009"),
        ("年化利率（单利）3.6%起。", "Q101"),
    ],
)
def test_K7_a_loan_says_the_yearly_rate_first_all_fees_and_no_bait(words: str, rule: str) -> None:
    campaign = RULES.parse(LOAN, "loan.md")
    assert rule == refused(LOAN.replace(SENTENCE, words))
    # The same once more on the finished text, which values may have changed.
    broken = RULES.broken_phrases(campaign, words)
    assert {rule} - {""} <= set(broken)
    assert bool(rule) == bool(broken)


def test_K7_who_says_loan_is_held_to_it_whatever_the_text_claims_to_be_about() -> None:
    assert "" == refused(NEWS.replace("贷款可以来问,年化利率（单利）3.6%起,费用:无", "事可以来问"))
    assert "R009" == refused(NEWS.replace("年化利率（单利）3.6%起", "月供三百"))


@pytest.mark.parametrize(
    "words",
    [
        "您的账户存在异常,点开看看。",
        "安全提醒:新存单到了。",
        "动账通知:您有一份礼遇。",
        "您的投诉已受理,顺便看看新存单。",
        "您的额度即将失效,来网点看看。",
        "请尽快核实您的身份,周六来领书。",
        "您 的 賬 戶 存在異常,点开看看。",
    ],
)
def test_K9_marketing_never_looks_like_a_security_account_or_case_notice(words: str) -> None:
    campaign = RULES.parse(PLAIN, "loan.md")
    assert "Q003" == refused(PLAIN.replace("周六网点开门。", words))
    assert "Q003" in RULES.broken_phrases(campaign, words)
    assert "Q003" in blocks(words, frozenset({"greeting"}))
    # A real notice has to say such things.
    assert [] == [rule for rule in blocks(words, frozenset({"service"})) if rule == "Q003"]


def test_K9_the_titles_of_cards_and_files_are_looked_at_too() -> None:
    card = 'attachments:\n  - {kind: link, title: 账户安全提醒, url: "https://bank.example/x"}\n'
    assert "Q003" == refused(PLAIN.replace("---\n周六", f"{card}---\n周六"))


def test_C4_no_service_text_asks_whoever_refused_once_more() -> None:
    maturity = (ROOT / "templates" / "campaigns" / "maturity.md").read_text(encoding="utf-8")
    begging = maturity.replace("到期。", "到期。回复1同意接收活动消息。", 1)
    assert begging != maturity
    with pytest.raises(Invalid, match="规则 Q005"):
        RULES.parse(begging, "maturity.md")
    assert ("Q005",) == RULES.broken_phrases(RULES.campaigns["maturity"], "点这里恢复订阅")


@pytest.mark.parametrize(
    "words",
    ["我们发现您的账户有大额资金,来坐坐。", "系统监测到您的工资,来坐坐。", "您的存款有50万。"],
)
def test_T8_no_text_says_what_is_known_of_a_customer_whoever_wrote_it(words: str) -> None:
    assert "F055" == refused(PLAIN.replace("周六网点开门。", words))
    assert "F055" in RULES.broken_phrases(RULES.parse(PLAIN, "loan.md"), words)


def test_S5_structured_deposits_are_looked_at_as_wealth_and_never_hidden_among_deposits() -> None:
    linked = LOAN.replace(SENTENCE, "结构性存款可以来问。理财非存款、产品有风险、投资须谨慎")
    wealth = linked.replace("consumer_loan", "wealth")
    assert "S5" == refused(linked.replace("consumer_loan", "time_deposit"))
    assert "S5" == refused(linked.replace("product_kinds: [consumer_loan]\n", ""))
    assert "" == refused(wealth)
    assert "R001" == refused(wealth.replace("理财非存款、产品有风险、投资须谨慎", ""))
    assert "F001" == refused(wealth.replace("可以来问", "保本保息"))
    assert "S5" in RULES.broken_phrases(RULES.parse(PLAIN, "loan.md"), "结 构性存款可以来问")


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
