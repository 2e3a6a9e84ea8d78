"""When a person must act."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot.actions import Action, AnswerKf, CloseCase, OpenCase, SendCard, UpdateCard
from bot.dispatch import on
from bot.events import TemplateCardEvent
from bot.happenings import (
    BecameActive,
    CaseClosed,
    CaseHandedOn,
    CaseOpened,
    CaseOverdue,
    DayComesNear,
    FactLearned,
    ImportantSilent,
    SegmentsChanged,
)
from bot.model import ChatId, ExternalUserId, OpenKfId
from handlers.known import Known
from handlers.signals import ADVICE, FRAUD

ACTIVE_QUIET_DAYS = 30
CASE_CARD = "case-"
AHEAD = ("promise_due", "competitor_maturity", "postloan")
"""Kinds of case that are opened before a day that the customer named, or the bank's file."""
AGAIN_DAYS = 5
"""Ten and three days before are two calls; the same morning again is none."""
_LAYERS = ("potential", "effective", "middle", "high", "private")
_KINDS = {
    "product.interest": ("interest", "product"),
    "risk.complaint": ("complaint", "topic"),
    "risk.churn": ("churn", "kind"),
    "cash.inflow": ("inflow", "source"),
    "holding.other_bank": ("competitor_maturity", "bank"),
}


@on(FactLearned, when=lambda event: event.fact.type in _KINDS)
def open_case(event: FactLearned, known: Known) -> Iterator[Action]:
    """Interest, complaint, leaving and money on the move call the manager."""
    kind, key = _KINDS[event.fact.type]
    topic = str(event.fact.value.get(key, ""))
    rules = known.escalation
    if kind not in rules.quiet_days or (kind == "interest" and topic not in rules.products):
        return
    if kind == "interest" and ADVICE in event.beside and topic in known.signals.products:
        return  # whoever is qualified to advise has the question
    yield OpenCase(
        kind, topic, event.customer, event.chat_id, event.fact_id, rules.quiet_days[kind]
    )
    if (
        kind == "complaint"
        and FRAUD not in event.beside
        and event.open_kfid
        and known.kf_is_ours(event.open_kfid, event.customer)
    ):
        yield AnswerKf(event.open_kfid, event.customer, "kf_complaint", event.msgid)


@on(BecameActive)
def call_for_active_member(event: BecameActive, _known: Known) -> Iterator[OpenCase]:
    """Somebody who speaks that much deserves a personal word."""
    yield OpenCase("active", "", event.customer, event.chat_id, None, ACTIVE_QUIET_DAYS)


@on(DayComesNear, when=lambda event: event.kind in AHEAD)
def call_before_the_day(event: DayComesNear, known: Known) -> Iterator[OpenCase]:
    """Early enough to act: before the money comes, or another bank's deposit ends."""
    quiet = known.escalation.quiet_days.get(event.kind)
    if quiet is not None:
        yield OpenCase(
            event.kind,
            event.day.isoformat(),
            event.customer,
            ChatId(""),
            event.fact_id,
            quiet if event.fact_id is None else AGAIN_DAYS,
        )


@on(SegmentsChanged)
def call_for_a_layer_up(event: SegmentsChanged, known: Known) -> Iterator[OpenCase]:
    """Whoever has crossed a line upward gets a personal word, and perhaps another manager."""
    now, before = _layer(event.entered), _layer(event.left)
    quiet = known.escalation.quiet_days.get("layer_up")
    if quiet is not None and now is not None and before is not None and now > before:
        layer = _LAYERS[now]
        yield OpenCase("layer_up", layer, event.customer, ChatId(""), None, quiet)


@on(ImportantSilent)
def call_for_silence(event: ImportantSilent, known: Known) -> Iterator[OpenCase]:
    """An important customer who has gone quiet is asked how they are."""
    quiet = known.escalation.quiet_days.get("silent_important")
    if quiet is not None:
        yield OpenCase("silent_important", "", event.customer, ChatId(""), None, quiet)


def _layer(moved: Iterable[str]) -> int | None:
    """The place of a layer among those that were entered or left; None for unknown."""
    for each in moved:
        family, _, layer = each.partition(":")
        if family == "layer" and layer in _LAYERS:
            return _LAYERS.index(layer)
    return None


@on(CaseOpened, when=lambda event: bool(event.assignee))
def card_to_assignee(event: CaseOpened, _known: Known) -> Iterator[SendCard]:
    """The evidence, and one button for the likely act."""
    yield SendCard(event.case_id, event.assignee)


@on(CaseOverdue)
def card_to_head(event: CaseOverdue, _known: Known) -> Iterator[SendCard]:
    """The deadline passed: the branch head is told, once."""
    yield SendCard(event.case_id, event.head, overdue=True)


@on(CaseOverdue, when=lambda event: event.open_kfid is not None)
def tell_of_the_delay(event: CaseOverdue, known: Known) -> Iterator[AnswerKf]:
    """Who was told that a person gets in touch is told that it takes longer."""
    yield from _tell(event.open_kfid, event.customer, "kf_late", event.case_id, known)


@on(CaseHandedOn, when=lambda event: bool(event.assignee))
def card_to_the_next(event: CaseHandedOn, _known: Known) -> Iterator[SendCard]:
    """Whoever has the case now gets its card."""
    yield SendCard(event.case_id, event.assignee, turn=str(event.turn))


@on(CaseHandedOn, when=lambda event: event.open_kfid is not None)
def tell_that_nobody_took_it(event: CaseHandedOn, known: Known) -> Iterator[AnswerKf]:
    """The customer is told what happens now."""
    yield from _tell(event.open_kfid, event.customer, "kf_returned", event.case_id, known)


def _tell(
    account: OpenKfId | None, customer: ExternalUserId, words: str, case_id: int, known: Known
) -> Iterator[AnswerKf]:
    if account is not None and known.kf_is_ours(account, customer):
        yield AnswerKf(account, customer, words, f"case-{case_id}")


@on(TemplateCardEvent, when=lambda event: event.task_id.startswith(CASE_CARD))
def close_case(event: TemplateCardEvent, _known: Known) -> Iterator[CloseCase]:
    """A pressed button is the outcome."""
    number = event.task_id.removeprefix(CASE_CARD).split("-")[0]
    if number.isdecimal():
        yield CloseCase(int(number), event.event_key, event.userid, event.response_code)


@on(CaseClosed, when=lambda event: bool(event.response_code))
def grey_the_card(event: CaseClosed, _known: Known) -> Iterator[UpdateCard]:
    """Who pressed sees that it was taken."""
    yield UpdateCard(event.case_id, event.by, event.response_code)
