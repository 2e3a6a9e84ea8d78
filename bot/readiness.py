"""What ``/readyz`` tells: whether the bot can keep what comes and work on it."""

from __future__ import annotations

from typing import Any

import structlog

from bot.errors import Retry
from bot.inbox import Inbox
from bot.store import migrations, rings
from bot.store.db import Database
from config.settings import Settings

log = structlog.get_logger()
_MOST_LAG_SECONDS = 60


def readiness(settings: Settings, database: Database, inbox: Inbox) -> dict[str, Any]:
    """Problems, and the figures behind them."""
    problems: list[str] = []
    found: dict[str, Any] = {"problems": problems}
    try:
        database.write(lambda db: db.value("SELECT 1"))
        if migrations.revision_of(settings.database_place) != migrations.HEAD:
            problems.append("migrations")
        if rings.holder(database.read()) is None:
            problems.append("scheduler_lease")
    except Exception:  # whatever the reason, nothing can be kept
        log.exception("storage cannot be written")
        problems.append("storage")
    try:
        lag, (waiting, aside) = inbox.lag_seconds(), inbox.depth()
    except Retry as trouble:
        log.warning("the inbox cannot be read", reason=str(trouble))
        return {"problems": [*problems, "inbox"]}
    if lag > _MOST_LAG_SECONDS:
        problems.append("lag")
    found["inbox"] = {"waiting": waiting, "set_aside": aside, "lag_seconds": round(lag, 1)}
    return found
