"""The JSON interface: bearer token, paged lists, errors that say what to do."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from bot.clock import today
from bot.errors import Invalid
from bot.model import Role
from bot.store import chats, lists, views
from bot.store import events as happenings
from bot.store.account import account
from bot.store.approvals import submitted, version
from bot.store.db import Row
from bot.store.sight import Viewer, visible_to
from bot.web import answering, approving
from bot.web.answers import (
    ApprovalAnswer,
    AuditAnswer,
    CustomerAnswer,
    ErrorAnswer,
    EscalationAnswer,
    EventAnswer,
    FactAnswer,
    GroupAnswer,
    Paged,
    PushAnswer,
    ReportAnswer,
    SignupAnswer,
)
from bot.web.auth import services_of
from bot.web.console.groups import week_ago
from bot.web.corrections import OUTCOMES, close_case, correct_fact
from bot.web.figures import figures
from bot.web.profiles import profile_of

T = TypeVar("T")
CALLER = Viewer("api", Role.ADMIN, sensitive=True)
"""Whoever holds the token: the bank's own systems, which answer for whom they show it to."""
_BIGGEST_ID = (1 << 63) - 1


# -- errors


class Problem(Exception):
    """An error of the interface."""

    def __init__(self, status: int, code: str, message: str, hint: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint


BROKEN = Problem(500, "broken", "服务内部出错", "稍后再试;反复出现请把时间告诉管理员查日志")
_GONE = "没有这一项"
PROBLEMS: Mapping[int, Problem] = {
    404: Problem(404, "not_found", _GONE, "核对地址和编号;接口清单见 /docs"),
    405: Problem(405, "method_not_allowed", "这个地址不支持该方法", "可用的方法见 /docs"),
    413: Problem(413, "too_large", "内容超过 1 MiB", "把内容分成几次提交"),
    503: Problem(503, "busy", "暂时无法读写", "几秒后再试"),
}


def problem_answer(error: Problem) -> JSONResponse:
    """The documented form of an error."""
    body = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
    headers = {"www-authenticate": "Bearer"} if error.status == 401 else None
    return JSONResponse(body, error.status, headers)


def invalid(errors: Sequence[Any]) -> Problem:
    """A request that breaks the description; names the places, never the values."""
    places = {".".join(str(part) for part in error["loc"]): error["msg"] for error in errors}
    hint = ";".join(f"{place}: {message}" for place, message in places.items())
    return Problem(422, "invalid", "请求不符合接口说明", hint[:500])


# -- who calls

_BEARER = HTTPBearer(auto_error=False, description="QUNGUAN_API_TOKEN")


def caller(
    request: Request,
    given: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
) -> None:
    """Let a program with the token in.

    Raises:
        Problem: 403 while no token is set, 401 for a wrong one.
    """
    wanted = services_of(request).api_token
    if not wanted:
        raise Problem(403, "closed", "接口未开放", "设置 QUNGUAN_API_TOKEN 后重启即可开放")
    told = given.credentials if given else ""
    if not hmac.compare_digest(told.encode(), wanted.encode()):
        raise Problem(
            401, "unauthorized", "令牌不对或没有带", "请求头写 Authorization: Bearer <令牌>"
        )


_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": text}
    for status, text in (
        (400, "The request cannot be read"),
        (401, "The token is wrong or missing"),
        (403, "The interface is closed"),
        (404, "There is no such thing"),
        (409, "It was done before"),
        (422, "The request breaks this description"),
    )
}
router = APIRouter(prefix="/api", dependencies=[Depends(caller)], responses=_ERRORS)

Cursor = Annotated[str, Query(max_length=200, description="next_cursor of the page before")]
Limit = Annotated[int, Query(ge=1, le=500)]
Slug = Annotated[str, Query(max_length=100)]
Day = Annotated[str, Query(max_length=10, pattern=r"^(\d{4}-\d{2}-\d{2})?$")]
Id = Annotated[int, Path(ge=1, le=_BIGGEST_ID)]
Name = Annotated[str, Path(max_length=100)]


# -- customers and facts


@router.get("/customers")
def customers(
    request: Request,
    cursor: Cursor = "",
    limit: Limit = 50,
    q: Slug = "",
    layer: Slug = "",
    segment: Slug = "",
) -> Paged[CustomerAnswer]:
    """All customers by id; ``q`` looks in names, remarks and whole phone numbers."""
    services = services_of(request)
    db = services.database.read()
    if any(rule.name == segment and rule.people_only for rule in services.rules.segments):
        return Paged(items=[], next_cursor=None)
    wanted = views.Wanted(q, services.vault.phone_hash(q), layer, segment)
    rows = views.customers_after(db, visible_to(CALLER), wanted, _after(cursor), limit + 1)
    found = profile_of(services, db, CALLER, rows[:limit])
    return _page(
        rows, limit, "external_userid", [answering.customer(services, each) for each in found]
    )


