"""Access tokens that all processes share, sealed: Redis is nobody's vault."""

from __future__ import annotations

from contextlib import AbstractContextManager

from bot.errors import Invalid
from bot.shared.connection import Shared
from bot.vault import Vault

_PATIENCE_SECONDS = 20.0


class SharedTokenCache:
    """A ``TokenCache`` for all processes: one of them fetches, the others wait for it."""

    def __init__(self, shared: Shared, vault: Vault) -> None:
        self._shared = shared
        self._vault = vault

    def get(self, key: str) -> str | None:
        """What was put, unless it has expired."""
        with self._shared.answering() as client:
            sealed = client.get(self._shared.name("token", key))
        try:
            return self._vault.open_text(sealed) if sealed else None
        except Invalid:
            return None  # sealed with another key: fetched anew

    def put(self, key: str, value: str, seconds: float) -> None:
        """Remember for so long."""
        with self._shared.answering() as client:
            client.set(
                self._shared.name("token", key),
                self._vault.seal_text(value),
                px=max(1, int(seconds * 1000)),
            )

    def lock(self, key: str) -> AbstractContextManager[object]:
        """Held by whoever fetches."""
        return self._shared.lock("token", key, patience=_PATIENCE_SECONDS)
