"""What waits for one employee on a day, who gets a list of it, and what they did about it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import date

from bot.model import Role
from bot.store.db import Db, Row
from bot.store.sight import Sight, Viewer, visible_to

LASTING = ("contacted", "greeted", "checked")
"""What settles a matter for good; anything else, for the day."""
_MOST = 200

# Group owners and everybody who serves customers.
_RECEIVERS = """
SELECT s.userid FROM staff s
WHERE s.active = 1
  AND (s.follows_customers = 1 OR s.role = 'manager'
    OR EXISTS (SELECT 1 FROM group_chat g WHERE g.owner = s.userid AND g.dismissed_at IS NULL)
    OR EXISTS (SELECT 1 FROM follow f WHERE f.userid = s.userid AND f.ended_at IS NULL))
  AND NOT EXISTS (SELECT 1 FROM day_list d WHERE d.userid = s.userid AND d.day_on = :day)
ORDER BY s.userid LIMIT :limit
"""
_MATURING = """
SELECT h.external_userid, h.matures_on, min(h.kind) AS kind, count(DISTINCT h.kind) AS kinds,
  count(*) AS holdings, max(h.manager) AS manager
FROM holding h JOIN customer c ON c.external_userid = h.external_userid
WHERE h.status = 'open' AND c.erased = 0
  AND (h.matures_on BETWEEN :first0 AND :last0 OR h.matures_on BETWEEN :first7 AND :last7
    OR h.matures_on BETWEEN :first30 AND :last30)
  AND {scope}
GROUP BY h.external_userid, h.matures_on ORDER BY h.matures_on LIMIT :most
"""
_BIRTHDAYS = """
SELECT c.* FROM customer c
WHERE c.next_birthday_on BETWEEN :first AND :last
  AND (c.layer IN ('high', 'private') OR c.key_person = 1)
  AND c.refused = 0 AND c.erased = 0 AND c.restricted = 0 AND {scope}
ORDER BY c.next_birthday_on LIMIT :most
"""
_POSTLOAN = """
SELECT c.* FROM customer c
WHERE c.postloan_check_on IS NOT NULL AND c.postloan_check_on <= :last AND c.erased = 0
  AND {scope} ORDER BY c.postloan_check_on LIMIT :most
"""
# Who came, and whose state changed, since the last list.
_NEWS = """
SELECT g.chat_id, g.name, m.member, 'new' AS what, m.joined_at AS at
FROM group_chat g JOIN group_member m USING (chat_id)
JOIN customer c ON c.external_userid = m.member
WHERE g.owner = :userid AND g.dismissed_at IS NULL AND m.left_at IS NULL AND c.erased = 0
  AND m.joined_at >= :since
UNION ALL
SELECT g.chat_id, g.name, m.member, CASE WHEN s.state = 'warming' THEN 'warm' ELSE 'silent' END,
  s.since_at
FROM group_chat g JOIN group_member m USING (chat_id)
JOIN customer c ON c.external_userid = m.member
JOIN customer_state s ON s.external_userid = m.member
WHERE g.owner = :userid AND g.dismissed_at IS NULL AND m.left_at IS NULL AND c.erased = 0
  AND s.state IN ('warming', 'cooling') AND s.since_at >= :since
ORDER BY 1, 5, 3
"""
_KEEP = """
INSERT INTO contact (at, day_on, userid, external_userid, matter, outcome)
VALUES (:at, :day, :userid, :customer, :matter, :outcome)
ON CONFLICT (userid, day_on, matter) DO UPDATE SET outcome = :outcome, at = :at
"""
_SETTLED = """
SELECT matter, outcome FROM contact WHERE userid = :userid AND day_on = :day
UNION ALL
SELECT matter, outcome FROM contact WHERE matter IN (SELECT value FROM json_each(:matters))
  AND outcome IN (SELECT value FROM json_each(:lasting))
