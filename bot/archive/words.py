"""What can be read in a message, and which of it somebody else said. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bot.archive.strict import DamagedRecord, Reason, field_of, load_object, words_of

UNREADABLE = "【未知消息类型】"
"""The platform's own text where it cannot export a message."""
_QUOTE_HEAD = re.compile(r"(?:这是一条引用/回复消息|This is a quote/reply)\s*[:：]")
_QUOTE_END = re.compile(r"^-{5,}[ \t]*\r?(?:\n|\Z)", re.MULTILINE)
_DEEPEST = 4  # a record of records of records; people do not forward deeper


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text and the spans of it (start, end in code points) that are not the sender's words."""

    text: str = ""
    quoted: tuple[tuple[int, int], ...] = ()


SILENT = Spoken()


def own(text: str) -> Spoken:
    """The sender's own words."""
    return Spoken(text)


def foreign(text: str) -> Spoken:
    """Words of somebody else, passed on."""
    return Spoken(text, ((0, len(text)),)) if text else SILENT


def joined(parts: Iterable[Spoken]) -> Spoken:
    """The parts in order, each on a line of its own; empty ones leave no line."""
    text = ""
    quoted: list[tuple[int, int]] = []
    for part in parts:
        if part.text:
            text += "\n" if text and not text.endswith("\n") else ""
            quoted += ((start + len(text), end + len(text)) for start, end in part.quoted)
            text += part.text
    return Spoken(text, tuple(quoted))


def flattened(text: str) -> Spoken:
    """A text with what it answers folded in: a head line, author, words, dashes, the answer.

    The last line of dashes ends the quotation: words of another must never pass for the
    customer's, even when a quoted text has such a line itself.
    """
    if text.strip() == UNREADABLE:
        return foreign(text)
    if not _QUOTE_HEAD.match(text):
        return own(text)
    ends = [found.end() for found in _QUOTE_END.finditer(text)]
    return Spoken(text, ((0, ends[-1] if ends else len(text)),))


def spoken(record: Mapping[str, Any], kind: str) -> Spoken:
    """What a decrypted record says; nothing for the kinds that carry no readable words.

    Raises:
        DamagedRecord: A kind that we read lacks its content.
    """
    reader = _READERS.get(kind)
    if reader is None:
        return SILENT
    return reader(field_of(record, _BODY_NAMES.get(kind, kind), dict), 0)


def _text(body: Mapping[str, Any], _depth: int) -> Spoken:
    return flattened(words_of(body, "content"))


def _markdown(body: Mapping[str, Any], _depth: int) -> Spoken:
    return own(words_of(body, "content"))


def _link(body: Mapping[str, Any], _depth: int) -> Spoken:
    return joined(foreign(words_of(body, name, "")) for name in ("title", "description"))


def _mixed(body: Mapping[str, Any], depth: int) -> Spoken:
    return joined(_items(body, depth))


def _chatrecord(body: Mapping[str, Any], depth: int) -> Spoken:
    return joined(foreign(item.text) for item in _items(body, depth))


def _items(body: Mapping[str, Any], depth: int) -> Iterator[Spoken]:
    """Each item's words; ``content`` is JSON inside a string. ``ChatRecordText`` is ``text``."""
    if depth > _DEEPEST:
        raise DamagedRecord(Reason.FIELD, "item")
    for item in field_of(body, "item", list):
        if not isinstance(item, dict):
            raise DamagedRecord(Reason.FIELD, "item")
        kind = str(field_of(item, "type", str)).removeprefix("ChatRecord").lower()
        if reader := _READERS.get(kind):
            yield reader(load_object(field_of(item, "content", str)), depth + 1)


_BODY_NAMES = {"markdown": "info"}
_READERS: dict[str, Callable[[Mapping[str, Any], int], Spoken]] = {
    "text": _text,
    "markdown": _markdown,
    "link": _link,
    "mixed": _mixed,
    "chatrecord": _chatrecord,
}
