"""The ASGI application: door and health first, everything else when it is first asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from bot.web.door import PREFIX, Door, Receive, Scope, Send

Site = Callable[[Scope, Receive, Send], Any]


class Front:
    """Sends callbacks to the door, answers ``/healthz`` and ``/readyz``, and loads the site late.

    FastAPI and the pages take most of a start's time and memory; callbacks need neither.

    Args:
        ready: The problems that keep the bot from keeping or working; empty is good.
        load_site: Builds the FastAPI application; called once, in a thread.
    """

    def __init__(
        self, door: Door, ready: Callable[[], dict[str, Any]], load_site: Callable[[], Site]
    ) -> None:
        self._door = door
        self._ready = ready
        self._load_site = load_site
        self._site: Site | None = None
        self._loading = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        path = scope["path"]
        if path.startswith(PREFIX):
            await self._door(scope, receive, send)
        elif path == "/healthz":
            await _json(send, 200, {"status": "ok"})
        elif path == "/readyz":
            state = await asyncio.to_thread(self._ready)
            await _json(send, 200 if not state["problems"] else 503, state)
        else:
            site = await self._loaded()
            await site(scope, receive, send)

    async def _loaded(self) -> Site:
        if self._site is None:
            async with self._loading:
                if self._site is None:
                    self._site = await asyncio.to_thread(self._load_site)
        return self._site


async def _json(send: Send, status: int, answer: dict[str, Any]) -> None:
    body = json.dumps(answer, ensure_ascii=False).encode()
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
