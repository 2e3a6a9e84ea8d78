"""Judging pushes: what the store knows of them now, the gate's answer, and the words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import structlog

from bot.clock import SHANGHAI, Clock
from bot.errors import Invalid
from bot.model import Channel, Layer, Purpose
from bot.permits import Permit, Permits, permits_of
from bot.rulebook import Rulebook
from bot.store import people, pushes, talk
from bot.store.db import Db, Row
from scheduler.campaigns import Campaign
from scheduler.gate import LOOK_AGAIN, Answer, Candidate, Decision, Gate, Standing
from scheduler.lunar import lunar_of

log = structlog.get_logger()
_FRESH = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class Judged:
    """A due push with the gate's decision, when it may go its text, and by what permission."""

    push: Row
    decision: Decision
    text: str = ""
    by_name: bool = False
    permit: Permit | None = None


@dataclass(frozen=True, slots=True)
class TextSeen:
    """What the look at a finished text found: broken rules of phrases, kinds of personal data."""

    phrases: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Worded:
    text: str
    by_name: bool


@dataclass(frozen=True)
class Judge:
    """Asks the gate about pushes and renders what may go.

    Args:
        clock: Tells how old the comparison with WeCom is.
    """

    clock: Clock
    rules: Rulebook

    def judge(
        self, db: Db, due: Iterable[Row], at: datetime, permits: Permits | None = None
    ) -> list[Judged]:
        """Ask the gate about pushes as they stand now, and render what may go.

        ``permits`` are those of this moment unless a dry run says what it supposes.
        """
        rows = list(due)
        standings = pushes.standings(db, [row["id"] for row in rows], at)
        switches = pushes.kill_switches(db)
        gate = Gate(self.rules.thresholds, self.rules.calendar)
        fresh = self.is_fresh(db)
        known = permits_of(db, self.rules, at) if permits is None else permits

        def one(push: Row) -> Judged:
            permit = known.get(push["campaign"])
            pinned = permit is not None and permit.allows(push)
            found = standings.get(push["id"]) if fresh else None
            worded = self._worded(db, push, permit, found, at)
            standing = standing_of(
                found, switches, at, text_pinned=pinned, text=self._seen(permit, worded)
            )
            decision = gate.decide(candidate_of(push), standing, at)
            return self._with_words(push, decision, permit, worded, at)

        return [one(row) for row in rows]

    def is_fresh(self, db: Db) -> bool:
        """Friendships that were not compared with WeCom for a day are not known any more."""
        compared = int(talk.cursor(db, talk.RECONCILED) or 0)
        now = int(self.clock.now().timestamp() * 1000)
        return now - compared <= _FRESH / timedelta(milliseconds=1)

    def _worded(
        self, db: Db, push: Row, permit: Permit | None, found: Row | None, at: datetime
    ) -> _Worded | None:
        """The finished words; None when there is nobody or nothing to write them for."""
        campaign = permit.campaign if permit else None
        if campaign is None or found is None or not found["known"] or found["erased"]:
            return None
        try:
            by_name, text = self.render(db, campaign, push, at)
        except Invalid as missing:
            log.warning("text could not be rendered", push=push["id"], reason=str(missing))
            return _Worded("", by_name=False)
        return _Worded(text, by_name=by_name)

    def _seen(self, permit: Permit | None, worded: _Worded | None) -> TextSeen | None:
        campaign = permit.campaign if permit else None
        if campaign is None or worded is None:
            return None
        text = worded.text
        return TextSeen(
            self.rules.broken_phrases(campaign, text) if text else (),
            tuple(self.rules.phrases.gives_away(text)),
        )

    def _with_words(
        self,
        push: Row,
        decision: Decision,
        permit: Permit | None,
        worded: _Worded | None,
        at: datetime,
    ) -> Judged:
        campaign = permit.campaign if permit else None
        if decision.answer is not Answer.SEND or permit is None or campaign is None:
            return Judged(push, decision, permit=permit)
        if worded is None or not worded.text:
            # K1: a missing word means no send, never a gap in the text.
            return Judged(push, Decision(Answer.DROP, ("K1",)), permit=permit)
        if set(self.rules.to_review(campaign, worded.text)) - permit.reviewed:
            # A value brought a word in that nobody has looked at in this text.
            return Judged(push, Decision(Answer.HOLD, ("K2",), at + LOOK_AGAIN), permit=permit)
        return Judged(push, decision, worded.text, worded.by_name, permit)

    def render(self, db: Db, campaign: Campaign, push: Row, at: datetime) -> tuple[bool, str]:
        """Whether the customer is addressed by name, and the words."""
        who = people.customer(db, push["external_userid"])
        assert who is not None
        by_name = campaign.personal and Layer(who["layer"]) in campaign.layers
        return by_name, self.text(db, campaign, push, who, at, by_name=by_name)

    def text(
        self, db: Db, campaign: Campaign, push: Row, who: Row, at: datetime, *, by_name: bool
    ) -> str:
        """The words of a push, by name or with the greeting that fits anybody."""
        sender = people.staff(db, push["sender"])
        words = self.rules.words
        values: dict[str, Any] = {
            "branch": push["branch"] or (sender["branch"] if sender else ""),
            "sender_name": sender["name"] if sender else "",
            "address": self._address(db, push, who) if by_name else words.nobody,
        }
        today = at.astimezone(SHANGHAI).date()
        if push["occasion"] == "birthday":
            values["calendar"] = who["birthday_calendar"] or "solar"
            values["lunar_day"] = lunar_of(today).words
        else:
            kinds = json.loads(push["subject"])
            values["step"] = int(push["step"])
            values |= words.maturity(kinds, date.fromisoformat(push["cycle"]), today)
        return self.rules.renderer.render(campaign, values)

    def _address(self, db: Db, push: Row, who: Row) -> str:
        remark = db.value(
            "SELECT remark FROM follow WHERE userid = :sender AND external_userid = :id",
            sender=push["sender"],
            id=push["external_userid"],
        )
        # The name of the core system is real; a WeChat nickname is not used to address anybody.
        name = who["name"] if who["core_id"] else ""
        return self.rules.words.address(name, remark or "", who["gender"])


