"""A customer's copy of everything that is held about them: one archive with a page and data.

What tells who other people are is covered; employees of the bank are named. Every page carries
for whom, by whom, when and under which request it was made (D5).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from bot.clock import SHANGHAI, today
from bot.masking import cover_names, cover_numbers
from bot.store import chats, events, people, views
from bot.store.account import account
from bot.store.catalogue import Field, Secrecy, Table, strictest
from bot.store.db import Db, Row
from bot.store.held import copied_tables, names_of_others, rows_of
from bot.store.sight import Viewer
from bot.web.console.cases import TOLD_STEPS
from bot.web.console.pushes import account_step
from bot.web.console.telling import Teller
from bot.web.pages import Pages
from bot.web.services import Services
from bot.web.wording import fact_words, iso, yuan

PAGE, DATA = "资料副本.html", "资料副本.json"
_WHY = "来龙去脉"


@dataclass(frozen=True)
class Section:
    """The rows of one table, in words and as data."""

    table: Table
    titles: list[str]
    rows: list[list[str]]
    data: list[dict[str, Any]]


def make_copy(services: Services, db: Db, request: Row, by: Viewer) -> bytes:
    """The archive: a page to read and the same as JSON."""
    customer = request["external_userid"]
    teller = Teller(services, db, by)
    shown = _Shown(services, db, customer, teller)
    sections = [_section(shown, table) for table in copied_tables()]
    found = [each for each in sections if each.rows]
    now = services.clock.now().astimezone(SHANGHAI)
    about = _about(db, request, by, now, strictest(_fields(found)))
    page = Pages(services).text(
        "copy.html",
        about=about,
        sections=found,
        nothing=[each.table.heading for each in sections if not each.rows],
    )
    data = {"about": about} | {
        each.table.name: {"heading": each.table.heading, "rows": each.data} for each in found
    }
    written = json.dumps(data, ensure_ascii=False, indent=1)
    return _archive({PAGE: page, DATA: written}, now)


def _fields(sections: list[Section]) -> list[Field]:
    return [each for section in sections for each in section.table.copied]


def _about(db: Db, request: Row, by: Viewer, now: datetime, secrecy: Secrecy) -> dict[str, str]:
    """What stands on the cover, and on every page."""
    name = people.customer(db, request["external_userid"])
    staff = views.staff_names(db)
    who = (name["name"] if name else "") or request["external_userid"]
    made_by, made_at = staff.get(by.userid, by.userid), f"{now:%Y-%m-%d %H:%M}"
    return {
        "number": str(request["id"]),
        "name": who,
        "asked_on": request["asked_on"],
        "made_at": made_at,
        "made_by": made_by,
        "approved_by": staff.get(request["approved_by"], request["approved_by"]),
        "branch": request["branch"],
        "secrecy": f"C{secrecy.number} 类 {secrecy.level} 级",
        "watermark": f"仅供 {who} 本人 · 申请 {request['id']} 号 · {made_by} · {made_at}",
    }


def _archive(files: Mapping[str, str], now: datetime) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name, now.timetuple()[:6]), text.encode())
    return out.getvalue()


def _section(shown: _Shown, table: Table) -> Section:
    rows = rows_of(shown.db, table, shown.customer)
    fields = table.copied
    titles = [each.label for each in fields]
    told = [[shown.words(each, row) for each in fields] for row in rows]
    data = [
        {each.name: shown.value(each, row, words) for each, words in zip(fields, line, strict=True)}
        for row, line in zip(rows, told, strict=True)
    ]
    if table.name == "push":
        titles = [*titles, _WHY]
        for row, line, entry in zip(rows, told, data, strict=True):
            why = shown.why(row["id"])
            line.append("\n".join(why))
            entry["account"] = why
    return _without_empty(Section(table, titles, told, data))


def _without_empty(section: Section) -> Section:
    """The page leaves columns out in which nobody wrote anything; the data have them."""
    kept = [n for n in range(len(section.titles)) if any(line[n] for line in section.rows)]
    return replace(
        section,
        titles=[section.titles[n] for n in kept],
        rows=[[line[n] for n in kept] for line in section.rows],
    )


class _Shown:
    """How the columns of one customer's rows are shown."""

    def __init__(self, services: Services, db: Db, customer: str, teller: Teller) -> None:
        self.services = services
        self.db = db
        self.customer = customer
        self._teller = teller
        self._label = services.rules.label
        self._segments = {rule.name: rule.label for rule in services.rules.segments}
        self._states = {rule.name: rule.label for rule in services.rules.standing.states}
        self._ways: Mapping[str, Callable[[Any, Row], str]] = {
            "": lambda value, _row: str(value),
            "time": lambda value, _row: _moment(value),
            "flag": lambda value, _row: "是" if value else "否",
            "yuan": lambda value, _row: yuan(value),
            "staff": lambda value, _row: teller.staff(value),
            "group": lambda value, _row: chats.group_name(db, value) or "客户群",
            "event": self._event,
            "tags": lambda value, _row: "、".join(views.tag_names(db, json.loads(value))),
            "segment": lambda value, _row: self._segments.get(value, value),
            "state": lambda value, _row: self._states.get(value, value),
            "rules": lambda value, _row: "、".join(
                self._label("rule", each) for each in json.loads(value)
            ),
            "speaker": self._speaker,
            "actor": lambda value, _row: "程序" if value == "bot" else teller.staff(value),
            "step_note": self._step_note,
            "topic": lambda value, row: services.desk.topic(row["kind"], value),
            "fact_value": self._fact,
            "sealed": lambda value, _row: services.vault.open_text(value),
            "covered": lambda value, _row: self._covered(str(value)),
            "covered_sealed": lambda value, _row: self._covered(services.vault.open_text(value)),
            "json_sealed": self._unmatched,
        }

    def words(self, field: Field, row: Row) -> str:
        """A value as a person reads it; "" for nothing."""
        value = row[field.name]
        if value is None or value in ("", b""):
            return ""
        way = self._ways.get(field.shown)
        return way(value, row) if way else self._label(field.shown, str(value))

    def value(self, field: Field, row: Row, words: str) -> Any:
        """A value as data: numbers, yes and no, moments as ISO 8601, else slugs or words."""
        value = row[field.name]
        if field.shown == "time":
            return iso(value)
        if field.shown == "flag":
            return bool(value)
        if field.shown == "fact_value":
            return json.loads(value)
        as_it_is = field.shown not in self._ways or field.shown in {"", "yuan", "segment", "state"}
        return value if as_it_is else words

    def why(self, push_id: int) -> list[str]:
        """How a message came about: who wrote it, why this customer, by which rules."""
        steps = account(self.db, [push_id])[push_id]
        return [self._step(account_step(self.services, self._teller, each)) for each in steps]

    def _step(self, step: Mapping[str, Any]) -> str:
        who = step["name"] if step["who"] != "release" else self._label("written_by", "release")
        who = who if step["who"] else ""
        parts = (self._label("account", step["part"]), who, step["what"], step["detail"])
        return " ".join(part for part in parts if part)

    def _event(self, value: int, _row: Row) -> str:
        row = events.event(self.db, value)
        return str(row["name"]) if row else ""

    def _speaker(self, value: str, _row: Row) -> str:
        return "您" if value == self.customer else self._teller.staff(value)

    def _fact(self, value: str, row: Row) -> str:
        found = json.loads(value)
        words = fact_words(row["type"], found, self._label, today(self.services.clock))
        return self._covered(words)

    def _step_note(self, value: str, row: Row) -> str:
        told = row["step"] in TOLD_STEPS  # the note says who was told
        return self._teller.staff(value) if told else self._covered(value)

    def _unmatched(self, value: bytes, _row: Row) -> str:
        found = json.loads(self.services.vault.open_text(value))
        return "、".join(f"{key}:{each}" for key, each in found.items() if each is not None)

    def _covered(self, text: str) -> str:
        """Words without what tells who others are: their names, and numbers but one's own."""
        kept = text
        for own in self._own:
            kept = kept.replace(own, own.translate(_ASIDE))
        return cover_names(cover_numbers(kept), self._others).translate(_BACK)

    @cached_property
    def _others(self) -> set[str]:
        return names_of_others(self.db, self.customer)

    @cached_property
    def _own(self) -> list[str]:
        row = people.customer(self.db, self.customer)
        found = (self.services.vault.open_text(row["phone_sealed"]), row["core_id"]) if row else ()
        return [each for each in found if each]


# One's own numbers are put aside while others are covered: into digits that no pattern looks for.
_ASIDE = {ord("0") + digit: 0xE000 + digit for digit in range(10)}
_BACK = {after: before for before, after in _ASIDE.items()}


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, SHANGHAI):%Y-%m-%d %H:%M}"
