"""Customer service: what the bot cannot answer itself goes to a person."""

from __future__ import annotations

from collections.abc import Iterator

from bot.actions import Action, AnswerKf, OpenCase
from bot.dispatch import on
from bot.kf import KfMessage
from bot.model import ChatId
from handlers.known import Known


@on(KfMessage, when=lambda event: not event.by_staff and bool(event.message.text.strip()))
def hand_to_person(event: KfMessage, known: Known) -> Iterator[Action]:
    """A question opens a case for a person and is acknowledged, once a day.

    Refusals and complaints have answers of their own; small talk needs none.
    """
    account, customer = event.message.open_kfid, event.external_userid
    if account is None or not known.kf_is_ours(account, customer):
        return
    asked = known.asks(event.message.text) or known.escalation.wants_person(event.message.text)
    if not asked or known.has_own_answer(event.msgid):
        return
    yield OpenCase("unanswered", "", customer, ChatId(""), None, 0)
    day = known.now.strftime("%Y%m%d")
    yield AnswerKf(account, customer, "kf_person", f"{customer}-{day}")
