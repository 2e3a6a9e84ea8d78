"""The words for days: one pattern for all of them and what each means. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal

from handlers.reading import feasts, lunar, spans
from handlers.reading.numerals import DIGITS, integer, parse
from handlers.reading.spans import Days

_D = "一二三四五六七八九"
_N31 = rf"(?:[12]\d|3[01]|0?[1-9]|三十一?|[二廿]十?[{_D}]|二十|廿|十[{_D}]?|[{_D}])"
_N12 = rf"(?:1[0-2]|0?[1-9]|十[一二]?|[{_D}]|(?<![\d{_D}十百千万亿几多来半美欧日港])元(?=月))"
_COUNT = rf"(?:\d{{1,4}}(?:\.\d)?|[{_D}两][{_D}十百]{{0,4}}|十[{_D}]?|半)[来多几]?"
_YEAR = (
    r"(?:(?:19|20|21|1\d)\d\d|\d\d|[一二][零九一二三四五六七八]{3}"
    r"|两千零?[一二三四五六七八九十]{1,3}"
    r"|[零一二六七八九五四三][零一二三四五六七八九])"
)
_YEAR_WORD = "大前年|前年|去年|上年|今年|本年|当年|这年|明年|来年|后年|大后年"
_Y = rf"(?:(?P<%y>{_YEAR})\s?年|(?P<%yw>{_YEAR_WORD}))[的里]?\s?"
_LUNAR = "(?P<%l>农历|阴历|旧历|老历)的?"
_MONTH_WORD = "上上个?月|上个?月|下下个?月|下个?月|这个?月|本月|当月"
_M = rf"(?:(?P<%m>{_N12})(?:(?<=\d)\s)?月份?|(?P<%lm>正月|冬月|腊月)|(?P<%mw>{_MONTH_WORD}))"
_PART = (
    r"(?P<%p>上旬|中旬|下旬|上半月|下半月|初(?![一二三四五六七八九十])|头|底|末|尾"
    r"|中(?!旬|秋)|半(?!天|年|个))"
)
_DAY = (
    rf"(?:(?P<%d>{_N31})(?:(?<=\d)\s)?[日号](?!楼|线|院|码|机|房|店|门|台|柜|床|子|称|脑|文)"
    rf"|(?P<%ld>(?:初|大年初)(?:10|[1-9]|十|[{_D}])(?![零一二三四五六七八九十中高]|[上下]学)"
    rf"|[廿][一二三四五六七八九]?(?![一二三四五六七八九]?[万千百个块]))"
    rf"|(?P<%bd>{_N31})(?![零一二三四五六七八九十百千万\d.个点块元岁:多几天年月周/%]|[把次起直定样共般趟笔]|亩"
    rf"|米|斤))"
)
_WD = "[一二三四五六日天末1-6]"
WEEK = r"(?:周|星期|礼拜)"

Atom = Days | None
Groups = Callable[[str], str | None]
_FEAST = "|".join(map(re.escape, feasts.NAMES))

_FORMS: dict[str, str] = {
    "ymd": r"(?<![\d.])(?P<%y>(?:1\d|20|21)\d\d)\s?(?P<%s>[-/. ])\s?(?P<%m>1[0-2]"
    r"|0?[1-9])\s?(?P=%s)"
    r"\s?(?P<%d>[12]\d|3[01]|0?[1-9])(?!\d)",
    "dmy": r"(?<![\d./])(?P<%d>[12]\d|3[01]|0?[1-9])(?P<%s>[-/.])(?P<%m>1[0-2]|0?[1-9])(?P=%s)"
    r"(?P<%y>(?:19|20)\d\d|\d\d)(?![\d.])",
    "md": r"(?<![\d./-])(?P<%m>1[0-2]|0?[1-9])(?:/(?P<%d>[12]\d|3[01]|0?[1-9])(?![\d/.])"
    r"|[./-](?P<%d2>[12]\d|3[01]|0?[1-9])(?:[号日]|(?=领证|结婚|办酒|到期|到(?!账)|满|兑|还款|开放|赎|搬家|开业|提车|交房|生日)))",
    "decade": rf"(?:(?P<%c>本|上个?|\d\d|[{_D}]?十[{_D}]?)世纪)?(?P<%d>\d0|[{_D}]十)年代",
    "yearpart": rf"(?:{_Y})?(?P<%p>上个?半年|下个?半年|前半年|后半年"
    rf"|(?:第[一二三四1-4]|[二三四1-4]|一(?!季度\s?[一给交付收打发还才要]))季度|上个?季度|下个?季度|这个?季度|本季度)",
    "yearnth": rf"(?:{_Y}|(?P<%m>{_N12})\s?月份?的)(?P<%w>第|前|[最]后"
    rf"|末)\s?(?P<%n>{_COUNT}|一)\s?个?(?P<%u>月|周|星期|礼拜|天)"
    rf"(?!{_WD})",
    "nthweekday": rf"(?:{_Y})?(?:(?P<%m>{_N12})\s?月份?"
    rf"|(?P<%mw>{_MONTH_WORD}))的?(?P<%w>第|最后)(?P<%n>[{_D}])?个?(?P<%k>{WEEK}{_WD})",
    "feast": rf"(?:{_Y})?(?:{_LUNAR})?(?P<%f>{_FEAST})节?(?![号日]|快乐|特|宫|生|糕|饼"
    rf"|圆|花|树|礼盒|档|梅|钱没|(?<=月[{_D}])十)",
    "month": rf"(?:{_Y})?(?:{_LUNAR})?{_M}(?:份?的?\s?(?:{_PART}|{_DAY}))?(?!经|饼|嫂"
    rf"|子|票|供|薪|租|球|亮|光|收)",
    "lunarday": rf"(?:{_LUNAR})(?P<%d>{_N31})(?![\d十百千万])",
    "bareday": r"(?<![第\d./念读上升-])(?:(?<![一二三四五六七八九十])|(?=[初廿]))"
    + _DAY.replace(
        rf"|(?P<%bd>{_N31})(?![零一二三四五六七八九十百千万\d.个点块元岁:多几天年月周/%]|[把次起直定样共般趟笔]|亩|米|斤)",
        "",
    ),
    "monthpart": r"(?<![年月\d一二三四五六七八九十个上下岁])(?P<%p>月初|月头|月中|月半"
    r"|月底|月末|月尾|上旬|中旬|下旬|上半月|下半月)",
    "newyear": r"(?P<%w>年前|年后|过完年|过了年|开年后)(?![轻级])",
    "yearend": rf"(?:{_Y})?(?P<%p>年底|年末|年尾|年初|年中)",
    "week": rf"(?P<%s>上上|下下|上|下|这|本)?(?:1?个"
    rf"|一)?(?P<%w>周(?!(?<![上下这本]周)到(?![期账点手时])|[岁年围边刊转期记折长密旋])|星期|礼拜)(?P<%k>{_WD})?(?!五粮"
    rf"|一样|岁|年)",
    "half_week": r"(?P<%h>上|下)半周",
    "day": r"(?P<%w>大后天|大前天|大后日|后天|后日|明天|明日|明儿个?|明个|明朝|今天"
    r"|后儿个?|明后两?天|明后日|今明两?天|今日|今儿个?|今朝|昨天|昨日|昨儿个?|夜来(?!风)|夜儿个?|前天|前日|前儿)(?!再来)"
    r"|(?P<%e>今|明|昨|后|前)(?=晚|早|晨|夜|[上下]午|中午)",
    "year": rf"(?:(?P<%y>(?:19|20)\d\d|[一二][零九][零一二三四五六七八九]{{2}}|0\d"
    rf"|[5-9]\d(?=年[的生出])|[一二六七八九][零一二三四五六七八九](?=年的|年生"
    rf"|年出))\s?年(?![级龄])"
    rf"|(?P<%yw>{_YEAR_WORD})|(?P<%yy>\d\d)\s?年(?=\s?(?:以前|之前|以来|开始|毕业|起)))",
    "offset": rf"(?<![\d.第])(?:(?P<%b>再过|还有|还剩下?|还差|再有|过|差|再等"
    rf"|等)\s?)?(?P<%n>{_COUNT})\s?(?P<%g>个)?\s?(?P<%h>半)?(?P<%u>天|日|周|星期|礼拜"
    rf"|月|年|小时|钟头|分钟|季度)(?!多)"
    r"(?P<%q>半)?(?:左右)?\s?(?P<%a>之后|以后|过后|后(?![面年天])|之前|以前|前(?![面些面])"
    r"|内|之内|以内|里)?",
    "last": rf"(?P<%w>(?:近|最近|过去|未来|接下来|今后)\s?|上|前|下)(?P<%n>{_COUNT}"
    rf"|一)?\s?个?\s?(?P<%u>天|日|周|星期|礼拜|月|年|小时|分钟)(?![的]?第)",
    "bareyear": r"(?:(?<=从)|(?<== )|(?<=到)|(?<==))(?P<%y>20\d\d|19\d\d)(?![\d.年月])"
    r"|(?<!\d)(?P<%yy>20\d\d|19\d\d)(?=\s?[-~至到]\s?(?:19|20)\d\d\s?年)",
}


def _compile() -> re.Pattern[str]:
    parts = []
    for kind, form in _FORMS.items():
        parts.append(f"(?P<{kind}>{form.replace('%', kind + '_')})")
    return re.compile("|".join(parts))


PATTERN = _compile()
"""Named by kind; inner groups are ``kind_name``."""
KINDS = tuple(_FORMS)


def resolve(found: re.Match[str], today: date) -> tuple[str, Days | None]:
    """The kind of an atom and its days; None when the words mean no day."""
    kind = found.lastgroup or ""
    for name in KINDS:
        if found[name] is not None:
            kind = name
            break

    def group(name: str) -> str | None:
        try:
            return found[f"{kind}_{name}"]
        except IndexError:
            return None

    try:
        return kind, _RESOLVERS[kind](group, today)
    except (ValueError, OverflowError):
        return kind, None


def year_of(group: Groups, today: date) -> int | None:
    """The year that the words name, in full."""
    word = group("yw")
    if word:
        steps = {"大前": -3, "前年": -2, "去年": -1, "上年": -1, "明年": 1, "来年": 1, "后年": 2}
        return today.year + (3 if word == "大后年" else steps.get(word[:2], 0))
    return full_year(group("y") or group("yy"), today)


def full_year(text: str | None, today: date) -> int | None:
    """07 and 六三 to four digits: at most five years ahead, else the last century."""
    if not text:
        return None
    if len(text) in (2, 4) and all(char in DIGITS for char in text):
        value = int("".join(str(DIGITS[char]) for char in text))
    else:
        value = integer(text) or 0
    if value < 100:
        return value + (2000 if value + 2000 <= today.year + 5 else 1900)
    return value


def _ymd(group: Groups, _today: date) -> Atom:
    return spans.one(spans.make(int(group("y") or 0), int(group("m") or 0), int(group("d") or 0)))


def _dmy(group: Groups, today: date) -> Atom:
    year = full_year(group("y"), today) or 0
    return spans.one(spans.make(year, int(group("m") or 0), int(group("d") or 0)))


def _md(group: Groups, today: date) -> Atom:
    day = int(group("d") or group("d2") or 0)
    return _in_month(int(group("m") or 0), day, None, today)


def _in_month(month: int, day: int, year: int | None, today: date) -> Atom:
    if year:
        return spans.one(spans.make(year, month, day))
    return spans.yearly(lambda y: spans.single(spans.make(y, month, day)), today, reach=4)


def _decade(group: Groups, today: date) -> Atom:
    word = group("c")
    if word is None:
        century = 19
    elif word.startswith(("本", "上")):
        century = today.year // 100 - word.startswith("上")
    else:
        century = (integer(word) or 1) - 1
    start = century * 100 + (integer(group("d") or "") or 0)
    return Days(date(start, 1, 1), date(start + 9, 12, 31), "year")


def _yearpart(group: Groups, today: date) -> Atom:
    word, year = group("p") or "", year_of(group, today)
    if "半年" in word:
        late = word[0] in "下后"
        months = (7, 12) if late else (1, 6)
        first, last = year or today.year, year or today.year
    else:
        quarter = next((integer(char) or 0 for char in word if char in "1234一二三四"), 0)
        if not quarter:
            index = today.year * 4 + (today.month - 1) // 3
            index += {"上": -1, "下": 1}.get(word[0], 0)
            year, quarter = index // 4, index % 4 + 1
        months = (quarter * 3 - 2, quarter * 3)
        first = last = year or today.year
    start, stop = date(first, months[0], 1), spans.month_span(last, months[1])[1]
    if year is None and stop < today:
        nxt = (start.replace(year=first + 1), spans.month_span(last + 1, months[1])[1])
        explicit = "半年" in word
        chosen = (start, stop) if explicit else nxt
        return Days(*chosen, "part", (start, stop))
    return Days(start, stop, "part")


def _yearnth(group: Groups, today: date) -> Atom:  # noqa: PLR0911 - one return for each form
    count, unit, which = int(parse(group("n") or "一") or 1), group("u"), group("w")
    if group("m"):
        month = _month(group, today)
        if month is None or month.first is None:
            return None
        monday = lunar.nth_weekday(month.first.year, month.first.month, 0, count)
        first, last = spans.week(monday, 0)
        other = None
        if month.other:
            before = lunar.nth_weekday(month.other[0].year, month.other[0].month, 0, count)
            other = spans.week(before, 0)
        return Days(first, last, "week", other)
    year = year_of(group, today) or today.year
    if unit == "月":
        return _months_of(year, count, which)
    if unit == "天":
        begin = date(year, 1, 1)
        if which == "前":
            return Days(begin, spans.add_days(begin, count - 1))
        return Days(spans.add_days(date(year, 12, 31), 1 - count), date(year, 12, 31))
    monday = lunar.nth_weekday(year, 1, 0, 1)
    if which == "第":
        return Days(*spans.week(spans.add_days(monday, 7 * (count - 1)), 0), "week")
    if which == "前":
        return Days(monday, spans.add_days(monday, 7 * count - 1), "week")
    end = spans.add_days(date(year + 1, 1, 1), -1 - date(year, 12, 31).weekday() - 0)
    end = end if end.weekday() == 6 else spans.add_days(end, -(end.weekday() + 1))
    return Days(spans.add_days(end, 1 - 7 * count), end, "week")


def _months_of(year: int, count: int, which: str | None) -> Atom:
    if which == "第":
        return Days(*spans.month_span(year, count), "month")
    if which == "前":
        return Days(date(year, 1, 1), spans.month_span(year, count)[1], "month")
    return Days(date(year, 13 - count, 1), date(year, 12, 31), "month")


def _nthweekday(group: Groups, today: date) -> Atom:
    month = _month(group, today)
    if month is None or month.first is None:
        return None
    weekday = _weekday((group("k") or "")[-1])
    first, last = spans.month_span(month.first.year, month.first.month)
    if group("w") == "最后":
        return spans.one(spans.add_days(last, -((last.weekday() - weekday) % 7)))
    nth = integer(group("n") or "一") or 1
    return spans.one(lunar.nth_weekday(first.year, first.month, weekday, nth))


def _feast(group: Groups, today: date) -> Atom:
    return feasts.resolve(group("f") or "", today, year_of(group, today))


def _month(group: Groups, today: date) -> Atom:
    """A month alone, with its part, or with its day."""
    year, word = year_of(group, today), group("mw")
    lunar_month = group("lm") or (group("l") and group("m")) or (group("ld") and group("m"))
    if word:
        steps = {"上上": -2, "上": -1, "下下": 2, "下": 1}
        step = steps.get(word[:2], steps.get(word[:1], 0))
        start = spans.add_months(today.replace(day=1), step)
        return _inside(spans.month_span(start.year, start.month), group)
    if lunar_month:
        month = {"正月": 1, "冬月": 11, "腊月": 12}.get(group("lm") or "") or integer(
            group("m") or ""
        )
        return _yearly_part(lambda y: spans.lunar_month(y, month or 0), year, group, today)
    month = 1 if group("m") == "元" else integer(group("m") or "") or 0
    return _yearly_part(lambda y: spans.month_span(y, month), year, group, today)


def _yearly_part(
    month: Callable[[int], tuple[date, date] | None],
    year: int | None,
    group: Groups,
    today: date,
) -> Atom:
    def inside(y: int) -> tuple[date, date] | None:
        whole = month(y)
        found = _inside(whole, group) if whole else None
        return (found.first, found.last) if found and found.first and found.last else None

    if year:
        found = inside(year)
        return Days(*found, _grain(group)) if found else None
    days = spans.yearly(inside, today, reach=4)
    return days and Days(days.first, days.last, _grain(group), days.other, days.loose)


def _grain(group: Groups) -> spans.Grain:
    if group("p"):
        return "part"
    return "day" if group("d") or group("ld") or group("bd") else "month"


def _inside(month: tuple[date, date], group: Groups) -> Atom:
    first, last = month
    part = group("p")
    if part:
        return Days(*spans.part_of(first, last, part.removesuffix("月")), "part")
    day = lunar_day(group("ld")) or integer(group("d") or group("bd") or "")
    if not day:
        return Days(first, last, "month")
    chosen = spans.add_days(first, day - 1)
    return spans.one(chosen) if chosen <= last else None


def lunar_day(text: str | None) -> int | None:
    """初六, 廿三, 廿 as a day of the month."""
    if not text:
        return None
    if text.startswith("廿"):
        return 20 + DIGITS.get(text[1:], 0)
    return integer(text.split("初")[-1])


def _lunarday(group: Groups, today: date) -> Atom:
    day = integer(group("d") or "")
    return spans.lunar_monthly(day, today) if day else None


def _bareday(group: Groups, today: date) -> Atom:
    lunar_text = group("ld")
    if lunar_text and lunar_text.startswith("大年"):
        day = lunar_day(lunar_text) or 1
        return spans.yearly(lambda y: spans.single(lunar.solar(y, 1, day)), today)
    if lunar_text:
        return spans.lunar_monthly(lunar_day(lunar_text) or 1, today)
    number = integer(group("d") or "") or 0
    start = today.replace(day=1)
    months = (spans.add_months(start, step) for step in (-2, -1, 0, 1, 2))
    found = spans.pick(
        (spans.single(spans.make(month.year, month.month, number)) for month in months), today
    )
    return found and Days(found.first, found.last, "day", found.other, frozenset({"year", "month"}))


def _monthpart(group: Groups, today: date) -> Atom:
    word = group("p") or ""
    part = word.removeprefix("月") if word.startswith("月") else word.removesuffix("月")
    start = today.replace(day=1)
    whole = (spans.add_months(start, step) for step in (-1, 0, 1))
    parts = [spans.part_of(*spans.month_span(m.year, m.month), part) for m in whole]
    if "半月" in word:
        return Days(*parts[1], "part")
    found = spans.pick(parts, today)
    return found and Days(found.first, found.last, "part", found.other)


def _newyear(group: Groups, today: date) -> Atom:
    """年后 is the fortnight from New Year's Day; 年前 ends with its eve."""
    coming = lunar.new_year(today.year)
    if coming is None or coming <= today:
        coming = lunar.new_year(today.year + 1)
    if coming is None:
        return None
    if group("w") == "年前":
        return Days(None, spans.add_days(coming, -1), "part")
    this_year = lunar.new_year(today.year)
    if this_year and this_year <= today <= spans.add_days(this_year, 14):
        coming = this_year
    return Days(coming, spans.add_days(coming, 14), "part")


