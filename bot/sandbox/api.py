"""One request to the API: route, token, limits, strict checks, then the call itself."""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.sandbox.contract import (
    ApiError,
    CallSpec,
    calls,
    check_body,
    check_query,
    parse_body,
)
from bot.sandbox.records import Fields
from bot.sandbox.tokens import Limits, Tokens
from bot.sandbox.world import World

_DEBUG = "more info at https://open.work.weixin.qq.com/devtool/query?e="


@dataclass(frozen=True)
class Upload:
    """The file of a multipart request."""

    filename: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Call:
    """A checked request: its parameters, whose token it carried, and an uploaded file."""

    args: Fields
    kinds: frozenset[str] = frozenset()
    upload: Upload | None = None


@dataclass(frozen=True)
class Reply:
    """What goes back: JSON, or bytes with their content type, or (404) nothing."""

    status: int = 200
    body: Fields | None = None
    content: bytes = b""
    content_type: str = "application/json; charset=UTF-8"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """One request as the sandbox saw it, for tests that count calls; never the token."""

    path: str
    args: Fields
    errcode: int


Answer = Callable[[World, Call], Any]
_ANSWERS: dict[str, Answer] = {}


def answers(call_id: str) -> Callable[[Answer], Answer]:
    """Mark the function that answers one call of the contract."""

    def keep(function: Answer) -> Answer:
        _ANSWERS[call_id] = function
        return function

    return keep


def implemented() -> set[str]:
    """Ids of the calls with state; the others answer the contract's sample (canned)."""
    return set(_ANSWERS) | {"gettoken"}


class SandboxApi:
    """The HTTP API on one world.

    Attributes:
        seen: The latest requests, oldest first.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.tokens = Tokens(world.settings, lambda: world.new_id("", 64), world.monotonic)
        self.limits = Limits(world.monotonic, special={"*/add_moment_task": 10})
        self.seen: deque[Seen] = deque(maxlen=20_000)

    def answer(
        self, method: str, path: str, query: dict[str, str], raw: bytes, upload: Upload | None
    ) -> Reply:
        """Answer one request; everything happens under the world's lock."""
        spec = calls().get(path)
        if spec is None:
            return Reply(404)
        args: Fields = {}
        with self.world.lock:
            try:
                args = self._checked(spec, method, query, raw, upload)
                result = self._perform(spec, query, args, upload)
            except ApiError as error:
                self.seen.append(Seen(path, args, error.errcode))
                return Reply(body=failure(spec, error))
        self.seen.append(Seen(path, args, 0))
        return result if isinstance(result, Reply) else Reply(body=success(result))

    def _checked(
        self,
        spec: CallSpec,
        method: str,
        query: dict[str, str],
        raw: bytes,
        upload: Upload | None,
    ) -> Fields:
        if method != spec.method:
            raise ApiError(40058, f"use {spec.method}")
        if spec.auth == "access_token":
            kinds = self.tokens.kinds(query.get("access_token", ""))
            self.tokens.allow(spec, kinds)
        self.limits.count(spec.path)
        args = check_query(spec, query)
        if spec.multipart.children:
            if upload is None:
                raise ApiError(44001, "multipart field media missing")
            return args
        if spec.method == "POST":
            body = parse_body(raw)
            check_body(spec, body)
            args |= body
        return args

    def _perform(
        self, spec: CallSpec, query: dict[str, str], args: Fields, upload: Upload | None
    ) -> Any:
        if spec.id == "gettoken":
            token, left = self.tokens.issue(args["corpid"], args["corpsecret"])
            return {"access_token": token, "expires_in": left}
        answer = _ANSWERS.get(spec.id)
        if answer is None:
            self.world.canned[spec.id] = self.world.canned.get(spec.id, 0) + 1
            return spec.sample_response
        token = query.get("access_token", "")
        kinds = self.tokens.kinds(token) if spec.auth == "access_token" else set()
        return answer(self.world, Call(args, frozenset(kinds), upload))

    def calls_of(self, path: str) -> list[Seen]:
        """The latest requests whose path ends so, oldest first."""
        return [one for one in list(self.seen) if one.path.endswith(path)]


def success(fields: Fields | None) -> Fields:
    """A reply with errcode 0."""
    return {"errcode": 0, "errmsg": "ok"} | (fields or {})


def failure(spec: CallSpec | None, error: ApiError) -> Fields:
    """A failed reply; its default arrays are empty, not absent."""
    text = f"{error.reason}, hint: [sandbox], from ip: 127.0.0.1, {_DEBUG}{error.errcode}"
    empty = spec.empty_fields() if spec else {}
    return {"errcode": error.errcode, "errmsg": text} | empty | error.fields


def page(
    rows: list[Any], args: Fields, default: int, most: int | None = None
) -> tuple[list[Any], str]:
    """One page of rows and the cursor of the next ("" at the end).

    Raises:
        ApiError: 50100 for a cursor that we did not give.
    """
    limit = int(args.get("limit") or default)
    limit = default if most is not None and limit > most else limit
    start = read_cursor(str(args.get("cursor") or ""))
    following = start + limit
    return rows[start:following], write_cursor(following) if following < len(rows) else ""


def write_cursor(position: int) -> str:
    """An opaque cursor."""
    return base64.urlsafe_b64encode(f"cursor:{position}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> int:
    """The position that a cursor of ours stands for; 0 for none."""
    if not cursor:
        return 0
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        return int(text.removeprefix("cursor:")) if text.startswith("cursor:") else _unknown()
    except ValueError as wrong:
        raise ApiError(50100, "invalid cursor") from wrong


def _unknown() -> int:
    raise ApiError(50100, "invalid cursor")
