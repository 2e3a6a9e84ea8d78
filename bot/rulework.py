"""``qunguan rules``: check all rules, try one sentence, score labelled talk; what each tells."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import east_asian_width

from bot.clock import SHANGHAI
from bot.errors import Invalid
from bot.facts import CONFIRM_BELOW, FactType, Speech
from bot.proving import prove
from bot.rulebook import load_labels
from bot.schema import SCHEMA
from bot.web.wording import Label, fact_words, span_words, yuan
from handlers.reading import Reader
from handlers.reading.explaining import Explanation, Stopped, explain
from handlers.reading.offline import read_lines
from handlers.reading.rules import Frame
from handlers.reading.scoring import Line, Rate, Score, Wrong, score
from scheduler.voice import day_words

MOST_CHARACTERS = 600
"""Longer texts are read in pieces; one piece at a time can be explained."""
_SHOWN_LOOSE = 8
_STAFF = "staff"
_NEEDS = {"amount": "金额", "date": "日期", "rate": "利率", "product": "产品"}
_WRONG = {"missing": "漏读", "false": "误读", "value": "读错"}
Report = Callable[[int, str], None]


# -- check


def check(config: Path, templates: Path) -> tuple[list[str], bool]:
    """What is wrong, a summary, and whether all is good."""
    try:
        proof = prove(config, templates)
    except OSError as trouble:
        raise Invalid(f"规则文件读不了({trouble.strerror}),请检查 {config} 和权限") from None
    lines = [f"[不通过] {each}" for each in proof.problems]
    counts = ",".join(f"{name} {count}" for name, count in proof.counts.items())
    lines.append(f"共 {counts}")
    if proof.problems:
        lines.append(f"有 {len(proof.problems)} 处要改;改好前,运行中的机器人继续用原来的规则")
    else:
        lines.append(f"全部通过,例句和例子都已核对。规则版本 {proof.version}")
    return lines, not proof.problems


# -- try


def try_sentence(
    text: str, config: Path, templates: Path, sent_at: str | None, role: str
) -> Iterator[str]:
    """How one sentence is read, step by step, in words.

    Raises:
        Invalid: The sentence is empty or too long, or the moment cannot be read.
    """
    if not text.strip() or len(text) > MOST_CHARACTERS:
        raise Invalid(f"请给一句 1 到 {MOST_CHARACTERS} 字的话,放在引号里")
    at = _moment(sent_at)
    reader = Reader.load(config)
    labels = load_labels(templates / "labels.yaml")

    def label(family: str, slug: str) -> str:
        return labels.get(family, {}).get(slug, slug)

    staff = role == _STAFF
    found = explain(reader, Speech(text, at, by_customer=not staff))
    moment = f"{day_words(at.date(), date.min)}{at:%H:%M}"
    yield f"{'员工' if staff else '客户'}在 {moment} 说:{text}"
    yield from _parts(found, at.date())
    if staff:
        yield "员工的话不读事实,只用来理解客户接下来的回答"
        return
    yield from _guards(found, label)
    yield from _facts(found, label, at.date())
    yield from _others(found, label)


def _moment(written: str | None) -> datetime:
    if written is None:
        return datetime.now(SHANGHAI)
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        raise Invalid(
            f"--sent-at 的 {written!r} 不是时间,请写成 2026-07-01T10:00 或 2026-07-01"
        ) from None
    return found.astimezone(SHANGHAI) if found.tzinfo else found.replace(tzinfo=SHANGHAI)


def _parts(found: Explanation, today: date) -> Iterator[str]:
    yield f"分句:{' | '.join(found.clauses) or '没有文字'}"
    for day in found.days:
        first, last = (str(each) if each else None for each in (day.first, day.last))
        yield f"日期:「{day.words}」= {span_words(first, last, today)}"
    for each in found.sums:
        money = yuan(each.yuan) if each.yuan is not None else "没有确定的数"
        if each.currency != "CNY":
            money = f"外币({each.currency}),不折算"
        yield f"金额:「{each.words}」= {money}{'' if each.sure else '(句中谈到钱才算)'}"
    for word in found.words:
        classes = "、".join(
            name if meaning == word.words else f"{name}={meaning}" for name, meaning in word.classes
        )
        yield f"词语:「{word.words}」属于 {classes}"


def _guards(found: Explanation, label: Label) -> Iterator[str]:
    for guard in found.guards:
        stopped = f"挡下 {'、'.join(guard.stopped)}" if guard.stopped else "没有挡下规则"
        yield f"守卫:{_named(guard.id, 'guard', label)}「{guard.words}」{stopped}"


def _named(slug: str, family: str, label: Label) -> str:
    """The name on screen with the slug that rules use; own guards have no name yet."""
    name = label(family, slug)
    return slug if name == slug else f"{name}({slug})"


def _facts(found: Explanation, label: Label, today: date) -> Iterator[str]:
    if not found.facts:
        yield "没有读到事实"
    for fact in found.facts:
        words = fact_words(fact.type, fact.value, label, today)
        yield f"读到 {_named(fact.type, 'fact', label)}:{words or '(没有更多内容)'}"
        waits = "" if fact.settled else f",低于 {CONFIRM_BELOW},要等员工核实"
        yield (
            f"     规则 {fact.rule} 第 {fact.version} 版,把握 {fact.confidence:g}{waits};"
            f"依据「{fact.evidence.text}」"
        )
    for each in found.held:
        told = "、".join(f"「{words}」" for words in each.words)
        against = f",最不像的字词:{told}" if told else ""
        yield (
            f"     学来的核对留住了规则 {each.fact.rule}:"
            f"这样的话说{label('fact', each.fact.type)}的可能只有 {each.share:.1%}{against}"
        )


def _others(found: Explanation, label: Label) -> Iterator[str]:
    for each in found.stopped:
        yield f"没读 {_rule_words(each.frame, label)}:{_reason(each, label)}"
    for frame in found.loose[:_SHOWN_LOOSE]:
        yield f"没读 {_rule_words(frame, label)}:词都有,但次序或间隔不合它的 any"
    if len(found.loose) > _SHOWN_LOOSE:
        yield f"     另有 {len(found.loose) - _SHOWN_LOOSE} 条规则也是如此"
    if not found.stopped and not found.loose and not found.facts:
        yield "没有一条规则的词在这句话里凑齐"


def _rule_words(frame: Frame, label: Label) -> str:
    return f"{label('fact', frame.type)}(规则 {frame.id})"


def _reason(each: Stopped, label: Label) -> str:
    keys = "、".join(_NEEDS.get(key, key) for key in sorted(each.frame.need))
    return {
        "near": f"句中没有 near 要的词:{each.what}",
        "never": f"全句有 never 的词「{each.what}」",
        "unless": f"同一分句有 unless 的词「{each.what}」",
        "guard": f"被守卫{_named(each.guard, 'guard', label)}挡下,因为「{each.what}」",
        "quoted": "在引号里,是转述别人的话",
        "need": f"缺少{keys}(至少要有一样)",
        "value": "句中的数字或日期对不上",
        "beaten": f"让位给 {each.what}" if each.what else "并入别的读法",
    }[each.why]


# -- score


def score_lines(lines: Iterable[str], reader: Reader, on_error: Report) -> Score:
    """Read labelled talk as ``qunguan read`` does and compare; bad lines are reported, not scored.

    Args:
        lines: JSON objects ``{"id", "sent_at", "text", "facts"}``, optionally ``role``, ``chat``
            and ``from``; empty lines are passed over.
        reader: The rules to read with.
        on_error: Told the number of a bad line and what is wrong with it.
    """
    bad: set[int] = set()

    def tell(number: int, why: str) -> None:
        bad.add(number)
        on_error(number, why)

    labelled = dict(_labelled(lines, tell))
    raw = [labelled[n].raw if n in labelled else "" for n in range(1, max(labelled, default=0) + 1)]
    answers = list(read_lines(raw, reader, expressions=False, on_error=tell))
    kept = [each for number, each in sorted(labelled.items()) if number not in bad]
    return score(
        Line(each.id, each.text, each.facts, json.loads(answer)["facts"])
        for each, answer in zip(kept, answers, strict=True)
    )


class _Labelled(NamedTuple):
    raw: str
    id: Any
    text: str
    facts: list[dict[str, Any]]


def _labelled(lines: Iterable[str], tell: Report) -> Iterator[tuple[int, _Labelled]]:
    """Lines whose labels can be used; what else is wrong with a line its reading tells."""
    seen: dict[str, int] = {}
    for number, raw in enumerate(lines, 1):
        try:
            entry = json.loads(raw) if raw.strip() else None
        except (ValueError, RecursionError):
            tell(number, "不是有效的 JSON,请每行写一个对象")
            continue
        if entry is None:
            continue
        problem = label_problem(entry)
        if problem:
            tell(number, problem)
            continue
        first = seen.setdefault(json.dumps(entry.get("id")), number)
        if first != number:
            tell(number, f"id 与第 {first} 行相同,请改成不同的")
            continue
        facts = [{**fact, "value": fact.get("value") or {}} for fact in entry["facts"]]
        yield number, _Labelled(raw, entry.get("id"), str(entry.get("text")), facts)


def label_problem(entry: Any) -> str:
    """Why the labels of a line cannot be used; "" when they can."""
    if not isinstance(entry, dict):
        return '应为一个 JSON 对象,例如 {"id":…,"sent_at":…,"text":…,"facts":[]}'
    facts = entry.get("facts")
    if not isinstance(facts, list) or not all(isinstance(fact, dict) for fact in facts):
        return '缺少 facts 或写得不对:请写 [{"type":…,"value":{…}}],没有事实写 []'
    for fact in facts:
        if fact.get("type") not in set(FactType):
            return f"不认识的事实类型「{fact.get('type')}」,可用的有:{'、'.join(FactType)}"
        value = fact.get("value") or {}
        if not isinstance(value, dict):
            return f"{fact['type']} 的 value 应写成 {{键: 值}}"
        strange = sorted(value.keys() - SCHEMA[FactType(fact["type"])].keys())
        if strange:
            keys = "、".join(SCHEMA[FactType(fact["type"])])
            return f"{fact['type']} 没有键 {'、'.join(strange)},可用的有:{keys}"
    return ""


def score_words(found: Score, *, mistakes: bool = True) -> Iterator[str]:
    """A table, and every mistake with its text."""
    yield _row("类型", ("准确率", "召回率", "F1", "读对", "读到", "应有"))
    for name, rate in (*found.types.items(), ("合计", found.micro)):
        shares = [_percent(each) for each in (rate.precision, rate.recall, rate.f1)]
        yield _row(name, (*shares, *map(str, (rate.right, rate.read, rate.wanted))))
    for name, share in (("日期", found.dates), ("金额", found.amounts)):
        yield f"{name}正确 {_percent(share.value)}({share.of} 个里对 {share.right} 个)"
    per_100 = found.false_per_100_empty
    yield (
        f"没有事实的 {found.empty} 句里误读 {found.false_on_empty} 条"
        f"(每百句 {'-' if per_100 is None else f'{per_100:.1f}'})"
    )
    if mistakes:
        yield f"错处 {len(found.wrong)} 个,共 {found.messages} 句" if found.wrong else "没有错处"
        yield from map(_wrong_words, found.wrong)


def _wrong_words(wrong: Wrong) -> str:
    told = [f"[{_WRONG[wrong.kind]}] {wrong.id}「{wrong.text}」"]
    told += [f"应有 {_plain(wrong.wanted)}"] if wrong.wanted else []
    told += [f"读成 {_plain(wrong.read)}"] if wrong.read else []
    return " ".join(told)


def _plain(fact: Mapping[str, Any]) -> str:
    rule = f"(规则 {fact['rule']})" if "rule" in fact else ""
    return f"{fact['type']} {json.dumps(fact['value'], ensure_ascii=False)}{rule}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}%"


def _row(name: str, cells: Iterable[str]) -> str:
    return _padded(name, 20, left=True) + "".join(_padded(cell, 9) for cell in cells)


def _padded(text: str, width: int, *, left: bool = False) -> str:
    """Chinese takes two columns a character."""
    blank = " " * (width - sum(1 + (east_asian_width(char) in "WF") for char in text))
    return text + blank if left else blank + text


def score_figures(found: Score) -> dict[str, Any]:
    """The same for programs."""
    return {
        "messages": found.messages,
        "micro": _rate(found.micro),
        "types": {name: _rate(rate) for name, rate in found.types.items()},
        "dates": {**found.dates._asdict(), "share": found.dates.value},
        "amounts": {**found.amounts._asdict(), "share": found.amounts.value},
        "empty": found.empty,
        "false_on_empty": found.false_on_empty,
        "false_per_100_empty": found.false_per_100_empty,
        "wrong": [each._asdict() for each in found.wrong],
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {**asdict(rate), "precision": rate.precision, "recall": rate.recall, "f1": rate.f1}
