"""The refusal page of a customer: no login, one button, and it shows nothing about anybody."""

from __future__ import annotations

import hashlib

from fastapi import APIRouter, Request
from fastapi.responses import Response

from bot.actions import Refuse
from bot.model import ExternalUserId
from bot.store import people
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


def _page(request: Request, customer: str | None, step: str) -> Response:
    services = services_of(request)
    message = services.rules.messages["out_page"]
    values = {"branch": _branch(services, customer)}
    parts = services.rules.renderer.render_parts(message, values)
    answer: Response = request.app.state.pages.bare(
        "out.html", code=404 if step == "broken" else 200, parts=parts, step=step
    )
    return answer


def _branch(services: Services, customer: str | None) -> str:
    row = people.customer(services.database.read(), customer) if customer else None
    return row["branch"] if row is not None and row["branch"] else "支行"
