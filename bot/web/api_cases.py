"""Calls of the JSON interface about cases, and more time for complaints."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from bot.errors import Invalid
from bot.store import lists, sight
from bot.store.sight import Viewer
from bot.web import answering, extending
from bot.web.answers import EscalationAnswer, Paged
from bot.web.auth import services_of
from bot.web.calling import CALLER, Cursor, Id, Limit, Problem, Slug, Text, id_before, known, paged
from bot.web.corrections import OUTCOMES, close_case
from bot.web.services import Services

router = APIRouter()


@router.get("/escalations")
def escalations(
    request: Request, cursor: Cursor = "", limit: Limit = 50, status: Slug = "", kind: Slug = ""
) -> Paged[EscalationAnswer]:
    """Cases, the newest first."""
    services = services_of(request)
    db = services.database.read()
    wanted = {"status": status, "kind": kind}
    rows = lists.cases(db, CALLER, wanted, before=id_before(cursor), limit=limit + 1)
    shown = [answering.escalation(services, db, row) for row in rows[:limit]]
    return paged(rows, limit, "id", shown)


class Ending(BaseModel):
    """How a case ended."""

    model_config = ConfigDict(extra="forbid")

    outcome: str = Field(max_length=20, description=", ".join(OUTCOMES))
    note: str = Field("", max_length=500)


@router.post("/escalations/{case_id}")
def close(request: Request, case_id: Id, ending: Ending) -> EscalationAnswer:
    """Record the outcome of a case; one that is closed already stays as it is (409)."""
    services = services_of(request)
    db = services.database.read()
    before = known(lists.case(db, CALLER, case_id))
    if before["status"] != "open":
        raise Problem(409, "conflict", "这件待办已经结了", "用 GET /api/escalations 查看结果")
    try:
        row = close_case(services, CALLER, case_id, ending.outcome, ending.note)
    except Invalid as wrong:
        raise Problem(422, "invalid", "结果无法识别", str(wrong)) from wrong
    return answering.escalation(services, services.database.read(), known(row))


class Extending(BaseModel):
    """Why a complaint takes longer; without ``by`` the caller asks."""

    model_config = ConfigDict(extra="forbid")

    reason: Text = Field(max_length=500)
    by: Text = Field("", max_length=64, description="userid of the employee who asks")


class Answering(BaseModel):
    """What somebody else says to it."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approve", "approved", "reject", "rejected"]
    by: Text = Field(max_length=64, description="userid of the employee who decided")
    note: Text = Field("", max_length=500)


@router.post("/escalations/{case_id}/extension")
def extend(request: Request, case_id: Id, extending_: Extending) -> EscalationAnswer:
    """Ask for more time for a complaint: 30 days, then 60; what cannot be longer is 409."""
    services = services_of(request)
    try:
        who = acting(services, extending_.by) if extending_.by else CALLER
        row = extending.ask(services, who, case_id, extending_.reason)
    except Invalid as wrong:
        raise Problem(409, "conflict", "不能这样申请延期", str(wrong)) from wrong
    return answering.escalation(services, services.database.read(), known(row))


@router.post("/escalations/{case_id}/extension/decision")
def decide_extension(request: Request, case_id: Id, answer: Answering) -> EscalationAnswer:
    """Approve or refuse it, as an employee in the right role other than who asked."""
    services = services_of(request)
    agreed = answer.decision.startswith("approve")
    try:
        who = acting(services, answer.by)
        row = extending.decide(services, who, case_id, agreed=agreed, note=answer.note)
    except Invalid as wrong:
        raise Problem(409, "conflict", "不能这样审批延期", str(wrong)) from wrong
    return answering.escalation(services, services.database.read(), known(row))


def acting(services: Services, userid: str) -> Viewer:
    """The employee for whom another system of the bank calls.

    Raises:
        Invalid: Nobody of that name works here.
    """
    who = sight.viewer(services.database.read(), userid)
    if who is None:
        raise Invalid("by 不是在职员工的 userid")
    return who
