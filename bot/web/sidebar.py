"""聊天侧边栏: what an employee should know about the customer or the group of the open chat.

The ids come from the browser, so that every piece asks again whether the employee may see them.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated, Any
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import JSONResponse, Response

from bot.actions import Refuse
from bot.errors import Invalid, QunguanError
from bot.model import ExternalUserId
from bot.store import alliance, chats, events, journal, lists, views
from bot.store.db import Db, Row
from bot.store.events import MOST_PARTY, Wish
from bot.web.auth import Person, Sender, SignedIn, services_of
from bot.web.brief import brief
from bot.web.console.cases import BUTTONS
from bot.web.console.groups import week_ago
from bot.web.console.telling import Teller
from bot.web.corrections import close_case, correct_fact, fact_for, note_act
from bot.web.pages import Missing
from bot.web.services import PUBLIC_WECOM, Services

log = structlog.get_logger()
router = APIRouter(include_in_schema=False)
_SCRIPT = "/open/js/jweixin-1.2.0.js"
_NEW = 8


def _script_host(services: Services) -> str:
    """Where WeCom's script comes from: its own host, or that of a private edition."""
    public = services.wecom_base_url == PUBLIC_WECOM
    return "https://res.wx.qq.com" if public else services.wecom_base_url


def _policy(services: Services) -> str:
    """This page alone may load one script from elsewhere, WeCom's own."""
    host = _script_host(services)
    asks = "" if services.wecom_base_url == PUBLIC_WECOM else f" {host}"
    return (
        f"default-src 'none'; script-src 'self' {host}{_SCRIPT}; style-src 'self';"
        f" img-src 'self' data:; connect-src 'self'{asks}; form-action 'self'; base-uri 'none';"
        " frame-ancestors 'none'"
    )


@router.get("/sidebar")
def sidebar(request: Request, person: SignedIn) -> Response:
    """The frame; its script asks WeCom which chat is open."""
    services = services_of(request)
    script = _script_host(services) + _SCRIPT
    answer: Response = request.app.state.pages.page("sidebar.html", person, script=script)
    answer.headers["content-security-policy"] = _policy(services)
    return answer


@router.get("/sidebar/config")
def config(
    request: Request, _person: SignedIn, url: Annotated[str, Query(max_length=500)]
) -> Response:
    """What ``wx.agentConfig`` wants for a page of ours (90506); 404 for any other page."""
    services = services_of(request)
    page, ours = urlsplit(url.partition("#")[0]), urlsplit(services.login_links.public_url)
    if (page.scheme, page.netloc, page.path) != (ours.scheme, ours.netloc, "/sidebar"):
        raise Missing
    try:
        ticket = services.wecom.get_agent_ticket()
    except QunguanError as trouble:
        log.warning("no ticket for the sidebar", reason=type(trouble).__name__)
        return JSONResponse({"error": "ticket"}, 503)
    nonce, now = secrets.token_hex(8), int(services.clock.now().timestamp())
    return JSONResponse(
        {
            "corpid": services.corp_id,
            "agentid": str(services.agent_id),
            "timestamp": str(now),
            "nonceStr": nonce,
            "signature": signature(ticket, nonce, str(now), url.partition("#")[0]),
        },
        headers={"cache-control": "no-store"},
    )


def signature(ticket: str, nonce: str, timestamp: str, url: str) -> str:
    """SHA-1 over these four in this order, as 90506 wants it."""
    text = f"jsapi_ticket={ticket}&noncestr={nonce}&timestamp={timestamp}&url={url}"
    return hashlib.sha1(text.encode()).hexdigest()  # noqa: S324  # the platform's choice


# -- a customer


@router.get("/sidebar/customer/{external_userid}")
def customer(request: Request, person: SignedIn, external_userid: str) -> Response:
    """The piece about one customer."""
    return _customer(request, person, external_userid)


@router.post("/sidebar/customer/{external_userid}")
def act(
    request: Request,
    person: Sender,
    external_userid: str,
    do: Annotated[str, Form(max_length=20)],
    ref: Annotated[int, Form(ge=0)] = 0,
    say: Annotated[str, Form(max_length=20)] = "",
    party: Annotated[int, Form(ge=1, le=MOST_PARTY)] = 1,
) -> Response:
    """Do what a button says, and show the customer again."""
    services = services_of(request)
    db = services.database.read()
    row = views.customer(db, person.viewer, external_userid)
    if row is None:
        raise Missing
    said = ""
    if do == "fact":
        _decide(services, db, person, external_userid, ref, say)
    elif do == "case":
        _close(services, db, person, external_userid, ref, say)
    elif do == "refuse" and not row["refused"]:
        proof = f"staff:{person.viewer.userid}"
        services.act(Refuse(ExternalUserId(external_userid), "marketing", "staff_button", proof))
        note_act(services, person.viewer.userid, "register_refusal", external_userid)
    elif do == "benefit":
        _settle_benefit(services, person, external_userid, ref, say)
    elif do == "sign_up":
        said = _sign_up(services, db, person, row, ref, party)
    return _customer(request, person, external_userid, said)


