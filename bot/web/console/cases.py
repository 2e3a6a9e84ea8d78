"""待办: what waits for a person, with the words that caused it and what one could say."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from bot.clock import today
from bot.complaints import is_about, next_days
from bot.errors import Invalid
from bot.store import chats, lists
from bot.store.db import Db, Row
from bot.store.sight import visible_to
from bot.store.views import visible_of
from bot.web import extending
from bot.web.auth import Person, Sender, SignedIn, services_of
from bot.web.console.telling import Teller
from bot.web.corrections import OUTCOMES, close_case
from bot.web.pages import Missing
from bot.web.services import Services
from bot.web.wording import shown_quote

router = APIRouter(include_in_schema=False)
_Words = Annotated[str, Form(max_length=500)]
TOLD_STEPS = frozenset({"card sent", "head told", "raised", "handed on", "returned"})
"""Steps of a case whose note is the userid of who was told."""
BUTTONS = tuple(outcome for outcome in OUTCOMES if outcome != "not_needed")


@router.get("/cases")
def cases(
    request: Request,
    person: SignedIn,
    status: Annotated[str, Query(max_length=10)] = "open",
    mine: str = "",
) -> Response:
    """Open cases by deadline, or the closed ones."""
    services = services_of(request)
    db = services.database.read()
    wanted = {"status": status if status in {"open", "closed"} else ""}
    if mine:
        wanted["assignee"] = person.viewer.userid
    rows = lists.pressing_cases(db, person.viewer, wanted)
    teller = Teller(services, db, person.viewer)
    answer: Response = request.app.state.pages.page(
        "cases.html",
        person,
        here="cases",
        entries=[case_entry(services, db, teller, person, row) for row in rows],
        status=status,
        mine=mine,
        buttons=BUTTONS,
    )
    return answer


@router.get("/cases/{case_id}")
def case(request: Request, person: SignedIn, case_id: int) -> Response:
    """One case with its history."""
    return _page(request, person, case_id, "")


def _page(request: Request, person: Person, case_id: int, trouble: str) -> Response:
    services = services_of(request)
    db = services.database.read()
    row = lists.case(db, person.viewer, case_id)
    if row is None:
        raise Missing
    teller = Teller(services, db, person.viewer)
    answer: Response = request.app.state.pages.page(
        "case.html",
        person,
        here="cases",
        code=409 if trouble else 200,
        trouble=trouble,
        more_time=_more_time(db, teller, person, row),
        entry=case_entry(services, db, teller, person, row),
        history=[_step(services, teller, each) for each in lists.steps_of(db, [case_id])[case_id]],
        buttons=BUTTONS,
    )
    return answer


@router.post("/cases/{case_id}")
def close(
    request: Request,
    person: Sender,
    case_id: int,
    outcome: Annotated[str, Form(max_length=20)] = "",
    note: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Record the outcome and go back to what is left."""
    services = services_of(request)
    try:
        found = close_case(services, person.viewer, case_id, outcome, note.strip())
    except Invalid as why:
        if outcome not in OUTCOMES:
            raise Missing from None
        return _page(request, person, case_id, str(why))
    if found is None:
        raise Missing
    return RedirectResponse("/cases", 303)


@router.post("/cases/{case_id}/extension")
def ask_extension(request: Request, person: Sender, case_id: int, reason: _Words = "") -> Response:
    """Ask for more time for a complaint."""
    try:
        row = extending.ask(services_of(request), person.viewer, case_id, reason)
    except Invalid as why:
        return _page(request, person, case_id, str(why))
    return _after(row)


@router.post("/cases/{case_id}/extension/decide")
def decide_extension(
    request: Request,
    person: Sender,
    case_id: int,
    agreed: Annotated[bool, Form()],
    note: _Words = "",
) -> Response:
    """Another person approves it, or says why not."""
    services = services_of(request)
    try:
        row = extending.decide(services, person.viewer, case_id, agreed=agreed, note=note)
    except Invalid as why:
        return _page(request, person, case_id, str(why))
    return _after(row)


def _after(row: Row | None) -> Response:
    if row is None:
        raise Missing
    return RedirectResponse(f"/cases/{row['id']}", 303)


def _more_time(db: Db, teller: Teller, person: Person, row: Row) -> dict[str, Any]:
    """What the page of a complaint says about more time."""
    return {
        "asked_by": teller.staff(row["extend_by"]),
        "reason": extending.reason(db, row),
        "until": extending.longer_day(row),
        "days": next_days(row),
        "may_ask": extending.may_ask(person.viewer, row),
        "may_decide": extending.may_decide(person.viewer, row),
    }


def case_entry(
    services: Services, db: Db, teller: Teller, person: Person, row: Row
) -> dict[str, Any]:
    """A case for the screen: what the employee's card says, within the viewer's sight."""
    customer = row["external_userid"]
    sensitive = teller.sees_sensitive(customer)
    secret = teller.keeps_secret(row)
    parts = {} if secret else services.desk.card_parts(db, row, person.viewer.userid)
    if "quote" in parts:
        parts["quote"] = shown_quote(parts["quote"], sensitive=sensitive)
    now, today_is = services.clock.now().timestamp() * 1000, today(services.clock).isoformat()
    return {
        "row": row,
        "customer": teller.name(customer),
        "visible": bool(visible_of(db, visible_to(person.viewer), [customer])),
        "matter": teller.matter(row),
        "topic": teller.topic(row),
        "secret": secret,
        "parts": parts,
        "assignee": teller.staff(row["assignee"]),
        "raised_to": teller.staff(row["raised_to"] or ""),
        "closed_by": teller.staff(row["closed_by"] or ""),
        "group": chats.group_name(db, row["chat_id"]) if row["chat_id"] else "",
        "concerned": [teller.staff(each) for each in row["concerned"].split(",") if each],
        "is_about_me": is_about(row, person.viewer.userid),
        "settle_late": row["status"] == "open" and "" < row["settle_by"] < today_is,
        "late": row["status"] == "open" and (row["deadline_at"] or now) < now,
    }


def _step(services: Services, teller: Teller, row: Row) -> dict[str, Any]:
    """A step of the history; for some steps the note is the userid of who was told."""
    told = row["step"] in TOLD_STEPS
    label = services.rules.label("case_step", row["step"])
    if label == row["step"]:
        label = services.rules.label("outcome", row["step"])
    return {
        "at": row["at"],
        "actor": "" if row["actor"] == "bot" else teller.staff(row["actor"]),
        "step": label,
        "note": teller.staff(row["note"]) if told else row["note"],
    }
