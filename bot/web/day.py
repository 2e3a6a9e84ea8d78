"""An employee's day on the phone: each thing to do with the taps that settle it.

No login: the link is signed for one employee and one day. Every form carries a token that only
the page behind the link knows.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from bot.clock import today
from bot.rulebook import POSTLOAN
from bot.store import agenda, cases, journal, people, sight
from bot.store.db import Db
from bot.store.sight import Viewer
from bot.web.auth import Forged, services_of
from bot.web.brief import brief
from bot.web.corrections import LATER, OUTCOMES, close_case
from bot.web.services import Services
from scheduler.morning import MOST, Matter

router = APIRouter(include_in_schema=False)
ACTS: Mapping[str, tuple[str, ...]] = {
    "case": tuple(each for each in OUTCOMES if each != "not_needed"),
    "task": (),
    "maturity": ("contacted", "no_answer"),
    "promise": ("contacted", "no_answer"),
    "birthday": ("greeted",),
    "postloan": ("checked",),
    "group": ("seen",),
}
"""What one tap may say about a matter, by its kind."""
_NEXT_CHECK = timedelta(days=90)
_LATEST_CHECK = timedelta(days=750)


@router.get("/day/{token}")
def show(request: Request, token: str, said: str = "") -> Response:
    """What is left to do, the most urgent first, and what is done."""
    opened = _open(request, token)
    if opened is None:
        return _page(request, "day_gone.html", 404)
    services, db, viewer = opened
    everything = services.desk.agenda.everything(db, viewer)
    day = today(services.clock)
    done = agenda.settled(db, viewer.userid, day, [each.key for each in everything])
    left = [each for each in everything if each.key not in done]
    row = people.staff(db, viewer.userid)
    return _page(
        request,
        "day.html",
        token=token,
        form_token=services.desk.days.form_token(token),
        name=row["name"] if row is not None and row["name"] else viewer.userid,
        today=day.isoformat(),
        first=left[:MOST],
        rest=left[MOST:],
        done=[(each, done[each.key]) for each in everything if each.key in done],
        acts=ACTS,
        visible=_visible(db, viewer, left),
        next_check=(day + _NEXT_CHECK).isoformat(),
        said=said if said in {"date", "gone"} else "",
    )


@router.get("/day/{token}/customer/{external_userid}")
def customer(request: Request, token: str, external_userid: str) -> Response:
    """A customer in brief, as far as the employee may see them."""
    opened = _open(request, token)
    found = brief(*opened, external_userid) if opened else None
    if found is None:
        return _page(request, "day_gone.html", 404)
    return _page(request, "day_customer.html", token=token, **found)


@router.post("/day/{token}")
def act(
    request: Request,
    token: str,
    matter: Annotated[str, Form(max_length=200)],
    outcome: Annotated[str, Form(max_length=20)],
    form: Annotated[str, Form(max_length=64)] = "",
    note: Annotated[str, Form(max_length=500)] = "",
    next_on: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Do what the button says; pressing twice is the same as once."""
    opened = _open(request, token)
    if opened is None:
        return _page(request, "day_gone.html", 404)
    services, db, viewer = opened
    if not hmac.compare_digest(form.encode(), services.desk.days.form_token(token).encode()):
        raise Forged
    waiting = services.desk.agenda.matters(db, viewer)
    found = next((each for each in waiting if each.key == matter), None)
    if found is None or outcome not in ACTS[found.kind]:
        return RedirectResponse(f"/day/{token}?said=gone", 303)
    if found.kind == "postloan":
        if not _is_next_check(services, next_on):
            return RedirectResponse(f"/day/{token}?said=date", 303)
        for case in cases.open_of(db, found.customer, POSTLOAN):
            close_case(services, viewer, case, "contacted", "")
        _checked(services, viewer, found, date.fromisoformat(next_on))
    elif found.kind == "case":
        close_case(services, viewer, int(found.key.partition(":")[2]), outcome, note.strip())
        if outcome == LATER:
            services.database.write(lambda db: _off_for_today(services, db, viewer, found))
    else:
        services.database.write(lambda db: _keep(services, db, viewer, found, outcome))
    return RedirectResponse(f"/day/{token}", 303)


def _open(request: Request, token: str) -> tuple[Services, Db, Viewer] | None:
    """The employee behind a link; None when it is not ours, too old, or they left."""
    services = services_of(request)
    userid = services.desk.days.opens(token)
    db = services.database.read()
    viewer = sight.viewer(db, userid) if userid else None
    return (services, db, viewer) if viewer else None


def _visible(db: Db, viewer: Viewer, matters: list[Matter]) -> set[str]:
    customers = {each.customer for each in matters if each.customer}
    return {each for each in customers if sight.may_see(db, viewer, each)}


def _off_for_today(services: Services, db: Db, viewer: Viewer, matter: Matter) -> None:
    now = int(services.clock.now().timestamp() * 1000)
    agenda.keep_contact(
        db, viewer.userid, matter.customer, matter.key, LATER, today(services.clock), now
    )


def _keep(services: Services, db: Db, viewer: Viewer, matter: Matter, outcome: str) -> None:
    now = int(services.clock.now().timestamp() * 1000)
    day = today(services.clock)
    agenda.keep_contact(db, viewer.userid, matter.customer, matter.key, outcome, day, now)
    if matter.customer:
        journal.note(
            db,
            "contact_kept",
            now,
            customer=matter.customer,
            userid=viewer.userid,
            matter=matter.kind,
            outcome=outcome,
        )


def _is_next_check(services: Services, written: str) -> bool:
    try:
        day = date.fromisoformat(written)
    except ValueError:
        return False
    return today(services.clock) < day <= today(services.clock) + _LATEST_CHECK


def _checked(services: Services, viewer: Viewer, matter: Matter, next_on: date) -> None:
    now = int(services.clock.now().timestamp() * 1000)

    def change(db: Db) -> None:
        _keep(services, db, viewer, matter, "checked")
        agenda.move_check(db, matter.customer, next_on)
        subject = f"customer:{matter.customer}"
        journal.audit(db, viewer.userid, "postloan_checked", subject, now, next=next_on.isoformat())

    services.database.write(change)


def _page(request: Request, template: str, code: int = 200, **values: Any) -> Response:
    answer: Response = request.app.state.pages.bare(template, code=code, **values)
    answer.headers["cache-control"] = "no-store"
    return answer
