"""The catalogue of fields (D1): the class and level of everything that is kept or shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_FILE = Path(__file__).with_name("catalogue.yaml")
_CLASS = re.compile(r"C([123])/([1-4])")


@dataclass(frozen=True, order=True)
class Secrecy:
    """C1 to C3 and the level; the larger one is the stricter."""

    number: int
    level: int

    def __str__(self) -> str:
        return f"C{self.number}/{self.level}"


@dataclass(frozen=True)
class Field:
    """One field.

    Attributes:
        label: What it is called in a copy of somebody's data; "" when it is left out there.
        shown: How its value is shown in a copy; "" as it is.
    """

    name: str
    secrecy: Secrecy
    label: str = ""
    shown: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the store.

    Attributes:
        heading: Over its rows in a copy of somebody's data; "" when it has no part in one.
        left_out: Why it has no part in a copy.
    """

    name: str
    fields: Mapping[str, Field]
    heading: str = ""
    left_out: str = ""

    @property
    def copied(self) -> list[Field]:
        """What of a row belongs into a copy, in its order there."""
        return [each for each in self.fields.values() if each.label]


@cache
def catalogue() -> Mapping[str, Table]:
    """Every table by its name, those of a copy first and in its order."""
    return {name: _table(name, told) for name, told in _file()["tables"].items()}


def facts() -> Mapping[str, Field]:
    """The types of facts."""
    return _fields(_file()["facts"])


def imports() -> Mapping[str, Mapping[str, Field]]:
    """The columns of each kind of file."""
    return {kind: _fields(told) for kind, told in _file()["imports"].items()}


def interface() -> Mapping[str, Field]:
    """The fields of the JSON interface."""
    return _fields(_file()["interface"])


def strictest(fields: Iterable[Field]) -> Secrecy:
    """What a combination of fields is: the highest of them."""
    return max(each.secrecy for each in fields)


@cache
def _file() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    return found


def _table(name: str, told: Mapping[str, Any]) -> Table:
    words = {"heading", "left_out"}
    classes = {key: each for key, each in told.items() if key not in words}
    return Table(name, _fields(classes), told.get("heading", ""), told.get("left_out", ""))


def _fields(classes: Mapping[str, Any]) -> Mapping[str, Field]:
    return {each.name: each for each in _each_field(classes)}


def _each_field(classes: Mapping[str, Any]) -> Iterator[Field]:
    for written, names in classes.items():
        found = _CLASS.fullmatch(written)
        assert found is not None, written
        secrecy = Secrecy(int(found[1]), int(found[2]))
        labels = names if isinstance(names, dict) else dict.fromkeys(names)
        for name, told in labels.items():
            label, _, shown = (told or "").partition(":")
            yield Field(name, secrecy, label, shown)
