"""Calls about login, tickets, addresses and media."""

from __future__ import annotations

from datetime import timedelta

from bot.sandbox.api import Call, Reply, Upload, answers
from bot.sandbox.contract import ApiError
from bot.sandbox.records import Fields, Media
from bot.sandbox.world import World

MEDIA_LIFE = timedelta(days=3)
_TICKET_SECONDS = 7200
# Least is 5 bytes for each (document/path/90253); the error table still says 5 MB for images.
_MOST = {
    "image": 10 * 2**20,
    "voice": 2 * 2**20,
    "video": 10 * 2**20,
    "file": 20 * 2**20,
    "uploadimg": 2 * 2**20,
}
_LEAST = 5
_PICTURE = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")


@answers("getcallbackip")
def getcallbackip(_world: World, _call: Call) -> Fields:
    """Where callbacks come from: this machine."""
    return {"ip_list": ["127.0.0.*"]}


@answers("get_api_domain_ip")
def get_api_domain_ip(_world: World, _call: Call) -> Fields:
    """Where the API lives: this machine."""
    return {"ip_list": ["127.0.0.1"]}


@answers("auth_getuserinfo")
def auth_getuserinfo(world: World, call: Call) -> Fields:
    """Who logged in; a code works once, for five minutes."""
    found = world.login_codes.get(call.args["code"])
    if found is None:
        raise ApiError(40029, "invalid code")
    userid, expires, used = found
    if used:
        raise ApiError(42022, "code used")
    if expires <= world.monotonic():
        raise ApiError(42003, "code expired")
    world.login_codes[call.args["code"]] = (userid, expires, True)
    return {"userid": userid} if userid in world.staff else {"openid": "o" + userid}


@answers("get_jsapi_ticket")
def get_jsapi_ticket(world: World, _call: Call) -> Fields:
    """The corp's ticket."""
    return {"ticket": f"corp-ticket-{world.settings.seed}", "expires_in": _TICKET_SECONDS}


@answers("get_agent_ticket")
def get_agent_ticket(world: World, call: Call) -> Fields:
    """The app's ticket."""
    if call.args["type"] != "agent_config":
        raise ApiError(40005, "type must be agent_config")
    return {"ticket": f"agent-ticket-{world.settings.agent_id}", "expires_in": _TICKET_SECONDS}


@answers("media_upload")
def media_upload(world: World, call: Call) -> Fields:
    """Keep a file for three days."""
    kind = call.args["type"]
    media = _keep(world, call, kind, kind, lives=True)
    created = str(world.seconds())
    return {"type": kind, "media_id": media.media_id, "created_at": created}


@answers("media_upload_attachment")
def media_upload_attachment(world: World, call: Call) -> Fields:
    """Keep a file for moments or the album; not interchangeable with ``media/upload``."""
    kind = call.args["media_type"]
    media = _keep(world, call, kind, "attachment", lives=True)
    return {"type": kind, "media_id": media.media_id, "created_at": world.seconds()}


@answers("media_uploadimg")
def media_uploadimg(world: World, call: Call) -> Fields:
    """Keep a picture for good and give its address."""
    media = _keep(world, call, "uploadimg", "uploadimg", lives=False)
    return {"url": f"http://p.qpic.cn/pic_wework/{media.media_id}/0"}


def _keep(world: World, call: Call, kind: str, stored: str, *, lives: bool) -> Media:
    upload = call.upload or Upload("", "", b"")
    size = len(upload.content)
    if size < _LEAST:
        raise ApiError(44001 if size == 0 else 40006, "file missing or under 5 bytes")
    if size > _MOST[kind]:
        raise ApiError(40009 if kind == "uploadimg" else 45001, "file too big")
    if kind in ("image", "uploadimg") and not upload.content.startswith(_PICTURE):
        raise ApiError(40123, "not a picture")
    until = world.now() + MEDIA_LIFE if lives else None
    media = Media(world.new_id("3", 60), stored, upload.filename, upload.content, until)
    world.media[media.media_id] = media
    world.record("media_uploaded", media_id=media.media_id, media_kind=stored, size=size)
    return media


@answers("media_get")
def media_get(world: World, call: Call) -> Reply:
    """The bytes of an uploaded file."""
    media = world.media.get(call.args["media_id"])
    if media is None or media.until is None or media.until < world.now():
        raise ApiError(40007, "invalid media_id")
    name = f'attachment; filename="{media.filename}"'
    return Reply(
        content=media.content,
        content_type="application/octet-stream",
        headers={"Content-Disposition": name},
    )
