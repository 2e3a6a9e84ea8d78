"""Every spelling that a core system may use for one cell."""

from datetime import date, datetime, time

import pytest

from bot.importing import cells
from bot.importing.cells import Birthday, Unreadable, clean
from bot.importing.report import shape
from bot.importing.tables import CONSENT_PURPOSES, HOLDING_STATUSES, PRODUCT_WORDS, ROLES


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("  甲支行  ", "甲支行"),
        ("\u3000甲支行\u3000", "甲支行"),
        ("ＡＢ（１２）", "AB(12)"),
        ("\ufeff\u200b甲\x00", "甲"),
        ('="0012345"', "0012345"),
        ("'0012345", "0012345"),
        ("", None),
        ("NULL", None),
        ("\\N", None),
        ("--", None),
        (None, None),
        (13800000000.0, "13800000000"),
        (12.5, "12.5"),
        (True, "是"),
        (False, "否"),
        (date(2026, 12, 1), "2026-12-01"),
        (datetime(2026, 12, 1), "2026-12-01"),  # noqa: DTZ001  # as workbooks give it
        (datetime(2026, 12, 1, 10, 30), "2026-12-01T10:30:00"),  # noqa: DTZ001  # as above
        (time(10, 30), "10:30:00"),
    ],
)
def test_cells_become_clean_text(cell: cells.Cell, expected: str | None) -> None:
    assert clean(cell) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-12-01",
        "2026-12-1",
        "2026/12/1",
        "2026.12.01",
        "20261201",
        "2026年12月1日",
        "2026-12-01 00:00:00",
        "2026-12-01T00:00:00",
        "46357",
    ],
)
def test_a_day_in_every_spelling(text: str) -> None:
    assert cells.day(text) == "2026-12-01"


@pytest.mark.parametrize("text", ["9999-12-31", "99991231", "00010101", "0000-00-00"])
def test_the_core_systems_never_is_no_day(text: str) -> None:
    assert cells.day(text) is None


@pytest.mark.parametrize(
    "text", ["2026-02-30", "01/12/2026", "明天", "2026", "2026-12-01 甲", "1850-01-01", "123456789"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        cells.day(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120000", 120_000),
        ("120,000.00", 120_000),
        ("12,0000", 120_000),
        ("1,234,567", 1_234_567),
        ("¥120000元", 120_000),
        ("¥ 120000", 120_000),
        ("12万", 120_000),
        ("12.5万", 125_000),
        ("12.5 万元", 125_000),
        ("12w", 120_000),
        ("1.2亿", 120_000_000),
        ("9999.99", 9_999),
        ("0", 0),
        (".5", 0),
        ("1.2E+05", 120_000),
    ],
)
def test_money_in_every_spelling_is_whole_yuan_rounded_down(text: str, expected: int) -> None:
    assert cells.money(text) == expected


@pytest.mark.parametrize(
    "text", ["-5", "1,5", "十二万", "12个", "12万5", "9" * 40, "1,23,456", ","]
)
def test_what_is_no_money_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        cells.money(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2.35%", 2.35), ("2.35", 2.35), ("2", 2.0), ("0.05", 0.05), ("2.3499999999999996", 2.35)],
)
def test_rates_are_percent_a_year(text: str, expected: float) -> None:
    assert cells.rate(text) == expected


@pytest.mark.parametrize("text", ["2.35‰", "百分之二", "1000", "-1"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        cells.rate(text)


@pytest.mark.parametrize("text", ["是", "y", "Y", "yes", "1", "TRUE", "同意"])
def test_yes(text: str) -> None:
    assert cells.yes(text) == 1


@pytest.mark.parametrize("text", ["否", "n", "No", "0", "false", "不同意"])
def test_no(text: str) -> None:
    assert cells.yes(text) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1962-08-16", Birthday(1962, 8, 16)),
        ("19620816", Birthday(1962, 8, 16)),
        ("08-16", Birthday(None, 8, 16)),
        ("8/16", Birthday(None, 8, 16)),
        ("0816", Birthday(None, 8, 16)),
        ("8月16日", Birthday(None, 8, 16)),
        ("农历1962-02-30", Birthday(1962, 2, 30, lunar=True)),
        ("公历 08-16", Birthday(None, 8, 16, lunar=False)),
    ],
)
def test_birthdays_with_and_without_year(text: str, expected: Birthday) -> None:
    assert cells.birthday(text) == expected


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-11-20", 0),
        ("20261120", 0),
        ("2026/11/20", 0),
        ("2026年11月20日", 0),
        ("2026-11-20 10:00", 10),
        ("2026/11/20 10:00:00", 10),
        ("2026-11-20T10:00:00", 10),
        ("2026-11-20T02:00:00Z", 10),
        ("2026-11-20T10:00:00+08:00", 10),
        ("2026/11/20 9:00", 9),
    ],
)
def test_moments_without_a_zone_are_shanghais(text: str, hour: int) -> None:
    midnight = datetime.fromisoformat("2026-11-20T00:00:00+08:00")
    assert cells.moment(text) == int(midnight.timestamp() * 1000) + hour * 3_600_000


