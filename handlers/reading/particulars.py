"""Small grammars of single fact types: a birth date, how many come along. Pure."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from handlers.reading import atoms
from handlers.reading.numerals import integer

_D = "一二三四五六七八九"
_LUNAR_WORD = re.compile("农历|阴历|旧历|老历|古历")
_SOLAR_WORD = re.compile("阳历|公历|新历|国历|西历")
_SOLAR_SAID = re.compile(f"(?<![写登填印报记]的)(?<![写登填印报记]着)是(?:{_SOLAR_WORD.pattern})")
"""腊月初一 is lunar whatever is said of 阳历, unless that is what it is."""
_LUNAR_SHAPE = re.compile(rf"正月|冬月|腊月|(?<![年])初[{_D}十]|廿")
_BIRTH = re.compile(
    rf"(?P<m>1[0-2]|0?[1-9]|十[一二]?|[{_D}]|正|冬|腊)\s?月份?\s?"
    rf"(?:初(?P<f>[{_D}]|十|\d)|(?P<t>廿[{_D}]?)|(?P<d>[12]\d|3[01]|0?[1-9]|三十一?|二?十[{_D}]|二十|十|[{_D}])(?!\d))"
    r"|(?P<m2>1[0-2]|0?[1-9])[./-](?P<d2>[12]\d|3[01]|0?[1-9])(?![\d.])"
    r"|(?<!\d)(?P<m3>0[1-9]|1[0-2])(?P<d3>[0-2]\d|3[01])(?!\d)"
)
_MONTHS = {"正": 1, "冬": 11, "腊": 12}
_FEASTS = {
    "元旦": (1, 1, "solar"),
    "情人节": (2, 14, "solar"),
    "妇女节": (3, 8, "solar"),
    "三八": (3, 8, "solar"),
    "五一": (5, 1, "solar"),
    "劳动节": (5, 1, "solar"),
    "六一": (6, 1, "solar"),
    "儿童节": (6, 1, "solar"),
    "建党节": (7, 1, "solar"),
    "建军节": (8, 1, "solar"),
    "教师节": (9, 10, "solar"),
    "国庆": (10, 1, "solar"),
    "平安夜": (12, 24, "solar"),
    "圣诞": (12, 25, "solar"),
    "七月半": (7, 15, "lunar"),
    "八月半": (8, 15, "lunar"),
    "正月半": (1, 15, "lunar"),
    "大年初一": (1, 1, "lunar"),
    "年初一": (1, 1, "lunar"),
    "春节": (1, 1, "lunar"),
    "元宵": (1, 15, "lunar"),
    "端午": (5, 5, "lunar"),
    "七夕": (7, 7, "lunar"),
    "中元": (7, 15, "lunar"),
    "中秋": (8, 15, "lunar"),
    "重阳": (9, 9, "lunar"),
    "腊八": (12, 8, "lunar"),
    "小年": (12, 23, "lunar"),
}
_FEAST = re.compile("|".join(_FEASTS))
_YEAR = re.compile(
    rf"(?P<y>(?:19|20)\d\d|[4-9]\d|0\d|1[0-5]|一九[{_D}零][{_D}零]|二零[零一二][{_D}零]|[四五六七八九零][{_D}零])\s?年(?!级|前|后|了|的?(?:利|期|定))"
    r"|(?P<y4>(?:19|20)\d\d)(?=[./-]\d)"
)
_COUNT = re.compile(
    r"(?:\+|＋)\s?(?P<plus>\d{1,2})"
    r"|(?P<n>\d{1,2}|[一两二三四五六七八九十]|俩|仨)\s?(?:个人|个位|个名额|人|位(?!阿姨)|口|张嘴|名额|名|张票|个座|个(?![月点小星号朋礼]))"
    "|(?P<pair>两口子|娘俩|爷俩|母子俩|母女俩|父子俩|父女俩|老两口|小两口|我俩|俺俩|我们俩|咱俩|夫妻俩|俩人|俩(?!月)|一大一小|夫妻)"
    r"|(?P<three>爷仨|娘仨|一家三口|两大一小|一大两小|仨)|(?P<four>一家四口|两大两小)"
)
_SON = "儿子|小子|男娃|男孩|儿|崽|仔|囝|男"
_DAUGHTER = "女儿|闺女|丫头|女娃|女孩|女|囡|姑娘|千金"
_BOTH = re.compile(
    f"(?P<a>[一两二三四俩仨1-4])个?(?:{_SON}|{_DAUGHTER})[和跟、, ]?"
    f"(?P<b>[一两二三四俩仨1-4])个?(?:{_SON}|{_DAUGHTER})"
)
_WITH = re.compile(
    "(?:我|俺|和|跟|带|带上|同|与|还有|加上)(?:和|跟|同|与|带|带上|带着|还有|加|加上)?(?:我|俺)?(?:家)?(?:的|一?个)?"
    "(?:老伴|老公|老婆|老头|老太婆|老头子|爱人|对象|媳妇|我妈|老妈|妈|爸|女儿|儿子|闺女|孩子|娃|朋友|同事|邻居|姐妹|闺蜜|孙子|孙女|婆婆|丈母娘|老姐妹|我姐|我妹|嫂子|先生|太太|老乡|一个朋友|小孩|丫头|姐姐|妹妹|我哥|我弟|女婿|儿媳|当家的|我家那位|宝宝)"
    r"(?!们|俩|仨|[一两二三四五六七八九十\d]个)"
)
_PLAIN_WITH = re.compile("和|跟|带|同|与|还有|加")
_BESIDE_ME = re.compile(
    "(?:我|俺)(?:和|跟|同|带|与|还带|要带|想带)(?:着|上|了)?(?:我|俺)?(?:们|的|家)?$"
)
"""我带两个娃: the speaker comes on top."""
_TOO = re.compile(
    "(?:老伴|老公|老婆|爱人|媳妇|孩子|女儿|儿子|闺女|我妈|我爸|朋友|姐妹|邻居|对门|同事)"
    "[^ ,。!?;]{0,3}也(?:去|来|到|参加|报)(?![了过不]|不)"
)
_SOME_ONE = re.compile("一个(?![人位])(?=[\u4e00-\u9fff])")
"""一个车间的姐妹 says nothing of how many."""
_IN_ALL = re.compile(
    rf"(?:总共|一共|共|加起来|合计|统共)是?(?P<n>\d{{1,2}}|[{_D}十俩仨])\s?(?:个|位|人|口|名)?"
)
_CORRECTED = re.compile("(?:不对|错了|说错|不是)[,. ]*(?:应该)?是?(?=.{0,4}月)")
_RESULT_WITH_TEXT = re.compile("总共|一共|共|加起来|合计|统共")


def birth(text: str, start: int, end: int, today: date) -> dict[str, Any] | None:
    """Calendar, month, day and year of a birth date in a span; None without day and year."""
    corrected = _CORRECTED.search(text, start)
    if corrected:
        start, end = corrected.end(), len(text)
    found = _BIRTH.search(text, start, end)
    value: dict[str, Any] = {}
    calendar = None
    if found:
        month = found["m"] or found["m2"] or found["m3"]
        number = _MONTHS.get(month) or integer(month)
        value["month"], value["day"] = number, _day(found)
        if _LUNAR_SHAPE.search(found.group()):
            calendar = "lunar"
    else:
        feast = _FEAST.search(text, start, end)
        if feast:
            value["month"], value["day"], calendar = _FEASTS[feast.group()]
        elif not _relative(text, start, end, today, value):
            return _year(text, start, end, today) or None
    if calendar != "lunar" or found is None or _SOLAR_SAID.search(text, start, end):
        calendar = _named(text, start, end) or _named(text, 0, len(text)) or calendar
    if calendar:
        value["calendar"] = calendar
    value |= _year(text, start, end, today) or _year(text, 0, len(text), today)
    if not value.get("day") or not value.get("month") or value["day"] > 31:
        return None
    return value


def _year(text: str, start: int, end: int, today: date) -> dict[str, Any]:
    found = _YEAR.search(text, start, end)
    full = atoms.full_year(found["y"] or found["y4"], today) if found else None
    return {"year": full} if full and 1920 <= full <= today.year else {}


def _day(found: re.Match[str]) -> int | None:
    if found["t"]:
        return atoms.lunar_day(found["t"])
    return integer(found["f"] or found["d"] or found["d2"] or found["d3"])


def _named(text: str, start: int, end: int) -> str | None:
    lunar, solar = _LUNAR_WORD.search(text, start, end), _SOLAR_WORD.search(text, start, end)
    if lunar and solar:
        return "lunar" if lunar.start() < solar.start() else "solar"
    return "lunar" if lunar else "solar" if solar else None


def _relative(text: str, start: int, end: int, today: date, value: dict[str, Any]) -> bool:
    """今天 or 下周三 is my birthday: that day, in whatever calendar."""
    for found in atoms.PATTERN.finditer(text, start, end):
        kind, days = atoms.resolve(found, today)
        if (
            days
            and days.first
            and days.first == days.last
            and kind
            in {
                "day",
                "week",
                "bareday",
                "offset",
                "md",
                "ymd",
            }
        ):
            value["month"], value["day"] = days.first.month, days.first.day
            return True
    return False


def head_count(text: str, start: int, end: int) -> int | None:
    """How many people are meant in all; 我和老伴 is two, 我带两个娃 three, +2 two."""
    said = _IN_ALL.search(text)
    if said:
        return integer(said["n"])
    for found in _COUNT.finditer(text, start, end):
        number = _counted(found)
        if number is not None:
            return number + 1 if _BESIDE_ME.search(text, start, found.start()) else number
    if _TOO.search(text):
        return 2
    return 2 if _WITH.search(text, start, end) and _PLAIN_WITH.search(text, start, end) else None


def boys_and_girls(text: str) -> int | None:
    """两个儿子一个闺女 is three."""
    found = _BOTH.search(text)
    if found is None:
        return None
    first, second = integer(found["a"]), integer(found["b"])
    return first + second if first and second else None


def companions(text: str, start: int, end: int) -> int | None:
    """How many people are brought along; only a number that is said."""
    total = None
    for found in _COUNT.finditer(text, start, end):
        if _SOME_ONE.match(text, found.start()):
            continue
        before = text[max(start, found.start() - 3) : found.start()]
        if _RESULT_WITH_TEXT.search(before) or total is None:
            total = _counted(found)
    return total


def _counted(found: re.Match[str]) -> int | None:
    if found["plus"]:
        return int(found["plus"])
    if found["n"]:
        return integer(found["n"])
    return 2 if found["pair"] else 3 if found["three"] else 4
