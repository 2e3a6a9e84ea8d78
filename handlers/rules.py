"""The small language of ``config/rules``: conditions on a customer, as SQL predicates. Pure.

A segment is one predicate over ``customer c``; the store runs it for the customers that a
message touched or for all of them, so that both always agree. What the calendar changes by
itself says when: every condition brings the next days on which it may turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.facts import FactType
from bot.model import Layer
from bot.schema import SCHEMA
from bot.yamlfile import Place, Section, load_section

PRODUCTS = SCHEMA[FactType.PRODUCT_INTEREST]["product"].options
COMPLAINTS = SCHEMA[FactType.COMPLAINT]["topic"].options
CALLING = (
    "interest",
    "complaint",
    "fraud",
    "advice",
    "churn",
    "inflow",
    "competitor_maturity",
    "unanswered",
    "promise_due",
    "layer_up",
    "silent_important",
    "postloan",
)
"""The kinds of case that ``escalation.yaml`` may describe."""
_FACT = """EXISTS (SELECT 1 FROM fact f WHERE f.external_userid = c.external_userid
  AND f.type = {type} AND f.status IN ('current', 'confirmed') {ordinary}
  AND (f.expires_on IS NULL OR f.expires_on >= :today){more})"""
_HOLDS = """EXISTS (SELECT 1 FROM holding h WHERE h.external_userid = c.external_userid
  AND h.status = 'open' AND h.kind IN ({kinds}))"""
_OPEN_CASE = """EXISTS (SELECT 1 FROM escalation e WHERE e.external_userid = c.external_userid
  AND e.status = 'open' AND e.kind = {kind})"""
_NEAR_LINE = """EXISTS (SELECT 1 FROM json_each(:lines) l
  WHERE c.assets >= CAST(l.value AS BIGINT) * (100 - :near_percent) / 100
  AND c.assets < CAST(l.value AS BIGINT))"""
_AGE = """(c.birthday_year IS NOT NULL AND
  CAST(substr(:today, 1, 4) AS INTEGER) - c.birthday_year
  - CASE WHEN CAST(substr(:today, 6, 2) AS INTEGER) * 100 + CAST(substr(:today, 9) AS INTEGER)
    < c.birthday_month * 100 + c.birthday_day THEN 1 ELSE 0 END >= {years})"""

# The next day on which a condition may turn by itself, as text; a day that is past means never.
# No day but a later birthday: 29 February is text like any other and is reached on 1 March.
_COMES_OF_AGE = """CAST(c.birthday_year + {years} AS TEXT)
  || '-' || substr(CAST(100 + c.birthday_month AS TEXT), 2)
  || '-' || substr(CAST(100 + c.birthday_day AS TEXT), 2)"""
_FACT_EXPIRES = """(SELECT date(min(f.expires_on), '+1 day') FROM fact f
  WHERE f.external_userid = c.external_userid AND f.status IN ('current', 'confirmed')
  AND f.expires_on >= :today)"""
_COMES_DUE = """(SELECT date(min(f.date_to), {back}) FROM fact f
  WHERE f.external_userid = c.external_userid AND f.type = {type}
  AND f.status IN ('current', 'confirmed') AND f.date_to > date(:today, {ahead}))"""
_IS_PAST = """(SELECT date(min(f.date_to), '+1 day') FROM fact f
  WHERE f.external_userid = c.external_userid AND f.type = {type}
  AND f.status IN ('current', 'confirmed') AND f.date_to >= :today)"""


@dataclass(frozen=True, slots=True)
class SegmentRule:
    """One segment: a predicate over ``customer c`` and the values that it names.

    ``people_only`` segments rest on sensitive facts: they are shown to people, never carried
    as a tag and never used to select recipients.

    Attributes:
        turns: Expressions over ``customer c``: the days on which the predicate may change
            although nothing happened.
    """

    name: str
    label: str
    version: str
    tag: bool
    people_only: bool
    where: str
    values: Mapping[str, Any] = field(default_factory=dict)
    turns: tuple[str, ...] = ()


def selecting(rules: Iterable[SegmentRule]) -> frozenset[str]:
    """The segments that may choose whom a machine writes to: none that is for people only."""
    return frozenset(rule.name for rule in rules if not rule.people_only)


class _Values:
    """Names the values of a predicate, so that nothing from a file becomes SQL."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.kept: dict[str, Any] = {}
        self.turns: dict[str, None] = {}

    def name(self, value: Any) -> str:
        key = f"{self._prefix}_{len(self.kept)}"
        self.kept[key] = value
        return f":{key}"

    def names(self, values: list[Any]) -> str:
        return ", ".join(self.name(value) for value in values)

    def turn(self, *days: str) -> None:
        """Note days on which the predicate may change by itself, each once."""
        self.turns.update(dict.fromkeys(days))