def candidate_of(push: Row) -> Candidate:
    """A push as the gate sees it."""
    return Candidate(
        customer=push["external_userid"],
        purpose=Purpose(push["purpose"]),
        channel=Channel(push["channel"]),
        campaign=push["campaign"],
        branch=push["branch"],
        sender=push["sender"],
        useful_until=datetime.fromtimestamp(push["useful_until"] / 1000, UTC),
    )


def standing_of(
    row: Row | None,
    switches: frozenset[str] | None,
    at: datetime,
    *,
    text_pinned: bool,
    text: TextSeen | None,
) -> Standing:
    """What the store knows now; what it does not know stays None, which is never ``send``."""
    found: Mapping[str, Any] = dict(row) if row is not None else {}
    days = _days_of_month(at.astimezone(SHANGHAI).date())

    def flag(name: str) -> bool | None:
        return None if found.get(name) is None else bool(found[name])

    return Standing(
        kill_switches=switches,
        known=flag("known"),
        friend=flag("friend"),
        erased=flag("erased"),
        restricted=flag("restricted"),
        refused=flag("refused"),
        consented=flag("consented"),
        paused=flag("paused"),
        born_on=_born_on(found),
        text_pinned=text_pinned,
        phrases=text.phrases if text else None,
        personal=text.personal if text else None,
        sent_today=found.get("today"),
        sent_this_week=found.get("week"),
        sent_this_month=found.get("month"),
        channel_used=found.get("channel"),
        channel_cap=days,
        key_used=flag("key_used"),
        relevant=flag("relevant"),
    )


def _born_on(found: Mapping[str, Any]) -> date | bool | None:
    if "birthday_year" not in found:
        return None
    if found["birthday_year"] is None:
        return False
    # The latest day on which somebody of that year can have been born, lunar years included.
    return date(found["birthday_year"] + 1, 2, 20)


def _days_of_month(day: date) -> int:
    following = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
    return (following - timedelta(days=1)).day


def hash_of(text: str) -> str:
    """Identifies a rendered text."""
    return hashlib.sha256(text.encode()).hexdigest()
