"""A served door and what posts to it: uvicorn in a thread, envelopes by an independent library."""

from __future__ import annotations

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
import uvicorn
from wechatpy.utils import WeChatSigner
from wechatpy.work.crypto import WeChatCrypto

from bot.inbox import Inbox
from bot.store import migrations
from bot.store.db import Database
from bot.vault import Vault
from bot.web.door import Door, Item
from bot.web.front import Front
from bot.wire import CallbackKeys

TOKEN = "doorToken2026"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
CORP = "ww00000000000000aa"
STAMP, NONCE = "1796000000", "n0nce"
KEYS = {source: CallbackKeys(TOKEN, AES_KEY, CORP) for source in ("app", "kf")}
SECRET = "door-tests-secret-0000"


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The application on a port of its own, as ``qunguan run`` serves it."""
    config = uvicorn.Config(app, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([plug],), name="served-door")
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{plug.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@dataclass
class Answer:
    """What came back."""

    status: int
    body: bytes


class Caller:
    """WeCom's side: one door's address and the secrets of its sources."""

    def __init__(self, url: str, token: str = TOKEN, aes_key: str = AES_KEY) -> None:
        self.url = url
        self.crypto = WeChatCrypto(token, aes_key, CORP)
        self._http = urllib3.PoolManager(maxsize=40, retries=False)

    def close(self) -> None:
        self._http.clear()

    def ask(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, **more: Any
    ) -> Answer:
        answer = self._http.request(method, f"{self.url}{path}", body=body, timeout=20, **more)
        return Answer(answer.status, answer.data)

    def post(self, content: str, source: str = "app") -> Answer:
        """One delivery under fresh random bytes."""
        return self.ask("POST", *self.sealed(content, source))

    def sealed(self, content: str, source: str = "app") -> tuple[str, bytes]:
        """Path and body of a delivery."""
        outer = self.crypto.encrypt_message(content, NONCE, STAMP)
        encrypt = outer.partition("<Encrypt><![CDATA[")[2].partition("]]>")[0]
        return self.path(encrypt, source), wrapped(encrypt)

    def path(self, encrypt: str, source: str = "app", **more: str) -> str:
        query = {"msg_signature": self.sign(encrypt), "timestamp": STAMP, "nonce": NONCE, **more}
        return f"/wecom/callback/{source}?{urlencode(query, quote_via=quote)}"

    def sign(self, encrypt: str) -> str:
        signer = WeChatSigner()
        signer.add_data(self.crypto.token, STAMP, NONCE, encrypt)
        return str(signer.signature)


def wrapped(encrypt: str) -> bytes:
    """The outer XML."""
    return f"<xml><ToUserName>a</ToUserName><Encrypt><![CDATA[{encrypt}]]></Encrypt></xml>".encode()


def event(number: int, name: str = "subscribe") -> str:
    """Content of a made-up event; the number makes it one of a kind."""
    return (
        f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName>"
        f"<FromUserName><![CDATA[staff{number}]]></FromUserName>"
        f"<CreateTime>1796000000</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        f"<Event><![CDATA[{name}]]></Event><AgentID>1</AgentID></xml>"
    )


class Kept:
    """The store behind a door, looked at from a connection of its own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "qunguan.db"
        migrations.upgrade(self.file)
        self.database = Database(self.file)
        self.vault = Vault(SECRET)

    def contents(self) -> list[bytes]:
        """What is on the disk now, oldest first."""
        with closing(sqlite3.connect(self.file)) as other:
            rows = other.execute("SELECT body_sealed FROM inbox ORDER BY id").fetchall()
        return [self.vault.open(row[0]) for row in rows]


class Broken:
    """An inbox that keeps nothing: ``put_all`` answers or raises what it is told."""

    def __init__(self, answer: Future[None] | Exception) -> None:
        self.answer = answer
        self.asked = 0

    def put_all(self, _items: list[Item]) -> Future[None]:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def door_of(inbox: Inbox | Broken, keys: Any = None, patience: float = 4.0) -> Front:
    """The front of the bot with nothing behind its door but an inbox."""
    door = Door(keys or KEYS, inbox, patience=patience)
    return Front(door, lambda: {"problems": []}, lambda: None)  # type: ignore[arg-type,return-value]  # no site is asked for
