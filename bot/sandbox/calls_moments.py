"""Calls about moments: tasks, their making, what members published, and who sees it."""

from __future__ import annotations

from datetime import timedelta

from bot.sandbox.api import Call, answers, page
from bot.sandbox.calls_groups import check_media
from bot.sandbox.contract import ApiError
from bot.sandbox.records import Fields, Moment, MomentJob
from bot.sandbox.world import World

LIST_SPAN = timedelta(days=30)
JOB_LIFE = timedelta(hours=24)
_DONE, _RUNNING = 3, 2
_PICTURES = 9


@answers("add_moment_task")
def add_moment_task(world: World, call: Call) -> Fields:
    """Ask members to publish; the task is made a moment later, and nobody sees anything yet."""
    text = str((call.args.get("text") or {}).get("content", ""))
    attachments: list[Fields] = call.args.get("attachments") or []
    if not text and not attachments:
        raise ApiError(40063, "text and attachments are both empty")
    _check_attachments(world, attachments)
    seen: Fields = call.args.get("visible_range") or {}
    job = _job(world, seen, text, attachments)
    name = world.new_id("job", 32)
    world.moment_jobs[name] = job
    return {"jobid": name}


def _check_attachments(world: World, attachments: list[Fields]) -> None:
    kinds = {one["msgtype"] for one in attachments}
    if len(kinds) > 1:
        raise ApiError(41065, "attachments of several types")
    if len(attachments) > (_PICTURES if kinds == {"image"} else 1):
        raise ApiError(41064, "one video or one link")
    for one in attachments:
        media_id = one[one["msgtype"]]["media_id"]
        check_media(world, {"media_id": media_id})
        if world.media[media_id].kind != "attachment":
            raise ApiError(40007, "media_id is not of upload_attachment")


def _job(world: World, seen: Fields, text: str, attachments: list[Fields]) -> MomentJob:
    """What will be made: unknown members and tags are left out and told."""
    range_of: Fields = seen.get("sender_list") or {}
    asked: list[str] = range_of.get("user_list") or []
    wanted = asked or [one.userid for one in world.staff.values() if not range_of]
    good = [one for one in wanted if one in world.staff and world.staff[one].contact]
    tags: list[str] = (seen.get("external_contact_list") or {}).get("tag_list") or []
    known = [one for one in tags if world.find_tag(one) is not None]
    job = MomentJob(
        world.now() + JOB_LIFE,
        world.monotonic(),
        bad_senders=[one for one in wanted if one not in good],
        bad_tags=[one for one in tags if one not in known],
    )
    if good:
        job.moment_id = world.create_moment(good, known, text, attachments).moment_id
    return job


@answers("get_moment_task_result")
def get_moment_task_result(world: World, call: Call) -> Fields:
    """Whether the task is made, for 24 hours."""
    job = world.moment_jobs.get(call.args["jobid"])
    if job is None or job.until < world.now():
        raise ApiError(40058, "invalid jobid")
    told: Fields = {"status": _RUNNING, "type": "add_moment_task"}
    if world.monotonic() - job.born < world.settings.dispatch_seconds:
        return told
    result: Fields = {
        "errcode": 0 if job.moment_id else 40003,
        "errmsg": "ok" if job.moment_id else "no sender",
        "moment_id": job.moment_id,
        "invalid_sender_list": {"user_list": job.bad_senders, "department_list": []},
        "invalid_external_contact_list": {"tag_list": job.bad_tags},
    }
    return told | {"status": _DONE, "result": result}


def _moment(world: World, call: Call) -> Moment:
    moment = world.moments.get(call.args["moment_id"])
    if moment is None:
        raise ApiError(41060, "invalid moment_id")
    return moment


@answers("cancel_moment_task")
def cancel_moment_task(world: World, call: Call) -> None:
    """Stop the members who have not published yet; again does no harm."""
    moment = _moment(world, call)
    if moment.by_hand:
        raise ApiError(41067, "not a moment of the corp")
    if not moment.cancelled:
        world.cancel_moment(moment)


@answers("get_moment_list")
def get_moment_list(world: World, call: Call) -> Fields:
    """Moments created in a span of at most 30 days, at most 20 a page."""
    args = call.args
    if not 0 <= args["end_time"] - args["start_time"] <= LIST_SPAN.total_seconds():
        raise ApiError(40058, "time span over 30 days")
    wanted = args.get("filter_type", 2)
    found = [
        moment
        for moment in world.moments.values()
        if args["start_time"] <= int(moment.created_at.timestamp()) <= args["end_time"]
        and world.monotonic() - moment.born >= world.settings.dispatch_seconds
        and wanted in (2, int(moment.by_hand))
        and (not args.get("creator") or (moment.by_hand and args["creator"] in moment.tasks))
    ]
    rows, following = page(found, args, 20, 20)
    return {"next_cursor": following, "moment_list": [_listed(one) for one in rows]}


def _listed(moment: Moment) -> Fields:
    found: Fields = {
        "moment_id": moment.moment_id,
        "create_time": str(int(moment.created_at.timestamp())),
        "create_type": int(moment.by_hand),
        "visible_type": 0 if moment.tags else 1,
        "text": {"content": moment.text},
    }
    return found | ({"creator": next(iter(moment.tasks))} if moment.by_hand else {})


@answers("get_moment_task")
def get_moment_task(world: World, call: Call) -> Fields:
    """Who was asked: status 0 not published, 1 published."""
    rows, following = page(list(_moment(world, call).tasks.values()), call.args, 500, 1000)
    told = [{"userid": one.userid, "publish_status": int(one.published)} for one in rows]
    return {"next_cursor": following, "task_list": told}


@answers("get_moment_customer_list")
def get_moment_customer_list(world: World, call: Call) -> Fields:
    """Whom a member's publication was open to."""
    seen = _seen_by(world, call, 41062)
    rows, following = page(seen, call.args, 500, 1000)
    userid = call.args["userid"]
    told = [{"userid": userid, "external_userid": one} for one in rows]
    return {"next_cursor": following, "customer_list": told}


@answers("get_moment_send_result")
def get_moment_send_result(world: World, call: Call) -> Fields:
    """Who sees what a member published."""
    rows, following = page(_seen_by(world, call, 41061), call.args, 3000, 5000)
    return {"next_cursor": following, "customer_list": [{"external_userid": one} for one in rows]}


def _seen_by(world: World, call: Call, unpublished: int) -> list[str]:
    task = _moment(world, call).tasks.get(call.args["userid"])
    if task is None or not task.published:
        raise ApiError(unpublished, "not published by this member")
    return task.seen_by
