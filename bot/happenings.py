"""What the bot itself noticed while keeping what came in; handlers hear these too. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from bot.facts import Fact
from bot.model import ChatId, ExternalUserId, MsgId, OpenKfId, UserId


@dataclass(frozen=True, slots=True)
class FactLearned:
    """A fact above the threshold entered a customer's ledger.

    ``conversation`` tells where it was said; ``open_kfid`` is set when that was in WeChat
    customer service, the one place where the bot may answer by itself. ``beside`` are the
    signals of the same message, which have acts of their own.
    """

    customer: ExternalUserId
    fact_id: int
    fact: Fact
    msgid: MsgId
    chat_id: ChatId
    at: datetime
    open_kfid: OpenKfId | None = None
    beside: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SignalHeard:
    """A customer's words call for one fixed act (``handlers.signals``).

    ``product`` is the kind that they want advice about.
    """

    customer: ExternalUserId
    signal: str
    product: str
    msgid: MsgId
    chat_id: ChatId
    at: datetime
    open_kfid: OpenKfId | None = None


@dataclass(frozen=True, slots=True)
class MessageRead:
    """The rules have read a customer's line; only heard where a second reader is set up."""

    msgid: MsgId
    at: datetime
    characters: int


@dataclass(frozen=True, slots=True)
class BecameActive:
    """A customer crossed the activity line."""

    customer: ExternalUserId
    messages: int
    days: int
    chat_id: ChatId
    at: datetime


@dataclass(frozen=True, slots=True)
class SegmentsChanged:
    """A customer entered or left segments, layers or product interests that carry tags."""

    customer: ExternalUserId
    entered: tuple[str, ...]
    left: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class SignUpKept:
    """What became of somebody's wish to come to an event, or not to.

    ``outcome`` is ``going``, ``waiting``, ``full``, ``closed`` or ``off``.
    """

    customer: ExternalUserId
    event_id: int
    outcome: str
    msgid: str
    at: datetime
    open_kfid: OpenKfId | None = None


@dataclass(frozen=True, slots=True)
class CredentialsDropped:
    """A customer typed a password or a code; it was dropped before anything was stored."""

    customer: ExternalUserId
    msgid: MsgId
    chat_id: ChatId
    at: datetime
    open_kfid: OpenKfId | None = None


@dataclass(frozen=True, slots=True)
class RefusalKept:
    """A customer's refusal is on record; nothing marketed may reach them from now on."""

    customer: ExternalUserId
    scope: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DayComesNear:
    """A day begins soon that a customer spoke of, or (without a fact) the bank's file names.

    ``kind`` is the kind of case.
    """

    customer: ExternalUserId
    fact_id: int | None
    kind: str
    day: date
    at: datetime


@dataclass(frozen=True, slots=True)
class ImportantSilent:
    """An important customer has fallen silent."""

    customer: ExternalUserId
    at: datetime


@dataclass(frozen=True, slots=True)
class CaseOpened:
    """An escalation was opened and somebody has to act."""

    case_id: int
    kind: str
    customer: ExternalUserId
    assignee: UserId
    at: datetime


@dataclass(frozen=True, slots=True)
class CaseOverdue:
    """A case passed its deadline in branch hours; said once.

    ``open_kfid`` is where the customer, who expects to hear from us, can be told.
    """

    case_id: int
    customer: ExternalUserId
    head: UserId
    at: datetime
    open_kfid: OpenKfId | None = None


@dataclass(frozen=True, slots=True)
class CaseHandedOn:
    """A case goes to a deputy, or back to whom it was because nobody took it.

    ``turn`` counts these; ``open_kfid`` is set when the customer has to be told.
    """

    case_id: int
    customer: ExternalUserId
    assignee: UserId
    turn: int
    at: datetime
    open_kfid: OpenKfId | None = None


@dataclass(frozen=True, slots=True)
class CaseClosed:
    """Somebody pressed a button or wrote an outcome.

    ``response_code`` updates the card of the person who pressed; "" from the console.
    """

    case_id: int
    outcome: str
    by: UserId
    response_code: str
    at: datetime


@dataclass(frozen=True, slots=True)
class FriendMade:
    """A friendship between a member and a customer was seen for the first time."""

    customer: ExternalUserId
    userid: UserId
    at: datetime


@dataclass(frozen=True, slots=True)
class AgreementNeeded:
    """A customer wrote in a conversation whose consent to archiving is not known."""

    conversation: str
    chat_id: ChatId
    customer: ExternalUserId
    userid: UserId
    at: datetime


@dataclass(frozen=True, slots=True)
class GroupOutdated:
    """A group's member list is not what its last callback assumed."""

    chat_id: ChatId
    at: datetime
