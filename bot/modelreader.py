"""A bank's own language model as a second reader, over an OpenAI-compatible address.

It reads like the rules do, ``read(speech)``, and is believed like a stranger: its answer is
held to the closed schema, its evidence must stand in the text, and what it says only ever waits
for a person.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog
import urllib3
from urllib3.exceptions import HTTPError

from bot.clock import SHANGHAI
from bot.errors import Invalid, Retry
from bot.facts import Evidence, Fact, FactType, Speech
from bot.masking import DOT
from bot.schema import SCHEMA, Key, barred, check_value
from bot.wecom.pacing import Bucket
from bot.yamlfile import read_text
from scheduler.thresholds import ModelLimits

log = structlog.get_logger()

CONFIDENCE = 0.5
"""Under ``CONFIRM_BELOW``: whatever a model says waits for a person and acts on nothing."""
# Consent is never granted on a guess.
READABLE = tuple(kind for kind in FactType if kind is not FactType.OPT_IN)
_MAY_BE_BARRED = frozenset({FactType.LIFE_EVENT, FactType.CONCERN})
_MOST_BYTES = 1 << 16
_MOST_FACTS = 20
_MOST_TOKENS = 800
_PATIENCE = 5.0
_FENCE = re.compile(r"^```(?:json)?\s*(?P<body>.*?)\s*```$", re.DOTALL)
_WEEKDAYS = "一二三四五六日"


class _Unusable(Exception):
    """The answer is not what was asked for."""


class ModelReader:
    """Asks the model about one line at a time; safe to share between threads.

    Args:
        base_url: Up to and without ``/chat/completions``.
        name: As the server calls the model.
        key: Bearer token; "" sends none.
        prompt: The instructions, with ``{schema}`` in them.
        limits: What it may cost.
        monotonic: Seconds that never jump.
        sleep: How a thread waits for its turn.

    Raises:
        Invalid: The address is not one, or the instructions lack the schema.
    """

    def __init__(
        self,
        base_url: str,
        name: str,
        key: str,
        prompt: str,
        limits: ModelLimits,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not re.match(r"https?://[^/\s]+", base_url):
            raise Invalid("QUNGUAN_MODEL_URL 要写完整,例如 http://10.0.0.8:8000/v1")
        if "{schema}" not in prompt:
            raise Invalid("config/model.md 里要有 {schema},它会换成事实的类型和键")
        self._address = f"{base_url.rstrip('/')}/chat/completions"
        self._name, self._key = name, key
        self._instructions = prompt.replace("{schema}", "\n".join(_schema()))
        self.rule = "model." + re.sub(r"[^A-Za-z0-9._-]+", "-", name)
        self.version = hashlib.sha256(self._instructions.encode()).hexdigest()[:8]
        self._limits, self._monotonic, self._sleep = limits, monotonic, sleep
        self._bucket = Bucket(limits.calls_a_minute, 1)
        self._lock = threading.Lock()
        self._failed, self._rests_until = 0, float("-inf")
        self._pool = urllib3.PoolManager(
            maxsize=2,
            retries=False,  # and no redirect: what was said goes to the address that was set
            timeout=urllib3.Timeout(connect=3.0, read=float(limits.seconds)),
        )

    @classmethod
    def load(
        cls, config: Path, base_url: str, name: str, key: str, limits: ModelLimits
    ) -> ModelReader:
        """A reader with the instructions of a config folder.

        Raises:
            Invalid: As for the constructor, or the file is missing.
        """
        return cls(base_url, name, key, read_text(config / "model.md"), limits)

    def read(self, speech: Speech) -> list[Fact]:
        """What the model finds that fits the schema; the text must be covered up already.

        Raises:
            Retry: The model rests, cannot be reached, or answered with an error.
        """
        if not speech.by_customer or not speech.text.strip():
            return []
        self._wait()
        try:
            answer = self._ask(speech)
        except Retry:
            self._fail()
            raise
        try:
            facts = list(self._facts(answer, speech.text))
        except _Unusable as flaw:
            self._fail()
            log.warning("the model's answer is unusable", reason=str(flaw))
            return []
        with self._lock:
            self._failed = 0
        return facts

    def close(self) -> None:
        """Drop the open connections."""
        self._pool.clear()

    # -- asking

    def _wait(self) -> None:
        """Wait for a turn."""
        with self._lock:
            rest = self._rests_until - self._monotonic()
        if rest > 0:
            raise Retry("模型连续出错,正在休息", rest)
        wait = self._bucket.take(self._monotonic(), _PATIENCE)
        if wait > _PATIENCE:
            raise Retry("模型这一分钟问满了", wait)
        if wait > 0:
            self._sleep(wait)

    def _fail(self) -> None:
        with self._lock:
            self._failed += 1
            if self._failed >= self._limits.failures:
                self._failed = 0
                self._rests_until = self._monotonic() + 60.0 * self._limits.rest_minutes
                log.warning("the model rests", minutes=self._limits.rest_minutes)

    def _ask(self, speech: Speech) -> str:
        """The words of the answer."""
        body = {
            "model": self._name,
            "temperature": 0,
            "max_tokens": _MOST_TOKENS,
            "response_format": {"type": "json_object"},
            "messages": [
                {"role": "system", "content": self._instructions},
                {"role": "user", "content": _question(speech)},
            ],
        }
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        content = json.dumps(body, ensure_ascii=False).encode()
        started = self._monotonic()
        try:
            response = self._pool.request(
                "POST", self._address, body=content, headers=headers, preload_content=False
            )
            try:
                answer = self._whole(response, started)
            finally:
                response.release_conn()
        except (HTTPError, OSError) as error:
            # Without the cause: it may carry the address.
            raise Retry(f"模型没有答复({type(error).__name__})", 5.0) from None
        if response.status != 200:
            raise Retry(f"模型答复 HTTP {response.status}", _after(response.headers))
        return answer

    def _whole(self, response: urllib3.BaseHTTPResponse, started: float) -> str:
        """The body; one that drips or never ends is given up."""
        parts, size = [], 0
        while part := response.read1(4096):
            parts.append(part)
            size += len(part)
            if size > _MOST_BYTES or self._monotonic() - started > self._limits.seconds:
                response.close()
                raise Retry("模型的答复过长或过慢", 5.0)
        return b"".join(parts).decode("utf-8", "replace")

    # -- believing

    def _facts(self, answer: str, text: str) -> Iterator[Fact]:
        refused = 0
        for entry in _entries(answer):
            try:
                yield self._fact(entry, text)
            except (Invalid, ValueError) as flaw:
                refused += 1
                log.debug("a fact of the model is refused", reason=type(flaw).__name__)
        if refused:
            log.info("facts of the model were refused", refused=refused)

    def _fact(self, entry: Any, text: str) -> Fact:
        """One fact that holds to the schema.

        Raises:
            Invalid: It does not.
        """
        if not isinstance(entry, dict) or entry.keys() != {"type", "value", "evidence"}:
            raise Invalid("应当正好有 type、value、evidence")
        kind = FactType(entry["type"])
        value, words = entry["value"], entry["evidence"]
        if kind not in READABLE or not isinstance(value, dict) or not isinstance(words, str):
            raise Invalid("类型不对")
        start = text.find(words) if len(words.strip(f" {DOT}")) > 1 else -1
        if start < 0:
            raise Invalid("依据不在原话里")
        if barred(words) and kind not in _MAY_BE_BARRED:
            raise Invalid("说的是不得登记的内容")
        whole = check_value(kind, value)
        if any(DOT in each for each in whole.values() if isinstance(each, str)):
            raise Invalid("取值里有遮盖掉的内容")
        evidence = Evidence(start, start + len(words), words)
        return Fact(kind, whole, evidence, CONFIDENCE, self.rule, self.version)


def _question(speech: Speech) -> str:
    """The line as data: what stands in it is no instruction."""
    at = speech.sent_at.astimezone(SHANGHAI)
    told = {
        "sent_at": f"{at:%Y-%m-%d %H:%M} 星期{_WEEKDAYS[at.weekday()]}",
        "text": speech.text,
    }
    return json.dumps(told, ensure_ascii=False)


def _entries(answer: str) -> list[Any]:
    """The list of facts in an answer of the protocol.

    Raises:
        _Unusable: It is none.
    """
    try:
        content = json.loads(answer)["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise _Unusable("not the protocol") from None
    if not isinstance(content, str):
        raise _Unusable("no text")
    fenced = _FENCE.match(content.strip())
    try:
        told = json.loads(fenced["body"] if fenced else content)
    except (ValueError, RecursionError):
        raise _Unusable("not JSON") from None
    if not isinstance(told, dict) or told.keys() != {"facts"}:
        raise _Unusable("not the schema")
    facts = told["facts"]
    if not isinstance(facts, list) or len(facts) > _MOST_FACTS:
        raise _Unusable("not a list of facts")
    return facts


def _after(headers: Mapping[str, str]) -> float:
    told = headers.get("Retry-After", "")
    return float(told) if told.isascii() and told.isdigit() else 5.0


def _schema() -> Iterator[str]:
    """The types that a model may name, one a line."""
    for kind in READABLE:
        yield f"- {kind}: " + "; ".join(
            f"{name}({_about(key)})" for name, key in SCHEMA[kind].items()
        )


def _about(key: Key) -> str:
    match key.kind:
        case "choice":
            return "|".join(key.options)
        case "date":
            return "YYYY-MM-DD"
        case "words":
            return "短语"
    return f"{'整数' if key.kind == 'whole' else '数'} {key.least}-{key.most}"
