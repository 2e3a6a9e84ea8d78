"""The sandbox, put together: one ASGI application, served by uvicorn or inside a test.

Paths: ``/cgi-bin/…`` the API, ``/relay/…`` the archive relay, ``/sandbox/api/…`` the sandbox's own
interface, ``/connect/oauth2/authorize`` and ``/wwlogin/sso/login`` the logins, anything else the
play page in ``bot/sandbox/page`` when it is there.
"""

from __future__ import annotations

import importlib
import importlib.util
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.routing import Mount, Route, Router

import bot.sandbox.calls_contacts
import bot.sandbox.calls_groups
import bot.sandbox.calls_kf
import bot.sandbox.calls_masses
import bot.sandbox.calls_misc
import bot.sandbox.calls_moments
import bot.sandbox.calls_robots
import bot.sandbox.calls_staff  # noqa: F401  # importing the calls_* modules registers their answers
from bot.errors import Invalid
from bot.sandbox.api import SandboxApi
from bot.sandbox.callbacks import CallbackDoor
from bot.sandbox.control import Control
from bot.sandbox.faults import Faults
from bot.sandbox.jsapi import Jsapi
from bot.sandbox.records import Fields
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.wire import CuttableProtocol, Receive, Scope, Send, Wire
from bot.sandbox.world import World

_START_SECONDS = 10.0


class Sandbox:
    """A world, its API, its callbacks and its faults; also the ASGI application.

    Args:
        settings: The corp.
        callback_workers: Threads that post callbacks; one keeps their order.

    Attributes:
        world: Act and look here.
        api: Tokens, limits and the requests seen.
        faults: Switches of things that go wrong.
        door: The sender of callbacks.
        story: What a demo plays here, for the page's pause button (``bot.sandbox.town``).
    """

    story: Any = None

    def __init__(self, settings: SandboxSettings, *, callback_workers: int = 1) -> None:
        self.settings = settings
        self.world = World(settings)
        self.faults = Faults(settings.seed)
        self.api = SandboxApi(self.world)
        self.door = CallbackDoor(
            settings, self.faults, self.world.passive_reply, workers=callback_workers
        )
        self.world.emit = self.door.send
        self._wire = Wire(self.api, self.faults)
        self._pages = Router(
            routes=[*Control(self).routes(), *Jsapi(self).routes(), *_page_routes(self)]
        )
        self.door.start()

    @property
    def closing(self) -> bool:
        """Whether the server is stopping."""
        return self._wire.closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        path = scope.get("path", "")
        if path.startswith(("/cgi-bin/", "/relay/")):
            await self._wire(scope, receive, send)
        else:
            await self._pages(scope, receive, send)

    def point_callbacks_at(self, base_url: str) -> None:
        """Send callbacks to this bot from now on."""
        self.door.point_at(base_url)

    def close(self) -> None:
        """End hanging requests and stop the sender."""
        self._wire.closing = True
        self.door.close()


def _page_routes(sandbox: Sandbox) -> list[Mount | Route]:
    """The play page, when it is there: ``build_page(sandbox)`` gives its routes."""
    if importlib.util.find_spec("bot.sandbox.page") is None:
        return []
    page: Any = importlib.import_module("bot.sandbox.page")
    return list(page.build_page(sandbox))


def build_sandbox(settings: SandboxSettings, *, callback_workers: int = 1) -> Sandbox:
    """Build the application; ``.world`` is its world."""
    return Sandbox(settings, callback_workers=callback_workers)


def server_config(sandbox: Sandbox, host: str, port: int) -> uvicorn.Config:
    """How uvicorn serves a sandbox."""
    return uvicorn.Config(
        sandbox,
        host=host,
        port=port,
        http=CuttableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
    )


def serve(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 8090) -> None:
    """Serve until interrupted."""
    try:
        uvicorn.Server(server_config(sandbox, host, port)).run()
    finally:
        sandbox.close()


class SandboxServer:
    """A sandbox on a port of its own, in a thread; a context manager.

    Attributes:
        base_url: Its address, for ``WECOM_BASE_URL``.
        world: The world it plays.
    """

    def __init__(
        self,
        settings: SandboxSettings,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        callback_workers: int = 1,
    ) -> None:
        self.sandbox = build_sandbox(settings, callback_workers=callback_workers)
        self.world = self.sandbox.world
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self.base_url = f"http://{host}:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(server_config(self.sandbox, host, port))
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="sandbox-http", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        until = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if time.monotonic() > until or not self._thread.is_alive():
                raise Invalid("沙箱没有启动成功")
            self._thread.join(0.01)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sandbox.close()
        self._server.should_exit = True
        self._thread.join(_START_SECONDS)
        self._socket.close()

    @property
    def faults(self) -> Faults:
        """The switches."""
        return self.sandbox.faults

    @property
    def api(self) -> SandboxApi:
        """Tokens, limits and the requests seen."""
        return self.sandbox.api

    @property
    def door(self) -> CallbackDoor:
        """The sender of callbacks."""
        return self.sandbox.door

    def point_callbacks_at(self, base_url: str) -> None:
        """Send callbacks to ``{base_url}/wecom/callback/{source}`` from now on."""
        self.sandbox.point_callbacks_at(base_url)

    def drain(self, seconds: float = 10.0) -> bool:
        """Wait until every callback was delivered or given up."""
        return self.door.drain(seconds)

    def bot_environment(self) -> dict[str, str]:
        """The bot's settings that wire it to this sandbox."""
        return self.sandbox.settings.bot_environment(self.base_url)

    def history(self, kind: str = "") -> list[Fields]:
        """Everything that happened, or one kind of it, oldest first."""
        with self.world.lock:
            return [entry for entry in self.world.history if kind in ("", entry["kind"])]


@contextmanager
def running_sandbox(
    settings: SandboxSettings, *, port: int = 0, callback_workers: int = 1
) -> Iterator[SandboxServer]:
    """A served sandbox for the length of a ``with`` block."""
    with SandboxServer(settings, port=port, callback_workers=callback_workers) as server:
        yield server
