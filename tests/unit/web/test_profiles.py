"""Consent and chart of a customer, from what stands in the store."""

from datetime import date
from typing import Any

from bot.store.views import Around
from bot.web.charts import bars
from bot.web.profiles import consent_of

TODAY = date(2026, 12, 1)


def around(**known: Any) -> Around:
    return Around(sensitive=False, **known)


def row(**flags: int) -> Any:
    plain = {
        "friend": 0,
        "marketing_ok": 0,
        "notice_ok": 0,
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


def test_C5_a_consent_to_an_older_notice_is_shown_as_none() -> None:
    assert consent_of(row(marketing_ok=1, notice_ok=1), around())["marketing"] is True
    assert consent_of(row(marketing_ok=1, notice_ok=0), around())["marketing"] is False


def test_a_refusal_stands_above_a_consent() -> None:
    refusal: Any = {"purpose": "marketing", "at": 0}
    found = consent_of(row(marketing_ok=1, refused=1), around(consents=[refusal]))
    assert (
        found["marketing"],
        found["refused"],
        found["refused_at"],
    ) == (False, True, "1970-01-01T08:00:00+08:00")


def test_an_agreed_conversation_allows_ordinary_profiles_only() -> None:
    found = consent_of(row(friend=1), around(agreed=1))
    assert (
        found["profiling"],
        found["archive_analysis"],
        found["profiling_sensitive"],
        found["marketing"],
    ) == (True, True, False, False)


def test_a_chart_tells_in_words_what_it_shows() -> None:
    chart = str(bars([(TODAY, 3), (TODAY, 0)]))
    assert ('aria-label="近2天说话3条"' in chart, chart.count("<rect")) == (True, 2)


def test_a_silent_month_still_draws() -> None:
    assert str(bars([(TODAY, 0)])).count('class="quiet"') == 1
