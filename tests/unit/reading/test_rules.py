"""Every rule carries examples and counter-examples; all of them are tests."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.errors import Invalid
from bot.facts import Speech
from handlers.reading import Reader, rules
from handlers.reading.examples import mistakes

CONFIG = Path(__file__).parents[3] / "config"
RULES = rules.load(CONFIG)
MONDAY = datetime(2026, 7, 6, 2, 0, tzinfo=UTC)


def test_every_rule_is_read_by_its_examples_and_by_none_of_its_counter_examples(
    reader: Reader,
) -> None:
    assert [] == list(mistakes(reader))


def test_every_rule_has_a_version() -> None:
    assert [] == [frame.id for frame in RULES.frames if not frame.version]


def test_every_expression_compiles() -> None:
    assert [] == list(rules.compile_all(RULES))


def copy_of_config(folder: Path, frames: str) -> Path:
    (folder / "lexicon").mkdir()
    (folder / "rules").mkdir()
    (folder / "lexicon" / "words.yaml").write_text("bank:\n  工商银行: 工行\n", encoding="utf-8")
    (folder / "rules" / "frames.yaml").write_text(frames, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("{id: a, type: cash.inflow, any: ['{nowhere}']}", "第 2 行.*nowhere"),
        ("{id: a, type: cash.nothing, any: ['x']}", "第 2 行.*cash.nothing"),
        ("{id: a, type: cash.inflow, any: ['(x']}", "第 2 行.*括号"),
        ("{id: a, type: cash.inflow, any: ['x'], colour: red}", "第 2 行.*colour"),
        ("{type: cash.inflow, any: ['x']}", "第 2 行.*id"),
        ("{id: [", "frames.yaml 第 2 行|frames.yaml 第 3 行"),
        ("a", "第 1 行.*“- id:”"),
        ("{id: a, type: cash.inflow, any: ['x'], unles: ['y']}", "第 2 行.*是不是 unless"),
        ("{id: a, id: b, type: cash.inflow, any: ['x']}", "第 2 行.*id 写了两次"),
        ("{id: [a], type: cash.inflow, any: ['x']}", "第 2 行.*id 不能为空,也不能是列表"),
        ("{id: a, type: cash.inflow, any: ['x'], take: amounts}", "第 2 行.*amounts.*可用的有"),
        ("{id: a, type: cash.inflow, any: ['x'], need: [date]}", "第 2 行.*need 里的 date"),
        ("{id: a, type: cash.inflow, any: ['x'], confidence: high}", "第 2 行.*例如 0.9"),
        ("{id: a, type: cash.inflow, any: ['x'], confidence: 9}", "第 2 行.*例如 0.9"),
        ("{id: a, type: cash.inflow, any: ['x'], value: gold}", "第 2 行.*value 应写成"),
        ("{id: a, type: product.interest, any: ['x'], value: {product: golf}}", "golf.*gold"),
        ("{id: a, type: cash.inflow, any: ['x'], value: {colour: red}}", "colour.*可用的有"),
        ("{id: a, type: cash.inflow, any: ['{bank>colour}']}", "没有键 colour"),
        ("{id: a, type: product.interest, any: ['{bank>product}']}", "值 工商银行 不对"),
        ("{id: a, type: cash.inflow, any: ['x'], off: [mood]}", "mood:没有这个守卫"),
        ("{id: a, type: cash.inflow, any: ['x'], beats: [b]}", "b:没有这条规则或事实类型"),
        ("{id: a, type: cash.inflow, any: ['x'], examples: {a: b}}", "examples 应当是列表"),
    ],
)
def test_a_broken_rule_is_refused_with_its_line(tmp_path: Path, entry: str, complaint: str) -> None:
    folder = copy_of_config(tmp_path, f"frames:\n  - {entry}\n")
    with pytest.raises(Invalid, match=complaint):
        rules.load(folder)


def test_every_mistake_is_told_when_they_are_collected(tmp_path: Path) -> None:
    folder = copy_of_config(
        tmp_path,
        "frames:\n"
        "  - {id: a, type: cash.inflow, any: ['(x']}\n"
        "  - {id: b, type: cash.inflow, any: ['x']}\n"
        "  - {id: c, type: nothing, any: ['x'], beats: [a]}\n"
        "guards:\n"
        "  - {id: g, scope: everywhere, any: ['x']}\n",
    )
    told: list[Invalid] = []
    found = rules.load(folder, told.append)
    assert ["frames.yaml 第 2 行", "frames.yaml 第 4 行", "frames.yaml 第 6 行"] == [
        str(each).partition(":")[0] for each in told
    ]
    assert ["b"] == [frame.id for frame in found.frames]


@pytest.mark.parametrize(
    ("lexicon", "complaint"),
    [
        ("bank: {工商银行: 工行}\nbank: 农行\n", "mine.yaml 第 2 行:bank 写了两次"),
        ("bank: 农行\n", "words.yaml 第 1 行:词类「bank」在 mine.yaml 第 1 行 已经有了"),
        ("a: 甲\nb: 乙 {nowhere}\n", "mine.yaml 第 2 行.*{nowhere} 没有定义"),
        ("a: 甲 {b}\nb: 乙 {a}\n", "mine.yaml 第 1 行.*绕回到了自己"),
        ("a: 甲\nb:\n", "mine.yaml 第 2 行.*空格隔开"),
        ("a: 甲\nb: ''\n", "mine.yaml 第 2 行.*没有词"),
        ("- 甲\n", "mine.yaml 第 1 行:最外层应当是"),
        ("a: [\n", "mine.yaml 第 [12] 行:格式有误"),
    ],
)
def test_a_broken_lexicon_is_refused_with_its_line(
    tmp_path: Path, lexicon: str, complaint: str
) -> None:
    folder = copy_of_config(tmp_path, "frames:\n  - {id: a, type: cash.inflow, any: ['x']}\n")
    (folder / "lexicon" / "mine.yaml").write_text(lexicon, encoding="utf-8")
    with pytest.raises(Invalid, match=complaint):
        rules.load(folder)


def test_a_file_that_is_not_utf8_is_refused_by_name(tmp_path: Path) -> None:
    folder = copy_of_config(tmp_path, "frames: []\n")
    (folder / "lexicon" / "mine.yaml").write_bytes("a: 甲\n".encode("gb18030"))
    with pytest.raises(Invalid, match="不是 UTF-8"):
        rules.load(folder)


def test_an_expression_that_does_not_compile_is_told_with_its_line(tmp_path: Path) -> None:
    rule = "  - id: a\n    type: cash.inflow\n    any: ['x']\n    unless: ['y++*']\n"
    found = rules.load(copy_of_config(tmp_path, f"frames:\n{rule}"))
    assert ["frames.yaml 第 5 行"] == [
        str(each).partition(":")[0] for each in rules.compile_all(found)
    ]


@pytest.mark.parametrize(
    ("examples", "complaint"),
    [
        ("", "第 2 行:规则 a 缺少 examples"),
        ("    examples: [甲乙]\n", "第 2 行:规则 a 缺少 counter"),
        (
            "    examples: [丙]\n    counter: [丁]\n",
            "第 5 行:规则 a 的例句「丙」没有读成 risk.churn",
        ),
        ("    examples: [甲]\n    counter: [甲乙]\n", "第 6 行:规则 a 的反例「甲乙」仍被它读到"),
    ],
)
def test_an_example_that_does_not_hold_is_told_with_its_line(
    tmp_path: Path, examples: str, complaint: str
) -> None:
    rule = f"  - id: a\n    type: risk.churn\n    any: ['甲']\n{examples}"
    reader = Reader.load(copy_of_config(tmp_path, f"frames:\n{rule}"))
    assert complaint in "\n".join(map(str, mistakes(reader)))


def test_two_rules_of_one_id_are_refused(tmp_path: Path) -> None:
    rule = "  - {id: a, type: cash.inflow, any: ['x']}\n"
    with pytest.raises(Invalid, match="重复"):
        rules.load(copy_of_config(tmp_path, f"frames:\n{rule}{rule}"))


def test_a_branch_can_add_its_own_rule(tmp_path: Path) -> None:
    folder = copy_of_config(
        tmp_path,
        "frames:\n  - {id: own, type: product.interest, value: {product: gold}, any: ['金豆']}\n",
    )
    facts = Reader.load(folder).read(Speech("有金豆没", MONDAY))
    assert [("own", {"product": "gold"})] == [(fact.rule, fact.value) for fact in facts]
