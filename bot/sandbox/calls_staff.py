"""Calls that speak to staff: application messages and template cards."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

from bot.sandbox.api import Call, answers
from bot.sandbox.calls_groups import check_media
from bot.sandbox.contract import ApiError
from bot.sandbox.desk import CALLBACK_CARDS
from bot.sandbox.records import AppMessage, Fields
from bot.sandbox.world import World

RECALL_SPAN = timedelta(hours=24)
_TASK_ID = re.compile(r"^[0-9A-Za-z_\-@]{1,128}$")
_TEXT_BYTES = 2048
_CARD_TYPES = ("text_notice", "news_notice", *CALLBACK_CARDS)
_CARD_OBJECTS = ("main_title", "card_action", "action_menu", "submit_button")
# Most entries of the lists of a card (document/path/90236).
_CARD_LISTS = {
    "button_list": 6,
    "horizontal_content_list": 6,
    "vertical_content_list": 4,
    "jump_list": 3,
    "select_list": 3,
}


@answers("message_send")
def message_send(world: World, call: Call) -> Fields:
    """Send to staff; some bad recipients are only reported, and excess is dropped silently."""
    args = call.args
    _own_agent(world, call)
    msgtype = args["msgtype"]
    before = _sent_before(world, args)
    if before is not None:
        return before
    body = _checked_body(world, msgtype, args[msgtype])
    to, bad = _recipients(world, args)
    if not to:
        raise ApiError(81013, "all recipients are invalid", bad)
    message = world.put_app_message(world.settings.agent_id, msgtype, body, _within(world, to))
    reply = bad | {"msgid": message.msgid}
    if msgtype == "template_card" and _calls_back(body):
        reply["response_code"] = world.new_response_code(message)
    world.sent_requests[_request_key(args)] = (world.monotonic(), reply)
    return reply


def _own_agent(world: World, call: Call) -> None:
    if call.args["agentid"] != world.settings.agent_id:
        raise ApiError(40056, "invalid agentid")
    if "app" not in call.kinds:
        raise ApiError(301002, "agentid does not match the token")


def _checked_body(world: World, msgtype: str, body: Fields) -> Fields:
    check_media(world, body)
    if msgtype == "template_card":
        _check_card(world, body)
    if msgtype == "text":
        cut = str(body["content"]).encode()[:_TEXT_BYTES].decode(errors="ignore")
        return body | {"content": cut}
    return body


def _recipients(world: World, args: Fields) -> tuple[list[str], Fields]:
    """Valid members, and the invalid ones lower-cased as the reply shows them."""
    if not any(args.get(key) for key in ("touser", "toparty", "totag")):
        raise ApiError(81012, "no recipient")
    if args.get("touser") == "@all":
        return list(world.staff), {"invaliduser": "", "invalidparty": "", "invalidtag": ""}
    users, parties = _split(args.get("touser")), _split(args.get("toparty"))
    known = {userid.lower(): userid for userid in world.staff}
    to = [known[one.lower()] for one in users if one.lower() in known]
    numbers = {str(number): number for number in world.departments}
    for party in parties:
        to += [s.userid for s in world.staff.values() if s.department == numbers.get(party)]
    bad: Fields = {
        "invaliduser": "|".join(one.lower() for one in users if one.lower() not in known),
        "invalidparty": "|".join(one for one in parties if one not in numbers),
        "invalidtag": "|".join(_split(args.get("totag"))),
    }
    return list(dict.fromkeys(to)), bad


def _split(joined: str | None) -> list[str]:
    return [one for one in (joined or "").split("|") if one]


def _sent_before(world: World, args: Fields) -> Fields | None:
    """With ``enable_duplicate_check``: the first reply again, and nothing is sent.

    What the platform answers to a repeat is not stated; the first reply makes a repeat harmless.
    """
    found = world.sent_requests.get(_request_key(args))
    if found is None or args.get("enable_duplicate_check") != 1:
        return None
    at, reply = found
    interval = args.get("duplicate_check_interval", 1800)
    return reply if world.monotonic() - at < interval else None


def _request_key(args: Fields) -> str:
    return json.dumps(args, sort_keys=True, ensure_ascii=False)


def _within(world: World, to: list[str]) -> list[str]:
    """Members still under their limits; the others get nothing and nobody says so."""
    now, kept = world.monotonic(), []
    for userid in to:
        times = [t for t in world.staff_times.get(userid, []) if t > now - 3600]
        minute = len([t for t in times if t > now - 60])
        if minute < world.settings.staff_per_minute and len(times) < world.settings.staff_per_hour:
            kept.append(userid)
            times.append(now)
        else:
            world.record("app_message_dropped", userid=userid)
        world.staff_times[userid] = times
    return kept


def _check_card(world: World, card: Fields) -> None:
    kind = card.get("card_type")
    if kind not in _CARD_TYPES:
        raise ApiError(40058, "invalid card_type")
    _check_lists(card)
    if kind == "text_notice" and not (_title(card) or card.get("sub_title_text")):
        raise ApiError(41016, "main_title.title or sub_title_text missing")
    if kind in ("text_notice", "news_notice") and not card.get("card_action"):
        raise ApiError(40058, "card_action missing")
    if kind == "news_notice" and not (card.get("card_image") or card.get("image_text_area")):
        raise ApiError(40058, "card_image or image_text_area missing")
    if _calls_back(card):
        _check_callback_card(world, card)


def _check_lists(card: Fields) -> None:
    for name, most in _CARD_LISTS.items():
        entries = card.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
            raise ApiError(40035, f"{name} should be an array of objects")
        if len(entries) > most:
            raise ApiError(40058, f"{name} has more than {most} entries")
    for name in _CARD_OBJECTS:
        if not isinstance(card.get(name, {}), dict):
            raise ApiError(40035, f"{name} should be an object")


def _title(card: Fields) -> str:
    return str((card.get("main_title") or {}).get("title", ""))


def _calls_back(card: Fields) -> bool:
    return card.get("card_type") in CALLBACK_CARDS or "action_menu" in card


def _check_callback_card(world: World, card: Fields) -> None:
    if not world.has_callback_url:
        raise ApiError(43012, "the app has no callback url")
    task_id = str(card.get("task_id", ""))
    if not _TASK_ID.match(task_id) or task_id in world.cards:
        raise ApiError(42014, "invalid or repeated task_id")
    if card["card_type"] == "button_interaction":
        _check_buttons(card.get("button_list", []))
    elif card["card_type"] in CALLBACK_CARDS and not card.get("submit_button"):
        raise ApiError(40058, "submit_button missing")


def _check_buttons(buttons: list[Fields]) -> None:
    if not buttons:
        raise ApiError(40058, "button_list missing")
    for button in buttons:
        if not button.get("text"):
            raise ApiError(40058, "button text missing")
        key = str(button.get("key", ""))
        if button.get("type", 0) == 0 and not 1 <= len(key.encode()) <= 1024:
            raise ApiError(42019, "button key missing or over 1024 bytes")


@answers("update_template_card")
def update_template_card(world: World, call: Call) -> Fields:
    """Change a card for some members; a response code works once within 72 hours."""
    args = call.args
    _own_agent(world, call)
    code = world.response_codes.get(args["response_code"])
    if code is None or code.used or code.until < world.now():
        raise ApiError(40058, "invalid, used or expired response_code")
    if not args.get("button") and not args.get("template_card"):
        raise ApiError(40063, "button or template_card missing")
    message = world.app_messages[code.msgid]
    everyone = args.get("atall") == 1
    wanted = list(message.card) if everyone else args.get("userids") or []
    bad = [userid for userid in wanted if userid not in message.card]
    code.used = True
    for userid in wanted:
        if userid not in bad:
            _update(message, userid, args)
    world.record("card_updated", msgid=message.msgid, task_id=message.task_id, members=wanted)
    return {"invaliduser": bad}


def _update(message: AppMessage, userid: str, args: Fields) -> None:
    card: Any = args.get("template_card")
    if card:
        message.card[userid] = dict(card)
        message.closed[userid] = str(card.get("replace_text", ""))
    else:
        message.closed[userid] = str(args["button"].get("replace_name", ""))


@answers("message_recall")
def message_recall(world: World, call: Call) -> None:
    """Take an application message back within 24 hours."""
    message = world.app_messages.get(call.args["msgid"])
    if message is None or message.recalled or world.now() - message.at > RECALL_SPAN:
        raise ApiError(40058, "not sent by this app in the last 24 hours")
    message.recalled = True
    world.record("app_message_recalled", msgid=message.msgid)
