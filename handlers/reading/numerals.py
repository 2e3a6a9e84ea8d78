"""Numbers as people write them: 三万五, 3万5, 二十来万, 五六万, 十一亩半. Pure."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

DIGITS = {
    "零": 0,
    "一": 1,
    "二": 2,
    "两": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
    "俩": 2,
    "仨": 3,
    "幺": 1,
    "壹": 1,
    "贰": 2,
    "叁": 3,
    "肆": 4,
    "伍": 5,
    "陆": 6,
    "柒": 7,
    "捌": 8,
    "玖": 9,
}
UNITS = {
    "十": 10,
    "拾": 10,
    "百": 100,
    "佰": 100,
    "千": 1000,
    "仟": 1000,
    "k": 1000,
    "万": 10_000,
    "萬": 10_000,
    "w": 10_000,
    "亿": 100_000_000,
    "兆": 1_000_000_000_000,
}
DIGIT = "零一二两三四五六七八九壹贰叁肆伍陆柒捌玖"
"""Characters that are one digit."""
NUMBER = rf"(?:\d+(?:\.\d+)?|[{DIGIT}十百千万半俩仨廿卅]+)"
"""A plain number inside a pattern of the rules."""

_RANGE = re.compile(r"([一二两三四五六七八九])[、-]?([一二两三四五六七八九])(?=[十百千万亿个wk]|$)")
_TOKEN = re.compile(rf"\d+(?:\.\d+)?|[{DIGIT}俩仨幺]|[十拾百佰千仟k万萬w亿兆]")
_WEAK = re.compile("[多来几余把好近约点]")
_NEIGHBOUR = 2


def lower_bound(text: str) -> str:
    """五六万 becomes 五万 and 三五千 becomes 三千; 六三年 stays."""

    def first(found: re.Match[str]) -> str:
        low, high = DIGITS[found.group(1)], DIGITS[found.group(2)]
        return found.group(1) if low < high <= low + _NEIGHBOUR else found.group()

    return _RANGE.sub(first, text)


def parse(text: str) -> Decimal | None:
    """The value of a number, or None when it is not one; vague parts fall away.

    二十来 is 20, 一百二 is 120, 3万5 is 35000, 两万八千五 is 28500, 十一半 is 11.5.
    """
    cleaned = _WEAK.sub("", lower_bound(text.replace(",", "").replace(" ", "")))
    half = cleaned.endswith("半") and len(cleaned) > 1
    if cleaned == "半":
        return Decimal("0.5")
    cleaned = cleaned.replace("廿", "二十").replace("卅", "三十")
    tokens = _TOKEN.findall(cleaned.rstrip("半"))
    if not tokens or len(tokens) > 40:
        return None
    try:
        value = _digits(tokens) if _is_digits(tokens) else _sum(tokens)
    except InvalidOperation:
        return None
    return value + _half(tokens) if half else value


def integer(text: str) -> int | None:
    """A whole number, or None."""
    value = parse(text)
    return int(value) if value is not None and value == value.to_integral_value() else None


def _half(tokens: list[str]) -> Decimal:
    """半 after a unit is half of that unit: 三万半 35,000, 十一半 11.5."""
    unit = UNITS.get(tokens[-1], 1)
    return Decimal(unit) / 2 if unit >= 100 else Decimal("0.5")


def _is_digits(tokens: list[str]) -> bool:
    return len(tokens) > 1 and all(token in DIGITS for token in tokens)


def _digits(tokens: list[str]) -> Decimal:
    """二零二六: digits side by side."""
    return Decimal("".join(str(DIGITS[token]) for token in tokens))


def _sum(tokens: list[str]) -> Decimal:
    total = section = number = Decimal(0)
    last_unit, after_zero = 1, False
    for token in tokens:
        unit = UNITS.get(token)
        if unit is None:
            after_zero = after_zero or DIGITS.get(token) == 0
            digit = Decimal(DIGITS[token]) if token in DIGITS else Decimal(token)
            number = number * 10 + digit if number and token in DIGITS else digit
            continue
        if unit >= 10_000:
            rest = section + number
            if not rest and total and total < unit:
                total, rest = Decimal(0), total
            total, section = total + (rest or Decimal(1)) * unit, Decimal(0)
        else:
            section += (number or Decimal(1)) * unit
        number, last_unit, after_zero = Decimal(0), unit, False
    if number and last_unit >= 100 and not after_zero and number < 10 and number == int(number):
        number = number * last_unit / 10
    return total + section + number
