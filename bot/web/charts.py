"""Small charts as SVG, drawn by the server. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from markupsafe import Markup

_WIDTH, _GAP, _HEIGHT = 8, 2, 44


def bars(days: Sequence[tuple[date, int]]) -> Markup:
    """One bar a day; the text beside it says the same to those who do not see it."""
    most = max((count for _, count in days), default=0)
    total = sum(count for _, count in days)
    width = len(days) * (_WIDTH + _GAP) - _GAP
    drawn = Markup("").join(_bar(place, on, count, most) for place, (on, count) in enumerate(days))
    return Markup(
        '<svg class="bars" viewBox="0 0 {width} {height}" role="img"'
        ' aria-label="近{days}天说话{total}条">{drawn}</svg>'
    ).format(width=width, height=_HEIGHT, days=len(days), total=total, drawn=drawn)


def interval(low: float, middle: float, high: float, *, sure: bool) -> Markup:
    """A difference in per cent with its interval, on a line from -most to +most around zero."""
    most = max(5.0, abs(low), abs(high))
    return Markup(
        '<svg class="interval {sure}" viewBox="0 0 200 20" role="img" aria-label="{told}">'
        '<line class="zero" x1="100" y1="0" x2="100" y2="20"/>'
        '<line class="span" x1="{low}" y1="10" x2="{high}" y2="10"/>'
        '<circle cx="{middle}" cy="10" r="4"/></svg>'
    ).format(
        sure="sure" if sure else "unsure",
        told=f"提升{middle}个百分点,95%区间{low}到{high}",
        **{
            name: round(100 + value / most * 96)
            for name, value in (("low", low), ("middle", middle), ("high", high))
        },
    )


def _bar(place: int, on: date, count: int, most: int) -> Markup:
    height = max(2, round(count / most * _HEIGHT)) if most else 2
    return Markup(
        '<rect x="{x}" y="{y}" width="{w}" height="{h}" class="{c}"><title>{title}</title></rect>'
    ).format(
        x=place * (_WIDTH + _GAP),
        y=_HEIGHT - height,
        w=_WIDTH,
        h=height,
        c="said" if count else "quiet",
        title=f"{on.month}月{on.day}日 {count}条",
    )
