"""Ids, people, chats and messages: the nouns that every other module shares. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

UserId = NewType("UserId", str)
"""An employee of the corp (WeCom ``userid``)."""
ExternalUserId = NewType("ExternalUserId", str)
"""A customer (WeCom ``external_userid``); starts with ``wm`` or ``wo``."""
ChatId = NewType("ChatId", str)
"""A customer group (WeCom ``chat_id``, in the archive ``roomid``); starts with ``wr``."""
TagId = NewType("TagId", str)
MsgId = NewType("MsgId", str)
OpenKfId = NewType("OpenKfId", str)
"""An account of WeChat customer service; starts with ``wk``."""
Yuan = NewType("Yuan", int)

PRODUCT_KINDS = (
    "demand_deposit",
    "time_deposit",
    "large_cd",
    "treasury_bond",
    "wealth",
    "fund",
    "insurance",
    "gold",
    "mortgage",
    "business_loan",
    "consumer_loan",
    "credit_card",
    "payroll",
    "payment_code",
    "social_security_card",
    "mobile_banking",
    "foreign_exchange",
    "pension_account",
)
"""Kinds of product, as facts, holdings and campaigns name them."""
EXTERNAL_PREFIXES = ("wm", "wo")


def is_external(person: str) -> bool:
    """True for a customer's id, False for an employee's or a robot's."""
    return person.startswith(EXTERNAL_PREFIXES)


class Purpose(StrEnum):
    """Why a message is sent; each message has exactly one."""

    SERVICE = "service"
    GREETING = "greeting"
    MARKETING = "marketing"


class Layer(StrEnum):
    """Vertical layer by assets with us; the lines are in ``config/thresholds.yaml``."""

    POTENTIAL = "potential"
    EFFECTIVE = "effective"
    MIDDLE = "middle"
    HIGH = "high"
    PRIVATE = "private"
    UNKNOWN = "unknown"


class Role(StrEnum):
    """What an employee is to the branch; decides whom they may see."""

    OWNER = "owner"
    MANAGER = "manager"
    HEAD = "head"
    CITY = "city"
    COMPLIANCE = "compliance"
    ADMIN = "admin"


class Channel(StrEnum):
    """The way by which something leaves our hands."""

    MASS_SINGLE = "mass_single"
    MASS_GROUP = "mass_group"
    MOMENTS = "moments"
    WELCOME = "welcome"
    KF = "kf"
    STAFF = "staff"


@dataclass(frozen=True, slots=True)
class ArchivedMessage:
    """One record of the message archive, decrypted; also what kf gives, in the same shape.

    Attributes:
        seq: Position in the archive; 0 for customer-service (kf) messages.
        sender: ``userid``, ``external_userid`` or a robot id.
        receivers: Everybody else in the conversation.
        chat_id: The group, or "" in a one-to-one conversation.
        sent_at: Aware, UTC.
        kind: The platform's ``msgtype`` (``text``, ``mixed``, ``revoke``, …).
        text: What can be read: text, markdown, mixed, chatrecord and link; else "".
        quoted: Spans of ``text`` (start, end) that somebody else said: quotes and forwards.
        recalls: The ``msgid`` that this record takes back.
        agreed: True or False for a customer's answer to archiving, else None.
        raw: The record as it came, for types that nobody reads yet.
    """

    msgid: MsgId
    seq: int
    sender: str
    receivers: tuple[str, ...]
    chat_id: ChatId
    sent_at: datetime
    kind: str
    text: str = ""
    quoted: tuple[tuple[int, int], ...] = ()
    recalls: MsgId | None = None
    agreed: bool | None = None
    open_kfid: OpenKfId | None = None
    raw: str = field(default="", repr=False)
