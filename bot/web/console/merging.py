"""客户 → 同一个人: one person under several ids, put together and taken apart by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from bot.errors import Invalid
from bot.store import persons, views
from bot.store.db import Db
from bot.store.sight import visible_to
from bot.web.auth import Person, Sender, services_of
from bot.web.console.telling import Teller
from bot.web.pages import Missing
from bot.web.services import Services

router = APIRouter(include_in_schema=False)
Change = Callable[[Db, int], None]
_CHOICES = 5


def same_person(
    services: Services, db: Db, person: Person, external_userid: str, words: str
) -> Mapping[str, Any]:
    """The card of a customer's page: the other ids, and whom ``words`` find to merge with."""
    teller = Teller(services, db, person.viewer)
    others = persons.others_of(db, external_userid)
    seen = views.visible_of(
        db, visible_to(person.viewer), [row["external_userid"] for row in others]
    )
    shown = [row for row in others if row["external_userid"] in seen]
    mine = persons.of(db, external_userid)
    known = {external_userid, *(row["external_userid"] for row in others)}
    return {
        "others": [_entry(db, teller, row["external_userid"]) for row in shown],
        "hidden": len(others) - len(shown),
        "why": mine["why"] if mine else "",
        "by": teller.staff(mine["by"]) if mine else "",
        "at": mine["at"] if mine else 0,
        "words": words,
        "found": _found(services, db, person, teller, words, known) if words else [],
    }


def _found(
    services: Services, db: Db, person: Person, teller: Teller, words: str, known: set[str]
) -> list[dict[str, Any]]:
    wanted = views.Wanted(words, services.vault.phone_hash(words))
    rows = views.recent_customers(db, person.viewer, visible_to(person.viewer), wanted, 0)
    ids = [row["external_userid"] for row in rows if row["external_userid"] not in known]
    return [_entry(db, teller, each) for each in ids[:_CHOICES]]


def _entry(db: Db, teller: Teller, external_userid: str) -> dict[str, Any]:
    friends = db.rows(
        "SELECT userid FROM follow WHERE external_userid = :id AND ended_at IS NULL"
        " ORDER BY since_at, userid",
        id=external_userid,
    )
    return {
        "id": external_userid,
        "name": teller.name(external_userid),
        "staff": [teller.staff(row["userid"]) for row in friends],
    }


@router.post("/customers/{external_userid}/merge")
def merge(
    request: Request, person: Sender, external_userid: str, other: Annotated[str, Form()]
) -> Response:
    """An employee knows that two ids are one person."""

    def change(db: Db, now: int) -> None:
        persons.merge(db, (external_userid, other), persons.HAND, person.viewer.userid, now)

    return _change(request, person, (external_userid, other), change)


@router.post("/customers/{external_userid}/part")
def part(request: Request, person: Sender, external_userid: str) -> Response:
    """This id is somebody else after all."""

    def change(db: Db, now: int) -> None:
        persons.part(db, external_userid, person.viewer.userid, now)

    return _change(request, person, (external_userid,), change)


def _change(request: Request, person: Person, ids: tuple[str, ...], change: Change) -> Response:
    """Do it when the viewer may see everybody whom it is about."""
    services = services_of(request)
    if len(views.visible_of(services.database.read(), visible_to(person.viewer), ids)) < len(ids):
        raise Missing
    now = int(services.clock.now().timestamp() * 1000)
    try:
        services.database.write(lambda db: change(db, now))
    except Invalid as wrong:
        raise Missing from wrong
    return RedirectResponse(f"/customers/{ids[0]}#same", 303)
