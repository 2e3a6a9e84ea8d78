"""Dates in a text: atoms joined with clock times, 之前/之后 and 从…到…. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from handlers.reading import atoms, spans
from handlers.reading.numerals import NUMBER, parse
from handlers.reading.spans import Days

Range = tuple[datetime | None, datetime | None]

_PART_HOURS = {
    "凌晨": (0, 8),
    "清晨": (6, 8),
    "清早": (6, 9),
    "一早": (6, 9),
    "大早上": (6, 9),
    "早上": (8, 12),
    "早晨": (8, 12),
    "早间": (8, 12),
    "上午": (8, 12),
    "早": (8, 12),
    "晨": (8, 12),
    "中午": (11, 13),
    "下午": (12, 16),
    "午后": (12, 16),
    "傍晚": (16, 20),
    "晚上": (16, 20),
    "晚间": (16, 20),
    "晚": (16, 20),
    "夜里": (20, 24),
    "夜晚": (20, 24),
    "半夜": (20, 24),
    "夜": (20, 24),
}
_HOUR = r"(?:2[0-4]|1\d|0?\d|二十[一二三四]?|十[一二三四五六七八九]?|[一二两三四五六七八九零])"
_DAYPART = "|".join(sorted(_PART_HOURS, key=len, reverse=True))
_CLOCK = re.compile(
    rf"\s?[的]?(?:(?P<part>{_DAYPART})的?)?\s?(?:(?P<h>{_HOUR})\s?(?:[:时](?P<m1>[0-5]?\d)分?(?::?[0-5]\d秒?)?"
    rf"|(?:点钟?|时)(?:(?P<half>半)|(?P<quarter>[一三])刻|(?P<m2>{NUMBER})分?)?)(?![几多]?[%成个])(?P<pm>[ap]m)?)?"
)
_LONE = re.compile(
    rf"(?P<now>今晚|今夜|今早|今晨|当晚)|(?:(?<![\u4e00-\u9fff])|(?<=[我你您刚费款钱]))(?P<part>下午|晚上|上午|中午|傍晚|早上)"
    rf"|(?P<h>{_HOUR})(?:点|时|:)(?=[^%])"
)
_INSTANT = re.compile(
    rf"(?P<left>还剩|还有)?(?P<n>{NUMBER})个?\s?(?P<half>半)?(?P<u>小时|钟头|分钟|刻钟|秒钟?)(?P<a>之?后|以后|过后|之?前|以前)?"
    r"|(?P<w>上|下|过去)个?一?(?P<wu>小时|分钟)"
)
_BEFORE = re.compile(r"\s?[的]?(?:(?:包括)?[及或]?(?:之前|以前)|前(?![面几些天台端]))")
_EVE = re.compile(
    r"\s?的?(?:(?P<b>前一[天日]|前[两2]天(?!后)|头一?天)|(?P<a>后一[天日]|过后一天|第二天|次日))"
)
"""清明前一天: a day beside the one that is named."""
_DECIMAL = re.compile("点[零一二三四五六七八九\\d]{1,2}(?![十分\\d刻零一二三四五六七八九])")
_UNTIL = re.compile(r"(?:截止到?|截至|直到|不晚于|早于)$")
_AFTER = re.compile(
    r"\s?(?:(?:包括)?[及或]?(?:之后|以后|以来)|起(?![床来])|开始(?![装弄修砸拆铺刷改动])|后(?![天面年]|来))"
)
"""下周一开始装 is that day: works that begin are dated by their beginning."""
_TO = re.compile(r"\s?(?:到|至|-|~|[和与])\s?")
_BETWEEN = re.compile(r"之?间")
_FROM = re.compile(r"[从自由]$")
_LIST = re.compile(r"[、和跟或,]?")
_PUNCT_WEEKDAY = re.compile(rf"\s?[,;(]?\s?{atoms.WEEK}[一二三四五六日天]\)?")
_ABOUT = re.compile("(?:那天|当天|这天|前后|左右|附近)")


@dataclass(frozen=True, slots=True)
class When:
    """A date expression: its days for facts, its ranges for ``--expressions``."""

    start: int
    end: int
    days: Days
    ranges: tuple[Range, ...]
    kind: str = ""
    timed: bool = False
    exact: bool = True
    about: bool = False
    """前后 or 左右 stands behind it."""

    @property
    def settled(self) -> bool:
        """A fact may use it."""
        return self.days.first is not None or self.days.last is not None


def find(text: str, sent_at: datetime) -> list[When]:
    """All date expressions in order; ``sent_at`` is local (Asia/Shanghai), naive or aware."""
    local = sent_at.replace(tzinfo=None)
    found = _atoms(text, local)
    found = _joined(text, local, found)
    return [_bounded(text, when) for when in found]


def _atoms(text: str, local: datetime) -> list[When]:
    today = local.date()
    out: list[When] = []
    position = 0
    search_from = 0
    while found := atoms.PATTERN.search(text, search_from):
        kind, days = atoms.resolve(found, today)
        start, end = found.span()
        search_from = start + 1 if days is None else end
        if days is None:
            continue
        out.extend(_lone(text, local, position, start))
        about = _ABOUT.match(text, end)
        end = about.end() if about else _weekday_beside(text, end, kind)
        vague = about is not None and about.group() in {"前后", "左右", "附近"}
        out.append(_timed(text, When(start, end, days, (), kind, exact=_exact(found), about=vague)))
        position = out[-1].end
    out.extend(_lone(text, local, position, len(text)))
    return out


def _exact(found: re.Match[str]) -> bool:
    """三天后 names a day; 两个月后 and 还有两年 only about."""
    return found["offset"] is None or found["offset_u"] in {"天", "日"}


def _weekday_beside(text: str, end: int, kind: str) -> int:
    """10月12号,星期一 is one expression; the number decides."""
    if kind in {"month", "ymd", "bareday"}:
        beside = _PUNCT_WEEKDAY.match(text, end)
        if beside:
            return beside.end()
    return end


def _timed(text: str, when: When) -> When:
    """Add the time of day that follows a day; without one the ranges are whole days."""
    days = when.days
    if days.first is None or days.first != days.last:
        return replace(when, ranges=_whole(days))
    clock = _CLOCK.match(text, when.end)
    if clock is None or not (clock["part"] or clock["h"]):
        return replace(when, ranges=_whole(days))
    candidates = [day for day in (days.first, days.other[0] if days.other else None) if day]
    ranges = tuple(r for day in candidates for r in _at(day, clock))
    return replace(when, end=clock.end(), ranges=ranges, timed=True)


def _at(day: date, clock: re.Match[str]) -> list[Range]:
    if clock["h"] is None:
        first, last = _PART_HOURS[clock["part"]]
        start = datetime.combine(day, time(first))
        return [(start, datetime.combine(day, time(0)) + timedelta(hours=last))]
    return [(start, start + timedelta(minutes=1)) for start in _starts(day, clock)]


def _starts(day: date, clock: re.Match[str]) -> list[datetime]:
    """Eight o'clock is 8 or 20 unless a part of the day says which."""
    hour = int(parse(clock["h"]) or 0)
    minute = _minute(clock)
    part = clock["part"] or ""
    base = datetime.combine(day, time(0)) + timedelta(minutes=minute)
    late = part in {"下午", "午后", "傍晚", "晚上", "晚间", "晚", "夜里", "夜晚", "夜", "半夜"}
    if (hour < 12 and (late or clock["pm"] == "pm")) or (part == "中午" and hour < 4):
        hour += 12
    elif not part and not clock["pm"] and 0 < hour <= 12:
        return [base + timedelta(hours=hour), base + timedelta(hours=(hour + 12) % 24)]
    return [base + timedelta(hours=hour)]


