"""One cell of an import table: from whatever a core system writes to one typed value. Pure.

Readers get clean text that is not blank and raise ``Unreadable`` with what is wrong and what
to write instead; the text itself is never repeated.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

from bot.clock import SHANGHAI

Cell = str | int | float | bool | date | time | datetime | timedelta | None

_CACHED = 8192
_BLANKS = {"", "-", "--", "—", "——", "/", "\\n", "null", "none", "nan", "n/a", "#n/a", "#null!"}
_LONGEST_BLANK = max(map(len, _BLANKS))
_FULL_WIDTH: dict[int, int | str | None] = {
    **{0xFF01 + i: 0x21 + i for i in range(94)},
    **dict.fromkeys((0x09, 0x0A, 0x0D, 0xA0, 0x3000), " "),
}
_EXCEL_TEXT = re.compile(r'^(?:="(.*)"|\'(.*))$')
_SCIENTIFIC = re.compile(r"^\d(?:\.\d+)?e\+?\d{2,}$", re.IGNORECASE)
_EXACT_FLOAT = 10**15
_DATE = re.compile(
    r"^(\d{4})(?:[-/.](\d{1,2})[-/.](\d{1,2})|年(\d{1,2})月(\d{1,2})[日号]?)"
    r"(?:[ T][\d:.]+(?:Z|[+-]\d\d:?\d\d)?)?$"
)
_COMPACT = re.compile(r"^(\d{4})(\d{2})(\d{2})$")
_SERIAL = re.compile(r"^[2-7]\d{4}$")
_SERIAL_ZERO = date(1899, 12, 30)
_MONTH_DAY = re.compile(
    r"^(?:--)?(?:(\d{1,2})[-/](\d{1,2})|(\d{1,2})月(\d{1,2})[日号]?|(\d{2})(\d{2}))$"
)
_CALENDAR_WORD = re.compile(r"^(农历|阴历|旧历|公历|阳历|新历)[::]?\s*")
_MONEY = re.compile(
    r"^(?:rmb|cny|人民币|[¥¥])?\s*"
    r"(?P<figures>\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d{1,4}(?:,\d{4})+(?:\.\d*)?"
    r"|\d*\.?\d+(?:e[+-]?\d{1,2})?|\d+\.)"
    r"\s*(?P<unit>万|w|亿)?\s*(?:元整?|块|圆|rmb)?$"
)
_UNITS = {None: 1, "万": 10_000, "w": 10_000, "亿": 100_000_000}
_MOST_MONEY = 10**15
_RATE = re.compile(r"^(\d{1,3}(?:\.\d{1,20})?)\s*[%％]?$")
_RISK = re.compile(r"^c?([1-5])(?!\d)", re.IGNORECASE)
_PRODUCT_RISK = re.compile(r"^(?:p?r)?([1-5])(?!\d)", re.IGNORECASE)
_LINK = re.compile(r"^https?://[^\s<>\"]+$", re.IGNORECASE)
_LONGEST_LINK = 500
_PHONE = re.compile(r"^\+?[\d\s()\-]+$")
_CODE = re.compile(r"^[\w.\-]+$")
_USERID = re.compile(r"^[A-Za-z0-9_\-.@]{1,64}$")
_EXTERNAL = re.compile(r"^w[mo][A-Za-z0-9_\-]{1,62}$")
_OFFSET = re.compile(r"(?:Z|[+-]\d{2}:?\d{2})$")
_YES = {"是", "y", "yes", "1", "true", "t", "有", "√", "✓", "同意", "对"}
_NO = {"否", "n", "no", "0", "false", "f", "无", "×", "x", "不同意", "不"}


class Unreadable(Exception):
    """A cell that cannot be read; its text says what is wrong and what to write instead."""


class Birthday(NamedTuple):
    """A birthday as written; ``lunar`` None when the text does not tell the calendar."""

    year: int | None
    month: int
    day: int
    lunar: bool | None = None


# -- from any cell to clean text -------------------------------------------------------------


def clean(cell: Cell) -> str | None:
    """Text without blanks around, half-width, without control characters; None when blank."""
    text = cell if isinstance(cell, str) else _written(cell)
    if not text.isascii():
        text = text.translate(_FULL_WIDTH)
    if not text.isprintable():
        text = "".join(filter(_visible, text.translate(_FULL_WIDTH)))
    text = text.strip()
    if text[:1] in {"=", "'"} and (guarded := _EXCEL_TEXT.match(text)):
        text = (guarded[1] or guarded[2] or "").strip()
    return None if len(text) <= _LONGEST_BLANK and text.lower() in _BLANKS else text


def _visible(char: str) -> bool:
    return unicodedata.category(char) not in {"Cc", "Cf", "Cs"}


def _written(cell: Cell) -> str:
    """The text that a person would see in the typed cell of a workbook."""
    match cell:
        case None:
            return ""
        case bool():
            return "是" if cell else "否"
        case float() if cell.is_integer() and abs(cell) < _EXACT_FLOAT:
            return str(int(cell))
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case datetime() | date() | time():
            return cell.isoformat()
        case _:
            return str(cell)


# -- readers ---------------------------------------------------------------------------------


def words(longest: int) -> Callable[[str], str]:
    """A reader of free text of at most ``longest`` characters."""

    def read(text: str) -> str:
        if len(text) > longest:
            raise Unreadable(f"超过 {longest} 个字,请检查是否错列")
        return text

    return read


def reference(text: str) -> str:
    """A number or code that names something: never a figure that Excel has rounded."""
    if _SCIENTIFIC.match(text):
        raise Unreadable("长数字被 Excel 变成了科学计数,请把该列设为“文本”后重新导出")
    return words(64)(text)


def code(text: str) -> str:
    """A code that stands in addresses of pages: letters, digits and ``. _ -``."""
    if not _CODE.match(reference(text)):
        raise Unreadable("代码只能用字、字母、数字和 . _ -,请改写")
    return text


def userid(text: str) -> str:
    """An employee's account."""
    if not _USERID.match(text):
        raise Unreadable("不是企业微信账号,只能含字母、数字和 _ - . @,最长 64 个字符")
    return text


