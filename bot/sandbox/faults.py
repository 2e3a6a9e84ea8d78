"""Things that go wrong on purpose, the same way for the same seed and order of calls."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from itertools import count as counting
from typing import Any

from bot.errors import Invalid

API_ACTIONS = (
    "latency",
    "hang",
    "hang_after",
    "status",
    "reset_before",
    "reset_after",
    "errcode",
)
CALLBACK_ACTIONS = ("duplicate", "reorder", "drop", "delay")


@dataclass
class Fault:
    """One switch.

    Attributes:
        pattern: Shell-style. For the API the path (``/cgi-bin/externalcontact/*``, ``/relay/*``);
            for callbacks ``source/Event/ChangeType`` (``app/change_external_chat/*``).
        action: API: ``latency`` (wait ``value`` seconds, then answer), ``hang`` (never answer,
            nothing happens), ``hang_after`` (it happens, no answer), ``status`` (HTTP ``value``),
            ``reset_before`` and ``reset_after`` (connection cut, without or with the effect),
            ``errcode`` (answer ``value``). Callbacks: ``duplicate``, ``reorder`` (goes out after
            the next one), ``drop``, ``delay`` (``value`` seconds).
        count: How often it strikes; None without end.
        skip: How many matching calls pass first.
        probability: Chance of striking a matching call.
        retry_after: Value of the ``Retry-After`` header that goes with ``status``.
    """

    id: int
    pattern: str
    action: str
    value: float = 0
    count: int | None = None
    skip: int = 0
    probability: float = 1.0
    retry_after: int | None = None
    hits: int = 0


class Faults:
    """All switches of one sandbox; empty means the platform behaves."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)  # noqa: S311  # decides made-up failures, not secrets
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._ids: Iterator[int] = counting(1)

    def add(self, pattern: str, action: str, value: float = 0, **more: Any) -> Fault:
        """Switch one on; the fields are those of :class:`Fault`.

        Raises:
            Invalid: The action or a field is unknown.
        """
        if action not in API_ACTIONS + CALLBACK_ACTIONS:
            known = "、".join(API_ACTIONS + CALLBACK_ACTIONS)
            raise Invalid(f"没有故障 {action};可用:{known}")
        try:
            fault = Fault(next(self._ids), pattern, action, value, **more)
        except TypeError as wrong:
            raise Invalid(f"故障参数不对:{wrong}") from wrong
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Switch everything off."""
        with self._lock:
            self._faults.clear()

    def strike(self, name: str) -> list[Fault]:
        """The switches that hit this call or callback now; their counts go down."""
        with self._lock:
            struck = [fault for fault in self._faults if self._hits(fault, name)]
            self._faults = [f for f in self._faults if f.count is None or f.count > 0]
            return struck

    def _hits(self, fault: Fault, name: str) -> bool:
        if not fnmatchcase(name, fault.pattern):
            return False
        if fault.skip > 0:
            fault.skip -= 1
            return False
        if fault.probability < 1 and self._random.random() >= fault.probability:
            return False
        fault.hits += 1
        if fault.count is not None:
            fault.count -= 1
        return True

    def listing(self) -> list[dict[str, Any]]:
        """What is switched on, as JSON."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]
