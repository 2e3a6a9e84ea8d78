"""What every benchmark shares: its figures, how many rounds, the cores, and the disk.

A figure that gates is a ratio to a floor or a peer that took turns with ours; absolute
times swing by a factor of two on shared machines and only stand beside it.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "var" / "bench"
SERVER_CORE, GENERATOR_CORE = 0, 1
_IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs"})


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        ours: Our own measure with its unit, for people.
        against: The floor's or the peer's.
        ratio: What is compared with the target; None where only a figure is reported.
        target: The bar of this ratio; None where nothing gates.
        least: The bar is the least that is good, not the most.
    """

    name: str
    ours: str
    against: str = ""
    ratio: float | None = None
    target: float | None = None
    least: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        """``ok`` or ``MISS`` against the target; empty where nothing gates."""
        if self.ratio is None or self.target is None:
            return ""
        good = self.ratio >= self.target if self.least else self.ratio <= self.target
        return "ok" if good else "MISS"

    def line(self) -> str:
        """The figure as a line of the table."""
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}"
        bar = "-"
        if self.target is not None:
            bar = f"{'>=' if self.least else '<='} {self.target:g}"
        row = f"{self.name:<24} {self.ours:>22} {self.against:>22} {ratio:>7} {bar:>9} "
        return f"{row}{self.verdict:<5} {self.note}".rstrip()


HEADER = f"{'name':<24} {'ours':>22} {'against':>22} {'ratio':>7} {'target':>9}"


@dataclass(frozen=True)
class Scale:
    """How much is measured: the real thing, or a smoke test of a few seconds."""

    rounds: int = 5
    callbacks: int = 8_000
    """Through our door in each round; the floor gets twice as many."""
    seconds: float = 10.0
    """Length of an open loop."""
    customers: int = 1_000_000
    pushes: int = 100_000
    messages: int = 100_000
    """Lines of talk at most."""
    drained: int = 4_000
    """Of them in each round of the worker."""
    tasks: int = 1_000
    """Mass sends in each round of the pipeline."""
    imported: int = 100_000
    """Customers of a file, with three times as many holdings."""
    kills: int = 5
    settle: float = 10.0
    """Seconds of rest before memory is read."""


QUICK = Scale(
    rounds=1,
    callbacks=200,
    seconds=1.0,
    customers=2_000,
    pushes=1_000,
    messages=500,
    drained=200,
    tasks=40,
    imported=500,
    kills=1,
    settle=0.2,
)

Turn = Callable[[int], float]


def in_turns(rounds: int, *ways: Turn) -> list[list[float]]:
    """Each way's measures; every round asks all of them, after one round that only warms up."""
    found: list[list[float]] = [[] for _ in ways]
    for number in range(rounds + 1):
        for measures, way in zip(found, ways, strict=True):
            measure = way(number)
            if number:
                measures.append(measure)
    return found


def ratio_of(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))


def pin(process: int, core: int) -> None:
    """Keep a process on one core, where the machine has so many."""
    cores = sorted(os.sched_getaffinity(0) | {0})
    os.sched_setaffinity(process, {core if core in _all_cores() else cores[0]})


def _all_cores() -> set[int]:
    return set(range(os.cpu_count() or 1))


def real_disk(folder: Path) -> Path:
    """The folder, made when it is missing.

    Raises:
        SystemExit: It lies in memory, where a commit costs nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kind = _file_system(folder.resolve())
    if kind in _IN_MEMORY:
        raise SystemExit(f"{folder} is on {kind}: move the checkout to a real disk")
    return folder


def _file_system(folder: Path) -> str:
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    inside = [(place, kind) for place, kind in mounts if folder.is_relative_to(place)]
    # The last of the deepest: a later mount covers an earlier one at the same place.
    return max(enumerate(inside), key=lambda each: (len(each[1][0]), each[0]))[1][1]


def milliseconds(seconds: float) -> str:
    """For people."""
    return f"{seconds * 1000:.1f} ms"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def peak_memory() -> float:
    """Megabytes that this program held at most; getrusage would count its parent's as well."""
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
