"""Dispatch: marks change nothing, collect finds them, every handler that matches runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from bot import dispatch
from bot.actions import PullArchive
from bot.dispatch import Handlers, collect, on, suggest_handler


@dataclass(frozen=True)
class Rang:
    loud: bool = False


@dataclass(frozen=True)
class RangTwice(Rang):
    pass


def hear(event: object, known: object) -> Iterator[PullArchive]:
    yield PullArchive(f"{event} {known}")


def heard_by(*functions: Callable[..., Iterator[PullArchive]]) -> Handlers:
    return Handlers(hearing for each in functions for hearing in getattr(each, dispatch._MARK))


def test_a_mark_gives_back_the_very_function() -> None:
    assert on(Rang)(hear) is hear
    assert list(hear("event", "known")) == [PullArchive("event known")]


def test_every_handler_that_matches_runs_in_order() -> None:
    def first(_event: object, _known: object) -> Iterator[PullArchive]:
        yield PullArchive("first")
        yield PullArchive("first again")

    def second(_event: object, _known: object) -> Iterator[PullArchive]:
        yield PullArchive("second")

    handlers = heard_by(on(Rang)(first), on(Rang)(second))
    causes = [each.cause for each in handlers.actions(Rang(), None)]  # type: ignore[union-attr]  # all PullArchive
    assert causes == ["first", "first again", "second"]


@pytest.mark.parametrize(("event", "expected"), [(Rang(loud=True), 1), (Rang(), 0)])
def test_a_condition_keeps_a_handler_silent(event: Rang, expected: int) -> None:
    def only_loud(_event: Rang, _known: object) -> Iterator[PullArchive]:
        yield PullArchive("loud")

    handlers = heard_by(on(Rang, when=lambda rang: rang.loud)(only_loud))
    assert len(list(handlers.actions(event, None))) == expected
    assert handlers.hears(event)


def test_several_marks_on_one_function_hear_several_kinds() -> None:
    def both(event: object, _known: object) -> Iterator[PullArchive]:
        yield PullArchive(type(event).__name__)

    handlers = heard_by(on(Rang)(on(RangTwice)(both)))
    assert list(handlers.actions(Rang(), None)) == [PullArchive("Rang")]
    assert list(handlers.actions(RangTwice(), None)) == [PullArchive("RangTwice")]


def test_a_kind_is_heard_by_its_own_handlers_and_not_by_those_of_its_parent() -> None:
    def parent(_event: object, _known: object) -> Iterator[PullArchive]:
        yield PullArchive("parent")

    handlers = heard_by(on(Rang)(parent))
    assert not handlers.hears(RangTwice())
    assert list(handlers.actions(RangTwice(), None)) == []


@pytest.fixture
def package(tmp_path: Path) -> Iterator[ModuleType]:
    root = tmp_path / "made_up_handlers"
    (root / "inner").mkdir(parents=True)
    (root / "__init__.py").write_text("")
    (root / "inner" / "__init__.py").write_text("raise RuntimeError('never imported')\n")
    head = "from bot.actions import PullArchive\nfrom bot.dispatch import on\n"
    (root / "beta.py").write_text(
        head + "@on(str)\ndef b(event, known):\n    yield PullArchive('b')\n"
    )
    (root / "alpha.py").write_text(
        head
        + "from made_up_handlers.beta import b\n"
        + "@on(str)\ndef z(event, known):\n    yield PullArchive('z')\n"
        + "@on(str)\ndef a(event, known):\n    yield PullArchive('a')\n"
        + "def unmarked(event, known):\n    yield PullArchive('unmarked')\n"
    )
    sys.path.insert(0, str(tmp_path))
    import made_up_handlers  # type: ignore[import-not-found]  # noqa: PLC0415  # written just above

    yield made_up_handlers
    sys.path.remove(str(tmp_path))
    for name in [each for each in sys.modules if each.startswith("made_up_handlers")]:
        del sys.modules[name]


def test_collect_finds_marked_functions_once_in_the_order_of_modules_and_names(
    package: ModuleType,
) -> None:
    causes = [each.cause for each in collect(package).actions("event", None)]  # type: ignore[union-attr]  # all PullArchive
    assert causes == ["a", "z", "b"]


def test_the_suggested_handler_is_a_handler() -> None:
    code = suggest_handler(Rang())
    assert code.splitlines()[0] == "@on(Rang)"
    names: dict[str, object] = {
        "on": on,
        "Rang": Rang,
        "Known": object,
        "Iterator": Iterator,
        "Action": object,
    }
    exec(code, names)  # the log shows it to be copied, so it has to be Python
    assert callable(names["hear_rang"])
