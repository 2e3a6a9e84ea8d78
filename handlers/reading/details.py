"""Fills a reading's keys, joins readings that say one thing, and drops what contradicts. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.facts import CONFIRM_BELOW, FactType
from handlers.reading import names, particulars
from handlers.reading.attach import Attachments
from handlers.reading.engine import Message, Reading
from handlers.reading.names import Nouns
from handlers.reading.numerals import integer, parse
from handlers.reading.patterns import Words

_FLOWS = frozenset({FactType.INFLOW, FactType.OUTFLOW, FactType.OTHER_BANK, FactType.MATURITY})
_MERGED = _FLOWS | {FactType.LIFE_EVENT}
"""Two readings of the same matter in near clauses complete each other."""
_ABOUT_MONEY = frozenset({FactType.COMPLAINT, FactType.CHURN, FactType.RISK_APPETITE})
_NEVER_EMPTY = frozenset({FactType.CHILDREN, FactType.HOBBY, FactType.ELDERS})
_OF_OTHERS = frozenset({FactType.MATURITY, FactType.OUTFLOW, FactType.INFLOW})
_HOLDINGS = frozenset({FactType.OTHER_BANK, FactType.MATURITY})
_TRIFLES = {FactType.OUTFLOW: 501, FactType.INFLOW: 301}
_LEAST_NAMED = 200
_LAST_RESORT = 0.7
_DOWN_PAYMENT = re.compile("首付|定金|订金")
_ONCE = frozenset({FactType.RSVP, FactType.OPT_OUT, FactType.OPT_IN, FactType.BIRTHDAY})
"""A message says these once; the surest reading stands."""
_ONE_A_CLAUSE = frozenset(
    {
        FactType.COMPLAINT,
        FactType.CONTACT_REQUEST,
        FactType.REFERRAL,
        FactType.RISK_APPETITE,
        FactType.LIFE_EVENT,
        FactType.OCCUPATION,
        FactType.CHURN,
    }
)
_GOES = re.compile(
    "(?:要|得|需|准备|打算|该)[^ ,。!?;、]{0,6}(?:付(?!款)|交|缴|还|结|凑|备|押|汇"
    "|花|打(?!款|给我|我)|买|取|给(?!我|俺|咱))"
    "|(?<!没)赊了?(?!我|俺|咱)|(?:必须|赶紧)[^ ,。!?;、]{0,3}(?:清|结|还|付)"
    "|欠(?!我|俺|咱)[^ ,。!?;、]{1,5}的|搭进去|砸进去"
    "|付清|交清|缴清|还清|交了|付了|花了|垫了|借给|给(?:他|她|工人|人家|儿子|女儿"
    "|闺女|孙子|爸妈|老人)|押[一两二三四五六七八九十\\d]"
)
_COMES = re.compile(
    "到账|到手|下来|回来|回笼|进账|回了|能回|打给我|给我(?!(?:先|再)?[备准预留换取凑调办开存数])|还我|赔我|退我|转我|打我"
    "|欠我|收到|收了|领到|卖了|[折抵盘兑]给|[转盘兑租]出去|现钱|现款|拿钱|松口|吐口|欠(?:我|俺|咱)|[送拿]来|能给|"
    "[款金钱费](?:[^ ,。!?;、]{0,6})到(?!期|底|时)|先给[一两二三四五六七八九十\\d]|发了"
)
_OURS = re.compile("你们|你家|你行|贵行|咱行|这边|本行")
_KEYS_OF_INTEGER = ("count", "age", "party", "month", "day", "year")
_LIMITS = {"count": (1, 12), "age": (0, 45), "party": (1, 50), "month": (1, 12), "day": (1, 31)}

_PAID = re.compile("[交缴续]个?[了掉]?(保险|车险|社保|医保|养老保险|罚款)")
"""货车要交保险: what is paid, not whose it is."""


def complete(
    readings: list[Reading], message: Message, attachments: Attachments, words: Words
) -> list[Reading]:
    """Give the readings their keys; what will fall for want of one beats nobody."""
    whole = _completed(readings, message, attachments, words)
    vain = {(r.frame.id, r.start) for r in whole if _in_vain(r, whole)}
    if not vain or len(whole) == len(readings):
        return whole
    fresh = [
        replace(r, value=dict(r.caught), spans=[])
        for r in readings
        if (r.frame.id, r.start) not in vain
    ]
    return _completed(fresh, message, attachments, words)


def _in_vain(reading: Reading, others: list[Reading]) -> bool:
    """It lacks what it needs, and no other of its type can complete it."""
    need = reading.frame.need
    return bool(need) and not any(
        other.frame.type is reading.frame.type and need & _present(other) for other in others
    )


def _completed(
    readings: list[Reading], message: Message, attachments: Attachments, words: Words
) -> list[Reading]:
    nouns = Nouns(words)
    readings = _best_of_clause(
        sorted(readings, key=lambda r: (r.start, -r.frame.confidence)), message
    )
    whole = [
        r
        for r in readings
        if _numbers(r.value, message.text) and _particulars(r, message, attachments)
    ]
    whole.extend(_further_hobbies(whole, message, nouns))
    attachments.give(whole)
    for reading in whole:
        _payment_day(reading, message)
        _take_words(reading, message, nouns, _busy(whole, reading))
    return [r for r in whole if r.value or r.frame.type not in _NEVER_EMPTY]


def _payment_day(reading: Reading, message: Message) -> None:
    """The day of a down payment is the money's, not the purchase's."""
    if reading.value.get("kind") != "house_purchase":
        return
    clauses = [message.clauses[message.clause_at(start)] for start, _ in reading.spans]
    if any(_DOWN_PAYMENT.search(message.text, *clause) for clause in clauses):
        reading.value.pop("date_from", None)
        reading.value.pop("date_to", None)


def _particulars(reading: Reading, message: Message, attachments: Attachments) -> bool:
    """Birth dates and head counts; False when a birthday has no day."""
    text, kind = message.text, reading.frame.type
    start = message.around(*reading.clauses)[0]
    if kind is FactType.BIRTHDAY:
        last = min(reading.clauses[1] + 1, len(message.clauses) - 1)
        found = particulars.birth(text, start, message.clauses[last][1], attachments.today)
        reading.value.update(found or {})
        return found is not None
    if kind is FactType.CHILDREN and "count" in reading.value:
        reading.value["count"] = particulars.boys_and_girls(text) or reading.value["count"]
    if kind is FactType.RSVP and "party" not in reading.value:
        own = message.around(*reading.clauses)
        number = particulars.head_count(text, *own) or particulars.head_count(text, 0, len(text))
        if number and reading.value.get("response") == "yes":
            reading.value["party"] = number
    if kind is FactType.REFERRAL and "count" not in reading.value:
        number = particulars.companions(text, 0, len(text))
        if number:
            reading.value["count"] = number
    return True


def _present(reading: Reading) -> set[str]:
    keys = set(reading.value)
    if keys & {"date_from", "date_to"}:
        keys.add("date")
    return keys


def _numbers(value: dict[str, Any], text: str) -> bool:
    """Slots of numbers become numbers; False when one is impossible."""
    for key in _KEYS_OF_INTEGER:
        if isinstance(value.get(key), str):
            number = integer(value[key])
            low, high = _LIMITS.get(key, (1900, 2100))
            if number is None or not low <= number <= high:
                return False
            value[key] = number
    if isinstance(value.get("area_mu"), str):
        area = parse(value["area_mu"])
        if area is None or not 0 < area <= 100_000:
            return False
        if re.search(re.escape(value["area_mu"]) + "[来多几]?亩半", text):
            area += Decimal("0.5")
        value["area_mu"] = int(area) if area == int(area) else float(area)
    return True


def _further_hobbies(readings: list[Reading], message: Message, nouns: Nouns) -> list[Reading]:
    """喝茶下棋: what stands right behind a hobby is another one."""
    more = []
    for reading in readings:
        if reading.frame.type is not FactType.HOBBY or "name" not in reading.value:
            continue
        start = reading.end + (message.text[reading.end : reading.end + 1] in set("和跟、,"))
        found = nouns.at("hobby", message.text, start)
        if found and found[1] != reading.value["name"]:
            clauses = reading.clauses[0], message.clause_at(found[0] - 1)
            value = {"name": found[1]}
            more.append(Reading(reading.frame, reading.start, found[0], value, clauses))
    return more


def _busy(readings: list[Reading], but: Reading) -> set[int]:
    """Clauses that other readings were made from."""
    return {
        clause
        for reading in readings
        if reading is not but
        for clause in range(reading.clauses[0], reading.clauses[1] + 1)
    }


def _free_end(reading: Reading, message: Message, busy: set[int]) -> int:
    """The end of the next two clauses, as far as nothing else is said there."""
    last = reading.clauses[1]
    while (
        last + 1 < len(message.clauses) and last + 1 not in busy and last < reading.clauses[1] + 2
    ):
        last += 1
    return message.clauses[last][1]


def _take_words(reading: Reading, message: Message, nouns: Nouns, busy: set[int]) -> None:
    take, text = reading.frame.take, message.text
    start, end = message.around(*reading.clauses)
    start = min([start, *(span[0] for span in reading.spans)])
    end = max([end, *(span[1] for span in reading.spans)])
    if "product" in take and "product" not in reading.value:
        product = nouns.first("held", text, start, end)
        if product is None and reading.frame.type in _HOLDINGS:
            free = _free_end(reading, message, busy)
            product = nouns.first("held", text, end, max(end, free))
        if product:
            reading.value["product"] = product
    if "rate" in take:
        rate = names.rate(text, start, max(end, _free_end(reading, message, busy)))
        if rate is not None:
            reading.value["rate"] = rate
    for key in ("source", "purpose"):
        if key in take and key not in reading.value:
            noun = _what_for(reading, message, nouns, (start, end))
            if noun:
                reading.value[key] = noun


def _what_for(
    reading: Reading, message: Message, nouns: Nouns, whole: tuple[int, int]
) -> str | None:
    """What the money is called, first in the clause of the sum, then in all of the reading."""
    text = message.text
    sums = [span for span in reading.spans if span[1] <= whole[1]][:1]
    own = [message.clauses[message.clause_at(span[0])] for span in sums]
    goes = reading.frame.type is FactType.OUTFLOW
    paid = _PAID.search(text, *whole) if goes else None
    if paid:
        return paid[1]
    first = max(reading.clauses[0] - 2, 0)
    wide = (message.clauses[first][0], whole[1])
    for start, end in (*own, whole, wide):
        noun = names.named(text, start, end) or nouns.long("money_noun", text, start, end)
        income = None if goes else nouns.long("income", text, start, end)
        if income and not (noun and (income in noun or noun in income)):
            noun = income
        noun = noun or nouns.long("project" if goes else "crop", text, start, end)
        if noun:
            return noun
    bought = nouns.long("dues", text, *whole) or names.bought(text, *whole) if goes else None
    return bought or nouns.first("money_noun", text, *(wide if goes else whole))


def _best_of_clause(readings: list[Reading], message: Message) -> list[Reading]:
    """Frames that another one beats in the same clause fall; so do double readings."""
    beaten = set()
    for winner in readings:
        for other in readings:
            if other is winner:
                continue
            if _refuses(winner, other) or _yields(winner, other):
                beaten.add(id(other))
            if not _touch(winner, other):
                if _elsewhere(winner, other, message):
                    beaten.add(id(other))
                continue
            if winner.frame.beats & {other.frame.id, other.frame.type, str(other.frame.type)}:
                beaten.add(id(other))
    return [reading for reading in readings if id(reading) not in beaten]


def _yields(winner: Reading, other: Reading) -> bool:
    """A general rule of last resort gives way to any reading of the same clause."""
    return (
        other.frame.confidence < _LAST_RESORT <= winner.frame.confidence
        and other.frame.type in _FLOWS
        and winner.frame.type in _FLOWS | _ABOUT_MONEY
        and _touch(winner, other)
    )


def _refuses(winner: Reading, other: Reading) -> bool:
    """Who refuses advertising is interested in nothing, wherever the product is named."""
    refused = {FactType.PRODUCT_INTEREST, FactType.OPT_IN}
    if winner.frame.type is FactType.OPT_OUT and winner.frame.confidence >= CONFIRM_BELOW:
        if winner.frame.type in other.frame.beats_anywhere:
            return False
        if other.frame.type in refused:
            return True
    return bool(winner.frame.beats_anywhere & {other.frame.id, str(other.frame.type)})


def _elsewhere(winner: Reading, other: Reading, message: Message) -> bool:
    """到期 beside money at another bank is that money's, unless we are named again."""
    if winner.frame.type is not FactType.OTHER_BANK or other.frame.type not in _OF_OTHERS:
        return False
    words = message.text[other.start : other.end]
    if other.frame.type is FactType.OUTFLOW:
        held = message.text[slice(*message.around(*winner.clauses))]
        if not (("还" in words and "贷" in held) or ("交" in words and "险" in held)):
            return False
    if other.frame.type is FactType.INFLOW and re.search("[拿取领]", words) is None:
        return False
    start, end = message.around(*other.clauses)
    return _near(winner, other) and _OURS.search(message.text, start, end) is None


