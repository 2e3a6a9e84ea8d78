"""What happens, as it happens: one task reads the journal, everybody who watches is told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import structlog

from bot.clock import SHANGHAI
from bot.store import feed
from bot.store.db import Row
from bot.store.sight import Viewer
from bot.web.console.telling import FAMILIES, Teller
from bot.web.pages import Pages
from bot.web.services import Services

log = structlog.get_logger()
POLL_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0
LIFETIME_SECONDS = 600.0
"""Then the browser comes back by itself, and who may watch is asked again."""
_BACKLOG = 100


class Watch:
    """Tells every watcher that the journal grew; it reads only while somebody watches."""

    def __init__(self, services: Services, poll_seconds: float = POLL_SECONDS) -> None:
        self._services = services
        self._poll_seconds = poll_seconds
        self._watchers: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None

    def join(self) -> asyncio.Event:
        """An event that is set whenever there is something new."""
        told = asyncio.Event()
        self._watchers.add(told)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        return told

    def leave(self, told: asyncio.Event) -> None:
        """Not interested any more."""
        self._watchers.discard(told)

    async def _poll(self) -> None:
        seen = -1
        while self._watchers:
            try:
                last = await asyncio.to_thread(self._last_id)
            except Exception:  # the watchers wait; the next reading may succeed
                log.exception("the journal cannot be read")
                last = seen
            if last != seen:
                seen = last
                for told in self._watchers:
                    told.set()
            await asyncio.sleep(self._poll_seconds)

    def _last_id(self) -> int:
        return feed.last_id(self._services.database.read())


class Feed:
    """The stream of one viewer, as server-sent events."""

    def __init__(self, services: Services, pages: Pages, who: Viewer, family: str) -> None:
        self._services = services
        self._pages = pages
        self._who = who
        self._kinds = FAMILIES.get(family, ())

    async def events(
        self, watch: Watch, after: int, heartbeat: float = HEARTBEAT_SECONDS
    ) -> AsyncIterator[str]:
        """``line`` events with the journal's ids, ``figures`` after each batch, heartbeats."""
        told = watch.join()
        until = time.monotonic() + LIFETIME_SECONDS
        try:
            yield "retry: 2000\n\n"
            while time.monotonic() < until:
                for text, last in await asyncio.to_thread(self.news, after):
                    after = last
                    if text:
                        yield text
                try:
                    async with asyncio.timeout(heartbeat):
                        await told.wait()
                except TimeoutError:
                    yield ": still here\n\n"
                told.clear()
        finally:
            watch.leave(told)

    def news(self, after: int) -> list[tuple[str, int]]:
        """What is new since an id, oldest first, each with the id to go on from."""
        db = self._services.database.read()
        last = feed.last_id(db)
        if last <= after:
            return []
        rows = feed.newest(
            db, self._who, kinds=self._kinds, after=after, before=last + 1, limit=_BACKLOG
        )
        rows.reverse()
        found = [(event("line", html, number), number) for number, html in self.told(rows)]
        if found:
            html = self._pages.text("_figures.html", figures=self.figures())
            found.append((event("figures", html), last))
        return found or [("", last)]

    def told(self, rows: list[Row]) -> list[tuple[int, str]]:
        """Rows as HTML, each with its id."""
        teller = Teller(self._services, self._services.database.read(), self._who)
        return [(line.id, self._pages.text("_line.html", line=line)) for line in teller.tell(rows)]

    def lines(self, rows: list[Row]) -> list[str]:
        """Rows as HTML."""
        return [html for _, html in self.told(rows)]

    def older(self, before: int, limit: int = 60) -> list[Row]:
        """The newest rows before an id, newest first."""
        return feed.newest(
            self._services.database.read(),
            self._who,
            kinds=self._kinds,
            before=before,
            limit=limit,
        )

    def figures(self) -> dict[str, int]:
        """Today in numbers."""
        now = self._services.clock.now()
        midnight = now.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
        return feed.figures(
            self._services.database.read(),
            self._who,
            since=int(midnight.timestamp() * 1000),
            now=int(now.timestamp() * 1000),
        )


def event(name: str, html: str, number: int | None = None) -> str:
    """One server-sent event; the HTML travels as a JSON text on one line."""
    head = f"id: {number}\n" if number is not None else ""
    return f"{head}event: {name}\ndata: {json.dumps(html, ensure_ascii=False)}\n\n"
