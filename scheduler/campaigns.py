"""Campaigns: one file each, front matter (what, to whom, when) and the words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bot.clock import SHANGHAI
from bot.model import PRODUCT_KINDS, Channel, Layer, Purpose, Role
from bot.yamlfile import Place, Scalar, Section, read_text
from scheduler import benefits, offers
from scheduler.attachments import Attachment, check_moment, read_attachments
from scheduler.audience import (
    CUSTOMER_KINDS,
    EVERYONE,
    GROUP_KINDS,
    NOBODY_NAMED,
    Audience,
    SegmentRule,
    read_audience,
)
from scheduler.occasions import ANY_DAY, OCCASIONS, Occasion, When
from scheduler.textfile import parse_file, read_name
from scheduler.thresholds import SAME_DAY
from scheduler.voice import SIGNATURE
from scheduler.when import read_when
from scheduler.words import check_template

_SIGNED = frozenset({"branch", "sender_name"})
_APPROVERS = (Role.HEAD, Role.CITY, Role.COMPLIANCE)
_CHANNELS = (Channel.MASS_SINGLE, Channel.MASS_GROUP, Channel.MOMENTS)
_MATTERS = ("product", "event", "bank")
_SHARED = {Channel.MASS_GROUP: "客户群", Channel.MOMENTS: "朋友圈"}
"""Where everybody reads the same words."""
_MOMENT_CHARS = 1_800
"""Of WeCom's 2,000 (95094); the rest is for the values of variables."""


@dataclass(frozen=True, slots=True)
class OwnCaps:
    """Limits of one campaign; 0 is none.

    Attributes:
        each: Most sends to one customer or group within ``within_days``.
        a_day: Most sends a day; the rest waits as long as it is useful.
    """

    each: int = 0
    within_days: int = 0
    a_day: int = 0


NO_CAPS = OwnCaps()


