"""Robots of internal groups (群机器人): one way, into groups without customers."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from typing import Final

from bot.errors import Invalid
from bot.wecom import limits
from bot.wecom.door import Call, Door

WEBHOOK_SEND: Final = Call(
    "POST", "webhook/send", secret=None, repeat="not_idempotent", per_minute=20
)
"""Twenty a minute for each robot."""

_ADDRESS: Final = re.compile(r"https://[^/\s]+/cgi-bin/webhook/send\?key=([0-9A-Za-z-]{16,64})")


def robot_key(address: str) -> str:
    """The key in a robot's address as WeCom shows it; whoever has it may write into the group.

    Raises:
        Invalid: It is no such address; the text never holds it.
    """
    found = _ADDRESS.fullmatch(address.strip())
    if found is None:
        raise Invalid(
            "这不是群机器人的地址:请在企业微信内部群的「群机器人」里复制 Webhook 地址,"
            "形如 https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…"
        )
    return found[1]


class Robots(Door):
    """Messages into internal groups."""

    def webhook_send(self, key: str, text: str) -> None:
        """Say something in the group of a robot (99110), at most 2,048 bytes.

        Raises:
            Refused: 93000, 93004 or 93008: the robot is gone, stopped or not in the group.
            Uncertain: It may have been said; there is no way to ask.
        """
        limits.present("群机器人 key", key)
        limits.present("群机器人消息", text)
        limits.at_most_bytes("群机器人消息", text, 2048)
        body = {"msgtype": "text", "text": {"content": text}}
        lane = hashlib.sha256(key.encode()).hexdigest()[:16]
        self._call(replace(WEBHOOK_SEND, lane=lane), body, query={"key": key})