def external_userid(text: str) -> str:
    """A customer's id in WeCom."""
    if not _EXTERNAL.match(text):
        raise Unreadable("不是外部联系人 ID,应以 wm 或 wo 开头;没有就留空,用手机号匹配")
    return text


def phone(text: str) -> str:
    """A phone number, loosely: 7 to 15 digits with the usual ornaments."""
    number = reference(text)
    digits = sum(char in "0123456789" for char in number)
    if not (_PHONE.match(number) and 7 <= digits <= 15):
        raise Unreadable("不是电话号码,请只填一个号码(7–15 位数字)")
    return number


def day(text: str) -> str | None:
    """A date as ISO text; the core systems' ways of writing "never" become None."""
    found = _date_parts(text)
    if found is None:
        raise Unreadable("不是日期,请写成 2026-12-01、2026/12/1 或 20261201")
    year, month, of_month = found
    if year in {0, 1, 9999}:
        return None
    if not 1900 <= year <= 2199:
        raise Unreadable("年份不在 1900–2199 之间,请核对")
    try:
        return date(year, month, of_month).isoformat()
    except ValueError:
        raise Unreadable("没有这一天,请核对月份和日期") from None


def _date_parts(text: str) -> tuple[int, int, int] | None:
    if found := _DATE.match(text) or _COMPACT.match(text):
        year, month, of_month = (int(part) for part in found.groups() if part is not None)
        return year, month, of_month
    if _SERIAL.match(text):  # a date cell of Excel that lost its format
        moved = _SERIAL_ZERO + timedelta(days=int(text))
        return moved.year, moved.month, moved.day
    return None


def moment(text: str) -> int:
    """An instant, epoch milliseconds; without a zone in Shanghai, without a time at midnight."""
    try:
        found = datetime.fromisoformat(text.replace("/", "-"))
    except ValueError:
        found = _loose_moment(text)
    if found.tzinfo is None:
        found = found.replace(tzinfo=SHANGHAI)
    try:
        return int(found.astimezone(UTC).timestamp() * 1000)
    except (OverflowError, ValueError):
        raise Unreadable("年份超出范围,请核对") from None


def _loose_moment(text: str) -> datetime:
    """``2026/1/5 9:03`` and the date forms of ``day``."""
    on, _, clock = text.replace("T", " ").partition(" ")
    iso = day(on)
    if iso is None:
        raise Unreadable("没有时间,请写成 2026-12-01 或 2026-12-01 10:30:00")
    hour, *rest = (clock or "0:00").split(":")
    try:
        return datetime.fromisoformat(f"{iso}T{':'.join([hour.zfill(2), *rest])}")
    except ValueError:
        raise Unreadable("不是时间,请写成 2026-12-01 或 2026-12-01 10:30:00") from None