def load_segments(path: Path) -> list[SegmentRule]:
    """Read ``segments.yaml``.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    top = load_section(path)
    rules = [_rule(name, top.section(name)) for name in top.keys()]  # noqa: SIM118  # not a dict
    top.close()
    return rules


def _rule(name: str, section: Section) -> SegmentRule:
    values = _Values(name)
    people_only = "people_only" in section and section.value("people_only").yes()
    tag = section.value("tag").yes()
    if people_only and tag:
        raise section.wrong("people_only 的分群用到敏感信息,不能打标签,请把 tag 改为 false")
    parts = []
    for joint, word in (("any", " OR "), ("all", " AND ")):
        if joint in section:
            conditions = _conditions(section.section(joint), values, sensitive=people_only)
            parts.append("(" + word.join(conditions) + ")")
    if not parts:
        raise section.wrong("请用 any 或 all 写出至少一个条件")
    if "none" in section:
        conditions = _conditions(section.section("none"), values, sensitive=people_only)
        parts.append("NOT (" + " OR ".join(conditions) + ")")
    read_examples(name, section)
    rule = SegmentRule(
        name=name,
        label=section.value("label").text(30),
        version=section.value("version").text(20),
        tag=tag,
        people_only=people_only,
        where=" AND ".join(parts),
        values=values.kept,
        turns=tuple(values.turns),
    )
    section.close()
    return rule


@dataclass(frozen=True, slots=True)
class Example:
    """A customer in a few words, and whether a rule is meant to hold for them.

    Attributes:
        traits: As written, by name; what they mean is told at the top of the rule file.
        place: Where it stands.
    """

    rule: str
    title: str
    belongs: bool
    traits: Mapping[str, str]
    place: Place


def read_examples(rule: str, section: Section) -> list[Example]:
    """The examples and counter-examples that stand under a rule."""
    found = []
    for family, belongs in (("examples", True), ("counter_examples", False)):
        if family in section:
            cases = section.section(family)
            for title in cases.keys():  # noqa: SIM118  # not a dict
                case = cases.section(title)
                traits = {key: case.value(key).text() for key in case.keys()}  # noqa: SIM118  # as above
                found.append(Example(rule, title, belongs, traits, case))
    return found


def load_examples(path: Path, under: str = "") -> list[Example]:
    """All examples of a rule file, for trying the rules on them.

    Args:
        path: The file.
        under: The name of the section that holds the rules; "" where they stand on top.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    top = load_section(path)
    rules = top.section(under) if under else top
    return [
        each
        for name in rules.keys()  # noqa: SIM118  # not a dict
        for each in read_examples(name, rules.section(name))
    ]


def _conditions(section: Section, values: _Values, *, sensitive: bool) -> list[str]:
    known: dict[str, Callable[[], str]] = {
        "near_line": lambda: _yes(section, "near_line", _NEAR_LINE),
        "layer": lambda: f"c.layer IN ({values.names(_words(section, 'layer'))})",
        "age_at_least": lambda: _age(section.value("age_at_least").whole(1, 120), values),
        "gender": lambda: (
            f"c.gender = {values.name(section.value('gender').choice(('male', 'female')))}"
        ),
        "key_person": lambda: _yes(section, "key_person", "c.key_person = 1"),
        "prospect": lambda: _yes(section, "prospect", "c.prospect = 1"),
        "occupation": lambda: _contains(section, "occupation", values),
        "holds": lambda: _HOLDS.format(kinds=values.names(_words(section, "holds"))),
        "open_case": lambda: _OPEN_CASE.format(
            kind=values.name(section.value("open_case").text(40))
        ),
        "facts": lambda: _facts(section.section("facts"), values, sensitive=sensitive),
        "due_within": lambda: _due(section.section("due_within"), values, sensitive=sensitive),
    }
    found = [condition() for key, condition in known.items() if key in section]
    if not found:
        raise section.wrong(f"没有可用的条件,请从这些里选:{'、'.join(known)}")
    section.close()
    return found


def _age(years: int, values: _Values) -> str:
    named = values.name(years)
    values.turn(_COMES_OF_AGE.format(years=named))
    return _AGE.format(years=named)


def _words(section: Section, key: str) -> list[str]:
    return [each.text(40) for each in section.values(key)]


def _yes(section: Section, key: str, condition: str) -> str:
    value = section.value(key)
    if not value.yes():
        raise value.wrong(f"{key} 只能写 true;不需要这个条件时请删去这一行")
    return condition


def _contains(section: Section, key: str, values: _Values) -> str:
    words = [values.name(word) for word in _words(section, key)]
    return "(" + " OR ".join(f"instr(c.{key}, {word}) > 0" for word in words) + ")"


def _fact_type(section: Section, key: str, values: _Values) -> str:
    if key not in set(FactType):
        raise section.place(key).wrong(f"不认识事实类型 {key},可用的有:{'、'.join(FactType)}")
    return values.name(key)


