"""The gate: one function decides immediately before each call to the channel. Pure.

The answer is ``send``, ``hold`` until a moment, or ``drop``, with the ids of all rules that
spoke; the first stop wins. What is missing or unreadable is never ``send``: each rule that
lacks its input holds the message and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from bot.clock import SHANGHAI
from bot.errors import Invalid
from bot.model import Channel, Purpose
from scheduler.calendar import BranchCalendar
from scheduler.thresholds import Thresholds

LOOK_AGAIN = timedelta(minutes=15)
"""A message whose inputs could not be read is looked at again after this long."""
_ADULT = 18


class Answer(StrEnum):
    """What the gate says."""

    SEND = "send"
    HOLD = "hold"
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A message that wants out.

    Attributes:
        answers: The customer's own act asked for it just now (welcome, customer service), so
            the hour and the frequency do not matter.
        sells: Of a group message: it speaks of a product; unknown is yes.
        useful_until: After this moment nobody wants it any more.
    """

    customer: str
    purpose: Purpose
    channel: Channel
    campaign: str
    branch: str
    sender: str
    useful_until: datetime | None
    answers: bool = False
    sells: bool = True

    @property
    def to_group(self) -> bool:
        """It is for everybody in a group."""
        return self.channel is Channel.MASS_GROUP


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything current that the rules look at; None means that it could not be read.

    Attributes:
        kill_switches: Engaged scopes: ``bank``, ``branch:<name>``, ``campaign:<name>``.
        known, friend, erased, restricted: Of the customer; ``friend`` with this sender.
        refused, consented: The derived state of the consent rows for marketing.
        notice_current: The consent was given under the notice that is in force (C5).
        paused: A complaint or fraud case of the customer waits for its person.
        born_on: Solar birth date when known; False when it is known to be unknown.
        text_pinned: Exactly this text is pinned by the release or covered by a valid approval.
        phrases: Rules that the finished text breaks, required sentences included; () for none.
        personal: Kinds of personal data that stand in the finished text; () for none.
        products_current: Every product of the text is in the library, of the kind that was
            approved, and on sale today; True for a text without products.
        unsuitable: Rules of suitability against this customer; () for none.
        sender_certified: The sender may sell what the text speaks of, and is on duty.
        sent_today, sent_this_week, sent_this_month: Marketing and greetings to this customer
            or group, confirmed and reserved, over all campaigns.
        channel_used, channel_cap: The channel's own quota for this customer in this month.
        key_used: The once-only key has gone out already.
        relevant: What it speaks of still holds (the deposit was not renewed or closed).
    """

    kill_switches: frozenset[str] | None
    known: bool | None
    friend: bool | None
    erased: bool | None
    restricted: bool | None
    refused: bool | None
    consented: bool | None
    notice_current: bool | None
    paused: bool | None
    born_on: date | bool | None
    text_pinned: bool | None
    phrases: tuple[str, ...] | None
    personal: tuple[str, ...] | None
    products_current: bool | None
    unsuitable: tuple[str, ...] | None
    sender_certified: bool | None
    sent_today: int | None
    sent_this_week: int | None
    sent_this_month: int | None
    channel_used: int | None
    channel_cap: int | None
    key_used: bool | None
    relevant: bool | None


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's answer, the rules that spoke and, for ``hold``, until when."""

    answer: Answer
    rules: tuple[str, ...] = ()
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules with the branch's numbers and calendar."""

    thresholds: Thresholds
    calendar: BranchCalendar

    def decide(self, candidate: Candidate, standing: Standing, at: datetime) -> Decision:
        """Whether a message may leave our hands at this moment."""
        for rule in _RULES:
            stop = rule(self, candidate, standing, at)
            if stop is not None:
                return stop
        return Decision(Answer.SEND)

    # -- the rules, in the order in which the first stop wins

    def g1_kill_switch(self, what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """G1: bank, branch and campaign can each be switched off."""
        if now.kill_switches is None:
            return _unread("G1", at)
        scopes = {"bank", f"branch:{what.branch}", f"campaign:{what.campaign}"}
        return (
            Decision(Answer.HOLD, ("G1",), at + LOOK_AGAIN)
            if (scopes & now.kill_switches)
            else None
        )

    def g2_customer(self, _what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """G2: the customer exists, is this sender's friend, is neither erased nor restricted."""
        if None in {now.known, now.friend, now.erased, now.restricted}:
            return _unread("G2", at)
        fits = now.known and now.friend and not now.erased and not now.restricted
        return None if fits else Decision(Answer.DROP, ("G2",))

    def g3_refusal(self, what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """G3: who refused gets service alone; no product goes to a group with such a one (K10)."""
        if what.purpose is Purpose.SERVICE or (what.to_group and not what.sells):
            return None
        if now.refused is None:
            return _unread("G3", at)
        rules = ("G3", "K10") if what.to_group else ("G3",)
        return Decision(Answer.DROP, rules) if now.refused else None

    def g4_consent(self, what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """G4: marketing and greetings need the marketing row; service rests on the contact.

        A consent to an older notice is none (C5).
        """
        if what.purpose is Purpose.SERVICE:
            return None
        if None in {now.consented, now.notice_current}:
            return _unread("G4", at)
        if not now.consented:
            return Decision(Answer.DROP, ("G4",))
        return None if now.notice_current else Decision(Answer.DROP, ("G4", "C5"))

    def f5_signal(self, what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """F5: while a complaint or fraud case is open, only service goes out."""
        if what.purpose is Purpose.SERVICE:
            return None
        if now.paused is None:
            return _unread("F5", at)
        return Decision(Answer.HOLD, ("F5",), at + LOOK_AGAIN) if now.paused else None

    def g5_age(self, what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """G5: unknown age gets service and greetings alone, and so do minors."""
        if what.purpose is not Purpose.MARKETING or what.to_group:
            return None
        if now.born_on is None:
            return _unread("G5", at)
        if (
            isinstance(now.born_on, bool)
            or _age(now.born_on, at.astimezone(SHANGHAI).date()) < _ADULT
        ):
            return Decision(Answer.DROP, ("G5",))
        return None

    def g6_approval(self, _what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """G6: only texts that the release pins by hash or that people have approved as they are."""
        if now.text_pinned is None:
            return _unread("G6", at)
        return None if now.text_pinned else Decision(Answer.HOLD, ("G6",), at + LOOK_AGAIN)

    def g7_phrases(self, _what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """G7: the finished text says nothing forbidden and lacks no required sentence."""
        if now.phrases is None:
            return _unread("G7", at)
        return Decision(Answer.DROP, ("G7", *now.phrases)) if now.phrases else None

    def g8_personal(self, _what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """G8: no personal data stands in the finished text."""
        if now.personal is None:
            return _unread("G8", at)
        return Decision(Answer.DROP, ("G8", *now.personal)) if now.personal else None

    def g9_products(self, _what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """G9: product facts are those of today's library; a change voids the approval besides."""
        if now.products_current is None:
            return _unread("G9", at)
        return None if now.products_current else Decision(Answer.HOLD, ("G9",), at + LOOK_AGAIN)

    def g10_suitability(self, _what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """G10: the bank's own test allows this product for this customer today."""
        if now.unsuitable is None:
            return _unread("G10", at)
        return Decision(Answer.DROP, ("G10", *now.unsuitable)) if now.unsuitable else None

    def g11_sender(self, _what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """G11: the sender holds the certificate for what is offered, and is on duty."""
        if now.sender_certified is None:
            return _unread("G11", at)
        return None if now.sender_certified else Decision(Answer.HOLD, ("G11",), at + LOOK_AGAIN)

    def g12_hours(self, what: Candidate, _now: Standing, at: datetime) -> Decision | None:
        """G12: quiet hours and closed days of the purpose."""
        if what.answers:
            return None
        try:
            opens = self.calendar.next_open(what.purpose, at)
        except Invalid:
            return _unread("G12", at)
        return None if opens <= at else Decision(Answer.HOLD, ("G12",), opens)

    def g13_frequency(self, what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """G13: caps on marketing and greetings over all campaigns, and the channel's own quota."""
        if what.answers:
            return None
        counts = (now.sent_today, now.sent_this_week, now.sent_this_month)
        if None in {*counts, now.channel_used, now.channel_cap}:
            return _unread("G13", at)
        assert now.channel_used is not None
        assert now.channel_cap is not None
        if now.channel_used >= now.channel_cap:
            return Decision(Answer.DROP, ("G13", "F4"))
        if what.purpose is Purpose.SERVICE:
            return None
        caps = self.thresholds.caps
        most = (caps.marketing_a_day, caps.marketing_a_week, caps.marketing_a_month)
        over = any(count is None or count >= cap for count, cap in zip(counts, most, strict=True))
        return self.move_to_tomorrow(what, ("G13", "F3"), at) if over else None

    def move_to_tomorrow(self, what: Candidate, rules: tuple[str, ...], at: datetime) -> Decision:
        """Hold what is still useful tomorrow until it may go then; drop the rest."""
        local = at.astimezone(SHANGHAI)
        midnight = datetime.combine(local.date() + timedelta(days=1), time(), SHANGHAI)
        try:
            opens = self.calendar.next_open(what.purpose, midnight)
        except Invalid:
            return Decision(Answer.DROP, rules)
        if what.useful_until is None or opens >= what.useful_until:
            return Decision(Answer.DROP, rules)
        return Decision(Answer.HOLD, rules, opens)

    def g14_once(self, _what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """G14: the once-only key is unused."""
        if now.key_used is None:
            return _unread("G14", at)
        return Decision(Answer.DROP, ("G14",)) if now.key_used else None

    def g15_relevance(self, what: Candidate, now: Standing, at: datetime) -> Decision | None:
        """G15: not past its latest useful moment, and what it speaks of still holds."""
        if what.useful_until is not None and at >= what.useful_until:
            return Decision(Answer.DROP, ("G15",))
        if now.relevant is None:
            return _unread("G15", at)
        return None if now.relevant else Decision(Answer.DROP, ("G15",))


_Rule = Callable[[Gate, Candidate, Standing, datetime], Decision | None]
_RULES: tuple[_Rule, ...] = (
    Gate.g1_kill_switch,
    Gate.g2_customer,
    Gate.g3_refusal,
    Gate.g4_consent,
    Gate.f5_signal,
    Gate.g5_age,
    Gate.g6_approval,
    Gate.g7_phrases,
    Gate.g8_personal,
    Gate.g9_products,
    Gate.g10_suitability,
    Gate.g11_sender,
    Gate.g12_hours,
    Gate.g13_frequency,
    Gate.g14_once,
    Gate.g15_relevance,
)


def _unread(rule: str, at: datetime) -> Decision:
    return Decision(Answer.HOLD, (rule, "unknown"), at + LOOK_AGAIN)


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
