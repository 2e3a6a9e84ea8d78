"""When a person must act."""

from __future__ import annotations

from collections.abc import Iterator

from bot.actions import Action, AnswerKf, CloseCase, OpenCase, SendCard, UpdateCard
from bot.dispatch import on
from bot.events import TemplateCardEvent
from bot.happenings import BecameActive, CaseClosed, CaseOpened, CaseOverdue, FactLearned
from handlers.known import Known

ACTIVE_QUIET_DAYS = 30
CASE_CARD = "case-"
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
    yield OpenCase(
        kind, topic, event.customer, event.chat_id, event.fact_id, rules.quiet_days[kind]
    )
    if (
        kind == "complaint"
        and event.open_kfid
        and known.kf_is_ours(event.open_kfid, event.customer)
    ):
        yield AnswerKf(event.open_kfid, event.customer, "kf_complaint", event.msgid)


@on(BecameActive)
def call_for_active_member(event: BecameActive, _known: Known) -> Iterator[OpenCase]:
    """Somebody who speaks that much deserves a personal word."""
    yield OpenCase("active", "", event.customer, event.chat_id, None, ACTIVE_QUIET_DAYS)


@on(CaseOpened)
def card_to_assignee(event: CaseOpened, _known: Known) -> Iterator[SendCard]:
    """The evidence, and one button for the likely act."""
    yield SendCard(event.case_id, event.assignee)


@on(CaseOverdue)
def card_to_head(event: CaseOverdue, _known: Known) -> Iterator[SendCard]:
    """The deadline passed: the branch head is told, once."""
    yield SendCard(event.case_id, event.head, overdue=True)


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
