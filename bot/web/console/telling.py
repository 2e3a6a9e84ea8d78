"""Journal lines as sentences for one viewer: ids become names, slugs become words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.clock import today
from bot.facts import FactClass
from bot.store import cases, chats, events, ledger, lists, talk, views
from bot.store.db import Db, Row
from bot.store.sight import Viewer, may_see_sensitive
from bot.web.services import Services
from bot.web.wording import fact_words, shown_quote, shown_value

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "people": (
        "joined_group",
        "left_group",
        "group_found",
        "group_dismissed",
        "friend_added",
        "friend_found",
        "friend_lost",
        "welcomed",
        "welcomed_before",
        "welcome_held",
        "welcome_failed",
        "kf_entered",
        "kf_welcomed",
        "kf_answered",
        "kf_answer_failed",
        "kf_send_failed",
        "archive_agreed",
        "archive_refused",
        "referral_kept",
        "consent_given",
        "refused",
        "customers_merged",
        "customers_parted",
        "signed_up",
    ),
    "facts": (
        "fact_learned",
        "fact_pending",
        "fact_confirmed",
        "fact_rejected",
        "fact_added",
        "recalled",
        "segments",
        "states",
        "tags_marked",
    ),
    "sends": (
        "day_planned",
        "push_tasked",
        "push_held",
        "push_dropped",
        "push_expired",
        "push_failed",
        "push_confirmed",
        "task_accepted",
        "task_cancelled",
        "sending_stopped",
        "sending_resumed",
        "campaign_moved",
    ),
    "cases": (
        "case_opened",
        "case_overdue",
        "case_handed_on",
        "case_returned",
        "case_closed",
        "case_put_off",
        "contact_kept",
        "case_without_owner",
        "card_sent",
        "staff_told",
    ),
    "system": (
        "staff_synced",
        "reconciled",
        "record_set_aside",
        "archive_gap",
        "audit_broken",
        "rules_taken",
        "rules_refused",
    ),
}
"""Which lines belong together; a kind that is not here counts as system."""
_FAMILY_OF = {kind: family for family, kinds in FAMILIES.items() for kind in kinds}
_LAYER, _CLASS = "layer:", "class:"
_MOVES = ("segments", "states")
_ELSEWHERE, _SECRET = "competitor_maturity", "sensitive"


class About(dict[str, Any]):
    """What a sentence needs; what the journal did not note reads as nothing."""

    def __missing__(self, key: str) -> str:
        return ""


@dataclass(slots=True)
class Line:
    """One line of the journal, ready to be shown.

    Attributes:
        about: What the sentence of this kind needs besides, by name.
    """

    id: int
    at: int
    kind: str
    family: str
    customer: str = ""
    customer_id: str = ""
    group: str = ""
    chat_id: str = ""
    may_open_group: bool = False
    staff: str = ""
    about: About = field(default_factory=About)


def _moved(line: Line) -> bool:
    return bool(line.about["entered"] or line.about["left"])


class Teller:
    """Tells lines to one viewer; names are looked up once a batch."""

    def __init__(self, services: Services, db: Db, who: Viewer) -> None:
        self._services = services
        self._db = db
        self._who = who
        self._staff = views.staff_names(db)
        self._names: dict[str, str] = {}
        self._sensitive: dict[str, bool] = {}
        self._groups: dict[str, bool] = {}

    def tell(self, rows: Iterable[Row]) -> list[Line]:
        """The lines in the order of the rows, which must be the viewer's to read.

        What would only say that something sensitive moved is left out.
        """
        lines = [self._line(row) for row in rows]
        return [line for line in lines if line.kind not in _MOVES or _moved(line)]

    def _line(self, row: Row) -> Line:
        why = json.loads(row["why"])
        customer, chat_id = row["external_userid"] or "", row["chat_id"] or ""
        line = Line(
            row["id"],
            row["at"],
            row["kind"],
            _FAMILY_OF.get(row["kind"], "system"),
            self.name(customer) if customer else "",
            customer,
            chats.group_name(self._db, chat_id) if chat_id else "",
            chat_id,
            self.opens_group(chat_id),
            self.staff(row["userid"] or ""),
        )
        more = self._more(row["kind"])
        line.about = About(why | (more(row, why) if more else {}))
        return line

    def _more(self, kind: str) -> Callable[[Row, dict[str, Any]], dict[str, Any]] | None:
        if kind.startswith("fact_"):
            return self._fact
        if kind.startswith("push_"):
            return self._push
        if kind.startswith(("case_", "card_")):
            return self._case
        others = {
            "segments": self._moves,
            "states": self._moves,
            "tags_marked": self._tags,
            "signed_up": self._event,
        }
        return others.get(kind)

    # -- names

    def name(self, customer: str) -> str:
        """What the viewer calls a customer."""
        if customer not in self._names:
            name = views.customer_name(self._db, self._who.userid, customer)
            self._names[customer] = name or "一位客户"
        return self._names[customer]

    def staff(self, userid: str) -> str:
        """An employee's name."""
        return self._staff.get(userid, userid)

    def sees_sensitive(self, customer: str) -> bool:
        """Whether the viewer may see what is sensitive about a customer."""
        if customer not in self._sensitive:
            self._sensitive[customer] = may_see_sensitive(self._db, self._who, customer)
        return self._sensitive[customer]

    def opens_group(self, chat_id: str) -> bool:
        """Whether the viewer may look at a group."""
        if chat_id not in self._groups:
            self._groups[chat_id] = bool(chat_id) and chats.may_see_group(
                self._db, self._who, chat_id
            )
        return self._groups[chat_id]

    def place(self, msgid: str) -> str:
        """Where a message was said; "" when that is not known any more."""
        message = talk.message(self._db, msgid)
        if message is None:
            return ""
        if message["chat_id"]:
            name = chats.group_name(self._db, message["chat_id"])
            return f"群「{name}」" if name else "客户群"
        inside = message["conversation"].partition("|")[0]
        return "微信客服" if inside.startswith("wk") else f"和{self.staff(inside)}的单聊"

    # -- what a kind needs

    def _fact(self, row: Row, _why: dict[str, Any]) -> dict[str, Any]:
        fact = ledger.fact_row(self._db, row["ref"]) if row["ref"] else None
        return {"fact": self.fact(fact)}

    def fact(self, row: Row | None) -> dict[str, Any] | None:
        """A fact as the viewer may see it; None when it was taken back."""
        if row is None or row["status"] == "recalled":
            return None
        sensitive = self.sees_sensitive(row["external_userid"])
        if row["class"] == FactClass.SENSITIVE and not sensitive:
            return {"hidden": True}
        label = self._services.rules.label
        value = shown_value(json.loads(row["value"]), sensitive=sensitive)
        words = self._services.vault.open_text(row["words_sealed"])
        return {
            "hidden": False,
            "type": label("fact", row["type"]),
            "words": fact_words(row["type"], value, label, today(self._services.clock)),
            "quote": shown_quote(" ".join(words.split()), sensitive=sensitive),
        }

    def _push(self, row: Row, why: dict[str, Any]) -> dict[str, Any]:
        push = self._db.one("SELECT occasion, step FROM push WHERE id = :id", id=row["ref"])
        label = self._services.rules.label
        occasion = push["occasion"] if push else why.get("campaign", "")
        return {
            "occasion": label("occasion", occasion),
            "rules": [label("rule", rule) for rule in why.get("rules", [])],
        }

    def _event(self, row: Row, _why: dict[str, Any]) -> dict[str, Any]:
        event = events.event(self._db, row["ref"])
        return {"event": event["name"] if event else ""}

    def _case(self, row: Row, why: dict[str, Any]) -> dict[str, Any]:
        case = cases.case(self._db, row["ref"]) if row["ref"] else None
        if case is None:
            return {"matter": self._services.rules.label("case", why.get("case", ""))}
        return {
            "matter": self.matter(case),
            "topic": self.topic(case),
            "case_id": case["id"] if self._may_open(case) else None,
        }

    def _may_open(self, case: Row) -> bool:
        return lists.case(self._db, self._who, case["id"]) is not None

    def keeps_secret(self, case: Row) -> bool:
        """Whether a case rests on what is sensitive and the viewer may not see that."""
        if self.sees_sensitive(case["external_userid"]):
            return False
        fact = ledger.fact_row(self._db, case["fact_id"]) if case["fact_id"] else None
        heard = fact is not None and fact["class"] == FactClass.SENSITIVE
        return bool(heard or case["kind"] == _ELSEWHERE)

    def matter(self, case: Row) -> str:
        """The kind of a case."""
        secret = self.keeps_secret(case)
        return self._services.rules.label("case", _SECRET if secret else case["kind"])

    def topic(self, case: Row) -> str:
        """What a case is about; "" when the viewer may not know."""
        if self.keeps_secret(case) or not case["topic"]:
            return ""
        return self._services.desk.topic(case["kind"], case["topic"])

    def _moves(self, row: Row, why: dict[str, Any]) -> dict[str, Any]:
        sensitive = self.sees_sensitive(row["external_userid"])
        return {
            side: [
                self._segment(name) for name in why.get(side, []) if sensitive or self._open(name)
            ]
            for side in ("entered", "left")
        }

    def _open(self, name: str) -> bool:
        """Segments that rest on sensitive facts are for those who may see the facts."""
        rules = self._services.rules.segments
        return not any(rule.name == name and rule.people_only for rule in rules)

    def _segment(self, name: str) -> str:
        rules = self._services.rules
        if name.startswith(_LAYER):
            return rules.label("layer", name.removeprefix(_LAYER)) + "层"
        if name.startswith(_CLASS):
            return name.removeprefix(_CLASS) + " 类"
        labels = {rule.name: rule.label for rule in rules.segments}
        labels |= {rule.name: rule.label for rule in rules.standing.states}
        return labels.get(name, name)

    def _tags(self, _row: Row, why: dict[str, Any]) -> dict[str, Any]:
        return {side: views.tag_names(self._db, why.get(side, [])) for side in ("add", "remove")}
