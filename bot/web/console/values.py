"""The value of a fact as the fields of a form, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.errors import Invalid
from bot.facts import FactType
from bot.importing import cells
from bot.schema import SCHEMA, Key, check_value
from bot.web.wording import Label, family_of


def fields(
    kind: FactType, written: Mapping[str, Any], label: Label, leave_out: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """One entry a key of the type, with what stands in it now and what may be chosen."""
    return [
        {
            "name": name,
            "label": label("fact_key", name),
            "kind": key.kind,
            "written": "" if written.get(name) is None else str(written[name]),
            "options": [(each, _named(kind, name, each, label)) for each in key.options],
        }
        for name, key in SCHEMA[kind].items()
        if name not in leave_out
    ]


def _named(kind: FactType, name: str, option: str, label: Label) -> str:
    family = family_of(kind, name)
    return label(family, option) if family else option


def given(
    kind: FactType,
    names: Sequence[str],
    written: Sequence[str],
    label: Label,
    kept: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What a form says anew: a field that was emptied is None, one left as it is not here.

    Raises:
        Invalid: Something does not fit the schema; names the field as the form does.
    """
    before = kept or {}
    found: dict[str, Any] = {}
    for name, text in zip(names, written, strict=False):
        if name in SCHEMA[kind]:
            value = _typed(SCHEMA[kind][name], text.strip(), label("fact_key", name))
            if value != before.get(name):
                found[name] = value
    check_value(kind, found, before, lambda name: f"「{label('fact_key', name)}」")
    return found


def _typed(key: Key, text: str, called: str) -> Any:
    """Text as the type of its key; what cannot be read is left for the schema to refuse."""
    if not text:
        return None
    try:
        if key.kind == "whole":
            return cells.money(cells.clean(text) or text) if key.most > 10**6 else int(text)
        if key.kind == "number":
            number = float(text)
            return int(number) if number == int(number) else number
    except cells.Unreadable as flaw:
        raise Invalid(f"「{called}」{flaw}") from None
    except (ValueError, OverflowError):
        raise Invalid(f"「{called}」应当是数字") from None
    return text
