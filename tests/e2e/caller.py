"""A small caller over real HTTP: keeps its cookies, follows nothing, reads JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import urllib3
from madeup import TOKEN, MadeUp


@dataclass
class Answer:
    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> tuple[int, str]:
        return self.status, self.json["error"]["code"]


@dataclass
class Caller:
    address: str
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    pool: urllib3.PoolManager = field(
        default_factory=lambda: urllib3.PoolManager(timeout=10.0, retries=False)
    )

    def call(self, method: str, path: str, **more: Any) -> Answer:
        headers = self.headers | more.pop("headers", {})
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={text}" for name, text in self.cookies.items())
        reply = self.pool.request(
            method, self.address + path, headers=headers, redirect=False, **more
        )
        for each in reply.headers.getlist("set-cookie"):
            name, _, rest = each.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return Answer(reply.status, reply.headers, reply.data.decode())

    def get(self, path: str, **more: Any) -> Answer:
        return self.call("GET", path, **more)

    def post(self, path: str, **fields: str) -> Answer:
        return self.call("POST", path, fields=fields, encode_multipart=False)

    def form_token(self) -> str:
        found = re.search(r'name="token" value="(\w+)"', self.get("/groups").text)
        assert found is not None
        return found[1]


def program(address: str, token: str = TOKEN) -> Caller:
    """A program with the interface's token."""
    return Caller(address, headers={"authorization": f"Bearer {token}"})


def employee(madeup: MadeUp, address: str, userid: str) -> Caller:
    """Somebody who signed in with a link."""
    caller = Caller(address)
    answer = caller.get(madeup.login(userid))
    assert (answer.status, answer.headers["location"]) == (303, "/")
    return caller
