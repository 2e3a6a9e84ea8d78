"""The sandbox's own interface under ``/sandbox/api``: acting in the world, faults, clock, records.

It has no password: a sandbox listens on this machine only.
"""

from __future__ import annotations

import asyncio
import html
import inspect
import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from bot.clock import parse_clock
from bot.errors import Invalid
from bot.sandbox.state import ACTS

if TYPE_CHECKING:
    from bot.sandbox.app import Sandbox

_LONGEST_WAIT = 25.0


class Control:
    """Handlers of the control interface and of the login pages."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def routes(self) -> list[Route]:
        """What the application mounts."""
        return [
            Route("/sandbox/api/acts", self.acts),
            Route("/sandbox/api/act", self.act, methods=["POST"]),
            Route("/sandbox/api/state", self.state),
            Route("/sandbox/api/history", self.history),
            Route("/sandbox/api/requests", self.requests),
            Route("/sandbox/api/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/sandbox/api/tokens", self.tokens, methods=["POST"]),
            Route("/sandbox/api/clock", self.clock, methods=["GET", "POST"]),
            Route("/sandbox/api/callbacks", self.callbacks, methods=["GET", "POST"]),
            Route("/connect/oauth2/authorize", self.login),
            Route("/wwlogin/sso/login", self.login),
        ]

    async def acts(self, _request: Request) -> Response:
        """Names, parameters and first lines of everything a person can do."""
        world = self._sandbox.world
        return _json(
            {
                name: {
                    "parameters": str(inspect.signature(getattr(world, name))),
                    "about": (inspect.getdoc(getattr(world, name)) or "").splitlines()[0],
                }
                for name in sorted(ACTS)
            }
        )

    async def act(self, request: Request) -> Response:
        """``{"name", "args"}`` → ``{"result"}``, or 400 ``{"error"}``."""
        try:
            asked = await request.json()
            result = self._sandbox.world.perform(str(asked["name"]), dict(asked.get("args") or {}))
        except (Invalid, KeyError, ValueError) as wrong:
            return _json({"error": str(wrong)}, 400)
        return _json({"result": result})

    async def state(self, _request: Request) -> Response:
        """The whole present state."""
        return _json(self._sandbox.world.snapshot())

    async def history(self, request: Request) -> Response:
        """Entries after ``since``; ``wait`` seconds at most until there is one."""
        since = int(request.query_params.get("since", 0))
        limit = int(request.query_params.get("limit", 500))
        wait = min(float(request.query_params.get("wait", 0)), _LONGEST_WAIT)
        until = time.monotonic() + wait
        world = self._sandbox.world
        # Other threads add to the history, so that an event of this loop would not help.
        while self._nothing_after(since) and time.monotonic() < until:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0.2)
        items = world.history_since(since, limit)
        return _json({"items": items, "last_id": len(world.history)})

    def _nothing_after(self, since: int) -> bool:
        return len(self._sandbox.world.history) <= since and not self._sandbox.closing

    async def requests(self, request: Request) -> Response:
        """The latest API requests whose path ends with ``path``."""
        seen = self._sandbox.api.calls_of(request.query_params.get("path", ""))
        return _json({"items": [asdict(one) for one in seen[-500:]]})

    async def faults(self, request: Request) -> Response:
        """GET lists, POST adds one (fields of ``Fault``), DELETE clears."""
        faults = self._sandbox.faults
        if request.method == "DELETE":
            faults.clear()
        if request.method == "POST":
            try:
                faults.add(**await request.json())
            except (Invalid, TypeError, ValueError) as wrong:
                return _json({"error": str(wrong)}, 400)
        return _json({"items": faults.listing()})

    async def tokens(self, request: Request) -> Response:
        """``{"do": "expire"}`` (next use 42001) or ``{"do": "revoke"}`` (40014)."""
        asked = await request.json()
        tokens = self._sandbox.api.tokens
        do = {"expire": tokens.expire, "revoke": tokens.revoke}.get(asked.get("do"))
        if do is None:
            return _json({"error": "do 只能是 expire 或 revoke"}, 400)
        do()
        return _json({"result": asked["do"]})

    async def clock(self, request: Request) -> Response:
        """GET tells the time; POST ``{"spec"}`` writes the clock file that the bot follows too."""
        sandbox = self._sandbox
        file = sandbox.settings.clock_file
        if request.method == "POST":
            spec = str((await request.json()).get("spec", ""))
            if file is None:
                return _json({"error": "这个沙箱没有可移动的时钟(clock_file)"}, 400)
            try:
                parse_clock(spec)
            except Invalid as wrong:
                return _json({"error": str(wrong)}, 400)
            await asyncio.to_thread(file.write_text, spec, "utf-8")
        return _json({"now": sandbox.world.now().isoformat(), "movable": file is not None})

    async def callbacks(self, request: Request) -> Response:
        """POST ``{"base"}`` points callbacks at a bot; GET lists the latest attempts."""
        if request.method == "POST":
            self._sandbox.point_callbacks_at(str((await request.json()).get("base", "")))
        items = [asdict(one) for one in list(self._sandbox.door.deliveries)[-500:]]
        return _json({"items": items})

    async def login(self, request: Request) -> Response:
        """The login that a phone or a scanned code would do: choose who you are.

        With ``sandbox_userid`` in the query nobody is asked.
        """
        asked = request.query_params
        back = asked.get("redirect_uri", "")
        if not back or asked.get("appid") != self._sandbox.settings.corp_id:
            return _json({"errcode": 50001, "errmsg": "appid or redirect_uri wrong"}, 400)
        userid = asked.get("sandbox_userid", "")
        if userid:
            code = self._sandbox.world.login_code(userid)
            joint = "&" if urlsplit(back).query else "?"
            answer = urlencode({"code": code, "state": asked.get("state", "")})
            return RedirectResponse(f"{back}{joint}{answer}", 302)
        return HTMLResponse(self._chooser(request))

    def _chooser(self, request: Request) -> str:
        lines = []
        for person in self._sandbox.world.staff.values():
            query = urlencode({**request.query_params, "sandbox_userid": person.userid})
            name = html.escape(f"{person.name} {person.position}")
            lines.append(f'<li><a href="?{html.escape(query)}">{name}</a></li>')
        people = "".join(lines)
        return (
            '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>选择登录的员工</title>'
            f"<h1>以谁的身份登录?</h1><ul>{people}</ul></html>"
        )


def _json(value: Any, status: int = 200) -> Response:
    content = json.dumps(value, ensure_ascii=False, default=str)
    return Response(content, status, media_type="application/json")