def _yearend(group: Groups, today: date) -> Atom:
    year, part = year_of(group, today), group("p")
    months = {"年初": (1, 1), "年中": (6, 6)}.get(part or "", (12, 12))

    def span(y: int) -> tuple[date, date]:
        return date(y, months[0], 1), spans.month_span(y, months[1])[1]

    if year:
        return Days(*span(year), "part")
    days = spans.yearly(span, today)
    return days and Days(days.first, days.last, "part", days.other, days.loose)


def _weekday(char: str) -> int:
    """Monday is 0."""
    return (
        "一二三四五六日".find("日" if char == "天" else char)
        if not char.isdigit()
        else (int(char) - 1)
    )


def _week(group: Groups, today: date) -> Atom:
    steps = {"上上": -2, "上": -1, "下": 1, "下下": 2, "这": 0, "本": 0}
    which, key = group("s"), group("k")
    if key is None:
        return Days(*spans.week(today, steps[which]), "week") if which else None
    if key == "末":
        monday, sunday = spans.week(today, steps.get(which or "这", 0))
        return Days(spans.add_days(monday, 5), sunday, "week")
    weekday = _weekday(key)
    if which:
        return spans.one(spans.add_days(spans.week(today, steps[which])[0], weekday))
    ahead = (weekday - today.weekday()) % 7
    coming = spans.add_days(today, ahead)
    gone = spans.add_days(coming, -7)
    return Days(coming, coming, "day", (gone, gone))


