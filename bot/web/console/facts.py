"""Facts in a person's hands: confirmed, rejected, put right, and added where no rule read them."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from bot.clock import today
from bot.errors import Invalid
from bot.facts import SENSITIVE_KEYS, FactType
from bot.store import lists, talk, views
from bot.store.db import Db, Row
from bot.store.sight import may_see_sensitive
from bot.web.adding import ADDABLE, add_fact, message_for, mine
from bot.web.auth import Person, Sender, SignedIn, services_of
from bot.web.console import values
from bot.web.console.telling import Teller
from bot.web.corrections import correct_fact, fact_for
from bot.web.pages import Missing
from bot.web.services import Services
from bot.web.wording import shown_quote

router = APIRouter(include_in_schema=False)
_DECISIONS = ("confirmed", "rejected")
_PAGE = 30
_END = 1 << 62
_Names = Annotated[list[str] | None, Form(max_length=20)]
_Words = Annotated[str, Form(max_length=2000)]


@router.get("/facts")
def waiting(request: Request, person: SignedIn) -> Response:
    """待核实: what was read and waits for a person, newest first."""
    services = services_of(request)
    entries = waiting_facts(services, services.database.read(), person)
    answer: Response = request.app.state.pages.page(
        "facts.html", person, here="todo", entries=entries
    )
    return answer


def waiting_facts(services: Services, db: Db, person: Person) -> list[dict[str, Any]]:
    """The facts that wait for somebody, as far as they may see them."""
    teller = Teller(services, db, person.viewer)
    found = []
    for row in lists.waiting_facts(db, person.viewer, today(services.clock).isoformat()):
        told = teller.fact(row)
        if told is not None and not told["hidden"]:
            where = {"customer": teller.name(row["external_userid"])}
            found.append({"row": row, **told, **where, "place": teller.place(row["msgid"])})
    return found


@router.get("/facts/{fact_id}")
def fact(request: Request, person: SignedIn, fact_id: int) -> Response:
    """One fact with the fields of its value, to be put right."""
    return _fact_page(request, person, fact_id, {}, "")


@router.post("/facts/{fact_id}")
def decide(
    request: Request,
    person: Sender,
    fact_id: int,
    status: Annotated[str, Form(max_length=20)] = "",
    name: _Names = None,
    given: _Names = None,
    back: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """A fact is confirmed, rejected or put right by somebody who may see it."""
    services = services_of(request)
    row = fact_for(services.database.read(), person.viewer, fact_id)
    if row is None or status not in _DECISIONS:
        raise Missing
    names, written = name or [], given or []
    try:
        value = (
            values.given(
                FactType(row["type"]),
                names,
                written,
                services.rules.label,
                json.loads(row["value"]),
            )
            if names
            else None
        )
        found = correct_fact(services, person.viewer, fact_id, status, value)
    except Invalid as wrong:
        return _fact_page(
            request, person, fact_id, dict(zip(names, written, strict=False)), str(wrong)
        )
    if found is None:
        raise Missing
    ledger = f"/customers/{found['external_userid']}#ledger"
    return RedirectResponse("/facts" if back == "/facts" else ledger, 303)


def _fact_page(
    request: Request, person: Person, fact_id: int, written: dict[str, str], trouble: str
) -> Response:
    services = services_of(request)
    db = services.database.read()
    row = fact_for(db, person.viewer, fact_id)
    if row is None:
        raise Missing
    teller = Teller(services, db, person.viewer)
    sensitive = teller.sees_sensitive(row["external_userid"])
    kind = FactType(row["type"])
    answer: Response = request.app.state.pages.page(
        "fact.html",
        person,
        here="customers",
        code=422 if trouble else 200,
        row=row,
        name=teller.name(row["external_userid"]),
        fact=teller.fact(row),
        fields=values.fields(
            kind,
            json.loads(row["value"]) | written,
            services.rules.label,
            () if sensitive else SENSITIVE_KEYS,
        ),
        trouble=trouble,
    )
    return answer


# -- what no rule read


@router.get("/customers/{external_userid}/talk")
def said(
    request: Request,
    person: SignedIn,
    external_userid: str,
    before: Annotated[int, Query(ge=1, le=_END)] = _END,
) -> Response:
    """What a customer said lately, for those who may add what the rules missed."""
    services = services_of(request)
    db = services.database.read()
    who = person.viewer
    if views.customer(db, who, external_userid) is None:
        raise Missing
    if not may_see_sensitive(db, who, external_userid):
        raise Missing
    rows = talk.said_lately(db, external_userid, mine(who), before, _PAGE + 1)
    teller = Teller(services, db, who)
    answer: Response = request.app.state.pages.page(
        "talk.html",
        person,
        here="customers",
        customer=external_userid,
        name=teller.name(external_userid),
        lines=[
            {"row": row, "text": _text(request, row), "place": teller.place(row["msgid"])}
            for row in rows[:_PAGE]
        ],
        older=rows[_PAGE - 1]["sent_at"] if len(rows) > _PAGE else None,
    )
    return answer


@router.get("/talk/{msgid:path}")
def message(
    request: Request,
    person: SignedIn,
    msgid: str,
    kind: Annotated[str, Query(alias="type", max_length=40)] = "",
) -> Response:
    """One message and the form that adds a fact to it."""
    return _message_page(request, person, msgid, kind, {}, "", "")


@router.post("/talk/{msgid:path}")
def add(
    request: Request,
    person: Sender,
    msgid: str,
    kind: Annotated[str, Form(alias="type", max_length=40)] = "",
    name: _Names = None,
    given: _Names = None,
    evidence: _Words = "",
) -> Response:
    """Add what a person found in a message that no reader found."""
    services = services_of(request)
    names, written = name or [], given or []
    if kind not in ADDABLE:
        raise Missing
    try:
        value = values.given(FactType(kind), names, written, services.rules.label)
        customer = add_fact(services, person.viewer, msgid, FactType(kind), value, evidence)
    except Invalid as wrong:
        fields = dict(zip(names, written, strict=False))
        return _message_page(request, person, msgid, kind, fields, evidence, str(wrong))
    if customer is None:
        raise Missing
    return RedirectResponse(f"/customers/{quote(customer)}#ledger", 303)


def _message_page(
    request: Request,
    person: Person,
    msgid: str,
    kind: str,
    written: dict[str, Any],
    evidence: str,
    trouble: str,
) -> Response:
    services = services_of(request)
    db = services.database.read()
    row = message_for(db, person.viewer, msgid)
    if row is None:
        raise Missing
    teller = Teller(services, db, person.viewer)
    text = _text(request, row)
    chosen = FactType(kind) if kind in ADDABLE else None
    answer: Response = request.app.state.pages.page(
        "add.html",
        person,
        here="customers",
        code=422 if trouble else 200,
        row=row,
        customer=row["sender"],
        name=teller.name(row["sender"]),
        place=teller.place(msgid),
        text=text,
        evidence=evidence or text,
        types=[each.value for each in ADDABLE],
        chosen=chosen.value if chosen else "",
        fields=values.fields(chosen, written, services.rules.label) if chosen else [],
        trouble=trouble,
    )
    return answer


def _text(request: Request, row: Row) -> str:
    words = services_of(request).vault.open_text(row["text_sealed"])
    return shown_quote(words, sensitive=True)
