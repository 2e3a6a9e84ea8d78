"""Access tokens: one a secret, fetched by one thread at a time, never fetched in a loop."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from bot.errors import Invalid, Refused, Retry
from bot.wecom.errcodes import CORP_WRONG, SECRET_WRONG, verdict
from bot.wecom.pacing import Bucket

SecretName = Literal["agent", "contact", "kf", "archive"]

MARGIN_SECONDS: Final = 300.0
STOP_SECONDS: Final = 3600.0
"""How long a wrong secret rests: so long does WeCom ban the address that repeats it."""
PAUSE_SECONDS: Final = 2.0
"""Between two tries of a token endpoint that does not answer."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets of the corp's apps; what is unset falls back to the app's own.

    Attributes:
        archive: Has no fallback: the message archive is an app of its own.
    """

    agent: str = field(repr=False)
    contact: str = field(default="", repr=False)
    kf: str = field(default="", repr=False)
    archive: str = field(default="", repr=False)

    def of(self, name: SecretName) -> str:
        """The secret to use for a group of calls.

        Raises:
            Invalid: The archive is asked for and has none.
        """
        if name == "archive" and not self.archive:
            raise Invalid("未配置会话存档的 Secret，请设置 WECOM_ARCHIVE_SECRET")
        own = {"agent": self.agent, "contact": self.contact, "kf": self.kf, "archive": self.archive}
        return own[name] or self.agent


class TokenCache(Protocol):
    """Where tokens are remembered; several processes may share one."""

    def get(self, key: str) -> str | None:
        """What was put, unless it has expired."""
        ...

    def put(self, key: str, value: str, seconds: float) -> None:
        """Remember for so long."""
        ...

    def lock(self, key: str) -> AbstractContextManager[object]:
        """Held by whoever fetches; everybody who shares the cache waits for the holder."""
        ...


class MemoryTokenCache:
    """The cache of one process."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._kept: dict[str, tuple[str, float]] = {}
        self._locks: dict[str, threading.Lock] = {}

    def get(self, key: str) -> str | None:
        """What was put, unless it has expired."""
        value, until = self._kept.get(key, ("", 0.0))
        return value if value and self._monotonic() < until else None

    def put(self, key: str, value: str, seconds: float) -> None:
        """Remember for so long."""
        self._kept[key] = (value, self._monotonic() + seconds)

    def lock(self, key: str) -> AbstractContextManager[object]:
        """Held by whoever fetches."""
        return self._locks.setdefault(key, threading.Lock())


class Tokens:
    """Hands out tokens and renews them.

    Args:
        fetch: Asks WeCom for (text, seconds of life) with one secret; raises like any call.
    """

    def __init__(
        self,
        corp_id: str,
        secrets: Secrets,
        cache: TokenCache,
        fetch: Callable[[str], tuple[str, float]],
        monotonic: Callable[[], float],
    ) -> None:
        self._corp_id = corp_id
        self._secrets = secrets
        self._cache = cache
        self._fetch = fetch
        self._monotonic = monotonic
        self._rests_until: dict[str, float] = {}
        self._renewals: dict[str, Bucket] = {}

    def of(self, name: SecretName) -> str:
        """A token that lives five minutes more.

        Raises:
            Refused: The secret is wrong; nobody asks again for an hour.
            Retry: The token endpoint does not answer.
        """
        key = self._key(name)
        return self._cache.get(key) or self._renewed(name, key, stale=None)

    def renew(self, name: SecretName, stale: str) -> str:
        """A token other than ``stale``, which WeCom did not take; fetched once for all threads.

        Raises:
            Refused: As for ``of``.
            Retry: As for ``of``, or tokens of this secret die as soon as they are born.
        """
        return self._renewed(name, self._key(name), stale)

    def stop(self, name: SecretName, errcode: int) -> None:
        """No token is fetched or handed out for this secret until an hour has passed."""
        self._cache.put(f"{self._key(name)}.stopped", str(errcode), STOP_SECONDS)

    def check(self, name: SecretName) -> None:
        """Refuse early when the secret was stopped.

        Raises:
            Refused: It was, less than an hour ago.
        """
        stopped = self._cache.get(f"{self._key(name)}.stopped")
        if stopped:
            raise Refused(int(stopped), verdict(int(stopped)).reason("/cgi-bin/gettoken"))

    def cached(self, name: SecretName, what: str, fetch: Callable[[], tuple[str, float]]) -> str:
        """Something else with a life of its own (a ticket), remembered beside the token."""
        key = f"{self._key(name)}.{what}"
        kept = self._cache.get(key)
        if kept:
            return kept
        with self._cache.lock(key):
            kept = self._cache.get(key)
            return kept or self._keep(key, *fetch())

    def _renewed(self, name: SecretName, key: str, stale: str | None) -> str:
        with self._cache.lock(key):
            kept = self._cache.get(key)
            if kept and kept != stale:
                return kept
            self.check(name)
            self._rest_if_told(key)
            return self._fetched(name, key)

    def _fetched(self, name: SecretName, key: str) -> str:
        try:
            return self._keep(key, *self._fetch(self._secrets.of(name)))
        except Retry as error:
            self._rests_until[key] = self._monotonic() + max(error.after, PAUSE_SECONDS)
            raise
        except Refused as error:
            if error.errcode in (SECRET_WRONG, CORP_WRONG):
                self.stop(name, error.errcode)
            raise

    def _rest_if_told(self, key: str) -> None:
        # Without this, fifty threads that wait for the lock would time out one after the other.
        rest = self._rests_until.get(key, 0.0) - self._monotonic()
        if rest > 0:
            raise Retry("获取 access_token 暂时失败，稍后再试", rest)
        # A token that is refused as soon as it is issued must not turn into a gettoken storm.
        bucket = self._renewals.setdefault(key, Bucket(per_minute=6, burst=6))
        rest = bucket.take(self._monotonic(), patience=0.0)
        if rest > 0:
            raise Retry("access_token 反复失效，暂停获取", rest)

    def _keep(self, key: str, value: str, life: float) -> str:
        # Inside its validity WeCom gives the same token again, so the last five minutes may be
        # all that is left of it.
        seconds = life - MARGIN_SECONDS if life > MARGIN_SECONDS else life * 0.9
        self._cache.put(key, value, seconds)
        return value

    def _key(self, name: SecretName) -> str:
        # Two groups of calls with one secret share its token; the key gives no secret away.
        text = f"{self._corp_id}\0{self._secrets.of(name)}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]
