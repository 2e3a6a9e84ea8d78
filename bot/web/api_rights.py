"""Calls of the JSON interface about what customers ask of us about their data (D6)."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from bot.errors import Invalid
from bot.store import rights
from bot.store.db import Row
from bot.web import answering
from bot.web import rights as acts
from bot.web.answers import Paged, RightAnswer
from bot.web.api_cases import acting
from bot.web.auth import services_of
from bot.web.calling import (
    CALLER,
    Cursor,
    Id,
    Limit,
    Name,
    Problem,
    Slug,
    Text,
    id_before,
    known,
    paged,
)
from bot.web.services import Services

router = APIRouter()


@router.get("/rights")
def all_rights(
    request: Request,
    cursor: Cursor = "",
    limit: Limit = 50,
    status: Slug = "",
    kind: Slug = "",
    external_userid: Slug = "",
) -> Paged[RightAnswer]:
    """Requests of customers about their data, the newest first."""
    services = services_of(request)
    db = services.database.read()
    wanted = {"status": status, "kind": kind, "external_userid": external_userid}
    rows = rights.listed(db, CALLER, wanted, before=id_before(cursor), limit=limit + 1)
    return paged(rows, limit, "id", [answering.right(services, db, row) for row in rows[:limit]])


@router.get("/rights/{request_id}")
def one_right(request: Request, request_id: Id) -> RightAnswer:
    """One request with its history."""
    services = services_of(request)
    return _told(services, rights.request(services.database.read(), CALLER, request_id))


class Opening(BaseModel):
    """What a customer asks for, as an employee writes it down."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(max_length=20, description=", ".join(acts.KINDS))
    via: str = Field(max_length=20, description=", ".join(acts.WAYS))
    asked_on: str = Field(max_length=10, description="The day on which they asked, YYYY-MM-DD")
    words: Text = Field(max_length=500)
    purpose: str = Field("", max_length=30, description="withdraw: " + ", ".join(acts.PURPOSES))
    by: Text = Field(max_length=64, description="userid of the employee who writes it down")


@router.post("/customers/{external_userid}/rights")
def open_right(request: Request, external_userid: Name, opening: Opening) -> RightAnswer:
    """Write a request down; its clock began when the customer asked. What cannot be is 409."""
    services = services_of(request)
    given = opening.model_dump(exclude={"by"})
    try:
        who = acting(services, opening.by)
        number = acts.open_request(services, who, external_userid, **given)
    except Invalid as wrong:
        raise Problem(409, "conflict", "不能这样登记", str(wrong)) from wrong
    row = rights.request(services.database.read(), CALLER, number) if number else None
    return _told(services, row)


class SecondWord(BaseModel):
    """What the second person says."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approve", "approved", "reject", "rejected"]
    by: Text = Field(max_length=64, description="userid of the employee who decided")
    note: Text = Field("", max_length=500)


@router.post("/rights/{request_id}/decision")
def decide_right(request: Request, request_id: Id, said: SecondWord) -> RightAnswer:
    """Agree to a copy or a deletion, which is carried out at once, or send it back."""
    services = services_of(request)
    agreed = said.decision.startswith("approve")
    try:
        who = acting(services, said.by)
        row = acts.decide(services, who, request_id, agreed=agreed, note=said.note)
    except Invalid as wrong:
        raise Problem(409, "conflict", "不能这样审批", str(wrong)) from wrong
    return _told(services, row)


class Settling(BaseModel):
    """How a request ended, and how the customer was told."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["done", "refused"]
    by: Text = Field(max_length=64, description="userid of its owner, or of the branch head")
    note: Text = Field(max_length=500)


@router.post("/rights/{request_id}")
def settle_right(request: Request, request_id: Id, settling: Settling) -> RightAnswer:
    """Close a request; a copy only after its file was made in the console."""
    services = services_of(request)
    try:
        who = acting(services, settling.by)
        row = acts.finish(services, who, request_id, settling.outcome, settling.note)
    except Invalid as wrong:
        raise Problem(409, "conflict", "不能这样办结", str(wrong)) from wrong
    return _told(services, row)


def _told(services: Services, row: Row | None) -> RightAnswer:
    return answering.right(services, services.database.read(), known(row))
