"""Judging pushes: what the store knows of them now, the gate's answer, and the words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import structlog

from bot.clock import SHANGHAI, Clock
from bot.errands.reserving import Taken, subject_of
from bot.errors import Invalid
from bot.links import OutLinks
from bot.model import Channel, Layer, Purpose
from bot.offering import NOTHING, Offering, deputy_of, offering_of
from bot.permits import Permit, Permits, permits_of
from bot.planning import choice_of
from bot.rulebook import Rulebook
from bot.store import (
    alliance,
    choosing,
    consents,
    notices,
    others,
    people,
    planning,
    pushes,
    sameness,
    talk,
    weighing,
)
from bot.store.db import Db, Row
from scheduler.campaigns import Campaign, OwnCaps
from scheduler.gate import LOOK_AGAIN, Answer, Candidate, Decision, Gate, Standing
from scheduler.lunar import lunar_of
from scheduler.voice import Words

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


class _NoWayToRefuse(Invalid):
    """This person could not say that they want no more (C6)."""


@dataclass(frozen=True, slots=True)
class _Worded:
    text: str
    by_name: bool
    lacks: str = "K1"
    """The rule by which there are no words."""


@dataclass(frozen=True)
class Judge:
    """Asks the gate about pushes and renders what may go.

    Args:
        clock: Tells how old the comparison with WeCom is.
        links: To the page of refusal, where a word cannot be read.
    """

    clock: Clock
    rules: Rulebook
    links: OutLinks | None = None

    def judge(
        self, db: Db, due: Iterable[Row], at: datetime, permits: Permits | None = None
    ) -> list[Judged]:
        """Ask the gate about pushes as they stand now, and render what may go.

        ``permits`` are those of this moment unless a dry run says what it supposes.
        """
        rows = Taken.in_order(due)
        quota = self.rules.thresholds.channel_quota
        fresh, counted = self.is_fresh(db), self.is_quota_known(db)
        standings = weighing.standings(db, [row["id"] for row in rows], at, quota) if fresh else {}
        known = permits_of(db, self.rules, at) if permits is None else permits
        left = _left_audience(db, rows, known)
        asked_anew = not notices.are(db, self.rules.thresholds.notices)
        persons = sameness.persons_of(db, {subject_of(row) for row in rows})
        switches, taken = pushes.kill_switches(db), Taken(persons)
        gate = Gate(self.rules.thresholds, self.rules.calendar)

        def one(push: Row) -> Judged:
            permit = known.get(push["campaign"])
            pinned = permit is not None and permit.allows(push)
            found = taken.with_taken(push, standings.get(push["id"]))
            push, offering = self._offered(db, permit, push, at)
            gone = offering is not None and not offering.left
            if found is not None and (gone or push["id"] in left):
                found = {**found, "relevant": False}
            if found is not None and asked_anew:
                found = {**found, "notice_current": None}
            if found is not None and not counted:
                found = {**found, "channel": None}
            worded = self._worded(db, push, permit, found, at, offering)
            seen = self._seen(push, permit, worded)
            standing = standing_of(
                found, switches, at, quota, text_pinned=pinned, text=seen, offering=offering
            )
            campaign = permit.campaign if permit else None
            decision = gate.decide(candidate_of(push, campaign), standing, at)
            if campaign is not None and decision.answer is Answer.SEND:
                decision = self._own_stop(db, campaign, push, at, taken) or decision
            judged = self._with_words(push, decision, permit, worded, at)
            judged = _with_benefit(db, judged, offering, _ms(at))
            taken.settle(push, sent=judged.decision.answer is Answer.SEND)
            return judged

        return [one(row) for row in rows]

    def _offered(
        self, db: Db, permit: Permit | None, push: Row, at: datetime
    ) -> tuple[Row, Offering | None]:
        """What a push offers, handed to the deputy where the sender may not offer it."""
        campaign = permit.campaign if permit else None
        if campaign is None:
            return push, None
        on = at.astimezone(SHANGHAI).date()
        found = offering_of(db, self.rules, campaign, push, on)
        if found.certified or push["status"] == "tasked" or push["chat_id"]:
            return push, found
        deputy = deputy_of(db, self.rules, campaign, push)
        if deputy is None:
            return push, found
        return pushes.hand_over(db, push["id"], deputy), replace(found, certified=True)

    def is_fresh(self, db: Db) -> bool:
        """Friendships that were not compared with WeCom for a day are not known any more."""
        compared = int(talk.cursor(db, talk.RECONCILED) or 0)
        now = int(self.clock.now().timestamp() * 1000)
        return now - compared <= _FRESH / timedelta(milliseconds=1)

    def is_quota_known(self, db: Db) -> bool:
        """What members sent by hand counts in the quota, so it has to be read first (F4)."""
        return others.is_read(db, _ms(self.clock.now()))

    def _worded(
        self,
        db: Db,
        push: Row,
        permit: Permit | None,
        found: Mapping[str, Any] | None,
        at: datetime,
        offering: Offering | None,
    ) -> _Worded | None:
        """The finished words; None when there is nobody or nothing to write them for."""
        campaign = permit.campaign if permit else None
        if campaign is None or found is None or not found["known"] or found["erased"]:
            return None
        try:
            by_name, text = self.render(db, campaign, push, at, offering)
        except Invalid as missing:
            log.warning("text could not be rendered", push=push["id"], reason=str(missing))
            rule = "C6" if isinstance(missing, _NoWayToRefuse) else "K1"
            return _Worded("", by_name=False, lacks=rule)
        return _Worded(text, by_name=by_name)

    def _seen(self, push: Row, permit: Permit | None, worded: _Worded | None) -> TextSeen | None:
        campaign = permit.campaign if permit else None
        if campaign is None or worded is None:
            return None
        text = worded.text
        # Letters and digits that we signed may look like a number of somebody's.
        unlinked = text.replace(self.out_link(push), "") if self.is_linked(push, text) else text
        return TextSeen(
            self.rules.broken_phrases(campaign, text, self._own_address()) if text else (),
            tuple(self.rules.phrases.gives_away(unlinked)),
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
            lacks = worded.lacks if worded else "K1"
            return Judged(push, Decision(Answer.DROP, (lacks,)), permit=permit)
        if set(self.rules.to_review(campaign, worded.text)) - permit.reviewed:
            # A value brought a word in that nobody has looked at in this text.
            return Judged(push, Decision(Answer.HOLD, ("K2",), at + LOOK_AGAIN), permit=permit)
        return Judged(push, decision, worded.text, worded.by_name, permit)

    def _own_stop(
        self, db: Db, campaign: Campaign, push: Row, at: datetime, taken: Taken
    ) -> Decision | None:
        """Personalisation switched off, the hold-out, and the limits of a campaign itself."""
        if campaign.profiling and consents.is_impersonal(db, push["external_userid"] or ""):
            return Decision(Answer.DROP, ("T4",))
        if push["arm"] == planning.HOLDOUT:
            return Decision(Answer.DROP, (planning.HOLDOUT,))
        caps, who = campaign.caps, subject_of(push)
        if push["status"] == "tasked" or caps == OwnCaps():
            return None
        midnight = _midnight(at)
        if caps.each:
            since = midnight - timedelta(days=caps.within_days - 1)
            sent = weighing.sent_of(db, campaign.name, who, _ms(since))
            if sent + taken.of_campaign(campaign.name, who) >= caps.each:
                return Decision(Answer.DROP, ("own_cap",))
        if caps.a_day:
            sent = weighing.sent_today_of(db, campaign.name, _ms(midnight))
            if sent + taken.of_campaign(campaign.name) >= caps.a_day:
                return Gate(self.rules.thresholds, self.rules.calendar).move_to_tomorrow(
                    candidate_of(push), ("own_cap",), at
                )
        return None

    def render(
        self,
        db: Db,
        campaign: Campaign,
        push: Row,
        at: datetime,
        offering: Offering | None = None,
    ) -> tuple[bool, str]:
        """Whether the customer is addressed by name, and the words."""
        more = offering.values if offering else self.offered(db, campaign, push, at)
        if push["chat_id"]:
            return False, self.text(db, campaign, push, None, at, by_name=False)
        who = people.customer(db, push["external_userid"])
        assert who is not None
        by_name = (
            campaign.personal
            and Layer(who["layer"]) in campaign.layers
            and not consents.is_impersonal(db, push["external_userid"])
        )
        text = self.text(db, campaign, push, who, at, by_name=by_name, more=more)
        return by_name or self.is_linked(push, text), text

    def out_link(self, push: Row) -> str:
        """The link by which this person refuses, or "" when the bot has no public address."""
        return self.links.of(push["external_userid"]) if self.links else ""

    def is_linked(self, push: Row, text: str) -> bool:
        """Whether a text carries the link of its person, and so is theirs alone."""
        link = self.out_link(push)
        return bool(link) and link in text

    def offered(
        self, db: Db, campaign: Campaign, push: Row, at: datetime
    ) -> Mapping[str, str] | None:
        """The variables of the products that a push offers."""
        on = at.astimezone(SHANGHAI).date()
        return offering_of(db, self.rules, campaign, push, on).values

    def text(
        self,
        db: Db,
        campaign: Campaign,
        push: Row,
        who: Row | None,
        at: datetime,
        *,
        by_name: bool,
        more: Mapping[str, str] | None = None,
    ) -> str:
        """The words of a push, by name or with the greeting that fits anybody.

        Raises:
            Invalid: A value is missing; nothing is sent then.
        """
        sender = people.staff(db, push["sender"])
        values: dict[str, Any] = {
            "branch": push["branch"] or (sender["branch"] if sender else ""),
            "sender_name": sender["name"] if sender else "",
            **(more or {}),
            **occasion_values(self.rules.words, push, who, at.astimezone(SHANGHAI).date()),
        }
        if who is not None:
            nobody = self.rules.words.nobody
            values["address"] = self._address(db, push, who) if by_name else nobody
            if campaign.purpose is Purpose.MARKETING:
                values["stop_way"] = self._stop_way(db, push)
        return self.rules.renderer.render(campaign, values)

    def _own_address(self) -> str:
        return self.links.public_url if self.links else ""

    def _stop_way(self, db: Db, push: Row) -> str:
        """How this person can refuse: by a word where we may read it, else by their link (C6)."""
        customer = push["external_userid"]
        answer = talk.agreement(db, f"{push['sender']}|{customer}", customer)
        if answer is not None and answer.agreed:
            return self.rules.words.stop_way()
        if push["channel"] == Channel.MOMENTS:
            raise _NoWayToRefuse("朋友圈里没有每人一个的退订链接,会话不能读取的客户看不到这一条")
        link = self.out_link(push)
        if not link:
            raise _NoWayToRefuse("没有可用的退订办法:会话不能读取,也没有设置 QUNGUAN_PUBLIC_URL")
        return self.rules.words.stop_way(link)

    def _address(self, db: Db, push: Row, who: Row) -> str:
        remark = db.value(
            "SELECT remark FROM follow WHERE userid = :sender AND external_userid = :id",
            sender=push["sender"],
            id=push["external_userid"],
        )
        # The name of the core system is real; a WeChat nickname is not used to address anybody.
        name = who["name"] if who["core_id"] else ""
        return self.rules.words.address(name, remark or "", who["gender"])


def _with_benefit(db: Db, judged: Judged, offering: Offering | None, now: int) -> Judged:
    """Set aside what a push promises; one that has nothing to promise any more says so."""
    push, decision = judged.push, judged.decision
    if offering is None or (offering.left and not offering.code):
        return judged
    if not offering.left:
        late = decision.rules == ("G15",)
        rules = ("G15", planning.NO_OFFER) if late else decision.rules
        return replace(judged, decision=replace(decision, rules=rules))
    if decision.answer is not Answer.SEND or alliance.reserve(
        db, push["id"], push["external_userid"], offering.code, now
    ):
        return judged
    return replace(judged, decision=Decision(Answer.DROP, ("G15", planning.NO_OFFER)))


def _left_audience(db: Db, rows: Iterable[Row], permits: Permits) -> set[int]:
    """Pushes whose customer or group their campaign does not mean any more."""
    by_campaign: dict[str, list[int]] = {}
    for row in rows:
        by_campaign.setdefault(row["campaign"], []).append(row["id"])
    left: set[int] = set()
    for name, ids in by_campaign.items():
        permit = permits.get(name)
        if permit is not None and permit.campaign is not None:
            left |= choosing.no_longer_meant(db, choice_of(permit.campaign), ids)
    return left


def occasion_values(words: Words, push: Row, who: Row | None, today: date) -> dict[str, Any]:
    """The variables of an occasion.

    Raises:
        Invalid: There are no words for what the push speaks of.
    """
    about = json.loads(push["subject"] or "{}")
    match push["occasion"]:
        case "birthday" if who is not None:
            calendar = who["birthday_calendar"] or "solar"
            return {"calendar": calendar, "lunar_day": lunar_of(today).words}
        case "maturity":
            day = date.fromisoformat(push["cycle"])
            return {"step": int(push["step"]), **words.maturity(about, day, today)}
        case "journey":
            return {"step": int(push["step"])}
        case "anniversary" | "festival" | "weekly" | "season":
            return dict(about)
    return {}


def _midnight(at: datetime) -> datetime:
    return at.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def candidate_of(push: Row, campaign: Campaign | None = None) -> Candidate:
    """A push as the gate sees it; of an unknown campaign the worst is assumed."""
    return Candidate(
        customer=subject_of(push),
        purpose=Purpose(push["purpose"]),
        channel=Channel(push["channel"]),
        campaign=push["campaign"],
        branch=push["branch"],
        sender=push["sender"],
        useful_until=datetime.fromtimestamp(push["useful_until"] / 1000, UTC),
        sells=campaign is None or campaign.about == "product",
    )


def standing_of(
    row: Mapping[str, Any] | Row | None,
    switches: frozenset[str] | None,
    at: datetime,
    quota: str = "month_days",
    *,
    text_pinned: bool,
    text: TextSeen | None,
    offering: Offering | None = NOTHING,
) -> Standing:
    """What the store knows now; what it does not know stays None, which is never ``send``."""
    found: Mapping[str, Any] = dict(row) if row is not None else {}
    local = at.astimezone(SHANGHAI).date()
    most = {"1_a_day": 1, "7_a_week": 7, "month_days": _days_of_month(local)}[quota]

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
        notice_current=flag("notice_current"),
        paused=flag("paused"),
        born_on=_born_on(found),
        text_pinned=text_pinned,
        phrases=text.phrases if text else None,
        personal=text.personal if text else None,
        products_current=offering.current if offering else None,
        unsuitable=offering.against if offering else None,
        sender_certified=offering.certified if offering else None,
        sent_today=found.get("today"),
        sent_this_week=found.get("week"),
        sent_this_month=found.get("month"),
        channel_used=found.get("channel"),
        channel_cap=most,
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
