"""Judged messages leave the machine only when a second person agrees (D5)."""

from __future__ import annotations

from datetime import timedelta

from bot import outbox
from bot.actions import TellStaff
from bot.clock import Clock
from bot.duedates import somebody_above
from bot.errors import Invalid
from bot.model import Role, UserId
from bot.store import exporting, journal, people
from bot.store.db import Database, Db, Row
from bot.store.sight import Viewer

_SECOND = frozenset({Role.CITY, Role.COMPLIANCE})
_SHORTEST = 4
GOOD_FOR = timedelta(days=7)
"""After the approval; whoever comes later asks again."""


def ask(database: Database, clock: Clock, by: str, reason: str) -> int:
    """Ask for an export; its number. Whoever can be the second person is told.

    Raises:
        Invalid: There is no reason, or ``by`` is nobody who works here.
    """
    why = " ".join(reason.split())
    if len(why) < _SHORTEST:
        raise Invalid("请用 --reason 写明为什么导出,例如 --reason 月度规则评分;会记入审计")
    member = people.staff(database.read(), by)
    if member is None or not member["active"]:
        raise Invalid("请用 --by 写明谁要导出:在职员工的 userid")
    now = _ms(clock)

    def keep(db: Db) -> int:
        number = exporting.add(db, by, why, now)
        journal.audit(db, by, "ask_export", f"export:{number}", now, reason=why)
        second = somebody_above(db, member, ("compliance", "city"), {by})
        if second:
            values = {"count": number, "sender_name": member["name"] or by}
            told = TellStaff(
                UserId(second), "staff_export_waiting", values, None, f"export-{number}"
            )
            outbox.add(db, told, now)
        return number

    return database.write(keep)


def may_decide(who: Viewer, row: Row) -> bool:
    """The city branch or compliance, but not who asked."""
    waits = row["status"] == exporting.WAITING
    return waits and who.role in _SECOND and who.userid != row["asked_by"]


def decide(database: Database, clock: Clock, who: Viewer, number: int, *, agreed: bool) -> None:
    """Agree, or not.

    Raises:
        Invalid: The viewer may not decide, or decided too late.
    """
    row = exporting.request(database.read(), number)
    if row is None or not may_decide(who, row):
        raise Invalid("要由另一位来批准:分行或合规,不能是申请人")
    now, status = _ms(clock), exporting.APPROVED if agreed else exporting.REFUSED

    def keep(db: Db) -> None:
        if not exporting.decide(db, number, status, who.userid, now):
            raise Invalid("刚才已经有人处理过了,请刷新看结果")
        act = "approve_export" if agreed else "refuse_export"
        after = exporting.request(db, number)
        journal.audit(db, who.userid, act, f"export:{number}", now, before=row, after=after)

    database.write(keep)


def approved(db: Db, clock: Clock, number: int) -> Row:
    """An export that may be made now.

    Raises:
        Invalid: It may not, and why.
    """
    row = exporting.request(db, number)
    if row is None:
        raise Invalid(f"没有第 {number} 号导出申请")
    if row["status"] == exporting.WAITING:
        raise Invalid(f"第 {number} 号还没有批准:请分行或合规在控制台「规则」页批准")
    if row["status"] != exporting.APPROVED:
        raise Invalid(f"第 {number} 号没有批准,或已经导出过;请重新申请")
    if _ms(clock) - row["decided_at"] > GOOD_FOR.total_seconds() * 1000:
        raise Invalid(f"第 {number} 号的批准已过 {GOOD_FOR.days} 天,请重新申请")
    return row


def _ms(clock: Clock) -> int:
    return int(clock.now().timestamp() * 1000)
