"""The API and the relay on real HTTP, with faults that can cut or stall the connection."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.formparsers import MultiPartException
from starlette.requests import Request
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bot.errors import Invalid
from bot.sandbox.api import Reply, SandboxApi, Upload, failure
from bot.sandbox.contract import ApiError, calls
from bot.sandbox.faults import Fault, Faults
from bot.sandbox.records import Fields

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LOOK_SECONDS = 0.2


class CuttableProtocol(HttpToolsProtocol):
    """uvicorn's protocol that lets the application cut its own connection."""

    def on_message_begin(self) -> None:
        """Hand the transport along with the request."""
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport


class Wire:
    """Answers ``/cgi-bin/…`` and ``/relay/…``.

    Attributes:
        closing: Set when the server stops, so that hanging requests end.
    """

    def __init__(self, api: SandboxApi, faults: Faults) -> None:
        self._api = api
        self._faults = faults
        self.closing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request (ASGI)."""
        path = scope["path"]
        struck = {fault.action: fault for fault in self._faults.strike(path)}
        body = await _read(receive)
        if "latency" in struck:
            await asyncio.sleep(struck["latency"].value)
        if "hang" in struck:
            return await self._hang(receive)
        if "reset_before" in struck:
            return await self._cut(scope, receive)
        reply = _instead(path, struck) or await self._answer(scope, body)
        if "hang_after" in struck:
            return await self._hang(receive)
        if "reset_after" in struck:
            return await self._cut(scope, receive)
        return await respond(send, reply)

    async def _answer(self, scope: Scope, body: bytes) -> Reply:
        path, method = scope["path"], scope["method"]
        if path.startswith("/relay/"):
            return self._relay(path, dict(scope["headers"]), body)
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        upload = await _upload(scope, body)
        return self._api.answer(method, path, query, body, upload)

    def _relay(self, path: str, headers: dict[bytes, bytes], body: bytes) -> Reply:
        """The archive relay protocol; what the SDK would refuse is 200 with its errcode."""
        world = self._api.world
        wanted = f"Bearer {world.settings.relay_token}".encode()
        if not secrets.compare_digest(headers.get(b"authorization", b""), wanted):
            return Reply(401, {"errcode": 401, "errmsg": "bearer token missing or wrong"})
        try:
            asked = json.loads(body or b"{}")
            with world.lock:
                return Reply(body=self._relayed(path, asked))
        except (Invalid, ValueError, TypeError, AttributeError, KeyError) as wrong:
            return Reply(400, {"errcode": 10000, "errmsg": str(wrong)})

    def _relayed(self, path: str, asked: Fields) -> Fields:
        world = self._api.world
        if path == "/relay/chatdata":
            limit = int(asked.get("limit", 1000))
            if not 0 < limit <= 1000:
                raise Invalid("limit 必须在 1 到 1000 之间")
            return world.archive.chat_data(int(asked.get("seq", 0)), limit, world.now())
        if path == "/relay/media":
            try:
                return world.archive.media_chunk(str(asked["sdkfileid"]), str(asked["index"]))
            except Invalid as wrong:
                return {"errcode": 10005, "errmsg": str(wrong)}
        raise Invalid(f"中继没有 {path}")

    async def _hang(self, receive: Receive) -> None:
        """Say nothing until the other side gives up or the server stops."""
        while not self.closing:
            try:
                message = await asyncio.wait_for(receive(), _LOOK_SECONDS)
            except TimeoutError:
                continue
            if message["type"] == "http.disconnect":
                return

    async def _cut(self, scope: Scope, receive: Receive) -> None:
        """Reset the connection without an answer."""
        transport = scope["state"]["transport"]
        plug = transport.get_extra_info("socket")
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await self._hang(receive)


def _instead(path: str, struck: dict[str, Fault]) -> Reply | None:
    """The reply of a fault that answers in the call's place."""
    if "status" in struck:
        after = struck["status"].retry_after
        headers = {} if after is None else {"Retry-After": str(after)}
        return Reply(int(struck["status"].value), content=b"fault", headers=headers)
    if "errcode" in struck:
        error = ApiError(int(struck["errcode"].value), "fault")
        return Reply(body=failure(calls().get(path), error))
    return None


async def _read(receive: Receive) -> bytes:
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


async def _upload(scope: Scope, body: bytes) -> Upload | None:
    """The ``media`` file of a multipart request."""
    kind = dict(scope["headers"]).get(b"content-type", b"")
    if not kind.startswith(b"multipart/form-data"):
        return None

    async def once() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(scope, once).form() as form:
            media = form.get("media")
            if media is None or isinstance(media, str):
                return None
            content = await media.read()
            return Upload(media.filename or "", media.content_type or "", content)
    except (MultiPartException, KeyError):
        return None


async def respond(send: Send, reply: Reply) -> None:
    """Send a reply; JSON is UTF-8 without escapes, as the platform sends it."""
    content = reply.content
    if reply.body is not None:
        content = json.dumps(reply.body, ensure_ascii=False, default=str).encode()
    headers = {"Content-Length": str(len(content))} | reply.headers
    if content:
        headers["Content-Type"] = reply.content_type
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})
