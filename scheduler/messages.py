"""Messages: the fixed texts of the bot, for customers, employees and pages. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from bot.yamlfile import Place, Section
from scheduler.textfile import read_file, read_name
from scheduler.words import FIELDS, check_template

_PART = re.compile(r"## (?P<name>[a-z_]+)")


@dataclass(frozen=True, slots=True)
class Form:
    """What a message is made of.

    Attributes:
        parts: Names of the parts that must be there.
        limits: The most bytes of a part; longer is cut when it is rendered.
        for_customer: Read by customers, so that the voice rules for them hold.
    """

    parts: tuple[str, ...]
    limits: Mapping[str, int]
    for_customer: bool


# Bytes from the platform's contract; a card is kept inside the 128 + 512 of a text card.
FORMS: Mapping[str, Form] = {
    "welcome": Form(("text",), {"text": 4000}, for_customer=True),
    "group_welcome": Form(("text",), {"text": 3000}, for_customer=True),
    "kf": Form(("text",), {"text": 2048}, for_customer=True),
    "staff": Form(("text",), {"text": 2048}, for_customer=False),
    "list": Form(("head", "item", "more", "none"), {}, for_customer=False),
    "day": Form(("head", "item", "more", "none", "foot"), {}, for_customer=False),
    "matter": Form(
        ("title", "why", "todo", "reply"),
        {"title": 108, "why": 180, "todo": 132, "reply": 480},
        for_customer=False,
    ),
    "card": Form(
        ("title", "why", "todo", "quote", "reply"),
        {"title": 108, "why": 132, "todo": 132, "quote": 240, "reply": 360},
        for_customer=False,
    ),
    "notice": Form(
        ("title", "why", "todo"), {"title": 108, "why": 240, "todo": 240}, for_customer=False
    ),
    "page": Form(
        ("title", "ask", "button", "plain_button", "plain", "done", "broken"), {}, for_customer=True
    ),
}


@dataclass(frozen=True, slots=True)
class Message:
    """One file of ``templates/messages``.

    Attributes:
        form: What it is made of and where it is shown, a key of ``FORMS``.
        parts: Templates by part; a message of one part calls it ``text``.
        fields: Every variable that some part uses.
        buttons: Key → label of the buttons of a card, in order.
    """

    name: str
    version: int
    form: str
    parts: Mapping[str, str] = field(repr=False)
    fields: frozenset[str]
    buttons: Mapping[str, str]
    text_hash: str

    @property
    def words(self) -> str:
        """The template of a message of one part."""
        return self.parts["text"]

    @property
    def limits(self) -> Mapping[str, int]:
        """The most bytes of each part."""
        return FORMS[self.form].limits


Messages = Mapping[str, Message]
"""By name."""


def load_messages(folder: Path) -> Messages:
    """All messages of ``templates/messages`` by name.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    found = {path.stem: _message(path) for path in sorted(folder.glob("*.md"))}
    return MappingProxyType(found)


def _message(path: Path) -> Message:
    head, words, place, digest = read_file(path)
    form = head.value("form").choice(FORMS)
    parts = _parts(words, place, FORMS[form].parts)
    used = [check_template(template, at, FIELDS) for at, template in parts.values()]
    found = Message(
        name=read_name(head, path.name),
        version=head.value("version").whole(1, 9999),
        form=form,
        parts=MappingProxyType({name: template for name, (_, template) in parts.items()}),
        fields=frozenset().union(*used),
        buttons=_buttons(head) if form == "card" else MappingProxyType({}),
        text_hash=digest,
    )
    head.close()
    return found


def _buttons(head: Section) -> Mapping[str, str]:
    section = head.section("buttons")
    found = {key: section.value(key).text(10) for key in section.keys()}  # noqa: SIM118  # no dict
    if not 1 <= len(found) <= 6:
        raise section.wrong("按钮要有 1 到 6 个")
    return MappingProxyType(found)


def _parts(words: str, place: Place, names: tuple[str, ...]) -> dict[str, tuple[Place, str]]:
    """The words by part, each with the place where it begins."""
    if names == ("text",):
        return {"text": (place, words)}
    found: dict[str, tuple[Place, list[str]]] = {}
    lines: list[str] = []
    for number, line in enumerate(words.split("\n"), start=place.line):
        title = _PART.fullmatch(line)
        here = Place(place.file, number + 1)
        if title and (title["name"] not in names or title["name"] in found):
            raise Place(place.file, number).wrong(f"这里应当依次写:{'、'.join(names)},各一次")
        if title:
            lines = []
            found[title["name"]] = (here, lines)
        else:
            lines.append(line)
    for name in names:
        if name not in found or not "".join(found[name][1]).strip():
            raise place.wrong(f"缺少“## {name}”一段或内容为空,请补上")
    return {name: (here, "\n".join(part).strip()) for name, (here, part) in found.items()}
