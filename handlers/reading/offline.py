"""``qunguan read``: JSON lines of talk in, JSON lines of facts out. Pure; no files are opened."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.facts import Fact, Speech
from handlers.reading import Reader

_ONE_THOUGHT = timedelta(minutes=1)
_THOUGHT_CHARS = 300
"""A longer line is a text of its own, not the beginning of a thought."""
_LINES_BEFORE = 5
"""As many as a running bot joins to a line."""
_QUESTIONS_KEPT = 3
_STAFF = "staff"
_FIRST_YEAR, _LAST_YEAR = 1970, 2099
"""Talk of other years is a mistake, and near the calendar's ends nothing can be counted."""
Report = Callable[[int, str], None]


@dataclass(frozen=True)
class _Line:
    """One message of the input, checked."""

    id: Any
    text: str
    sent_at: datetime
    role: str
    chat: str
    speaker: str


@dataclass
class _Thought:
    """What one speaker of a chat said within a minute; its facts go with its last line."""

    lines: list[_Line]
    asked: tuple[str, ...] = ()

    @property
    def last(self) -> _Line:
        return self.lines[-1]


def read_lines(
    lines: Iterable[str], reader: Reader, *, expressions: bool, on_error: Report
) -> Iterator[str]:
    """Facts for every line, in the order of the input.

    Lines of one chat and speaker within a minute are read together; a fact belongs to the line
    that completes it. A line that cannot be read is reported with its number and left out.

    Args:
        lines: JSON objects ``{"id", "sent_at", "text"}`` with optional ``role`` (customer or
            staff), ``chat`` and ``from``; empty lines are passed over.
        reader: The rules to read with.
        expressions: Add every date and amount that was found.
        on_error: Told the number of a bad line and what is wrong with it.

    Yields:
        ``{"id", "facts": […]}`` as JSON, facts above the threshold only, best first.
    """
    context = _Context()
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        line = _parse(raw, number, on_error)
        if line is None:
            continue
        output: dict[str, Any] = {"id": line.id, "facts": context.facts(line, reader)}
        if expressions:
            output["expressions"] = reader.expressions(line.text, line.sent_at)
        yield json.dumps(output, ensure_ascii=False)


class _Context:
    """The open thought of every speaker, and what staff asked in every chat."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], _Thought] = {}
        self._asked: dict[str, tuple[str, ...]] = {}

    def facts(self, line: _Line, reader: Reader) -> list[dict[str, Any]]:
        """The facts that this line states or completes."""
        if not line.chat:
            return self._alone(line, reader)
        if line.role == _STAFF:
            self._asked[line.chat] = (*self._asked.get(line.chat, ()), line.text)[-_QUESTIONS_KEPT:]
            return []
        key = (line.chat, line.speaker)
        thought = self._open.get(key)
        asked = self._asked.get(line.chat, ())
        if (
            thought
            and line.sent_at - thought.last.sent_at <= _ONE_THOUGHT
            and (line.sent_at >= thought.last.sent_at)
            and len(thought.last.text) <= _THOUGHT_CHARS
        ):
            thought.lines = [*thought.lines[-_LINES_BEFORE:], line]
        else:
            thought = self._open[key] = _Thought([line])
        return _completed(thought, asked, reader)

    @staticmethod
    def _alone(line: _Line, reader: Reader) -> list[dict[str, Any]]:
        speech = Speech(line.text, line.sent_at, by_customer=line.role != _STAFF)
        return [_plain(fact) for fact in reader.read(speech) if fact.settled]


def _completed(thought: _Thought, asked: tuple[str, ...], reader: Reader) -> list[dict[str, Any]]:
    """Facts of the whole thought whose evidence reaches into its last line."""
    before = sum(len(line.text) + 1 for line in thought.lines[:-1])
    text = "\n".join(line.text for line in thought.lines)
    facts = []
    for fact in reader.read(Speech(text, thought.last.sent_at, asked=asked)):
        if not fact.settled or fact.evidence.end <= before:
            continue
        plain = _plain(fact)
        start = max(fact.evidence.start - before, 0)
        end = fact.evidence.end - before
        plain["evidence"] = {"start": start, "end": end, "text": thought.last.text[start:end]}
        facts.append(plain)
    return facts


def _plain(fact: Fact) -> dict[str, Any]:
    evidence = fact.evidence
    return {
        "type": str(fact.type),
        "value": fact.value,
        "evidence": {"start": evidence.start, "end": evidence.end, "text": evidence.text},
        "confidence": fact.confidence,
        "rule": fact.rule,
        "version": fact.version,
    }


def _parse(raw: str, number: int, on_error: Report) -> _Line | None:
    try:
        entry = json.loads(raw)
    except (ValueError, RecursionError):
        on_error(number, "不是有效的 JSON，请每行写一个对象")
        return None
    if not isinstance(entry, dict):
        on_error(number, '应为一个 JSON 对象，例如 {"id":…,"sent_at":…,"text":…}')
        return None
    problem = line_problem(entry)
    if problem:
        on_error(number, problem)
        return None
    return _Line(
        entry["id"],
        entry["text"],
        datetime.fromisoformat(entry["sent_at"]),
        entry.get("role") or "customer",
        str(entry.get("chat") or ""),
        str(entry.get("from") or ""),
    )


def line_problem(entry: dict[str, Any]) -> str | None:
    """Why a line of talk cannot be read; None when it can."""
    for key in ("id", "sent_at", "text"):
        if key not in entry:
            return f"缺少 {key}，请补上"
    if not isinstance(entry["text"], str):
        return "text 应为文字"
    if entry.get("role") not in {None, "customer", _STAFF}:
        return "role 只能是 customer 或 staff"
    return _moment_problem(entry["sent_at"])


def _moment_problem(sent_at: Any) -> str | None:
    try:
        moment = datetime.fromisoformat(sent_at)
    except (TypeError, ValueError):
        return "sent_at 应为 ISO 时间，例如 2026-07-01T10:00:00+08:00"
    if moment.tzinfo is None:
        return "sent_at 要带时区，例如 2026-07-01T10:00:00+08:00"
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        return f"sent_at 的年份要在 {_FIRST_YEAR} 到 {_LAST_YEAR} 之间"
    return None
