"""A language model of a few lines: says what a test tells it to, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Said:
    """An answer as it goes over the wire; ``drip`` sends byte by byte until the test is over."""

    body: bytes
    status: int = 200
    location: str = ""
    drip: bool = False


class Silent:
    """The question is read and never answered while the test runs."""


def facts(*found: dict[str, Any]) -> Said:
    """An answer that holds these facts."""
    return words(json.dumps({"facts": list(found)}, ensure_ascii=False))


def words(content: Any) -> Said:
    """An answer of the protocol with any content."""
    told = {"choices": [{"message": {"role": "assistant", "content": content}}]}
    return Said(json.dumps(told, ensure_ascii=False).encode())


class ModelStub:
    """What to say and what was heard; the last reply stays."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.over = threading.Event()
        self._replies: deque[Said | Silent | Callable[[], Said]] = deque([facts()])

    def say(self, *replies: Said | Silent | Callable[[], Said]) -> None:
        self._replies = deque(replies)

    def reply(self) -> Said | Silent:
        said = self._replies.popleft() if len(self._replies) > 1 else self._replies[0]
        return said() if callable(said) else said

    @property
    def text(self) -> str:
        """The line of the last question."""
        told = json.loads(self.asked[-1]["messages"][-1]["content"])
        return str(told["text"])


class Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever gives an answer up closes the connection: that is what is tested."""


@contextmanager
def running_model() -> Iterator[ModelStub]:
    """The stub on a port of its own."""
    stub = ModelStub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_args: Any) -> None:
            """Nobody reads it."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            stub.paths.append(self.path)
            stub.headers.append(dict(self.headers))
            stub.asked.append(json.loads(body))
            said = stub.reply()
            if isinstance(said, Silent):
                stub.over.wait()
                self.close_connection = True
                return
            self.send_response(said.status)
            if said.location:
                self.send_header("Location", said.location)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self._send(said)

        def _send(self, said: Said) -> None:
            if not said.drip:
                self.wfile.write(said.body)
                return
            self.close_connection = True
            for byte in said.body:
                if stub.over.wait(0.05):
                    return
                try:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                except OSError:
                    return

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    stub.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="model-stub")
    thread.start()
    try:
        yield stub
    finally:
        stub.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
