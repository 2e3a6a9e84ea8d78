"""More time for a complaint: asked for by one with a reason, approved by another (E1)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from bot import outbox
from bot.clock import today
from bot.complaints import STEPS, is_about, message, next_days
from bot.duedates import somebody_above
from bot.errors import Invalid
from bot.model import Role
from bot.store import cases, journal, lists
from bot.store.db import Db, Row
from bot.store.sight import Viewer
from bot.web.services import Services

ASKED, APPROVED, REFUSED = "extension asked", "extension approved", "extension refused"
_APPROVERS = {30: ("head", "city", "compliance"), 60: ("city", "compliance")}
"""Who may approve that a complaint has so many days; the branch itself no second time."""
_SHORTEST = 4


def may_ask(who: Viewer, case: Row) -> bool:
    """Anybody who sees an open complaint that may be longer, but whom it is about."""
    free = case["status"] == "open" and not case["extend_by"] and not is_about(case, who.userid)
    return free and next_days(case) is not None


def may_decide(who: Viewer, case: Row) -> bool:
    """Somebody in the right role who neither asked, nor handles it, nor is whom it is about."""
    days = next_days(case)
    if case["status"] != "open" or not case["extend_by"] or days is None:
        return False
    others = who.userid not in {case["extend_by"], case["assignee"]}
    own_branch = who.role is not Role.HEAD or who.branch == case["branch"]
    return others and own_branch and not is_about(case, who.userid) and who.role in _APPROVERS[days]


def longer_day(case: Row) -> str:
    """The last day that a complaint would have; "" when it can be no longer."""
    days = next_days(case)
    return _moved(case, days) if days is not None else ""


def _moved(case: Row, days: int) -> str:
    heard = date.fromisoformat(case["settle_by"]) - timedelta(days=case["settle_days"])
    return (heard + timedelta(days=days)).isoformat()


def reason(db: Db, case: Row) -> str:
    """Why more time is asked for, in the words of whoever asked; "" when nobody does."""
    if not case["extend_by"]:
        return ""
    asked = [each for each in cases.steps(db, case["id"]) if each["step"] == ASKED]
    return str(asked[-1]["note"]) if asked else ""


def ask(services: Services, who: Viewer, case_id: int, words: str) -> Row | None:
    """Ask for the next extension of a complaint; None when the viewer may not know it.

    Raises:
        Invalid: It cannot be longer, somebody asked already, or there is no reason.
    """
    case = lists.case(services.database.read(), who, case_id)
    if case is None:
        return None
    if not may_ask(who, case):
        raise Invalid("这件现在不能申请延期:只有没办结的投诉可以,最长 60 天,一次一个申请")
    why = _said(words, "请写明为什么要延期,至少四个字")
    now, days = _now(services), next_days(case) or STEPS[-1]

    def keep(db: Db) -> None:
        if not cases.ask_extension(db, case_id, who.userid):
            raise Invalid("刚才已经有人申请过了,请刷新看结果")
        cases.add_step(db, case_id, who.userid, ASKED, now, note=why)
        _audit(db, who, "ask_extension", case, now, days=days)
        but = {who.userid, case["assignee"], *case["concerned"].split(",")}
        second = somebody_above(db, case, _APPROVERS[days], but)
        if second:
            told = message(db, case, second, "staff_extension_waiting", today(services.clock))
            outbox.add(db, told, now)

    services.database.write(keep)
    return lists.case(services.database.read(), who, case_id)


def decide(services: Services, who: Viewer, case_id: int, *, agreed: bool, note: str) -> Row | None:
    """Approve what was asked for, or say why not; None when the viewer may not know the case.

    Raises:
        Invalid: The viewer may not decide, decided too late, or refused without a reason.
    """
    case = lists.case(services.database.read(), who, case_id)
    if case is None:
        return None
    if not may_decide(who, case):
        raise Invalid(
            "要由另一位负责人批准:到 30 天由网点负责人、分行或合规,到 60 天由分行或合规;"
            "不能是申请人、承办人和被投诉的人"
        )
    words = " ".join(note.split()) if agreed else _said(note, "请写明为什么不批准,至少四个字")
    now = _now(services)
    days = (next_days(case) if agreed else None) or case["settle_days"]
    day = _moved(case, days)

    def keep(db: Db) -> None:
        if not cases.answer_extension(db, case_id, day, days):
            raise Invalid("刚才已经有人处理过了,请刷新看结果")
        told = " ".join(filter(None, (day if agreed else "", words)))
        cases.add_step(db, case_id, who.userid, APPROVED if agreed else REFUSED, now, note=told)
        act = "approve_extension" if agreed else "refuse_extension"
        _audit(db, who, act, case, now, settle_by=day, asked_by=case["extend_by"])
        after = cases.case(db, case_id)
        assert after is not None
        result = services.rules.label("case_step", APPROVED if agreed else REFUSED)
        for userid in sorted({case["extend_by"], case["assignee"]} - {"", "api"}):
            name, day_now = "staff_extension_decided", today(services.clock)
            outbox.add(db, message(db, after, userid, name, day_now, result), now)

    services.database.write(keep)
    return lists.case(services.database.read(), who, case_id)


def _said(words: str, wrong: str) -> str:
    said = " ".join(words.split())
    if len(said) < _SHORTEST:
        raise Invalid(wrong)
    return said


def _audit(db: Db, who: Viewer, act: str, before: Row, now: int, **why: Any) -> None:
    after = cases.case(db, before["id"])
    subject = f"case:{before['id']}"
    journal.audit(db, who.userid, act, subject, now, before=before, after=after, **why)


def _now(services: Services) -> int:
    return int(services.clock.now().timestamp() * 1000)
