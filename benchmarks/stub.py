"""A WeCom that answers at once, in a thread of the benchmark's own process.

It has no opinion: every call is good. It keeps when each welcome arrived.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

_GOOD: dict[str, Any] = {"errcode": 0, "errmsg": "ok"}
_LISTS: dict[str, dict[str, Any]] = {
    "externalcontact/get_follow_user_list": {"follow_user": []},
    "externalcontact/get_groupmsg_list_v2": {"next_cursor": "", "group_msg_list": []},
    "externalcontact/groupchat/list": {"group_chat_list": []},
    "externalcontact/get_corp_tag_list": {"tag_group": []},
    "externalcontact/add_corp_tag": {"tag_group": {}},
    "externalcontact/group_welcome_template/add": {"template_id": "made-up"},
    "department/list": {"department": []},
    "department/simplelist": {"department_id": []},
    "user/list": {"userlist": []},
    "user/list_id": {"dept_user": []},
    "gettoken": {"access_token": "made-up", "expires_in": 7200},
}


class Stub:
    """The address, and when each welcome code was used (monotonic seconds)."""

    def __init__(self) -> None:
        self.url = ""
        self.welcomed: dict[str, float] = {}
        self.calls: dict[str, int] = {}

    def answer(self, target: str, body: bytes) -> dict[str, Any]:
        """What WeCom says."""
        parts = urlsplit(target)
        name = parts.path.removeprefix("/cgi-bin/")
        self.calls[name] = self.calls.get(name, 0) + 1
        if name == "externalcontact/send_welcome_msg":
            self.welcomed.setdefault(json.loads(body)["welcome_code"], time.monotonic())
        if name == "externalcontact/add_msg_template":
            return {**_GOOD, "fail_list": [], "msgid": f"made-up-{self.calls[name]}"}
        if name == "externalcontact/get":
            return {**_GOOD, **_contact(parse_qs(parts.query)["external_userid"][0])}
        return {**_GOOD, **_LISTS.get(name, {})}


def _contact(who: str) -> dict[str, Any]:
    friend = {"userid": "000001", "remark": "", "createtime": 1_793_000_000, "tags": []}
    person = {"external_userid": who, "name": "某", "type": 1, "gender": 0}
    return {"external_contact": person, "follow_user": [friend]}


class _Line(asyncio.Protocol):
    def __init__(self, stub: Stub) -> None:
        self._stub = stub
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, rest = self._got.partition(b"\r\n\r\n")
        if not found:
            return
        _, _, length = head.lower().partition(b"content-length:")
        size = int(length.split(b"\r\n", 1)[0]) if length else 0
        if len(rest) < size:
            return
        self._got = rest[size:]
        answer = json.dumps(self._stub.answer(head.split(b" ", 2)[1].decode(), rest[:size]))
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(answer.encode()), answer.encode())
        )


@contextmanager
def serving_stub() -> Iterator[Stub]:
    """The stub on a free port until the end of the block."""
    stub, ready = Stub(), threading.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        server = await loop.create_server(lambda: _Line(stub), "127.0.0.1", 0)
        stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ready.set()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()
        loop.close()

    thread = threading.Thread(target=run, name="stub", daemon=True)
    thread.start()
    ready.wait()
    try:
        yield stub
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


if __name__ == "__main__":  # a process of its own, until its input ends
    with serving_stub() as served:
        print(served.url, flush=True)
        sys.stdin.read()
