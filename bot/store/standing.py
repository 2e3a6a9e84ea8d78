"""Life-cycle states, contact classes and scores: derived by the same statement for a few or all.

Nothing here depends on what was derived before, so a customer who is touched and a run over
everybody agree exactly. What the calendar changes by itself is in ``customer.recheck_on``, the
next day on which anything derived may change, NULL for never; a change of what is known empties
it (triggers of the schema), and "" is due at once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Protocol

from bot.store.db import Db, Row
from bot.store.segments import Lines, Moved, Rule, batches
from bot.store.segments import refresh as refresh_segments
from handlers.states import StandingRules, days_until_turn

RULES_SEEN = "standing_rules"
"""The cursor that tells by which rules everybody was last derived."""
_SCOPE = "external_userid IN (SELECT value FROM json_each(:ids))"
_STANDING = """
WITH k AS MATERIALIZED (SELECT {times} FROM customer c WHERE c.{scope})
SELECT c.external_userid, c.erased, c.contact_class, c.recheck_on, k.score,
  {contact_class} AS now_class, {columns}
FROM k CROSS JOIN customer c WHERE c.external_userid = k.external_userid
"""
# Sign-ups are facts: people confirm and reject them, messages are recalled. All days that a
# rule can look back to are counted again, for those who have such a fact.
_SIGN_UPS = f"""
UPDATE activity SET sign_ups = (
  SELECT count(*) FROM fact f WHERE f.external_userid = activity.external_userid
    AND f.type = 'event.rsvp' AND f.status IN ('current', 'confirmed')
    AND json_extract(f.value, '$.response') = 'yes'
    AND date(f.observed_at / 1000 + 28800, 'unixepoch') = activity.day_on)
WHERE {_SCOPE} AND day_on > date(:today, '-400 days') AND (sign_ups > 0 OR EXISTS (
  SELECT 1 FROM fact f WHERE f.external_userid = activity.external_userid
    AND f.type = 'event.rsvp'))
"""
_POINTS = f"""
SELECT a.external_userid, CAST(julianday(:today) - julianday(a.day_on) AS INTEGER) AS age,
  {{points}} AS points
FROM activity a
WHERE a.{_SCOPE} AND a.day_on <= :today AND a.day_on > date(:today, '-{{days}} days')
"""
_STATES = f"SELECT external_userid, state FROM customer_state WHERE {_SCOPE}"
_DUE = """
SELECT external_userid FROM customer WHERE recheck_on <= :today
ORDER BY recheck_on, external_userid LIMIT :limit
"""
_TOUCH_HOLDERS = """
UPDATE customer SET recheck_on = '' WHERE recheck_on IS DISTINCT FROM '' AND external_userid IN (
  SELECT external_userid FROM holding WHERE account_ref IN (SELECT value FROM json_each(:accounts)))
"""
_COUNTS = f"""
SELECT external_userid,
  coalesce(sum(CASE WHEN day_on > date(:today, '-7 days') THEN messages END), 0) AS messages_7,
  coalesce(sum(day_on > date(:today, '-7 days') AND messages > 0), 0) AS days_7,
  sum(messages) AS messages_30, sum(messages > 0) AS days_30, sum(replies) AS replies_30,
  sum(questions) AS questions_30, sum(sign_ups) AS sign_ups_30
FROM activity WHERE {_SCOPE} AND day_on > date(:today, '-30 days') AND day_on <= :today
GROUP BY external_userid
"""


class Rules(Protocol):
    """What is derived from: segments, layers, states; the rulebook has them all."""

    @property
    def segments(self) -> Sequence[Rule]:
        """The branch's segments."""
        ...

    @property
    def lines(self) -> Lines:
        """The layer lines."""
        ...

    @property
    def standing(self) -> StandingRules:
        """States, classes and the score."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a customer stands.

    Attributes:
        states: Slugs in the order of a customer's life.
        contact_class: A, B, C or D.
        score: Activity of the last 60 days that has not decayed yet.
        messages_7: Messages of the last seven days, today included; ``days_7`` with any.
        last_spoke_at: Epoch milliseconds.
    """

    states: tuple[str, ...]
    contact_class: str
    score: int
    messages_7: int
    days_7: int
    messages_30: int
    days_30: int
    replies_30: int
    questions_30: int
    sign_ups_30: int
    last_spoke_at: int | None


# -- deriving


@dataclass(frozen=True, slots=True)
class Derived:
    """What a derivation moved: segments and layers, states and classes."""

    segments: list[Moved]
    states: list[Moved]


