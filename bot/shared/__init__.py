"""What several processes share through Redis: the inbox, tokens, pace, the scheduler's lease.

What was acknowledged is in the inbox and nowhere else until it is worked; everything else
here is a cache that may vanish. Loaded only when ``REDIS_URL`` is set.
"""

from __future__ import annotations

from bot.shared.connection import Shared
from bot.shared.inbox import SharedInbox
from bot.shared.lease import SharedLease
from bot.shared.pacing import SharedPacing
from bot.shared.tokens import SharedTokenCache

__all__ = ["Shared", "SharedInbox", "SharedLease", "SharedPacing", "SharedTokenCache"]
