"""Products in a text: which two suit a customer, what is said of them, and who may send it. Pure.

The first product of a campaign is A; B is the first of the others that suits the customer, one
of a kind that they do not hold yet before others. Deposits lead (K5).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

INVESTMENTS = frozenset({"wealth", "fund", "insurance", "gold", "foreign_exchange"})
"""Kinds that need a valid risk test (S1); structured deposits come as wealth (S5)."""
LOANS = frozenset({"mortgage", "business_loan", "consumer_loan"})
STRUCTURED = "结构性"
"""What the name of a structured deposit holds, under whatever kind the list has it."""
DEPOSITS = frozenset({"demand_deposit", "time_deposit", "large_cd", "treasury_bond"})
SENIOR = 65
_CAUTIOUS = 2
"""What somebody who calls themself cautious is offered at most (S6)."""
FACTS = (
    "name",
    "kind",
    "issuer",
    "risk",
    "rate",
    "minimum",
    "term",
    "fees",
    "registration",
    "url",
)
"""What a text may say of A (``a_name`` …) and of B (``b_name`` …)."""
FIELDS = frozenset(f"{part}_{fact}" for part in "ab" for fact in FACTS)
_PRICE = re.compile(
    r"\d+(?:\.\d+)?\s*[%\uff05\u2030]|\d+\s*个(?:基)?点|百分之[一二三四五六七八九十]"
    r"|(?:利率|年化|费率|手续费|月供|额度|起存|起购|起点)[^，。；！？\n{}]{0,6}?\d+"
    r"|\d[\d,]*(?:\.\d+)?\s*[百千万亿]?元"
)
DECLINING = ("可以只选一样", "都不选也没关系", "不选也没关系", "两样各办各的")
"""A bundle says that each part can be left out."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the library says of a product; "" and None for what it does not say."""

    code: str
    name: str
    kind: str
    issuer: str
    risk_level: str
    rate: float | None
    minimum: int | None
    term: str
    fees: str
    registration: str
    url: str

    @property
    def needs_test(self) -> bool:
        """Whether it goes only to who has a valid risk test for it (S1, S5)."""
        return self.kind in INVESTMENTS or STRUCTURED in self.name


@dataclass(frozen=True, slots=True)
class Holder:
    """What suitability asks of a customer.

    Attributes:
        risk_level: C1 to C5 of the bank's own test; "" for none.
        risk_valid_to: The last day on which the test counts, Asia/Shanghai.
        age: Completed years; None when unknown.
        met: An employee has spoken with them, and it is on record (S3).
        cautious: They call themself conservative; that may only lower what is offered (S6).
        kinds: Kinds of product that they hold with us.
    """

    risk_level: str
    risk_valid_to: date | None
    age: int | None
    met: bool
    cautious: bool
    kinds: frozenset[str]


def unsuitable(offer: Offer, holder: Holder, on: date) -> tuple[str, ...]:
    """The rules by which a product may not be offered to somebody on a day; () when it may."""
    if not offer.needs_test:
        return ()
    test_ends = holder.risk_valid_to
    if not holder.risk_level or test_ends is None or test_ends < on or not offer.risk_level:
        return ("S1",)
    if _level(offer.risk_level) > _level(holder.risk_level):
        return ("S1",)
    if holder.cautious and _level(offer.risk_level) > _CAUTIOUS:
        return ("S6",)
    if not holder.met and (holder.age is None or holder.age >= SENIOR):
        return ("S3",)
    return ()


def choose(
    offers: Sequence[Offer], holder: Holder, on: date, *, bundle: bool
) -> tuple[tuple[Offer, ...], tuple[str, ...]]:
    """What is offered to a customer, A first, and the rules against it; () for none."""
    first = unsuitable(offers[0], holder, on)
    if first or not bundle:
        return (offers[0],), first
    against = {each.code: unsuitable(each, holder, on) for each in offers[1:]}
    fitting = [each for each in offers[1:] if not against[each.code]]
    if not fitting:
        rules = sorted({rule for some in against.values() for rule in some})
        return (offers[0],), tuple(rules) or ("S1",)
    second = min(fitting, key=lambda each: each.kind in holder.kinds)
    return (offers[0], second), ()


