"""What employees and branches achieved in a span of days: counted, never estimated.

Every figure names its base, so that nobody is compared by a number without one: answered of
customers, met of cases, confirmed of tasks.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from bot.model import Layer
from bot.store import completeness
from bot.store.db import Db, Row
from bot.store.sight import Viewer, visible_to
from handlers.ledger_fields import LedgerRules

_QUARTER = timedelta(days=89)
"""An effective contact counts for three months, the day itself included."""
_ORDER = [
    layer.value
    for layer in (Layer.POTENTIAL, Layer.EFFECTIVE, Layer.MIDDLE, Layer.HIGH, Layer.PRIVATE)
]
# Answered: the customer wrote within ten minutes after staff spoke, on some day of the last three
# months, or the employee noted that they talked. Met: closed before its deadline.
_PEOPLE = """
SELECT s.userid, s.name, s.branch,
  (SELECT count(*) FROM follow f WHERE f.userid = s.userid AND f.ended_at IS NULL) AS customers,
  (SELECT count(*) FROM follow f WHERE f.userid = s.userid AND f.ended_at IS NULL
    AND EXISTS (SELECT 1 FROM activity a WHERE a.external_userid = f.external_userid
      AND a.day_on BETWEEN :quarter_on AND :last_on AND a.replies > 0
      UNION ALL SELECT 1 FROM contact k WHERE k.external_userid = f.external_userid
      AND k.userid = f.userid AND k.day_on BETWEEN :quarter_on AND :last_on
      AND k.outcome = 'contacted')) AS answered,
  (SELECT count(*) FROM follow f WHERE f.userid = s.userid
    AND f.since_at BETWEEN :since AND :until) AS befriended,
  (SELECT count(*) FROM follow f WHERE f.userid = s.userid
    AND f.ended_at BETWEEN :since AND :until) AS lost,
  (SELECT count(*) FROM escalation e WHERE e.assignee = s.userid
    AND e.opened_at BETWEEN :since AND :until) AS cases,
  (SELECT count(*) FROM escalation e WHERE e.assignee = s.userid
    AND e.opened_at BETWEEN :since AND :until AND e.status = 'closed'
    AND (e.deadline_at IS NULL OR e.closed_at <= e.deadline_at)) AS met,
  (SELECT count(*) FROM escalation e WHERE e.assignee = s.userid
    AND e.opened_at BETWEEN :since AND :until AND e.outcome = 'sold') AS sold,
  (SELECT avg(e.closed_at - e.opened_at) FROM escalation e WHERE e.assignee = s.userid
    AND e.opened_at BETWEEN :since AND :until AND e.status = 'closed'
    AND e.kind = 'unanswered') AS answer_ms,
  (SELECT count(*) FROM send_task t WHERE t.sender = s.userid
    AND t.created_at BETWEEN :since AND :until AND t.status <> 'absent') AS tasks,
  (SELECT count(*) FROM send_task t WHERE t.sender = s.userid
    AND t.created_at BETWEEN :since AND :until AND t.status = 'done') AS confirmed,
  (SELECT count(DISTINCT c.external_userid) FROM consent c JOIN follow f
    ON f.external_userid = c.external_userid WHERE f.userid = s.userid
    AND c.purpose = 'marketing' AND c.granted = 0 AND c.at BETWEEN :since AND :until) AS opt_outs,
  (SELECT count(DISTINCT x.external_userid) FROM fact x JOIN follow f
    ON f.external_userid = x.external_userid WHERE f.userid = s.userid AND f.ended_at IS NULL
    AND x.type = 'referral.offer' AND x.status IN ('current', 'confirmed')
    AND x.observed_at BETWEEN :since AND :until) AS referrals,
  (SELECT count(*) FROM referral r JOIN customer c ON c.external_userid = r.referrer
    WHERE c.first_friend = s.userid AND r.status = 'current'
    AND r.at BETWEEN :since AND :until) AS brought
FROM staff s
WHERE s.active = 1 AND (:branch = '' OR s.branch = :branch)
ORDER BY s.branch, s.userid
"""
_SUMMED = (
    "customers",
    "answered",
    "befriended",
    "lost",
    "cases",
    "met",
    "sold",
    "tasks",
    "confirmed",
    "opt_outs",
    "referrals",
    "brought",
)
_EVENTS = """
SELECT e.id, e.code, e.name, e.branch, e.starts_at, e.seats, e.taken,
  coalesce(sum(CASE WHEN s.status <> 'cancelled' THEN s.party ELSE 0 END), 0) AS signed_up,
  coalesce(sum(CASE WHEN s.status = 'came' THEN s.party ELSE 0 END), 0) AS came,
  coalesce(sum(s.spoke), 0) AS spoke
FROM event e LEFT JOIN signup s ON s.event_id = e.id
WHERE e.starts_at BETWEEN :since AND :until AND (:branch = '' OR e.branch IN ('', :branch))
GROUP BY e.id, e.code, e.name, e.branch, e.starts_at, e.seats, e.taken ORDER BY e.starts_at, e.id
"""
# Offers of which some were set aside in the span, and what became of those.
_OFFERS = """
SELECT o.code, o.merchant, o.kind AS offer_kind, o.branch, o.stock, count(b.id) AS reserved,
  coalesce(sum(CASE WHEN b.status = 'used' OR b.push_id IS NULL OR p.status = 'confirmed'
    THEN 1 ELSE 0 END), 0) AS given,
  coalesce(sum(CASE WHEN b.status = 'used' THEN 1 ELSE 0 END), 0) AS used
