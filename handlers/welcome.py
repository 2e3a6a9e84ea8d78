"""Greetings that go out by themselves: new friends and visitors of customer service."""

from __future__ import annotations

from collections.abc import Iterator

from bot.actions import SendKfWelcome, SendWelcome
from bot.dispatch import on
from bot.events import AddExternalContact, MsgAuditApproved
from bot.kf import KfEnterSession
from handlers.known import Known


@on(AddExternalContact, when=lambda event: bool(event.welcome_code))
@on(MsgAuditApproved, when=lambda event: bool(event.welcome_code))
def welcome_friend(
    event: AddExternalContact | MsgAuditApproved, _known: Known
) -> Iterator[SendWelcome]:
    """A new friend is greeted in the member's name; the code lives twenty seconds."""
    yield SendWelcome(event.welcome_code, event.external_userid, event.userid)


@on(KfEnterSession, when=lambda event: bool(event.welcome_code))
def welcome_visitor(event: KfEnterSession, _known: Known) -> Iterator[SendKfWelcome]:
    """Who opens customer service without having written is greeted."""
    yield SendKfWelcome(event.welcome_code, event.open_kfid, event.external_userid)
