"""States, score and consent of a customer, from what stands in the store."""

from datetime import date, timedelta
from typing import Any

import pytest

from bot.store.views import Around
from bot.web.charts import bars
from bot.web.profiles import Profile, consent_of, states_of
from scheduler.thresholds import Activity

TODAY = date(2026, 12, 1)
DAY_MS = 86_400_000
NOW = 1_800_000_000_000
LINE = Activity(messages=5, days=3, window_days=7, once_in_days=30)


def around(**known: Any) -> Around:
    return Around(sensitive=False, **known)


def said(*counts: int) -> dict[str, int]:
    """Messages of today, yesterday and so on."""
    days = {(TODAY - timedelta(days=back)).isoformat(): n for back, n in enumerate(counts)}
    return {day: count for day, count in days.items() if count}


@pytest.mark.parametrize(
    ("known", "spoke_at", "states"),
    [
        (around(), None, []),
        (around(follows=[{"since_at": NOW - 29 * DAY_MS}]), None, ["new"]),
        (around(follows=[{"since_at": NOW - 31 * DAY_MS}]), None, []),
        (around(groups=[{"joined_at": NOW - DAY_MS}]), None, ["new", "lurking"]),
        (around(groups=[{"joined_at": NOW - 99 * DAY_MS}]), None, ["lurking"]),
        (around(groups=[{"joined_at": NOW - 99 * DAY_MS}]), NOW, []),
        (around(activity=said(2, 2, 1)), NOW, ["active"]),
        (around(activity=said(2, 1, 1)), NOW, []),
        (around(activity=said(5, 5)), NOW, []),
        (around(activity=said(0, 0, 0, 0, 0, 0, 0, 9, 9, 9)), NOW, []),
    ],
)
def test_states_follow_from_joining_and_speaking(
    known: Around, spoke_at: int | None, states: list[str]
) -> None:
    assert states == states_of({"spoke_at": spoke_at}, known, LINE, TODAY, NOW)  # type: ignore[arg-type]  # a dict reads like a row


@pytest.mark.parametrize(
    ("month", "score"), [((0, 0), 0), ((3, 2), 7), ((80, 30), 100), ((60, 20), 100)]
)
def test_the_score_counts_messages_and_days_and_ends_at_100(
    month: tuple[int, int], score: int
) -> None:
    profile = Profile({}, around(), [], [], {}, (0, 0), month)  # type: ignore[arg-type]  # as above
    assert score == profile.score


def row(**flags: int) -> Any:
    plain = {
        "friend": 0,
        "marketing_ok": 0,
        "refused": 0,
        "profiling_ok": 0,
        "sensitive_ok": 0,
    }
    return plain | flags


def test_no_word_means_no_consent() -> None:
    expected = dict.fromkeys(
        ("service", "marketing", "profiling", "profiling_sensitive", "archive_analysis", "refused"),
        False,
    ) | {"refused_at": None}
    assert expected == consent_of(row(), around())


def test_a_refusal_stands_above_a_consent() -> None:
    refusal: Any = {"purpose": "marketing", "at": 0}
    found = consent_of(row(marketing_ok=1, refused=1), around(consents=[refusal]))
    assert (False, True, "1970-01-01T08:00:00+08:00") == (
        found["marketing"],
        found["refused"],
        found["refused_at"],
    )


def test_an_agreed_conversation_allows_ordinary_profiles_only() -> None:
    found = consent_of(row(friend=1), around(agreed=1))
    assert (True, True, False, False) == (
        found["profiling"],
        found["archive_analysis"],
        found["profiling_sensitive"],
        found["marketing"],
    )


def test_a_chart_tells_in_words_what_it_shows() -> None:
    chart = str(bars([(TODAY, 3), (TODAY, 0)]))
    assert ('aria-label="近2天说话3条"' in chart, chart.count("<rect")) == (True, 2)


def test_a_silent_month_still_draws() -> None:
    assert str(bars([(TODAY, 0)])).count('class="quiet"') == 1
