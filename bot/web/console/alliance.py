"""权益: offers of local merchants, who has one, and whether they used it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from bot.clock import today
from bot.importing import TABLES, Header
from bot.importing.conditions import SLUGS
from bot.model import Role
from bot.store import alliance, sight
from bot.store.db import Db, Row
from bot.store.imports import import_rows
from bot.store.library import OFFERS, in_force
from bot.store.sight import Viewer
from bot.web.auth import Person, Sender, SignedIn, services_of
from bot.web.console.telling import Teller
from bot.web.pages import Missing
from bot.web.services import Services

router = APIRouter(include_in_schema=False)
_EVERYWHERE = frozenset({Role.CITY, Role.COMPLIANCE, Role.ADMIN})
_MAKERS = frozenset({Role.HEAD, Role.CITY, Role.ADMIN})
_TITLES = {column.name: column.chinese[0] for column in TABLES["offers"].columns}
_Text = Annotated[str, Form(max_length=60)]


@router.get("/offers")
def offers(request: Request, person: SignedIn) -> Response:
    """The offers that concern the viewer's branch, those in force first."""
    return _list(request, person)


def _list(
    request: Request, person: Person, wrong: str = "", given: dict[str, str] | None = None
) -> Response:
    services, who = services_of(request), person.viewer
    day = today(services.clock)
    rows = [row for row in OFFERS.all(services.database.read()) if _concerns(who, row)]
    rows.sort(key=lambda row: (not in_force(row, day), row["valid_to"], row["code"]))
    answer: Response = request.app.state.pages.page(
        "offers.html",
        person,
        here="offers",
        code=422 if wrong else 200,
        entries=[{"row": row, "state": _state(row, services)} for row in rows],
        titles=_TITLES,
        may_add=who.role in _MAKERS,
        whole=who.role in _EVERYWHERE,
        conditions=SLUGS,
        segments=[each for each in services.rules.segments if not each.people_only],
        flaw=wrong,
        given=dict.fromkeys(_TITLES, "") | (given or {}),
    )
    return answer


@router.post("/offers")
def add(
    request: Request,
    person: Sender,
    code: _Text,
    merchant: _Text,
    kind: _Text,
    benefit: _Text,
    place: _Text,
    condition: _Text,
    stock: _Text,
    valid_to: _Text,
    valid_from: _Text = "",
    branch: _Text = "",
    segment: _Text = "",
) -> Response:
    """One offer from the form: looked at as a row of the bank's file is, K6 included."""
    if person.viewer.role not in _MAKERS:
        raise HTTPException(403)
    given = {
        "code": code,
        "merchant": merchant,
        "kind": kind,
        "benefit": benefit,
        "branch": branch if person.viewer.role in _EVERYWHERE else person.viewer.branch,
        "place": place,
        "segment": segment,
        "condition": condition,
        "stock": stock,
        "valid_from": valid_from,
        "valid_to": valid_to,
    }
    wrong = _take_in(services_of(request), person.viewer, given)
    return _list(request, person, wrong, given) if wrong else RedirectResponse("/offers", 303)


def _take_in(services: Services, who: Viewer, given: dict[str, str]) -> str:
    """What is wrong with an offer, in words; "" when it was kept."""
    old = next(iter(OFFERS.current(services.database.read(), [given["code"]])), None)
    if old is not None and not _concerns(who, old, only_own=True):
        return "这个代码已经给别的网点用了,请换一个"
    row = Header(TABLES["offers"], [_TITLES[name] for name in given]).row(1, list(given.values()))
    report = import_rows(
        services.database,
        services.vault,
        services.clock,
        "offers",
        [row],
        as_of=None,
        actor=who.userid,
        dry_run=False,
        derivation=services.rules.derivation,
    )
    return ";".join(
        f"「{each.column}」{each.problem}" if each.column else each.problem for each in report.bad
    )


@router.get("/offers/{code}")
def offer(request: Request, person: SignedIn, code: str) -> Response:
    """One offer, its versions, and who has it."""
    services = services_of(request)
    db, who = services.database.read(), person.viewer
    row = _visible(db, who, code)
    teller = Teller(services, db, who)
    people: list[dict[str, Any]] = [
        {
            "row": each,
            "name": teller.name(each["external_userid"]) if each["visible"] else "其他同事的客户",
            "used_by": teller.staff(each["used_by"]) if each["used_by"] else "",
        }
        for each in alliance.of_offer(db, who, code)
    ]
    answer: Response = request.app.state.pages.page(
        "offer.html",
        person,
        here="offers",
        row=row,
        state=_state(row, services),
        used=sum(each["row"]["status"] == "used" for each in people),
        people=people,
        versions=OFFERS.history(db, code),
    )
    return answer


@router.post("/benefits/{benefit_id}")
def mark(
    request: Request,
    person: Sender,
    benefit_id: int,
    what: Annotated[str, Form(pattern="^(used|undo)$")],
    back: Annotated[str, Form(max_length=80, pattern=r"^/(offers|customers)/[\w.\-]+$")],
) -> Response:
    """The customer used a benefit, once; or did not after all."""
    services = services_of(request)
    now = int(services.clock.now().timestamp() * 1000)

    def act(db: Db) -> None:
        row, by = alliance.benefit(db, benefit_id), person.viewer.userid
        if row is None or not sight.may_see(db, person.viewer, row["external_userid"]):
            raise Missing
        settle = alliance.use if what == "used" else alliance.undo_use
        settle(db, benefit_id, by, now)

    services.database.write(act)
    return RedirectResponse(back, 303)


@router.post("/customers/{external_userid}/benefits")
def give(
    request: Request,
    person: Sender,
    external_userid: str,
    code: Annotated[str, Form(max_length=64)],
) -> Response:
    """An employee gives one by hand: at an event, at the counter."""
    services = services_of(request)
    day, now = today(services.clock).isoformat(), int(services.clock.now().timestamp() * 1000)

    def act(db: Db) -> None:
        if not sight.may_see(db, person.viewer, external_userid):
            raise Missing
        if not alliance.give(db, external_userid, code, day, person.viewer.userid, now):
            raise HTTPException(409)

    services.database.write(act)
    return RedirectResponse(f"/customers/{external_userid}", 303)


def _state(row: Row, services: Services) -> str:
    day = today(services.clock).isoformat()
    if row["valid_to"] < day:
        return "ended"
    if (row["valid_from"] or day) > day:
        return "coming"
    return "gone" if row["taken"] >= row["stock"] else "open"


def _concerns(who: Viewer, row: Row, *, only_own: bool = False) -> bool:
    """Whether an offer is one of the viewer's branch, or of all where those count."""
    return who.role in _EVERYWHERE or row["branch"] in {who.branch, *([] if only_own else [""])}


def _visible(db: Db, who: Viewer, code: str) -> Row:
    row = next(iter(OFFERS.current(db, [code])), None)
    if row is None or not _concerns(who, row):
        raise Missing
    return row
