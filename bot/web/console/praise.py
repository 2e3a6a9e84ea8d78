"""表扬: cards proposed from the week's figures; the branch head sends or declines each."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from bot.errors import Invalid
from bot.model import Role
from bot.praise import SENT, Praising
from bot.store import deeds
from bot.store.db import Db
from bot.store.sight import Viewer
from bot.web.auth import Sender, SignedIn, services_of
from bot.web.pages import Missing
from scheduler.occasions import WEEKDAYS

router = APIRouter(include_in_schema=False)
_LOOKERS = frozenset({Role.CITY, Role.COMPLIANCE, Role.ADMIN})
_SHOWN_MS = 35 * 86_400_000


@router.get("/praise")
def praise(request: Request, person: SignedIn) -> Response:
    """Open proposals with the words that would be sent, then what was decided in five weeks."""
    branch = _branch_of(person.viewer)
    services = services_of(request)
    db, praising = services.database.read(), Praising(services.rules)
    now = int(services.clock.now().timestamp() * 1000)
    rows = deeds.proposals(db, branch, now - _SHOWN_MS)
    answer: Response = request.app.state.pages.page(
        "praise.html",
        person,
        here="praise",
        cards=[
            {"row": row, "text": praising.text(db, row, row["by"] or person.viewer.userid)}
            for row in rows
        ],
        whole=not branch,
        weekday=WEEKDAYS[services.rules.praise.weekday],
        decides=person.viewer.role in {Role.HEAD, Role.CITY},
    )
    return answer


@router.post("/praise/{number}")
def decide(
    request: Request,
    person: Sender,
    number: int,
    decision: Annotated[Literal["sent", "declined"], Form()],
) -> Response:
    """Send one card, or not."""
    branch = _branch_of(person.viewer)
    if person.viewer.role not in {Role.HEAD, Role.CITY}:
        raise Missing
    services = services_of(request)
    praising, by = Praising(services.rules), person.viewer.userid
    now = int(services.clock.now().timestamp() * 1000)

    def change(db: Db) -> None:
        row = deeds.proposal(db, number, branch)
        if row is None:
            raise Missing
        act = praising.send if decision == SENT else praising.decline
        act(db, row, by, now)

    try:
        services.database.write(change)
    except Invalid as wrong:
        raise Missing from wrong
    return RedirectResponse("/praise", 303)


def _branch_of(who: Viewer) -> str:
    """A head's branch; "" is all, for those who look over the branches.

    Raises:
        Missing: Others see no cards of colleagues.
    """
    if who.role in _LOOKERS:
        return ""
    if who.role is not Role.HEAD:
        raise Missing
    return who.branch or "-"