@router.get("/customers/{external_userid}")
def customer(request: Request, external_userid: Name) -> CustomerAnswer:
    """One customer."""
    services = services_of(request)
    db = services.database.read()
    row = _found(views.customer(db, CALLER, external_userid))
    (profile,) = profile_of(services, db, CALLER, [row])
    return answering.customer(services, profile)


class Correction(BaseModel):
    """A person's word on a fact; ``value`` overrides single keys."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["confirmed", "rejected"]
    value: dict[str, Any] | None = None


@router.post("/facts/{fact_id}")
def correct(request: Request, fact_id: Id, correction: Correction) -> FactAnswer:
    """Confirm or reject a fact."""
    services = services_of(request)
    try:
        row = correct_fact(services, CALLER, fact_id, correction.status, correction.value)
    except Invalid as wrong:
        raise Problem(422, "invalid", "这个值不能登记", str(wrong)) from wrong
    return answering.fact(services, _found(row), sensitive=True)


# -- groups


@router.get("/groups")
def groups(request: Request, cursor: Cursor = "", limit: Limit = 50) -> Paged[GroupAnswer]:
    """All groups by id."""
    services = services_of(request)
    rows = chats.groups(
        services.database.read(),
        CALLER,
        since=week_ago(services),
        after=_after(cursor),
        limit=limit + 1,
    )
    return _page(rows, limit, "chat_id", [answering.group(row, None) for row in rows[:limit]])


@router.get("/groups/{chat_id}")
def group(request: Request, chat_id: Name) -> GroupAnswer:
    """One group with its members."""
    services = services_of(request)
    db = services.database.read()
    row = _found(chats.group(db, CALLER, chat_id, since=week_ago(services)))
    return answering.group(row, chats.members(db, CALLER, chat_id))


# -- pushes


@router.get("/pushes")
def pushes(
    request: Request,
    cursor: Cursor = "",
    limit: Limit = 50,
    status: Slug = "",
    campaign: Slug = "",
    external_userid: Slug = "",
    on: Day = "",
) -> Paged[PushAnswer]:
    """Pushes, the newest first; ``on`` is the day they were planned for."""
    services = services_of(request)
    wanted = {
        "status": status,
        "campaign": campaign,
        "external_userid": external_userid,
        "planned_on": on,
    }
    db = services.database.read()
    rows = lists.pushes(db, CALLER, wanted, before=_before(cursor), limit=limit + 1)
    steps = account(db, [row["id"] for row in rows[:limit]])
    shown = [answering.push(services, row, steps[row["id"]]) for row in rows[:limit]]
    return _page(rows, limit, "id", shown)


# -- cases


@router.get("/escalations")
def escalations(
    request: Request, cursor: Cursor = "", limit: Limit = 50, status: Slug = "", kind: Slug = ""
) -> Paged[EscalationAnswer]:
    """Cases, the newest first."""
    services = services_of(request)
    db = services.database.read()
    wanted = {"status": status, "kind": kind}
    rows = lists.cases(db, CALLER, wanted, before=_before(cursor), limit=limit + 1)
    shown = [answering.escalation(services, db, row) for row in rows[:limit]]
    return _page(rows, limit, "id", shown)


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
    before = _found(lists.case(db, CALLER, case_id))
    if before["status"] != "open":
        raise Problem(409, "conflict", "这件待办已经结了", "用 GET /api/escalations 查看结果")
    try:
        row = close_case(services, CALLER, case_id, ending.outcome, ending.note)
    except Invalid as wrong:
        raise Problem(422, "invalid", "结果无法识别", str(wrong)) from wrong
    return answering.escalation(services, services.database.read(), _found(row))


# -- approvals


@router.get("/approvals")
def approvals(
    request: Request, cursor: Cursor = "", limit: Limit = 50, status: Slug = ""
) -> Paged[ApprovalAnswer]:
    """Every version that was submitted, the newest first; ``in_review`` waits for a decision."""
    services = services_of(request)
    db = services.database.read()
    rows = submitted(db, status, before=_before(cursor), limit=limit + 1)
    return _page(rows, limit, "id", [approving.approval(services, db, row) for row in rows[:limit]])


class Deciding(BaseModel):
    """A decision about a version; without ``by`` it counts as the caller's own."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approve", "approved", "reject", "rejected", "revoke", "revoked"]
    note: str = Field("", max_length=500)
    by: str = Field("", max_length=64, description="userid of the employee who decided")
    words: list[Annotated[str, Field(max_length=20)]] = Field(
        [], max_length=50, description="Review words that they looked at in this text"
    )


