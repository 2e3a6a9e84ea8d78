"""Pushes as they would be: for dry runs and previews, inside transactions that are undone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from bot.store.db import Db, Row

# From the oldest friend, as plans do.
_SAMPLE = """
INSERT INTO push (key, campaign, version, occasion, cycle, step, external_userid, purpose,
  channel, sender, branch, planned_on, due_at, useful_until, changed_at, subject)
SELECT 'preview:' || :id, :campaign, :version, :occasion, :day, :step, :id, :purpose,
  'mass_single', coalesce((SELECT f.userid FROM follow f WHERE f.external_userid = :id
    AND f.ended_at IS NULL ORDER BY f.since_at, f.userid LIMIT 1), ''),
  c.branch, :today, :now, :useful, :now, :about
FROM customer c WHERE c.external_userid = :id
"""


def planned_for(db: Db, campaign: str, on: str, version: str) -> list[Row]:
    """A campaign's pushes of a day, taken over by one version: for dry runs, which are undone."""
    db.run(
        "UPDATE push SET version = :version WHERE campaign = :campaign AND planned_on = :on",
        version=version,
        campaign=campaign,
        on=on,
    )
    return db.rows(
        "SELECT * FROM push WHERE campaign = :campaign AND planned_on = :on ORDER BY id",
        campaign=campaign,
        on=on,
    )


def sample(
    db: Db,
    customer: str,
    *,
    campaign: str,
    version: str,
    occasion: str,
    purpose: str,
    step: int,
    subject: Mapping[str, Any],
    today: date,
    now: int,
) -> Row:
    """A push to one customer as if the day had come: for previews, which are undone.

    Their next maturity, or a time deposit where they hold nothing; of other occasions what
    ``subject`` says.
    """
    held = db.one(
        "SELECT matures_on, json_group_array(kind) AS kinds FROM holding"
        " WHERE external_userid = :id AND status = 'open' AND matures_on >= :today"
        " GROUP BY matures_on ORDER BY matures_on LIMIT 1",
        id=customer,
        today=today.isoformat(),
    )
    kinds = held["kinds"] if held else '["time_deposit"]'
    about = kinds if occasion == "maturity" else json.dumps(subject, ensure_ascii=False)
    day = held["matures_on"] if held else (today + timedelta(days=step)).isoformat()
    push_id = db.insert(
        _SAMPLE,
        id=customer,
        campaign=campaign,
        version=version,
        occasion=occasion,
        day=day,
        step=str(step),
        purpose=purpose,
        today=today.isoformat(),
        now=now,
        useful=now + 86_400_000,
        about=about,
    )
    found = db.one("SELECT * FROM push WHERE id = :id", id=push_id)
    assert found is not None
    return found
