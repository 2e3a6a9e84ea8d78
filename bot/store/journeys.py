"""Ways of several steps: who is on one, which step is due, and who has left.

A journey keeps the version that it began with: its waits and its exits are its own. A step is
planned when the one before was confirmed, or was skipped where the way says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from bot.clock import SHANGHAI
from bot.store.db import Db

_LATE = timedelta(days=7)
"""A start that nobody looked at for so long begins nothing any more."""
CYCLE = "(j.campaign || ':' || j.cycle)"
_LOCAL = "date({at} / 1000 + 28800, 'unixepoch')"
_KEPT = "instr(j.exits, '\"{exit}\"') > 0"

_BEGIN = """
INSERT INTO journey (campaign, version, external_userid, cycle, start, subject, waits, steps,
  exits, stops_on_skip, started_on, started_at)
SELECT :campaign, :version, c.external_userid, {cycle}, :start, {subject}, :waits, :steps,
  :exits, :stops, {on}, :now
FROM {source} AND c.erased = 0 AND c.friend = 1
ON CONFLICT (campaign, cycle, external_userid) DO NOTHING
"""
# Whoever joins is met once in a life: deleting a friend and adding them again is no new start.
_JOINED = """
follow f JOIN customer c ON c.external_userid = f.external_userid
WHERE f.since_at >= :since AND f.since_at < :until AND f.ended_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM follow e WHERE e.external_userid = f.external_userid
    AND e.since_at < f.since_at)
"""
_ENTERED = """
segment_member m JOIN customer c ON c.external_userid = m.external_userid
WHERE m.segment = :segment AND m.since_at >= :since AND m.since_at < :until
"""
_PASSED = """
(SELECT external_userid, matures_on FROM holding
  WHERE matures_on >= :first AND matures_on < :on AND status = 'open'
    AND external_userid IS NOT NULL GROUP BY external_userid, matures_on) h
JOIN customer c ON c.external_userid = h.external_userid
WHERE NOT EXISTS (SELECT 1 FROM holding n WHERE n.external_userid = h.external_userid
  AND n.opened_on >= h.matures_on)
"""
_ATTENDED = """
activity a JOIN customer c ON c.external_userid = a.external_userid
WHERE a.attended > 0 AND a.day_on >= :first AND a.day_on < :on
"""


@dataclass(frozen=True, slots=True)
class _Start:
    source: str
    cycle: str
    on: str
    subject: str = "''"


_STARTS: Mapping[str, _Start] = {
    "joined": _Start(_JOINED, "'once'", _LOCAL.format(at="f.since_at")),
    "segment_entered": _Start(
        _ENTERED,
        f"substr({_LOCAL.format(at='m.since_at')}, 1, 7)",
        _LOCAL.format(at="m.since_at"),
        ":segment",
    ),
    "maturity_passed": _Start(_PASSED, "h.matures_on", "h.matures_on", "h.matures_on"),
    "attended": _Start(_ATTENDED, "a.day_on", "a.day_on"),
}

# The step before, settled so long ago; the first step counts from the start.
DUE = f"""
journey j JOIN customer c ON c.external_userid = j.external_userid
LEFT JOIN push b ON b.key = 'journey:' || {CYCLE} || ':' || j.external_userid || ':'
  || (CAST(:step AS INTEGER) - 1)
WHERE j.campaign = :campaign AND j.status = 'running'
  AND CAST(:step AS INTEGER) < j.steps
  AND date(CASE WHEN :step = '0' THEN j.started_on
      WHEN b.status = 'confirmed' THEN {_LOCAL.format(at="b.confirmed_at")}
      WHEN b.status IN ('dropped', 'expired', 'failed') AND j.stops_on_skip = 0
        THEN {_LOCAL.format(at="b.changed_at")} END,
    '+' || json_extract(j.waits, '$.' || :step) || ' days') <= :on
"""

# Why somebody is no longer on their way; NULL for whoever still is.
_ANSWERED = f"""
EXISTS (SELECT 1 FROM push b JOIN message m ON m.sender = b.external_userid
  AND m.chat_id = '' AND m.sent_at > b.confirmed_at
  WHERE b.external_userid = j.external_userid AND b.occasion = 'journey' AND b.cycle = {CYCLE}
    AND b.status = 'confirmed')
"""
_RENEWED = """
EXISTS (SELECT 1 FROM holding h WHERE h.external_userid = j.external_userid
  AND ((h.status = 'renewed' AND h.matures_on = j.subject) OR h.opened_on >= j.started_on))
"""
_DEAL = """
(EXISTS (SELECT 1 FROM holding h WHERE h.external_userid = j.external_userid
  AND h.opened_on >= j.started_on)
 OR EXISTS (SELECT 1 FROM escalation e WHERE e.external_userid = j.external_userid
  AND e.outcome = 'sold' AND e.closed_at >= j.started_at))
"""
_SEGMENT_LEFT = """
NOT EXISTS (SELECT 1 FROM segment_member m WHERE m.external_userid = j.external_userid
  AND m.segment = j.subject)
