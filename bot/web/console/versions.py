"""One version of a campaign: what it says, who decided, what can be done about it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from bot.approving.drafting import QUESTIONS
from bot.clock import today, written_day
from bot.errors import Invalid
from bot.permits import read_version
from bot.store import approvals, views
from bot.store.db import Db, Row
from bot.store.sight import visible_to
from bot.web.auth import Person, Sender, SignedIn, services_of
from bot.web.console.telling import Teller
from bot.web.console.texts import Answers, need_leader
from bot.web.pages import Missing
from bot.web.services import Services

router = APIRouter(include_in_schema=False)
_SHOWN = 5
"""Customers previewed at once."""
_MOST = 200
"""Entries of a dry run shown at once; the figures count all."""
_PLAIN = frozenset({"submit", "withdraw", "activate"})
_REASONED = frozenset({"reject", "revoke", "pause", "retire"})


@router.get("/campaigns/{name}/{number}")
def version(
    request: Request,
    person: SignedIn,
    name: str,
    number: int,
    q: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """One version: the text, what changed, who decided, what can be done; previews for ``q``."""
    services = services_of(request)
    need_leader(services, person)
    row = _row(services, name, number)
    return _version_page(request, person, row, q=q.strip())


def _row(services: Services, name: str, number: int) -> Row:
    row = approvals.numbered(services.database.read(), name, number)
    if row is None:
        raise Missing
    return row


def _version_page(
    request: Request,
    person: Person,
    row: Row,
    *,
    trouble: str = "",
    q: str = "",
    given: Mapping[str, str] | None = None,
) -> Response:
    services = services_of(request)
    db = services.database.read()
    teller = Teller(services, db, person.viewer)
    standing = services.approving.standing(db, row)
    answer: Response = request.app.state.pages.page(
        "campaign_version.html",
        person,
        here="campaigns",
        code=409 if trouble else 200,
        row=row,
        standing=standing,
        trouble=trouble,
        author=teller.staff(row["author"]),
        submitter=teller.staff(row["submitter"]),
        lines=str(row["source"]).rstrip("\n").split("\n"),
        changes=_changes(services, db, row),
        duties=_duties(services, db, standing, teller),
        decisions=[
            {"row": each, "actor": teller.staff(each["actor"])}
            for each in approvals.decisions(db, row["id"])
        ],
        tried=approvals.last_dry_run(db, row["id"]),
        day_iso=today(services.clock).isoformat(),
        questions=QUESTIONS,
        given=given,
        may=_may(services, db, person, row),
        q=q,
        previews=_previews(services, db, person, standing.campaign, q, teller) if q else [],
    )
    return answer


def _changes(services: Services, db: Db, row: Row) -> list[tuple[str, str]]:
    """The difference to the version before, or to the shipped file, as (sign, line)."""
    older = [e for e in approvals.versions(db, row["name"]) if e["version"] < row["version"]]
    if older:
        before = str(older[0]["source"])
    elif row["name"] in services.rules.campaigns:
        file = services.templates_dir / "campaigns" / f"{row['name']}.md"
        before = file.read_text(encoding="utf-8")
    else:
        return []
    told = difflib.ndiff(before.splitlines(), str(row["source"]).splitlines())
    return [(line[0], line[2:]) for line in told if line[0] != "?"]


def _duties(services: Services, db: Db, standing: Any, teller: Teller) -> list[dict[str, Any]]:
    """Each duty that is asked for, and who has fulfilled it."""
    if standing.required is None:
        return []
    given = {each["duty"]: each for each in approvals.decisions(db, standing.row["id"])}
    return [
        {
            "duty": duty,
            "done": duty not in standing.open,
            "by": teller.staff(given[duty]["actor"]) if duty in given else "",
            "roles": sorted(services.rules.approvals.holders[duty]),
        }
        for duty in sorted(standing.required.duties)
    ]


def _may(services: Services, db: Db, person: Person, row: Row) -> dict[str, Any]:
    """What the viewer can do about a version now; the acts ask again."""
    acts, status = services.approving, row["status"]
    author, used = acts.may_author(person.viewer), status in {"approved", "active", "paused"}
    why_not = acts.why_not(db, row, person.viewer) if status == "in_review" else ""
    return {
        "draft": author and status == "draft",
        "withdraw": author and status == "in_review",
        "decide": status == "in_review" and not why_not,
        "why_not": why_not if acts.may_approve(person.viewer) else "",
        "activate": author and status in {"approved", "paused"},
        "pause": author and status == "active",
        "retire": author and used,
        "revoke": used and acts.may_approve(person.viewer),
        "again": author and status != "in_review",
    }


def _previews(
    services: Services, db: Db, person: Person, campaign: Any, q: str, teller: Teller
) -> list[dict[str, Any]]:
    """The words for a few customers whom the viewer may see."""
    if campaign is None:
        return []
    wanted = views.Wanted(q, services.vault.phone_hash(q))
    rows = views.recent_customers(db, person.viewer, visible_to(person.viewer), wanted, 0)
    found = []
    for row in rows[:_SHOWN]:
        name = teller.name(row["external_userid"])
        try:
            shown = services.preview(campaign, row["external_userid"])
        except Invalid as missing:
            shown = {"text": "", "decision": "drop", "rules": ["K1"], "trouble": str(missing)}
        found.append({"name": name, "trouble": "", **shown, "why": _why(services, shown)})
    return found


def _why(services: Services, entry: dict[str, Any]) -> list[str]:
    return [services.rules.label("rule", rule) for rule in entry["rules"]]


# -- acts


@router.post("/campaigns/{name}/{number}/try")
def try_out(
    request: Request,
    person: Sender,
    name: str,
    number: int,
    on: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Make a dry run of a day and show it."""
    services = services_of(request)
    need_leader(services, person)
    row = _row(services, name, number)
    day = _day(services, on)
    try:
        services.approving.try_out(person.viewer, row["id"], day)
    except Invalid as wrong:
        return _version_page(request, person, row, trouble=str(wrong))
    return RedirectResponse(f"/campaigns/{name}/{number}/trial?on={day.isoformat()}", 303)