@router.post("/approvals/{version_id}")
def decide(request: Request, version_id: Id, deciding: Deciding) -> ApprovalAnswer:
    """Approve, send back or revoke; what cannot be decided so stays as it is (409)."""
    services = services_of(request)
    _found(version(services.database.read(), version_id))
    try:
        approving.decide(
            services,
            CALLER,
            version_id,
            deciding.decision,
            note=deciding.note,
            by=deciding.by,
            words=deciding.words,
        )
    except Invalid as wrong:
        raise Problem(409, "conflict", "不能这样审批", str(wrong)) from wrong
    db = services.database.read()
    return approving.approval(services, db, _found(version(db, version_id)))


# -- events


@router.get("/events")
def events(request: Request, cursor: Cursor = "", limit: Limit = 50) -> Paged[EventAnswer]:
    """Events of all branches, the newest first."""
    db = services_of(request).database.read()
    rows = happenings.events(db, before=_before(cursor), limit=limit + 1)
    return _page(rows, limit, "id", [answering.event(row) for row in rows[:limit]])


@router.get("/events/{event_id}/signups")
def signups(
    request: Request, event_id: Id, cursor: Cursor = "", limit: Limit = 50
) -> Paged[SignupAnswer]:
    """Who signed up for an event, in that order; those who cancelled too."""
    db = services_of(request).database.read()
    _found(happenings.event(db, event_id))
    after = _number_after(cursor)
    rows = happenings.signups(db, CALLER, event_id, after=after, limit=limit + 1)
    return _page(rows, limit, "id", [answering.sign_up(row) for row in rows[:limit]])


# -- the trail and the figures


@router.get("/audit")
def audit(
    request: Request,
    cursor: Cursor = "",
    limit: Limit = 50,
    actor: Slug = "",
    act: Slug = "",
    object: Slug = "",  # noqa: A002  # the name in the interface
) -> Paged[AuditAnswer]:
    """Who did what to whom, the newest first."""
    wanted = {"actor": actor, "act": act, "object": object}
    db = services_of(request).database.read()
    rows = lists.audit(db, wanted, before=_before(cursor), limit=limit + 1)
    return _page(rows, limit, "id", [answering.audit(row) for row in rows[:limit]])


ReportName = Literal[
    "pushes",
    "cases",
    "groups",
    "consents",
    "facts",
    "rules",
    "people",
    "branches",
    "ledger",
    "events",
    "offers",
    "moves",
    "concentration",
    "lift",
]


@router.get("/reports/{name}")
def report(
    request: Request,
    name: ReportName,
    first: Annotated[Day, Query(alias="from")] = "",
    last: Annotated[Day, Query(alias="to")] = "",
) -> ReportAnswer:
    """Figures of a span of days, this month up to today unless told otherwise."""
    services = services_of(request)
    end = _day(last) or today(services.clock)
    begin = _day(first) or end.replace(day=1)
    rows = figures(services, CALLER, name, begin, end)
    return ReportAnswer(name=name, first=begin.isoformat(), last=end.isoformat(), rows=rows)


@router.api_route("/{rest:path}", methods=["GET", "POST"], include_in_schema=False)
def nothing(rest: str) -> None:  # noqa: ARG001  # only its being there counts
    """Whatever else is asked for, with a token: it is not there."""
    raise PROBLEMS[404]


# -- pages of lists


def _page(rows: list[Row], limit: int, key: str, items: list[T]) -> Paged[T]:
    more = len(rows) > limit
    last = str(rows[limit - 1][key]) if more else ""
    cursor = base64.urlsafe_b64encode(last.encode()).decode().rstrip("=") if more else None
    return Paged(items=items, next_cursor=cursor)


def _after(cursor: str) -> str:
    """The id that a cursor of ours stands for; "" for the beginning."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise _bad_cursor() from None


def _before(cursor: str) -> int:
    """The same for lists that run backwards."""
    return _number_after(cursor) or lists.LAST


def _number_after(cursor: str) -> int:
    """The number that a cursor of ours stands for; 0 for the beginning."""
    written = _after(cursor)
    if not written:
        return 0
    if not written.isascii() or not written.isdecimal() or int(written) > _BIGGEST_ID:
        raise _bad_cursor()
    return int(written)


def _bad_cursor() -> Problem:
    return Problem(400, "invalid", "cursor 无法识别", "原样使用上一页的 next_cursor,第一页不写")


def _day(written: str) -> date | None:
    try:
        return date.fromisoformat(written) if written else None
    except ValueError:
        raise Problem(422, "invalid", "日期不存在", "请写成 2026-12-01") from None


def _found(row: Row | None) -> Row:
    if row is None:
        raise PROBLEMS[404]
    return row
