"""The play page: everybody's phones and the sandbox's switches, in one static page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from bot.sandbox.app import Sandbox

_FOLDER = Path(__file__).parent
_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/switches.js": ("switches.js", "text/javascript"),
}


class Storyteller(Protocol):
    """What the page's pause button needs of a story."""

    def pause(self) -> None:
        """Nobody says anything until ``resume``."""

    def resume(self) -> None:
        """Go on."""

    @property
    def paused(self) -> bool:
        """Whether it waits."""


def build_page(sandbox: Sandbox) -> list[Route]:
    """The routes of the page; ``/sandbox/api/story`` answers when ``sandbox.story`` is set."""

    async def story(request: Request) -> Response:
        told: Storyteller | None = getattr(sandbox, "story", None)
        if told is None:
            return JSONResponse({"error": "这个演练场没有剧情"}, 404)
        if request.method == "POST":
            if (await request.json()).get("paused"):
                told.pause()
            else:
                told.resume()
        return JSONResponse({"paused": told.paused})

    files = [_file(path, *file) for path, file in _FILES.items()]
    return [*files, Route("/sandbox/api/story", story, methods=["GET", "POST"])]


def _file(path: str, name: str, media_type: str) -> Route:
    async def serve(_request: Request) -> Response:
        content = (_FOLDER / name).read_bytes()
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return Route(path, serve)
