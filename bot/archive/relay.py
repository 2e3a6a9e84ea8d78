"""The relay: serves the archive protocol beside the SDK; private keys never come here.

``POST /chatdata`` gives the JSON text of ``GetChatData`` unchanged; ``POST /media`` a chunk. What
the SDK refuses is HTTP 200 with its ``errcode``, as the platform does; a token that is not ours
is 401, a request that is not the protocol 400, an SDK that had to be restarted 503.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.archive.source import MOST_RECORDS, MediaChunk
from bot.archive.strict import DamagedRecord, field_of, load_object
from bot.errors import Invalid, Refused, Retry

_MOST_BODY = 64 * 1024  # a sdkfileid has hundreds of characters
_HIGHEST_SEQ = 2**64 - 1
_HEADER = b"Bearer "


class RelayedArchive(Protocol):
    """What the relay stands beside; `SdkSource` in the bank, anything in a test."""

    def chat_data_text(self, seq: int, limit: int) -> bytes:
        """The JSON of ``GetChatData``."""
        ...

    def media_chunk(self, sdkfileid: str, index: str) -> MediaChunk:
        """One chunk of a file."""
        ...


def relay_app(source: RelayedArchive, token: str) -> Starlette:
    """The ASGI application.

    Raises:
        Invalid: Without a token anybody could pull the archive.
    """
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise Invalid("请设置 WECOM_ARCHIVE_RELAY_TOKEN(字母、数字、符号,不含空格)")
    door = _Door(source, token.encode("ascii"))
    return Starlette(
        routes=[
            Route("/chatdata", door.chat_data, methods=["POST"]),
            Route("/media", door.media, methods=["POST"]),
        ],
    )


class _Door:
    """Checks who asks and what, then asks the SDK in a thread."""

    def __init__(self, source: RelayedArchive, token: bytes) -> None:
        self._source = source
        self._token = token

    async def chat_data(self, request: Request) -> Response:
        return await self._answer(request, self._chat_data)

    async def media(self, request: Request) -> Response:
        return await self._answer(request, self._media)

    async def _answer(
        self, request: Request, ask: Callable[[dict[str, Any]], Response]
    ) -> Response:
        if not self._may_ask(request):
            return _error(401, "unauthorized", "令牌不对", "请求头应为 Authorization: Bearer 令牌")
        body = await _body(request)
        if body is None:
            return _error(413, "too_large", "请求太大", f"请求体不超过 {_MOST_BODY} 字节")
        return await run_in_threadpool(_spoken_for, ask, body)

    def _may_ask(self, request: Request) -> bool:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        return hmac.compare_digest(given, _HEADER + self._token)

    def _chat_data(self, asked: dict[str, Any]) -> Response:
        seq, limit = field_of(asked, "seq", int), field_of(asked, "limit", int, MOST_RECORDS)
        if not 0 <= seq <= _HIGHEST_SEQ or not 1 <= limit <= MOST_RECORDS:
            raise Invalid(f"seq 不小于 0,limit 为 1 到 {MOST_RECORDS}")
        text = self._source.chat_data_text(seq, limit)
        return Response(text, media_type="application/json")

    def _media(self, asked: dict[str, Any]) -> Response:
        sdkfileid, index = field_of(asked, "sdkfileid", str), field_of(asked, "index", str, "")
        if not sdkfileid:
            raise Invalid("sdkfileid 不能为空")
        chunk = self._source.media_chunk(sdkfileid, index)
        content = base64.b64encode(chunk.content).decode("ascii")
        return JSONResponse({"index": chunk.index, "data": content, "finish": chunk.finish})


def _spoken_for(ask: Callable[[dict[str, Any]], Response], body: bytes) -> Response:
    """Each error in the form that `bot.archive.source.RelaySource` understands."""
    try:
        return ask(load_object(body))
    except DamagedRecord as bad:
        return _error(400, "invalid", "请求不合协议", f"请检查 JSON 字段 {bad.where}".rstrip())
    except Invalid as bad:
        return _error(400, "invalid", "请求不合协议", str(bad))
    except Refused as refusal:
        return JSONResponse({"errcode": refusal.errcode, "errmsg": str(refusal)})
    except Retry as busy:
        answer = _error(503, "retry", "暂时不可用", str(busy))
        answer.headers["Retry-After"] = str(max(1, round(busy.after)))
        return answer


async def _body(request: Request) -> bytes | None:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BODY:
            return None
    return bytes(body)


def _error(status: int, code: str, message: str, hint: str) -> JSONResponse:
    return JSONResponse(
        {"error": {"code": code, "message": message, "hint": hint}}, status_code=status
    )