"""


def own(userid: str) -> Sight:
    """The customers that somebody serves, whatever else they may see."""
    return visible_to(Viewer(userid, Role.OWNER))


def receivers(db: Db, day: date, limit: int) -> list[str]:
    """Whoever gets a list of the day and has none yet."""
    return [row["userid"] for row in db.rows(_RECEIVERS, day=day.isoformat(), limit=limit)]


def maturing(db: Db, userid: str, days: Mapping[int, tuple[date, date]]) -> list[Row]:
    """Holdings that fall due on some days (by step 0, 7, 30): one row a customer and day."""
    scope = own(userid)
    bounds = {
        f"{end}{step}": day.isoformat()
        for step, span in days.items()
        for end, day in zip(("first", "last"), span, strict=True)
    }
    return db.rows(_MATURING.format(scope=scope.where), most=_MOST, **bounds, **scope.values)


def birthdays(db: Db, userid: str, first: date, last: date) -> list[Row]:
    """Customers of high layers and key persons whose birthday is on these days."""
    scope = own(userid)
    return db.rows(
        _BIRTHDAYS.format(scope=scope.where),
        first=first.isoformat(),
        last=last.isoformat(),
        most=_MOST,
        **scope.values,
    )


def postloan_checks(db: Db, userid: str, last: date) -> list[Row]:
    """Borrowers whose next check is due by a day."""
    scope = own(userid)
    return db.rows(
        _POSTLOAN.format(scope=scope.where), last=last.isoformat(), most=_MOST, **scope.values
    )


def move_check(db: Db, customer: str, day: date) -> None:
    """A check of the loan was done; the next one is on this day."""
    db.run(
        "UPDATE customer SET postloan_check_on = :day WHERE external_userid = :id",
        day=day.isoformat(),
        id=customer,
    )


def group_news(db: Db, userid: str, since: int) -> list[Row]:
    """Who is ``new``, ``warm`` or ``silent`` in somebody's groups since a moment, by group."""
    return db.rows(_NEWS, userid=userid, since=since)


def tasks_waiting(db: Db, userid: str) -> Row | None:
    """How many tasks wait for somebody's tap, since when and until when."""
    return db.one(
        "SELECT count(*) AS tasks, min(useful_until) AS until, min(created_at) AS since,"
        " sum(CASE WHEN channel = 'moments' THEN 1 ELSE 0 END) AS moments"
        " FROM send_task WHERE sender = :id AND status IN ('waiting', 'calling', 'accepted')",
        id=userid,
    )


def planning_settled(db: Db, now: int) -> bool:
    """Whether every push that is due went through the gate."""
    return not db.value("SELECT 1 FROM push WHERE status = 'planned' AND due_at <= :now", now=now)


# -- what was done


def keep_contact(
    db: Db, userid: str, customer: str, matter: str, outcome: str, day: date, at: int
) -> None:
    """Remember what somebody did about a matter; the last word of a day counts."""
    db.run(
        _KEEP,
        at=at,
        day=day.isoformat(),
        userid=userid,
        customer=customer,
        matter=matter,
        outcome=outcome,
    )


def settled(db: Db, userid: str, day: date, matters: Iterable[str]) -> dict[str, str]:
    """What became of some matters: today by this employee, or for good by anybody."""
    rows = db.rows(
        _SETTLED,
        userid=userid,
        day=day.isoformat(),
        matters=json.dumps(list(matters)),
        lasting=json.dumps(LASTING),
    )
    return {row["matter"]: row["outcome"] for row in rows}


# -- the list itself


def keep_list(db: Db, userid: str, day: date, sealed: bytes, matters: int, now: int) -> bool:
    """Keep the words of somebody's list; False when there is one."""
    return bool(
        db.run(
            "INSERT INTO day_list (userid, day_on, text_sealed, matters, made_at)"
            " VALUES (:userid, :day, :sealed, :matters, :now)"
            " ON CONFLICT (userid, day_on) DO NOTHING",
            userid=userid,
            day=day.isoformat(),
            sealed=sealed,
            matters=matters,
            now=now,
        )
    )


def day_list(db: Db, userid: str, day: str) -> Row | None:
    """Somebody's list of a day (ISO)."""
    return db.one(
        "SELECT * FROM day_list WHERE userid = :userid AND day_on = :day", userid=userid, day=day
    )


def mark_called(db: Db, userid: str, day: str, now: int) -> None:
    """WeCom is about to be asked; the first time counts."""
    db.run(
        "UPDATE day_list SET called_at = coalesce(called_at, :now)"
        " WHERE userid = :userid AND day_on = :day",
        now=now,
        userid=userid,
        day=day,
    )


def mark_sent(db: Db, userid: str, day: str, now: int) -> None:
    """WeCom took it."""
    db.run(
        "UPDATE day_list SET sent_at = :now WHERE userid = :userid AND day_on = :day",
        now=now,
        userid=userid,
        day=day,
    )


def forget(db: Db, before: int) -> int:
    """Drop lists and reminders of before a moment (epoch ms): nobody looks back so far."""
    gone = db.run("DELETE FROM day_list WHERE made_at < :before", before=before)
    return gone + db.run("DELETE FROM nudge WHERE at < :before", before=before)
