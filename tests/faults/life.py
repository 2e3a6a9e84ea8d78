"""The whole bot on a discrete clock: no threads, no network, no waiting.

Time jumps to the next moment at which anything is due: a job, an errand, a held message, a look
at a doubtful task, a late callback, or a deed of the story.
"""

from __future__ import annotations

import heapq
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, time, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from live_branch import _reader
from shop import Killed
from short_wire import ADD, Platform

from bot.actions import PullArchive, Reconcile, SyncTags
from bot.app import Bot
from bot.clock import SHANGHAI, FixedClock
from bot.rulebook import Rulebook
from bot.sandbox.envelope import to_xml
from bot.sandbox.records import Callback
from bot.sandbox.settings import FAMILY_SOURCES
from bot.web.door import _moment
from bot.wire import content_key
from config.settings import Settings

FILE = "qunguan.db"
COMPARED_EVERY = timedelta(hours=12)
# Just after the scheduler's daily jobs, and when the hours close: it looks every second.
_ROUND = (
    *(time(hour, minute, 2) for hour, minute in ((0, 30), (1, 30), (3, 0), (4, 0), (8, 0))),
    time(20),
    time(21),
)
_WAITS = """
SELECT min(at) FROM (
  SELECT min(not_before) AS at FROM outbox WHERE state = 'ready'
  UNION ALL SELECT min(CASE WHEN coalesce(held_until, 0) > due_at THEN held_until ELSE due_at END)
    FROM push WHERE status IN ('planned', 'held', 'ready')
  UNION ALL SELECT min(coalesce(polled_at, called_at)) + 151000 FROM send_task
    WHERE status IN ('calling', 'uncertain')) x
"""


