"""What a handler may ask about the branch: a few questions, answered from the store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.model import ChatId, ExternalUserId, UserId
from handlers.rules import EscalationRules
from handlers.signals import Signals


@dataclass(frozen=True, slots=True)
class OpenEvent:
    """An event as somebody may speak of it; ``starts_at`` is aware."""

    id: int
    name: str
    kind: str
    starts_at: datetime
    party: int = 0


class Known(Protocol):
    """Handed to every handler beside the event."""

    @property
    def now(self) -> datetime:
        """The moment, aware, UTC."""
        ...

    @property
    def cause(self) -> str:
        """Names what came in; part of the keys of errands that may be repeated harmlessly."""
        ...

    @property
    def escalation(self) -> EscalationRules:
        """When a person is called."""
        ...

    @property
    def signals(self) -> Signals:
        """Words that call for one fixed act."""
        ...

    def follow_users(self, customer: ExternalUserId) -> list[UserId]:
        """The members who are friends with a customer, oldest first."""
        ...

    def responsible(self, customer: ExternalUserId) -> UserId | None:
        """Who acts first for a customer."""
        ...

    def asks(self, text: str) -> bool:
        """Whether a line asks something."""
        ...

    def has_own_answer(self, msgid: str) -> bool:
        """Whether a message was a refusal or a complaint, which are answered as such."""
        ...

    def events_for(self, customer: ExternalUserId, chat_id: ChatId) -> list[OpenEvent]:
        """Events that the customer may mean where they speak, the next one first."""
        ...

    def signed_up(self, customer: ExternalUserId) -> list[OpenEvent]:
        """What the customer has signed up for and that is not over, the next one first."""
        ...

    def kf_is_ours(self, open_kfid: str, customer: ExternalUserId) -> bool:
        """Whether the bot may still answer in a customer-service session."""
        ...
