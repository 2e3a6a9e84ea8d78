"""Who must approve which text, what an approval covers, and whether one still holds. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.clock import SHANGHAI
from bot.model import PRODUCT_KINDS, Purpose, Role
from bot.yamlfile import Place, Section, load_section
from scheduler.campaigns import Campaign
from scheduler.offers import INVESTMENTS
from scheduler.words import FIELDS, check_template

NO_PRODUCT = "none"
RISKY = frozenset(
    {
        "wealth",
        "fund",
        "insurance",
        "gold",
        "foreign_exchange",
        "mortgage",
        "business_loan",
        "consumer_loan",
    }
)
"""What product and legal roles both approve, whatever the file says."""
PRODUCTS = (NO_PRODUCT, *PRODUCT_KINDS)
_LONGEST = {Purpose.MARKETING: 30, Purpose.GREETING: 180, Purpose.SERVICE: 180}


class Duty(StrEnum):
    """In what capacity somebody approves."""

    LEGAL = "legal"
    PRODUCT = "product"
    BRANCH = "branch"


class Vote(StrEnum):
    """What was decided about a version; only ``approve`` counts for it."""

    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True)
class Cast:
    """One decision of one person, as it was recorded.

    Attributes:
        covers: What the approver saw, see ``cover_of``.
        expires_at: The moment from which it counts no more.
    """

    id: int
    actor: str
    duty: str
    vote: Vote
    covers: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Requirement:
    """What the policies ask for one campaign: duties, each by another person, and for how long."""

    duties: frozenset[Duty]
    valid_for: timedelta
    policies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Policy:
    name: str
    purposes: frozenset[Purpose]
    products: frozenset[str]
    duties: frozenset[Duty]
    valid_for: timedelta


@dataclass(frozen=True, slots=True)
class ApprovalRules:
    """All of ``config/approvals.yaml``.

    Attributes:
        authors: Who may draft, submit, start and stop.
        holders: The roles that may act in each duty.
        certificates: By kind of product, what a sender may hold to send texts about it (S4).
    """

    authors: frozenset[Role]
    holders: Mapping[Duty, frozenset[Role]]
    policies: tuple[_Policy, ...]
    certificates: Mapping[str, frozenset[str]]

    def required(self, purpose: Purpose, products: Iterable[str]) -> Requirement | None:
        """What must be approved by whom; None when some product has no policy: then never."""
        found = [self._policy(purpose, each) for each in set(products) or {NO_PRODUCT}]
        good = [each for each in found if each is not None]
        if len(good) < len(found):
            return None
        return Requirement(
            duties=frozenset().union(*(each.duties for each in good)),
            valid_for=min(each.valid_for for each in good),
            policies=tuple(sorted({each.name for each in good})),
        )

    def _policy(self, purpose: Purpose, product: str) -> _Policy | None:
        fitting = (p for p in self.policies if purpose in p.purposes and product in p.products)
        return next(fitting, None)

    def duties_of(self, role: Role) -> frozenset[Duty]:
        """What somebody of a role may approve as."""
        return frozenset(duty for duty, roles in self.holders.items() if role in roles)


@dataclass(frozen=True, slots=True)
class State:
    """How far the approval of one version is.

    Attributes:
        valid: Every duty approved exactly what is there now, and nothing has run out.
        why: ``approved``, ``no_policy``, ``waiting``, ``changed`` or ``expired``.
        open: Duties that nobody has fulfilled.
        counted: The decisions that count, by duty.
        until: When the first of them runs out.
    """

    valid: bool
    why: str
    open: frozenset[Duty] = frozenset()
    counted: Mapping[Duty, Cast] = field(default_factory=dict)
    until: datetime | None = None


def state_of(
    required: Requirement | None, casts: Sequence[Cast], covers: str, at: datetime
) -> State:
    """Whether an approval holds now.

    Args:
        required: What the policies ask.
        casts: The decisions about one version, oldest first.
        covers: What is there now.
        at: This moment.
    """
    if required is None:
        return State(valid=False, why="no_policy")
    given: dict[Duty, Cast] = {}
    for each in casts:
        if each.vote is Vote.APPROVE:
            given[Duty(each.duty)] = each
        else:
            given.clear()
    asked = {duty: given[duty] for duty in required.duties if duty in given}
    same = {duty: each for duty, each in asked.items() if each.covers == covers}
    good = {d: e for d, e in same.items() if e.expires_at is not None and at < e.expires_at}
    missing = required.duties - good.keys()
    if missing:
        why = "changed" if len(same) < len(asked) else "waiting"
        return State(
            valid=False, why="expired" if len(good) < len(same) else why, open=missing, counted=good
        )
    until = min(each.expires_at for each in good.values() if each.expires_at)
    return State(valid=True, why="approved", counted=good, until=until)


def runs_out(at: datetime, valid_for: timedelta) -> datetime:
    """The midnight in Asia/Shanghai with which an approval given at a moment ends.

    The day of approval counts as the first, so that it never lasts longer than the days named.
    """
    return datetime.combine(at.astimezone(SHANGHAI).date() + valid_for, time(0), SHANGHAI)


def is_profiling(campaign: Campaign) -> bool:
    """Whether people are chosen by what is known about them (T7)."""
    return campaign.profiling


def stamp_of(campaign: Campaign) -> str:
    """Names exactly one version and text of a campaign; pushes and tasks carry it."""
    return f"{campaign.version}.{campaign.text_hash[:12]}"


def cover_of(
    campaign: Campaign,
    *,
    words_hash: str,
    audience: str,
    schedule: Mapping[str, Any],
    products: Mapping[str, str],
) -> str:
    """What an approval covers, as one hash: any change of any part voids it (A2).

    Args:
        campaign: The template; its hash covers the whole text, front matter included.
        words_hash: The file from which variables are filled.
        audience: The rule that chooses people, written out.
        schedule: Hours and days that the branch has set for it.
        products: Contract version by code of each product named.
    """
    fields = {name: list(FIELDS[name]) for name in sorted(_fields(campaign.words))}
    parts = [campaign.text_hash, words_hash, fields, audience, dict(schedule), dict(products)]
    return _digest(parts)


def audience_cover(campaign: Campaign, audience: str) -> str:
    """What an impact assessment is about: the campaign and whom it chooses by which rule."""
    return _digest([campaign.name, audience])


def _digest(parts: list[Any]) -> str:
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=256)
def _fields(words: str) -> frozenset[str]:
    return check_template(words, Place("", 1), FIELDS)


# -- reading the file


def load_approvals(path: Path) -> ApprovalRules:
    """Read ``approvals.yaml``.

    Raises:
        Invalid: With the file, the line and the fix; laxer than the law allows, too.
    """
    top = load_section(path)
    duties, policies = top.section("duties"), top.section("policies")
    certificates = top.section("certificates")
    found = ApprovalRules(
        authors=frozenset(Role(each.choice(Role)) for each in top.values("authors")),
        holders={
            duty: frozenset(Role(each.choice(Role)) for each in duties.values(duty))
            for duty in Duty
        },
        policies=tuple(_read(name, policies.section(name)) for name in policies.keys()),  # noqa: SIM118  # a Section is no dict
        certificates={
            kind: frozenset(each.text(20) for each in certificates.values(kind))
            for kind in certificates.keys()  # noqa: SIM118  # as above
        },
    )
    for section in (duties, policies, certificates, top):
        section.close()
    if set(found.certificates) - set(PRODUCT_KINDS):
        strange = "、".join(sorted(set(found.certificates) - set(PRODUCT_KINDS)))
        raise certificates.wrong(f"certificates 里的 {strange} 不是产品类别")
    if INVESTMENTS - {"foreign_exchange"} - set(found.certificates):
        raise certificates.wrong("理财、基金、保险、黄金必须写明要哪种资格,不能省")
    if not found.authors or not all(found.holders.values()):
        raise top.wrong("authors 和每项 duties 都要至少写一个角色,否则没有人能办")
    return found


def _read(name: str, section: Section) -> _Policy:
    found = _Policy(
        name=name,
        purposes=frozenset(Purpose(each.choice(Purpose)) for each in section.values("purposes")),
        products=frozenset(each.choice(PRODUCTS) for each in section.values("products")),
        duties=frozenset(Duty(each.choice(Duty)) for each in section.values("duties")),
        valid_for=section.value("valid_for").span(),
    )
    section.close()
    if not found.purposes or not found.products or not found.duties:
        raise section.wrong(f"{name} 要写 purposes、products、duties 各至少一项")
    if found.products & RISKY and not {Duty.PRODUCT, Duty.LEGAL} <= found.duties:
        raise section.wrong(f"{name} 提到理财、基金、保险、黄金或贷款,duties 要有 product 和 legal")
    most = timedelta(days=min(_LONGEST[each] for each in found.purposes))
    if not timedelta(days=1) <= found.valid_for <= most:
        raise section.value("valid_for").wrong(f"审批有效期请填 1天 到 {most.days}天")
    return found