def _touch(left: Reading, right: Reading) -> bool:
    return left.clauses[0] <= right.clauses[1] and right.clauses[0] <= left.clauses[1]


def settle(readings: list[Reading], message: Message) -> list[Reading]:
    """One reading for each thing said; without any of its needed keys a reading falls."""
    out: list[Reading] = []
    for reading in sorted(readings, key=lambda r: (-r.frame.confidence, -len(r.value), r.start)):
        if reading.frame.type in _MERGED and _joined(reading, out):
            continue
        twin = next((other for other in out if _same(reading, other)), None)
        if twin is None:
            out.append(reading)
        elif _said_again(twin, reading, message):
            out[out.index(twin)] = reading
    out = [reading for reading in out if not _trifle(reading)]
    out = _one_direction(out, message)
    complete_ones = [r for r in out if not r.frame.need or r.frame.need & _present(r)]
    return sorted(complete_ones, key=lambda r: r.start)


def _said_again(twin: Reading, reading: Reading, message: Message) -> bool:
    """The very same in a later line: it is heard there, the line before had its turn."""
    return (
        reading.value == twin.value
        and reading.frame.confidence >= CONFIRM_BELOW
        and "\n" in message.text[twin.end : reading.start]
    )


def _one_direction(readings: list[Reading], message: Message) -> list[Reading]:
    """The same money does not come and go: of two readings the words of the clauses decide."""
    out = list(readings)
    for incoming in [r for r in readings if r.frame.type is FactType.INFLOW]:
        for outgoing in [r for r in readings if r.frame.type is FactType.OUTFLOW]:
            if incoming not in out or outgoing not in out or not _same_money(incoming, outgoing):
                continue
            first = min(incoming.clauses[0], outgoing.clauses[0])
            last = max(incoming.clauses[1], outgoing.clauses[1])
            start, end = message.around(first, last)
            goes = _GOES.search(message.text, start, end) is not None
            comes = _COMES.search(message.text, start, end) is not None
            if goes == comes:
                goes = outgoing.frame.confidence > incoming.frame.confidence
            lost, kept = (incoming, outgoing) if goes else (outgoing, incoming)
            out.remove(lost)
            _inherit(kept, lost)
    return out


