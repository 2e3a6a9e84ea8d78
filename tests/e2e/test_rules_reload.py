"""Rules are changed under a running bot: what customers say next is read by the new ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from caller import Caller, employee
from live_branch import LI, Branch
from madeup import MadeUp

ROOT = Path(__file__).parents[2]
WRONG = ("segments.yaml 第 20 行:tag 的值 'maybe' 不对,请填 true 或 false",)


@pytest.fixture
def own_rules(quiet_branch: Branch, tmp_path: Path) -> Iterator[tuple[Branch, Path]]:
    """A bot at work on a copy of the rules."""
    config = Path(shutil.copytree(ROOT / "config", tmp_path / "config"))
    quiet_branch.bot = quiet_branch.build(qunguan_config_dir=config)
    with quiet_branch.start():
        yield quiet_branch, config


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def say(branch: Branch, customer: str, text: str) -> None:
    branch.world.say(customer, text, peer=LI)
    branch.settle()


def test_a_word_added_to_the_lexicon_is_read_from_the_next_message_on(
    own_rules: tuple[Branch, Path],
) -> None:
    branch, config = own_rules
    customer = branch.customer("王芳", LI)
    branch.settle()
    say(branch, customer, "周末就爱翻两页闲章")
    assert {} == branch.facts(customer)
    branch.later(minutes=5)  # lines within a minute are read together
    before = branch.bot.rule_watch.version
    change(config / "lexicon/words.yaml", "读书: 读书", "读书: 翻两页闲章 读书")
    branch.until(
        lambda: branch.bot.rule_watch.version != before,
        30,
        "the rules were taken over",
        branch.bot.ringer.tick,
    )
    say(branch, customer, "平时就爱翻两页闲章")
    assert {"interest.hobby": {"name": "读书"}} == branch.facts(customer)


def test_a_new_segment_gets_its_members_and_its_tag(own_rules: tuple[Branch, Path]) -> None:
    branch, config = own_rules
    customer = branch.customer("王芳", LI)
    branch.settle()
    say(branch, customer, "周末就爱去水库钓鱼")
    before = branch.bot.rule_watch.version
    with (config / "rules/segments.yaml").open("a", encoding="utf-8") as file:
        file.write(
            "\nanglers:\n  label: 钓友\n  version: 1\n  tag: true\n"
            "  any:\n    facts:\n      interest.hobby: {name: [钓鱼]}\n"
            "  examples:\n    常钓鱼: {fact: interest.hobby, name: 钓鱼}\n"
            "  counter_examples:\n    爱读书: {fact: interest.hobby, name: 读书}\n"
        )
    branch.until(
        lambda: branch.bot.rule_watch.version != before, 40, "the rules", branch.bot.ringer.tick
    )
    branch.later(seconds=5)  # far from the next hourly comparison
    branch.until(lambda: "钓友" in branch.tags(LI, customer), 10, "the tag", branch.bot.ringer.tick)
    members = branch.rows("SELECT external_userid FROM segment_member WHERE segment = 'anglers'")
    assert [customer] == [row[0] for row in members]


@pytest.mark.parametrize(("who", "times"), [("zhoujun", 1), ("chenxy", 0)])
def test_who_leads_is_told_on_every_page_why_changed_rules_do_not_count(
    madeup: MadeUp, address: str, who: str, times: int
) -> None:
    madeup.trouble = WRONG
    caller: Caller = employee(madeup, address, who)
    for page in ("/", "/todo", "/customers"):
        text = caller.get(page).text
        assert times == text.count("改过的规则文件有 1 处错，没有生效")
        assert times == text.count("segments.yaml 第 20 行")


def test_without_trouble_nothing_is_said(head: Caller) -> None:
    assert "没有生效" not in head.get("/").text
