"""What a push offers one customer, read from the bank's lists: products, or an alliance offer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeGuard

from bot.model import UserId
from bot.rulebook import Rulebook
from bot.store import alliance, people, suiting
from bot.store.db import Db, Row
from bot.store.library import OFFERS, PRODUCTS, in_force
from scheduler import benefits, offers
from scheduler.campaigns import Campaign
from scheduler.offers import Offer


@dataclass(frozen=True, slots=True)
class Offering:
    """What a push offers.

    Attributes:
        current: Every product is in the library, of an approved kind and on sale.
        against: Rules of suitability against it.
        certified: The sender may offer it and is on duty.
        values: The variables of the text.
        left: There is an alliance offer for the customer, where the text is about one.
        code: Of that offer.
    """

    current: bool = True
    against: tuple[str, ...] = ()
    certified: bool = True
    values: Mapping[str, str] | None = None
    left: bool = True
    code: str = ""


NOTHING = Offering()
"""A text without products."""


def offering_of(
    db: Db, rules: Rulebook, campaign: Campaign, push: Row | Mapping[str, Any], on: date
) -> Offering:
    """What a push would offer on a day in Asia/Shanghai."""
    if campaign.offer:
        return _benefit_of(db, rules, campaign, push, on)
    sender = people.staff(db, push["sender"])
    certified = _certified(rules, campaign, sender)
    if not campaign.products:
        return Offering(certified=certified or not campaign.product_kinds)
    library = {row["code"]: row for row in PRODUCTS.current(db, campaign.products)}
    rows = [library.get(code) for code in campaign.products]
    good = [row for row in rows if row is not None and _fits(campaign, row, on)]
    if len(good) < len(rows) or (campaign.bundle and good[0]["kind"] not in offers.DEPOSITS):
        return Offering(current=False, certified=certified)
    holder = suiting.holder(db, push["external_userid"], on)
    chosen, against = offers.choose(
        [_offer(row) for row in good], holder, on, bundle=campaign.bundle
    )
    if tailored(db, campaign, on):
        against = ("T5", *against)
    names = rules.labels.get("product", {})
    values = offers.values_of(chosen, names)
    return Offering(against=against, certified=certified, values=values)


def _benefit_of(
    db: Db, rules: Rulebook, campaign: Campaign, push: Row | Mapping[str, Any], on: date
) -> Offering:
    """The alliance offer that is set aside for a push, else the best for its customer."""
    day = on.isoformat()
    row = alliance.set_aside(db, push["id"], day) or alliance.best_for(
        db, campaign.offer, push["external_userid"], day
    )
    if row is None:
        return Offering(left=False)
    return Offering(values=benefits.values_of(row, rules.labels["condition"], on), code=row["code"])


def listed(db: Db, campaign: Campaign, on: date) -> bool:
    """Whether the bank's lists have what a campaign names: products on sale, offers left."""
    if campaign.offer:
        return any(
            row["kind"] == campaign.offer and in_force(row, on) and row["taken"] < row["stock"]
            for row in OFFERS.all(db)
        )
    rows = PRODUCTS.current(db, campaign.products)
    codes = set(campaign.products)
    return codes == {row["code"] for row in rows if _fits(campaign, row, on)}


def tailored(db: Db, campaign: Campaign, on: date) -> bool:
    """Whether people chosen by their profile would get a price that others do not (T5)."""
    if not campaign.profiling or not campaign.products:
        return False
    sold = [_offer(row) for row in PRODUCTS.all(db) if in_force(row, on)]
    mine = [each for each in sold if each.code in campaign.products]
    return any(offers.another_price(each, sold) for each in mine)


def deputy_of(
    db: Db, rules: Rulebook, campaign: Campaign, push: Row | Mapping[str, Any]
) -> str | None:
    """Who may send in the sender's place: their deputy, certified and a friend (S4)."""
    sender = people.staff(db, push["sender"])
    deputy = people.staff(db, sender["deputy"]) if sender and sender["deputy"] else None
    if deputy is None or not _certified(rules, campaign, deputy):
        return None
    friends = {row["userid"] for row in people.follows_of(db, push["external_userid"])}
    return str(deputy["userid"]) if deputy["userid"] in friends else None


def adviser_of(
    db: Db, rules: Rulebook, kind: str, first: UserId | None, branch: str
) -> UserId | None:
    """Who may answer a question about a kind of product (K12); None for nobody.

    Whoever would answer, when they are certified and on duty, else their deputy, else somebody
    of the branch.
    """
    row = people.staff(db, first) if first else None
    deputy = people.staff(db, row["deputy"]) if row and row["deputy"] else None
    for each in (row, deputy, *suiting.on_duty(db, branch)):
        if _may_sell(each, rules, [kind]):
            return UserId(each["userid"])
    return None


def _fits(campaign: Campaign, row: Row, on: date) -> bool:
    return in_force(row, on) and row["kind"] in campaign.product_kinds


def _certified(rules: Rulebook, campaign: Campaign, sender: Row | None) -> bool:
    return _may_sell(sender, rules, campaign.product_kinds)


def _may_sell(who: Row | None, rules: Rulebook, kinds: Iterable[str]) -> TypeGuard[Row]:
    if who is None or not who["active"]:
        return False
    held = who["certificates"].split(",")
    return offers.certified(held, kinds, rules.approvals.certificates)


def _offer(row: Row) -> Offer:
    said = ("code", "name", "kind", "issuer", "risk_level", "rate", "minimum", "term", "fees")
    return Offer(**{name: row[name] for name in (*said, "registration", "url")})