def _minute(clock: re.Match[str]) -> int:
    if clock["half"]:
        return 30
    if clock["quarter"]:
        return 15 if clock["quarter"] == "一" else 45
    return min(int(parse(clock["m1"] or clock["m2"] or "0") or 0), 59)


def _lone(text: str, local: datetime, start: int, stop: int) -> list[When]:
    """今晚, 下午 and clock times without a day: the message's own day; 两小时后 is an instant."""
    out: list[When] = []
    today = local.date()
    segment_end = stop
    for found in _INSTANT.finditer(text, start, segment_end):
        instant = _instant(found, local)
        if instant:
            out.append(When(*found.span(), Days(today, today), (instant,), "instant", timed=True))
    if out:
        return out
    lone = _LONE.search(text, start, segment_end)
    if lone is None or (lone["h"] and not _plausible(text, lone)):
        return out
    begin = lone.start()
    clock = _CLOCK.match(text, begin + bool(lone["now"]))
    if clock is None or clock.end() <= begin:
        return out
    ranges = tuple(_at(today, clock)) if clock["part"] or clock["h"] else ()
    kind = "now" if lone["now"] else "clock"
    out.append(
        When(begin, max(clock.end(), lone.end()), Days(today, today), ranges, kind, timed=True)
    )
    return out


def _plausible(text: str, found: re.Match[str]) -> bool:
    """一点 is mostly 'a little'; a lone clock needs more than that."""
    return (
        found.group() not in {"一点", "两点", "有点"}
        and not (found.group()[-1] == "点" and _DECIMAL.match(text, found.end() - 1))
        and text[found.end() : found.end() + 1] not in "儿几%"
    )


def _instant(found: re.Match[str], local: datetime) -> Range | None:
    if found["w"]:
        step = timedelta(hours=1) if found["wu"] == "小时" else timedelta(minutes=1)
        return (local, local + step) if found["w"] == "下" else (local - step, local)
    count = parse(found["n"])
    if count is None or count > 100_000 or not (found["a"] or found["left"]):
        return None
    minutes = {"小": 60, "钟": 60, "分": 1, "刻": 15, "秒": 1 / 60}[found["u"][0]]
    delta = timedelta(minutes=(float(count) + (0.5 if found["half"] else 0)) * minutes)
    if found["left"] and not found["a"]:
        return local, local + delta
    target = local - delta if "前" in (found["a"] or "") else local + delta
    return target, target + timedelta(minutes=1)


