"""The numbers a bank may change, and the answers to its mistakes."""

from __future__ import annotations

import re
from datetime import time, timedelta
from pathlib import Path

import pytest

from bot.errors import Invalid
from bot.model import Layer, Purpose
from scheduler.thresholds import KINDS, Thresholds, Window, load_thresholds

SHIPPED = Path(__file__).parents[3] / "config" / "thresholds.yaml"


@pytest.fixture(scope="module")
def shipped() -> Thresholds:
    return load_thresholds(SHIPPED)


def changed(folder: Path, old: str, new: str) -> Path:
    text = SHIPPED.read_text(encoding="utf-8")
    assert old in text
    file = folder / "thresholds.yaml"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    return file


def line_of(part: str) -> int:
    text = SHIPPED.read_text(encoding="utf-8")
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize(
    ("assets", "layer"),
    [
        (None, Layer.UNKNOWN),
        (0, Layer.POTENTIAL),
        (9_999, Layer.POTENTIAL),
        (10_000, Layer.EFFECTIVE),
        (49_999, Layer.EFFECTIVE),
        (50_000, Layer.MIDDLE),
        (499_999, Layer.MIDDLE),
        (500_000, Layer.HIGH),
        (5_999_999, Layer.HIGH),
        (6_000_000, Layer.PRIVATE),
    ],
)
def test_assets_decide_the_layer(shipped: Thresholds, assets: int | None, layer: Layer) -> None:
    assert layer == shipped.layer_of(assets)


@pytest.mark.parametrize(
    ("assets", "layer"),
    [
        (None, None),
        (7_999, None),
        (8_000, Layer.EFFECTIVE),
        (10_000, None),
        (39_999, None),
        (40_000, Layer.MIDDLE),
        (49_999, Layer.MIDDLE),
        (400_000, Layer.HIGH),
        (4_800_000, Layer.PRIVATE),
        (6_000_000, None),
    ],
)
def test_within_a_fifth_under_a_line_is_near_it(
    shipped: Thresholds, assets: int | None, layer: Layer | None
) -> None:
    assert layer == shipped.near_line(assets)


def test_the_shipped_numbers_are_the_agreed_ones(shipped: Thresholds) -> None:
    assert timedelta(minutes=30) == shipped.deadlines["complaint"]
    assert timedelta(minutes=10) == shipped.deadlines["unanswered"]
    for kind in ("interest", "churn", "inflow"):
        assert timedelta(hours=2) == shipped.deadlines[kind]
    for kind in ("active", "competitor_maturity", "layer_up", "promise_due", "silent_important"):
        assert shipped.deadlines[kind] is None
    assert set(KINDS) == set(shipped.deadlines)
    caps, activity = shipped.caps, shipped.activity
    assert (caps.marketing_a_day, caps.marketing_a_week, caps.marketing_a_month) == (1, 2, 6)
    assert (
        activity.messages,
        activity.days,
        activity.window_days,
        activity.once_in_days,
    ) == (5, 3, 7, 30)
    assert (time(9), time(17)) == shipped.branch_hours
    assert Window(time(8, 30), time(20)) == shipped.windows[Purpose.GREETING]
    assert (
        shipped.personal_texts_a_day,
        shipped.refusal_days,
        shipped.feb29,
    ) == (10, 180, "feb28")


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("  middle: 50_000", "  middle: 5_000", "从低到高"),
        ("  middle: 50_000", "  middle: 五万", "整数"),
        ("near_line_share: 0.2", "near_line_share: 20%", "小数"),
        ("near_line_share: 0.2", "near_line_share: 0.0", "小数"),
        ("  days: 3", "  days: 9", "window_days"),
        ("  days: 3", "  days: 6", "messages"),
        ("  to: 17:00", "  to: 08:00", "晚于"),
        ("  to: 17:00", "  to: 25:00", "时刻"),
        ("  complaint: 30分钟", "  complaint: 30", "时长"),
        ("  complaint: 30分钟", "  complaint: 0分钟", "时长"),
        ("  complaint: 30分钟", "  complain: 30分钟", "complaint"),
        ("  marketing_a_week: 2", "  marketing_a_week: 3", "整数"),
        ("rights_days: 15", "rights_days: 16", "15"),
        ("refusal_days: 180", "refusal_days: 30", "180"),
        ("feb29: feb28", "feb29: 2月28日", "mar1"),
        ("feb29: feb28", "feb29:\n  day: 28", "一个值"),
        ("  birthday: 0", "  birthday: -1", "整数"),
        ("personal_texts_a_day: 10", "personal_text_a_day: 10", "personal_texts_a_day"),
    ],
)
def test_a_mistake_names_file_line_and_fix(tmp_path: Path, old: str, new: str, word: str) -> None:
    with pytest.raises(Invalid) as caught:
        load_thresholds(changed(tmp_path, old, new))
    assert re.match(r"thresholds\.yaml 第 \d+ 行:", str(caught.value))
    assert word in str(caught.value)


def test_the_line_is_that_of_the_mistake(tmp_path: Path) -> None:
    line = line_of("  marketing_a_week")
    with pytest.raises(Invalid, match=f"第 {line} 行:marketing_a_week"):
        load_thresholds(changed(tmp_path, "marketing_a_week: 2", "marketing_a_week: 20"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    from: 09:00\n    to: 20:00", "    from: 08:59\n    to: 20:00"),
        ("    from: 09:00\n    to: 20:00", "    from: 09:00\n    to: 20:01"),
        ("    from: 09:00\n    to: 20:00", "    from: 21:00\n    to: 06:00"),
        ("    closed_on: [清明, 哀悼日]", "    closed_on: [清明]"),
        ("    closed_on: [清明, 哀悼日]", "    closed_on: [清明, 哀悼日, 周一]"),
        ("    from: 08:30\n", "    from: 08:00\n"),
        ("    from: 08:00\n    to: 21:00", "    from: 08:00\n    to: 08:00"),
    ],
)
def test_windows_may_be_narrowed_but_never_widened(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(Invalid, match=r"^thresholds\.yaml 第 \d+ 行:"):
        load_thresholds(changed(tmp_path, old, new))


def test_a_narrower_window_is_taken(tmp_path: Path) -> None:
    old, new = "    from: 09:00\n    to: 20:00", "    from: 10:00\n    to: 19:30"
    found = load_thresholds(changed(tmp_path, old, new))
    narrowed = Window(time(10), time(19, 30), frozenset({"清明", "哀悼日"}))
    assert narrowed == found.windows[Purpose.MARKETING]


def test_service_may_be_closed_on_quiet_days_and_cross_midnight(tmp_path: Path) -> None:
    old, new = "    from: 08:00\n    to: 21:00", "    from: 20:00\n    to: 06:00"
    found = load_thresholds(changed(tmp_path, old, new))
    assert Window(time(20), time(6)) == found.windows[Purpose.SERVICE]
