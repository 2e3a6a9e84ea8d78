"""How a record says, beside each field, which element of WeCom's XML or JSON fills it. Pure.

``userid: Annotated[UserId, text("UserID")]`` is read from ``<UserID>``; a field without a
default must be there. Values that make no sense count as absent: WeCom adds and changes
them without notice, and an event is worth more than one odd number in it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple, TypeVar, get_type_hints

from bot.errors import Invalid

Fields = Mapping[str, object]
"""Elements by name: text, another ``Fields``, or a list of them where an element repeats."""

_LATEST = 253_402_300_799
"""The last second of the year 9999, the end of ``datetime``."""
_WHOLE = re.compile(r"-?[0-9]{1,19}")
_T = TypeVar("_T")


class Element(NamedTuple):
    """Where a field is read from, and how; ``read`` gives None for what is not there."""

    paths: tuple[str, ...]
    read: Callable[[Fields], object | None]


def _several(value: object) -> list[object]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _find(tree: Fields, path: tuple[str, ...]) -> list[object]:
    found: list[object] = [tree]
    for word in path:
        found = [
            inner
            for outer in found
            if isinstance(outer, Mapping)
            for inner in _several(outer.get(word))
        ]
    return found


def _words(tree: Fields, paths: list[tuple[str, ...]]) -> Iterator[str]:
    for path in paths:
        for value in _find(tree, path):
            if isinstance(value, str):
                yield value
            elif isinstance(value, int) and not isinstance(value, bool):
                yield str(value)


def _reading(paths: tuple[str, ...], take: Callable[[Iterator[str]], object | None]) -> Element:
    split = [tuple(path.split("/")) for path in paths]
    return Element(paths, lambda tree: take(_words(tree, split)))


def _first(words: Iterator[str]) -> str | None:
    return next((word for word in words if word), None)


def _whole(words: Iterator[str]) -> int | None:
    word = (_first(words) or "").strip()
    return int(word) if _WHOLE.fullmatch(word) else None


def _instant(words: Iterator[str]) -> datetime | None:
    seconds = _whole(words)
    if seconds is None or not 0 < seconds <= _LATEST:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _degrees(words: Iterator[str]) -> float | None:
    try:
        number = float(_first(words) or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def text(*paths: str) -> Element:
    """The first non-empty text among the paths; elements of a path are parted by ``/``."""
    return _reading(paths, _first)


def number(*paths: str) -> Element:
    """A whole number of any value; anything else counts as absent."""
    return _reading(paths, _whole)


def moment(*paths: str) -> Element:
    """Unix seconds as an aware instant in UTC; 0 means not yet."""
    return _reading(paths, _instant)


def decimal(*paths: str) -> Element:
    """A finite decimal number, such as degrees or metres."""
    return _reading(paths, _degrees)


def texts(*paths: str) -> Element:
    """Every non-empty text of a repeated element, in order."""
    return _reading(paths, lambda words: tuple(word for word in words if word))


def numbers(*paths: str) -> Element:
    """Every whole number of a repeated element, in order."""
    return _reading(
        paths, lambda words: tuple(int(word) for word in words if _WHOLE.fullmatch(word))
    )


def listed(*paths: str) -> Element:
    """The parts of a text such as ``1,2,3``."""

    def parts(words: Iterator[str]) -> tuple[str, ...]:
        return tuple(part.strip() for part in (_first(words) or "").split(",") if part.strip())

    return _reading(paths, parts)


def lines(*paths: str) -> Element:
    """Every text of the paths, joined by line breaks."""
    return _reading(paths, lambda words: "\n".join(word for word in words if word) or None)


def each(kind: type, *paths: str) -> Element:
    """A record of ``kind`` for each repetition of an element."""
    split = [tuple(path.split("/")) for path in paths]

    def read(tree: Fields) -> tuple[object, ...]:
        found = (one for path in split for one in _find(tree, path))
        return tuple(build(kind, one, {}) for one in found if isinstance(one, Mapping))

    return Element(paths, read)


@cache
def _plan(kind: Any) -> tuple[tuple[str, Element, bool], ...]:
    """For each field that is read: its name, its element, and whether it must be there."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        (one.name, note, one.default is MISSING)
        for one in fields(kind)
        for note in getattr(hints[one.name], "__metadata__", ())
        if isinstance(note, Element)
    )


def build(kind: type[_T], tree: Fields, known: Mapping[str, Any]) -> _T:
    """A ``kind`` from its elements and the fields that are known already.

    Raises:
        Invalid: A field without a default is missing.
    """
    values = dict(known)
    plan: tuple[tuple[str, Element, bool], ...] = _plan(kind)  # type: ignore[arg-type]
    for name, element, needed in plan:
        value = element.read(tree)
        if value is not None:
            values[name] = value
        elif needed:
            raise Invalid(f"事件 {known.get('name', kind.__name__)} 缺少 {element.paths[0]}")
    return kind(**values)
