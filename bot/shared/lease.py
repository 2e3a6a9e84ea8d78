"""The scheduler's lease in Redis; its fencing number stays in the store, which checks it."""

from __future__ import annotations

from bot.shared.connection import Shared
from bot.store import rings
from bot.store.db import Database
from bot.store.rings import LEASE_MS, Fence

_HOLD = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_LET_GO = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"


class SharedLease:
    """Who holds the name in Redis acts; if Redis forgets, the number tells the last one apart."""

    def __init__(self, shared: Shared, database: Database) -> None:
        self._shared = shared
        self._database = database
        self._name = shared.name("lease", rings.NAME)

    def take(self, holder: str) -> Fence | None:
        """Take or renew the lease; None while another holder's is running.

        Raises:
            Retry: Redis or the store does not answer: nobody acts.
        """
        with self._shared.answering() as client:
            if not client.eval(_HOLD, 1, self._name, holder, LEASE_MS):
                return None
        return self._database.write(lambda db: rings.hold(db, holder))

    def give_up(self, fence: Fence) -> None:
        """Let the next scheduler start at once."""
        self._database.write(lambda db: rings.give_lease_up(db, fence))
        with self._shared.answering() as client:
            client.eval(_LET_GO, 1, self._name, fence.holder)
