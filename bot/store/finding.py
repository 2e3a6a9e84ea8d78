"""Looking customers and their promises up, within somebody's scope of sight."""

from __future__ import annotations

import json
from datetime import date

from bot.store.db import Db, Row
from bot.store.sight import Sight

PROMISES = ("cash.inflow", "holding.other_bank", "contact.request", "holding.maturity")
"""Facts whose dates ask for a call."""


def promises(db: Db, scope: Sight, since: date, until: date, limit: int = 200) -> list[Row]:
    """Facts of visible customers that fall due in a span of days, soonest first."""
    return db.rows(
        "SELECT f.*, c.name FROM fact f JOIN customer c USING (external_userid)"
        f" WHERE {scope.where} AND f.status IN ('current', 'confirmed')"
        " AND f.type IN (SELECT value FROM json_each(:types))"
        " AND coalesce(f.date_from, f.date_to) BETWEEN :since AND :until"
        " ORDER BY coalesce(f.date_from, f.date_to), f.id LIMIT :limit",
        types=json.dumps(PROMISES),
        since=since.isoformat(),
        until=until.isoformat(),
        limit=limit,
        **scope.values,
    )


def by_name(db: Db, scope: Sight, name: str) -> list[Row]:
    """Visible customers whose name or remark holds some words; who spoke last comes first."""
    return db.rows(
        "SELECT c.* FROM customer c WHERE c.erased = 0 AND (instr(c.name, :name) > 0"
        " OR EXISTS (SELECT 1 FROM follow f WHERE f.external_userid = c.external_userid"
        " AND f.ended_at IS NULL AND instr(f.remark, :name) > 0))"
        f" AND {scope.where} ORDER BY c.spoke_at DESC NULLS LAST LIMIT 20",
        name=name,
        **scope.values,
    )
