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