@dataclass(frozen=True, slots=True)
class Campaign:
    """One file of ``templates/campaigns``.

    Attributes:
        steps: Days ahead of the occasion, most first; 0 is the day itself.
        audience, exclude: Who is meant, and who of them is not.
        latest_useful_days: For each step how many days late it may go; 0 is the same day only.
        personal: Whether the words address the customer.
        layers: Who is addressed by name; the others get the same words with 您好.
        holdout: Per cent of the audience that gets nothing.
        approver: The role that approves this text.
        product_kinds: Kinds of product that the words speak of; they decide who must approve.
        products: Codes of the bank's product list: A first, then those of which B is chosen.
        offer: The kind of alliance offer that the words are about; "" for none.
        about: What marketing speaks of: ``product``, ``event`` or ``bank``; else "".
        when: The days and the way that the file names.
        caps: Its own limits.
        attachments: Pictures, cards and files beside the words.
        window_days: What a customer does within so many days after a send counts for it.
        words: The template, ending in the signature.
        text_hash: SHA-256 of the whole file, line ends normalised.
    """

    name: str
    version: int
    occasion: str
    steps: tuple[int, ...]
    audience: Audience
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
    products: tuple[str, ...] = ()
    exclude: Audience = NOBODY_NAMED
    about: str = ""
    when: When = ANY_DAY
    caps: OwnCaps = NO_CAPS
    window_days: int = 14
    attachments: tuple[Attachment, ...] = ()
    offer: str = ""

    @property
    def bundle(self) -> bool:
        """Whether the words offer two things, A and B."""
        return "b_name" in self.words

    @property
    def rank(self) -> int:
        """Who goes first where only so many may go: service 1, maturity 2, wishes 3, … (F3)."""
        if self.occasion in {"maturity", "maturity_offer"}:
            return 1 if self.purpose is Purpose.SERVICE else 2
        if self.purpose is Purpose.GREETING:
            return 3
        return 4 if self.about == "event" else 5

    @property
    def chooses_by(self) -> tuple[Audience, ...]:
        """Everything by which people are chosen or left out."""
        own = {
            "near_line": Audience({"segment": ("near_line",)}),
            "dormant": Audience({"state": ("dormant",)}),
        }
        return (self.audience, self.exclude, self.when.segment, own.get(self.occasion, Audience()))

    @property
    def profiling(self) -> bool:
        """Whether people are chosen by what the machine derived of them (T7).

        An alliance offer may be for a segment, whatever the campaign itself says.
        """
        return bool(self.offer) or any(each.profiling for each in self.chooses_by)

    def check(self, rules: Iterable[SegmentRule]) -> None:
        """Refuse what names segments that are not there or may not choose recipients (T2).

        Raises:
            Invalid: With the file, the line and the fix.
        """
        known = tuple(rules)
        for each in self.chooses_by:
            each.check(known)

    def rule(self, rules: Iterable[SegmentRule]) -> dict[str, Any]:
        """The whole rule by which people are chosen, with every segment's version (T6)."""
        versions = {rule.name: rule.version for rule in rules}
        used = {name for each in self.chooses_by for name in each.names.get("segment", ())}
        found: dict[str, Any] = {"audience": self.audience.written() or EVERYONE}
        if self.exclude:
            found["exclude"] = self.exclude.written()
        if self.when != ANY_DAY:
            days = {each.name: getattr(self.when, each.name) for each in fields(self.when)}
            found["when"] = {k: v for k, v in days.items() if v and k != "segment"}
        if self.offer:
            found["offer"] = self.offer
        if used:
            found["segments"] = {name: versions.get(name, "unknown") for name in sorted(used)}
        return found

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
    when = read_when(head, head.value("occasion").written)
    steps = tuple(range(len(when.waits))) or _steps(head, occasion)
    channel = Channel(head.value("channel").choice(_CHANNELS))
    kinds = GROUP_KINDS if channel is Channel.MASS_GROUP else CUSTOMER_KINDS
    found = Campaign(
        name=read_name(head, file),
        version=head.value("version").whole(1, 9999),
        occasion=head.value("occasion").written,
        steps=steps,
        audience=read_audience(head, "audience", kinds),
        exclude=read_audience(head, "exclude", kinds) if "exclude" in head else Audience(),
        purpose=Purpose(head.value("purpose").choice(Purpose)),
        channel=channel,
        latest_useful_days=_latest_useful(head, steps),
        personal=head.value("personal").yes(),
        layers=frozenset(Layer(item.choice(Layer)) for item in head.values("layers")),
        holdout=head.value("holdout").whole(0, 50),
        approver=Role(head.value("approver").choice(_APPROVERS)),
        words=words,
        text_hash=digest,
        product_kinds=frozenset(
            item.choice(PRODUCT_KINDS) for item in head.values("product_kinds")
        ),
        products=tuple(item.text(64) for item in head.values("products")),
        about=head.value("about").choice(_MATTERS) if "about" in head else "",
        when=when,
        caps=_caps(head.section("caps")) if "caps" in head else OwnCaps(),
        attachments=read_attachments(head),
        window_days=head.value("window").span().days if "window" in head else 14,
        offer=head.value("offer").text(12) if "offer" in head else "",
    )
    head.close()
    _check_sense(found, occasion, head)
    _check_words(found, occasion, place)
    return found


def _caps(section: Section) -> OwnCaps:
    each = section.value("each").whole(1, 100) if "each" in section else 0
    found = OwnCaps(
        each=each,
        within_days=section.value("within").span().days if each else 0,
        a_day=section.value("a_day").whole(1, 1_000_000) if "a_day" in section else 0,
    )
    section.close()
    return found


