"""Calls of WeChat customer service."""

from __future__ import annotations

import re

from bot.sandbox.api import Call, answers, read_cursor, write_cursor
from bot.sandbox.contract import ApiError
from bot.sandbox.records import Fields, KfAccount, KfSession
from bot.sandbox.service import KEPT, LONG_CODE, SHORT_CODE, WINDOW
from bot.sandbox.world import World

QUOTA = 5
_MSGID = re.compile(r"^[0-9A-Za-z_-]{1,32}$")
_SYNC_MOST = 1000
# 0 to 1 is what the platform's table shows; 0, 1, 2 to 4 are taken as refused (unverified).
_MOVES = {0: {1, 2, 3}, 1: {2, 3}, 2: {3}, 3: {3, 4}, 4: set[int]()}


def _account(world: World, open_kfid: str) -> KfAccount:
    account = world.kf_accounts.get(open_kfid)
    if account is None:
        raise ApiError(95004 if open_kfid.startswith("wk") else 95000, "invalid open_kfid")
    if not account.granted:
        raise ApiError(48007, "kf account not granted to the app")
    return account


def _session(world: World, call: Call, person: str) -> KfSession:
    _account(world, call.args["open_kfid"])
    customer = call.args[person]
    if customer not in world.customers:
        raise ApiError(40096, "invalid external userid")
    return world.kf_session(call.args["open_kfid"], customer)


@answers("kf_account_list")
def kf_account_list(world: World, call: Call) -> Fields:
    """Accounts, at most 100 a page."""
    start = call.args.get("offset", 0)
    rows = list(world.kf_accounts.values())[start : start + call.args.get("limit", 100)]
    return {
        "account_list": [
            {
                "open_kfid": one.open_kfid,
                "name": one.name,
                "avatar": "",
                "manage_privilege": one.granted,
            }
            for one in rows
        ]
    }


@answers("kf_servicer_list")
def kf_servicer_list(world: World, call: Call) -> Fields:
    """Agents of an account: status 0 receiving, 1 stopped."""
    servicers = _account(world, call.args["open_kfid"]).servicers
    return {"servicer_list": [{"userid": u, "status": status} for u, status in servicers.items()]}


@answers("kf_service_state_get")
def kf_service_state_get(world: World, call: Call) -> Fields:
    """The state of one session."""
    session = _session(world, call, "external_userid")
    found: Fields = {"service_state": session.state}
    return found | ({"servicer_userid": session.servicer} if session.servicer else {})


@answers("kf_service_state_trans")
def kf_service_state_trans(world: World, call: Call) -> Fields:
    """Move a session; raises no event, unlike the same done in the client."""
    args = call.args
    session = _session(world, call, "external_userid")
    target, servicer = args["service_state"], args.get("servicer_userid", "")
    if session.state == 4:
        raise ApiError(95013, "session ended")
    if target not in _MOVES[session.state]:
        raise ApiError(95016, "transition not allowed")
    if target == 3:
        _receiving(_account(world, args["open_kfid"]), servicer)
        if session.state == 3 and servicer == session.servicer:
            raise ApiError(95016, "already with this servicer")
    fresh = target != session.state
    session.state, session.servicer = target, servicer if target == 3 else ""
    world.record(
        "kf_moved",
        open_kfid=args["open_kfid"],
        external_userid=args["external_userid"],
        state=target,
        servicer=session.servicer,
    )
    if target == 1 or not fresh:
        return {}
    life = SHORT_CODE if target == 4 else LONG_CODE
    code = world.kf_code(f"to{target}", args["open_kfid"], args["external_userid"], life, target)
    return {"msg_code": code}


def _receiving(account: KfAccount, servicer: str) -> None:
    if not servicer:
        raise ApiError(40063, "servicer_userid missing")
    if servicer not in account.servicers:
        raise ApiError(95014, "not a servicer")
    if account.servicers[servicer] != 0:
        raise ApiError(95019, "servicer stopped receiving")


