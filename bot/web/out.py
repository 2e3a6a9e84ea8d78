"""The refusal page of a customer: no login, one button, and it shows nothing about anybody."""

from __future__ import annotations

import hashlib

from fastapi import APIRouter, Request
from fastapi.responses import Response

from bot.actions import Refuse
from bot.model import ExternalUserId
from bot.store import consents, journal, people
from bot.store.db import Db
from bot.web.auth import services_of
from bot.web.services import Services

router = APIRouter(include_in_schema=False)


@router.get("/out/{token}")
def ask(request: Request, token: str) -> Response:
    """Ask once, plainly."""
    customer = services_of(request).out_links.customer(token)
    return _page(request, customer, "ask" if customer else "broken")


@router.post("/out/{token}")
def refuse(request: Request, token: str) -> Response:
    """Stop at once; pressing twice is the same as once."""
    services = services_of(request)
    customer = services.out_links.customer(token)
    if customer is None:
        return _page(request, None, "broken")
    row = people.customer(services.database.read(), customer)
    if row is None or not row["refused"]:
        proof = hashlib.sha256(token.encode()).hexdigest()
        services.act(Refuse(ExternalUserId(customer), "marketing", "out_page", proof))
    return _page(request, customer, "done")


@router.post("/out/{token}/personal")
def switch_off(request: Request, token: str) -> Response:
    """Choose nothing for this customer by what is known of them any more; at once."""
    services = services_of(request)
    customer = services.out_links.customer(token)
    if customer is None:
        return _page(request, None, "broken")
    now = int(services.clock.now().timestamp() * 1000)
    proof = hashlib.sha256(f"{token}/personal".encode()).hexdigest()

    def change(db: Db) -> None:
        if people.customer(db, customer) is not None and not consents.is_impersonal(db, customer):
            consents.record_consent(
                db, customer, "profiling", granted=False, channel="out_page", proof=proof, at=now
            )
            journal.audit(db, "out_page", "personal_off", customer, now)

    services.database.write(change)
    return _page(request, customer, "plain")


def _page(request: Request, customer: str | None, step: str) -> Response:
    services = services_of(request)
    message = services.rules.messages["out_page"]
    values = {"branch": _branch(services, customer)}
    parts = services.rules.renderer.render_parts(message, values)
    answer: Response = request.app.state.pages.bare(
        "out.html",
        code=404 if step == "broken" else 200,
        parts=parts,
        step=step,
        path=request.url.path,
    )
    return answer


def _branch(services: Services, customer: str | None) -> str:
    row = people.customer(services.database.read(), customer) if customer else None
    return row["branch"] if row is not None and row["branch"] else "支行"
