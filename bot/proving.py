"""Rules, words and texts proved aside: loaded, checked against each other, examples tried.

What ``qunguan rules check`` says and what the running bot takes over is decided here, once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.errors import Invalid
from bot.rulebook import Rulebook, load_labels, load_rulebook
from bot.store.examples import belongs, empty_store
from bot.yamlfile import load_section
from handlers.ledger_fields import load_ledger
from handlers.reading import Reader, likely, rules
from handlers.reading.examples import mistakes
from handlers.rules import load_escalation, load_examples, load_segments, load_tag_names
from handlers.states import ActiveLine, load_states
from scheduler.approval import load_approvals
from scheduler.calendar import load_holidays
from scheduler.campaigns import load_campaigns
from scheduler.messages import load_messages
from scheduler.phrases import load_phrases, load_simplified
from scheduler.praise import load_praise
from scheduler.release import load_release
from scheduler.thresholds import load_thresholds
from scheduler.voice import load_words

_TEXTS = ("labels.yaml", "release.json", "campaigns/*.md", "messages/*.md", "messages/*.yaml")


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of it.

    Attributes:
        problems: Each with file, line and fix; none means that ``book`` and ``reader`` are good.
        counts: How many of everything there are, by the name on screen.
        version: Of all files together; another as soon as one letter differs.
    """

    problems: tuple[str, ...]
    counts: Mapping[str, int]
    version: str
    book: Rulebook | None = None
    reader: Reader | None = None


def prove(config: Path, templates: Path) -> Proof:
    """Load, check and try everything below the two folders; nothing running is touched."""
    version = version_of(config, templates)
    found: list[Invalid] = []
    ruleset = rules.load(config, found.append)
    found += rules.compile_all(ruleset)
    reader = None if found else Reader(ruleset)
    if reader is not None:
        found += mistakes(reader)
    book = _book(config, templates, found)
    if book is not None:
        found += _wrong_customers(config, book)
    problems = tuple(dict.fromkeys(map(str, found)))
    return Proof(problems, _counts(config, ruleset, book), version, book, reader)


def files_of(config: Path, templates: Path) -> list[Path]:
    """Every file that is read: rules, words, numbers and texts; not the pages."""
    texts = (path for pattern in _TEXTS for path in templates.glob(pattern))
    return sorted({*config.rglob("*.yaml"), *config.glob(likely.FILE), *texts})


def version_of(config: Path, templates: Path) -> str:
    """Twelve letters that stand for the content of all files."""
    digest = hashlib.sha256()
    for path in files_of(config, templates):
        root = config if path.is_relative_to(config) else templates
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{root.name}/{path.relative_to(root).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:12]


def _book(config: Path, templates: Path, found: list[Invalid]) -> Rulebook | None:
    try:
        return load_rulebook(config, templates)
    except Invalid as first:
        wrong = [*_wrong_parts(config, templates)]
        found += wrong or [first]
        return None


def _wrong_parts(config: Path, templates: Path) -> Iterator[Invalid]:
    """The first mistake of every file, not only of the first file with one."""
    folder, messages = config / "rules", templates / "messages"
    parts: tuple[Callable[[], object], ...] = (
        lambda: load_thresholds(config / "thresholds.yaml"),
        lambda: load_holidays(config / "holidays.yaml"),
        lambda: load_segments(folder / "segments.yaml"),
        lambda: load_states(folder / "states.yaml", ActiveLine(1, 1, 1)),
        lambda: load_ledger(folder / "ledger.yaml"),
        lambda: load_tag_names(folder / "tags.yaml", []),
        lambda: load_escalation(folder / "escalation.yaml"),
        lambda: load_approvals(config / "approvals.yaml"),
        lambda: load_praise(config / "praise.yaml"),
        lambda: load_phrases(
            folder / "phrases.yaml", load_simplified(config / "lexicon" / "tables.yaml")
        ),
        lambda: load_campaigns(templates / "campaigns"),
        lambda: load_messages(messages),
        lambda: load_words(messages / "words.yaml"),
        lambda: load_release(templates),
        lambda: load_labels(templates / "labels.yaml"),
    )
    for load in parts:
        try:
            load()
        except Invalid as wrong:
            yield wrong


# -- customers of segments and states


def _rule_files(config: Path) -> tuple[tuple[Path, str], ...]:
    return (config / "rules" / "segments.yaml", ""), (config / "rules" / "states.yaml", "states")


def _wrong_customers(config: Path, book: Rulebook) -> Iterator[Invalid]:
    """Rules without examples, and customers who are where they should not be, or the reverse."""
    with empty_store() as db:
        for path, under in _rule_files(config):
            yield from _lacking(path, under)
            for example in load_examples(path, under):
                try:
                    if belongs(db, book, example) != example.belongs:
                        word = "应当属于" if example.belongs else "不应属于"
                        yield example.place.wrong(
                            f"例子「{example.title}」{word} {example.rule},核对不符,"
                            "请改条件、thresholds.yaml 的数字或例子"
                        )
                except Invalid as wrong:
                    yield wrong


def _lacking(path: Path, under: str) -> Iterator[Invalid]:
    top = load_section(path)
    every = top.section(under) if under else top
    for name in every.keys():  # noqa: SIM118  # not a dict
        rule = every.section(name)
        for family, who in (("examples", "属于"), ("counter_examples", "不属于")):
            if family not in rule:
                yield every.place(name).wrong(f"{name} 缺少 {family},请至少写一位{who}它的客户")


def _counts(config: Path, ruleset: rules.Rules, book: Rulebook | None) -> dict[str, int]:
    counts = {
        "词类": len(ruleset.words),
        "词": sum(map(len, ruleset.words.values())),
        "句式": len(ruleset.frames),
        "例句": sum(len(frame.examples) for frame in ruleset.frames),
        "反例": sum(len(frame.counter) for frame in ruleset.frames),
        "守卫": len(ruleset.guards),
    }
    if book is not None:
        examples = sum(len(load_examples(*file)) for file in _rule_files(config))
        counts |= {
            "分群": len(book.segments),
            "状态": len(book.standing.states),
            "客户例子": examples,
            "标签": len(book.tags),
            "待办种类": len(book.escalation.quiet_days),
            "台账栏目": len(book.ledger.fields),
            "禁用语": len(book.phrases.phrases),
            "话术": len(book.campaigns) + len(book.messages),
        }
    return counts
