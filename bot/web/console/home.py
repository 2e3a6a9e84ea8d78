"""动态: what happens, why, and today in numbers; 今日: what the viewer should do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from bot.store import feed
from bot.web.auth import Person, SignedIn, services_of
from bot.web.console.facts import waiting_facts
from bot.web.console.stream import Feed, Watch
from bot.web.console.telling import FAMILIES
from bot.web.pages import Pages

router = APIRouter(include_in_schema=False)
Family = Annotated[str, Query(alias="kind", max_length=20)]


@router.get("/")
def home(request: Request, person: SignedIn, family: Family = "") -> Response:
    """The live page; it continues by itself from the last line that it shows."""
    pages: Pages = request.app.state.pages
    stream = _feed(request, person, family)
    last = feed.last_id(services_of(request).database.read())
    rows = stream.older(last + 1)
    return pages.page(
        "home.html",
        person,
        here="home",
        lines=stream.lines(rows),
        figures=stream.figures(),
        family=family,
        families=list(FAMILIES),
        after=last,
        before=rows[-1]["id"] if len(rows) == 60 else None,
    )


@router.get("/events/older")
def older(request: Request, person: SignedIn, before: int, family: Family = "") -> Response:
    """The lines before an id, as a piece of the page."""
    pages: Pages = request.app.state.pages
    stream = _feed(request, person, family)
    rows = stream.older(before)
    html = pages.text(
        "_older.html",
        lines=stream.lines(rows),
        family=family,
        before=rows[-1]["id"] if len(rows) == 60 else None,
    )
    return HTMLResponse(html)


@router.get("/events/stream")
async def stream(
    request: Request,
    person: SignedIn,
    after: Annotated[int, Query(ge=0)] = 0,
    family: Family = "",
    last_event_id: Annotated[str, Header()] = "",
) -> StreamingResponse:
    """Server-sent events from a line on; a browser that reconnects tells the last one it has."""
    watch: Watch = request.app.state.watch
    begin = int(last_event_id) if last_event_id.isdecimal() else after
    return StreamingResponse(
        _feed(request, person, family).events(watch, begin),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


@router.get("/todo")
def todo(request: Request, person: SignedIn) -> Response:
    """Ten things worth doing today, as the app tells them in WeCom."""
    services, pages = services_of(request), request.app.state.pages
    db = services.database.read()
    items = services.desk.todo(db, person.viewer)
    waiting = len(waiting_facts(services, db, person))
    answer: Response = pages.page("todo.html", person, here="todo", items=items, waiting=waiting)
    return answer


def _feed(request: Request, person: Person, family: str) -> Feed:
    return Feed(services_of(request), request.app.state.pages, person.viewer, family)
