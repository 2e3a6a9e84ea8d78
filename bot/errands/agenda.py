"""What an employee should do on a day, put into words: cases, tasks, dates, people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from typing import Any, Protocol

from bot.clock import SHANGHAI, Clock, today
from bot.facts import FactClass
from bot.masking import cover_numbers
from bot.rulebook import POSTLOAN, Rulebook
from bot.store import agenda, cases, finding, people, sight
from bot.store.db import Db, Row
from bot.store.sight import Viewer
from bot.vault import Vault
from scheduler import morning
from scheduler.morning import Matter, Reach
from scheduler.voice import day_words, moment_words

_NEWS = {"new": "新来", "warm": "热络起来", "silent": "最近安静了"}


class Words(Protocol):
    """How employees know customers, and what their cards say."""

    def customer_name(self, db: Db, customer: str, userid: str) -> str:
        """Their remark, else the name."""
        ...

    def address(self, db: Db, customer: str, userid: str) -> str:
        """How the employee speaks to the customer."""
        ...

    def card_parts(self, db: Db, case: Row, userid: str) -> dict[str, str]:
        """The card of a case."""
        ...


@dataclass(frozen=True)
class Agenda:
    """Finds what waits for an employee; ``words`` names people as the employee does."""

    clock: Clock
    rules: Rulebook
    vault: Vault
    words: Words

    def matters(self, db: Db, viewer: Viewer) -> list[Matter]:
        """What is not settled yet, the most urgent first."""
        found = self.everything(db, viewer)
        done = agenda.settled(db, viewer.userid, today(self.clock), [each.key for each in found])
        return [each for each in found if each.key not in done]

    def everything(self, db: Db, viewer: Viewer) -> list[Matter]:
        """What the day brings, settled or not, the most urgent first."""
        reach = morning.reach(self.rules.calendar, today(self.clock))
        checks = list(self._postloan(db, viewer, reach))
        found = [
            *self._cases(db, viewer, {each.customer for each in checks}),
            *self._tasks(db, viewer),
            *self._maturities(db, viewer, reach),
            *self._promises(db, viewer, reach),
            *self._birthdays(db, viewer, reach),
            *checks,
            *self._groups(db, viewer, reach),
        ]
        return morning.in_order(found, self.clock.now())

    # -- what waits already

    def _cases(self, db: Db, viewer: Viewer, checked: set[str]) -> Iterator[Matter]:
        """Open cases; a check of a loan that is due itself stands there with its own button."""
        now = self.clock.now()
        for case in cases.open_cases_of(db, viewer.userid):
            if case["kind"] == POSTLOAN and case["external_userid"] in checked:
                continue
            parts = self.words.card_parts(db, case, viewer.userid)
            if not parts:
                continue
            due = datetime.fromtimestamp((case["deadline_at"] or case["opened_at"]) / 1000, UTC)
            late = "已过" if due < now else ""
            why = f"时限{moment_words(due, now)}{late},{parts['quote']}"
            yield Matter(
                "case",
                f"case:{case['id']}",
                due,
                parts["title"],
                why,
                parts["todo"],
                case["external_userid"],
                parts["reply"],
            )

    def _tasks(self, db: Db, viewer: Viewer) -> Iterator[Matter]:
        row = agenda.tasks_waiting(db, viewer.userid)
        if row is None or not row["tasks"]:
            return
        until = datetime.fromtimestamp(row["until"] / 1000, UTC) - timedelta(seconds=1)
        values = {
            "count": row["tasks"],
            "deadline": moment_words(until, self.clock.now()),
            "place": self.rules.where_to_tap(row["tasks"], row["moments"]),
        }
        yield self._matter("task", f"task:{viewer.userid}", until, values, "mass_send_waiting")

    # -- dates

    def _maturities(self, db: Db, viewer: Viewer, reach: Reach) -> Iterator[Matter]:
        for row in agenda.maturing(db, viewer.userid, reach.maturing):
            customer, day = row["external_userid"], date.fromisoformat(row["matures_on"])
            if row["manager"] != viewer.userid and not self._serves(db, customer, viewer):
                continue
            topic = self.rules.label("product", row["kind"]) if row["kinds"] == 1 else "几笔产品"
            values = self._about(db, customer, viewer) | {
                "topic": topic,
                "day": day_words(day, reach.day),
                "starts": _away(day, reach.day),
                "count": row["holdings"],
            }
            step = morning.step_of(reach.maturing, day)
            key = f"maturity:{customer}:{day}:{step}"
            yield self._matter("maturity", key, _end(day), values, customer=customer)

    def _promises(self, db: Db, viewer: Viewer, reach: Reach) -> Iterator[Matter]:
        for row in finding.promises(db, agenda.own(viewer.userid), *reach.promised):
            customer = row["external_userid"]
            open_to = row["class"] == FactClass.ORDINARY or sight.may_see_sensitive(
                db, viewer, customer
            )
            if not open_to or not self._serves(db, customer, viewer):
                continue
            day = date.fromisoformat(row["date_from"] or row["date_to"])
            values = self._about(db, customer, viewer) | {
                "topic": self.rules.label("fact", row["type"]),
                "day": day_words(day, reach.day),
            }
            said = " ".join(self.vault.open_text(row["words_sealed"]).split())
            if said:
                values["quote"] = cover_numbers(said)
            yield self._matter(
                "promise", f"promise:{row['id']}", _end(day), values, customer=customer
            )

    def _birthdays(self, db: Db, viewer: Viewer, reach: Reach) -> Iterator[Matter]:
        for row in agenda.birthdays(db, viewer.userid, *reach.near):
            customer, day = row["external_userid"], date.fromisoformat(row["next_birthday_on"])
            if not self._serves(db, customer, viewer):
                continue
            values = self._about(db, customer, viewer) | {
                "day": "今天" if day == reach.day else day_words(day, reach.day),
                "layer": self.rules.label("layer", row["layer"]),
            }
            key = f"birthday:{customer}:{day}"
            yield self._matter("birthday", key, _end(day), values, customer=customer)

    def _postloan(self, db: Db, viewer: Viewer, reach: Reach) -> Iterator[Matter]:
        for row in agenda.postloan_checks(db, viewer.userid, reach.following):
            customer, day = row["external_userid"], date.fromisoformat(row["postloan_check_on"])
            if not self._serves(db, customer, viewer):
                continue
            values = self._about(db, customer, viewer) | {"day": day_words(day, reach.day)}
            if day < reach.day:
                values["starts"] = f"已过{(reach.day - day).days}天"
            key = f"postloan:{customer}:{day}"
            yield self._matter("postloan", key, _end(day), values, customer=customer)

    # -- groups

    def _groups(self, db: Db, viewer: Viewer, reach: Reach) -> Iterator[Matter]:
        begins = datetime.combine(reach.before, self.rules.thresholds.morning.at, SHANGHAI)
        rows = agenda.group_news(db, viewer.userid, int(begins.timestamp() * 1000))
        for chat_id, some in groupby(rows, lambda row: str(row["chat_id"])):
            news = list(some)
            values = {
                "place": news[0]["name"] or "客户群",
                "names": self._news(db, news, viewer),
            }
            yield self._matter("group", f"group:{chat_id}:{reach.day}", _end(reach.day), values)

    def _news(self, db: Db, rows: list[Row], viewer: Viewer) -> str:
        told = []
        for what, words in _NEWS.items():
            members = dict.fromkeys(row["member"] for row in rows if row["what"] == what)
            names = [self.words.customer_name(db, each, viewer.userid) for each in members]
            known = [each or "一位客户" for each in names]
            if known:
                told.append(f"{words}:{morning.named(known)}")
        return ";".join(told)

    # -- words

    def _matter(
        self,
        kind: str,
        key: str,
        due: datetime,
        values: dict[str, Any],
        message: str = "",
        *,
        customer: str = "",
    ) -> Matter:
        parts = self.rules.renderer.render_parts(
            self.rules.messages[message or f"day_{kind}"], values
        )
        reply = parts.get("reply", "")
        return Matter(kind, key, due, parts["title"], parts["why"], parts["todo"], customer, reply)

    def _about(self, db: Db, customer: str, viewer: Viewer) -> dict[str, Any]:
        return {
            "customer": self.words.customer_name(db, customer, viewer.userid) or "一位客户",
            "address": self.words.address(db, customer, viewer.userid),
        }

    @staticmethod
    def _serves(db: Db, customer: str, viewer: Viewer) -> bool:
        """One customer, one employee: whoever acts first for them, or nobody does."""
        responsible = people.responsible_for(db, customer)
        return responsible is None or responsible == viewer.userid


def _end(day: date) -> datetime:
    return datetime.combine(day, time(23, 59), SHANGHAI)


def _away(day: date, beside: date) -> str:
    days = (day - beside).days
    return {0: "就在今天", 1: "就在明天"}.get(days, f"还有{days}天")