def _half_week(group: Groups, today: date) -> Atom:
    monday, sunday = spans.week(today, 0)
    if group("h") == "上":
        return Days(monday, spans.add_days(monday, 3), "part")
    return Days(spans.add_days(monday, 3), sunday, "part")


def _day(group: Groups, today: date) -> Atom:
    steps = {"大后": 3, "大前": -3, "后": 2, "明": 1, "今": 0, "昨": -1, "夜": -1, "前": -2}
    word = group("w") or group("e") or ""
    if word[:2] in {"明后", "今明"}:
        first = steps[word[0]]
        return Days(spans.add_days(today, first), spans.add_days(today, first + 1), "part")
    step = steps.get(word[:2], steps.get(word[:1], 0))
    return spans.one(spans.add_days(today, step))


def _offset(group: Groups, today: date) -> Atom:
    """三天后, 还有两个月, 半个月前: one day; a bare duration is none."""
    before, after, unit = group("b"), group("a"), group("u") or ""
    count = parse(group("n") or "")
    soon = before == "过" and group("n") == "两" and unit == "天"  # one of these days
    if count is None or soon or unit in {"小时", "钟头", "分钟"} or not (before or after):
        return None
    if unit == "月" and not group("g") and group("n") != "半":
        return None
    if unit == "年" and before in {"过", None} and after is None:
        return None
    if group("h") or group("q"):
        count += Decimal("0.5")
    if after in {"之前", "以前", "前"} and not before:
        return spans.one(spans.moved(today, -count, unit))
    target = spans.moved(today, count, unit)
    if after in {"内", "之内", "以内", "里"}:
        return Days(today, target, "part")
    return spans.one(target)