def _slugs(section: Section, kind: FactType, key: str) -> list[str]:
    """Values of a key as the fact schema knows them; words where it leaves them free."""
    keys = SCHEMA[kind]
    if key not in keys:
        raise section.place(key).wrong(f"{kind} 没有键 {key},可用的有:{'、'.join(keys)}")
    found = section.values(key)
    if not found:
        raise section.place(key).wrong(f"{key} 不能为空,请写出至少一个值,或删去这一行")
    slugs = keys[key].options
    return [each.choice(slugs) if slugs else each.text(40) for each in found]


def _ordinary(*, sensitive: bool) -> str:
    return "" if sensitive else "AND f.class = 'ordinary'"


def _facts(section: Section, values: _Values, *, sensitive: bool) -> str:
    found = []
    for kind in section.keys():  # noqa: SIM118  # not a dict
        fact = _fact_type(section, kind, values)
        wanted = section.section(kind)
        more = ""
        for key in wanted.keys():  # noqa: SIM118  # not a dict
            options = values.names(_slugs(wanted, FactType(kind), key))
            more += f" AND json_extract(f.value, {values.name('$.' + key)}) IN ({options})"
        found.append(_FACT.format(type=fact, ordinary=_ordinary(sensitive=sensitive), more=more))
    values.turn(_FACT_EXPIRES)
    section.close()
    return "(" + " OR ".join(found) + ")"


def _due(section: Section, values: _Values, *, sensitive: bool) -> str:
    found = []
    for kind in section.keys():  # noqa: SIM118  # not a dict
        count = section.value(kind).whole(1, 730)
        ahead, back = values.name(f"+{count} days"), values.name(f"-{count} days")
        more = f" AND f.date_to BETWEEN :today AND date(:today, {ahead})"
        fact = _fact_type(section, kind, values)
        found.append(_FACT.format(type=fact, ordinary=_ordinary(sensitive=sensitive), more=more))
        values.turn(_COMES_DUE.format(type=fact, ahead=ahead, back=back))
        values.turn(_IS_PAST.format(type=fact), _FACT_EXPIRES)
    section.close()
    return "(" + " OR ".join(found) + ")"


@dataclass(frozen=True, slots=True)
class TagName:
    """A corp tag of ours: the rule that it carries, its group and its name."""

    slug: str
    group: str
    name: str


def load_tag_names(path: Path, segments: list[SegmentRule]) -> list[TagName]:
    """Read ``tags.yaml``; segments that carry a tag bring their own names.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    top = load_section(path)
    tags: list[TagName] = []
    for family, known in (("interest", PRODUCTS), ("layer", tuple(Layer))):
        section = top.section(family)
        group, names = section.value("group").text(30), section.section("names")
        for key in names.keys():  # noqa: SIM118  # not a dict
            if key not in known:
                raise names.place(key).wrong(f"不认识 {key},可用的有:{'、'.join(known)}")
        tags += [
            TagName(f"{family}:{key}", group, names.value(key).text(30))
            for key in names.keys()  # noqa: SIM118  # not a dict
        ]
        names.close()
        section.close()
    group = top.section("segment").value("group").text(30)
    top.close()
    tags += [TagName(f"segment:{rule.name}", group, rule.label) for rule in segments if rule.tag]
    return tags


@dataclass(frozen=True, slots=True)
class EscalationRules:
    """Which facts call a person, and for how many days the same matter stays quiet.

    Attributes:
        ahead_days: By kind, how many days before a day that was named a person is called.
        about_staff: Topics of complaints that are about whoever serves the customer.
    """

    products: frozenset[str]
    quiet_days: Mapping[str, int]
    person_words: tuple[str, ...] = ()
    ahead_days: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    about_staff: frozenset[str] = frozenset()

    def wants_person(self, text: str) -> bool:
        """Whether somebody in customer service asks for a person."""
        return any(word in text for word in self.person_words)


def load_escalation(path: Path) -> EscalationRules:
    """Read ``escalation.yaml``.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    top = load_section(path)
    products: list[str] = []
    quiet: dict[str, int] = {}
    person_words: list[str] = []
    ahead: dict[str, tuple[int, ...]] = {}
    about: list[str] = []
    for kind in top.keys():  # noqa: SIM118  # not a dict
        section = top.section(kind)
        if kind not in CALLING:
            raise top.place(kind).wrong(f"不认识 {kind},可用的有:{'、'.join(CALLING)}")
        products += [each.choice(PRODUCTS) for each in section.values("products")]
        person_words += [each.text(20) for each in section.values("person_words")]
        about += [each.choice(COMPLAINTS) for each in section.values("about_staff")]
        if days := section.values("ahead_days"):
            ahead[kind] = tuple(each.whole(1, 90) for each in days)
        quiet[kind] = section.value("quiet_days").whole(0, 365)
        section.close()
    top.close()
    return EscalationRules(frozenset(products), quiet, tuple(person_words), ahead, frozenset(about))
