"""Which employee is to be praised or prompted, by the figures of a week. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.yamlfile import Section, load_section
from scheduler.messages import Messages
from scheduler.occasions import WEEKDAYS

KINDS = ("praise", "prompt")
BASES: Mapping[str, str] = {
    "contacted": "customers",
    "same_day_percent": "done",
    "confirmed_percent": "tasks",
    "met_percent": "cases",
    "answer_minutes": "questions",
    "moved_up": "",
    "spoke": "",
    "referrals": "",
    "befriended": "",
    "sold": "",
    "lapsed": "",
    "late_open": "",
}
"""The figures that a rule may look at, and what each is a share of; "" for a plain count."""
_FORM = "staff"
_FIELDS = frozenset({"period", "count", "base", "branch", "sender_name"})
"""All that a card may say: no customer's data is among it."""


@dataclass(frozen=True, slots=True)
class PraiseRule:
    """A deed, or a next step, and the words for it.

    Attributes:
        most: The figure may be so much at most, where less is better; else ``least`` holds.
        base: A figure with a smaller base says nothing.
        best: Only who is best in the branch; several when they are equal.
        words: The message, by name.
    """

    name: str
    kind: str
    figure: str
    least: int
    most: int | None
    base: int
    best: bool
    words: str

    def base_of(self, figures: Mapping[str, Any]) -> int:
        """What the figure is a share of; 0 for a plain count."""
        base = BASES[self.figure]
        return int(figures[base]) if base else 0

    def fits(self, figures: Mapping[str, Any]) -> bool:
        """Whether somebody's figures reach the line."""
        value = figures[self.figure]
        if value is None or self.base_of(figures) < self.base:
            return False
        return bool(value <= self.most if self.most is not None else value >= self.least)


@dataclass(frozen=True, slots=True)
class PraiseRules:
    """All of ``config/praise.yaml``; ``weekday`` counts from Monday, 0."""

    weekday: int
    each_a_week: int
    rules: tuple[PraiseRule, ...]

    def rule(self, name: str) -> PraiseRule | None:
        """The rule of a name, if there still is one."""
        return next((each for each in self.rules if each.name == name), None)

    def propose(
        self, people: Iterable[Mapping[str, Any]]
    ) -> Iterator[tuple[PraiseRule, Mapping[str, Any]]]:
        """Who is proposed for which card, by branch, in the order of the rules."""
        by_branch: dict[str, list[Mapping[str, Any]]] = {}
        for person in people:
            by_branch.setdefault(person["branch"], []).append(person)
        proposed: Counter[str] = Counter()
        for rule in self.rules:
            for some in by_branch.values():
                for person in _chosen(rule, some):
                    if proposed[person["userid"]] < self.each_a_week:
                        proposed[person["userid"]] += 1
                        yield rule, person


def _chosen(rule: PraiseRule, people: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    fitting = [person for person in people if rule.fits(person)]
    if not rule.best or not fitting:
        return fitting
    pick = max if rule.most is None else min
    top = pick(person[rule.figure] for person in fitting)
    return [person for person in fitting if person[rule.figure] == top]


def load_praise(path: Path, messages: Messages | None = None) -> PraiseRules:
    """Read ``praise.yaml``; without ``messages`` the names of words are taken as they are.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    top = load_section(path)
    found = PraiseRules(
        weekday=WEEKDAYS.index(top.value("weekday").choice(WEEKDAYS)),
        each_a_week=top.value("each_a_week").whole(1, 10),
        rules=tuple(_rule(section, messages) for section in top.sections("rules")),
    )
    top.close()
    names = [each.name for each in found.rules]
    if twice := {name for name in names if names.count(name) > 1}:
        raise top.wrong(f"rules 里的 name 重复了:{'、'.join(sorted(twice))}")
    return found


def _rule(section: Section, messages: Messages | None) -> PraiseRule:
    falling = "at_most" in section
    if falling == ("at_least" in section):
        raise section.wrong("at_least 和 at_most 要写一个,且只写一个")
    line = section.value("at_most" if falling else "at_least").whole(0, 10**6)
    words = section.value("words")
    found = PraiseRule(
        name=section.value("name").text(30),
        kind=section.value("kind").choice(KINDS),
        figure=section.value("figure").choice(BASES),
        least=0 if falling else line,
        most=line if falling else None,
        base=section.value("base_at_least").whole(0, 10**6) if "base_at_least" in section else 0,
        best=section.value("best").yes() if "best" in section else False,
        words=words.text(40),
    )
    section.close()
    if messages is None:
        return found
    if found.words not in messages or messages[found.words].form != _FORM:
        raise words.wrong(f"templates/messages 里没有给员工的文字 {found.words},请先写好")
    if strange := messages[found.words].fields - _FIELDS:
        told = "、".join(sorted(strange))
        raise words.wrong(f"{found.words} 用了 {told};卡上只写数字,不写客户,请改成 count、base")
    return found
