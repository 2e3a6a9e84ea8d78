"""活动: what is on, who comes, and the list at the door."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from bot.model import Role
from bot.store import events, journal, lists, sight
from bot.store.db import Db, Row
from bot.store.events import MOST_PARTY, Wish
from bot.store.sight import Viewer
from bot.web.auth import Sender, SignedIn, services_of
from bot.web.console.telling import Teller
from bot.web.pages import Missing

router = APIRouter(include_in_schema=False)
_SHOWN = 100
_EVERYWHERE = frozenset({Role.CITY, Role.COMPLIANCE, Role.ADMIN})
_CALLERS_OFF = frozenset({Role.HEAD, Role.CITY, Role.ADMIN})


@router.get("/activities")
def activities(request: Request, person: SignedIn) -> Response:
    """The branch's events, the newest first."""
    services = services_of(request)
    who = person.viewer
    branch = "" if who.role in _EVERYWHERE else who.branch or "-"
    rows = events.events(services.database.read(), before=lists.LAST, limit=_SHOWN, branch=branch)
    answer: Response = request.app.state.pages.page(
        "activities.html",
        person,
        here="activities",
        rows=rows,
        now=int(services.clock.now().timestamp() * 1000),
    )
    return answer


@router.get("/activities/{event_id}")
def activity(request: Request, person: SignedIn, event_id: int, said: str = "") -> Response:
    """One event and who comes."""
    services = services_of(request)
    db = services.database.read()
    row = _visible(db, person.viewer, event_id)
    teller = Teller(services, db, person.viewer)
    people = [
        {
            "row": each,
            "name": teller.name(each["external_userid"]) if each["visible"] else "其他同事的客户",
            "link": services.event_links.of(event_id, each["external_userid"])
            if each["visible"]
            else "",
        }
        for each in events.signups(db, person.viewer, event_id)
    ]
    answer: Response = request.app.state.pages.page(
        "activity.html",
        person,
        here="activities",
        row=row,
        people=people,
        most=MOST_PARTY,
        may_call_off=person.viewer.role in _CALLERS_OFF,
        said=said if said in {"full", "closed", "waiting", "nobody"} else "",
    )
    return answer


@router.post("/activities/{event_id}/people")
def change(
    request: Request,
    person: Sender,
    event_id: int,
    what: Annotated[str, Form(max_length=10)],
    customer: Annotated[str, Form(max_length=64)],
    party: Annotated[int, Form(ge=1, le=MOST_PARTY)] = 1,
) -> Response:
    """Sign somebody up or off, count them in at the door, note that they spoke."""
    services = services_of(request)
    now = int(services.clock.now().timestamp() * 1000)
    customer = customer.strip()

    def act(db: Db) -> str:
        _visible(db, person.viewer, event_id)
        if not sight.may_see(db, person.viewer, customer):
            return "nobody"
        said = _act(db, event_id, what, customer, party, now)
        journal.note(
            db,
            "signed_up",
            now,
            customer=customer,
            userid=person.viewer.userid,
            ref=event_id,
            outcome=said or what,
        )
        return said

    said = services.database.write(act)
    return _back(event_id, said)


def _act(db: Db, event_id: int, what: str, customer: str, party: int, now: int) -> str:
    """Do it; what the employee has to be told, or ""."""
    if what == "add":
        outcome = events.sign_up(db, event_id, Wish(customer, party, "staff"), now)
        return "" if outcome == "going" else outcome
    if what == "cancel":
        events.cancel(db, event_id, customer, now)
    elif what == "came":
        events.check_in(db, event_id, customer, now)
    elif what in {"spoke", "silent"}:
        events.mark_spoke(db, event_id, customer, spoke=what == "spoke")
    else:
        raise HTTPException(404)
    return ""


@router.post("/activities/{event_id}/off")
def call_off(request: Request, person: Sender, event_id: int) -> Response:
    """Call an event off; whoever answers those who signed up is told."""
    if person.viewer.role not in _CALLERS_OFF:
        raise HTTPException(403)
    services = services_of(request)
    now = int(services.clock.now().timestamp() * 1000)

    def act(db: Db) -> None:
        _visible(db, person.viewer, event_id)
        number = events.cancel_event(db, event_id, now)
        by = person.viewer.userid
        journal.audit(db, by, "event_called_off", str(event_id), now, signups=number)

    services.database.write(act)
    return _back(event_id, "")


def _visible(db: Db, who: Viewer, event_id: int) -> Row:
    row = events.event(db, event_id)
    branches = {"", who.branch}
    if row is None or (who.role not in _EVERYWHERE and row["branch"] not in branches):
        raise Missing
    return row


def _back(event_id: int, said: str) -> Response:
    return RedirectResponse(f"/activities/{event_id}" + (f"?said={said}" if said else ""), 303)
