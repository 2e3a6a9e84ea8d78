"""Calls the sandbox's API without a network, on a clock and a stopwatch that tests hold."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import bot.sandbox.app  # noqa: F401  # registers every answer
from bot.clock import FixedClock
from bot.sandbox.api import SandboxApi, Upload
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.world import World

MORNING = datetime.fromisoformat("2026-12-01T09:00:00+08:00")


@cache
def fresh_settings() -> SandboxSettings:
    """One corp for the whole run: making an RSA key takes a while."""
    folder = Path(tempfile.mkdtemp(prefix="sandbox-keys-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return SandboxSettings.generate(folder)


class Stopwatch:
    """Monotonic seconds that only move when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Caller:
    """A small corp and a way to call its API.

    Two members (``zhangsan``, ``lisi``), one customer who is zhangsan's friend, one group of
    zhangsan's with that customer and a stranger.
    """

    def __init__(self) -> None:
        self.clock = FixedClock(MORNING)
        self.watch = Stopwatch()
        self.settings = fresh_settings().with_clock(self.clock)
        self.world = World(self.settings, self.watch)
        self.api = SandboxApi(self.world)
        self.world.add_staff("zhangsan", "张三", position="客户经理", leader=True)
        self.world.add_staff("lisi", "李四")
        self.friend = self.world.add_customer("王五", gender=1)
        self.stranger = self.world.add_customer("赵六")
        self.code = self.world.add_friend(self.friend, "zhangsan", state="qr-1")
        self.chat = self.world.create_group("zhangsan", "社区群", [self.friend, self.stranger])
        self.world.unsent.clear()

    def token(self, secret: str) -> str:
        query = {"corpid": self.settings.corp_id, "corpsecret": secret}
        reply = self.api.answer("GET", "/cgi-bin/gettoken", query, b"", None)
        assert reply.body is not None
        return str(reply.body["access_token"])

    def _secret(self, path: str) -> str:
        family = path.split("/", maxsplit=1)[0]
        return {
            "externalcontact": self.settings.contact_secret,
            "kf": self.settings.kf_secret,
            "msgaudit": self.settings.archive_secret,
        }.get(family, self.settings.app_secret)

    def get(self, path: str, **query: str) -> dict[str, Any]:
        query.setdefault("access_token", self.token(self._secret(path)))
        return self._answered("GET", path, query, b"")

    def post(self, path: str, body: Any, secret: str = "") -> dict[str, Any]:
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        token = self.token(secret or self._secret(path))
        return self._answered("POST", path, {"access_token": token}, raw)

    def upload(self, path: str, content: bytes, secret: str = "", **query: str) -> dict[str, Any]:
        query["access_token"] = self.token(secret or self.settings.app_secret)
        upload = Upload("a.jpg", "image/jpeg", content)
        return self._answered("POST", path, query, b"", upload)

    def _answered(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        raw: bytes,
        upload: Upload | None = None,
    ) -> dict[str, Any]:
        reply = self.api.answer(method, f"/cgi-bin/{path}", query, raw, upload)
        assert reply.body is not None
        return reply.body

    def code_of(self, path: str, body: Any, secret: str = "") -> int:
        return int(self.post(path, body, secret)["errcode"])

    def events(self) -> list[tuple[str, str]]:
        """Event and change type of the callbacks since the last look."""
        seen = [
            (str(c.fields.get("Event", "")), str(c.fields.get("ChangeType", "")))
            for c in self.world.unsent
        ]
        self.world.unsent.clear()
        return seen
