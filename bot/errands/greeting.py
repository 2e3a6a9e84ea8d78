"""What goes out without a tap: welcomes and the fixed answers of customer service."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.actions import AnswerKf, SendKfWelcome, SendWelcome
from bot.clock import SHANGHAI, Clock
from bot.errands.judging import TextSeen, hash_of, standing_of
from bot.errors import Refused
from bot.links import OutLinks
from bot.model import Channel, MsgId, Purpose
from bot.outbox import Effect
from bot.rulebook import Rulebook
from bot.store import events, journal, people, pushes, talk, weighing
from bot.store.db import Database, Db
from bot.vault import Vault
from bot.wecom import WeComClient, text_message
from scheduler.gate import Answer, Candidate, Gate
from scheduler.voice import moment_words

_TOO_LATE, _NOT_AGREED = 41050, 41053
_KF_CODE_DEAD, _KF_CLOSED = 95007, (95001, 95002, 95013, 95018)
_KF_OURS = {0, 1}
_PROMISES = {"kf_complaint": "complaint", "kf_person": "unanswered"}
"""Answers that say by when a person gets in touch, and the kind of case that waits for them."""

_DELAYS = frozenset({"kf_late", "kf_returned"})
"""Answers that say by when somebody else does."""
_ABOUT_EVENTS = frozenset({"kf_signed_up", "kf_waiting_list"})


@dataclass
class Greeter:
    """Welcomes and fixed answers; each passes the gate, and its answer is written first."""

    database: Database
    vault: Vault
    clock: Clock
    rules: Rulebook
    wecom: WeComClient
    links: OutLinks

    def welcome(self, errand: SendWelcome) -> Effect:
        """Greet a new friend in the member's name, once a friendship.

        The agreement to archiving brings a code of its own, for friends who could not be
        greeted before it.
        """
        if people.was_welcomed(self.database.read(), errand.userid, errand.customer):
            return lambda db: self._note(db, "welcomed_before", errand.customer, errand.userid)
        message = self.rules.messages["welcome"]
        if not self._may(errand.customer, errand.userid, Channel.WELCOME, errand.key, "welcome"):
            return lambda db: self._note(db, "welcome_held", errand.customer, errand.userid)
        member = people.staff(self.database.read(), errand.userid)
        values = {
            "branch": member["branch"] if member and member["branch"] else "支行",
            "sender_name": member["name"] if member and member["name"] else "客户经理",
            "stop_way": self.rules.words.stop_way(self.links.of(errand.customer)),
        }
        text = self.rules.renderer.render(message, values)
        try:
            first = self.wecom.send_welcome_msg(errand.welcome_code, text)
        except Refused as refusal:
            if refusal.errcode not in {_TOO_LATE, _NOT_AGREED}:
                raise
            why = "too_late" if refusal.errcode == _TOO_LATE else "not_agreed"
            return lambda db: self._note(
                db, "welcome_failed", errand.customer, errand.userid, why=why
            )
        kind = "welcomed" if first else "welcomed_before"
        return lambda db: self._note(db, kind, errand.customer, errand.userid)

    def welcome_kf(self, errand: SendKfWelcome) -> Effect:
        """Greet who opened customer service."""
        if not self._may(errand.customer, "", Channel.KF, errand.key, "kf_welcome"):
            return lambda db: self._note(db, "welcome_held", errand.customer)
        text = self.rules.renderer.render(
            self.rules.messages["kf_welcome"], {"branch": self._branch(), "hours": self._hours()}
        )
        msgid = _own_msgid(errand.key)
        try:
            self.wecom.kf_send_msg_on_event(errand.welcome_code, msgid, text_message(text))
        except Refused as refusal:
            if refusal.errcode != _KF_CODE_DEAD:
                raise
            return lambda db: self._note(db, "welcome_failed", errand.customer, why="too_late")
        return lambda db: self._note(db, "kf_welcomed", errand.customer)

    def answer_kf(self, errand: AnswerKf) -> Effect | None:
        """One fixed answer, unless a person has the session or the five answers are used up."""
        state = self.wecom.kf_service_state_get(errand.open_kfid, errand.customer)
        if state.service_state not in _KF_OURS:
            return lambda db: talk.kf_moved(
                db,
                errand.open_kfid,
                errand.customer,
                state.service_state,
                state.servicer or "",
            )
        if not self._may(errand.customer, "", Channel.KF, errand.key, errand.words):
            return None
        values: dict[str, Any] = {"branch": self._branch(), "hours": self._hours()}
        now = self.clock.now()
        if kind := _PROMISES.get(errand.words):
            values["deadline"] = moment_words(self.rules.deadline(kind, now), now)
        if errand.words in _DELAYS:
            values["deadline"] = moment_words(self.rules.second_deadline(now), now)
        values |= self._event_values(errand)
        text = self.rules.renderer.render(self.rules.messages[errand.words], values)
        try:
            self.wecom.kf_send_msg(
                errand.open_kfid, errand.customer, _own_msgid(errand.key), text_message(text)
            )
        except Refused as refusal:
            if refusal.errcode not in _KF_CLOSED:
                raise
            return lambda db: self._note(db, "kf_answer_failed", errand.customer)
        return lambda db: self._answered(db, errand)

    def _event_values(self, errand: AnswerKf) -> dict[str, Any]:
        """The event that a message signed somebody up for."""
        if errand.words not in _ABOUT_EVENTS:
            return {}
        row = events.by_message(self.database.read(), errand.customer, errand.msgid)
        if row is None:
            return {}
        starts = datetime.fromtimestamp(row["starts_at"] / 1000, UTC)
        return {
            "event": row["name"],
            "starts": moment_words(starts, self.clock.now()),
            "place": row["place"] or self._branch(),
            "count": row["party"],
        }

    def _answered(self, db: Db, errand: AnswerKf) -> None:
        talk.kf_answered(db, errand.open_kfid, errand.customer)
        self._note(db, "kf_answered", errand.customer, words=errand.words)

    def keep_group_welcome(self) -> Effect | None:
        """Keep the group welcome material in WeCom as our text is; owners apply it once."""
        message = self.rules.messages["group_welcome"]
        values = {"branch": self._branch(), "sender_name": "群主"}
        text = self.rules.renderer.render(message, values)
        digest = hash_of(text)
        kept = self.database.read().one("SELECT * FROM welcome_template WHERE name = 'group'")
        if kept is not None and kept["text_hash"] == digest:
            return None
        if not self.rules.is_pinned(message):
            return None
        if kept is None:
            template_id = self.wecom.group_welcome_template_add(text)
        else:
            template_id = kept["template_id"]
            self.wecom.group_welcome_template_edit(template_id, text)
        return lambda db: pushes.keep_welcome_template(db, template_id, digest, self._now())

    def _may(self, customer: str, sender: str, channel: Channel, errand: str, words: str) -> bool:
        """Ask the gate and write its answer before the call."""
        pinned = self.rules.is_pinned(self.rules.messages[words])

        def decide(db: Db) -> bool:
            at, now = self.clock.now(), self._now()
            who = people.customer(db, customer)
            candidate = Candidate(
                customer=customer,
                purpose=Purpose.SERVICE,
                channel=channel,
                campaign=errand.split(":", maxsplit=1)[0],
                branch=who["branch"] if who else "",
                sender=sender,
                useful_until=None,
                answers=True,
            )
            row = weighing.standing_of_person(db, customer)
            # Who wrote to customer service or just added us is there by their own act.
            standing = standing_of(
                row, pushes.kill_switches(db), at, text_pinned=pinned, text=TextSeen()
            )
            decision = Gate(self.rules.thresholds, self.rules.calendar).decide(
                candidate, standing, at
            )
            pushes.write_decision(
                db,
                now,
                answer=decision.answer,
                rules=decision.rules,
                purpose=Purpose.SERVICE,
                customer=customer,
                errand=errand,
            )
            if decision.answer is not Answer.SEND:
                return False
            message = self.rules.messages[words]
            text = f"{message.name}.{message.version}.{message.text_hash[:12]}"
            journal.audit(
                db, "bot", "send", f"errand:{errand}", now, rules={"text": text}, customer=customer
            )
            return True

        return self.database.write(decide)

    def _branch(self) -> str:
        found = self.database.read().value(
            "SELECT branch FROM staff WHERE branch <> '' GROUP BY branch"
            " ORDER BY count(*) DESC LIMIT 1"
        )
        return found or "支行"

    def _hours(self) -> str:
        opens, closes = self.rules.thresholds.branch_hours
        local = self.clock.now().astimezone(SHANGHAI)
        today = self.rules.calendar.is_workday(local.date()) and local.time() < closes
        day = "今天" if today else "下个工作日"
        return f"{day}{opens:%H:%M}–{closes:%H:%M}"

    def _note(self, db: Db, kind: str, customer: str, userid: str = "", **why: Any) -> None:
        journal.note(db, kind, self._now(), customer=customer, userid=userid or None, **why)

    def _now(self) -> int:
        return int(self.clock.now().timestamp() * 1000)


def _own_msgid(key: str) -> MsgId:
    """Our own message id: a repeat after a lost answer is refused instead of sent twice."""
    return MsgId(hashlib.blake2b(key.encode(), digest_size=15).hexdigest())
