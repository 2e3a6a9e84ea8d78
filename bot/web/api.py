"""The JSON interface: bearer token, paged lists, errors that say what to do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from bot.clock import today
from bot.errors import Invalid
from bot.store import chats, lists, views
from bot.store import events as happenings
from bot.store.account import account
from bot.store.approvals import submitted, version
from bot.store.sight import visible_to
from bot.web import answering, api_cases, api_rights, approving
from bot.web.answers import (
    ApprovalAnswer,
    AuditAnswer,
    CustomerAnswer,
    EventAnswer,
    FactAnswer,
    GroupAnswer,
    Paged,
    PushAnswer,
    ReportAnswer,
    SignupAnswer,
)
from bot.web.auth import services_of
from bot.web.calling import (
    CALLER,
    ERRORS,
    PROBLEMS,
    Cursor,
    Day,
    Id,
    Limit,
    Name,
    Problem,
    Slug,
    caller,
    day_of,
    id_before,
    known,
    number_after,
    paged,
    text_after,
)
from bot.web.console.groups import week_ago
from bot.web.corrections import correct_fact
from bot.web.figures import figures
from bot.web.profiles import profile_of

router = APIRouter(prefix="/api", dependencies=[Depends(caller)], responses=ERRORS)

router.include_router(api_cases.router)
router.include_router(api_rights.router)


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
    rows = views.customers_after(db, visible_to(CALLER), wanted, text_after(cursor), limit + 1)
    found = profile_of(services, db, CALLER, rows[:limit])
    return paged(
        rows, limit, "external_userid", [answering.customer(services, each) for each in found]
    )


@router.get("/customers/{external_userid}")
def customer(request: Request, external_userid: Name) -> CustomerAnswer:
    """One customer."""
    services = services_of(request)
    db = services.database.read()
    row = known(views.customer(db, CALLER, external_userid))
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
    return answering.fact(services, known(row), sensitive=True)


# -- groups


@router.get("/groups")
def groups(request: Request, cursor: Cursor = "", limit: Limit = 50) -> Paged[GroupAnswer]:
    """All groups by id."""
    services = services_of(request)
    rows = chats.groups(
        services.database.read(),
        CALLER,
        since=week_ago(services),
        after=text_after(cursor),
        limit=limit + 1,
    )
    return paged(rows, limit, "chat_id", [answering.group(row, None) for row in rows[:limit]])


@router.get("/groups/{chat_id}")
def group(request: Request, chat_id: Name) -> GroupAnswer:
    """One group with its members."""
    services = services_of(request)
    db = services.database.read()
    row = known(chats.group(db, CALLER, chat_id, since=week_ago(services)))
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
        "planned_on": on and str(day_of(on)),
    }
    db = services.database.read()
    rows = lists.pushes(db, CALLER, wanted, before=id_before(cursor), limit=limit + 1)
    steps = account(db, [row["id"] for row in rows[:limit]])
    shown = [answering.push(services, row, steps[row["id"]]) for row in rows[:limit]]
    return paged(rows, limit, "id", shown)


# -- approvals


@router.get("/approvals")
def approvals(
    request: Request, cursor: Cursor = "", limit: Limit = 50, status: Slug = ""
) -> Paged[ApprovalAnswer]:
    """Every version that was submitted, the newest first; ``in_review`` waits for a decision."""
    services = services_of(request)
    db = services.database.read()
    rows = submitted(db, status, before=id_before(cursor), limit=limit + 1)
    return paged(rows, limit, "id", [approving.approval(services, db, row) for row in rows[:limit]])


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
    known(version(services.database.read(), version_id))
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
    return approving.approval(services, db, known(version(db, version_id)))


# -- events


@router.get("/events")
def events(request: Request, cursor: Cursor = "", limit: Limit = 50) -> Paged[EventAnswer]:
    """Events of all branches, the newest first."""
    db = services_of(request).database.read()
    rows = happenings.events(db, before=id_before(cursor), limit=limit + 1)
    return paged(rows, limit, "id", [answering.event(row) for row in rows[:limit]])


@router.get("/events/{event_id}/signups")
def signups(
    request: Request, event_id: Id, cursor: Cursor = "", limit: Limit = 50
) -> Paged[SignupAnswer]:
    """Who signed up for an event, in that order; those who cancelled too."""
    db = services_of(request).database.read()
    known(happenings.event(db, event_id))
    after = number_after(cursor)
    rows = happenings.signups(db, CALLER, event_id, after=after, limit=limit + 1)
    return paged(rows, limit, "id", [answering.sign_up(row) for row in rows[:limit]])


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
    rows = lists.audit(db, wanted, before=id_before(cursor), limit=limit + 1)
    return paged(rows, limit, "id", [answering.audit(row) for row in rows[:limit]])


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
    end = day_of(last) or today(services.clock)
    begin = day_of(first) or end.replace(day=1)
    if begin > end:
        raise Problem(422, "invalid", "from 晚于 to", "请把 from 写成不晚于 to 的一天")
    rows = figures(services, CALLER, name, begin, end)
    return ReportAnswer(name=name, first=begin.isoformat(), last=end.isoformat(), rows=rows)


@router.api_route("/{rest:path}", methods=["GET", "POST"], include_in_schema=False)
def nothing(rest: str) -> None:  # noqa: ARG001  # only its being there counts
    """Whatever else is asked for, with a token: it is not there."""
    raise PROBLEMS[404]
