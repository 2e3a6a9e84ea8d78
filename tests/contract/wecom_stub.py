"""A WeCom of a few lines: says what a test tells it to, and keeps what it was asked.

It is not the sandbox: it has no opinion of its own, so that the client is tested against the
contract alone.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bot.wecom import Secrets, WeComClient


@dataclass(frozen=True)
class Asked:
    """A request as it arrived; ``query`` without the access token."""

    method: str
    path: str
    token: str
    query: dict[str, str]
    body: bytes
    content_type: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Http:
    """An answer that is not a good JSON object."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Reset:
    """The request is read, then the connection breaks: it may have been carried out."""


class Silent:
    """The request is read and never answered while the test runs."""


Reply = Mapping[str, Any] | Http | Reset | Silent | Callable[["Asked"], "Reply"]


class Stub:
    """What to say and what was heard.

    ``say(path, *replies)`` queues replies; the last one stays. A function of the request may
    stand for a reply. Without any, everything is ok.
    Tokens are ``token-<secret>-<n>``, a new one at every request.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.over = threading.Event()
        self.url = ""
        self._replies: defaultdict[str, deque[Reply]] = defaultdict(deque)
        self._tokens = 0
        self._lock = threading.Lock()

    def say(self, name: str, *replies: Reply) -> None:
        self._replies[f"/cgi-bin/{name}"] = deque(replies)

    def heard(self, name: str) -> list[Asked]:
        with self._lock:
            return [asked for asked in self.asked if asked.path == f"/cgi-bin/{name}"]

    def answer(self, asked: Asked) -> Reply:
        with self._lock:
            self.asked.append(asked)
            replies = self._replies[asked.path]
            if replies:
                return replies.popleft() if len(replies) > 1 else replies[0]
            if asked.path == "/cgi-bin/gettoken":
                self._tokens += 1
                token = f"token-{asked.query['corpsecret']}-{self._tokens}"
                return {"errcode": 0, "access_token": token, "expires_in": 7200}
        return {"errcode": 0, "errmsg": "ok"}


@contextmanager
def serving() -> Iterator[Stub]:
    """A stub on a free port of this machine."""
    stub = Stub()

    class Handler(_Handler):
        heard_by = stub

    server = _Server(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stub
    finally:
        stub.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # fifty threads may knock at once
    daemon_threads = True
    block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    heard_by: Stub
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet an answer: else delayed acknowledgement costs 40 ms each

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = query.pop("access_token", "")
        kind = self.headers.get("Content-Type") or ""
        asked = Asked(self.command, parts.path, token, query, body, kind)
        reply = self.heard_by.answer(asked)
        self._reply(reply(asked) if callable(reply) else reply)

    do_POST = do_GET  # noqa: N815  # the name is http.server's

    def _reply(self, reply: object) -> None:
        if isinstance(reply, Silent):
            self.heard_by.over.wait(10)
            self.close_connection = True
        elif isinstance(reply, Reset):
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        elif isinstance(reply, Http):
            self._write(reply)
        else:  # a good JSON object
            body = json.dumps(reply, ensure_ascii=False).encode()
            self._write(Http(200, body, {"Content-Type": "application/json"}))

    def _write(self, reply: Http) -> None:
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Silence: the tests read ``asked``."""


OK = {"errcode": 0, "errmsg": "ok"}
SECRETS = Secrets("AGENT-SECRET", "CONTACT-SECRET", "KF-SECRET", "ARCHIVE-SECRET")


class Time:
    """Stands still until somebody sleeps or moves it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def connected(stub: Stub, time: Time, **changed: Any) -> Iterator[WeComClient]:
    """A client of the stub, closed afterwards; arguments of the client may be changed."""
    one = WeComClient(
        changed.pop("base_url", stub.url),
        "ww0000000000000000",
        1000002,
        changed.pop("secrets", SECRETS),
        monotonic=time.monotonic,
        sleep=time.sleep,
        **changed,
    )
    yield one
    one.close()


def failed(errcode: int) -> dict[str, Any]:
    """A failed reply: it carries empty lists and a text that names somebody, as WeCom's may."""
    return {"errcode": errcode, "errmsg": "王女士 13800000001", "external_userid": []}
