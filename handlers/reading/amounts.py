"""Sums of money: every expression, its value, and how sure it is that it is money. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from handlers.reading.numerals import parse

_C = "零一二两三四五六七八九壹贰叁肆伍陆柒捌玖"
_CU = _C + "十百千拾佰仟"
_NUM = (
    rf"(?:\d{{1,3}}(?:,\d{{3}}){{1,5}}(?:\.\d{{1,6}})?|\d{{1,30}}(?:\.\d{{1,6}})?"
    rf"|[{_C}十廿卅][{_CU}]{{0,14}}(?:[点.][{_C}]{{1,4}})?"
    rf"|(?=[十百千]?[几])[十百千]?几|[{_C}]十几)"
)
_VAGUE = "[来多几余把]?"
_BIG = rf"(?:\s?{_VAGUE}\s?(?:百|千|k|十|百)?\s?[万萬w](?![n-z]))"
_TAIL = (
    rf"(?:(?:\d{{1,4}}(?![\d月号日年点岁])|零?[{_C}][{_CU}]{{0,8}}(?![月号年])|半"
    rf"|[{_C}](?![月号年]))(?:[千k百](?:[{_C}\d]+十?)?)?)?"
)
_SIGN = "(?:人民币|rmb|cny|￥|¥)"
_YUAN = r"(?:块钱|块大洋|块|元整|元钱|元|圆|人民币|大洋|rmb|米金)"
_AFTER = (
    "(?!分(?!期)|[公里米斤亩人步次遍岁年号楼层路度瓦毫吨克升票粉户只条字股份家件头天倍米平页题句"
    "词分秒票单颗粒棵株根匹卷集篇台辆顶点名位届道笼盒箱瓶杯袋包桶吨声声嘴]"
    "|车(?![款贷险钱位])|本(?![金钱 ,。!]|$)"
    "|个[月人小星礼]|里地|公|平方|以内)"
)
_STRONG = re.compile(
    rf"(?P<sign>{_SIGN}\s?)?(?P<sum>"
    rf"{_NUM}(?:\s?{_VAGUE}\s?[百千]?[万w]\s?亿|\s?{_VAGUE}\s?[亿兆](?:{_NUM}[万亿]?)?)"
    rf"|(?<!押一付)(?<!押二付){_NUM}{_BIG}{_TAIL}(?:多|来)?"
    rf"|(?<![一二两三四五六七八九十零\d])[十百千]?[百千万][把来]\s?[十百千万]?(?=[块元千万个])[万千]?"
    rf"|(?<![一二两三四五六七八九十零\d])(?:百|千)把万"
    rf"|{_NUM}\s?{_VAGUE}\s?[千k](?![a-z瓦克米卡]){_TAIL}(?:多|来)?"
    rf"|{_NUM}(?=\s?[多来几余把]{{0,2}}\s?(?:块|元|圆|人民币|大洋|rmb|毛"
    rf"|角(?![大落形星色度])|分钱))"
    rf")\s?(?P<vague>[多来几余把]{{0,2}})\s?(?P<unit>{_YUAN}|[毛角](?![大落形星色度])|分钱)?"
    rf"(?P<small>(?<=[元块圆])(?:[{_C}\d]{{1,2}}[毛角](?:[{_C}\d]分)?|\d"
    rf"|[{_C}](?![{_CU}万个号天月年元块点成])|半)?)?"
)
_SIGNED = re.compile(rf"{_SIGN}\s?(?P<sum>{_NUM}(?:{_BIG}{_TAIL})?)")
_MANY = re.compile(
    rf"(?<![第{_CU}\d.点两])(?P<sum>(?:{_NUM}|[{_C}]?[百千])[来多几把]?)个(?P<more>半|多)?"
    r"(?=半|多|$|[^\u4e00-\u9fff]"
    r"|[的定存到在要给出进回左吧了呢转来放买整现活死还没就能上下差打取先借啊嘛呀哦]|万|年"
    r"|三年|五年|一年|两年)"
    "(?![来下]?[月人]|出租|要求|上海|下午|打工|在校|现代|定居|的(?:人|孩子|娃|娃娃"
    "|小孩|朋友|店|字|群|老人|小时|月|菜|问题))"
)
_BARE = re.compile(
    r"(?<![\d.:/\-a-z+*#年月第一二三四五六七八九十])(?P<sum>\d{3,8}|\d{1,3}(?:,\d{3})+)"
    rf"(?![\d.:/%\-a-z+*#,]){_AFTER}(?![年月日号点个])"
)
_HUNDREDS = re.compile(
    rf"(?<![{_CU}第\d])(?P<sum>[{_C}]百(?:[{_C}]十?[{_C}]?)?){_AFTER}(?![{_CU}万亿分个])"
)
_VAGUE_ONLY = re.compile("^[十百千几多来余把]*几[十百千万亿wk]*$|^[好大]几|^几")
_ODD_LEAD = re.compile("(?:第|百分之|万分之|千分之|负|粉丝|粉|步|播放|点赞)$")


@dataclass(frozen=True, slots=True)
class Amount:
    """A sum in a text; ``value`` None when only vague (几万), ``currency`` a name or CNY."""

    start: int
    end: int
    value: Decimal | None
    sure: bool
    """False for 五十个 or a bare 15000, which are money in money talk only."""
    currency: str = "CNY"

    @property
    def yuan(self) -> int | None:
        """Whole yuan, or None for another currency or a vague sum."""
        if self.value is None or self.currency != "CNY" or self.value < 1:
            return None
        return int(self.value)


class Money:
    """Finds amounts; foreign currencies come from the words of the lexicon."""

    def __init__(self, currencies: dict[str, str], fractions: dict[str, str]) -> None:
        names = sorted(currencies, key=len, reverse=True)
        small = "|".join(sorted(map(re.escape, fractions), key=len, reverse=True))
        number = rf"{_NUM}(?:\s?{_VAGUE}\s?[百千]?[万亿兆wk]+(?:{_NUM}[万亿]?)?)?[多来几余]?"
        self._currencies = currencies
        marks = [name for name in names if not name[0].isalpha() or name.isascii()]
        self._foreign = re.compile(
            rf"(?P<sum>{number})\s?(?P<unit>{'|'.join(map(re.escape, names)) or '(?!)'})"
            rf"(?:又?(?P<small>{_NUM})\s?(?P<cent>{small or '(?!)'}))?"
            rf"|(?P<mark>{'|'.join(map(re.escape, marks)) or '(?!)'})\s?(?P<marked>{number})"
        )

    def find(self, text: str) -> list[Amount]:
        """All amounts in order, without overlaps; the surer one wins."""
        taken: list[Amount] = []
        for amount in (*self._foreigners(text), *_signed(text), *_strong(text), *_weak(text)):
            if not any(amount.start < a.end and a.start < amount.end for a in taken):
                taken.append(amount)
        taken.sort(key=lambda amount: amount.start)
        return taken

    def _foreigners(self, text: str) -> list[Amount]:
        amounts = []
        for found in self._foreign.finditer(text):
            unit = found["unit"] or found["mark"]
            value = parse(found["sum"] or found["marked"])
            if value is None:
                continue
            if found["small"]:
                value += (parse(found["small"]) or Decimal(0)) / 100
            name = self._currencies[unit]
            amounts.append(Amount(*found.span(), value, sure=True, currency=name))
        return amounts


def _signed(text: str) -> list[Amount]:
    if not any(sign in text for sign in ("￥", "¥")):
        return []
    return [
        Amount(*found.span(), parse(found["sum"]), sure=True) for found in _SIGNED.finditer(text)
    ]


def _strong(text: str) -> list[Amount]:
    amounts = []
    for found in _STRONG.finditer(text):
        if _ODD_LEAD.search(text, max(0, found.start() - 3), found.start()):
            continue
        unit = found["unit"]
        end = found.start() + len(found.group().rstrip())
        if unit is None and not found["sign"] and _AFTER_RE.match(text, end) is None:
            continue
        value = _sum(found["sum"], unit, found["small"])
        if value is None and not _VAGUE_ONLY.search(found["sum"]):
            continue
        amounts.append(Amount(found.start(), end, value, sure=True))
    return amounts


def _sum(digits: str, unit: str | None, small: str | None) -> Decimal | None:
    if _VAGUE_ONLY.search(digits) and not digits.startswith(("十", "百把", "千把", "万把")):
        return None
    value = parse(digits.replace("点", ".") if "." in digits else _pointed(digits))
    if value is None:
        return None
    if unit in {"毛", "角"}:
        value /= 10
    elif unit == "分钱":
        value /= 100
    return value + _small(small)


def _pointed(digits: str) -> str:
    """一点五万 as 1.5万."""
    head, dot, tail = digits.partition("点")
    if not dot:
        return digits
    fraction = "".join(str(parse(char)) for char in tail if char in _C)
    return f"{parse(head) or 0}.{fraction}{tail.lstrip(_C)}"


def _small(words: str | None) -> Decimal:
    """三毛五 of 五元三毛五; a lone digit after 块 is tenths."""
    if not words:
        return Decimal(0)
    if words == "半":
        return Decimal("0.5")
    tenths, _, rest = words.replace("角", "毛").partition("毛")
    cents = parse(rest.replace("分", "")) if rest else None
    return (parse(tenths) or Decimal(0)) / 10 + (cents or Decimal(0)) / 100


_FEWEST = 3
"""一个, 两个 are things; 三个 in money talk may be thirty thousand."""
_AFTER_RE = re.compile(_AFTER)


def _weak(text: str) -> list[Amount]:
    amounts = []
    for found in _MANY.finditer(text):
        value = parse(found["sum"])
        if value is None or found["sum"].startswith("几"):
            continue
        if value < _FEWEST and found["more"] != "半":
            continue
        value = value * 10_000 + (5_000 if found["more"] == "半" else 0)
        amounts.append(Amount(*found.span(), value, sure=False))
    for pattern in (_BARE, _HUNDREDS):
        amounts.extend(
            Amount(*found.span(), parse(found["sum"]), sure=False)
            for found in pattern.finditer(text)
        )
    return amounts
