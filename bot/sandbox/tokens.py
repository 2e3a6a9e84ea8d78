"""Access tokens, which secret may call what, and the frequency limits."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from bot.sandbox.contract import ApiError, CallSpec
from bot.sandbox.settings import SandboxSettings

_MAY_CALL = {
    "app": {"app"},
    "contact": {"app", "customer_contact_app"},
    "kf": {"app", "kf_app"},
    "archive": {"archive"},
}
# Any token will do for these two (document/path/92521).
_ANY_TOKEN = {"getcallbackip", "get_api_domain_ip"}


@dataclass
class _Token:
    text: str
    secret: str
    expires: float


class Tokens:
    """One token a secret, valid on monotonic time.

    Args:
        draw: Makes a fresh token text.
        monotonic: The clock of tokens.
    """

    def __init__(
        self, settings: SandboxSettings, draw: Callable[[], str], monotonic: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._draw = draw
        self._monotonic = monotonic
        self._by_text: dict[str, _Token] = {}
        self._by_secret: dict[str, _Token] = {}
        self.issued = 0
        self._kinds: dict[str, set[str]] = {}
        for kind, secret in (
            ("app", settings.app_secret),
            ("contact", settings.contact_secret),
            ("kf", settings.kf_secret),
            ("archive", settings.archive_secret),
        ):
            self._kinds.setdefault(secret, set()).add(kind)

    def issue(self, corpid: str, secret: str) -> tuple[str, int]:
        """Token and seconds left; the same token while it is valid."""
        if corpid != self._settings.corp_id:
            raise ApiError(40013, "invalid corpid")
        if secret not in self._kinds:
            raise ApiError(40001, "invalid credential")
        present = self._by_secret.get(secret)
        if present is None or present.expires <= self._monotonic():
            expires = self._monotonic() + self._settings.token_life
            present = _Token(self._draw(), secret, expires)
            self._by_secret[secret] = self._by_text[present.text] = present
            self.issued += 1
        return present.text, max(1, int(present.expires - self._monotonic()))

    def kinds(self, text: str) -> set[str]:
        """What the token's secret is for.

        Raises:
            ApiError: 41001 without a token, 40014 unknown, 42001 expired.
        """
        if not text:
            raise ApiError(41001, "access_token missing")
        token = self._by_text.get(text)
        if token is None:
            raise ApiError(40014, "invalid access_token")
        if token.expires <= self._monotonic():
            raise ApiError(42001, "access_token expired")
        return self._kinds[token.secret]

    def allow(self, spec: CallSpec, kinds: set[str]) -> None:
        """Refuse (48002) a call that the token's secret may not make."""
        allowed = set().union(*(_MAY_CALL[kind] for kind in kinds))
        if spec.secret not in allowed and spec.id not in _ANY_TOKEN:
            raise ApiError(48002, "api forbidden")

    def expire(self) -> None:
        """End every token now: the next use answers 42001."""
        for token in self._by_text.values():
            token.expires = self._monotonic()

    def revoke(self) -> None:
        """Forget every token now: the next use answers 40014."""
        self._by_text.clear()
        self._by_secret.clear()


@dataclass
class Limits:
    """Calls a minute and an hour for each interface; beyond, 45009 and a block.

    Attributes:
        special: Other limits a minute, by shell-style pattern of the path.
        minute_block: Seconds of the block after the minute's limit (an hour's: 60 times that).
    """

    monotonic: Callable[[], float]
    per_minute: int = 10_000
    per_hour: int = 150_000
    minute_block: float = 60.0
    special: dict[str, int] = field(default_factory=dict)
    _calls: dict[str, deque[float]] = field(default_factory=dict)
    _hours: dict[str, deque[float]] = field(default_factory=dict)
    _blocked: dict[str, float] = field(default_factory=dict)

    def count(self, path: str) -> None:
        """Count one call.

        Raises:
            ApiError: 45009 while the interface is blocked.
        """
        now = self.monotonic()
        if self._blocked.get(path, 0.0) > now:
            raise ApiError(45009, "api freq out of limit")
        limit = next((n for p, n in self.special.items() if fnmatchcase(path, p)), self.per_minute)
        if self._over(self._calls, path, now, 60.0, limit):
            self._blocked[path] = now + self.minute_block
            raise ApiError(45009, "api freq out of limit")
        if self._over(self._hours, path, now, 3600.0, self.per_hour):
            self._blocked[path] = now + 60 * self.minute_block
            raise ApiError(45009, "api freq out of limit")

    def _over(
        self, windows: dict[str, deque[float]], path: str, now: float, span: float, limit: int
    ) -> bool:
        window = windows.setdefault(path, deque())
        while window and window[0] <= now - span:
            window.popleft()
        window.append(now)
        return len(window) > limit
