"""老带新: who brought a customer, written down and undone by an employee."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from bot.errors import Invalid
from bot.store import journal, referrals, views
from bot.store.db import Db
from bot.store.sight import Viewer, may_see, visible_to
from bot.web.auth import Person, Sender, SignedIn, services_of
from bot.web.console.telling import Teller
from bot.web.pages import Missing

router = APIRouter(include_in_schema=False)
_SHOWN = 10
_Who = Annotated[str, Form(max_length=64)]


def referral_of(db: Db, who: Viewer, teller: Teller, customer: str) -> dict[str, Any]:
    """Who brought a customer and whom they brought, as far as the viewer may know them."""

    def told(external_userid: str) -> dict[str, str]:
        if may_see(db, who, external_userid):
            return {"id": external_userid, "name": teller.name(external_userid)}
        return {"id": "", "name": "其他同事的客户"}

    own, brought = referrals.of_customer(db, customer)
    return {
        "row": own,
        "by": told(own["referrer"]) if own is not None else None,
        "kept_by": teller.staff(own["by"]) if own is not None else "",
        "brought": [told(row["referred"]) for row in brought],
        "code": referrals.kept_code(db, customer),
    }


@router.get("/customers/{external_userid}/referrer")
def choose(
    request: Request,
    person: SignedIn,
    external_userid: str,
    q: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """Customers of the viewer who may have brought this one, by name, remark or phone."""
    return _page(request, person, external_userid, q.strip())


def _page(
    request: Request, person: Person, external_userid: str, q: str, flaw: str = ""
) -> Response:
    services = services_of(request)
    db, who = services.database.read(), person.viewer
    if views.customer(db, who, external_userid) is None:
        raise Missing
    teller = Teller(services, db, who)
    answer: Response = request.app.state.pages.page(
        "referrer.html",
        person,
        here="customers",
        code=422 if flaw else 200,
        customer=external_userid,
        name=teller.name(external_userid),
        q=q,
        flaw=flaw,
        found=[
            {"row": row, "name": teller.name(row["external_userid"])}
            for row in _meant(request, who, q)
            if row["external_userid"] != external_userid
        ],
    )
    return answer


def _meant(request: Request, who: Viewer, q: str) -> list[Any]:
    services = services_of(request)
    db = services.database.read()
    direct = views.customer(db, who, q) if q else None
    if direct is not None or not q:
        return [direct] if direct is not None else []
    wanted = views.Wanted(q, services.vault.phone_hash(q))
    return views.recent_customers(db, who, visible_to(who), wanted, 0)[:_SHOWN]


@router.post("/customers/{external_userid}/referrer")
def keep(request: Request, person: Sender, external_userid: str, referrer: _Who) -> Response:
    """Write down who brought a customer."""
    services = services_of(request)
    now = int(services.clock.now().timestamp() * 1000)
    who, by = person.viewer, person.viewer.userid

    def change(db: Db) -> None:
        if not may_see(db, who, external_userid) or not may_see(db, who, referrer):
            raise Missing
        if referrals.record(db, external_userid, referrer, source="staff", by=by, now=now):
            journal.note(db, "referral_kept", now, customer=external_userid, userid=by)
            subject = f"customer:{external_userid}"
            journal.audit(db, by, "referral_kept", subject, now, referrer=referrer)

    try:
        services.database.write(change)
    except Invalid as wrong:
        return _page(request, person, external_userid, referrer, str(wrong))
    return RedirectResponse(f"/customers/{external_userid}", 303)


@router.post("/customers/{external_userid}/referrer/undo")
def undo(request: Request, person: Sender, external_userid: str) -> Response:
    """They were not brought by anybody after all."""
    services = services_of(request)
    now, by = int(services.clock.now().timestamp() * 1000), person.viewer.userid

    def change(db: Db) -> None:
        if not may_see(db, person.viewer, external_userid):
            raise Missing
        if referrals.undo(db, external_userid):
            journal.audit(db, by, "referral_undone", f"customer:{external_userid}", now)

    services.database.write(change)
    return RedirectResponse(f"/customers/{external_userid}", 303)


@router.post("/customers/{external_userid}/referral-code")
def make_code(request: Request, person: Sender, external_userid: str) -> Response:
    """A state for a contact way of this customer's own."""
    services = services_of(request)

    def change(db: Db) -> None:
        if not may_see(db, person.viewer, external_userid):
            raise Missing
        referrals.code_of(db, external_userid)

    services.database.write(change)
    return RedirectResponse(f"/customers/{external_userid}", 303)