def _whole(days: Days) -> tuple[Range, ...]:
    ranges = [_half_open(days.first, days.last)]
    if days.other:
        ranges.append(_half_open(*days.other))
    return tuple(ranges)


def _half_open(first: date | None, last: date | None) -> Range:
    start = datetime.combine(first, time(0)) if first else None
    stop = datetime.combine(spans.add_days(last, 1), time(0)) if last else None
    return start, stop


def _joined(text: str, local: datetime, found: list[When]) -> list[When]:
    """从A到B, A-B: one expression; a bare second day takes the first one's month."""
    out: list[When] = []
    for when in found:
        if out:
            between = text[out[-1].end : when.start]
            word = _TO.fullmatch(between)
            joint = word and between.strip()
            if joint in {"和", "与"} and not _BETWEEN.match(text, when.end):
                joint = None
            if joint:
                merged = _merge(text, local, out[-1], when)
                if merged:
                    out[-1] = merged
                    continue
        out.append(when)
    return out


def _merge(text: str, local: datetime, left: When, right: When) -> When | None:
    if left.days.first is None or left.kind in {"range", "last"}:
        return None
    pairs = [left.days] + ([left.days.past()] if left.days.other else [])
    ranges: list[Range] = []
    chosen: Days | None = None
    for option in pairs:
        later = _after(text, local, option, right)
        if later is None or later.last is None or option.first is None:
            continue
        if left.timed or right.timed:
            ranges.extend(_timed_range(left, right, option, later))
        else:
            ranges.append(_half_open(option.first, later.last))
        chosen = chosen or Days(option.first, later.last, "part")
    if chosen is None or not ranges:
        return None
    start = left.start - 1 if _FROM.search(text, max(0, left.start - 1), left.start) else left.start
    closing = _BETWEEN.match(text, right.end)
    end = closing.end() if closing else right.end
    return When(start, end, chosen, tuple(ranges), "range", timed=left.timed or right.timed)


def _after(text: str, local: datetime, left: Days, right: When) -> Days | None:
    """The second date, read from where the first one starts when it says no year or month."""
    assert left.first is not None
    if right.days.loose or right.kind in {"clock", "week"}:
        base = datetime.combine(left.first, local.time())
        again = atoms.PATTERN.search(text, right.start, right.end)
        if right.kind == "clock":
            return Days(left.first, left.first)
        days = atoms.resolve(again, base.date())[1] if again else None
        return days or right.days
    if right.days.last and right.days.last < left.first:
        return None
    return right.days


def _timed_range(left: When, right: When, first: Days, last: Days) -> list[Range]:
    """Times on both ends; a second time without a day lies on the first one's day."""
    assert first.first is not None
    assert last.last is not None
    starts = _moved(left, first.first)
    stops = _moved(right, last.last)
    later = sorted((start, stop) for start in starts for stop in stops if stop > start)
    return [(start, stop) for start, stop in later[:2]]


def _moved(when: When, day: date) -> list[datetime]:
    """The starting times of an expression, on the day that was settled for it."""
    midnight = datetime.combine(day, time(0))
    if not when.timed:
        return [midnight]
    times = {start.time() for start, _ in when.ranges if start}
    return [datetime.combine(day, at) for at in sorted(times)]


def _bounded(text: str, when: When) -> When:
    """之前 leaves only an end, 之后 and 起 only a start."""
    if when.kind in {"newyear", "offset", "range", "clock", "now", "instant"} or when.timed:
        return when
    days = when.days
    eve = _EVE.match(text, when.end)
    if eve and days.first and days.first == days.last:
        step = (-2 if eve["b"][1] in "两2" else -1) if eve["b"] else 1
        beside = spans.add_days(days.first, step)
        return replace(
            when, end=eve.end(), days=Days(beside, beside), ranges=(_half_open(beside, beside),)
        )
    until = _UNTIL.search(text, max(0, when.start - 4), when.start)
    before = _BEFORE.match(text, when.end)
    if before or until:
        end = days.last if days.grain == "part" else days.first
        ranges: tuple[Range, ...] = tuple((None, stop) for stop in _firsts(days))
        start = until.start() if until else when.start
        return replace(
            when,
            start=start,
            end=before.end() if before else when.end,
            days=Days(None, end, days.grain),
            ranges=ranges,
        )
    after = _AFTER.match(text, when.end)
    since = _FROM.search(text, max(0, when.start - 1), when.start)
    if after:
        ranges = tuple((begin, None) for begin in _firsts(days))
        start = when.start - 1 if since else when.start
        return replace(
            when,
            start=start,
            end=after.end(),
            days=Days(days.first, None, days.grain),
            ranges=ranges,
        )
    return when


def _firsts(days: Days) -> list[datetime]:
    dates = [days.first, days.other[0] if days.other else None]
    return [datetime.combine(day, time(0)) for day in dates if day]
