"""Who is at the screen: sign-in by link or WeCom, the session cookie, the token of forms."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote, urlencode

import structlog
from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response

from bot.errors import QunguanError, Refused
from bot.model import Role
from bot.store import people, sight
from bot.store.db import Db
from bot.store.sight import Viewer
from bot.vault import Vault
from bot.web.pages import Pages
from bot.web.services import PUBLIC_WECOM, Services

log = structlog.get_logger()
COOKIE, STATE_COOKIE = "qunguan", "qunguan_state"
HOURS = 12
_ADMIN = "admin"
_STATE_SECONDS = 600


class NotSignedIn(Exception):
    """Nobody is signed in; ``back`` is where they wanted to go."""

    def __init__(self, back: str) -> None:
        super().__init__(back)
        self.back = back


class Forged(Exception):
    """A form came without the token that its page carries."""


@dataclass(frozen=True)
class Sessions:
    """Signed cookies that run out by the real clock: ``userid.until.nonce.signature``."""

    vault: Vault
    seconds: Callable[[], float] = time.time

    def open(self, userid: str) -> str:
        """A new session."""
        until = int(self.seconds()) + HOURS * 3600
        text = f"{userid}.{until}.{secrets.token_hex(8)}"
        return f"{text}.{self.vault.sign(f'session:{text}')}"

    def userid(self, cookie: str) -> str | None:
        """Whose session it is; None when it is not ours or has run out."""
        text, _, signature = cookie.rpartition(".")
        # Userids may contain dots: the last two parts are the time and the nonce.
        parts = text.rsplit(".", 2)
        if len(parts) != 3 or not parts[1].isdecimal():
            return None
        if not self.vault.signed(f"session:{text}", signature):
            return None
        return parts[0] if self.seconds() < int(parts[1]) else None

    def form_token(self, cookie: str) -> str:
        """What every form of this session carries."""
        return self.vault.sign(f"form:{cookie}")


@dataclass(frozen=True)
class Person:
    """Who is signed in.

    Attributes:
        form_token: Every form that they send must carry it.
    """

    viewer: Viewer
    name: str
    form_token: str


def viewer_of(db: Db, userid: str) -> Viewer | None:
    """The employee behind a session; ``admin`` may look before any employee is known."""
    found = sight.viewer(db, userid)
    if found is None and userid == _ADMIN and people.staff(db, userid) is None:
        return Viewer(_ADMIN, Role.ADMIN)
    return found


def services_of(request: Request) -> Services:
    """What the pages were handed."""
    services: Services = request.app.state.services
    return services


def signed_in(request: Request) -> Person:
    """The person at the screen.

    Raises:
        NotSignedIn: No session, or one of somebody who does not work here any more.
    """
    services = services_of(request)
    sessions: Sessions = request.app.state.sessions
    cookie = request.cookies.get(COOKIE, "")
    userid = sessions.userid(cookie)
    db = services.database.read()
    viewer = viewer_of(db, userid) if userid else None
    if viewer is None:
        query = f"?{request.url.query}" if request.url.query else ""
        raise NotSignedIn(request.url.path + query if request.method == "GET" else "/")
    row = people.staff(db, viewer.userid)
    name = row["name"] if row is not None and row["name"] else viewer.userid
    return Person(viewer, name, sessions.form_token(cookie))


SignedIn = Annotated[Person, Depends(signed_in)]


def genuine_form(person: SignedIn, token: Annotated[str, Form()] = "") -> Person:
    """The person who sent a form of ours.

    Raises:
        Forged: The form's token is not the session's.
    """
    if not hmac.compare_digest(token.encode(), person.form_token.encode()):
        raise Forged
    return person


Sender = Annotated[Person, Depends(genuine_form)]


# -- signing in and out

router = APIRouter(include_in_schema=False)


@router.get("/login")
def login(request: Request, token: str = "", back: str = "/") -> Response:
    """Sign in with a link of ours, or say how to get one."""
    services = services_of(request)
    if not token:
        return _login_page(request, back)
    userid = services.login_links.userid(token)
    if userid is None:
        return _login_page(request, back, trouble="stale", status=403)
    return _let_in(request, userid, back)


@router.post("/logout")
def logout(_person: Sender) -> Response:
    """Forget the session in this browser."""
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/login/wecom/start")
def start_wecom(request: Request, back: str = "/") -> Response:
    """Off to WeCom, which knows who holds the phone."""
    services = services_of(request)
    if not offers_wecom(services):
        return _login_page(request, back, trouble="off", status=404)
    state = secrets.token_hex(16)
    answer = RedirectResponse(_authorize_url(services, state, in_wecom=_in_wecom(request)), 303)
    answer.set_cookie(
        STATE_COOKIE,
        f"{state}{own_path(back)}",
        max_age=_STATE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=_secure(services),
        path="/login",
    )
    return answer


@router.get("/login/wecom")
def finish_wecom(request: Request, code: str = "", state: str = "") -> Response:
    """Back from WeCom with a code that tells the userid, once."""
    kept = request.cookies.get(STATE_COOKIE, "")
    good = len(state) == 32 and hmac.compare_digest(kept[:32].encode(), state.encode())
    back = kept[32:] if good else "/"
    if not good or not code:
        return _login_page(request, back, trouble="again", status=403)
    try:
        found = services_of(request).wecom.auth_getuserinfo(code)
    except Refused:
        return _login_page(request, back, trouble="again", status=403)
    except QunguanError as trouble:
        log.warning("sign-in through WeCom failed", reason=type(trouble).__name__)
        return _login_page(request, back, trouble="unreachable", status=503)
    if found.userid is None:
        return _login_page(request, back, trouble="outsider", status=403)
    answer = _let_in(request, found.userid, back)
    answer.delete_cookie(STATE_COOKIE, path="/login")
    return answer


def _let_in(request: Request, userid: str, back: str) -> Response:
    services = services_of(request)
    if viewer_of(services.database.read(), userid) is None:
        return _login_page(request, back, trouble="unknown", status=403)
    sessions: Sessions = request.app.state.sessions
    answer = RedirectResponse(own_path(back), 303)
    answer.set_cookie(
        COOKIE,
        sessions.open(userid),
        max_age=HOURS * 3600,
        httponly=True,
        samesite="lax",
        secure=_secure(services),
    )
    return answer


def _login_page(request: Request, back: str, *, trouble: str = "", status: int = 200) -> Response:
    services = services_of(request)
    pages: Pages = request.app.state.pages
    offers = offers_wecom(services)
    start = f"/login/wecom/start?back={quote(own_path(back))}"
    if offers and not trouble and _in_wecom(request):
        return RedirectResponse(start, 303)
    return pages.bare("login.html", code=status, trouble=trouble, wecom=start if offers else "")


def own_path(back: str) -> str:
    """A path of this site, whatever was asked for: nobody is led elsewhere."""
    good = back.startswith("/") and not back.startswith(("//", "/\\")) and back.isprintable()
    return back if good and back.isascii() else "/"


def offers_wecom(services: Services) -> bool:
    """Whether WeCom can send people back to us."""
    return bool(services.corp_id and services.agent_id and services.login_links.public_url)


def _in_wecom(request: Request) -> bool:
    return "wxwork" in request.headers.get("user-agent", "").lower()


def _secure(services: Services) -> bool:
    return services.login_links.public_url.startswith("https:")


def _authorize_url(services: Services, state: str, *, in_wecom: bool) -> str:
    """Inside WeCom the quiet way (91022), in another browser a code to scan (98152)."""
    public = services.wecom_base_url == PUBLIC_WECOM
    fields = {
        "appid": services.corp_id,
        "agentid": services.agent_id,
        "redirect_uri": f"{services.login_links.public_url}/login/wecom",
        "state": state,
    }
    if in_wecom:
        host = "https://open.weixin.qq.com" if public else services.wecom_base_url
        query = urlencode({**fields, "response_type": "code", "scope": "snsapi_base"})
        return f"{host}/connect/oauth2/authorize?{query}#wechat_redirect"
    host = "https://login.work.weixin.qq.com" if public else services.wecom_base_url
    return f"{host}/wwlogin/sso/login?{urlencode({**fields, 'login_type': 'CorpApp'})}"