def birthday(text: str) -> Birthday:
    """A birthday, with or without its year; whether the day exists depends on the calendar."""
    lunar: bool | None = None
    if word := _CALENDAR_WORD.match(text):
        lunar = word[1] in {"农历", "阴历", "旧历"}
        text = text[word.end() :]
    if found := _MONTH_DAY.match(text):
        month, of_month = (int(part) for part in found.groups() if part is not None)
        return Birthday(None, month, of_month, lunar)
    parts = _date_parts(text)
    if parts is None:
        raise Unreadable("不是生日,请写成 1962-08-16 或 08-16")
    if not 1900 <= parts[0] <= 2199:
        raise Unreadable("出生年份不在 1900 年以后,请核对;不知道年份可只写 08-16")
    return Birthday(*parts, lunar)


def money(text: str) -> int:
    """Whole yuan, rounded down: nobody is counted richer than they are."""
    found = _MONEY.match(text.lower())
    if found is None:
        raise Unreadable("不是金额,请写成 120000、120,000.00 或 12万;不能为负")
    try:
        yuan = Decimal(found["figures"].replace(",", "")) * _UNITS[found["unit"]]
    except InvalidOperation:  # pragma: no cover  # the pattern leaves nothing to refuse
        raise Unreadable("不是金额,请写成 120000 或 12万") from None
    if yuan >= _MOST_MONEY:
        raise Unreadable("金额过大,请检查是否错列")
    return int(yuan)


def rate(text: str) -> float:
    """Percent a year: ``2.35%`` and ``2.35`` are both 2.35."""
    found = _RATE.match(text)
    if found is None or float(found[1]) > 100:
        raise Unreadable("不是利率,请写成 2.35 或 2.35%")
    return round(float(found[1]), 6)


def yes(text: str) -> int:
    """1 or 0."""
    word = text.lower()
    if word in _YES:
        return 1
    if word in _NO:
        return 0
    raise Unreadable("请填 是 或 否")


def risk_level(text: str) -> str:
    """``C1`` to ``C5``, also ``C3 平衡型``."""
    found = _RISK.match(text)
    if found is None:
        raise Unreadable("不是客户风险等级,请填 C1–C5")
    return f"C{found[1]}"


def count(text: str) -> int:
    """A whole number of people or things, at least one."""
    if not re.fullmatch(r"\d{1,5}", text) or not int(text):
        raise Unreadable("不是数量,请填 1 以上的整数")
    return int(text)


def product_risk(text: str) -> str:
    """``R1`` to ``R5``, also ``R2 中低风险`` and ``PR3``."""
    found = _PRODUCT_RISK.match(text)
    if found is None:
        raise Unreadable("不是产品风险等级,请填 R1–R5")
    return f"R{found[1]}"


def link(text: str) -> str:
    """An address of a page."""
    if not _LINK.match(text) or len(text) > _LONGEST_LINK:
        raise Unreadable("不是网址,请写成 https:// 开头的完整地址")
    return text


def certificates(text: str) -> str:
    """What somebody may sell, separated by commas."""
    parts = re.split(r"[,;、|/]", words(500)(text))
    return ",".join(sorted({part.strip() for part in parts if part.strip()}))


def one_of(slugs: dict[str, str]) -> Callable[[str], str]:
    """A reader of a closed list; ``slugs`` maps every accepted spelling to its slug."""
    known = {spelling.lower(): slug for spelling, slug in slugs.items()}
    expected = "、".join(dict.fromkeys(_example(slugs)))

    def read(text: str) -> str:
        slug = known.get(text.lower())
        if slug is None:
            raise Unreadable(f"不在可填的范围内,请填:{expected}")
        return slug

    return read


def _example(slugs: dict[str, str]) -> list[str]:
    """The first Chinese spelling of each slug."""
    first: dict[str, str] = {}
    for spelling, slug in slugs.items():
        if not spelling.isascii():
            first.setdefault(slug, spelling)
    return list(first.values())


Reader = Callable[[str], Any]


def filled(read: Reader, *, repeats: bool) -> Callable[[Cell], Any]:
    """A reader of raw cells: ``clean``, then ``read``; None for a blank.

    Answers are remembered for columns whose values ``repeats``: a million rows have few
    branches, dates and rates.
    """

    def whole(cell: Cell) -> Any:
        text = clean(cell)
        return None if text is None else read(text)

    # Typed, because True, 1 and 1.0 are equal and are not written alike.
    return lru_cache(_CACHED, typed=True)(whole) if repeats else whole
