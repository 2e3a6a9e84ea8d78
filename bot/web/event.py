"""A customer's own page of an event: sign up, change, cancel, and check in at the door.

No login: the link is signed for one customer and shows nothing about them but their own seats.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from bot.store import events, journal, people
from bot.store.db import Db, Row
from bot.store.events import MOST_PARTY, Wish
from bot.web.auth import services_of

router = APIRouter(include_in_schema=False)


@router.get("/event/{token}")
def show(request: Request, token: str, said: str = "") -> Response:
    """The event, and what the customer can do."""
    services = services_of(request)
    opened = services.event_links.opens(token)
    db = services.database.read()
    row = events.event(db, opened[0]) if opened else None
    if opened is None or row is None or people.is_erased(db, opened[1]):
        return _page(request, None, None, "broken", 404)
    now = int(services.clock.now().timestamp() * 1000)
    mine = events.signup(db, row["id"], opened[1])
    state = mine["status"] if mine is not None else "none"
    can_sign_up = row["status"] == "open" and row["sign_up_until"] > now
    step = "off" if row["status"] != "open" else state if state != "cancelled" else "none"
    return _page(request, row, mine, step, can_sign_up=can_sign_up, said=said)


@router.post("/event/{token}")
def act(
    request: Request,
    token: str,
    wish: Annotated[Literal["come", "cancel", "here"], Form()],
    party: Annotated[int, Form(ge=1, le=MOST_PARTY)] = 1,
    code: Annotated[str, Form(max_length=8)] = "",
) -> Response:
    """Do what the button says; pressing twice is the same as once."""
    services = services_of(request)
    opened = services.event_links.opens(token)
    if opened is None:
        return _page(request, None, None, "broken", 404)
    event_id, customer = opened
    now = int(services.clock.now().timestamp() * 1000)

    def change(db: Db) -> str:
        if people.is_erased(db, customer):
            return ""
        said = _change(db, event_id, customer, wish, party, code.strip(), now)
        journal.note(db, "signed_up", now, customer=customer, ref=event_id, outcome=said or wish)
        return said

    said = services.database.write(change)
    return RedirectResponse(f"/event/{token}" + (f"?said={said}" if said else ""), 303)


def _change(
    db: Db, event_id: int, customer: str, wish: str, party: int, code: str, now: int
) -> str:
    """What is worth a word to the customer; "" when the page says it itself."""
    if wish == "cancel":
        events.cancel(db, event_id, customer, now)
        return ""
    if wish == "here":
        at_door = events.by_door_code(db, code, now)
        if at_door is None or at_door["id"] != event_id:
            return "code"
        events.check_in(db, event_id, customer, now)
        return ""
    outcome = events.sign_up(db, event_id, Wish(customer, party, "link"), now)
    return outcome if outcome in {"full", "closed"} else ""


def _page(
    request: Request,
    row: Row | None,
    mine: Row | None,
    step: str,
    code: int = 200,
    *,
    can_sign_up: bool = False,
    said: str = "",
) -> Response:
    answer: Response = request.app.state.pages.bare(
        "event.html",
        code=code,
        row=row,
        mine=mine,
        step=step,
        can_sign_up=can_sign_up,
        said=said if said in {"full", "closed", "code"} else "",
        most=MOST_PARTY,
    )
    return answer
