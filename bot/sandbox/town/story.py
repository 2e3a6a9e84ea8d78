"""Plays the demo's day: the live part in about 110 seconds, then a slow trickle, then silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from bot.errors import Invalid
from bot.sandbox.town.people import Line, Town
from bot.sandbox.town.stage import Stage
from bot.sandbox.world import World


class Story(threading.Thread):
    """Today's talk as a daemon thread; no line is ever said twice.

    Args:
        pace: How many times faster than real time; 1 takes 110 seconds for the live part.
        patience: Seconds that a new friend waits for the welcome before going on; nobody who
            has written already can be welcomed.

    Attributes:
        skipped: Lines that had become impossible, because a visitor changed the world first.
        told: Set when the live part is over.
    """

    def __init__(self, world: World, town: Town, pace: float = 1.0, patience: float = 20.0) -> None:
        super().__init__(name="sandbox-story", daemon=True)
        self._world = world
        self._town = town
        self._stage = Stage(world, town)
        self._pace = pace
        self._patience = patience
        self._stopping = threading.Event()
        self._running = threading.Event()
        self._running.set()
        self.skipped = 0
        self.told = threading.Event()

    def run(self) -> None:
        """Say each line at its time; a new friend lets the bot speak first."""
        before = 0.0
        for at, line in self._timeline():
            if not self._wait((at - before) / self._pace):
                return
            before = at
            self._play(line)
            if line.do == "add_friend":
                self._wait_for_welcome(line.who)

    def tell(self) -> None:
        """Play the live part at once, in the caller's thread; for tests and training."""
        for _, line in self._town.today:
            self._play(line)
        self.told.set()

    def pause(self) -> None:
        """Nobody says anything until ``resume``."""
        self._running.clear()

    def resume(self) -> None:
        """Go on where it stopped."""
        self._running.set()

    @property
    def paused(self) -> bool:
        """Whether it waits for ``resume``."""
        return not self._running.is_set()

    def stop(self) -> None:
        """End it for good and wait for the thread."""
        self._stopping.set()
        self._running.set()
        if self.is_alive():
            self.join()

    def _timeline(self) -> Iterator[tuple[float, Line]]:
        yield from self._town.today
        self.told.set()
        end = self._town.today[-1][0]
        yield from ((end + at, line) for at, line in self._town.later)

    def _wait(self, seconds: float) -> bool:
        """Sleep, and longer while paused; False when it is over."""
        self._stopping.wait(max(0.0, seconds))
        self._running.wait()
        return not self._stopping.is_set()

    def _wait_for_welcome(self, who: str) -> None:
        """On a slow machine the friend would write before the bot had a chance."""
        person = self._town.people[who].external_userid
        end = time.monotonic() + self._patience
        while time.monotonic() < end and not self._stopping.wait(0.05):
            if self._world.delivered(channel="welcome", external_userid=person):
                return

    def _play(self, line: Line) -> None:
        try:
            self._stage.play(line)
        except (Invalid, KeyError):
            # A visitor threw somebody out, or the line to recall was never said.
            self.skipped += 1
