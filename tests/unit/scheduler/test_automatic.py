"""What the bot says by itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bot.errors import Invalid
from bot.rulebook import load_rulebook

ROOT = Path(__file__).parents[3]


def loaded(tmp_path: Path, name: str, *changes: tuple[str, str]) -> str:
    """What is said of the shipped texts with one of them changed; "" when they are taken."""
    templates = tmp_path / "templates"
    shutil.copytree(ROOT / "templates", templates)
    file = templates / "messages" / f"{name}.md"
    source = file.read_text("utf-8")
    for old, new in changes:
        assert old in source
        source = source.replace(old, new)
    file.write_text(source, "utf-8")
    try:
        load_rulebook(ROOT / "config", templates)
    except Invalid as wrong:
        return str(wrong)
    return ""


@pytest.mark.parametrize(
    "words",
    [
        "我是{{ branch }}的小陈。",
        "已经转给工作人员。\n——{{ branch }} 小陈",
        "已经转给工作人员。\n客户经理:陈静\n",
        "已经转给{{ assignee }}。",
        "这事本人来办。",
    ],
)
def test_E4_a_text_of_customer_service_that_signs_as_a_person_is_refused(
    words: str, tmp_path: Path
) -> None:
    said = loaded(tmp_path, "kf_secret", ("您刚才的消息里有密码、验证码一类的内容", words))
    assert ("kf_secret.md" in said, "E4" in said) == (True, True)


def test_E4_the_shipped_texts_say_what_they_are(tmp_path: Path) -> None:
    rules = load_rulebook(ROOT / "config", ROOT / "templates")
    said = rules.renderer.render(rules.messages["kf_machine"], {"branch": "城东支行"})
    assert ("自动" in said, "不是真人" in said) == (True, True)
    assert "E4" in loaded(tmp_path, "welcome", ("自动", ""))


@pytest.mark.parametrize("name", ["kf_fraud", "card_fraud"])
def test_E2_beside_fraud_no_link_is_ever_written(name: str, tmp_path: Path) -> None:
    for place, words in enumerate(("看 https://bank.example/a 。", "看{{ link }}。")):
        said = loaded(tmp_path / str(place), name, ("别转账，", f"别转账，{words}"))
        assert "E2" in said
    rules = load_rulebook(ROOT / "config", ROOT / "templates")
    assert not any(rules.phrases.links(each) for each in rules.messages[name].parts.values())
