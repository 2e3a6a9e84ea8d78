"""What followed a send, or the day on which a hold-out's would have gone; each thing once.

A conversion counts for the latest send before it, of whichever campaign, within that
campaign's window. Somebody of the hold-out stands in this like everybody else, by the moment
at which the gate would have let their message go, so that both arms are counted alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from bot.store.db import Db, Row

KINDS = ("reply", "sign_up", "holding_opened", "holding_renewed", "assets_up", "layer_up")
_RECENT = timedelta(days=7)
"""Talk is there the same day; who asks daily needs no more."""
_IMPORTED = timedelta(days=60)
"""The core system's files come late."""
_DAY_MS = 86_400_000
_UP_PERCENT, _UP_YUAN = 10, 10_000
"""Assets are up when they rose by so much of both; less is interest."""

# A send is confirmed, or dropped for nothing but the hold-out.
_SENDS = """
(SELECT p.id, p.campaign, p.external_userid, p.assets_before,
  coalesce(p.confirmed_at, p.changed_at) AS at,
  coalesce(p.confirmed_at, p.changed_at)
    + CAST(json_extract(:windows, '$.' || p.campaign) AS BIGINT) AS until_at
  FROM push p WHERE p.external_userid IS NOT NULL
    AND (p.status = 'confirmed' OR (p.status = 'dropped' AND p.reason = 'holdout'))
    AND json_extract(:windows, '$.' || p.campaign) IS NOT NULL)
"""
_DAY = "date({at} / 1000 + 28800, 'unixepoch')"
_CREDIT = f"""
INSERT INTO conversion (push_id, campaign, kind, ref, at)
SELECT f.push_id, f.campaign, f.kind, f.ref, f.at FROM (
  SELECT s.id AS push_id, s.campaign, e.kind, e.ref, :now AS at,
    row_number() OVER (PARTITION BY e.kind, e.ref ORDER BY s.at DESC, s.id DESC) AS place
  FROM ({{events}}) e JOIN {_SENDS} s ON s.external_userid = e.who AND {{within}}) f
WHERE f.place = 1
ON CONFLICT (kind, ref) DO NOTHING
"""
_AT = "e.at > s.at AND e.at <= s.until_at"
_ON = f"e.day_on >= {_DAY.format(at='s.at')} AND e.day_on <= {_DAY.format(at='s.until_at')}"
# One answer a day, however many lines it has.
_REPLIES = f"""
SELECT 'reply' AS kind, m.sender || ' ' || {_DAY.format(at="m.sent_at")} AS ref,
  m.sender AS who, max(m.sent_at) AS at
FROM message m WHERE m.chat_id = '' AND m.sent_at >= :recent
GROUP BY m.sender, {_DAY.format(at="m.sent_at")}
"""
_SIGN_UPS = """
SELECT 'sign_up' AS kind, CAST(g.id AS TEXT) AS ref, g.external_userid AS who, g.at AS at
FROM signup g WHERE g.at >= :recent AND g.status <> 'cancelled'
"""
_OPENED = """
SELECT 'holding_opened' AS kind, h.account_ref AS ref, h.external_userid AS who,
  h.opened_on AS day_on
FROM holding h WHERE h.opened_on >= :imported AND h.external_userid IS NOT NULL
"""
_RENEWED = """
SELECT 'holding_renewed' AS kind, h.account_ref || ' ' || h.matures_on AS ref,
  h.external_userid AS who, h.matures_on AS day_on
FROM holding h WHERE h.status = 'renewed' AND h.matures_on >= :imported
  AND h.matures_on <= :on AND h.external_userid IS NOT NULL
"""
# Balances are compared with those on the day of planning, once a send.
_RISES = f"""
INSERT INTO conversion (push_id, campaign, kind, ref, at)
SELECT f.id, f.campaign, :kind, CAST(f.id AS TEXT), :now FROM (
  SELECT s.id, s.campaign, s.external_userid, s.assets_before, s.until_at,
    row_number() OVER (PARTITION BY s.external_userid ORDER BY s.at DESC, s.id DESC) AS place
  FROM {_SENDS} s) f JOIN customer c ON c.external_userid = f.external_userid
WHERE f.place = 1 AND f.until_at >= :now AND f.assets_before IS NOT NULL AND {{risen}}
ON CONFLICT (kind, ref) DO NOTHING
"""
_LINES = """
(SELECT count(*) FROM json_each(:lines) l WHERE CAST(l.value AS BIGINT) <= {assets})
"""
_RISEN = {
    "assets_up": "c.assets >= f.assets_before + :yuan"
    " AND c.assets * 100 >= f.assets_before * (100 + :percent)",
    "layer_up": _LINES.format(assets="c.assets") + " > " + _LINES.format(assets="f.assets_before"),
}


def credit(db: Db, windows: Mapping[str, int], lines: Sequence[int], on: date, now: int) -> int:
    """Note what followed the sends of late; asked again, it adds only what is new. How many.

    Args:
        db: The open transaction.
        windows: Days by campaign in which something counts.
        lines: The layer lines, yuan.
        on: Today.
        now: This moment.
    """
    values = {
        "windows": json.dumps({name: days * _DAY_MS for name, days in windows.items()}),
        "now": now,
    }
    recent = now - int(_RECENT / timedelta(milliseconds=1))
    credited = sum(
        db.run(_CREDIT.format(events=events, within=_AT), recent=recent, **values)
        for events in (_REPLIES, _SIGN_UPS)
    )
    imported = (on - _IMPORTED).isoformat()
    credited += db.run(_CREDIT.format(events=_OPENED, within=_ON), imported=imported, **values)
    credited += db.run(
        _CREDIT.format(events=_RENEWED, within=_ON), imported=imported, on=on.isoformat(), **values
    )
    return credited + sum(
        db.run(
            _RISES.format(risen=risen),
            kind=kind,
            lines=json.dumps(list(lines)),
            yuan=_UP_YUAN,
            percent=_UP_PERCENT,
            **values,
        )
        for kind, risen in _RISEN.items()
    )


# A campaign without a hold-out has nothing to be compared with.
_ARMS = """
SELECT p.campaign, CASE WHEN p.status = 'confirmed' THEN 'treated' ELSE 'holdout' END AS arm,
  count(DISTINCT p.external_userid) AS people,
  count(DISTINCT CASE WHEN v.id IS NOT NULL THEN p.external_userid END) AS converted
FROM push p LEFT JOIN conversion v ON v.push_id = p.id AND (:kind = '' OR v.kind = :kind)
WHERE p.planned_on BETWEEN :first_on AND :last_on AND p.external_userid IS NOT NULL
  AND (p.status = 'confirmed' OR (p.status = 'dropped' AND p.reason = 'holdout'))
  AND EXISTS (SELECT 1 FROM campaign_run r WHERE r.campaign = p.campaign AND r.holdout > 0)
GROUP BY p.campaign, CASE WHEN p.status = 'confirmed' THEN 'treated' ELSE 'holdout' END
ORDER BY p.campaign
"""


def arms(db: Db, first_on: str, last_on: str, kind: str = "") -> list[Row]:
    """People and converted people by campaign and arm, for one kind of conversion or any."""
    return db.rows(_ARMS, first_on=first_on, last_on=last_on, kind=kind)
