"""The branch's staff at their phones: they send what they are asked to and answer their cards."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.errors import Invalid
from bot.sandbox.records import Fields
from bot.sandbox.town.people import Town
from bot.sandbox.world import World

_LOOK_SECONDS = 0.5
_READING = (3.0, 7.0)
_PUT_OFF = 90.0
_LIKELY = ("已联系", "联系")


@dataclass(frozen=True, slots=True)
class Errand:
    """Something an employee will do at a moment (monotonic seconds)."""

    due: float
    do: Callable[[], object]


class Staffers(threading.Thread):
    """All employees as one daemon thread.

    A mass send is confirmed, a moment published and a card's likely button pressed some seconds
    after it came.
    Whoever ``puts_off`` leaves every second card for a minute and a half.

    Args:
        pace: As of the story.
        seed: Decides how long each takes to read.
    """

    def __init__(self, world: World, town: Town, pace: float = 1.0, seed: int = 20261201) -> None:
        super().__init__(name="sandbox-staffers", daemon=True)
        self._world = world
        self._town = town
        self._pace = pace
        self._chance = random.Random(seed)  # noqa: S311  # how long people take to read
        self._stopping = threading.Event()
        self._last = 0
        self._errands: list[Errand] = []
        self._cards: dict[str, int] = {}

    def run(self) -> None:
        """Look at the phones twice a second."""
        while not self._stopping.wait(_LOOK_SECONDS / self._pace):
            self.look(time.monotonic())

    def stop(self) -> None:
        """Everybody goes home."""
        self._stopping.set()
        if self.is_alive():
            self.join()

    def look(self, moment: float) -> int:
        """Notice what is new and do what is due; returns what is still to be done."""
        for entry in self._world.history_since(self._last):
            self._last = int(entry["id"])
            self._notice(entry, moment)
        due = [errand for errand in self._errands if errand.due <= moment]
        self._errands = [errand for errand in self._errands if errand.due > moment]
        for errand in due:
            _try(errand.do)
        return len(self._errands)

    def _notice(self, entry: Fields, moment: float) -> None:
        if entry["kind"] == "mass_created" and not entry["by_hand"]:
            for userid in entry["plan"]:
                self._plan_send(userid, str(entry["msgid"]), moment)
        elif entry["kind"] == "moment_created" and not entry["by_hand"]:
            for userid in entry["senders"]:
                self._plan_send(userid, str(entry["moment_id"]), moment)
        elif entry["kind"] == "app_message" and entry["task_id"]:
            for userid in entry["to"]:
                self._plan_press(userid, entry, moment)

    def _plan_send(self, userid: str, msgid: str, moment: float) -> None:
        self._later(moment, self._reading(), lambda: self._world.confirm_task(userid, msgid))

    def _plan_press(self, userid: str, entry: Fields, moment: float) -> None:
        key = likely_button(entry["body"])
        if not key:
            return
        task_id = str(entry["task_id"])
        seconds = self._reading() + (_PUT_OFF if self._puts_off(userid) else 0.0)
        self._later(moment, seconds, lambda: self._world.press_card(userid, task_id, key))

    def _puts_off(self, userid: str) -> bool:
        self._cards[userid] = self._cards.get(userid, 0) + 1
        one = self._town.staff.get(userid)
        return one is not None and one.puts_off and self._cards[userid] % 2 == 0

    def _reading(self) -> float:
        return self._chance.uniform(*_READING)

    def _later(self, moment: float, seconds: float, do: Callable[[], object]) -> None:
        self._errands.append(Errand(moment + seconds / self._pace, do))


def likely_button(body: dict[str, Any]) -> str:
    """The key of the button that says somebody was contacted, else of the first; "" without any."""
    buttons = [one for one in body.get("button_list", []) if one.get("key")]
    for word in _LIKELY:
        for one in buttons:
            if word in str(one.get("text", "")):
                return str(one["key"])
    return str(buttons[0]["key"]) if buttons else ""


def _try(do: Callable[[], object]) -> None:
    try:
        do()
    except Invalid:
        # Cancelled, already done, or greyed out meanwhile: as in life, the tap does nothing.
        return
