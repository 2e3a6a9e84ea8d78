"""Customer service: what the bot cannot answer itself goes to a person."""

from __future__ import annotations

from collections.abc import Iterator

from bot.actions import Action, AnswerKf, OpenCase, TellStaff
from bot.dispatch import on
from bot.happenings import CredentialsDropped, SignalHeard
from bot.kf import KfMessage
from bot.model import ChatId
from handlers.known import Known
from handlers.signals import ADVICE, FRAUD, MACHINE


@on(KfMessage, when=lambda event: not event.by_staff and bool(event.message.text.strip()))
def hand_to_person(event: KfMessage, known: Known) -> Iterator[Action]:
    """A question opens a case for a person and is acknowledged, once a day.

    Refusals, complaints, fraud and questions for advice have answers of their own; small talk
    needs none.
    """
    account, customer = event.message.open_kfid, event.external_userid
    if account is None or not known.kf_is_ours(account, customer):
        return
    text = known.signals.without(MACHINE, event.message.text)
    asked = known.asks(text) or known.escalation.wants_person(text)
    if not asked or known.has_own_answer(event.msgid) or known.signals.heard(text):
        return
    yield OpenCase("unanswered", "", customer, ChatId(""), None, 0)
    day = known.now.strftime("%Y%m%d")
    yield AnswerKf(account, customer, "kf_person", f"{customer}-{day}")


@on(SignalHeard, when=lambda event: event.signal == FRAUD)
def call_for_fraud(event: SignalHeard, known: Known) -> Iterator[Action]:
    """A case at once, which also stops marketing; in customer service a fixed word of caution.

    Elsewhere the card carries the words for the follow user.
    """
    quiet = known.escalation.quiet_days.get(FRAUD, 0)
    yield OpenCase(FRAUD, "", event.customer, event.chat_id, None, quiet)
    yield from _answer(event, known, "kf_fraud", f"{event.customer}-{known.now:%Y%m%d}")


@on(SignalHeard, when=lambda event: event.signal == ADVICE)
def call_for_advice(event: SignalHeard, known: Known) -> Iterator[Action]:
    """Nobody but a qualified employee advises; the bot says only that it will not."""
    quiet = known.escalation.quiet_days.get(ADVICE, 0)
    yield OpenCase(ADVICE, event.product, event.customer, event.chat_id, None, quiet)
    yield from _answer(event, known, "kf_advice", f"{event.customer}-{known.now:%Y%m%d}")


@on(SignalHeard, when=lambda event: event.signal == MACHINE)
def say_who_answers(event: SignalHeard, known: Known) -> Iterator[Action]:
    """Who asks whether a person answers is told the truth; elsewhere the follow user tells it."""
    answers = list(_answer(event, known, "kf_machine", event.msgid))
    yield from answers
    userid = known.responsible(event.customer)
    if userid and not answers:
        yield TellStaff(userid, "staff_machine_draft", {}, event.customer, event.msgid)


def _answer(event: SignalHeard, known: Known, words: str, cause: str) -> Iterator[AnswerKf]:
    if event.open_kfid and known.kf_is_ours(event.open_kfid, event.customer):
        yield AnswerKf(event.open_kfid, event.customer, words, cause)


@on(CredentialsDropped)
def warn_of_credentials(event: CredentialsDropped, known: Known) -> Iterator[Action]:
    """Who typed a password is told to take it back, once a day: by us, or by a draft for staff."""
    cause = f"{event.customer}-{known.now.strftime('%Y%m%d')}"
    if event.open_kfid and known.kf_is_ours(event.open_kfid, event.customer):
        yield AnswerKf(event.open_kfid, event.customer, "kf_secret", cause)
        return
    userid = known.responsible(event.customer)
    if userid:
        yield TellStaff(userid, "staff_secret_draft", {}, event.customer, cause)