def _customer(request: Request, person: Person, external_userid: str, said: str = "") -> Response:
    services = services_of(request)
    db = services.database.read()
    found = brief(services, db, person.viewer, external_userid)
    if found is None:
        return _piece(request, person, "sidebar_none.html", what="customer")
    now = int(services.clock.now().timestamp() * 1000)
    mine = events.signups_of(db, external_userid, now)
    taken = {each["id"] for each in mine}
    coming = events.open_for(db, found["row"]["branch"], now)
    return _piece(
        request,
        person,
        "sidebar_customer.html",
        **found,
        buttons=BUTTONS,
        mine=mine,
        benefits=alliance.of_customer(db, external_userid),
        coming=[each for each in coming if each["id"] not in taken],
        most=MOST_PARTY,
        said=said,
    )


def _decide(
    services: Services, db: Db, person: Person, customer: str, fact_id: int, status: str
) -> None:
    row = fact_for(db, person.viewer, fact_id)
    if row is None or row["external_userid"] != customer or status not in {"confirmed", "rejected"}:
        raise Missing
    correct_fact(services, person.viewer, fact_id, status)


def _close(
    services: Services, db: Db, person: Person, customer: str, case_id: int, outcome: str
) -> None:
    row = lists.case(db, person.viewer, case_id)
    if row is None or row["external_userid"] != customer:
        raise Missing
    try:
        close_case(services, person.viewer, case_id, outcome, "")
    except Invalid:
        raise Missing from None


def _settle_benefit(
    services: Services, person: Person, customer: str, benefit_id: int, say: str
) -> None:
    now = int(services.clock.now().timestamp() * 1000)

    def change(db: Db) -> None:
        row = alliance.benefit(db, benefit_id)
        if row is None or row["external_userid"] != customer or say not in {"used", "undo"}:
            raise Missing
        settle = alliance.use if say == "used" else alliance.undo_use
        settle(db, benefit_id, person.viewer.userid, now)

    services.database.write(change)


def _sign_up(
    services: Services, db: Db, person: Person, row: Row, event_id: int, party: int
) -> str:
    """Seats for the customer: going, waiting, full or closed."""
    now = int(services.clock.now().timestamp() * 1000)
    customer = row["external_userid"]
    if event_id not in {each["id"] for each in events.open_for(db, row["branch"], now)}:
        return "closed"

    def change(db: Db) -> str:
        outcome = events.sign_up(db, event_id, Wish(customer, party, "staff"), now)
        journal.note(db, "signed_up", now, customer=customer, ref=event_id, outcome=outcome)
        actor = person.viewer.userid
        journal.audit(db, actor, "sign_up", f"event:{event_id}", now, outcome=outcome)
        return outcome

    return services.database.write(change)


# -- a group


@router.get("/sidebar/group/{chat_id}")
def group(request: Request, person: SignedIn, chat_id: str) -> Response:
    """The piece about one group."""
    services = services_of(request)
    db = services.database.read()
    since = week_ago(services)
    row = chats.group(db, person.viewer, chat_id, since=since)
    if row is None:
        return _piece(request, person, "sidebar_none.html", what="group")
    teller = Teller(services, db, person.viewer)
    members = chats.members(db, person.viewer, chat_id)
    fresh = [each for each in members if each["visible"] and (each["joined_at"] or 0) >= since]
    return _piece(
        request,
        person,
        "sidebar_group.html",
        row=row,
        questions=_questions(services, db, teller, person, chat_id),
        fresh=[teller.name(each["member"]) for each in fresh[:_NEW]],
        more=len(fresh) - _NEW,
    )


def _questions(
    services: Services, db: Db, teller: Teller, person: Person, chat_id: str
) -> list[dict[str, Any]]:
    """Open cases that began in the group, questions without an answer among them."""
    rows = lists.pressing_cases(db, person.viewer, {"status": "open"})
    return [
        {
            "row": row,
            "customer": teller.name(row["external_userid"]),
            "matter": teller.matter(row),
            "parts": {}
            if teller.keeps_secret(row)
            else services.desk.card_parts(db, row, person.viewer.userid),
        }
        for row in rows
        if row["chat_id"] == chat_id
    ]


def _piece(request: Request, person: Person, template: str, **values: Any) -> Response:
    answer: Response = request.app.state.pages.page(template, person, **values)
    return answer
