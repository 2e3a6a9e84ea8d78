"""Customer service: what the bot cannot answer itself goes to a person."""

from __future__ import annotations

from collections.abc import Iterator

from bot.actions import Action, AnswerKf, OpenCase, TellStaff
from bot.dispatch import on
from bot.happenings import CredentialsDropped
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
