"""点发送: whose tasks wait for a tap, since when, and how many were confirmed before."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from bot.model import Role
from bot.store import nudges
from bot.store.db import Row
from bot.web.auth import SignedIn, services_of
from bot.web.pages import Missing

router = APIRouter(include_in_schema=False)
_EVERYWHERE = frozenset({Role.CITY, Role.COMPLIANCE, Role.ADMIN})


@router.get("/board")
def board(request: Request, person: SignedIn) -> Response:
    """One line an employee with tasks: a head's branch, or all branches."""
    who = person.viewer
    if who.role not in {*_EVERYWHERE, Role.HEAD}:
        raise Missing
    branch = "" if who.role in _EVERYWHERE else who.branch or "-"
    services = services_of(request)
    now = int(services.clock.now().timestamp() * 1000)
    rows = [_line(row) for row in nudges.board(services.database.read(), branch, now)]
    answer: Response = request.app.state.pages.page(
        "board.html", person, here="board", rows=rows, whole=not branch
    )
    return answer


def _line(row: Row) -> dict[str, Any]:
    base = row["confirmed"] + row["lapsed"]
    share = round(100 * row["confirmed"] / base) if base else None
    return {"row": row, "base": base, "share": share}
