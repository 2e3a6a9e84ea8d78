"""The reading rules of a branch, read from ``config/``: words, frames and guards, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bot.errors import Invalid
from bot.facts import FactType
from handlers.reading.patterns import Entries, Pattern, Words, compile_pattern

_Loader: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
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
_TAKES = {"amount", "date", "rate", "source", "purpose", "product", "party"}
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
    confidence: float = 0.9
    beats: frozenset[str] = frozenset()
    beats_anywhere: frozenset[str] = frozenset()
    examples: tuple[Any, ...] = ()
    counter: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class Rules:
    """All of it, ready to run."""

    words: Words
    frames: tuple[Frame, ...]
    guards: tuple[Guard, ...]
    simplified: dict[str, str]
    currencies: dict[str, str]
    fractions: dict[str, str]


def load(folder: Path) -> Rules:
    """Read ``lexicon/*.yaml`` and ``rules/frames*.yaml`` below a config folder.

    Raises:
        Invalid: a file is missing or breaks the form; the text names file and line.
    """
    lexicon = _lexicon(folder / "lexicon")
    words = {name: entries for name, entries in lexicon.items() if not name.startswith("_")}
    frames: list[Frame] = []
    guards: list[Guard] = []
    for path in sorted((folder / "rules").glob("frames*.yaml")):
        document = _document(path)
        frames.extend(_frame(entry, words) for entry in document.get("frames", []))
        guards.extend(_guard(entry, words) for entry in document.get("guards", []))
    _unique(frames)
    if not frames:
        raise Invalid(f"{folder / 'rules'} 里没有 frames*.yaml，请恢复随程序提供的规则文件")
    return Rules(
        words,
        tuple(frames),
        tuple(guards),
        lexicon.get("_simplified", {}),
        lexicon.get("_currencies", {}),
        lexicon.get("_fractions", {}),
    )


class _Entry(dict[str, Any]):
    """A mapping of a rule file that remembers where it stands."""

    where = ""

    def broken(self, reason: str) -> Invalid:
        """An error that names the place."""
        return Invalid(f"{self.where}：{reason}")


_CACHE: dict[tuple[Path, int], Any] = {}


def _document(path: Path) -> Any:
    key = (path, path.stat().st_mtime_ns)
    if key not in _CACHE:
        _CACHE[key] = _parse(path)
    return _CACHE[key]


def _parse(path: Path) -> Any:
    loader = _Loader(path.read_text(encoding="utf-8"))
    try:
        node = loader.get_single_node()
        return _plain(node, path, loader) if node else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise Invalid(f"{path.name} 第 {line} 行：不是有效的 YAML，请检查缩进和引号") from error
    finally:
        loader.dispose()


def _plain(node: Any, path: Path, loader: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        entry = _Entry()
        entry.where = f"{path.name} 第 {node.start_mark.line + 1} 行"
        for key, value in node.value:
            entry[str(key.value)] = _plain(value, path, loader)
        return entry
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, path, loader) for item in node.value]
    if node.tag == "tag:yaml.org,2002:str":
        return node.value
    return loader.construct_object(node)


def _lexicon(folder: Path) -> dict[str, dict[str, str]]:
    """Every class as word → meaning; a class may refer to others as ``{name}``."""
    raw: dict[str, Any] = {}
    for path in sorted(folder.glob("*.yaml")):
        document = _document(path)
        if not isinstance(document, dict):
            raise Invalid(f"{path.name} 第 1 行：应为「词类: 词语」")
        raw.update(document)
    if not raw:
        raise Invalid(f"{folder} 里没有词表，请恢复随程序提供的 lexicon 目录")
    classes: dict[str, dict[str, str]] = {}
    for name in raw:
        _expand(name, raw, classes)
    return classes


def _expand(name: str, raw: dict[str, Any], done: dict[str, dict[str, str]]) -> dict[str, str]:
    if name in done:
        return done[name]
    if name not in raw:
        raise Invalid(f"词表：词类「{name}」没有定义")
    entries: dict[str, str] = {}
    body = raw[name]
    if name.startswith("_"):
        entries = _pairs(body)
    elif isinstance(body, dict):
        for meaning, words in body.items():
            for word in _split(words):
                entries[word] = meaning
    else:
        for word in _split(body):
            if word.startswith("{"):
                entries.update(_expand(word[1:-1], raw, done))
            else:
                entries[word] = word
    done[name] = Entries(entries)
    return done[name]


def _pairs(body: Any) -> dict[str, str]:
    """Tables of another shape: 東东 pairs in a string, or meaning → words."""
    if isinstance(body, str):
        return {pair[0]: pair[1] for pair in body.split() if len(pair) == 2}
    return {word: meaning for meaning, words in body.items() for word in _split(words)}


def _split(words: Any) -> list[str]:
    return words.split() if isinstance(words, str) else [str(word) for word in words]


def _frame(entry: Any, words: Words) -> Frame:
    if not isinstance(entry, _Entry):
        raise Invalid("frames 的每一项应为一条规则")
    _known_keys(entry, _FRAME_KEYS)
    patterns = _patterns(entry, "any", words)
    if "id" not in entry or not patterns:
        raise entry.broken("规则要有 id 和 any")
    try:
        fact_type = FactType(str(entry.get("type")))
    except ValueError:
        raise entry.broken(f"不认识的事实类型「{entry.get('type')}」") from None
    take = frozenset(entry.get("take", ()))
    if take - _TAKES:
        raise entry.broken(f"take 里有不认识的键 {sorted(take - _TAKES)}")
    return Frame(
        entry["id"],
        fact_type,
        str(entry.get("version", "1")),
        patterns,
        dict(entry.get("value", {})),
        take,
        frozenset(entry.get("need", ())),
        _patterns(entry, "near", words),
        _patterns(entry, "unless", words),
        _patterns(entry, "never", words),
        frozenset(entry.get("off", ())),
        float(entry.get("confidence", 0.9)),
        frozenset(entry.get("beats", ())),
        frozenset(entry.get("beats_anywhere", ())),
        tuple(entry.get("examples", ())),
        tuple(entry.get("counter", ())),
    )


def _guard(entry: Any, words: Words) -> Guard:
    if not isinstance(entry, _Entry):
        raise Invalid("guards 的每一项应为一条规则")
    _known_keys(entry, _GUARD_KEYS)
    if entry.get("scope") not in _SCOPES:
        raise entry.broken(f"scope 应为 {'、'.join(sorted(_SCOPES))} 之一")
    try:
        chosen = {FactType(name) for name in entry.get("types", list(FactType))}
        chosen -= {FactType(name) for name in entry.get("not_types", ())}
    except ValueError as error:
        raise entry.broken(f"不认识的事实类型（{error}）") from None
    return Guard(
        entry["id"],
        entry["scope"],
        _patterns(entry, "any", words),
        _patterns(entry, "spares", words),
        frozenset(chosen),
    )


def _known_keys(entry: _Entry, keys: set[str]) -> None:
    strange = sorted(set(entry) - keys)
    if strange:
        raise entry.broken(f"不认识的键 {strange}，可用的键：{sorted(keys)}")


def _patterns(entry: _Entry, key: str, words: Words) -> tuple[Pattern, ...]:
    sources = entry.get(key, [])
    if isinstance(sources, str):
        sources = [sources]
    patterns = []
    for source in sources:
        try:
            patterns.append(compile_pattern(str(source), words))
        except (Invalid, ValueError, IndexError) as error:
            raise entry.broken(f"{key} 里的「{source}」写错了（{error}）") from None
    return tuple(patterns)


def _unique(frames: list[Frame]) -> None:
    seen: set[str] = set()
    for frame in frames:
        if frame.id in seen:
            raise Invalid(f"规则 id「{frame.id}」重复，请改名")
        seen.add(frame.id)


def compile_all(rules: Rules) -> Iterator[str]:
    """Compile every expression; yields what does not compile, for ``check``."""
    for frame in rules.frames:
        for pattern in (*frame.patterns, *frame.near, *frame.unless, *frame.never):
            yield from _problem(frame.id, pattern)
    for guard in rules.guards:
        for pattern in (*guard.patterns, *guard.spares):
            yield from _problem(guard.id, pattern)


def _problem(owner: str, pattern: Pattern) -> Iterator[str]:
    try:
        _: Callable[..., Any] = pattern.regex.search
    except Exception as error:  # noqa: BLE001 - re raises more than re.error for odd input
        yield f"规则 {owner} 的「{pattern.source}」不能编译：{error}"
