"""A process that plans and sends over real HTTP until it kills itself at a named point.

python doomed.py <folder> <sandbox> <point> <seed> <moment>
"""

from __future__ import annotations

import random
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from shop import Reaper, Shop
from short_wire import ADD, Platform

from bot.clock import FixedClock
from bot.rulebook import load_rulebook
from bot.sandbox.settings import SandboxSettings
from bot.wecom import Secrets, WeComClient
from bot.wecom.transport import Answer, Request, Silence, Transport

ROOT = Path(__file__).parents[2]


class DyingWire(Transport):
    """Real HTTP that may be the last thing of its process."""

    reaper: Reaper

    def send(self, request: Request, token: str | None) -> Answer | Silence:
        if request.path == ADD:
            self.reaper.at("calling")
        answer = super().send(request, token)
        if request.path == ADD:
            self.reaper.at("accepted")
        return answer


def main(folder: str, address: str, point: str, seed: str, moment: str) -> None:
    clock = FixedClock(datetime.fromisoformat(moment))
    reaper = Reaper(point, 1, random.Random(seed), really=True)
    settings = SandboxSettings(clock=clock)
    wire: Any = DyingWire(address)
    wire.reaper = reaper

    def client() -> WeComClient:
        secrets = Secrets(settings.app_secret, settings.contact_secret)
        found = WeComClient(address, settings.corp_id, settings.agent_id, secrets)
        found._transport = wire
        return found

    rules = load_rulebook(ROOT / "config", ROOT / "templates")
    shop = Shop(Path(folder), Platform(settings), clock, rules, reaper, client)
    shop.open()
    for _ in range(20):
        shop.plan(clock.moment.date())
        shop.tick()


if __name__ == "__main__":
    main(*sys.argv[1:])
