"""点发送: whose tasks wait for a tap and since when; and the robot of the internal group."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from bot.errors import Invalid
from bot.model import Role
from bot.store import journal, nudges, robots
from bot.store.db import Db, Row
from bot.store.sight import Viewer
from bot.web.auth import Person, Sender, SignedIn, services_of
from bot.web.pages import Missing
from bot.web.services import Services
from bot.wecom import robot_key

router = APIRouter(include_in_schema=False)
_EVERYWHERE = frozenset({Role.CITY, Role.COMPLIANCE, Role.ADMIN})
_SETS_ROBOTS = frozenset({Role.HEAD, Role.CITY, Role.ADMIN})
_SHOWN = 4
"""Of a robot's key only so many characters, to tell one from another."""


@router.get("/board")
def board(request: Request, person: SignedIn) -> Response:
    """One line an employee with tasks: a head's branch, or all branches."""
    return _page(request, person)


def _page(request: Request, person: Person, trouble: str = "", code: int = 200) -> Response:
    who = person.viewer
    if who.role not in {*_EVERYWHERE, Role.HEAD}:
        raise Missing
    branch = "" if who.role in _EVERYWHERE else who.branch or "-"
    services = services_of(request)
    db = services.database.read()
    now = int(services.clock.now().timestamp() * 1000)
    rows = [_line(row) for row in nudges.board(db, branch, now)]
    answer: Response = request.app.state.pages.page(
        "board.html",
        person,
        here="board",
        code=code,
        rows=rows,
        whole=not branch,
        robots=[_robot(services, row) for row in robots.robots(db, branch)],
        settable=_settable(db, who),
        trouble=trouble,
    )
    return answer


def _line(row: Row) -> dict[str, Any]:
    base = row["confirmed"] + row["lapsed"]
    share = round(100 * row["confirmed"] / base) if base else None
    return {"row": row, "base": base, "share": share}


def _robot(services: Services, row: Row) -> dict[str, Any]:
    tail = services.vault.open_text(row["key_sealed"])[-_SHOWN:]
    return {"branch": row["branch"], "tail": tail, "set_at": row["set_at"], "broken": row["broken"]}


def _settable(db: Db, who: Viewer) -> list[str]:
    """The branches whose robot somebody may set."""
    if who.role not in _SETS_ROBOTS:
        return []
    return robots.branches(db) if who.role in _EVERYWHERE else [who.branch] if who.branch else []


@router.post("/board/robot")
def set_robot(
    request: Request,
    person: Sender,
    branch: Annotated[str, Form(max_length=80)],
    address: Annotated[str, Form(max_length=300)] = "",
) -> Response:
    """Give a branch's internal group its robot; an empty address takes it away."""
    services = services_of(request)
    if branch not in _settable(services.database.read(), person.viewer):
        raise HTTPException(403)
    try:
        sealed = services.vault.seal_text(robot_key(address)) if address.strip() else None
    except Invalid as wrong:
        return _page(request, person, str(wrong), 400)
    now = int(services.clock.now().timestamp() * 1000)
    by = person.viewer.userid

    def change(db: Db) -> None:
        if sealed is None:
            robots.drop(db, branch)
        else:
            robots.keep(db, branch, sealed, by, now)
        journal.audit(db, by, "robot_removed" if sealed is None else "robot_set", branch, now)

    services.database.write(change)
    return RedirectResponse("/board", 303)
