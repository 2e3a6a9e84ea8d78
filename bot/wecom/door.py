"""One call to WeCom: token, turn, request, judgement, replay. Every method goes through here."""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import structlog
from urllib3.filepost import encode_multipart_formdata

from bot.errors import Invalid, Refused, Retry, Uncertain
from bot.wecom.errcodes import BUSY, CORP_WRONG, SECRET_WRONG, TOO_OFTEN, Verdict, verdict
from bot.wecom.pacing import PER_MINUTE, Pacing
from bot.wecom.replies import Json, errcode_of, reply_of
from bot.wecom.tokens import MemoryTokenCache, SecretName, Secrets, TokenCache, Tokens
from bot.wecom.transport import (
    CONNECT_SECONDS,
    READ_SECONDS,
    Answer,
    Request,
    Silence,
    Transport,
)

ATTEMPTS: Final = 3
"""The official limit for -1; further tries belong to the queue that made the call."""
SHORT_SECONDS: Final = 4.0
"""A thread may be held so long before another try; longer waits go back to the queue."""
NO_CONNECTION: Final = 1
"""Told to ``on_call`` instead of an errcode: nothing was sent."""
NO_ANSWER: Final = 2
"""Told to ``on_call`` instead of an errcode: the answer was lost or cannot be read."""

_GETTOKEN: Final = "/cgi-bin/gettoken"
_SILENT: Final = Verdict("retry", wait=0.5, attempts=ATTEMPTS, meaning="企业微信没有应答")
_log = structlog.get_logger(__name__)

OnCall = Callable[[str, int, float], None]
"""(path, errcode, seconds), once for every request; HTTP failures tell their status."""