def _inherit(kept: Reading, lost: Reading) -> None:
    """The sum and the days that only the wrong direction had found belong to the right one."""
    keys = ("amount",) if "date" in _present(kept) else ("amount", "date_from", "date_to")
    for key in keys:
        if key in lost.value:
            kept.value.setdefault(key, lost.value[key])
            kept.spans.extend(span for span in lost.spans if span not in kept.spans)


def _same_money(left: Reading, right: Reading) -> bool:
    """They name one sum, or stand in one clause."""
    sums = left.value.get("amount"), right.value.get("amount")
    if sums[0] is not None and sums[0] == sums[1]:
        return True
    return _touch(left, right) and (sums[0] is None or sums[1] is None)


def _trifle(reading: Reading) -> bool:
    """What lunch cost is no cash flow, nor is 明天拿来 without a sum or a name for the money."""
    told = reading.has_sum or {"amount", "source"} & set(reading.value)
    if reading.frame.type is FactType.INFLOW and not told:
        return True
    named = reading.frame.type is FactType.OUTFLOW and reading.value.get("purpose")
    least = _LEAST_NAMED if named else _TRIFLES.get(reading.frame.type, 0)
    return bool(0 < reading.value.get("amount", 0) < least)


def _joined(reading: Reading, out: list[Reading]) -> bool:
    """Two readings of one type about the same money become the surer one, completed."""
    for other in out:
        if other.frame.type is not reading.frame.type or not _near(other, reading):
            continue
        if _compatible(other.value, reading.value):
            better_named = reading.owns_sum and not other.owns_sum
            for key, item in reading.value.items():
                if better_named and key in {"source", "purpose"}:
                    other.value[key] = item
                other.value.setdefault(key, item)
            other.spans.append((reading.start, reading.end))
            other.spans.extend(reading.spans)
            return True
    return False


