"""Bytes to WeCom and back over one connection pool; knows whether a request left at all."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ReadTimeoutError,
)

from bot.errors import Invalid

CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 10.0


class Silence(Enum):
    """No answer came; what that says about the request."""

    UNSENT = auto()
    TIMED_OUT = auto()
    BROKEN = auto()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        rest: Seconds of ``Retry-After``, 0 when absent.
    """

    status: int
    content: bytes = field(repr=False)
    rest: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request without its token; ``content`` is kept for a byte-identical replay."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    content: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"


class Transport:
    """Sends requests; safe to share between threads.

    Args:
        base_url: Scheme, host and optional prefix, without ``/cgi-bin``.
        connect: Seconds for the connection.
        read: Seconds of silence before an answer counts as lost.
        connections: Kept open at most; more threads than that still work.

    Raises:
        Invalid: The address is not one.
    """

    def __init__(
        self,
        base_url: str,
        *,
        connect: float = CONNECT_SECONDS,
        read: float = READ_SECONDS,
        connections: int = 16,
    ) -> None:
        if not re.match(r"https?://[^/\s]+", base_url):
            raise Invalid("WECOM_BASE_URL 要写完整，例如 https://qyapi.weixin.qq.com")
        self._base_url = base_url.rstrip("/")
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            retries=False,  # follows no redirect either, and raises what happened
            timeout=urllib3.Timeout(connect=connect, read=read),
        )
        _mask_addresses()

    def send(self, request: Request, token: str | None) -> Answer | Silence:
        """Send once and wait for the whole answer; never raises for what the network does."""
        query = [*request.query, *([("access_token", token)] if token else [])]
        headers = {} if request.content is None else {"Content-Type": request.content_type}
        try:
            response = self._pool.request(
                request.method,
                f"{self._base_url}{request.path}" + (f"?{urlencode(query)}" if query else ""),
                body=request.content,
                headers=headers,
            )
        except (HTTPError, OSError) as error:
            # Returned, not raised: the exception carries the address, and with it the token.
            return _silence(error)
        return Answer(response.status, response.data, _rest(response.headers.get("Retry-After")))

    def close(self) -> None:
        """Drop the open connections."""
        self._pool.clear()


def _silence(error: Exception) -> Silence:
    if isinstance(error, NewConnectionError | ConnectTimeoutError):
        return Silence.UNSENT
    return Silence.TIMED_OUT if isinstance(error, ReadTimeoutError) else Silence.BROKEN


def _rest(header: str | None) -> float:
    return float(header) if header and header.isascii() and header.isdigit() else 0.0


class _Mask(logging.Filter):
    """Cuts the query off every address that urllib3 logs: it holds tokens, secrets and ids."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                part.partition("?")[0] if isinstance(part, str) else part for part in record.args
            )
        return True


_MASK: Final = _Mask()


def _mask_addresses() -> None:
    # addFilter keeps one entry however often a client is built.
    logging.getLogger("urllib3.connectionpool").addFilter(_MASK)
