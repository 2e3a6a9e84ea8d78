"""Reading replies: what is a reply at all, and fields that must or may be there."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from bot.errors import Retry, Uncertain
from bot.wecom.transport import Answer, Silence

Json = dict[str, Any]
"""A reply in the platform's own shape; ``errcode`` has been judged."""


def reply_of(answer: Answer | Silence) -> Json | None:
    """The JSON object of a good answer; None for everything that cannot be judged."""
    if isinstance(answer, Silence) or answer.status != 200:
        return None
    try:
        reply = json.loads(answer.content)
    except ValueError:
        return None
    if not isinstance(reply, dict) or not isinstance(reply.get("errcode", 0), int):
        return None
    return reply


def errcode_of(reply: Json) -> int:
    """0 when it is missing: that is success."""
    return int(reply.get("errcode", 0))


def rows(reply: Json, name: str) -> list[Any]:
    """A list of a reply; WeCom may leave an empty one out.

    Raises:
        Retry: Neither the list nor an errcode came: an empty object of some proxy must not read
            as "no customers".
    """
    if name not in reply and "errcode" not in reply:
        raise Retry(f"应答不完整，缺少 {name}", 1.0)
    return list(reply.get(name) or [])


def text_of(reply: Json, name: str) -> str:
    """A field of a read that must be there.

    Raises:
        Retry: It is not.
    """
    if not reply.get(name):
        raise Retry(f"应答不完整，缺少 {name}", 1.0)
    return str(reply[name])


def made_id(reply: Json, name: str) -> str:
    """The id of what a write made.

    Raises:
        Uncertain: Success was told without it, so it must be looked up.
    """
    if not reply.get(name):
        raise Uncertain(f"已受理，但应答缺少 {name}，须先查询再决定是否重发")
    return str(reply[name])


def moment(seconds: object) -> datetime | None:
    """Unix seconds as WeCom writes them (a number, or digits in quotes), aware, UTC."""
    return datetime.fromtimestamp(int(str(seconds)), UTC) if seconds else None