def _check_sense(found: Campaign, occasion: Occasion, head: Section) -> None:
    if found.purpose not in occasion.purposes:
        may = "、".join(sorted(occasion.purposes))
        raise head.value("purpose").wrong(
            f"{found.occasion} 只能是 {may}:带产品或活动的内容请另写一份营销话术"
        )
    if found.product_kinds and found.purpose is not Purpose.MARKETING:
        raise head.wrong("提到产品的话术是营销,purpose 要写 marketing;不提产品就去掉 product_kinds")
    if found.purpose is Purpose.SERVICE and found.holdout:
        raise head.value("holdout").wrong("服务通知不能留对照组,请填 0")
    if bool(found.layers) != found.personal:
        raise head.wrong("personal 为 true 时要写 layers(带称呼发给哪些分层),为 false 时不写")
    if bool(found.about) != (found.purpose is Purpose.MARKETING):
        raise head.wrong("营销话术要写 about(product、event 或 bank),问候和服务不写")
    _check_offered(found, head)
    _check_channel(found, occasion, head)


def _check_offered(found: Campaign, head: Section) -> None:
    if found.product_kinds and found.about != "product":
        raise head.value("about").wrong("写了 product_kinds 就是产品内容,about 请填 product")
    if found.products and not found.product_kinds:
        raise head.wrong("写了 products 就要写 product_kinds(这些产品的类别),它决定由谁审批")
    if found.offer and (found.about != "bank" or found.channel is not Channel.MASS_SINGLE):
        raise head.value("offer").wrong(
            "异业权益不能和产品放在一条里,也不发到群和朋友圈:请写 purpose: marketing、about: bank、"
            "channel: mass_single,不写 product_kinds 和 products"
        )


def _check_channel(found: Campaign, occasion: Occasion, head: Section) -> None:
    shared = _SHARED.get(found.channel)
    if found.products and shared:
        raise head.wrong(f"{shared}里不发因人而异的产品,请去掉 products")
    if shared and (found.personal or not occasion.groups):
        raise head.value("channel").wrong(
            f"发到{shared}不带称呼、不含个人信息,也只能用于节日、日期、每周、每月或季度"
        )
    if found.channel is not Channel.MOMENTS:
        return
    if len(found.words) > _MOMENT_CHARS:
        raise head.wrong(f"朋友圈文字最多 {_MOMENT_CHARS} 个字,请缩短")
    check_moment(found.attachments, head)


def _check_words(found: Campaign, occasion: Occasion, place: Place) -> None:
    single = found.channel is not Channel.MASS_GROUP
    marketing = found.purpose is Purpose.MARKETING
    allowed = occasion.fields | _SIGNED | ({"address"} if found.personal else frozenset())
    allowed |= {"stop_way"} if single and marketing else frozenset()
    allowed |= offers.FIELDS if found.products else frozenset()
    allowed |= benefits.FIELDS if found.offer else frozenset()
    used = check_template(found.words, place, allowed)
    if found.offer and (lacking := benefits.lacks(used)):
        raise place.wrong(lacking)
    lacking = offers.lacks(used & offers.FIELDS, found.product_kinds, found.words)
    if found.products and lacking:
        raise place.wrong(lacking)
    price = offers.written_price(found.words) if found.profiling else ""
    if price:
        raise place.wrong(
            f"按标签、分群选人的话术里,价格、费用、额度只能取自产品清单(例如 {{{{ a_rate }}}}),"
            f"不能手写「{price}」:它不得因人的标签而不同(规则 T5)"
        )
    if found.personal and "address" not in used:
        raise place.wrong("personal 为 true 的话术要用 {{ address }} 称呼客户")
    if single and marketing and "stop_way" not in used:
        raise place.wrong("营销话术在署名前要有一行 {{ stop_way }},写明怎样不再接收")
    if not single and marketing and "退订" not in found.words:
        raise place.wrong("群里的营销话术也要写明怎样不再接收,例如:不想收到,私信我「退订」就行")
    if not found.words.endswith(f"\n{SIGNATURE}"):
        raise place.wrong(f"话术最后一行要有署名 {SIGNATURE}")


def _steps(head: Section, occasion: Occasion) -> tuple[int, ...]:
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
