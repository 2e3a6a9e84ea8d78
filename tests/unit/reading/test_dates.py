from __future__ import annotations

from datetime import date, datetime

import pytest
import sxtwl
from lunar_python import Lunar

from handlers.reading import dates, lunar

MONDAY = datetime(2026, 7, 6, 9, 0)  # noqa: DTZ001 - local wall time is what the grammar takes


def span(text: str, now: datetime = MONDAY) -> tuple[str | None, str | None]:
    days = dates.find(text, now)[0].days
    return days.first and days.first.isoformat(), days.last and days.last.isoformat()


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("8月8号", "2026-08-08", "2026-08-08"),
        ("6月中旬", "2027-06-11", "2027-06-20"),
        ("月底", "2026-07-25", "2026-07-31"),
        ("下个月初", "2026-08-01", "2026-08-05"),
        ("这个月头", "2026-07-01", "2026-07-05"),
        ("下周", "2026-07-13", "2026-07-19"),
        ("下礼拜五", "2026-07-17", "2026-07-17"),
        ("下周末", "2026-07-18", "2026-07-19"),
        ("国庆", "2026-10-01", "2026-10-07"),
        ("年后", "2027-02-06", "2027-02-20"),
        ("年前", None, "2027-02-05"),
        ("元旦前", None, "2027-01-01"),
        ("年底", "2026-12-01", "2026-12-31"),
        ("下半年", "2026-07-01", "2026-12-31"),
        ("霜降那天", "2026-10-23", "2026-10-23"),
        ("正月初八", "2027-02-13", "2027-02-13"),
        ("腊月底", "2027-02-01", "2027-02-05"),
        ("农历八月十六", "2026-09-26", "2026-09-26"),
        ("三天后", "2026-07-09", "2026-07-09"),
        ("5号到8号", "2026-08-05", "2026-08-08"),
        ("周一到周三", "2026-07-06", "2026-07-08"),
        ("今晚八点", "2026-07-06", "2026-07-06"),
        ("2027年3月", "2027-03-01", "2027-03-31"),
    ],
)
def test_words_become_days(text: str, first: str | None, last: str | None) -> None:
    assert (first, last) == span(text)


@pytest.mark.parametrize("text", ["过阵子", "最近", "开春", "一年期", "三年", "周到", "万一"])
def test_vague_words_settle_no_date(text: str) -> None:
    assert [] == [when for when in dates.find(text, MONDAY) if when.settled]


def test_first_days_of_lunar_months_agree_with_two_other_calendars() -> None:
    wrong = []
    for year in range(1930, 2056):
        for month in range(1, 13):
            ours = lunar.solar(year, month, 1)
            other = Lunar.fromYmd(year, month, 1).getSolar()
            third = sxtwl.fromLunar(year, month, 1)
            days = {
                ours,
                date(other.getYear(), other.getMonth(), other.getDay()),
                date(third.getSolarYear(), third.getSolarMonth(), third.getSolarDay()),
            }
            if len(days) != 1:
                wrong.append((year, month))
    assert [] == wrong
