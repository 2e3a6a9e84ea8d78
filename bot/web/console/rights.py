"""权利申请: what customers ask about their data, with its clock, its owner and its proof."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from bot.clock import today
from bot.errors import Invalid
from bot.store import rights, views
from bot.store.db import Db, Row
from bot.web import rights as acts
from bot.web.auth import Person, Sender, SignedIn, services_of
from bot.web.console.telling import Teller
from bot.web.pages import Missing
from bot.web.services import Services

router = APIRouter(include_in_schema=False)
_SOON_DAYS = 3
_BLANK = {"kind": "copy", "via": "counter", "purpose": "marketing", "words": ""}
_Words = Annotated[str, Form(max_length=500)]
_Short = Annotated[str, Form(max_length=30)]


@router.get("/rights")
def all_rights(
    request: Request,
    person: SignedIn,
    status: Annotated[str, Query(max_length=10)] = "open",
) -> Response:
    """What is under way by its last day, or what is closed."""
    services = services_of(request)
    db = services.database.read()
    listed = rights.closed if status == "closed" else rights.running
    teller = Teller(services, db, person.viewer)
    answer: Response = request.app.state.pages.page(
        "rights.html",
        person,
        here="rights",
        entries=[_entry(services, db, teller, person, row) for row in listed(db, person.viewer)],
        status=status,
    )
    return answer


@router.get("/customers/{external_userid}/rights")
def new_right(request: Request, person: SignedIn, external_userid: str) -> Response:
    """The form with which a customer's wish is written down."""
    return _form(request, person, external_userid, "", {})


def _form(
    request: Request, person: Person, customer: str, trouble: str, given: dict[str, str]
) -> Response:
    services = services_of(request)
    db = services.database.read()
    if views.customer(db, person.viewer, customer) is None:
        raise Missing
    teller, day = Teller(services, db, person.viewer), today(services.clock).isoformat()
    answer: Response = request.app.state.pages.page(
        "right_new.html",
        person,
        here="rights",
        code=409 if trouble else 200,
        trouble=trouble,
        customer=customer,
        name=teller.name(customer),
        given=_BLANK | {"asked_on": day} | given,
        today=day,
        days=services.rules.thresholds.rights_days,
        kinds=acts.KINDS,
        ways=acts.WAYS,
        purposes=acts.PURPOSES,
        before=[
            _entry(services, db, teller, person, row)
            for row in rights.of_customer(db, person.viewer, customer)
        ],
    )
    return answer


@router.post("/customers/{external_userid}/rights")
def open_right(
    request: Request,
    person: Sender,
    external_userid: str,
    kind: _Short = "",
    via: _Short = "",
    asked_on: _Short = "",
    words: _Words = "",
    purpose: _Short = "",
) -> Response:
    """Write it down; the clock began when the customer asked."""
    services = services_of(request)
    given = {"kind": kind, "via": via, "words": words, "purpose": purpose, "asked_on": asked_on}
    try:
        number = acts.open_request(services, person.viewer, external_userid, **given)
    except Invalid as why:
        return _form(request, person, external_userid, str(why), given)
    if number is None:
        raise Missing
    return RedirectResponse(f"/rights/{number}", 303)


@router.get("/rights/{number}")
def right(request: Request, person: SignedIn, number: int) -> Response:
    """One request with its history and what can be done."""
    return _page(request, person, number, "")


def _page(request: Request, person: Person, number: int, trouble: str) -> Response:
    services = services_of(request)
    db = services.database.read()
    row = rights.request(db, person.viewer, number)
    if row is None:
        raise Missing
    teller = Teller(services, db, person.viewer)
    answer: Response = request.app.state.pages.page(
        "right.html",
        person,
        here="rights",
        code=409 if trouble else 200,
        trouble=trouble,
        entry=_entry(services, db, teller, person, row),
        words=services.vault.open_text(row["words_sealed"]),
        note=services.vault.open_text(row["note_sealed"]),
        history=[
            {
                "row": each,
                "actor": "" if each["actor"] == "bot" else teller.staff(each["actor"]),
                "note": teller.staff(each["note"]),
            }
            for each in rights.steps(db, number)
        ],
        may_decide=acts.may_decide(person.viewer, row),
        may_act=acts.may_act(db, person.viewer, row),
    )
    return answer


@router.post("/rights/{number}/decide")
def decide(
    request: Request,
    person: Sender,
    number: int,
    agreed: Annotated[bool, Form()],
    note: _Words = "",
) -> Response:
    """The second person agrees, or says why not."""
    try:
        row = acts.decide(services_of(request), person.viewer, number, agreed=agreed, note=note)
    except Invalid as why:
        return _page(request, person, number, str(why))
    return _after(row)


@router.post("/rights/{number}/export")
def export(request: Request, person: Sender, number: int) -> Response:
    """The copy, to be handed to the customer."""
    try:
        made = acts.export(services_of(request), person.viewer, number)
    except Invalid as why:
        return _page(request, person, number, str(why))
    if made is None:
        raise Missing
    name = quote(f"资料副本-{number}.zip")
    return Response(
        made,
        media_type="application/zip",
        headers={
            "content-disposition": f"attachment; filename*=UTF-8''{name}",
            "cache-control": "no-store",
        },
    )


@router.post("/rights/{number}/close")
def close(
    request: Request, person: Sender, number: int, status: _Short = "", note: _Words = ""
) -> Response:
    """Done, or refused with a reason."""
    try:
        row = acts.finish(services_of(request), person.viewer, number, status, note)
    except Invalid as why:
        return _page(request, person, number, str(why))
    return _after(row)


def _after(row: Row | None) -> Response:
    if row is None:
        raise Missing
    return RedirectResponse(f"/rights/{row['id']}", 303)


def _entry(services: Services, db: Db, teller: Teller, person: Person, row: Row) -> dict[str, Any]:
    """A request for the screen; somebody erased has no name any more."""
    visible = views.customer(db, person.viewer, row["external_userid"]) is not None
    left = (date.fromisoformat(row["due_on"]) - today(services.clock)).days
    running = row["status"] in {rights.WAITING, rights.OPEN}
    return {
        "row": row,
        "name": teller.name(row["external_userid"]) if visible else "已删除的客户",
        "visible": visible,
        "owner": teller.staff(row["owner"]),
        "opened_by": teller.staff(row["opened_by"]),
        "approved_by": teller.staff(row["approved_by"]),
        "raised_to": teller.staff(row["raised_to"]),
        "left": left,
        "late": running and left < 0,
        "soon": running and 0 <= left <= _SOON_DAYS,
        "running": running,
    }