def refresh(
    db: Db, rules: Rules, today: date, now: int, customers: Iterable[str] | None = None
) -> list[Moved]:
    """Derive states, contact class and the day of the next look again.

    For some customers or (None) for everybody. Classes are told as ``class:<letter>``. Segments
    and layers must have been derived just before: see ``refresh_all``.
    """
    statement = _statement(rules.standing, tuple(rules.segments))
    values: dict[str, Any] = {"today": today.isoformat()}
    for rule in rules.segments:
        values |= rule.values
    found: list[Moved] = []
    for ids in batches(db, customers):
        db.run(_SIGN_UPS, ids=ids, today=today.isoformat())
        rows = db.rows(statement, ids=ids, **values)
        found += _keep(db, rules.standing, rows, ids, today, now)
    return found


def refresh_all(
    db: Db, rules: Rules, today: date, now: int, customers: Iterable[str] | None = None
) -> Derived:
    """Derive everything that follows from what is known: the one way that does all in order."""
    some = None if customers is None else sorted(set(customers))
    moved = refresh_segments(db, rules.segments, rules.lines, today, now, some)
    return Derived(moved, refresh(db, rules, today, now, some))


@lru_cache(maxsize=4)
def _statement_of(states: str, times: str, contact_class: str, turns: tuple[str, ...]) -> str:
    columns = [states, *(f"{turn} AS turn_{place}" for place, turn in enumerate(turns))]
    return _STANDING.format(
        times=times, scope=_SCOPE, contact_class=contact_class, columns=", ".join(columns)
    )


def _statement(standing: StandingRules, segments: tuple[Rule, ...]) -> str:
    of_rules = [*(rule.turns for rule in standing.states), *(rule.turns for rule in segments)]
    turns = dict.fromkeys(turn for some in (standing.turns, *of_rules) for turn in some)
    states = ", ".join(f"({rule.where}) AS is_{rule.name}" for rule in standing.states)
    return _statement_of(states, standing.times, standing.contact_class, tuple(turns))


def _keep(
    db: Db, standing: StandingRules, rows: list[Row], ids: str, today: date, now: int
) -> list[Moved]:
    """Write what differs from what is remembered."""
    had: dict[str, set[str]] = {row["external_userid"]: set() for row in rows}
    for row in db.rows(_STATES, ids=ids):
        had[row["external_userid"]].add(row["state"])
    turns = _score_turns(db, standing, rows, today)
    moved, entered, left, looks = [], [], [], []
    for row in rows:
        who, erased = row["external_userid"], row["erased"]
        has = set() if erased else {r.name for r in standing.states if row[f"is_{r.name}"]}
        look = None if erased else _next_look(row, today, turns.get(who))
        more, less = sorted(has - had[who]), sorted(had[who] - has)
        entered += [(who, state, now) for state in more]
        left += [(who, state) for state in less]
        if row["now_class"] != row["contact_class"]:
            more.append(f"class:{row['now_class']}")
            less.append(f"class:{row['contact_class']}")
        if look != row["recheck_on"] or row["now_class"] != row["contact_class"]:
            looks.append((row["now_class"], look, who))
        if more or less:
            moved.append(Moved(who, tuple(more), tuple(less)))
    db.many(
        "INSERT INTO customer_state (external_userid, state, since_at) VALUES (?, ?, ?)", entered
    )
    db.many("DELETE FROM customer_state WHERE external_userid = ? AND state = ?", left)
    db.many(
        "UPDATE customer SET contact_class = ?, recheck_on = ? WHERE external_userid = ?", looks
    )
    return moved


def _next_look(row: Row, today: date, score_turn: str | None) -> str | None:
    after = today.isoformat()
    turns = [row[key] for key in row.keys() if key.startswith("turn_")]  # noqa: SIM118  # a row
    turns.append(score_turn)
    return min((day for day in turns if day is not None and day > after), default=None)


def _score_turns(db: Db, standing: StandingRules, rows: list[Row], today: date) -> dict[str, str]:
    """When scores will have decayed to a line, of those who are above one."""
    lines = standing.score_lines
    lowest = min((line for line, _ in lines), default=None)
    above = [row["external_userid"] for row in rows if lowest and row["score"] >= lowest]
    if not above:
        return {}
    days = len(standing.shares) + max(within for _, within in lines)
    points: dict[str, list[tuple[int, int]]] = {who: [] for who in above}
    statement = _POINTS.format(points=standing.points, days=days)
    for row in db.rows(statement, ids=json.dumps(above), today=today.isoformat()):
        points[row["external_userid"]].append((row["age"], row["points"]))
    found = {}
    for who, days_of in points.items():
        ahead = days_until_turn(days_of, standing.shares, lines)
        if ahead is not None:
            found[who] = (today + timedelta(days=ahead)).isoformat()
    return found