def _near(left: Reading, right: Reading) -> bool:
    return left.clauses[0] - 2 <= right.clauses[1] and right.clauses[0] - 2 <= left.clauses[1]


def _compatible(left: dict[str, Any], right: dict[str, Any]) -> bool:
    money = {"amount", "date_from", "date_to", "bank", "kind"}
    shared = money & set(left) & set(right)
    if any(left[key] != right[key] for key in shared):
        return False
    ends = ("date_from", "date_to")
    dated = [value for value in (left, right) if any(end in value for end in ends)]
    return len(dated) < 2 or all(left.get(end) == right.get(end) for end in ends)


def _two_wishes(left: Reading, right: Reading) -> bool:
    """Taking the money away and closing the card in another clause are two things."""
    return {left.value.get("kind"), right.value.get("kind")} == {"transfer_out", "close_account"}


def _same(reading: Reading, other: Reading) -> bool:
    """A reading that adds nothing to a surer one."""
    kind = reading.frame.type
    if kind is not other.frame.type:
        return False
    if kind in _ONCE:
        return True
    if kind in _ONE_A_CLAUSE and (
        _touch(reading, other)
        or (kind is FactType.CHURN and not _two_wishes(reading, other))
        or reading.value == other.value
    ):
        return True
    mine, its = reading.value, other.value
    if all(its.get(key) == item for key, item in mine.items()):
        return True
    return (
        _touch(reading, other)
        and all(key not in mine or mine[key] == item for key, item in its.items())
        and kind is not FactType.CHILDREN
    )
