"""The numbers a bank may change (``config/thresholds.yaml``), checked and typed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from pathlib import Path
from types import MappingProxyType

from bot.model import Layer, Purpose
from bot.yamlfile import Scalar, Section, load_section
from scheduler.lunar import Feb29

SAME_DAY = "当天"
QINGMING = "清明"
MOURNING = "哀悼日"
KINDS = (
    "complaint",
    "fraud",
    "unanswered",
    "advice",
    "interest",
    "churn",
    "inflow",
    "active",
    "competitor_maturity",
    "layer_up",
    "promise_due",
    "silent_important",
    "postloan",
)
"""The kinds of case that wait for a person; each has a deadline."""
QUOTAS = ("month_days", "7_a_week", "1_a_day")
"""What the administrator may set in WeCom; the days of the month unless they did."""
_LINES = (Layer.EFFECTIVE, Layer.MIDDLE, Layer.HIGH, Layer.PRIVATE)
NOTICED = ("marketing", "profiling", "profiling_sensitive")
"""Purposes that need a consent of their own, given after a notice."""
_OCCASIONS = ("birthday", "maturity")


@dataclass(frozen=True, slots=True)
class Window:
    """When messages of one purpose may go out, Asia/Shanghai, the end excluded.

    Attributes:
        closes: Earlier than ``opens`` means after midnight.
        closed_on: Kinds of day without any opening: 清明, 哀悼日.
    """

    opens: time
    closes: time
    closed_on: frozenset[str] = frozenset()

    def holds(self, moment: time) -> bool:
        """Whether the time of day lies inside."""
        if self.opens < self.closes:
            return self.opens <= moment < self.closes
        return moment >= self.opens or moment < self.closes


# The law's widest (compliance F1); a bank may only narrow them.
_WIDEST = {
    Purpose.MARKETING: Window(time(9), time(20), frozenset({QINGMING, MOURNING})),
    Purpose.GREETING: Window(time(8, 30), time(20)),
}


@dataclass(frozen=True, slots=True)
class Activity:
    """When a member counts as active: messages on enough days of a window, told once in a while."""

    messages: int
    days: int
    window_days: int
    once_in_days: int


@dataclass(frozen=True, slots=True)
class Caps:
    """Most marketing messages one customer gets, over all campaigns."""

    marketing_a_day: int
    marketing_a_week: int
    marketing_a_month: int


@dataclass(frozen=True, slots=True)
class RuleRecord:
    """When a reading rule is proposed for mending.

    Attributes:
        verdicts: How often people must have decided on its readings.
        mend_below: The line for the lower bound of its precision.
    """

    verdicts: int
    mend_below: float


@dataclass(frozen=True, slots=True)
class Learning:
    """When doubts are learnt from what people said, and used.

    Attributes:
        examples: Of a type, as many as people must have decided on.
        wrong: Of them, as many as must be wrong.
        sure: How sure of a wrong reading it must be.
    """

    examples: int
    wrong: int
    sure: float


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """What a language model as a second reader may cost.

    Attributes:
        seconds: Until an answer counts as lost.
        calls_a_day: Beyond them messages are not asked about.
        failures: In a row, after which the model rests for ``rest_minutes``.
    """

    seconds: int
    calls_a_minute: int
    calls_a_day: int
    failures: int
    rest_minutes: int


@dataclass(frozen=True, slots=True)
class Morning:
    """When employees get the list of the day, Asia/Shanghai.

    Attributes:
        at: On branch days.
        until: A list that could not go out by then is not sent any more.
    """

    at: time
    until: time


@dataclass(frozen=True, slots=True)
class Chase:
    """How employees are reminded of tasks that wait for their tap.

    Attributes:
        after: A task waits so long before the first reminder.
        apart: Between two reminders, and from the last one until the deputy is told.
        a_day: Reminders an employee gets in 24 hours; WeCom's own allows three.
    """

    after: timedelta
    apart: timedelta
    a_day: int


@dataclass(frozen=True, slots=True)
class Thresholds:
    """All of ``config/thresholds.yaml``.

    Attributes:
        lines: The least assets of a layer, yuan, lowest line first.
        near_line_share: How far under a line still counts as near it.
        branch_hours: Opening and closing on working days, Asia/Shanghai.
        deadlines: For each kind of case a span of branch hours; None until the day closes.
        channel_quota: How often WeCom lets a customer or group be written to; one of ``QUOTAS``.
        personal_texts_a_day: Texts by name that one member is asked to confirm.
        notices: By purpose the version of the notice in force; "" for none that is named.
        refusal_days: Nobody asks again for so long after a refusal.
        rights_days: Working days within which a customer's request about their data is answered.
        recompute: How often everything that is derived of customers is derived again: daily, or
            weekly on Sunday.
        latest_useful_days: The most days a push of an occasion may be late; 0 is that day only.
    """

    lines: Mapping[Layer, int]
    near_line_share: float
    activity: Activity
    branch_hours: tuple[time, time]
    deadlines: Mapping[str, timedelta | None]
    caps: Caps
    windows: Mapping[Purpose, Window]
    channel_quota: str
    personal_texts_a_day: int
    refusal_days: int
    rights_days: int
    notices: Mapping[str, str]
    feb29: Feb29
    recompute: str
    latest_useful_days: Mapping[str, int]
    morning: Morning
    chase: Chase
    rule_record: RuleRecord
    doubts: Learning
    model: ModelLimits

    def layer_of(self, assets: int | None) -> Layer:
        """The layer of somebody with so many yuan with us."""
        if assets is None:
            return Layer.UNKNOWN
        reached = [layer for layer, line in self.lines.items() if assets >= line]
        return reached[-1] if reached else Layer.POTENTIAL

    def near_line(self, assets: int | None) -> Layer | None:
        """The next layer up when its line is near, else None."""
        for layer, line in self.lines.items():
            if assets is not None and round(line * (1 - self.near_line_share)) <= assets < line:
                return layer
        return None


def load_thresholds(path: Path) -> Thresholds:
    """Read and check the file.

    Raises:
        Invalid: With the file, the line and the fix.
    """
    return _thresholds(load_section(path))


def _thresholds(top: Section) -> Thresholds:
    found = Thresholds(
        lines=_lines(top.section("layers")),
        near_line_share=top.value("near_line_share").share(),
        activity=_activity(top.section("activity")),
        branch_hours=_hours(top.section("branch_hours")),
        deadlines=_deadlines(top.section("deadlines")),
        caps=_caps(top.section("caps")),
        windows=_windows(top.section("windows")),
        channel_quota=top.value("channel_quota").choice(QUOTAS),
        personal_texts_a_day=top.value("personal_texts_a_day").whole(0, 200),
        rights_days=top.value("rights_days").whole(1, 15),
        refusal_days=top.value("refusal_days").whole(180, 3650),
        notices=_notices(top.section("notices")),
        feb29="feb28" if top.value("feb29").choice(("feb28", "mar1")) == "feb28" else "mar1",
        recompute=top.value("recompute").choice(("daily", "weekly")),
        latest_useful_days=_latest_useful(top.section("latest_useful_days")),
        morning=_morning(top.section("morning")),
        chase=_chase(top.section("chase")),
        rule_record=_rule_record(top.section("rule_record")),
        doubts=_doubts(top.section("doubts")),
        model=_model(top.section("model")),
    )
    top.close()
    return found


def _lines(section: Section) -> Mapping[Layer, int]:
    lines: dict[Layer, int] = {}
    below = 0
    for layer in _LINES:
        value = section.value(layer.value)
        line = value.whole(1, 10**11)
        if line <= below:
            raise value.wrong(f"{layer.value} 必须高于前一层的 {below},请按从低到高填写")
        lines[layer] = below = line
    section.close()
    return MappingProxyType(lines)


def _activity(section: Section) -> Activity:
    days = section.value("days")
    found = Activity(
        messages=section.value("messages").whole(1, 1000),
        days=days.whole(1, 60),
        window_days=section.value("window_days").whole(1, 60),
        once_in_days=section.value("once_in_days").whole(1, 365),
    )
    if found.days > found.window_days:
        raise days.wrong(f"days 不能超过 window_days({found.window_days}),请改小")
    if found.days > found.messages:
        raise days.wrong(f"days 不能超过 messages({found.messages}),请改小")
    section.close()
    return found


def _hours(section: Section) -> tuple[time, time]:
    opens, closes = section.value("from").clock_time(), section.value("to")
    if closes.clock_time() <= opens:
        raise closes.wrong("营业结束必须晚于开始,请改 to")
    section.close()
    return opens, closes.clock_time()


def _deadlines(section: Section) -> Mapping[str, timedelta | None]:
    found = {kind: _deadline(section.value(kind)) for kind in KINDS}
    section.close()
    return MappingProxyType(found)


def _deadline(value: Scalar) -> timedelta | None:
    return None if value.written == SAME_DAY else value.span()


def _caps(section: Section) -> Caps:
    found = Caps(
        marketing_a_day=section.value("marketing_a_day").whole(0, 1),
        marketing_a_week=section.value("marketing_a_week").whole(0, 2),
        marketing_a_month=section.value("marketing_a_month").whole(0, 6),
    )
    section.close()
    return found


def _notices(section: Section) -> Mapping[str, str]:
    found = {}
    for purpose in NOTICED:
        value = section.value(purpose)
        found[purpose] = value.text(64) if value.written.strip() else ""
    section.close()
    return MappingProxyType(found)


def _windows(section: Section) -> Mapping[Purpose, Window]:
    found = {purpose: _window(section.section(purpose.value), purpose) for purpose in Purpose}
    section.close()
    return MappingProxyType(found)


def _window(section: Section, purpose: Purpose) -> Window:
    days = [item.choice((QINGMING, MOURNING)) for item in section.values("closed_on")]
    found = Window(
        section.value("from").clock_time(),
        section.value("to").clock_time(),
        frozenset(days),
    )
    section.close()
    if found.opens == found.closes:
        raise section.wrong(f"{purpose.value} 的 from 和 to 相同,请改成有先后的时段")
    widest = _WIDEST.get(purpose)
    if widest:
        _refuse_wider(section, purpose, found, widest)
    return found


def _refuse_wider(section: Section, purpose: Purpose, found: Window, widest: Window) -> None:
    if found.opens < widest.opens or not found.opens < found.closes <= widest.closes:
        raise section.wrong(
            f"{purpose.value} 的时段只能在 {widest.opens:%H:%M}–{widest.closes:%H:%M} 之内,请改窄"
        )
    missing = widest.closed_on - found.closed_on
    if missing:
        raise section.wrong(f"{purpose.value} 的 closed_on 必须包含{'、'.join(sorted(missing))}")


def _latest_useful(section: Section) -> Mapping[str, int]:
    found = {occasion: section.value(occasion).whole(0, 30) for occasion in _OCCASIONS}
    section.close()
    return MappingProxyType(found)


def _morning(section: Section) -> Morning:
    at, until = section.value("at"), section.value("until")
    if until.clock_time() <= at.clock_time():
        raise until.wrong("until 必须晚于 at,请改 until")
    section.close()
    return Morning(at.clock_time(), until.clock_time())


def _chase(section: Section) -> Chase:
    found = Chase(
        section.value("after").span(),
        section.value("apart").span(),
        section.value("a_day").whole(0, 3),
    )
    section.close()
    return found


def _doubts(section: Section) -> Learning:
    found = Learning(
        examples=section.value("examples").whole(10, 10_000),
        wrong=section.value("wrong").whole(3, 1_000),
        sure=section.value("sure").share(),
    )
    section.close()
    return found


def _model(section: Section) -> ModelLimits:
    found = ModelLimits(
        seconds=section.value("seconds").whole(1, 120),
        calls_a_minute=section.value("calls_a_minute").whole(1, 6000),
        calls_a_day=section.value("calls_a_day").whole(0, 1_000_000),
        failures=section.value("failures").whole(1, 100),
        rest_minutes=section.value("rest_minutes").whole(1, 1440),
    )
    section.close()
    return found


def _rule_record(section: Section) -> RuleRecord:
    found = RuleRecord(
        section.value("verdicts").whole(1, 1000), section.value("mend_below").share()
    )
    section.close()
    return found
