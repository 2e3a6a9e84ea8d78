"""Campaigns: one file each, front matter (what, to whom, when) and the words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import MappingProxyType

from bot.clock import SHANGHAI
from bot.model import Channel, Layer, Purpose, Role
from bot.yamlfile import Place, Scalar, Section, read_text
from scheduler.textfile import parse_file, read_name, read_slug
from scheduler.thresholds import SAME_DAY
from scheduler.voice import SIGNATURE
from scheduler.words import check_template

KINDS = (
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
"""Kinds of product, as facts and holdings name them."""
_SIGNED = frozenset({"branch", "sender_name"})
_APPROVERS = (Role.HEAD, Role.CITY, Role.COMPLIANCE)


@dataclass(frozen=True, slots=True)
class _Occasion:
    purpose: Purpose
    steps: frozenset[int]
    fields: frozenset[str]


OCCASIONS: Mapping[str, _Occasion] = {
    "birthday": _Occasion(Purpose.GREETING, frozenset({0}), frozenset({"calendar", "lunar_day"})),
    "maturity": _Occasion(
        Purpose.SERVICE,
        frozenset(range(91)),
        frozenset({"step", "holdings", "day", "options", "unattended"}),
    ),
}
"""What a campaign may be written for: its purpose, its possible days ahead, its own fields."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """One file of ``templates/campaigns``.

    Attributes:
        steps: Days ahead of the occasion, most first; 0 is the day itself.
        audience: ``everyone`` or the name of a segment rule.
        latest_useful_days: For each step how many days late it may go; 0 is the same day only.
        personal: Whether the words address the customer.
        layers: Who is addressed by name; the others get the same words with 您好.
        holdout: Per cent of the audience that gets nothing.
        approver: The role that approves this text.
        product_kinds: Kinds of product that the words speak of; they decide who must approve.
        words: The template, ending in the signature.
        text_hash: SHA-256 of the whole file, line ends normalised.
    """

    name: str
    version: int
    occasion: str
    steps: tuple[int, ...]
    audience: str
    purpose: Purpose
    channel: Channel
    latest_useful_days: Mapping[int, int]
    personal: bool
    layers: frozenset[Layer]
    holdout: int
    approver: Role
    words: str = field(repr=False)
    text_hash: str
    product_kinds: frozenset[str] = frozenset()

    def useful_until(self, step: int, due_on: date) -> datetime:
        """When the push of a step stops making sense: the end of its last useful day, UTC.

        Args:
            step: One of ``steps``.
            due_on: The day on which this step should go out, Asia/Shanghai.
        """
        last = due_on + timedelta(days=self.latest_useful_days[step] + 1)
        return datetime.combine(last, time(0), SHANGHAI).astimezone(UTC)


def load_campaigns(folder: Path) -> list[Campaign]:
    """All campaigns of ``templates/campaigns``, by name.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    return [parse_campaign(read_text(path), path.name) for path in sorted(folder.glob("*.md"))]


def parse_campaign(source: str, file: str) -> Campaign:
    """One campaign from its text, wherever it was written: in a file or in the console.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    head, words, place, digest = parse_file(source, file)
    occasion = OCCASIONS[head.value("occasion").choice(OCCASIONS)]
    steps = _steps(head, occasion)
    found = Campaign(
        name=read_name(head, file),
        version=head.value("version").whole(1, 9999),
        occasion=head.value("occasion").written,
        steps=steps,
        audience=read_slug(head.value("audience")),
        purpose=Purpose(head.value("purpose").choice(Purpose)),
        channel=Channel(head.value("channel").choice((Channel.MASS_SINGLE,))),
        latest_useful_days=_latest_useful(head, steps),
        personal=head.value("personal").yes(),
        layers=frozenset(Layer(item.choice(Layer)) for item in head.values("layers")),
        holdout=head.value("holdout").whole(0, 50),
        approver=Role(head.value("approver").choice(_APPROVERS)),
        words=words,
        text_hash=digest,
        product_kinds=frozenset(item.choice(KINDS) for item in head.values("product_kinds")),
    )
    head.close()
    _check_sense(found, occasion, head)
    _check_words(found, occasion, place)
    return found


def _check_sense(found: Campaign, occasion: _Occasion, head: Section) -> None:
    if found.purpose is not occasion.purpose:
        raise head.value("purpose").wrong(
            f"{found.occasion} 只能是 {occasion.purpose}:带产品或活动的内容请另写一份营销话术"
        )
    if found.product_kinds and found.purpose is not Purpose.MARKETING:
        raise head.wrong("提到产品的话术是营销,purpose 要写 marketing;不提产品就去掉 product_kinds")
    if found.purpose is Purpose.SERVICE and found.holdout:
        raise head.value("holdout").wrong("服务通知不能留对照组,请填 0")
    if bool(found.layers) != found.personal:
        raise head.wrong("personal 为 true 时要写 layers(带称呼发给哪些分层),为 false 时不写")


def _check_words(found: Campaign, occasion: _Occasion, place: Place) -> None:
    allowed = occasion.fields | _SIGNED | ({"address"} if found.personal else frozenset())
    used = check_template(found.words, place, allowed)
    if found.personal and "address" not in used:
        raise place.wrong("personal 为 true 的话术要用 {{ address }} 称呼客户")
    if not found.words.endswith(f"\n{SIGNATURE}"):
        raise place.wrong(f"话术最后一行要有署名 {SIGNATURE}")


def _steps(head: Section, occasion: _Occasion) -> tuple[int, ...]:
    steps = [item.whole(0, 90) for item in head.values("steps")]
    if not steps or set(steps) - occasion.steps:
        few = sorted(occasion.steps)
        raise head.wrong(f"steps 不对,请填提前的天数,{few[0]} 到 {few[-1]} 之间")
    if steps != sorted(set(steps), reverse=True):
        raise head.wrong("steps 请从大到小写,不要重复,例如 [30, 7, 1, 0]")
    return tuple(steps)


def _latest_useful(head: Section, steps: tuple[int, ...]) -> Mapping[int, int]:
    section = head.section("latest_useful")
    found = {step: _days_late(section.value(str(step))) for step in steps}
    section.close()
    return MappingProxyType(found)


def _days_late(value: Scalar) -> int:
    return 0 if value.written == SAME_DAY else value.span().days
