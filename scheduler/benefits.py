"""Benefits of local merchants in a text: what is said of one, and on what condition. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from scheduler.voice import day_words

FIELDS = frozenset(
    {"offer_merchant", "offer_benefit", "offer_address", "offer_until", "offer_condition"}
)
"""What a text may say of an offer."""
_NEEDED = FIELDS - {"offer_address"}


def values_of(offer: Any, conditions: Mapping[str, str], today: date) -> dict[str, str]:
    """The variables of a text; what the bank's file does not say is left out, so K1 stops it.

    Args:
        offer: A row of the bank's list.
        conditions: How conditions are told to customers.
        today: The day of sending.
    """
    said = {
        "offer_merchant": offer["merchant"],
        "offer_benefit": offer["benefit"],
        "offer_address": offer["place"],
        "offer_until": day_words(date.fromisoformat(offer["valid_to"]), today),
        "offer_condition": conditions.get(offer["condition"], ""),
    }
    return {name: text for name, text in said.items() if text}


def lacks(used: Collection[str]) -> str:
    """What a text about an offer has to say and does not; "" when nothing lacks."""
    missing = sorted(_NEEDED - set(used))
    return f"异业权益要写明商户、权益、条件和截止日:{'、'.join(missing)}" if missing else ""
