"""Calls that speak to customers: welcome messages and mass sends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.sandbox.api import Call, answers, page
from bot.sandbox.calls_contacts import visible
from bot.sandbox.calls_groups import check_media
from bot.sandbox.contract import ApiError
from bot.sandbox.records import Fields, MassSend, Recipient
from bot.sandbox.world import World

LIST_SPAN = timedelta(days=31)


@answers("send_welcome_msg")
def send_welcome_msg(world: World, call: Call) -> None:
    """Greet a new customer: once, within 20 seconds of the event, before anybody talked."""
    text, attachments = _content(world, call.args)
    code = world.welcome_codes.get(call.args["welcome_code"])
    if code is None:
        raise ApiError(41050, "invalid welcome code")
    key = (code.userid, code.external_userid)
    pair = world.friendships.get(key)
    if code.used or key in world.welcomed or (pair is not None and pair.talked_at is not None):
        raise ApiError(41051, "welcome already sent or chat started")
    if code.expires <= world.monotonic():
        raise ApiError(41050, "welcome code expired")
    code.used = True
    world.welcomed.add(key)
    world.deliver(
        "welcome",
        code.userid,
        text=text,
        attachments=attachments,
        external_userid=code.external_userid,
    )


def _content(world: World, args: Fields) -> tuple[str, list[Fields]]:
    text = str((args.get("text") or {}).get("content", ""))
    attachments: list[Fields] = args.get("attachments") or []
    if not text and not attachments:
        raise ApiError(40063, "text and attachments are both empty")
    for item in attachments:
        check_media(world, item[item["msgtype"]])
    return text, attachments


@answers("add_msg_template")
def add_msg_template(world: World, call: Call) -> Fields:
    """Ask members to send; nothing reaches anybody before they tap."""
    args = call.args
    text, attachments = _content(world, args)
    sender = args.get("sender", "")
    if sender:
        visible(world, sender)
    if args.get("chat_type", "single") == "group":
        mass, failed = _group_task(world, args, sender, text, attachments)
    else:
        mass, failed = _single_task(world, args, sender, text, attachments)
    return {"fail_list": failed, "msgid": mass.msgid}


def _group_task(
    world: World, args: Fields, sender: str, text: str, attachments: list[Fields]
) -> tuple[MassSend, list[str]]:
    if not sender:
        raise ApiError(40058, "sender is required for chat_type group")
    if args.get("external_userid") or args.get("allow_select"):
        raise ApiError(40058, "external_userid and allow_select are for chat_type single")
    chats = args.get("chat_id_list") or None
    plan, failed = world.plan_group(chats, sender)
    if not plan:
        raise ApiError(41048, "no group can be reached", {"fail_list": failed})
    mass = world.create_mass(
        "group", plan, text, attachments, sender=sender, open_choice=chats is None
    )
    return mass, failed


def _single_task(
    world: World, args: Fields, sender: str, text: str, attachments: list[Fields]
) -> tuple[MassSend, list[str]]:
    customers = args.get("external_userid") or None
    entries = ((args.get("tag_filter") or {}).get("group_list")) or []
    if args.get("chat_id_list"):
        raise ApiError(40058, "chat_id_list is for chat_type group")
    if not sender and customers is None and not entries:
        raise ApiError(40058, "sender, external_userid and tag_filter are all empty")
    tags = [entry.get("tag_list") or [] for entry in entries]
    plan, failed = world.plan_single(customers, sender, tags)
    if not plan:
        raise ApiError(41048, "no customer can be reached", {"fail_list": failed})
    mass = world.create_mass(
        "single",
        plan,
        text,
        attachments,
        sender=sender,
        allow_select=args.get("allow_select", False),
    )
    return mass, failed


def _task(world: World, call: Call) -> MassSend:
    """The task, once it is dispatched."""
    mass = world.masses.get(call.args["msgid"])
    if mass is None:
        raise ApiError(40058, "invalid msgid")
    if _dispatching(world, mass):
        raise ApiError(41063, "task still dispatching")
    return mass


def _dispatching(world: World, mass: MassSend) -> bool:
    return world.monotonic() - mass.born < world.settings.dispatch_seconds


@answers("get_groupmsg_list_v2")
def get_groupmsg_list_v2(world: World, call: Call) -> Fields:
    """Tasks created in a span of at most a month, at most 100 a page."""
    args = call.args
    if args["end_time"] - args["start_time"] > LIST_SPAN.total_seconds():
        raise ApiError(40058, "time span over one month")
    wanted = args.get("filter_type", 2)
    found = [
        mass
        for mass in world.masses.values()
        if mass.chat_type == args["chat_type"]
        and args["start_time"] <= int(mass.created_at.timestamp()) <= args["end_time"]
        and wanted in (2, int(mass.by_hand))
        and args.get("creator", "") in ("", mass.sender if mass.by_hand else "")
    ]
    if any(_dispatching(world, mass) for mass in found):
        raise ApiError(41063, "task still dispatching")
    rows, following = page(found, args, 50, 100)
    return {"next_cursor": following, "group_msg_list": [_listed(mass) for mass in rows]}


def _listed(mass: MassSend) -> Fields:
    found: Fields = {
        "msgid": mass.msgid,
        "create_time": str(int(mass.created_at.timestamp())),
        "create_type": int(mass.by_hand),
        "text": {"content": mass.text},
        "attachments": mass.attachments,
    }
    return found | ({"creator": mass.sender} if mass.by_hand else {})


@answers("get_groupmsg_task")
def get_groupmsg_task(world: World, call: Call) -> Fields:
    """Who was asked: status 0 not sent, 2 sent."""
    rows, following = page(list(_task(world, call).tasks.values()), call.args, 500)
    return {
        "next_cursor": following,
        "task_list": [
            {"userid": task.userid, "status": 2 if task.sent else 0}
            | ({"send_time": task.send_time} if task.sent else {})
            for task in rows
        ],
    }


@answers("get_groupmsg_send_result")
def get_groupmsg_send_result(world: World, call: Call) -> Fields:
    """One member's recipients and what became of each; groups only once they were sent to."""
    mass = _task(world, call)
    task = mass.tasks.get(call.args["userid"])
    if task is None:
        raise ApiError(40003, "this member has no part in the task")
    group = mass.chat_type == "group"
    shown = [one for one in task.recipients.values() if one.status or not group]
    rows, following = page(shown, call.args, 500)
    return {
        "next_cursor": following,
        "send_list": [_result(one, task.userid, group=group) for one in rows],
    }


def _result(one: Recipient, userid: str, *, group: bool) -> Fields:
    found: dict[str, Any] = {"chat_id" if group else "external_userid": one.id}
    found |= {"userid": userid, "status": one.status}
    return found | ({"send_time": one.send_time} if one.status == 1 else {})


@answers("remind_groupmsg_send")
def remind_groupmsg_send(world: World, call: Call) -> None:
    """Remind the members who have not sent; three times in 24 hours."""
    mass = _task(world, call)
    if mass.cancelled:
        raise ApiError(41093, "task cancelled")
    if not world.remind_mass(mass):
        raise ApiError(41094, "over the reminder limit")


@answers("cancel_groupmsg_send")
def cancel_groupmsg_send(world: World, call: Call) -> None:
    """Stop the members who have not sent yet."""
    mass = _task(world, call)
    if mass.cancelled:
        raise ApiError(41093, "task cancelled")
    world.cancel_mass(mass)
