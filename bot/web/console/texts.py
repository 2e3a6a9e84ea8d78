"""话术: campaigns written, tried, approved, started and stopped on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from bot.approving.drafting import QUESTIONS, line_of
from bot.errors import Invalid
from bot.permits import Permit, permits_of
from bot.store import approvals
from bot.web.auth import Person, Sender, SignedIn, services_of
from bot.web.console import switches
from bot.web.console.telling import Teller
from bot.web.pages import Missing
from bot.web.services import Services

router = APIRouter(include_in_schema=False)
_SOON = 14
"""Days before its end from which an approval is said to run out."""


def need_leader(services: Services, person: Person) -> None:
    """For whoever may neither write nor approve, these pages are not there."""
    acts = services.approving
    if not acts.may_author(person.viewer) and not acts.may_approve(person.viewer):
        raise Missing


def given_answers(
    purpose: Annotated[str, Form(max_length=1000)] = "",
    data: Annotated[str, Form(max_length=1000)] = "",
    need: Annotated[str, Form(max_length=1000)] = "",
    risks: Annotated[str, Form(max_length=1000)] = "",
    safeguards: Annotated[str, Form(max_length=1000)] = "",
) -> dict[str, str]:
    """What a form says about each question of an impact assessment."""
    return dict(zip(QUESTIONS, (purpose, data, need, risks, safeguards), strict=True))


Answers = Annotated[dict[str, str], Depends(given_answers)]


# -- lists


@router.get("/campaigns")
def campaigns(request: Request, person: SignedIn) -> Response:
    """Every campaign: what is in force, and what is on its way."""
    services = services_of(request)
    need_leader(services, person)
    db = services.database.read()
    permits = permits_of(db, services.rules, services.clock.now())
    names = sorted({*permits, *approvals.names(db)})
    answer: Response = request.app.state.pages.page(
        "campaigns.html",
        person,
        here="campaigns",
        entries=[
            {
                "name": name,
                "permit": permits.get(name),
                "soon": _days_left(services, permits.get(name)),
                "newest": next(iter(approvals.versions(db, name)), None),
            }
            for name in names
        ],
        may_write=services.approving.may_author(person.viewer),
        waiting=len(services.approving.waits_for(db, person.viewer)),
    )
    return answer


def _days_left(services: Services, permit: Permit | None) -> int | None:
    """Days until an approval runs out, when they are few."""
    if permit is None or permit.until is None:
        return None
    days = (permit.until - services.clock.now()).days
    return days if 0 <= days <= _SOON else None


@router.get("/approvals")
def waiting(request: Request, person: SignedIn, past: str = "") -> Response:
    """What waits for the viewer; or the decisions that were made."""
    services = services_of(request)
    need_leader(services, person)
    db = services.database.read()
    teller = Teller(services, db, person.viewer)
    mine = services.approving.waits_for(db, person.viewer)
    answer: Response = request.app.state.pages.page(
        "approvals.html",
        person,
        here="campaigns",
        mine=[
            {
                "row": row,
                "author": teller.staff(row["author"]),
                "standing": services.approving.standing(db, row),
            }
            for row in mine
        ],
        others=len(approvals.waiting(db)) - len(mine),
        past=bool(past),
        decisions=[
            {"row": row, "actor": teller.staff(row["actor"])}
            for row in (approvals.recent_decisions(db) if past else [])
        ],
    )
    return answer


@router.get("/campaigns/{name}")
def campaign(request: Request, person: SignedIn, name: str) -> Response:
    """One campaign with all its versions, and its kill switch."""
    need_leader(services_of(request), person)
    return _campaign_page(request, person, name)


def _campaign_page(
    request: Request,
    person: Person,
    name: str,
    trouble: str = "",
    given: Mapping[str, str] | None = None,
) -> Response:
    services = services_of(request)
    db = services.database.read()
    permit = permits_of(db, services.rules, services.clock.now()).get(name)
    versions = approvals.versions(db, name)
    if permit is None and not versions:
        raise Missing
    teller = Teller(services, db, person.viewer)
    scope = switches.campaign_scope(name)
    stopped = [row for row in switches.engaged(db, person.viewer) if row["scope"] == scope]
    answer: Response = request.app.state.pages.page(
        "campaign.html",
        person,
        here="campaigns",
        code=409 if trouble else 200,
        trouble=trouble,
        name=name,
        permit=permit,
        questions=QUESTIONS,
        given=given,
        shipped=name in services.rules.campaigns,
        versions=[{"row": row, "author": teller.staff(row["author"])} for row in versions],
        may_write=services.approving.may_author(person.viewer),
        scope=scope if switches.may_switch(person.viewer, scope) else "",
        stopped=stopped[0] if stopped else None,
    )
    return answer


@router.post("/campaigns/{name}/assess")
def assess(request: Request, person: Sender, name: str, answers: Answers) -> Response:
    """Record an impact assessment of the text in force, such as a shipped one."""
    services = services_of(request)
    need_leader(services, person)
    now = services.clock.now()
    permit = permits_of(services.database.read(), services.rules, now).get(name)
    if permit is None or permit.campaign is None:
        raise Missing
    try:
        services.approving.assess(person.viewer, permit.campaign, answers)
    except Invalid as wrong:
        return _campaign_page(request, person, name, str(wrong), answers)
    return RedirectResponse(f"/campaigns/{name}", 303)


# -- writing


@router.get("/campaigns/{name}/edit")
def edit(
    request: Request, person: SignedIn, name: str, version: Annotated[int, Query(ge=0)] = 0
) -> Response:
    """The text to start from: a version, the one in force, or a shipped one for ``new``."""
    services = services_of(request)
    need_leader(services, person)
    return _edit_page(request, person, name, _start(services, name, version))


def _start(services: Services, name: str, number: int) -> str:
    db = services.database.read()
    row = approvals.numbered(db, name, number)
    if row is None and not number:
        row = next(iter(approvals.versions(db, name)), None)
    if row is not None:
        return str(row["source"])
    file = services.templates_dir / "campaigns" / f"{name}.md"
    if name in services.rules.campaigns:
        return file.read_text(encoding="utf-8")
    if name != "new" or number:
        raise Missing
    sample = services.templates_dir / "campaigns" / f"{next(iter(services.rules.campaigns))}.md"
    return sample.read_text(encoding="utf-8")


def _edit_page(
    request: Request, person: Person, name: str, source: str, wrong: Invalid | None = None
) -> Response:
    line = line_of(wrong) if wrong else 0
    answer: Response = request.app.state.pages.page(
        "campaign_edit.html",
        person,
        here="campaigns",
        code=409 if wrong else 200,
        name=name,
        source=source,
        trouble=str(wrong) if wrong else "",
        wrong_line=line,
        lines=source.replace("\r\n", "\n").strip("\n").split("\n") if line else [],
    )
    return answer


@router.post("/campaigns")
def save(
    request: Request,
    person: Sender,
    source: Annotated[str, Form()] = "",
    name: Annotated[str, Form(max_length=40)] = "new",
) -> Response:
    """Keep the text as the next version; a mistake is shown at its line, and nothing is lost."""
    services = services_of(request)
    need_leader(services, person)
    try:
        row = services.approving.save(person.viewer, source)
    except Invalid as wrong:
        return _edit_page(request, person, name, source, wrong)
    return RedirectResponse(f"/campaigns/{row['name']}/{row['version']}", 303)
