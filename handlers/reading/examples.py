"""The examples and counter-examples of the reading rules, tried. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from bot.errors import Invalid
from bot.facts import Speech
from handlers.reading import Reader
from handlers.reading.rules import Frame

SAID_AT = datetime(2026, 7, 6, 2, tzinfo=UTC)
"""When every example is said: a Monday at ten in the morning, Asia/Shanghai."""


def mistakes(reader: Reader) -> Iterator[Invalid]:
    """Every rule without examples, every example that is not read, every counter-example that is.

    Each names file, line and what to do.
    """
    for frame in reader.rules.frames:
        yield from _lacking(frame)
        for text in frame.examples:
            if not _is_read(reader, frame, text):
                yield frame.origin.broken(
                    f"规则 {frame.id} 的例句「{text}」没有读成 {_meant(frame)},"
                    f"请用 qunguan rules try '{text}' 看原因,再改 any 或例句",
                    "examples",
                )
        for text in frame.counter:
            if frame.id in {fact.rule for fact in reader.read(Speech(text, SAID_AT))}:
                yield frame.origin.broken(
                    f"规则 {frame.id} 的反例「{text}」仍被它读到,请加 unless 或 never,或改反例",
                    "counter",
                )


def _lacking(frame: Frame) -> Iterator[Invalid]:
    if not frame.examples:
        yield frame.origin.broken(f"规则 {frame.id} 缺少 examples,请至少写一句该读到的话")
    if not frame.counter:
        yield frame.origin.broken(f"规则 {frame.id} 缺少 counter,请至少写一句不该读到的话")


def _is_read(reader: Reader, frame: Frame, text: str) -> bool:
    """Another rule of the type may read it, too, as long as it says the same."""
    return any(
        fact.type is frame.type and frame.value.items() <= fact.value.items()
        for fact in reader.read(Speech(text, SAID_AT))
    )


def _meant(frame: Frame) -> str:
    value = ",".join(f"{key}: {item}" for key, item in frame.value.items())
    return f"{frame.type} {{{value}}}" if value else str(frame.type)
