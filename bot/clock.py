"""One clock for everything: settable, movable while running, and never naive."""

from __future__ import annotations

import contextlib
import re
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from bot.errors import Invalid

SHANGHAI = ZoneInfo("Asia/Shanghai")
_SPEC = re.compile(r"^(?P<start>[^@]+?)(?:@(?P<rate>\d+(?:\.\d+)?))?$")
_POLL_SECONDS = 0.5
_YEARS = 2000, 2099


class Clock(Protocol):
    """What everybody who needs the time is handed."""

    def now(self) -> datetime:
        """The moment, aware, UTC."""
        ...


def today(clock: Clock) -> date:
    """The day in Asia/Shanghai."""
    return clock.now().astimezone(SHANGHAI).date()


def written_day(written: str) -> date | None:
    """An ISO day of the years the bot can reckon in, 2000 to 2099; None for anything else."""
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return None
    return day if _YEARS[0] <= day.year <= _YEARS[1] else None


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """The moment, aware, UTC."""
        return datetime.now(UTC)


class FixedClock:
    """Stands still until it is moved; for tests and for planning a given day."""

    def __init__(self, moment: datetime) -> None:
        if moment.tzinfo is None:
            raise Invalid("时间必须带时区,例如 2026-12-01T08:55:00+08:00")
        self.moment = moment

    def now(self) -> datetime:
        """The moment, aware, UTC."""
        return self.moment.astimezone(UTC)

    def move(self, span: timedelta) -> None:
        """Go forward (or back) by ``span``."""
        self.moment += span


class MovableClock:
    """Starts at a moment, runs at a rate, and follows a file that moves it.

    Args:
        spec: ``2026-12-01T08:55:00+08:00`` or the same with ``@60`` (an hour a minute).
        file: When it exists, its content is a spec and replaces the present one.
    """

    def __init__(self, spec: str, file: Path | None = None) -> None:
        self._file = file
        self._seen: str | None = None
        self._checked = float("-inf")
        self._set(spec)

    def _set(self, spec: str, age: float = 0.0) -> None:
        self._start, self._rate = parse_clock(spec)
        self._since = time.monotonic() - age

    def now(self) -> datetime:
        """The moment, aware, UTC."""
        self._follow_file()
        return self._start + timedelta(seconds=(time.monotonic() - self._since) * self._rate)

    def _follow_file(self) -> None:
        moment = time.monotonic()
        if self._file is None or moment - self._checked < _POLL_SECONDS:
            return
        self._checked = moment
        try:
            spec = self._file.read_text(encoding="utf-8").strip()
            written = self._file.stat().st_mtime
        except OSError:
            return
        if spec and spec != self._seen:
            self._seen = spec
            # Counted from the file's own time, so that every process shows the same moment;
            # what cannot be read there must not stop the threads that only ask for the time.
            with contextlib.suppress(Invalid):
                self._set(spec, age=max(0.0, time.time() - written))


def parse_clock(spec: str) -> tuple[datetime, float]:
    """Read ``moment[@rate]``; the moment comes back in UTC.

    Raises:
        Invalid: The text is not a moment with its zone.
    """
    found = _SPEC.match(spec.strip())
    try:
        start = datetime.fromisoformat(found["start"] if found else "")
    except ValueError:
        start = datetime.min  # noqa: DTZ901  # only marks "unreadable"; refused just below
    if found is None or start.tzinfo is None:
        raise Invalid(
            f"时钟设置 {spec!r} 无法识别,请写成 2026-12-01T08:55:00+08:00,可加倍速 @60",
        )
    return start.astimezone(UTC), float(found["rate"] or 1)


def open_clock(spec: str, file: Path | None = None) -> Clock:
    """The clock that ``QUNGUAN_CLOCK`` asks for; ``system`` unless told otherwise."""
    return SystemClock() if spec == "system" else MovableClock(spec, file)
