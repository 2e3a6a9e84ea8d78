"""The only door to the WeCom API: one method for each call, typed, paced and judged.

Every method raises the same four errors: ``Retry`` (nothing happened, or a repeat does no
harm), ``Refused`` (final, with the errcode), ``Uncertain`` (a write whose answer was lost: ask
WeCom before repeating it) and ``Invalid`` (never sent; says in Chinese what to mend).
"""

from __future__ import annotations

from bot.wecom.customers import CustomerPage, Customers, GroupChatPage
from bot.wecom.errcodes import Verdict, verdict
from bot.wecom.greetings import Greetings
from bot.wecom.kf import Agreement, Kf, KfPage, ServiceState, menu_message
from bot.wecom.limits import Attachment
from bot.wecom.mass_sends import ChatType, GroupMsg, MassSends, MassSendTask, MemberSend, SendResult
from bot.wecom.messages import (
    Button,
    Media,
    Message,
    Messages,
    StaffMessage,
    button_card,
    markdown_message,
    text_message,
    textcard_message,
)
from bot.wecom.moments import MomentJob, Moments
from bot.wecom.robots import Robots, robot_key
from bot.wecom.staff import Login, Staff
from bot.wecom.tokens import MemoryTokenCache, Secrets, TokenCache

__all__ = [
    "Agreement",
    "Attachment",
    "Button",
    "ChatType",
    "CustomerPage",
    "GroupChatPage",
    "GroupMsg",
    "KfPage",
    "Login",
    "MassSendTask",
    "Media",
    "MemberSend",
    "MemoryTokenCache",
    "Message",
    "MomentJob",
    "Secrets",
    "SendResult",
    "ServiceState",
    "StaffMessage",
    "TokenCache",
    "Verdict",
    "WeComClient",
    "button_card",
    "markdown_message",
    "menu_message",
    "robot_key",
    "text_message",
    "textcard_message",
    "verdict",
]


class WeComClient(Staff, Customers, Greetings, MassSends, Moments, Messages, Kf, Robots):
    """All calls in one place; share one between all threads. Arguments as for ``Door``."""