@router.get("/campaigns/{name}/{number}/trial")
def trial(
    request: Request,
    person: SignedIn,
    name: str,
    number: int,
    on: Annotated[str, Query(max_length=10)] = "",
) -> Response:
    """Whom a day would reach and whom not; nothing is changed or recorded by looking."""
    services = services_of(request)
    need_leader(services, person)
    row, day = _row(services, name, number), _day(services, on)
    db = services.database.read()
    standing = services.approving.standing(db, row)
    if standing.campaign is None:
        raise Missing
    entries = services.approving.trial.run(standing.campaign, day)
    everyone = [each["external_userid"] for each in entries]
    seen = views.visible_of(db, visible_to(person.viewer), everyone)
    shown = [each for each in entries if each["external_userid"] in seen]
    teller = Teller(services, db, person.viewer)
    answer: Response = request.app.state.pages.page(
        "campaign_trial.html",
        person,
        here="campaigns",
        row=row,
        on=day.isoformat(),
        counts={
            each: sum(entry["decision"] == each for entry in entries)
            for each in ("send", "hold", "drop")
        },
        entries=[
            {
                **each,
                "name": teller.name(each["external_userid"]),
                "by": teller.staff(each["sender"]),
                "why": _why(services, each),
            }
            for each in shown[:_MOST]
        ],
        hidden=len(entries) - len(shown),
        more=max(0, len(shown) - _MOST),
    )
    return answer


@router.post("/campaigns/{name}/{number}/assess")
def assess(request: Request, person: Sender, name: str, number: int, answers: Answers) -> Response:
    """Record an impact assessment of a version."""
    services = services_of(request)
    need_leader(services, person)
    row = _row(services, name, number)
    try:
        services.approving.assess(person.viewer, read_version(row), answers)
    except Invalid as wrong:
        return _version_page(request, person, row, trouble=str(wrong), given=answers)
    return RedirectResponse(f"/campaigns/{name}/{number}", 303)


@router.post("/campaigns/{name}/{number}/{act}")
def act(
    request: Request,
    person: Sender,
    name: str,
    number: int,
    act: str,
    note: Annotated[str, Form(max_length=500)] = "",
    words: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Submit, decide, start or stop; what is refused is told on the page."""
    services = services_of(request)
    need_leader(services, person)
    row = _row(services, name, number)
    acts, who, version_id = services.approving, person.viewer, row["id"]
    try:
        if act in _PLAIN:
            getattr(acts, act)(who, version_id)
        elif act in _REASONED:
            getattr(acts, act)(who, version_id, note)
        elif act == "approve":
            acts.approve(who, version_id, note, words or ())
        elif act == "again":
            row = acts.again(who, version_id)
        else:
            raise Missing
    except Invalid as wrong:
        return _version_page(request, person, row, trouble=str(wrong))
    back = "/approvals" if act in {"approve", "reject"} else f"/campaigns/{name}/{row['version']}"
    return RedirectResponse(back, 303)


def _day(services: Services, written: str) -> date:
    return written_day(written) or today(services.clock)
