"""Praise and prompts: proposed from the week's figures, sent when the branch head taps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from bot import outbox
from bot.actions import TellStaff
from bot.clock import SHANGHAI
from bot.errors import Invalid
from bot.model import UserId
from bot.rulebook import Rulebook
from bot.store import deeds, duty, journal, people
from bot.store.db import Db, Row

_DAYS = 7
SENT, DECLINED = "sent", "declined"


def propose_week(db: Db, rules: Rulebook, day: date, now: int, link: str) -> int:
    """Propose what the seven days before ``day`` deserve; how many proposals are new.

    The head of each branch is told once, with the ``link`` of the page.
    """
    first, last = day - timedelta(days=_DAYS), day - timedelta(days=1)
    since, until = _ms(first), _ms(day) - 1
    new: Counter[str] = Counter()
    for rule, person in rules.praise.propose(deeds.of_week(db, first, last, since, until)):
        new[person["branch"]] += deeds.propose(
            db,
            {
                "week_on": first.isoformat(),
                "rule": rule.name,
                "kind": rule.kind,
                "userid": person["userid"],
                "branch": person["branch"],
                "value": person[rule.figure],
                "base": rule.base_of(person),
                "now": now,
            },
        )
    for branch, count in new.items():
        head = duty.branch_head(db, branch) if count else None
        if head is not None:
            values = {"period": period(first), "count": count, "link": link}
            cause = f"praise-{first.isoformat()}"
            outbox.add(db, TellStaff(head, "staff_praise_waiting", values, None, cause), now)
    return sum(new.values())


@dataclass(frozen=True)
class Praising:
    """What the head of a branch does with proposals."""

    rules: Rulebook

    def text(self, db: Db, row: Row, by: str) -> str:
        """The card as the employee would read it; "" when its rule or words are gone."""
        rule = self.rules.praise.rule(row["rule"])
        if rule is None:
            return ""
        try:
            message = self.rules.messages[rule.words]
            return self.rules.renderer.render(message, _values(db, row, by))
        except Invalid:
            return ""

    def send(self, db: Db, row: Row, by: str, now: int) -> bool:
        """One card to one employee, once; False when it was decided before.

        Raises:
            Invalid: Its rule or its words are gone.
        """
        if not self.text(db, row, by):
            raise Invalid("这张卡的规则或文字已经改掉了,不能发;可以点「不发」")
        if not deeds.decide(db, row["id"], SENT, by, now):
            return False
        rule = self.rules.praise.rule(row["rule"])
        assert rule is not None
        values = _values(db, row, by)
        errand = TellStaff(UserId(row["userid"]), rule.words, values, None, f"praise-{row['id']}")
        outbox.add(db, errand, now)
        _audit(db, row, SENT, by, now)
        return True

    def decline(self, db: Db, row: Row, by: str, now: int) -> bool:
        """It is not sent; False when it was decided before."""
        if not deeds.decide(db, row["id"], DECLINED, by, now):
            return False
        _audit(db, row, DECLINED, by, now)
        return True


def period(first: date) -> str:
    """11月16日到22日, or with both months."""
    last = first + timedelta(days=_DAYS - 1)
    month = f"{last.month}月" if last.month != first.month else ""
    return f"{first.month}月{first.day}日到{month}{last.day}日"


def _values(db: Db, row: Row, by: str) -> dict[str, Any]:
    head = people.staff(db, by)
    return {
        "period": period(date.fromisoformat(row["week_on"])),
        "count": row["value"],
        "base": row["base"],
        "branch": row["branch"] or "网点",
        "sender_name": head["name"] if head and head["name"] else by,
    }


def _audit(db: Db, row: Row, status: str, by: str, now: int) -> None:
    about = {"rule": row["rule"], "week": row["week_on"], "card": row["id"]}
    journal.audit(db, by, f"praise_{status}", row["userid"], now, **about)


def _ms(day: date) -> int:
    return int(datetime.combine(day, time(), SHANGHAI).timestamp() * 1000)