@dataclass(frozen=True, slots=True)
class Call:
    """An interface of WeCom.

    Attributes:
        name: The path behind ``/cgi-bin/``.
        secret: Whose token the call carries; None for a call that has a key of its own.
        repeat: The contract's word for what a second call does; ``not_idempotent…`` is never
            repeated before WeCom was asked.
        per_minute: Pace of this interface.
        parallel: Calls at the same time, 0 for any number (45033).
        lane: Of an interface whose limit is for each of several things: which one.
    """

    method: str
    name: str
    secret: SecretName | None = "agent"  # noqa: S105  # the name of a secret, not one
    repeat: str = "safe"
    per_minute: int = PER_MINUTE
    parallel: int = 0
    lane: str = ""

    @property
    def pace(self) -> str:
        """What keeps this pace and rests after a limit."""
        return f"{self.path}#{self.lane}" if self.lane else self.path

    @property
    def path(self) -> str:
        """What follows the base URL."""
        return f"/cgi-bin/{self.name}"

    @property
    def repeatable(self) -> bool:
        """True when a second call does no harm."""
        return not self.repeat.startswith("not_idempotent")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file for a multipart call; ``filename`` is what people will see."""

    filename: str
    content_type: str
    content: bytes = field(repr=False)


class _Again(Retry):
    """Worth another try at once, while ``attempts`` last."""

    def __init__(self, reason: str, after: float, attempts: int) -> None:
        super().__init__(reason, after)
        self.attempts = attempts


class Door:
    """What all calls share.

    Args:
        base_url: ``https://qyapi.weixin.qq.com``, a private edition or the sandbox.
        corp_id: The corp's id.
        agent_id: The self-built app that sends to employees.
        secrets: Of the app, customer contact, kf and the archive.
        token_cache: Shared between processes; by default this process's memory.
        pacing: As ``token_cache``.
        on_call: Told of every request, for metrics.
        connect_seconds: Until a connection stands.
        read_seconds: Until an answer counts as lost.
        attempts: Tries of a repeatable call before ``Retry`` is raised.
        connections: Kept open at most.
        monotonic: Seconds that never jump.
        sleep: How a thread waits.
    """

    def __init__(
        self,
        base_url: str,
        corp_id: str,
        agent_id: int,
        secrets: Secrets,
        *,
        token_cache: TokenCache | None = None,
        pacing: Pacing | None = None,
        on_call: OnCall | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        read_seconds: float = READ_SECONDS,
        attempts: int = ATTEMPTS,
        connections: int = 16,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._corp_id = corp_id
        self._agent_id = agent_id
        self._on_call = on_call
        self._attempts = attempts
        self._monotonic = monotonic
        self._sleep = sleep
        self._pacing = pacing or Pacing(monotonic, sleep)
        self._transport = Transport(
            base_url,
            connect=connect_seconds,
            read=read_seconds,
            connections=connections,
        )
        cache = token_cache or MemoryTokenCache(monotonic)
        self._tokens = Tokens(corp_id, secrets, cache, self._fetch_token, monotonic)

    def close(self) -> None:
        """Drop the open connections; the client may be used again."""
        self._transport.close()

    def _call(
        self,
        call: Call,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, object] | None = None,
        upload: Upload | None = None,
        latest: float = math.inf,
    ) -> Json:
        """Make a call and judge its reply; ``None`` values are left out.

        ``latest`` is when it may begin at the latest, on our own stopwatch (``monotonic``).

        Raises:
            Retry: Nothing happened, or the call may be repeated; ``after`` says when.
            Refused: WeCom's answer is final.
            Uncertain: A write that must not be repeated before WeCom was asked.
            Invalid: The request can never work (address, path, unreadable text).
        """
        request = _request(call, body, query, upload)
        tried = 1
        while True:
            try:
                return self._once(call, request, latest)
            except _Again as error:
                wait = error.after * 2 ** (tried - 1) * random.uniform(1.0, 1.5)  # noqa: S311  # jitter
                if not self._worth(call, error, tried, wait):
                    raise Retry(str(error), wait) from error
            self._sleep(wait)
            tried += 1

    def _worth(self, call: Call, error: _Again, tried: int, wait: float) -> bool:
        most = min(self._attempts, error.attempts)
        return call.repeatable and tried < most and wait <= SHORT_SECONDS

    def _once(self, call: Call, request: Request, latest: float) -> Json:
        if call.secret is None:
            self._pacing.check(call.pace)
            return self._judge(call, self._exchange(call, request, None, latest))
        self._tokens.check(call.secret)
        self._pacing.check(call.pace)
        token = self._tokens.of(call.secret)
        reply = self._exchange(call, request, token, latest)
        if verdict(errcode_of(reply)).kind == "refresh_token":
            # Not taken, so nothing happened: even a write may be replayed, but only once.
            token = self._tokens.renew(call.secret, token)
            reply = self._exchange(call, request, token, latest)
        return self._judge(call, reply)

    def _exchange(
        self, call: Call, request: Request, token: str | None, latest: float = math.inf
    ) -> Json:
        with self._pacing.turn(call.pace, call.per_minute, call.parallel):
            began = self._monotonic()
            if began > latest:
                raise Retry(f"程序停顿太久，这次调用没有发出；{call.path}")
            answer = self._transport.send(request, token)
            seconds = self._monotonic() - began
        reply = reply_of(answer)
        self._note(call.path, _code(answer, reply), seconds)
        if reply is None:
            raise self._failure(call, answer)
        return reply

    def _note(self, path: str, errcode: int, seconds: float) -> None:
        if self._on_call is not None:
            self._on_call(path, errcode, seconds)
        say = _log.debug if errcode == 0 else _log.warning
        if verdict(errcode).alert:
            say = _log.error
        say("wecom_call", path=path, errcode=errcode, seconds=round(seconds, 3))

    def _failure(self, call: Call, answer: Answer | Silence) -> Exception:
        """No readable reply: what that means for this call."""
        if answer is Silence.UNSENT:
            return Retry(f"连接不上企业微信，请求没有发出；{call.path}", 2.0)
        if isinstance(answer, Answer) and 300 <= answer.status < 500:
            return self._client_failure(call, answer)
        if not call.repeatable:
            return Uncertain(f"没有收到结果，可能已经生效，须先查询再决定是否重发；{call.path}")
        if answer is Silence.TIMED_OUT:
            return Retry(f"等待应答超时；{call.path}", 1.0)
        after = answer.rest if isinstance(answer, Answer) else 0.0
        return _Again(_SILENT.reason(call.path), after or _SILENT.wait, _SILENT.attempts)

    def _client_failure(self, call: Call, answer: Answer) -> Exception:
        if answer.status == 429:
            limit = verdict(TOO_OFTEN)
            rest = self._pacing.park(call.pace, answer.rest or limit.wait, limit.wait_again)
            return Retry(limit.reason(call.path), rest)
        if answer.status < 400:
            return Invalid("服务器要求跳转：WECOM_BASE_URL 必须以 https:// 开头并直接指向接口域名")
        if answer.status == 404:
            return Invalid(f"接口路径不存在（HTTP 404），请检查程序或 WECOM_BASE_URL：{call.path}")
        return Invalid(f"请求被网关拒绝（HTTP {answer.status}）：{call.path}")

    def _judge(self, call: Call, reply: Json) -> Json:
        # The code comes first: a failed reply still carries empty lists.
        errcode = errcode_of(reply)
        if errcode == 0:
            self._pacing.passed(call.pace)
            return reply
        row = verdict(errcode)
        reason = row.reason(call.path)
        if errcode == TOO_OFTEN:
            raise Retry(reason, self._pacing.park(call.pace, row.wait, row.wait_again))
        self._pacing.passed(call.pace)
        if errcode in (SECRET_WRONG, CORP_WRONG) and call.secret:
            self._tokens.stop(call.secret, errcode)
        if errcode == BUSY and not call.repeatable:
            raise Uncertain(f"系统繁忙，不知是否已经生效，须先查询再决定是否重发；{call.path}")
        if row.kind == "retry":
            raise _Again(reason, row.wait, row.attempts)
        if row.kind == "rate_limited":
            raise Retry(reason, row.wait)
        raise Refused(errcode, reason)

    def _fetch_token(self, secret: str) -> tuple[str, float]:
        call = Call("GET", "gettoken")
        query = {"corpid": self._corp_id, "corpsecret": secret}
        reply = self._exchange(call, _request(call, None, query, None), token=None)
        errcode = errcode_of(reply)
        row = verdict(errcode)
        if errcode == TOO_OFTEN:
            rest = self._pacing.park(_GETTOKEN, row.wait, row.wait_again)
            raise Retry(row.reason(_GETTOKEN), rest)
        self._pacing.passed(_GETTOKEN)
        if row.kind == "retry":
            raise Retry(row.reason(_GETTOKEN), row.wait)
        if errcode != 0:
            raise Refused(errcode, row.reason(_GETTOKEN))
        if not reply.get("access_token"):
            raise Retry(_SILENT.reason(_GETTOKEN), _SILENT.wait)
        return str(reply["access_token"]), float(reply.get("expires_in", 0))


def _request(
    call: Call,
    body: Mapping[str, Any] | None,
    query: Mapping[str, object] | None,
    upload: Upload | None,
) -> Request:
    pairs = tuple((name, str(value)) for name, value in (query or {}).items() if value is not None)
    if upload is not None:
        # Built once: the replay after an expired token sends the same bytes.
        fields = [("media", (upload.filename, upload.content, upload.content_type))]
        content, content_type = encode_multipart_formdata(fields)
        return Request(call.method, call.path, pairs, content, content_type)
    if call.method == "GET":
        return Request(call.method, call.path, pairs)
    return Request(call.method, call.path, pairs, _json(body or {}))


def _json(body: Mapping[str, Any]) -> bytes:
    """One text for one content: the duplicate check of app messages compares bytes."""
    kept = {name: value for name, value in body.items() if value is not None}
    text = json.dumps(
        kept, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise Invalid("文字里有无法编码的字符（孤立代理项），请删掉后再发")
    return text.encode()


def _code(answer: Answer | Silence, reply: Json | None) -> int:
    if reply is not None:
        return errcode_of(reply)
    if isinstance(answer, Answer) and answer.status != 200:
        return answer.status
    return NO_CONNECTION if answer is Silence.UNSENT else NO_ANSWER
