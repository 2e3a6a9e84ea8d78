"""Which handler hears what: ``@on`` marks, ``collect`` finds, ``Handlers`` asks. Pure."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from bot.actions import Action

H = TypeVar("H", bound=Callable[..., Iterator[Action]])
_MARK = "_heard_events"


@dataclass(frozen=True, slots=True)
class _Hearing:
    kind: type
    when: Callable[[Any], bool] | None
    handler: Callable[..., Iterator[Action]]


def on(kind: type, *, when: Callable[[Any], bool] | None = None) -> Callable[[H], H]:
    """Mark a function as a handler of one kind of event, perhaps only of some of them.

    The function takes the event and what is ``known`` and yields actions. A mark changes
    nothing else; several marks may stand on one function.
    """

    def mark(handler: H) -> H:
        heard = [*getattr(handler, _MARK, ()), _Hearing(kind, when, handler)]
        setattr(handler, _MARK, heard)
        return handler

    return mark


class Handlers:
    """Every marked function of some modules."""

    def __init__(self, hearings: Iterable[_Hearing]) -> None:
        self._heard: dict[type, list[_Hearing]] = {}
        for hearing in hearings:
            self._heard.setdefault(hearing.kind, []).append(hearing)

    def actions(self, event: object, known: object) -> Iterator[Action]:
        """What all handlers that match want done, in the order of their modules and names."""
        for hearing in self._heard.get(type(event), ()):
            if hearing.when is None or hearing.when(event):
                yield from hearing.handler(event, known)

    def hears(self, event: object) -> bool:
        """Whether anybody listens to this kind of event."""
        return type(event) in self._heard


def collect(package: ModuleType) -> Handlers:
    """Find the marked functions of a package's modules (not of its sub-packages)."""
    hearings: list[_Hearing] = []
    for module in pkgutil.iter_modules(package.__path__):
        if module.ispkg:
            continue
        found = importlib.import_module(f"{package.__name__}.{module.name}")
        for name in sorted(vars(found)):
            candidate = vars(found)[name]
            if getattr(candidate, "__module__", None) == found.__name__:
                hearings.extend(getattr(candidate, _MARK, ()))
    return Handlers(hearings)


def suggest_handler(event: object) -> str:
    """The few lines that would hear an event which nobody hears, for the log."""
    kind = type(event).__name__
    return (
        f"@on({kind})\n"
        f"def hear_{kind.lower()}(event: {kind}, known: Known) -> Iterator[Action]: ..."
    )
