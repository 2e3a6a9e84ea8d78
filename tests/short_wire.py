"""The sandbox's API without a network: a call is a function call, its faults and deaths included.

Long drives make hundreds of thousands of calls; everything of the client but the socket is real.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import bot.sandbox.app  # noqa: F401  # the calls make themselves known when it is imported
from bot.clock import Clock
from bot.sandbox.api import SandboxApi
from bot.sandbox.faults import Faults
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.wire import _instead
from bot.sandbox.world import World
from bot.wecom import Secrets, WeComClient
from bot.wecom.transport import Answer, Request, Silence, _rest

ADD = "/cgi-bin/externalcontact/add_msg_template"
CANCEL = "/cgi-bin/externalcontact/cancel_groupmsg_send"
RESULT = "/cgi-bin/externalcontact/get_groupmsg_send_result"
GETTOKEN = "/cgi-bin/gettoken"


class Platform:
    """A world with its API and its faults, on the clock that the bot goes by, too.

    Args:
        api: Of a world that is there already; else an empty one is made.

    Attributes:
        before, after: Called with the path before anything happens, and before the answer
            leaves; whatever they raise ends the caller.
        calls: How often each path was asked.
    """

    def __init__(self, settings: SandboxSettings, api: SandboxApi | None = None) -> None:
        self.clock: Clock = settings.clock
        self.api = api or SandboxApi(World(settings, self.monotonic))
        self.world = self.api.world
        self.faults = Faults(settings.seed)
        self.before: Callable[[str], None] = lambda _path: None
        self.after: Callable[[str], None] = lambda _path: None

    def monotonic(self) -> float:
        """Seconds of the made-up clock: tokens, rests and dispatches go by it."""
        return self.clock.now().timestamp()

    def client(self) -> WeComClient:
        """A client of a process that has just begun."""
        found = self.world.settings
        secrets = Secrets(
            found.app_secret, found.contact_secret, found.kf_secret, found.archive_secret
        )
        client = WeComClient(
            "http://wecom.invalid",
            found.corp_id,
            found.agent_id,
            secrets,
            monotonic=self.monotonic,
            sleep=lambda _seconds: None,
        )
        wire: Any = _ShortWire(self)
        client._transport = wire  # the socket alone is left out
        return client


class _ShortWire:
    """In the place of ``Transport``."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def send(self, request: Request, token: str | None) -> Answer | Silence:
        platform, path = self._platform, request.path
        struck = {fault.action: fault for fault in platform.faults.strike(path)}
        platform.before(path)
        if "hang" in struck:
            return Silence.TIMED_OUT
        if "reset_before" in struck:
            return Silence.BROKEN
        query = dict(request.query) | ({"access_token": token} if token else {})
        reply = _instead(path, struck) or platform.api.answer(
            request.method, path, query, request.content or b"", None
        )
        platform.after(path)
        if "hang_after" in struck:
            return Silence.TIMED_OUT
        if "reset_after" in struck:
            return Silence.BROKEN
        content = reply.content
        if reply.body is not None:
            content = json.dumps(reply.body, ensure_ascii=False, default=str).encode()
        return Answer(reply.status, content, _rest(reply.headers.get("Retry-After")))

    def close(self) -> None:
        """Nothing is open."""