def values_of(offers: Iterable[Offer], kinds: Mapping[str, str]) -> dict[str, str]:
    """The variables of a text; what the library does not say is left out, so K1 stops it.

    Args:
        offers: A, and B in a bundle.
        kinds: How kinds of product are called.
    """
    found: dict[str, str] = {}
    for part, offer in zip("ab", offers, strict=False):
        said = {
            "name": offer.name,
            "kind": kinds.get(offer.kind, offer.kind),
            "issuer": offer.issuer,
            "risk": offer.risk_level,
            "rate": "" if offer.rate is None else f"{offer.rate:g}%",
            "minimum": "" if offer.minimum is None else _yuan(offer.minimum),
            "term": offer.term,
            "fees": offer.fees,
            "registration": offer.registration,
            "url": offer.url,
        }
        found |= {f"{part}_{fact}": text for fact, text in said.items() if text}
    return found


def lacks(used: Collection[str], kinds: Iterable[str], words: str) -> str:
    """What a text about products has to say and does not (K5, R004); "" when nothing lacks."""
    parts = [part for part in "ab" if any(each.startswith(f"{part}_") for each in used)]
    if "b" in parts and "a" not in parts:
        return "有 b_ 就要先写 a_:两样里存款在前"
    for part in parts:
        needed = {f"{part}_name"} | ({f"{part}_kind"} if len(parts) > 1 else set())
        if not needed <= set(used):
            return f"要写出每样产品的名称和类别:{'、'.join(sorted(needed))}"
    if len(parts) > 1 and not any(each in words for each in DECLINING):
        return f"两样放在一起要写明可以不选,例如「{DECLINING[0]}」"
    dear = [each for each in parts if f"{each}_rate" in used and f"{each}_fees" not in used]
    if LOANS & set(kinds) and dear:
        return f"贷款写了 {dear[0]}_rate 就要写 {dear[0]}_fees:利率和全部费用一起说(规则 K7)"
    if INVESTMENTS & set(kinds):
        risky = parts[-1] if parts else "a"
        told = {f"{risky}_{fact}" for fact in ("issuer", "registration", "fees")}
        if f"{risky}_risk" not in used or not (told <= set(used) or f"{risky}_url" in used):
            return (
                f"投资类产品要写 {risky}_risk,再写 {risky}_issuer、{risky}_registration、"
                f"{risky}_fees,或者 {risky}_url(产品页)"
            )
    return ""


def written_price(words: str) -> str:
    """A price, fee or limit that a text gives by hand and not by the product list; "" for none."""
    found = _PRICE.search(words)
    return found.group() if found else ""


def another_price(offer: Offer, listed: Iterable[Offer]) -> str:
    """The code of the same product at another price, which the list has beside it; "" for none.

    The same is what has kind, issuer, term, registration and minimum alike: a tier with another
    minimum is open to everybody.
    """
    mine, price = _same(offer), (offer.rate, offer.fees)
    twins = (each for each in listed if _same(each) == mine and (each.rate, each.fees) != price)
    return next((each.code for each in twins), "")


def _same(offer: Offer) -> tuple[str | int | None, ...]:
    return (offer.kind, offer.issuer, offer.term, offer.registration, offer.minimum)


def certified(
    certificates: Collection[str], kinds: Iterable[str], accepted: Mapping[str, Collection[str]]
) -> bool:
    """Whether somebody holds a certificate for every kind that needs one (S4)."""
    held = set(certificates)
    return all(held & set(accepted[kind]) for kind in kinds if kind in accepted)


def _level(level: str) -> int:
    return int(level[1:])


def _yuan(amount: int) -> str:
    whole, rest = divmod(amount, 10_000)
    return f"{whole}万元" if whole and not rest else f"{amount}元"