"""
_SKIPPED = f"""
EXISTS (SELECT 1 FROM push b WHERE b.external_userid = j.external_userid
  AND b.occasion = 'journey' AND b.cycle = {CYCLE}
  AND b.status IN ('dropped', 'expired', 'failed'))
"""
WHY_LEFT = f"""CASE
  WHEN (SELECT c.erased = 1 OR c.friend = 0 FROM customer c
    WHERE c.external_userid = j.external_userid) THEN 'gone'
  WHEN {_KEPT.format(exit="refused")} AND (SELECT c.refused = 1 FROM customer c
    WHERE c.external_userid = j.external_userid) THEN 'refused'
  WHEN {_KEPT.format(exit="answered")} AND {_ANSWERED} THEN 'answered'
  WHEN {_KEPT.format(exit="renewed")} AND {_RENEWED} THEN 'renewed'
  WHEN {_KEPT.format(exit="deal")} AND {_DEAL} THEN 'deal'
  WHEN {_KEPT.format(exit="segment_left")} AND {_SEGMENT_LEFT} THEN 'segment_left'
  WHEN j.stops_on_skip = 1 AND {_SKIPPED} THEN 'skipped' END"""
ON_THE_WAY = f"""
EXISTS (SELECT 1 FROM journey j WHERE j.external_userid = p.external_userid
  AND j.status = 'running' AND {CYCLE} = p.cycle AND {WHY_LEFT} IS NULL)
"""
"""A condition on ``push p`` of a journey: the customer is still on that way."""
_LEAVE = f"""
UPDATE journey SET status = 'left', ended_at = :now, reason = (SELECT {WHY_LEFT} FROM journey j
  WHERE j.id = journey.id)
WHERE status = 'running' AND (:campaign = '' OR campaign = :campaign)
  AND EXISTS (SELECT 1 FROM journey j WHERE j.id = journey.id AND {WHY_LEFT} IS NOT NULL)
"""
# A tasked step is called back by the gate, which no longer lets it go.
_DROP = f"""
UPDATE push SET status = 'dropped', reason = 'left', changed_at = :now,
  rules = '["G15"]'
WHERE occasion = 'journey' AND status IN ('planned', 'held', 'ready')
  AND EXISTS (SELECT 1 FROM journey j WHERE j.external_userid = push.external_userid
    AND {CYCLE} = push.cycle AND j.status = 'left')
  AND external_userid IN (SELECT j.external_userid FROM journey j
    WHERE j.status = 'left' AND j.ended_at = :now)
"""
_FINISH = f"""
UPDATE journey SET status = 'done', ended_at = :now
WHERE status = 'running' AND (:campaign = '' OR campaign = :campaign)
  AND EXISTS (SELECT 1 FROM journey j JOIN push b ON b.key = 'journey:' || {CYCLE} || ':'
      || j.external_userid || ':' || (j.steps - 1)
    WHERE j.id = journey.id AND b.status IN ('confirmed', 'dropped', 'expired', 'failed'))
"""


@dataclass(frozen=True, slots=True)
class Way:
    """How a campaign's journeys begin, go on and end.

    Attributes:
        start: What begins one; ``segment`` is the one entered.
        waits: Days before each step.
        exits: What ends one early.
        stops_on_skip: A step that did not go out ends it.
    """

    start: str
    waits: tuple[int, ...]
    exits: tuple[str, ...]
    stops_on_skip: bool
    segment: str = ""


def begin(db: Db, campaign: str, version: str, way: Way, on: date, now: int) -> int:
    """Put everybody on their way whose start came since the campaign's own; how many.

    Nobody begins twice, and nobody whose start lay before the campaign's first day.
    """
    started = date.fromisoformat(
        db.value("SELECT started_on FROM campaign_run WHERE campaign = :name", name=campaign)
    )
    first = max(started, on - _LATE)
    start = _STARTS[way.start]
    return db.run(
        _BEGIN.format(cycle=start.cycle, subject=start.subject, on=start.on, source=start.source),
        campaign=campaign,
        version=version,
        start=way.start,
        segment=way.segment,
        waits=json.dumps(dict(enumerate(way.waits))),
        steps=len(way.waits),
        exits=json.dumps(way.exits),
        stops=int(way.stops_on_skip),
        first=first.isoformat(),
        on=on.isoformat(),
        since=_midnight(first),
        until=_midnight(on + timedelta(days=1)),
        now=now,
    )


def leave(db: Db, now: int, campaign: str = "") -> int:
    """End what has a reason to end, drop what was planned or held of it; how many ended.

    Args:
        db: The open transaction.
        now: This moment.
        campaign: Only of one campaign; "" of all.
    """
    left = db.run(_LEAVE, now=now, campaign=campaign)
    if left:
        db.run(_DROP, now=now)
    return left + db.run(_FINISH, now=now, campaign=campaign)


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), SHANGHAI).timestamp() * 1000)
