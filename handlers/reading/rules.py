"""The reading rules of a branch, read from ``config/``: words, frames and guards, checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from bot.errors import Invalid
from bot.facts import FactType
from bot.schema import SCHEMA
from handlers.reading import likely
from handlers.reading.likely import Likely
from handlers.reading.patterns import Pattern, Words, compile_pattern
from handlers.reading.rulefile import Complain, Entry, document, load_lexicon, raising

_FRAME_KEYS = {
    "id",
    "type",
    "version",
    "any",
    "value",
    "take",
    "need",
    "near",
    "unless",
    "never",
    "off",
    "confidence",
    "beats",
    "beats_anywhere",
    "examples",
    "counter",
}
_GUARD_KEYS = {"id", "scope", "any", "spares", "types", "not_types"}
_CONFIDENCE = 0.9
_TAKES = {"amount", "date", "rate", "source", "purpose", "product", "party"}
T = TypeVar("T")
_OWN_WORDS = {(FactType.HOBBY, "name")}
"""Where a branch may say more than the schema lists."""
_SCOPES = {"lead", "clause", "before", "message", "head"}


@dataclass(frozen=True)
class Frame:
    """One rule: patterns that say a fact, and what they settle.

    Attributes:
        take: Keys looked for around the match: ``amount``, ``date``, ``rate``, ``source``, …
        need: Of those, the keys of which at least one must be found.
        near: Patterns of which one must stand somewhere in the message.
        unless: Patterns that must not stand in the clauses of the match.
        never: Patterns that must not stand anywhere in the message.
        off: Guards that do not apply.
        beats: Ids or types of readings in the same clause that give way.
        beats_anywhere: Types that give way in the whole message.
        origin: The entry of the file, for errors that name its lines.
    """

    id: str
    type: FactType
    version: str
    patterns: tuple[Pattern, ...]
    value: dict[str, Any] = field(default_factory=dict)
    take: frozenset[str] = frozenset()
    need: frozenset[str] = frozenset()
    near: tuple[Pattern, ...] = ()
    unless: tuple[Pattern, ...] = ()
    never: tuple[Pattern, ...] = ()
    off: frozenset[str] = frozenset()
    confidence: float = _CONFIDENCE
    beats: frozenset[str] = frozenset()
    beats_anywhere: frozenset[str] = frozenset()
    examples: tuple[str, ...] = ()
    counter: tuple[str, ...] = ()
    origin: Entry = field(default_factory=lambda: Entry("", 0), repr=False, compare=False)


@dataclass(frozen=True)
class Guard:
    """Words that take a reading back: negation, hypothesis, other people, advertisements.

    Attributes:
        scope: ``lead`` clause start to the match's end, ``clause`` the whole clauses,
            ``before`` the message up to the clause's end, ``message`` all, ``head`` its start.
        spares: Patterns that lift the guard when they stand in the clauses of the match.
        types: Fact types it applies to.
    """

    id: str
    scope: str
    patterns: tuple[Pattern, ...]
    spares: tuple[Pattern, ...]
    types: frozenset[FactType]
    origin: Entry = field(default_factory=lambda: Entry("", 0), repr=False, compare=False)


@dataclass(frozen=True)
class Rules:
    """All of it, ready to run."""

    words: Words
    frames: tuple[Frame, ...]
    guards: tuple[Guard, ...]
    simplified: dict[str, str]
    dialect: dict[str, str]
    currencies: dict[str, str]
    fractions: dict[str, str]
    likely: Likely | None = None


def load(folder: Path, complain: Complain = raising) -> Rules:
    """Read ``lexicon/*.yaml`` and ``rules/frames*.yaml`` below a config folder.

    Args:
        folder: The config folder.
        complain: Told of every mistake; what is wrong is left out when it does not raise. When
            a word class is wrong, no rule is looked at: all that use it would be told as wrong.

    Raises:
        Invalid: a file is missing or breaks the form; the text names file and line.
    """
    wrong_words: list[Invalid] = []
    lexicon = load_lexicon(folder / "lexicon", wrong_words.append)
    for mistake in wrong_words:
        complain(mistake)
    words = {name: entries for name, entries in lexicon.items() if not name.startswith("_")}
    frames: list[Frame] = []
    guards: list[Guard] = []
    named: set[str] = set()
    files = [] if wrong_words else sorted((folder / "rules").glob("frames*.yaml"))
    for path in files:
        try:
            found = document(path)
            _known_keys(found, {"frames", "guards"})
        except Invalid as wrong:
            complain(wrong)
            continue
        named |= {str(entry.get("id")) for entry in _entries(found)}
        frames += _each(found, "frames", lambda entry: _frame(entry, words), complain)
        guards += _each(found, "guards", lambda entry: _guard(entry, words), complain)
    if not frames and not wrong_words:
        complain(Invalid(f"{folder / 'rules'} 里没有 frames*.yaml,请恢复随产品提供的规则文件"))
    for mistake in _among_themselves(frames, guards, named):
        complain(mistake)
    return Rules(
        words,
        tuple(frames),
        tuple(guards),
        lexicon.get("_simplified", {}),
        lexicon.get("_dialect", {}),
        lexicon.get("_currencies", {}),
        lexicon.get("_fractions", {}),
        _likely(folder, complain),
    )


def _likely(folder: Path, complain: Complain) -> Likely | None:
    try:
        return likely.load(folder)
    except Invalid as wrong:
        complain(wrong)
        return None


def _entries(found: Entry) -> list[Entry]:
    lists = [found.get(key) for key in ("frames", "guards")]
    return [
        each for some in lists if isinstance(some, list) for each in some if isinstance(each, Entry)
    ]


def _each(found: Entry, key: str, read: Callable[[Entry], T], complain: Complain) -> list[T]:
    entries = found.get(key) or []
    if not isinstance(entries, list):
        complain(found.broken(f"{key} 下面每条规则应以“- id:”开头", key))
        return []
    rules = []
    for entry in entries:
        try:
            if not isinstance(entry, Entry):
                raise found.broken(f"{key} 下面每条规则应以“- id:”开头", key)
            rules.append(read(entry))
        except Invalid as wrong:
            complain(wrong)
    return rules


def _frame(entry: Entry, words: Words) -> Frame:
    _known_keys(entry, _FRAME_KEYS)
    patterns = _patterns(entry, "any", words)
    if not _text(entry, "id") or not patterns:
        raise entry.broken("规则要有 id 和 any")
    fact_type = _fact_type(entry)
    take = _names(entry, "take", _TAKES)
    value = _value(entry, fact_type)
    for pattern in patterns:
        _check_slots(entry, fact_type, pattern, words)
    return Frame(
        _text(entry, "id"),
        fact_type,
        _text(entry, "version", "1"),
        patterns,
        value,
        take,
        _names(entry, "need", take | value.keys()),
        _patterns(entry, "near", words),
        _patterns(entry, "unless", words),
        _patterns(entry, "never", words),
        frozenset(_list(entry, "off")),
        _confidence(entry),
        frozenset(_list(entry, "beats")),
        frozenset(_list(entry, "beats_anywhere")),
        tuple(_list(entry, "examples")),
        tuple(_list(entry, "counter")),
        entry,
    )


def _guard(entry: Entry, words: Words) -> Guard:
    _known_keys(entry, _GUARD_KEYS)
    if not _text(entry, "id"):
        raise entry.broken("守卫要有 id")
    if entry.get("scope") not in _SCOPES:
        raise entry.broken(f"scope 应为 {'、'.join(sorted(_SCOPES))} 之一", "scope")
    known = frozenset(map(str, FactType))
    chosen = _names(entry, "types", known) if "types" in entry else known
    return Guard(
        _text(entry, "id"),
        entry["scope"],
        _patterns(entry, "any", words),
        _patterns(entry, "spares", words),
        frozenset(map(FactType, chosen - _names(entry, "not_types", known))),
        entry,
    )


# -- keys of an entry


def _known_keys(entry: Entry, keys: set[str]) -> None:
    for key in entry:
        if key not in keys:
            near = get_close_matches(key, keys, n=1)
            advice = f"是不是 {near[0]}?" if near else f"可用的有:{'、'.join(sorted(keys))}"
            raise entry.broken(f"不认识 {key},{advice}", key)


def _text(entry: Entry, key: str, otherwise: str = "") -> str:
    found = entry.get(key, otherwise)
    if isinstance(found, dict | list) or found is None or not str(found).strip():
        if key not in entry:
            return otherwise
        raise entry.broken(f"{key} 不能为空,也不能是列表", key)
    return str(found)


def _list(entry: Entry, key: str) -> list[str]:
    found = entry.get(key) or []
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or any(isinstance(item, dict | list) for item in found):
        raise entry.broken(f"{key} 应当是列表,请写成 [甲, 乙];含冒号的话请加引号", key)
    return [str(item) for item in found]


def _names(entry: Entry, key: str, known: Iterable[str]) -> frozenset[str]:
    found = frozenset(_list(entry, key))
    strange = sorted(found - frozenset(known))
    if strange:
        options = "、".join(sorted(known)) or "没有,请先写 take"
        raise entry.broken(f"{key} 里的 {'、'.join(strange)} 不能用,可用的有:{options}", key)
    return found


def _fact_type(entry: Entry) -> FactType:
    try:
        return FactType(str(entry.get("type")))
    except ValueError:
        known = "、".join(FactType)
        raise entry.broken(
            f"不认识的事实类型「{entry.get('type')}」,可用的有:{known}", "type"
        ) from None


def _confidence(entry: Entry) -> float:
    found = entry.get("confidence", _CONFIDENCE)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found <= 1:
        raise entry.broken("confidence 应为 0 到 1 之间的小数,例如 0.9", "confidence")
    return float(found)


def _value(entry: Entry, fact_type: FactType) -> dict[str, Any]:
    found = entry.get("value", {})
    if not isinstance(found, dict):
        raise entry.broken("value 应写成 {键: 值},例如 {product: gold}", "value")
    for key, item in found.items():
        _check_slug(entry, "value", fact_type, key, (item,))
    return dict(found)


def _check_slots(entry: Entry, fact_type: FactType, pattern: Pattern, words: Words) -> None:
    for key, name in pattern.keys.items():
        found = SCHEMA[fact_type].get(key)
        known = found is not None and found.kind == "choice" and name in words
        _check_slug(entry, "any", fact_type, key, set(words[name].values()) if known else ())


def _check_slug(
    entry: Entry, where: str, fact_type: FactType, key: str, items: Collection[Any]
) -> None:
    """A key of the type, and only values that the schema knows."""
    keys = SCHEMA[fact_type]
    if key not in keys:
        raise entry.broken(f"{fact_type} 没有键 {key},可用的有:{'、'.join(keys)}", where)
    for item in sorted(items, key=str) if (fact_type, key) not in _OWN_WORDS else ():
        flaw = keys[key].flaw(item)
        if flaw:
            raise entry.broken(f"{key} 的值 {item} 不对,{flaw}", where)


def _patterns(entry: Entry, key: str, words: Words) -> tuple[Pattern, ...]:
    patterns = []
    for source in _list(entry, key):
        try:
            patterns.append(compile_pattern(source, words))
        except (Invalid, ValueError, IndexError) as error:
            raise entry.broken(f"{key} 里的「{source}」写错了({error})", key) from None
    return tuple(patterns)


# -- all of them


def _among_themselves(
    frames: list[Frame], guards: list[Guard], named: set[str]
) -> Iterator[Invalid]:
    """Ids that occur twice, and names of rules that are not there.

    ``named`` has the ids of the rules that are broken, too: one mistake is told once.
    """
    ids: dict[str, Entry] = {}
    both: list[Frame | Guard] = [*frames, *guards]
    for rule in both:
        other = ids.setdefault(rule.id, rule.origin)
        if other is not rule.origin:
            where = f"{other.file} 第 {other.line} 行"
            yield rule.origin.broken(f"id「{rule.id}」和 {where} 重复,请改名", "id")
    others = named | set(FactType)
    for frame in frames:
        lists = (
            ("off", frame.off - named, "没有这个守卫"),
            ("beats", frame.beats - others, "没有这条规则或事实类型"),
            ("beats_anywhere", frame.beats_anywhere - others, "没有这条规则或事实类型"),
        )
        for key, strange, problem in lists:
            if strange:
                names = "、".join(sorted(strange))
                yield frame.origin.broken(f"{key} 里的 {names}:{problem},请改名或删去", key)


def compile_all(rules: Rules) -> Iterator[Invalid]:
    """Compile every expression, which is else done when first needed; what does not compile."""
    both: list[Frame | Guard] = [*rules.frames, *rules.guards]
    for rule in both:
        for key, patterns in _patterns_of(rule).items():
            for pattern in patterns:
                try:
                    _ = pattern.regex
                except Invalid as wrong:
                    yield rule.origin.broken(f"规则 {rule.id} 的 {key} 里{wrong}", key)


def _patterns_of(rule: Frame | Guard) -> Mapping[str, tuple[Pattern, ...]]:
    if isinstance(rule, Guard):
        return {"any": rule.patterns, "spares": rule.spares}
    return {
        "any": rule.patterns,
        "near": rule.near,
        "unless": rule.unless,
        "never": rule.never,
    }
