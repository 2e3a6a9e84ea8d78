"""Whom a campaign is for: everyone, or those of some layers, segments, states and so on. Pure.

All kinds that are named must hold, and within a kind one of the names is enough. What rests on
sensitive facts never chooses a recipient (T2): such a segment is refused where it is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from bot.model import Layer
from bot.yamlfile import Scalar, Section
from scheduler.textfile import read_slug

EVERYONE = "everyone"
_CLASSES = ("A", "B", "C", "D")
STATES = ("new", "lurking", "warming", "active", "core", "cooling", "dormant", "lost")
CUSTOMER_KINDS = ("layer", "segment", "state", "contact_class", "branch", "tag")
GROUP_KINDS = ("segment", "branch")
"""What a group can be chosen by: the segment that it is bound to, and its branch."""
_PROFILE = frozenset({"segment", "state", "contact_class", "tag"})
"""Kinds that rest on a profile; layer and branch rest on the contract (T2)."""


class SegmentRule(Protocol):
    """What is asked of a segment's rule."""

    @property
    def name(self) -> str:
        """The slug."""
        ...

    @property
    def version(self) -> str:
        """Of the rule."""
        ...

    @property
    def people_only(self) -> bool:
        """It rests on sensitive facts and never chooses a recipient."""
        ...


@dataclass(frozen=True, slots=True)
class Audience:
    """Names by kind; no kind at all is everyone, or nobody where it stands under ``exclude``.

    Attributes:
        lines: Where each name of a segment stands in the file, for errors.
    """

    names: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    lines: Mapping[str, Scalar] = field(
        default_factory=lambda: MappingProxyType({}), compare=False, repr=False
    )

    def __bool__(self) -> bool:
        return bool(self.names)

    @property
    def profiling(self) -> bool:
        """Whether people are chosen by what the machine derived of them (T7)."""
        return bool(self.names.keys() & _PROFILE)

    def written(self) -> dict[str, list[str]]:
        """As JSON knows it, kinds and names in order."""
        return {kind: list(self.names[kind]) for kind in sorted(self.names)}

    def check(self, rules: Iterable[SegmentRule]) -> None:
        """Refuse segments that do not exist or may not choose recipients.

        Raises:
            Invalid: With the file, the line and the fix.
        """
        known = {rule.name: rule for rule in rules}
        for name, place in self.lines.items():
            if name not in known:
                may = "、".join(sorted(n for n, rule in known.items() if not rule.people_only))
                raise place.wrong(f"没有分群 {name},请从 segments.yaml 里选:{may}")
            if known[name].people_only:
                raise place.wrong(
                    f"分群 {name} 用到敏感信息,只能给人看,不能用来选发送对象,请换一个条件"
                )


def chooses(rule: Mapping[str, Any], inputs: Iterable[str]) -> bool:
    """Whether a rule chooses whoever these words are true of: both as they were kept (T6)."""
    true = {_without_version(word) for word in inputs}

    def holds(names: Mapping[str, Iterable[str]]) -> bool:
        return all(any(f"{kind} {each}" in true for each in names[kind]) for kind in names)

    left_out = rule.get("exclude")
    wanted = rule["audience"] == EVERYONE or holds(rule["audience"])
    return wanted and not (left_out and holds(left_out))


def _without_version(word: str) -> str:
    return " ".join(word.split(" ")[:2]) if word.startswith("segment ") else word


def written_out(rule: Mapping[str, Any]) -> str:
    """A rule as one text: the same rule is the same text."""
    return json.dumps(rule, ensure_ascii=False, sort_keys=True, default=str)


NOBODY_NAMED = Audience()
"""Everyone as an audience, nobody as those left out."""


def read_audience(head: Section, key: str, kinds: tuple[str, ...]) -> Audience:
    """What stands under ``audience`` or ``exclude``.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    if key == "audience" and not head.is_section(key):
        return _whole(head.value(key))
    section = head.section(key)
    names: dict[str, tuple[str, ...]] = {}
    lines: dict[str, Scalar] = {}
    for kind in section.keys():  # noqa: SIM118  # a Section is no dict
        if kind not in kinds:
            raise section.wrong(f"{key} 里不能写 {kind},可用的有:{'、'.join(kinds)}")
        found = section.values(kind)
        if not found:
            raise section.wrong(f"{kind} 是空的,请至少写一项,或删去这一行")
        names[kind] = tuple(dict.fromkeys(_name(kind, item) for item in found))
        lines |= {item.written: item for item in found if kind == "segment"}
    section.close()
    if not names:
        raise section.wrong(f"{key} 是空的,请写上条件;发给所有人时写 audience: {EVERYONE}")
    return Audience(MappingProxyType(names), MappingProxyType(lines))


def _whole(value: Scalar) -> Audience:
    """``everyone``, or the name of one segment."""
    return Audience() if value.written == EVERYONE else one_segment(value)


def one_segment(value: Scalar) -> Audience:
    """Those of one segment.

    Raises:
        Invalid: It is no name.
    """
    slug = read_slug(value)
    return Audience(MappingProxyType({"segment": (slug,)}), MappingProxyType({slug: value}))


def _name(kind: str, item: Scalar) -> str:
    if kind == "layer":
        return item.choice(Layer)
    if kind == "contact_class":
        return item.choice(_CLASSES)
    if kind == "state":
        return item.choice(STATES)
    return read_slug(item) if kind == "segment" else item.text(30)
