"""The callback door: verify, decrypt, keep durably, answer 200; nothing else happens here.

Bare ASGI in front of everything else: a FastAPI route costs 136 µs a request more. All
callbacks that arrive while a commit is on its way to the disk go into the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import Future
from typing import Any, Protocol
from urllib.parse import unquote

import structlog

from bot.errors import Invalid, NotOurs
from bot.wire import CallbackKeys, content_key, open_envelope, parse_fields, verify_url

log = structlog.get_logger()
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = "/wecom/callback/"
MOST_BODY = 1 << 20
_WAITING_MOST = 5_000
_PATIENCE = 4.0
Item = tuple[bytes, str, bytes]


class Keeps(Protocol):
    """Where callbacks are kept: an inbox."""

    def put_all(self, items: list[Item]) -> Future[None]:
        """Keep (key, source, content) durably; known keys are ignored."""
        ...


class Door:
    """``GET`` and ``POST /wecom/callback/{source}``.

    Args:
        keys: The secrets of each source; others are 404.
        inbox: Where they are kept.
        patience: Seconds to wait for the disk; WeCom gives up after five.
    """

    def __init__(
        self, keys: Mapping[str, CallbackKeys], inbox: Keeps, *, patience: float = _PATIENCE
    ) -> None:
        self._keys = keys
        self._inbox = inbox
        self._patience = patience
        self._waiting: list[tuple[Item, asyncio.Future[None]]] = []
        self._committing = False
        self.answers: dict[int, int] = {}
        """How often each status was answered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one callback."""
        status, body = await self._answer(scope, receive)
        self.answers[status] = self.answers.get(status, 0) + 1
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-length", str(len(body)).encode())],
            }
        )
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        source = scope["path"][len(PREFIX) :]
        keys = self._keys.get(source)
        if keys is None:
            return 404, b""
        try:
            return await self._hear(scope, receive, source, keys)
        except NotOurs as stranger:
            log.warning("callback refused", source=source, reason=str(stranger))
            return 403, b""
        except Invalid as broken:
            log.warning("callback is not the protocol", source=source, reason=str(broken))
            return 400, b""

    async def _hear(
        self, scope: Scope, receive: Receive, source: str, keys: CallbackKeys
    ) -> tuple[int, bytes]:
        query = _query(scope["query_string"])
        signed = (query["msg_signature"], query["timestamp"], query["nonce"])
        if scope["method"] == "GET":
            return 200, verify_url(keys, *signed, query["echostr"])
        if scope["method"] != "POST":
            return 405, b""
        body = None if _declared(scope) > MOST_BODY else await _body(receive)
        if body is None:
            return 413, b""
        content = open_envelope(keys, *signed, body)
        if content.lstrip()[:1] == b"<":
            # What claims to be XML must be harmless XML; anything else genuine is kept, and
            # the worker sets it aside: refusing it would only make WeCom repeat it.
            parse_fields(content)
        return await self._keep((content_key(source, content).encode(), source, content))

    async def _keep(self, item: Item) -> tuple[int, bytes]:
        if len(self._waiting) >= _WAITING_MOST:
            return 503, b""
        kept = asyncio.get_running_loop().create_future()
        self._waiting.append((item, kept))
        if not self._committing:
            self._commit()
        try:
            async with asyncio.timeout(self._patience):
                await asyncio.shield(kept)
        except Exception as trouble:  # WeCom asks again after 503; nothing was acknowledged
            log.exception("callback could not be kept", reason=type(trouble).__name__)
            return 503, b""
        return 200, b""

    def _commit(self) -> None:
        self._committing = True
        batch, self._waiting = self._waiting, []
        loop = asyncio.get_running_loop()
        try:
            future = self._inbox.put_all([item for item, _ in batch])
        except Exception as trouble:  # noqa: BLE001  # the door stays open for the next one
            self._committing = False
            _tell(batch, trouble)
            return
        future.add_done_callback(
            lambda done: loop.call_soon_threadsafe(self._committed, batch, done.exception())
        )

    def _committed(
        self, batch: list[tuple[Item, asyncio.Future[None]]], trouble: BaseException | None
    ) -> None:
        _tell(batch, trouble)
        self._committing = False
        if self._waiting:
            self._commit()


def _tell(batch: list[tuple[Item, asyncio.Future[None]]], trouble: BaseException | None) -> None:
    for _, kept in batch:
        if kept.done():
            continue
        if trouble is None:
            kept.set_result(None)
        else:
            kept.set_exception(trouble)
            # Whoever waited too long has gone; the loop need not warn about that.
            kept.exception()


def _query(raw: bytes) -> dict[str, str]:
    """The parameters, each decoded once; a bare plus stays a plus, as Base64 needs it."""
    found = {"msg_signature": "", "timestamp": "", "nonce": "", "echostr": ""}
    for pair in raw.decode("latin-1").split("&"):
        name, _, value = pair.partition("=")
        if name in found:
            found[name] = unquote(value)
    return found


def _declared(scope: Scope) -> int:
    """The length that the headers promise; 0 without a word."""
    said: bytes = dict(scope["headers"]).get(b"content-length", b"0")
    return int(said) if said.isdigit() else 0


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None when it is larger than the limit."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body if len(body) <= MOST_BODY else None
    parts, size = [body], len(body)
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BODY:
            return None
    return b"".join(parts)
