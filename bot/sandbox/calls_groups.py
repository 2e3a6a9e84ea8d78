"""Calls about customer groups, their welcome material, consent and the archive's members."""

from __future__ import annotations

from typing import Any

from bot.sandbox.api import Call, answers, page
from bot.sandbox.contract import ApiError
from bot.sandbox.records import Fields, Group, Member
from bot.sandbox.world import World

TEMPLATES = 100
_KINDS = ("image", "link", "miniprogram", "file", "video")


@answers("groupchat_list")
def groupchat_list(world: World, call: Call) -> Fields:
    """Groups by owner and status (1: the owner left), at most 1,000 a page."""
    owners = (call.args.get("owner_filter") or {}).get("userid_list")
    wanted = call.args.get("status_filter", 0)
    if not owners and len(world.staff) > 1000:
        raise ApiError(81017, "owner_filter needed")
    rows = [
        {"chat_id": group.chat_id, "status": _status(world, group)}
        for group in world.groups.values()
        if not group.dismissed and (not owners or group.owner in owners)
    ]
    rows = [row for row in rows if wanted in (0, row["status"])]
    shown, following = page(rows, call.args, 1000)
    return {"group_chat_list": shown} | ({"next_cursor": following} if following else {})


def _status(world: World, group: Group) -> int:
    return 0 if group.owner in world.staff else 1


@answers("groupchat_get")
def groupchat_get(world: World, call: Call) -> Fields:
    """One group with its members, names only when asked for; may lag a change."""
    chat_id = call.args["chat_id"]
    group = world.groups.get(chat_id)
    if group is None or group.dismissed:
        raise ApiError(86003 if chat_id.startswith("wr") else 90501, "invalid chat_id")
    if world.monotonic() >= group.fresh_at or chat_id not in world.group_views:
        named = call.args.get("need_name", 0) == 1
        world.group_views[chat_id] = _view(world, group, named=named)
    return {"group_chat": world.group_views[chat_id]}


def _view(world: World, group: Group, *, named: bool) -> Fields:
    return {
        "chat_id": group.chat_id,
        "name": group.name,
        "owner": group.owner,
        "create_time": group.create_time,
        "notice": group.notice,
        "member_list": [_member(world, m, named=named) for m in group.members.values()],
        "admin_list": [{"userid": one} for one in group.admins],
        "member_version": group.member_version,
    }


def _member(world: World, member: Member, *, named: bool) -> Fields:
    customer = world.customers.get(member.userid)
    found: Fields = {
        "userid": member.userid,
        "type": 2 if customer else 1,
        "join_time": member.join_time,
        "join_scene": member.join_scene,
        "group_nickname": member.group_nickname,
    }
    if member.invitor in world.staff:
        found["invitor"] = {"userid": member.invitor}
    if member.state:
        found["state"] = member.state
    return found | ({"name": world.name_of(member.userid)} if named else {})


@answers("group_welcome_template_add")
def group_welcome_template_add(world: World, call: Call) -> Fields:
    """Keep welcome material; a group owner has to apply it in the client."""
    if len(world.group_templates) >= TEMPLATES:
        raise ApiError(41055, "too many templates")
    template_id = world.new_id("msg", 24)
    world.group_templates[template_id] = _material(world, call.args)
    world.record("group_welcome_added", template_id=template_id)
    return {"template_id": template_id}


@answers("group_welcome_template_edit")
def group_welcome_template_edit(world: World, call: Call) -> None:
    """Replace welcome material."""
    template_id = _own(world, call)
    world.group_templates[template_id] = _material(world, call.args)
    world.record("group_welcome_edited", template_id=template_id)


@answers("group_welcome_template_get")
def group_welcome_template_get(world: World, call: Call) -> Fields:
    """Read welcome material."""
    return world.group_templates[_own(world, call)]


@answers("group_welcome_template_del")
def group_welcome_template_del(world: World, call: Call) -> None:
    """Delete welcome material; groups that use it stop greeting."""
    template_id = _own(world, call)
    del world.group_templates[template_id]
    world.record("group_welcome_deleted", template_id=template_id)


def _own(world: World, call: Call) -> str:
    template_id = str(call.args["template_id"])
    if template_id not in world.group_templates:
        raise ApiError(41058, "no such template of this app")
    return template_id


def _material(world: World, args: Fields) -> Fields:
    """Text and one attachment: the first of image, link, miniprogram, file, video wins."""
    text = args.get("text") or {}
    kind = next((one for one in _KINDS if args.get(one)), "")
    if not text.get("content") and not kind:
        raise ApiError(40063, "text and attachment are both empty")
    check_media(world, args.get(kind) or {})
    return ({"text": text} if text else {}) | ({kind: args[kind]} if kind else {})


def check_media(world: World, body: dict[str, Any]) -> None:
    """Refuse (40007) a media id that is unknown or older than three days."""
    for key in ("media_id", "pic_media_id", "thumb_media_id"):
        given = body.get(key)
        if given:
            media = world.media.get(str(given))
            if media is None or (media.until is not None and media.until < world.now()):
                raise ApiError(40007, "invalid media_id")


@answers("check_single_agree")
def check_single_agree(world: World, call: Call) -> Fields:
    """What customers answered about archiving their talk with a member."""
    rows = [_answer(world, one["userid"], one["exteranalopenid"]) for one in call.args["info"]]
    asked = [one["userid"] for one in call.args["info"]]
    return {
        "agreeinfo": [
            row | {"userid": userid} for userid, row in zip(asked, rows, strict=True) if row
        ]
    }


@answers("check_room_agree")
def check_room_agree(world: World, call: Call) -> Fields:
    """What every external member of a group answered."""
    group = world.groups.get(call.args["roomid"])
    if group is None:
        raise ApiError(86003, "invalid roomid")
    customers = [person for person in group.members if person in world.customers]
    rows = [_answer(world, group.chat_id, customer) for customer in customers]
    return {"agreeinfo": [row for row in rows if row]}


def _answer(world: World, conversation: str, customer: str) -> Fields:
    answer = world.consents.get((conversation, customer))
    if answer is None:
        status = world.settings.unanswered_consent
        stamp = 0
    else:
        status = "Agree" if answer[0] else "Disagree"
        stamp = int(answer[1].timestamp())
    if status is None:
        return {}
    return {"status_change_time": stamp, "exteranalopenid": customer, "agree_status": status}


@answers("get_permit_user_list")
def get_permit_user_list(world: World, _call: Call) -> Fields:
    """Members whose conversations are archived."""
    return {"ids": [one.userid for one in world.staff.values() if one.archived]}


@answers("msgaudit_groupchat_get")
def msgaudit_groupchat_get(_world: World, _call: Call) -> Fields:
    """Internal groups only, and the sandbox has none."""
    raise ApiError(301059, "not an internal group")
