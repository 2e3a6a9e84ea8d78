"""停发开关: the gate's first rule, for a branch, a campaign or the whole bank."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from bot.model import Role
from bot.store import journal, pushes
from bot.store.db import Db, Row
from bot.store.sight import Viewer
from bot.web.auth import Sender, services_of

router = APIRouter(include_in_schema=False)
BANK = "bank"
_CAMPAIGN = "campaign:"
_EVERYWHERE = frozenset({Role.CITY, Role.COMPLIANCE, Role.ADMIN})


def scopes_of(who: Viewer) -> tuple[str, ...]:
    """What somebody may switch: a head their branch, the city and compliance the bank."""
    if who.role in _EVERYWHERE:
        return (BANK,)
    return (f"branch:{who.branch}",) if who.role is Role.HEAD and who.branch else ()


def campaign_scope(name: str) -> str:
    """The switch of one campaign."""
    return f"{_CAMPAIGN}{name}"


def may_switch(who: Viewer, scope: str) -> bool:
    """Whether somebody may switch a scope; a campaign goes to all branches, as the bank does."""
    return scope in scopes_of(who) or (who.role in _EVERYWHERE and scope.startswith(_CAMPAIGN))


def engaged(db: Db, who: Viewer) -> list[Row]:
    """The switches that keep somebody's customers from getting anything."""
    return pushes.engaged_switches(db, who.branch if who.role not in _EVERYWHERE else None)


@router.post("/pushes/switch")
def switch(
    request: Request,
    person: Sender,
    scope: Annotated[str, Form(max_length=80)],
    on: Annotated[bool, Form()],
    reason: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Stop sending or let it go on; effective at the next look of the gate."""
    if not may_switch(person.viewer, scope):
        raise HTTPException(403)
    services = services_of(request)
    now = int(services.clock.now().timestamp() * 1000)
    by, words = person.viewer.userid, " ".join(reason.split())

    def change(db: Db) -> None:
        before = pushes.kill_switch(db, scope)
        pushes.switch(db, scope, engaged=on, by=by, reason=words, now=now)
        after = pushes.kill_switch(db, scope)
        kind = "sending_stopped" if on else "sending_resumed"
        journal.note(db, kind, now, userid=by, scope=scope)
        journal.audit(db, by, kind, scope, now, before=before, after=after, reason=words)

    services.database.write(change)
    campaign = scope.removeprefix(_CAMPAIGN)
    return RedirectResponse("/pushes" if campaign == scope else f"/campaigns/{campaign}", 303)
