"""The site: pages for people, the JSON interface, metrics; everything but the callback door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException as StarletteHTTPException

from bot.errors import Retry
from bot.web import api, auth, day, docs, event, out, sidebar
from bot.web.auth import Forged, NotSignedIn, Sessions
from bot.web.calling import BROKEN, PROBLEMS, Problem, invalid, problem_answer
from bot.web.console import (
    activities,
    alliance,
    board,
    cases,
    customers,
    facts,
    groups,
    home,
    merging,
    praise,
    pushes,
    referrals,
    reports,
    rights,
    rules,
    switches,
    texts,
    versions,
)
from bot.web.console.stream import Watch
from bot.web.pages import STATIC, Missing, Pages
from bot.web.services import Services

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MOST_BODY = 1 << 20
# Nothing from elsewhere is loaded, nobody frames us, and no address of ours (it may carry a
# token) is told to another site.
_CSP = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    b" connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _CSP),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


def build_site(services: Services) -> FastAPI:
    """The application, ready to serve."""
    site = FastAPI(
        title="群管 Qunguan",
        version="1",
        description=docs.ABOUT,
        docs_url=None,
        redoc_url=None,
    )
    site.state.services = services
    site.state.sessions = Sessions(services.vault)
    site.state.pages = Pages(services)
    site.state.watch = Watch(services)
    for module in (
        home,
        board,
        praise,
        customers,
        merging,
        facts,
        cases,
        pushes,
        switches,
        texts,
        versions,
        groups,
        activities,
        alliance,
        referrals,
        reports,
        rights,
        rules,
        auth,
        out,
        event,
        day,
        sidebar,
        docs,
    ):
        site.include_router(module.router)
    site.include_router(api.router)
    site.mount("/static", StaticFiles(directory=STATIC), name="static")
    site.add_api_route("/metrics", _metrics, include_in_schema=False)
    site.add_middleware(Shield)
    _answer_errors(site)
    return site


def _metrics(request: Request) -> PlainTextResponse:
    services: Services = request.app.state.services
    return PlainTextResponse(services.metrics(), media_type="text/plain; version=0.0.4")


class Shield:
    """Security headers on every answer, and an end to bodies over 1 MiB."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MOST_BODY:
                raise HTTPException(413)
            return message

        async def shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", []))
                named = {name for name, _ in own}
                # The sidebar brings a policy of its own: two of them would both hold.
                message["headers"] = own + [each for each in _HEADERS if each[0] not in named]
            await send(message)

        await self._app(scope, limited, shielded)


# -- errors


def _answer_errors(site: FastAPI) -> None:
    site.add_exception_handler(Problem, _problem)
    site.add_exception_handler(RequestValidationError, _invalid)
    site.add_exception_handler(StarletteHTTPException, _http)
    site.add_exception_handler(NotSignedIn, _not_signed_in)
    site.add_exception_handler(Forged, lambda request, _error: _trouble(request, 403, "forged"))
    site.add_exception_handler(Missing, lambda request, _error: _trouble(request, 404, "missing"))
    site.add_exception_handler(Retry, lambda request, _error: _trouble(request, 503, "busy"))
    # A number that no store holds, as an address may carry it, names nothing.
    site.add_exception_handler(
        OverflowError, lambda request, _error: _trouble(request, 404, "missing")
    )
    site.add_exception_handler(Exception, lambda request, _error: _trouble(request, 500, "broken"))


def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_answer(error)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if not _for_machines(request):
        if any(each["loc"][0] == "body" for each in error.errors()):
            return _trouble(request, 422, "unfilled")
        return _trouble(request, 404, "missing")
    return problem_answer(invalid(error.errors()))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    return _trouble(request, error.status_code, _PAGES.get(error.status_code, "missing"))


_PAGES = {404: "missing", 405: "missing", 409: "not_given", 413: "too_large"}


def _not_signed_in(request: Request, error: Exception) -> Response:
    assert isinstance(error, NotSignedIn)
    if request.url.path.startswith("/events/"):
        return PlainTextResponse("", 401)
    return RedirectResponse(f"/login?back={quote(error.back)}", 303)


def _trouble(request: Request, status: int, what: str) -> Response:
    """An error as JSON for programs, as a page that says what to do for people."""
    if _for_machines(request):
        return problem_answer(PROBLEMS.get(status, BROKEN))
    pages: Pages = request.app.state.pages
    return pages.bare("trouble.html", code=status, what=what)


def _for_machines(request: Request) -> bool:
    return request.url.path.startswith(("/api/", "/openapi.json"))
