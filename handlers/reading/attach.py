"""Gives each reading the dates and sums that belong to it. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from bot.facts import FactType
from handlers.reading import dates
from handlers.reading.amounts import Amount, Money
from handlers.reading.dates import When
from handlers.reading.spans import Days

if TYPE_CHECKING:
    from handlers.reading.engine import Message, Reading

_FLOWS = frozenset({FactType.INFLOW, FactType.OUTFLOW})
_HOLDINGS = frozenset({FactType.OTHER_BANK, FactType.MATURITY})
_PUT_IN = re.compile(
    "(?:的?时候|这会儿?|那会儿?|[这那]时候?|就|我|又|年底|年初|[春夏秋冬]天)?(?:[存放买办定贷借](?:的|了|进|过|在|下)|开的户)"
)
"""一年前放的: the day it was put in, not the day it falls due."""
_FALLS_DUE = re.compile("[才就要该]*(?:到|满|能取|能动|解)")
_NOT_HELD = re.compile(
    "(?:每个?月|月供|额度|提前还了?|亏了?|赚了?|送|利息|收益|还了|取了)[^ ,。!?;、]{0,3}$"
)
_LENT = re.compile("[贷借]了?$")
_OWED = re.compile("还?[剩欠](?:下|着|了)?[\\d一二两三四五六七八九十]")
"""贷了四十万 还剩二十六万: what is still owed is what is held."""
_ON_THE_SPOT = re.compile("当天|当场|那天|当日|现场|进场就|一进场|拿钱|一手交")
_REACH = 3
"""Clauses away that a date or sum may stand from its verb when nothing else claims it."""
_PAST = re.compile(
    "已经|刚刚|刚|当时|那会|那时候|早就|上回|上次|[收付花交打转取给买结生搬卖退提拿领掉欠存捐借缴进包送随发报刷装请订换修租还补垫投汇]了(?!再|就)|过了|了的$|[到发收打结转给付交领取存买卖提]的$|的时候"
)
_FELL_DUE = re.compile("(?:到期|到|满期|满|下来|到账|发)了")
_LATELY = 10
_COMING = re.compile("要|准备|打算|快|想|等|就|会|该|预计|估计|将|得|还没|才")
_SAME_DAY = re.compile("当天|那天|当日")
_RATE_LIKE = re.compile(
    r"(?:/|每|一)?(?:斤|亩|平|一个月|每月|个月|/月|一平|一天|一年(?!期|定|的?理财|的?定|存)|一晚|一课|一节)"
)
_MONTHLY = re.compile(r"(?:每个?月|月供|每年|每季度|一个月|月租|每天|一年|按月)[^ ,。!?;、]{0,5}$")
_PER = re.compile(
    r"(?:每|一)(?:斤|亩|平|月|天|年|个月|个|节|次|晚|位|人|口人|口|户|家|股|学期|季度)$"
)
_DONE = re.compile(
    r"(?:[给收付交花随包打垫退赔发还结转汇领卖补寄捐缴买]了|拿到|收到|到手)我?[\d一二两三四五六七八九十]"
)
_LOAN = re.compile("(?:贷(?:款|个|点|到|出|了|得|啲|多|了个|它|上)?|没有?|冇|不够)$")
"""贷八十万 and 没两万 are no money that moves."""
_FEE = re.compile(
    "租给|租出|包给|流转|转租|护工|保姆|月嫂|伙食|托管|课|班|琴|[学保房租管社承会]费|费|房租|租金|店租|地租|保险|社保"
)
_WRONG = re.compile(
    r"(?:看岔|看错|记错|说错|写错|打错|弄错|搞错|讲错|算错|听错|记岔|说岔|口误|更正|更改|改期|延期)"
    r"|改(?:到|成|为|在|了)|现在改|(?:推|延|挪|提前|拖)(?:迟|后)?到|变(?:成|更)"
    r"|不是.{1,8}?[,、; ]?\s?(?:而?是|应该是)"
)
"""Between two dates or two sums: the second one holds."""
_SHIFTED = re.compile("[挪搬转][到去]")
"""两万我挪到…: the money moves, no day is changed."""
_CORRECTED = re.compile(
    r"不是.{0,8}[,、 ]?(?:而?是|应该是)|改成|改到|改(?=[\d一二三四五六七八九十])"
    r"|推到|推迟到|提前到|更正"
)
_ORIGIN = re.compile(
    "[存办买放开定在]|这时候|这会儿|这个时候|今天|暑假|寒假|夏|秋|春|冬|[上下]学期"
)
_EXACT = frozenset({"month", "ymd", "md", "feast", "yearpart"})
"""Beside these 还有两年 says nothing new."""
_EVERY = re.compile("这个月|本月|当月|今年|这季度|本季度|下季度|上季度|这学期|下学期")
_DUES = re.compile(
    "的?(?:(?:门面|店面|铺面|商铺|摊位|厂房|仓库|房子)?的?租金|房租|店租|铺租|地租|物业|学费|保费|取暖|奖金|工资|退休金|养老金|低保|补贴|提成|货款|运费|月供|房贷|电费|话费|绩效|社保|水电|电费|利息|年终|车险)"
)
"""这个月奖金, 下季度房租: the time it is for, not the day it moves."""
_MOVES = re.compile(
    "(?:之?前|以前|才|再|就|能|会|要|得|先|都|给|来|一次)*(?:清|结|给|打|到|发|拨|兑|付|交|还|退|缴|汇|拿|放款|到账|入账|进账)"
)
"""Right behind a day: that is the day the money moves."""
_REPEATED = re.compile("每个?(?:月|年|周|星期|礼拜)?的?$")
"""每月20号 is no day of its own."""
_MONEY_TALK = re.compile(
    "[万块钱款费元账存取贷租押奖礼花]|转了?给|转账|汇|付|工资|定期|到期|利息|理财|基金|国债|红包|彩礼|[交缴捐卖买还欠]了|[随包封](?:了|个|上|出)|还[我他她给]"
)
"""Without such words a bare number is no sum."""
_LEARNT = re.compile("我?才(?:晓得|知道|听说|发现|看到|想起)")
"""今天才晓得: the day one hears of it."""
_FLOATING = frozenset({"last", "decade"})
_Kind = TypeVar("_Kind", Amount, When)


class Attachments:
    """The dates and sums of one message, found when first asked for."""

    def __init__(self, message: Message, sent_at: datetime, money: Money) -> None:
        self._message, self._sent_at, self._money = message, sent_at, money
        self._busy: dict[int, set[FactType]] = {}
        self._events: set[int] = set()

    @property
    def today(self) -> date:
        """The message's own day in Shanghai."""
        return self._sent_at.date()

    @cached_property
    def amounts(self) -> list[Amount]:
        """Sums in order, but no prices a pound or wages a month."""
        text = self._message.text
        return [
            amount
            for amount in self._money.find(text)
            if (amount.sure or _MONEY_TALK.search(text))
            and not _RATE_LIKE.match(text, amount.end)
            and not self._priced(amount)
            and not self._monthly(amount)
        ]

    def _priced(self, amount: Amount) -> bool:
        """一斤五块 is a price; 学费一年九万八 alone is what is paid."""
        text = self._message.text
        found = _PER.search(text, max(0, amount.start - 4), amount.start)
        if found is None:
            return False
        alone = not any(a.sure and a.start != amount.start for a in self._money.find(text))
        term = found.group().endswith(("年", "月", "学期", "季度"))
        if term and _FEE.search(text, 0, amount.start) is None:
            return True
        return not ((term or found.group().endswith(("人", "口", "户", "家", "股"))) and alone)

    def _monthly(self, amount: Amount) -> bool:
        """每月还三千 beside another sum is what is paid each time, not what is owed."""
        text = self._message.text
        if _MONTHLY.search(text, max(0, amount.start - 12), amount.start) is None:
            return False
        return sum(other.sure for other in self._money.find(text)) > 1

    @cached_property
    def whens(self) -> list[When]:
        """Dates in order, each in the tense of its clause."""
        found = [
            when
            for when in dates.find(self._message.text, self._sent_at)
            if when.settled
            and when.kind not in _FLOATING
            and not self._attribute(when)
            and not _LEARNT.match(self._message.text, when.end)
            and not _REPEATED.search(self._message.text, max(0, when.start - 3), when.start)
        ]
        exact = [when for when in found if when.kind in _EXACT]
        found = [when for when in found if not exact or when.kind != "offset" or _near_day(when)]
        return self._neighbours(self._same_day([self._in_tense(when) for when in found]))

    def _attribute(self, when: When) -> bool:
        """今年的物业费 is no date, and 去年存的 no maturity."""
        text = self._message.text
        period = (
            when.days.grain == "month"
            or when.kind == "yearpart"
            or _EVERY.search(text, when.start, when.end)
        )
        named = when.kind == "feast" and text.startswith("的", when.end)
        if (period or named) and _DUES.match(text, when.end):
            return True
        follows = text[when.end : when.end + 3]
        return when.kind == "year" and (
            follows.startswith("的") or _ORIGIN.match(follows) is not None
        )

    def _in_tense(self, when: When) -> When:
        """A bare month or day of a past sentence lies behind."""
        if when.days.other is None:
            return when
        start, end = self._clause_span(when.start)
        if self._just_over(when, start, end):
            return replace(when, days=when.days.past())
        if _PAST.search(self._message.text, when.end, end) is None or _COMING.search(
            self._message.text, start, end
        ):
            return when
        return replace(when, days=when.days.past())

    def _just_over(self, when: When, start: int, end: int) -> bool:
        """大雪那天就到期了, said on the day after: last week's day, not next year's."""
        text, last = self._message.text, when.days.past().last
        if last is None or not 0 <= (self.today - last).days <= _LATELY:
            return False
        if _FELL_DUE.search(text, when.end, end):
            return True
        return _PAST.search(text, when.end, end) is not None and not _COMING.search(
            text, start, end
        )

    def _same_day(self, whens: list[When]) -> list[When]:
        """当天 in a later clause is the day named before it."""
        out = list(whens)
        for again in _SAME_DAY.finditer(self._message.text):
            if any(when.start <= again.start() < when.end for when in whens):
                continue
            named = [when for when in whens if when.end <= again.start() and when.days.first]
            if named:
                out.append(When(*again.span(), named[-1].days, (), "again"))
        return sorted(out, key=lambda when: when.start)

    def _neighbours(self, whens: list[When]) -> list[When]:
        """礼拜三礼拜四 side by side are one span of days."""
        out: list[When] = []
        for when in whens:
            last = out[-1] if out else None
            if last and self._beside(last, when):
                days = Days(last.days.first, when.days.last, "part")
                out[-1] = replace(last, end=when.end, days=days, kind="range")
            else:
                out.append(when)
        return out

    def _beside(self, left: When, right: When) -> bool:
        between = self._message.text[left.end : right.start]
        if left.kind != right.kind or between not in {"", "、", "或", "或者", "和", "跟"}:
            return False
        first, last = left.days.first, right.days.last
        return first is not None and last is not None and 0 < (last - first).days <= 7

    def _clause_span(self, position: int) -> tuple[int, int]:
        index = self._message.clause_at(position)
        return self._message.clauses[index]

    def give(self, readings: list[Reading]) -> None:
        """Fill ``amount``, ``date_from`` and ``date_to`` of the readings that take them."""
        self._busy = {}
        for r in readings:
            if r.frame.type is not FactType.LIFE_EVENT:
                for clause in range(r.clauses[0], r.clauses[1] + 1):
                    self._busy.setdefault(clause, set()).add(r.frame.type)
        self._events = {
            clause
            for r in readings
            if r.frame.type is FactType.LIFE_EVENT and r.value.get("kind") != "car_purchase"
            for clause in range(r.clauses[0], r.clauses[1] + 1)
        }
        if any("amount" in reading.frame.take for reading in readings):
            self._give_amounts([r for r in readings if "amount" in r.frame.take])
        if any("date" in reading.frame.take for reading in readings):
            self._give_dates([r for r in readings if "date" in r.frame.take])

    def _give_amounts(self, readings: list[Reading]) -> None:
        found = [a for a in self.amounts if a.yuan is not None or a.value is None]
        found = self._corrected(found)
        foreign = any(amount.currency != "CNY" for amount in self.amounts)
        for reading in readings:
            reading.has_sum = foreign
        sure = {self._message.clause_at(a.start) for a in found if a.sure}
        usable = [a for a in found if a.sure or self._message.clause_at(a.start) not in sure]
        for index, amount in self._owners(readings, usable).items():
            owner = readings[index]
            owner.spans.append((amount.start, amount.end))
            owner.has_sum = True
            if amount.yuan is not None and amount.currency == "CNY":
                owner.value["amount"] = amount.yuan
                owner.owns_sum = self._in(owner, amount)

    def _give_dates(self, readings: list[Reading]) -> None:
        for reading, when in self._owners(readings, self._corrected(self.whens)).items():
            value = readings[reading].value
            _put(value, "date_from", when.days.first)
            _put(value, "date_to", when.days.last)
            readings[reading].spans.append((when.start, when.end))

    def _corrected(self, found: list[_Kind]) -> list[_Kind]:
        """21号到 看岔了 是24号: what is taken back does not count."""
        text = self._message.text
        kept = [
            item
            for item, after in pairwise(found)
            if _WRONG.search(text, max(0, item.start - 3), after.start) is None
            or (isinstance(item, Amount) and _SHIFTED.search(text, item.end, after.start))
        ]
        return kept + found[-1:]

    def _owners(self, readings: list[Reading], found: list[_Kind]) -> dict[int, _Kind]:
        """First what stands in a reading's own clauses, then what nobody else claims nearby."""
        out: dict[int, _Kind] = {}
        for index, reading in enumerate(readings):
            own = [i for i in found if self._in(reading, i) and self._fits(reading, i)]
            if own:
                out[index] = self._best(reading, own)
        for index, reading in enumerate(readings):
            had = out.get(index)
            if had is not None and not (_vague(had) or self._waits(reading, had)):
                continue
            for clause in self._around(reading, past_own=had is not None):
                loose = [
                    item
                    for item in found
                    if self._message.clause_at(item.start) == clause
                    and self._fits(reading, item)
                    and not self._claimed(item, reading, out, readings)
                ]
                if loose:
                    new = self._best(reading, loose)
                    if had is None or _vague(had) or self._moves(new):
                        out[index] = self._better(had, new)
                    break
        self._narrow(out, readings, found)
        return out

    def _narrow(self, out: dict[int, _Kind], readings: list[Reading], found: list[_Kind]) -> None:
        """下个月要还 两万五 1月18号: the day within that month, named in a free clause."""
        for index, had in out.items():
            if not isinstance(had, When) or had.days.grain != "month":
                continue
            clauses = self._around(readings[index], past_own=True)
            inside = [
                item
                for item in found
                if self._message.clause_at(item.start) in clauses and _within(item, had)
            ]
            if len(inside) == 1:
                out[index] = inside[0]

    def _moves(self, item: Amount | When) -> bool:
        """三号给他: the day on which the money itself goes."""
        return isinstance(item, When) and _MOVES.match(self._message.text, item.end) is not None

    def _waits(self, reading: Reading, item: Amount | When) -> bool:
        """清明要立碑: a day of the matter, beside which the day of paying may still stand."""
        flows = reading.frame.type in _FLOWS
        return flows and isinstance(item, When) and item.kind == "feast" and not self._moves(item)

    def _fits(self, reading: Reading, item: Amount | When) -> bool:
        """贷八十万 is a wish for credit; 给了十六万 has no day that is still to come."""
        if reading.frame.type not in _FLOWS:
            return reading.frame.type not in _HOLDINGS or self._is_held(item)
        if isinstance(item, When):
            if item.days.grain == "year" or self._of_event(reading, item):
                return False
            return not self._after_done(reading, item)
        return _LOAN.search(self._message.text, max(0, item.start - 3), item.start) is None

    def _is_held(self, item: Amount | When) -> bool:
        """Not the day it was put in, nor what is paid each month, lost or paid back already."""
        text = self._message.text
        if isinstance(item, When):
            years = item.kind == "offset" and "年" in text[item.start : item.end]
            if years and _FALLS_DUE.match(text, item.end) is None:
                return False
            return _PUT_IN.match(text, item.end) is None
        if _LENT.search(text, max(0, item.start - 3), item.start) and _OWED.search(text, item.end):
            return False
        return _NOT_HELD.search(text, max(0, item.start - 8), item.start) is None

    def _of_event(self, reading: Reading, when: When) -> bool:
        """The day of the wedding is not the day the dowry is paid."""
        clause = self._message.clause_at(when.start)
        if self._in(reading, when) or clause not in self._events:
            return False
        return _ON_THE_SPOT.search(self._message.text) is None

    def _after_done(self, reading: Reading, when: When) -> bool:
        first = when.days.first
        if first is None or first <= self.today:
            return False
        done = _DONE.search(self._message.text, *self._message.around(*reading.clauses))
        clause_at = self._message.clause_at
        return done is not None and clause_at(done.start()) != clause_at(when.start)

    @staticmethod
    def _claimed(
        item: Amount | When, reading: Reading, out: dict[int, _Kind], readings: list[Reading]
    ) -> bool:
        """A sum between two verbs belongs to the first reading; a day may serve several."""
        if isinstance(item, When):
            return False
        return any(
            other is item and readings[index].frame.type is not reading.frame.type
            for index, other in out.items()
        )

    def _better(self, old: _Kind | None, new: _Kind) -> _Kind:
        """An explicit day in the next clause beats a vague one in this."""
        if old is None or (isinstance(new, When) and new.days.grain == "day"):
            return new
        return old

    def _in(self, reading: Reading, item: Amount | When) -> bool:
        first, last = reading.clauses
        return first <= self._message.clause_at(item.start) <= last

    def _around(self, reading: Reading, *, past_own: bool) -> list[int]:
        """Free clauses after the reading, then before it, up to the next busy one."""
        first, last = reading.clauses
        out: list[int] = []
        for step, start in ((1, last), (-1, first)):
            for distance in range(1, _REACH + 1):
                clause = start + step * distance
                if not 0 <= clause < len(self._message.clauses):
                    break
                busy = self._busy.get(clause, set())
                if busy and not (past_own and busy == {reading.frame.type}):
                    break
                out.append(clause)
        return out

    def _best(self, reading: Reading, items: list[_Kind]) -> _Kind:
        """The nearest; days win over months, and what a correction names wins over all."""
        if len(items) == 1:
            return items[0]
        text = self._message.text
        if _CORRECTED.search(text, items[0].end - 1, items[-1].start + 1) or (
            _CORRECTED.search(text, max(0, items[0].start - 3), items[-1].start)
        ):
            return items[-1]

        def key(item: _Kind) -> tuple[int, int, int]:
            rank = 0
            if isinstance(item, When):
                rank = {"day": 0, "feast": 0, "part": 1, "week": 1, "month": 2}.get(
                    item.days.grain, 3
                ) + 2 * (item.kind in {"clock", "now"})
                rank -= 3 * (_MOVES.match(text, item.end) is not None)
            elif item.value is None:
                rank = 1
            gap = max(reading.start - item.end, item.start - reading.end, 0)
            return rank, gap, item.start

        return min(items, key=key)


def _near_day(when: When) -> bool:
    """三天后 is exact; 两个月后 and 还有两年 are rough when a date stands beside them."""
    return (when.days.grain == "day") and when.exact


def _within(item: Amount | When, month: When) -> bool:
    if not isinstance(item, When) or item.days.grain != "day":
        return False
    day, first, last = item.days.first, month.days.first, month.days.last
    return bool(day and first and last and first <= day <= last)


def _vague(item: Amount | When) -> bool:
    """立秋前后 or 今年: a day named beside it says more."""
    if not isinstance(item, When):
        return item.value is None
    return item.days.grain == "year" or item.kind == "clock" or item.about


def _put(value: dict[str, object], key: str, day: date | None) -> None:
    if day is not None:
        value[key] = day.isoformat()
