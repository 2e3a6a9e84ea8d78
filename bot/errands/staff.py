"""What employees get from the app: cards, drafts, answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

from bot.actions import AnswerEmployee, SendCard, TellStaff, UpdateCard
from bot.clock import Clock, today
from bot.errands.agenda import Agenda
from bot.errands.chasing import Chaser
from bot.errands.morning import Morning
from bot.errors import Invalid, Refused
from bot.facts import FactClass
from bot.links import DayLinks, LoginLinks
from bot.model import UserId
from bot.outbox import Effect
from bot.rulebook import POSTLOAN, Rulebook
from bot.store import cases, finding, journal, ledger, people, sight, talk, views
from bot.store.db import Database, Db, Row
from bot.vault import Vault
from bot.wecom import Button, WeComClient, button_card, text_message
from scheduler.morning import MOST
from scheduler.voice import day_words, moment_words

_FOUR_HOURS = 14_400
_CODE_DEAD = (42014, 40058)
_TOPICS = {
    "interest": "product",
    "advice": "product",
    "complaint": "complaint",
    "churn": "churn",
}
"""In which family of labels the topic of a kind of case is."""


@dataclass
class Desk:
    """Messages of the app to employees; the duplicate check makes a repeat harmless."""

    database: Database
    vault: Vault
    clock: Clock
    rules: Rulebook
    wecom: WeComClient
    logins: LoginLinks

    # -- cards

    def send_card(self, errand: SendCard) -> Effect | None:
        """The card of a case: fact, why it matters, what to do, the customer's own words."""
        db = self.database.read()
        case = cases.case(db, errand.case_id)
        if case is None or case["status"] != "open":
            return None
        name = "card_overdue" if errand.overdue else f"card_{case['kind']}"
        message = self.rules.messages[name]
        parts = self.rules.renderer.render_parts(message, self._values(db, case, errand.userid))
        card = button_card(
            f"case-{case['id']}-{errand.key.rpartition(':')[2]}",
            parts["title"],
            [
                Button(label, key, 1 if position == 0 else 2)
                for position, (key, label) in enumerate(message.buttons.items())
            ],
            description=parts["why"],
            text=f"{parts['quote']}\n{parts['todo']}\n可以这样说:{parts['reply']}",
            url=f"{self.logins.public_url}/cases/{case['id']}" if self.logins.public_url else "",
        )
        self.wecom.message_send(card, users=[errand.userid], duplicate_check_seconds=_FOUR_HOURS)
        return lambda db: self._carded(db, case, errand)

    def _carded(self, db: Db, case: Row, errand: SendCard) -> None:
        now = self._now()
        step = "head told" if errand.overdue else "card sent"
        cases.add_step(db, case["id"], "bot", step, now, note=errand.userid)
        journal.note(
            db,
            "card_sent",
            now,
            customer=case["external_userid"],
            userid=errand.userid,
            ref=case["id"],
            case=case["kind"],
            overdue=errand.overdue,
        )

    def card_parts(self, db: Db, case: Row, userid: str) -> dict[str, str]:
        """What the card of a case says to an employee, part by part; {} when words are missing."""
        message = self.rules.messages[f"card_{case['kind']}"]
        try:
            return self.rules.renderer.render_parts(message, self._values(db, case, userid))
        except Invalid:
            return {}

    def _values(self, db: Db, case: Row, userid: str) -> dict[str, Any]:
        now = self.clock.now()
        deadline = datetime.fromtimestamp(case["deadline_at"] / 1000, UTC)
        quote, heard_at = self._evidence(db, case, userid)
        group = people.group(db, case["chat_id"]) if case["chat_id"] else None
        assignee = people.staff(db, case["assignee"])
        who = people.customer(db, case["external_userid"])
        return {
            "customer": self.customer_name(db, case["external_userid"], userid),
            "address": self.address(db, case["external_userid"], userid),
            "topic": self.topic(case["kind"], case["topic"]),
            "matter": self.rules.label("case", case["kind"]),
            "layer": self.rules.label("layer", who["layer"] if who else "unknown"),
            "assignee": assignee["name"] if assignee and assignee["name"] else case["assignee"],
            "deadline": moment_words(deadline, now),
            "quote": quote,
            "heard_at": moment_words(heard_at, now),
            "place": f"群「{group['name']}」" if group and group["name"] else "聊天",
        }

    def topic(self, kind: str, topic: str) -> str:
        """What a case is about, in the words of the bank."""
        if kind == POSTLOAN:
            return day_words(date.fromisoformat(topic), today(self.clock))
        family = _TOPICS.get(kind)
        if not topic:
            return "未说明" if family else "近况"
        return self.rules.label(family, topic) if family else topic

    def _hidden(self, db: Db, case: Row, fact: Row, userid: str) -> bool:
        viewer = sight.viewer(db, userid)
        return fact["class"] == FactClass.SENSITIVE and (
            viewer is None or not sight.may_see_sensitive(db, viewer, case["external_userid"])
        )

    def _evidence(self, db: Db, case: Row, userid: str) -> tuple[str, datetime]:
        """The customer's words behind a case: those of its fact, else what they said last."""
        fact = ledger.fact_row(db, case["fact_id"]) if case["fact_id"] else None
        if case["kind"] == POSTLOAN:
            return "核心系统的贷后检查日", datetime.fromtimestamp(case["opened_at"] / 1000, UTC)
        if fact is not None and self._hidden(db, case, fact, userid):
            return "(敏感信息,只给跟进人和网点负责人看)", ledger.observed_at(fact)
        if fact is not None and fact["words_sealed"]:
            words = self.vault.open_text(fact["words_sealed"])
            return " ".join(words.split()), ledger.observed_at(fact)
        said = talk.last_words(db, self.vault, case["external_userid"])
        if said is None:
            gone = "(原话已撤回)" if case["fact_id"] else "(还没有可读的话)"
            return gone, datetime.fromtimestamp(case["opened_at"] / 1000, UTC)
        return said

    def customer_name(self, db: Db, customer: str, userid: str) -> str:
        """How an employee knows a customer: their remark, else the name."""
        return views.customer_name(db, userid, customer) or "一位客户"

    def address(self, db: Db, customer: str, userid: str) -> str:
        """How an employee speaks to a customer."""
        who = people.customer(db, customer)
        remark = db.value(
            "SELECT remark FROM follow WHERE userid = :userid AND external_userid = :id",
            userid=userid,
            id=customer,
        )
        name = who["name"] if who and who["core_id"] else ""
        return self.rules.words.address(name, remark or "", who["gender"] if who else "")

    def update_card(self, errand: UpdateCard) -> Effect | None:
        """The buttons say what was pressed."""
        case = cases.case(self.database.read(), errand.case_id)
        if case is None:
            return None
        label = self.rules.label("outcome", case["outcome"] or "later")
        try:
            self.wecom.update_template_card(
                errand.response_code, [errand.userid], replace_name=label
            )
        except Refused as refusal:
            if refusal.errcode not in _CODE_DEAD:
                raise
        return None

    # -- messages

    def tell(self, errand: TellStaff) -> Effect:
        """A message of a template to one employee, perhaps about a customer."""
        values = dict(errand.values)
        db = self.database.read()
        if errand.about:
            values["customer"] = self.customer_name(db, errand.about, errand.userid)
            values["address"] = self.address(db, errand.about, errand.userid)
        text = self.rules.renderer.render(self.rules.messages[errand.words], values)
        self._say(errand.userid, text)
        return lambda db: self._told(db, errand)

    def _told(self, db: Db, errand: TellStaff) -> None:
        journal.note(
            db,
            "staff_told",
            self._now(),
            customer=errand.about,
            userid=errand.userid,
            words=errand.words,
        )

    def answer(self, errand: AnswerEmployee) -> Effect | None:
        """帮助, 今日待办, 查 NAME, 登录.

        Never silence: whoever asks the same twice is answered twice, so WeCom's duplicate check
        is off. A crash between call and record may answer a question a second time. (A check
        whose seconds depended on the question lost 2 of 200 answers to equal seconds.)
        """
        self._say(errand.userid, self._reply(errand), duplicate_check_seconds=0)
        return None

    def _reply(self, errand: AnswerEmployee) -> str:
        db = self.database.read()
        viewer = sight.viewer(db, errand.userid)
        if viewer is None or errand.question == "help":
            return self._render("help", {})
        if errand.question == "login":
            return self._render("login", {"link": self.logins.of(errand.userid)})
        if errand.question == "today":
            return self._list("today", self.todo(db, viewer))
        return self._list("find", self._find(db, viewer, errand.argument))

    def _render(self, name: str, values: dict[str, Any]) -> str:
        return self.rules.renderer.render(self.rules.messages[name], values)

    def _list(self, name: str, items: list[dict[str, Any]]) -> str:
        return self.rules.renderer.render_items(
            self.rules.messages[name], items, {"count": len(items)}
        )

    # -- today

    @cached_property
    def agenda(self) -> Agenda:
        """What waits for whom."""
        return Agenda(self.clock, self.rules, self.vault, self)

    @cached_property
    def days(self) -> DayLinks:
        """Links to the page of an employee's day."""
        return DayLinks(self.logins.public_url, self.vault, self.clock)

    @cached_property
    def morning(self) -> Morning:
        """The lists of the day."""
        return Morning(
            self.database,
            self.vault,
            self.clock,
            self.rules,
            self.wecom,
            self.agenda,
            self.days,
        )

    @cached_property
    def chaser(self) -> Chaser:
        """Reminders of tasks that wait for a tap."""
        return Chaser(self.database, self.clock, self.rules, self.wecom)

    def todo(self, db: Db, viewer: sight.Viewer) -> list[dict[str, Any]]:
        """What an employee should do today: ten things at most, the most urgent first."""
        found = self.agenda.matters(db, viewer)[:MOST]
        return [
            {"count": number, "fact": each.fact, "why": each.why, "todo": each.todo}
            for number, each in enumerate(found, 1)
        ]

    # -- find

    def _find(self, db: Db, viewer: sight.Viewer, name: str) -> list[dict[str, Any]]:
        scope = sight.visible_to(viewer)
        rows = finding.by_name(db, scope, name)
        return [self._found_item(db, row, viewer) for row in rows]

    def _found_item(self, db: Db, row: Row, viewer: sight.Viewer) -> dict[str, Any]:
        responsible = people.responsible_for(db, row["external_userid"])
        manager = people.staff(db, responsible) if responsible else None
        spoke = row["spoke_at"]
        at = datetime.fromtimestamp(spoke / 1000, UTC) if spoke else None
        last = f"{moment_words(at, self.clock.now())}说过话" if at else "还没说过话"
        refused = ",已拒收消息" if row["refused"] else ""
        open_case = db.value(
            "SELECT kind FROM escalation WHERE external_userid = :id AND status = 'open'",
            id=row["external_userid"],
        )
        todo = f"{self.rules.label('case', open_case)}待办" if open_case else "暂无待办"
        return {
            "customer": self.customer_name(db, row["external_userid"], viewer.userid),
            "layer": self.rules.label("layer", row["layer"]),
            "manager": manager["name"] if manager and manager["name"] else "暂无人",
            "states": last + refused,
            "todo": todo,
        }

    # -- plumbing

    def _say(self, userid: str, text: str, duplicate_check_seconds: int = 60) -> None:
        self.wecom.message_send(
            text_message(text),
            users=[UserId(userid)],
            duplicate_check_seconds=duplicate_check_seconds,
        )

    def _now(self) -> int:
        return int(self.clock.now().timestamp() * 1000)