class Life:
    """A bot, its world, and everything that will happen.

    Attributes:
        weather: Decides what becomes of callbacks.
        lost: Share of callbacks that never arrive; of the others some come twice or late.
        on_moment: Called after every moment, for those who measure.
    """

    def __init__(self, folder: Path, platform: Platform, clock: FixedClock, seed: int) -> None:
        self.folder, self.platform, self.clock = folder, platform, clock
        self.weather = random.Random(seed)
        self.lost = 0.0
        self.moments = 0
        self.deaths = 0
        self.asleep_until: datetime | None = None
        self.on_moment: Callable[[], object] = lambda: None
        self._deeds: list[tuple[datetime, int, Callable[[], object]]] = []
        self._serial = count()
        self._die_in = 0
        platform.world.emit = self._emit
        platform.before = self._maybe_die
        platform.after = self._maybe_die
        self.bot = self._bear()

    # -- birth and death

    def _bear(self) -> Bot:
        wired: dict[str, Any] = {
            name.lower(): value
            for name, value in self.platform.world.settings.bot_environment(
                "http://wecom.invalid"
            ).items()
            if "ARCHIVE" not in name
        }
        settings = Settings(
            _env_file=None,
            qunguan_data_dir=self.folder,
            qunguan_secret_key="faults-only-secret-key-0000",
            qunguan_public_url="http://bank.example",
            qunguan_clock=self.clock.moment.isoformat(),
            **wired,
        )
        bot = Bot(settings)
        bot.clock = self.clock
        bot.reader = _reader(bot.settings.qunguan_config_dir)
        bot.wecom = self.platform.client()
        bot.rules = _all_approved(bot.rules)
        bot.mass.monotonic = self.platform.monotonic
        bot.rule_watch.begin()
        # Each hour as in life, comparing would be four fifths of a year's work.
        bot.ringer._jobs = [
            replace(job, every=COMPARED_EVERY) if job.name in {"reconcile", "read_others"} else job
            for job in bot.ringer._jobs
        ]
        return bot

    def wake_up(self) -> None:
        """What a start does, without the threads."""
        now = int(self.clock.now().timestamp() * 1000)
        bot = self.bot
        first = (Reconcile(f"start-{now}"), SyncTags(f"start-{now}"), PullArchive(f"start-{now}"))
        bot.database.write(lambda db: bot._add_errands(db, now, *first))
        bot.outbox.resume()

    def die(self) -> None:
        """The process is gone in this moment; another one begins on what is on the disk."""
        self.deaths += 1
        grave = self.folder
        self.folder = grave.parent / f"{grave.name[:12]}-{self.deaths}"
        self.folder.mkdir()
        for name in (FILE, f"{FILE}-wal"):
            if (grave / name).exists():
                shutil.copy(grave / name, self.folder / name)
        self.close()
        shutil.rmtree(grave)
        self.bot = self._bear()
        # Leases go by the machine's own seconds, which hardly pass here.
        self.bot.database.write(lambda db: db.run("UPDATE lease SET until_at = 0"))
        self.wake_up()

    def close(self) -> None:
        self.bot._open.close()
        self.bot.wecom.close()
        self.bot.database.close()

    def die_soon(self, calls: int) -> None:
        """Die around one of the next mass sends: before it, or before its answer."""
        self._die_in = calls

    def _maybe_die(self, path: str) -> None:
        if path == ADD and self._die_in:
            self._die_in -= 1
            if not self._die_in:
                raise Killed

    # -- callbacks

    def _emit(self, callback: Callback) -> None:
        draw = self.weather.random()
        if draw < self.lost:
            return
        self._hear(callback)
        if draw < 2 * self.lost:
            self._hear(callback)
        elif draw < 3 * self.lost:
            later = self.clock.now() + timedelta(hours=self.weather.uniform(0.1, 24))
            self.at(later, lambda: self._hear(callback))

    def _hear(self, callback: Callback) -> None:
        if self.asleep_until is not None:
            return  # nobody answers the door; WeCom gives up
        source = FAMILY_SOURCES[callback.family]
        content = to_xml(callback.fields).encode()
        key = _moment(content) + content_key(source, content).encode()
        self.bot.inbox.put(key, source, content).result()

    # -- time

    def at(self, moment: datetime, deed: Callable[[], object]) -> None:
        """Let something happen at a moment."""
        heapq.heappush(self._deeds, (moment, next(self._serial), deed))

    def run(self, until: datetime) -> None:
        """Go from due moment to due moment."""
        while (moment := self._next()) <= until:
            self.clock.moment = moment
            self._happen(moment)
            if self.asleep_until is None:
                self.tick()
            self.moments += 1
            self.on_moment()
        self.clock.moment = until

    def tick(self) -> None:
        """One look of the scheduler and all the work that there is."""
        try:
            self.bot.ringer.tick()
            self.work()
        except Killed:
            self.die()

    def work(self) -> None:
        bot = self.bot
        while bot.worker.work_once() or bot.outbox.work_once():
            pass

    def _happen(self, moment: datetime) -> None:
        while self._deeds and self._deeds[0][0] <= moment:
            heapq.heappop(self._deeds)[2]()

    def _next(self) -> datetime:
        now = self.clock.now()
        found = [self._next_round(now)]
        if self._deeds:
            found.append(self._deeds[0][0])
        if self.asleep_until is None:
            waits = self.bot.database.read().value(_WAITS)
            if waits is not None:
                found.append(datetime.fromtimestamp(waits / 1000 + 0.001, SHANGHAI))
        # What waits for the scheduler's period is due a few seconds on.
        return max(min(found), now + timedelta(seconds=15))

    @staticmethod
    def _next_round(now: datetime) -> datetime:
        local = now.astimezone(SHANGHAI)
        today = [datetime.combine(local.date(), each, SHANGHAI) for each in _ROUND]
        tomorrow = datetime.combine(local.date() + timedelta(days=1), _ROUND[0], SHANGHAI)
        return min(each for each in [*today, tomorrow] if each > local)


def _all_approved(rules: Rulebook) -> Rulebook:
    """Marketing goes out, too: every shipped text counts as approved."""
    pins = {f"campaigns/{name}.md": each.text_hash for name, each in rules.campaigns.items()}
    return replace(rules, release={**rules.release, **pins})
