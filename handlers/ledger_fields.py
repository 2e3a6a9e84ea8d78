"""The fields of the customer ledger and what they weigh (``config/rules/ledger.yaml``). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from bot.facts import FactType
from bot.model import Layer
from bot.yamlfile import Section, load_section

COLUMNS = (
    "name",
    "phone",
    "address",
    "birthday",
    "assets",
    "occupation",
    "risk_level",
    "manager",
)
"""What a customer's own row may tell."""


@dataclass(frozen=True, slots=True)
class LedgerField:
    """One field of the ledger.

    Attributes:
        weight: Its part in completeness; 0 is shown and not counted.
        column: What the customer's row tells of it, one of ``COLUMNS``, or "".
        facts: The types of fact that fill it.
        many: All that is known counts side by side, as hobbies do.
        sensitive: Counts only for customers who agreed to have sensitive facts kept.
    """

    name: str
    label: str
    weight: int
    column: str
    facts: tuple[FactType, ...]
    many: bool
    sensitive: bool


@dataclass(frozen=True, slots=True)
class LedgerRules:
    """All of ``ledger.yaml``; ``targets`` are percent by layer."""

    fields: tuple[LedgerField, ...]
    targets: Mapping[Layer, int]


def load_ledger(path: Path) -> LedgerRules:
    """Read ``ledger.yaml``.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    top = load_section(path)
    section = top.section("fields")
    fields = tuple(_field(name, section.section(name)) for name in section.keys())  # noqa: SIM118  # not a dict
    if not any(field.weight for field in fields):
        raise section.wrong("至少一个栏目的 weight 要大于 0,否则算不出建档率")
    rules = LedgerRules(fields, _targets(top.section("targets")))
    top.close()
    return rules


def _targets(section: Section) -> Mapping[Layer, int]:
    found = {}
    for name in section.keys():  # noqa: SIM118  # not a dict
        value = section.value(name)
        if name not in set(Layer):
            raise value.wrong(f"不认识分层 {name},可用的有:{'、'.join(Layer)}")
        found[Layer(name)] = value.whole(0, 100)
    return MappingProxyType(found)


def _field(name: str, section: Section) -> LedgerField:
    field = LedgerField(
        name=name,
        label=section.value("label").text(20),
        weight=section.value("weight").whole(0, 100),
        column=section.value("column").choice(COLUMNS) if "column" in section else "",
        facts=tuple(FactType(each.choice(tuple(FactType))) for each in section.values("facts")),
        many="many" in section and section.value("many").yes(),
        sensitive="sensitive" in section and section.value("sensitive").yes(),
    )
    if not (field.column or field.facts):
        raise section.wrong(f"{name} 没有来源,请写 column 或 facts")
    section.close()
    return field
