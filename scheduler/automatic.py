"""What the bot says by itself: never signed as a person (E4), no link beside fraud (E2). Pure."""

from __future__ import annotations

import re

from scheduler.messages import Message
from scheduler.phrases import Phrases

_PEOPLE = frozenset({"sender_name", "assignee", "manager"})
"""Variables that hold an employee's name."""
_SIGNED = re.compile(r"^\s*(—|--)|本人|我是(?![^，。\n]{0,40}(自动|机器|助手))", re.MULTILINE)
_NAMED = re.compile(
    r"(客户经理|理财经理|大堂经理|行长|柜员|主任)[:\s]*[\u4e00-\u9fff]{1,3}\s*$", re.MULTILINE
)
_SAID = "自动"
_ABOUT_FRAUD = frozenset({"kf_fraud", "card_fraud"})


def breaks(message: Message, phrases: Phrases) -> str:
    """What a fixed text does that no text of the bot may do; "" when nothing."""
    words = "\n".join(message.parts.values())
    if message.form == "kf" and _looks_like_a_person(message, words):
        return "客服里是机器人在答,不能用人的名义:不署名,不写「我是某某」(规则 E4)"
    if message.form == "welcome" and _SAID not in words:
        return f"欢迎语是系统发的,要写明是{_SAID}发的(规则 E4)"
    if message.name in _ABOUT_FRAUD and (phrases.links(words) or "link" in message.fields):
        return "疑似诈骗时的话里不能有网址(规则 E2)"
    return ""


def _looks_like_a_person(message: Message, words: str) -> bool:
    return bool(_PEOPLE & message.fields or _SIGNED.search(words) or _NAMED.search(words))
