"""Facts, sums and moments in plain Chinese, and what must be covered up in quotes. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from bot.clock import SHANGHAI
from bot.facts import SENSITIVE_KEYS
from bot.masking import cover_numbers, cover_sums
from scheduler.lunar import LunarDay
from scheduler.voice import day_words, moment_words

Label = Callable[[str, str], str]
"""Family and slug → how it is called on screen."""

# Which family of labels names the values of a key, by fact type where types differ.
_FAMILIES: Mapping[tuple[str, str], str] = {
    ("", "stage"): "stage",
    ("", "exam"): "exam",
    ("", "relation"): "relation",
    ("", "product"): "product",
    ("", "appetite"): "appetite",
    ("", "response"): "response",
    ("", "scope"): "scope",
    ("", "calendar"): "calendar",
    ("", "group"): "occupation",
    ("contact.request", "channel"): "reach",
    ("life.event", "kind"): "life",
    ("risk.churn", "kind"): "churn",
    ("interest.concern", "topic"): "concern",
    ("risk.complaint", "topic"): "complaint",
}
_DATES = ("date_from", "date_to")
_BIRTHDAY = ("calendar", "year", "month", "day", "leap")
# The order in which a person would say it; what is not here follows.
_ORDER = (
    "bank",
    "product",
    "kind",
    "name",
    "topic",
    "response",
    "stage",
    "group",
    "trade",
    "amount",
)


def yuan(amount: int) -> str:
    """20万元, 3.5万元, 8,000元, 1.2亿元."""
    for unit, name in ((100_000_000, "亿"), (10_000, "万")):
        if abs(amount) >= unit and amount % (unit // 100) == 0:
            return f"{amount / unit:.2f}".rstrip("0").rstrip(".") + f"{name}元"
    return f"{amount:,}元"


def span_words(start: str | None, end: str | None, today: date) -> str:
    """Two ISO days as a person says them: 12月8日(周二), 12月11日到20日, 12月8日前."""
    first = date.fromisoformat(start) if start else None
    last = date.fromisoformat(end) if end else None
    if first and last and first != last:
        return f"{_day(first, today)}到{_day(last, first if first.year == last.year else today)}"
    if first and last:
        return day_words(first, today)
    if last:
        return f"{_day(last, today)}前"
    return f"{_day(first, today)}起" if first else ""


def _day(day: date, beside: date) -> str:
    year = "" if day.year == beside.year else f"{day.year}年"
    return f"{year}{day.month}月{day.day}日"


def fact_words(kind: str, value: Mapping[str, Any], label: Label, today: date) -> str:
    """A fact's value as one short line; "" when it says nothing beyond its type."""
    parts = [_birthday(value, label)] if kind == "person.birthday" else []
    known = set(_BIRTHDAY) if parts else set()
    keys = [key for key in _ORDER if key in value]
    keys += [key for key in value if key not in (*_ORDER, *_DATES)]
    parts += [_part(kind, key, value[key], label) for key in keys if key not in known]
    dates = span_words(value.get("date_from"), value.get("date_to"), today)
    return "，".join(part for part in (*parts, dates) if part)


def _birthday(value: Mapping[str, Any], label: Label) -> str:
    if value.get("calendar") == "lunar" and {"month", "day"} <= value.keys():
        leap_month = bool(value.get("leap"))
        return LunarDay(0, int(value["month"]), int(value["day"]), leap_month).words
    calendar = label("calendar", value["calendar"]) if "calendar" in value else ""
    year = f"{value['year']}年" if value.get("year") else ""
    leap = "闰" if value.get("leap") else ""
    month = f"{leap}{value['month']}月" if "month" in value else ""
    day = f"{value['day']}日" if "day" in value else ""
    return f"{calendar}{year}{month}{day}"


def family_of(kind: str, key: str) -> str:
    """The family of labels that names the values of a key; "" when they name themselves."""
    return _FAMILIES.get((kind, key)) or _FAMILIES.get(("", key), "")


def _part(kind: str, key: str, value: Any, label: Label) -> str:
    family = family_of(kind, key)
    if family:
        return label(family, str(value))
    plain: dict[str, str] = {
        "amount": yuan(value) if key == "amount" else "",
        "count": f"{value}个",
        "age": f"{value}岁",
        "party": f"{value}位",
        "area_mu": f"{value}亩",
        "rate": f"年利率{value}%",
    }
    if key in plain:
        return plain[key]
    if key in {"bank", "name", "trade"}:
        return str(value)
    return f"{label('fact_key', key)}：{value}"


def shown_value(value: Mapping[str, Any], *, sensitive: bool) -> dict[str, Any]:
    """What of a fact's value a viewer may see: sums heard in talk are sensitive."""
    return {key: each for key, each in value.items() if sensitive or key not in SENSITIVE_KEYS}


def shown_quote(words: str, *, sensitive: bool) -> str:
    """A quote as a viewer may see it; the number of characters stays.

    Long numbers (phones, cards) are covered for everybody, sums for those who may not see
    what is sensitive.
    """
    covered = cover_numbers(words)
    if sensitive:
        return covered
    return cover_sums(covered)


def phone_words(phone: str) -> str:
    """138****0001: enough to recognise, not to call."""
    digits = re.sub(r"\D", "", phone)
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) >= 11 else "****"


def moment_of(at: int | None) -> datetime | None:
    """Epoch milliseconds as an aware instant."""
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC)


def when(at: int | None, now: datetime) -> str:
    """今天15:30, 昨天09:20, else 12月8日(周二)09:20; "" for never."""
    moment = moment_of(at)
    return moment_words(moment, now) if moment else ""


def time_of_day(at: int) -> str:
    """15:30:08 in Asia/Shanghai."""
    return f"{datetime.fromtimestamp(at / 1000, SHANGHAI):%H:%M:%S}"


def day_of(at: int | None) -> str:
    """2026年9月2日 in Asia/Shanghai; "" for never."""
    day = datetime.fromtimestamp(at / 1000, SHANGHAI).date() if at else None
    return f"{day.year}年{day.month}月{day.day}日" if day else ""


def iso(at: int | None) -> str | None:
    """Epoch milliseconds as ISO 8601 in Asia/Shanghai."""
    return None if at is None else datetime.fromtimestamp(at / 1000, SHANGHAI).isoformat()


def step_words(occasion: str, step: str) -> str:
    """Which step of an occasion a push is, after a space; "" where there is nothing to tell."""
    if occasion == "journey":
        return f" 第{int(step) + 1}步"
    return f" 提前{step}天" if step not in {"", "0"} else ""
