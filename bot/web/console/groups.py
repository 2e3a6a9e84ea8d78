"""客户群: who owns them, who is in them, how alive they are."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from bot.store import chats
from bot.web.auth import SignedIn, services_of
from bot.web.console.telling import Teller
from bot.web.pages import Missing
from bot.web.services import Services

router = APIRouter(include_in_schema=False)
_WEEK_MS = 7 * 86_400_000


def week_ago(services: Services) -> int:
    """Seven days before now, epoch milliseconds."""
    return int(services.clock.now().timestamp() * 1000) - _WEEK_MS


@router.get("/groups")
def groups(request: Request, person: SignedIn) -> Response:
    """All visible groups."""
    services = services_of(request)
    db = services.database.read()
    rows = chats.groups(db, person.viewer, since=week_ago(services))
    answer: Response = request.app.state.pages.page("groups.html", person, here="groups", rows=rows)
    return answer


@router.get("/groups/{chat_id}")
def group(request: Request, person: SignedIn, chat_id: str) -> Response:
    """One group and its members."""
    services = services_of(request)
    db = services.database.read()
    row = chats.group(db, person.viewer, chat_id, since=week_ago(services))
    if row is None:
        raise Missing
    teller = Teller(services, db, person.viewer)
    members = [
        {
            "row": each,
            "name": teller.name(each["member"])
            if each["visible"]
            else each["staff_name"] or each["nickname"] or "群成员",
        }
        for each in chats.members(db, person.viewer, chat_id)
    ]
    answer: Response = request.app.state.pages.page(
        "group.html", person, here="groups", row=row, members=members
    )
    return answer