FROM alliance_offer o JOIN benefit b ON b.offer_code = o.code AND b.status <> 'free'
LEFT JOIN push p ON p.id = b.push_id
WHERE o.is_current = 1 AND b.at BETWEEN :since AND :until
  AND (:branch = '' OR o.branch IN ('', :branch))
GROUP BY o.code, o.merchant, o.kind, o.branch, o.stock ORDER BY o.code
"""
_MOVES = """
SELECT j.external_userid, j.why, c.branch, c.manager FROM journal j
JOIN customer c ON c.external_userid = j.external_userid
WHERE j.kind = 'segments' AND j.at BETWEEN :since AND :until AND j.why LIKE '%layer:%'
  AND (:branch = '' OR c.branch = :branch)
ORDER BY j.id
"""
_HIGH = """
SELECT c.branch, c.occupation, c.assets FROM customer c
WHERE c.erased = 0 AND c.layer IN ('high', 'private') AND c.assets > 0
  AND (:branch = '' OR c.branch = :branch)
ORDER BY c.branch, c.assets DESC
"""


def people(db: Db, branch: str, last: date, since: int, until: int) -> list[dict[str, Any]]:
    """One row an active employee, of one branch or (for "") of all.

    Shares are whole per cent and None without a base; ``answer_minutes`` is the mean of answered
    questions.
    """
    rows = db.rows(
        _PEOPLE,
        branch=branch,
        quarter_on=(last - _QUARTER).isoformat(),
        last_on=last.isoformat(),
        since=since,
        until=until,
    )
    return [_with_shares(dict(row)) for row in rows]


def branches(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same figures by branch, the best contact rate first: the ranking of the city."""
    by_branch: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_branch.setdefault(row["branch"], []).append(row)
    found = []
    for branch, some in by_branch.items():
        total: dict[str, Any] = {name: sum(row[name] for row in some) for name in _SUMMED}
        minutes = [row["answer_minutes"] for row in some if row["answer_minutes"] is not None]
        total |= {"branch": branch, "staff": len(some), "answer_ms": None}
        total = _with_shares(total)
        total["answer_minutes"] = round(sum(minutes) / len(minutes)) if minutes else None
        found.append(total)
    found.sort(key=lambda row: (-(row["contact_percent"] or 0), row["branch"]))
    return [{"rank": place, **row} for place, row in enumerate(found, 1)]


def ledgers(db: Db, rules: LedgerRules, who: Viewer, *, by: str) -> list[dict[str, Any]]:
    """Completeness by ``manager`` or ``branch`` and layer, against what the layer asks."""
    scope = visible_to(who)
    rows = (
        completeness.by_branch(db, rules, scope)
        if by == "branch"
        else completeness.by_manager(db, rules, scope)
    )
    return [
        {
            "owner": row.owner,
            "layer": row.layer.value,
            "customers": row.customers,
            "percent": row.percent,
            "target": row.target,
            "reached": row.reached,
        }
        for row in rows
    ]


def events(db: Db, branch: str, since: int, until: int) -> list[Row]:
    """Events that began in the span: signed up, came, spoke."""
    return db.rows(_EVENTS, branch=branch, since=since, until=until)


def offers(db: Db, branch: str, since: int, until: int) -> list[Row]:
    """Alliance offers of the span: set aside, told, used."""
    return db.rows(_OFFERS, branch=branch, since=since, until=until)


def moves(db: Db, branch: str, since: int, until: int) -> list[dict[str, Any]]:
    """Customers who went up or down a layer, by branch and manager."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for row in db.rows(_MOVES, branch=branch, since=since, until=until):
        why = json.loads(row["why"])
        now, before = _layer(why.get("entered")), _layer(why.get("left"))
        if now is not None and before is not None and now != before:
            counts[row["branch"], row["manager"], "up" if now > before else "down"] += 1
    owners = sorted({key[:2] for key in counts})
    return [
        {
            "branch": branch,
            "manager": manager,
            "up": counts[branch, manager, "up"],
            "down": counts[branch, manager, "down"],
        }
        for branch, manager in owners
    ]


def concentration(db: Db, branch: str) -> list[dict[str, Any]]:
    """How much of the high layers' assets is in few hands, and in one line of work, by branch."""
    by_branch: dict[str, list[Row]] = {}
    for row in db.rows(_HIGH, branch=branch):
        by_branch.setdefault(row["branch"], []).append(row)
    return [_concentrated(name, rows) for name, rows in sorted(by_branch.items())]


def _concentrated(branch: str, rows: list[Row]) -> dict[str, Any]:
    total = sum(row["assets"] for row in rows)
    trades: Counter[str] = Counter()
    for row in rows:
        trades[row["occupation"]] += row["assets"]
    trades.pop("", None)
    trade, most = trades.most_common(1)[0] if trades else ("", 0)
    return {
        "branch": branch,
        "customers": len(rows),
        "assets": total,
        "top_ten_percent": _percent(sum(row["assets"] for row in rows[:10]), total),
        "largest_trade": trade,
        "largest_trade_percent": _percent(most, total),
    }


def _with_shares(row: dict[str, Any]) -> dict[str, Any]:
    spent = row.pop("answer_ms")
    return row | {
        "contact_percent": _percent(row["answered"], row["customers"]),
        "met_percent": _percent(row["met"], row["cases"]),
        "confirmed_percent": _percent(row["confirmed"], row["tasks"]),
        "answer_minutes": None if spent is None else round(spent / 60_000),
    }


def _percent(part: int, base: int) -> int | None:
    return round(100 * part / base) if base else None


def _layer(moved: Any) -> int | None:
    for each in moved or ():
        name = str(each).removeprefix("layer:")
        if str(each).startswith("layer:") and name in _ORDER:
            return _ORDER.index(name)
    return None