@pytest.mark.parametrize(
    "text", ["昨天", "2026-11-20 25:00", "0001-01-01", "10:00", "2026-11-20T25:00"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        cells.moment(text)


@pytest.mark.parametrize(
    "text", ["13800000000", "+86 138-0000-0000", "(0571) 8000 0000", "80000000"]
)
def test_phones_are_read_loosely(text: str) -> None:
    assert cells.phone(text) == text


@pytest.mark.parametrize("text", ["1.38E+10", "13800000000;13900000000", "无电话", "123"])
def test_what_is_no_phone_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        cells.phone(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("C3", "C3"), ("c1", "C1"), ("C3 平衡型", "C3"), ("5", "C5")]
)
def test_risk_levels(text: str, expected: str) -> None:
    assert cells.risk_level(text) == expected


@pytest.mark.parametrize("text", ["C6", "R2", "C33", "稳健"])
def test_what_is_no_risk_level_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        cells.risk_level(text)


@pytest.mark.parametrize(
    ("slugs", "text", "expected"),
    [
        (PRODUCT_WORDS, "large_cd", "large_cd"),
        (PRODUCT_WORDS, "大额存单", "large_cd"),
        (PRODUCT_WORDS, "定期存款", "time_deposit"),
        (PRODUCT_WORDS, "理财", "wealth"),
        (PRODUCT_WORDS, "个人养老金", "pension_account"),
        (HOLDING_STATUSES, "正常", "open"),
        (HOLDING_STATUSES, "已结清", "closed"),
        (HOLDING_STATUSES, "Renewed", "renewed"),
        (ROLES, "网点负责人", "head"),
        (ROLES, "Manager", "manager"),
        (CONSENT_PURPOSES, "营销", "marketing"),
        (CONSENT_PURPOSES, "敏感画像", "profiling_sensitive"),
    ],
)
def test_closed_lists_in_english_and_chinese(
    slugs: dict[str, str], text: str, expected: str
) -> None:
    assert cells.one_of(slugs)(text) == expected


def test_a_word_outside_a_closed_list_is_answered_with_the_list() -> None:
    with pytest.raises(Unreadable, match="大额存单"):
        cells.one_of(PRODUCT_WORDS)("彩票")


@pytest.mark.parametrize("text", ["om123", "wm中文", "wm", "张三"])
def test_what_is_no_external_userid_is_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="wm"):
        cells.external_userid(text)


def test_certificates_are_a_sorted_list() -> None:
    assert cells.certificates("基金;保险、理财,基金") == "保险,基金,理财"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("138-00a 张三", "999-99a 字字"), ("9" * 30, "9" * 24 + "…"), ("①四😀", "字字?")],
)
def test_a_shape_shows_the_form_and_never_the_value(text: str, expected: str) -> None:
    assert shape(text) == expected