def _last(group: Groups, today: date) -> Atom:
    word, unit = (group("w") or "").strip(), group("u") or ""
    if unit in {"小时", "分钟"} or (group("n") is None):
        return None
    count = parse(group("n") or "一")
    if count is None or (word in "上前下" and count > 100):
        return None
    if word in {"近", "最近", "过去", "上", "前"}:
        return Days(spans.moved(today, -count, unit), spans.add_days(today, -1), "part")
    return Days(spans.add_days(today, 1), spans.moved(today, count, unit), "part")


def _year(group: Groups, today: date) -> Atom:
    year = year_of(group, today) or full_year(group("y"), today)
    if not year:
        return None
    return Days(date(year, 1, 1), date(year, 12, 31), "year")


_RESOLVERS: dict[str, Callable[[Groups, date], Atom]] = {
    "ymd": _ymd,
    "dmy": _dmy,
    "md": _md,
    "decade": _decade,
    "yearpart": _yearpart,
    "yearnth": _yearnth,
    "nthweekday": _nthweekday,
    "feast": _feast,
    "month": _month,
    "lunarday": _lunarday,
    "bareday": _bareday,
    "monthpart": _monthpart,
    "newyear": _newyear,
    "yearend": _yearend,
    "week": _week,
    "half_week": _half_week,
    "day": _day,
    "offset": _offset,
    "last": _last,
    "year": _year,
    "bareyear": _year,
}