# -- who is due


def due(db: Db, today: date, limit: int) -> list[str]:
    """Customers whose derived columns may change today: touched ones first, by index."""
    return [row[0] for row in db.rows(_DUE, today=today.isoformat(), limit=limit)]


def touched(db: Db, limit: int) -> list[str]:
    """Customers of whom something became known since they were last derived."""
    return [
        row[0]
        for row in db.rows(
            "SELECT external_userid FROM customer WHERE recheck_on = '' LIMIT :limit", limit=limit
        )
    ]


def touch(db: Db, customer: str) -> None:
    """Have a customer derived again soon."""
    db.run("UPDATE customer SET recheck_on = '' WHERE external_userid = :id", id=customer)


def touch_holders(db: Db, accounts: Iterable[str]) -> None:
    """Have those derived again who hold some accounts."""
    db.run(_TOUCH_HOLDERS, accounts=json.dumps(list(accounts)))


def rules_changed(db: Db, rules: Rules) -> bool:
    """Whether the rules are not those by which everybody was last derived."""
    mark = _fingerprint(rules)
    return bool(db.value("SELECT value FROM cursor WHERE name = :name", name=RULES_SEEN) != mark)


def touch_all(db: Db, rules: Rules, now: int) -> int:
    """Have everybody derived again by these rules; the number of people."""
    db.run(
        "INSERT INTO cursor (name, value, moved_at) VALUES (:name, :mark, :now)"
        " ON CONFLICT (name) DO UPDATE SET value = :mark, moved_at = :now",
        name=RULES_SEEN,
        mark=_fingerprint(rules),
        now=now,
    )
    return db.run("UPDATE customer SET recheck_on = '' WHERE recheck_on IS DISTINCT FROM ''")


def _fingerprint(rules: Rules) -> str:
    lines = [f"{layer}={line}" for layer, line in rules.lines.lines]
    parts = [_statement(rules.standing, tuple(rules.segments)), *lines]
    parts += [
        f"{rule.name} {rule.version} {rule.where} {sorted(rule.values.items())}"
        for rule in rules.segments
    ]
    parts.append(str(rules.lines.near_percent))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


# -- reading


def of(db: Db, rules: Rules, external_userid: str, today: date) -> Standing:
    """Where one customer stands."""
    return of_many(db, rules, [external_userid], today)[external_userid]


def of_many(db: Db, rules: Rules, customers: Iterable[str], today: date) -> dict[str, Standing]:
    """Where some customers stand, in three statements whatever their number.

    Strangers stand nowhere: no state, class D.
    """
    wanted = list(customers)
    ids, on = json.dumps(wanted), today.isoformat()
    people = db.rows(
        f"SELECT c.external_userid, c.contact_class, c.spoke_at, {rules.standing.score} AS score"
        f" FROM customer c WHERE c.{_SCOPE}",
        ids=ids,
        today=on,
    )
    rows = {row["external_userid"]: row for row in people}
    counts = {row["external_userid"]: row for row in db.rows(_COUNTS, ids=ids, today=on)}
    states: dict[str, set[str]] = {}
    for row in db.rows(_STATES, ids=ids):
        states.setdefault(row["external_userid"], set()).add(row["state"])
    order = [rule.name for rule in rules.standing.states]
    return {
        who: _standing(
            [each for each in order if each in states.get(who, ())],
            rows.get(who),
            counts.get(who),
        )
        for who in wanted
    }


_COUNTED = (
    "messages_7",
    "days_7",
    "messages_30",
    "days_30",
    "replies_30",
    "questions_30",
    "sign_ups_30",
)


def _standing(states: list[str], row: Row | None, counts: Row | None) -> Standing:
    return Standing(
        states=tuple(states),
        contact_class=row["contact_class"] if row is not None else "D",
        score=int(row["score"]) if row is not None else 0,
        last_spoke_at=row["spoke_at"] if row is not None else None,
        **{name: int(counts[name]) if counts is not None else 0 for name in _COUNTED},
    )


def since(db: Db, external_userid: str) -> dict[str, int]:
    """Since when a customer is in each state, epoch milliseconds."""
    return {
        row["state"]: row["since_at"]
        for row in db.rows(
            "SELECT state, since_at FROM customer_state WHERE external_userid = :id",
            id=external_userid,
        )
    }
