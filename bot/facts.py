"""What a conversation tells us: the fact schema, and the class of every fact. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

CONFIRM_BELOW = 0.6
"""Facts under this confidence wait for a person and act on nothing."""


class FactType(StrEnum):
    """The closed vocabulary (version 1); a type that is not here cannot be kept."""

    CHILDREN = "family.children"
    ELDERS = "family.elders"
    LIFE_EVENT = "life.event"
    BIRTHDAY = "person.birthday"
    OCCUPATION = "work.occupation"
    HOBBY = "interest.hobby"
    CONCERN = "interest.concern"
    RISK_APPETITE = "persona.risk"
    PRODUCT_INTEREST = "product.interest"
    OTHER_BANK = "holding.other_bank"
    MATURITY = "holding.maturity"
    INFLOW = "cash.inflow"
    OUTFLOW = "cash.outflow"
    CHURN = "risk.churn"
    COMPLAINT = "risk.complaint"
    REFERRAL = "referral.offer"
    CONTACT_REQUEST = "contact.request"
    RSVP = "event.rsvp"
    OPT_OUT = "consent.opt_out"
    OPT_IN = "consent.opt_in"


class FactClass(StrEnum):
    """Sensitive facts need the customer's separate consent and never act by machine."""

    ORDINARY = "ordinary"
    SENSITIVE = "sensitive"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The words that prove a fact: a span of the message in code points, end exclusive."""

    start: int
    end: int
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that the speaker said about themself or their household.

    ``value`` holds only keys that the message settles: amounts as ``int`` yuan, dates as ISO
    days in Asia/Shanghai (``date_from``, ``date_to``), slugs as in the schema.
    """

    type: FactType
    value: dict[str, Any]
    evidence: Evidence
    confidence: float
    rule: str = ""
    """Id of the rule or model that read it."""
    version: str = ""

    @property
    def settled(self) -> bool:
        """Sure enough to act on without a person."""
        return self.confidence >= CONFIRM_BELOW

    @property
    def sensitivity(self) -> FactClass:
        """The class of this type and value."""
        return classify(self.type, self.value)

    @property
    def due(self) -> tuple[date | None, date | None]:
        """``date_from`` and ``date_to`` as dates."""
        return _day(self.value.get("date_from")), _day(self.value.get("date_to"))

    def without(self, *keys: str) -> Fact:
        """The same fact with less in its value."""
        kept = {key: item for key, item in self.value.items() if key not in keys}
        return replace(self, value=kept)


@dataclass(frozen=True, slots=True)
class Speech:
    """One message, or a few lines of one thought, as the reader gets it.

    ``by_customer`` is False for employees: their words give context, never facts.
    ``asked`` is the question by staff that this speech may answer, newest last.
    """

    text: str
    sent_at: datetime
    by_customer: bool = True
    quoted: tuple[tuple[int, int], ...] = ()
    asked: tuple[str, ...] = ()


def _day(iso: str | None) -> date | None:
    return date.fromisoformat(iso) if iso else None


CHILD_STAGES_SENSITIVE = frozenset({"infant", "kindergarten", "primary", "middle"})
SENSITIVE_KEYS = ("amount",)
"""Keys that are dropped from an ordinary fact when the separate consent is missing."""


def classify(fact_type: FactType, value: dict[str, Any]) -> FactClass:
    """Tell whether a fact as a whole is sensitive; an ``amount`` is so wherever it stands."""
    sensitive = (
        fact_type is FactType.OTHER_BANK
        or (
            fact_type is FactType.CHILDREN
            and (value.get("stage") in CHILD_STAGES_SENSITIVE or value.get("age", 99) < 15)
        )
        or (fact_type is FactType.LIFE_EVENT and value.get("kind") in {"pregnancy", "hospital"})
        or (fact_type is FactType.CONCERN and value.get("topic") == "health")
    )
    return FactClass.SENSITIVE if sensitive else FactClass.ORDINARY


def keepable(fact: Fact, *, sensitive_consent: bool) -> Fact | None:
    """What of a fact may be kept, or None when nothing may.

    Without the separate consent a sensitive fact is not kept at all, and an ordinary one
    loses its sensitive keys.
    """
    if sensitive_consent:
        return fact
    if fact.sensitivity is FactClass.SENSITIVE:
        return None
    return fact.without(*SENSITIVE_KEYS)