@answers("kf_send_msg")
def kf_send_msg(world: World, call: Call) -> Fields:
    """Write to a customer: state 0 or 1, within 48 hours, five messages for each of theirs."""
    args = call.args
    session = _session(world, call, "touser")
    msgid = _msgid(world, args)
    key = f"{args['open_kfid']}:{msgid}"
    if key in world.kf_msgids:
        return {"msgid": msgid}
    if session.state not in (0, 1):
        raise ApiError(95018, "session state does not allow it")
    if session.wrote_at is None or world.now() - session.wrote_at > WINDOW:
        raise ApiError(95002, "48 h window closed")
    if session.sent >= QUOTA:
        raise ApiError(95001, "five messages used")
    session.sent += 1
    world.kf_msgids.add(key)
    body = args[args["msgtype"]]
    world.kf_deliver(args["open_kfid"], args["touser"], msgid, args["msgtype"], body, "message")
    return {"msgid": msgid}


def _msgid(world: World, args: Fields) -> str:
    given = args.get("msgid", "")
    if given and not _MSGID.match(given):
        raise ApiError(40058, "invalid msgid")
    return given or world.new_id("", 32)


@answers("kf_send_msg_on_event")
def kf_send_msg_on_event(world: World, call: Call) -> Fields:
    """Answer an event with its code, once; all but the welcome need the state of its birth."""
    args = call.args
    code = world.kf_codes.get(args["code"])
    if code is None or code.used or code.expires <= world.monotonic():
        raise ApiError(95007, "invalid, used or expired code")
    session = world.kf_session(code.open_kfid, code.external_userid)
    if code.state not in (-1, session.state):
        raise ApiError(95007, "session left the state of the code")
    if code.kind in ("to2", "to3", "taken") and args["msgtype"] != "text":
        raise ApiError(40008, "text only")
    code.used = True
    if code.kind == "welcome":
        session.welcomed_at = world.now()
    msgid = _msgid(world, args)
    body = args[args["msgtype"]]
    customer = code.external_userid
    world.kf_deliver(code.open_kfid, customer, msgid, args["msgtype"], body, code.kind)
    return {"msgid": msgid}


@answers("kf_sync_msg")
def kf_sync_msg(world: World, call: Call) -> Fields:
    """Messages and events after a cursor, of the last three days; never our own sends."""
    args = call.args
    account = _account(world, args["open_kfid"])
    _check_token(world, args)
    oldest = (world.now() - KEPT).timestamp()
    start = read_cursor(args.get("cursor", ""))
    stop = start + min(args.get("limit") or _SYNC_MOST, world.kf_page)
    rows = [one for one in account.log[start:stop] if one["send_time"] >= oldest]
    end = min(stop, len(account.log))
    return {
        "next_cursor": write_cursor(end),
        "has_more": int(end < len(account.log)),
        "msg_list": rows,
    }


def _check_token(world: World, args: Fields) -> None:
    """A callback's token lives ten minutes; without one only a few calls a minute are allowed."""
    token = args.get("token", "")
    if token:
        if world.kf_tokens.get(token, 0.0) <= world.monotonic():
            raise ApiError(95007, "invalid or expired token")
        return
    now = world.monotonic()
    world.kf_bare = [t for t in world.kf_bare if t > now - 60] + [now]
    if len(world.kf_bare) > world.kf_bare_per_minute:
        raise ApiError(45009, "sync_msg without token out of limit")


@answers("kf_servicer_add")
def kf_servicer_add(world: World, call: Call) -> Fields:
    """Add agents to an account."""
    account = _account(world, call.args["open_kfid"])
    rows = []
    for userid in call.args.get("userid_list") or []:
        known = userid in world.staff
        if known:
            account.servicers.setdefault(userid, 0)
        errcode = 0 if known else 60030
        rows.append({"userid": userid, "errcode": errcode, "errmsg": "success" if known else "no"})
    return {"result_list": rows}
