"""The app's side of the staff's phones: what they get, press and write back."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

from bot.errors import Invalid
from bot.sandbox.moments import Moments
from bot.sandbox.records import AppMessage, Callback, Fields, ResponseCode, Robot
from bot.sandbox.state import act

LOGIN_CODE_SECONDS = 300.0
PUBLIC_WECOM = "https://qyapi.weixin.qq.com"
RESPONSE_LIFE = timedelta(hours=72)
CALLBACK_CARDS = ("button_interaction", "vote_interaction", "multiple_interaction")
_LINK = re.compile(r"https?://[^\s\"'<>]+")


class Desk(Moments):
    """Application messages, cards, and what staff send to the app."""

    def put_app_message(
        self, agentid: int, msgtype: str, body: Fields, to: list[str]
    ) -> AppMessage:
        """Show a message to members (those it was not silently dropped for)."""
        message = AppMessage(self.new_id("", 44), agentid, self.now(), msgtype, body, to)
        if msgtype == "template_card":
            message.task_id = str(body.get("task_id", ""))
            if message.task_id:
                self.cards[message.task_id] = message
            message.card = {userid: dict(body) for userid in to}
        self.app_messages[message.msgid] = message
        self.record(
            "app_message",
            msgid=message.msgid,
            to=to,
            msgtype=msgtype,
            body=body,
            task_id=message.task_id,
        )
        return message

    def new_response_code(self, message: AppMessage) -> str:
        """A right to change this card once within 72 hours."""
        code = self.new_id("", 43)
        self.response_codes[code] = ResponseCode(message.msgid, self.now() + RESPONSE_LIFE)
        return code

    @act
    def open_chat(self, kind: str, chat: str) -> None:
        """Which chat is open beside the sidebar: ``single`` and a customer, or ``group``."""
        if kind not in {"single", "group"}:
            raise Invalid("kind 只能是 single 或 group")
        self.chat_on_screen = (kind, chat)

    @act
    def staff_inbox(self, userid: str) -> list[Fields]:
        """The app's messages as this member sees them, newest first."""
        found = [m for m in self.app_messages.values() if userid in m.to and not m.recalled]
        return [
            {
                "msgid": m.msgid,
                "at": m.at.isoformat(),
                "msgtype": m.msgtype,
                "body": m.card.get(userid, m.body),
                "task_id": m.task_id,
                "closed": m.closed.get(userid, ""),
            }
            for m in reversed(found)
        ]

    @act
    def press_card(
        self,
        userid: str,
        task_id: str,
        button_key: str,
        selected: dict[str, list[str]] | None = None,
        *,
        menu: bool = False,
    ) -> str:
        """A member presses a button of a card and the app hears of it.

        Args:
            userid: Who presses; must have got the card.
            task_id: The card.
            button_key: The button's (or menu entry's) key.
            selected: Option ids by question key, for votes and selections.
            menu: The menu at the top right instead of a button.

        Returns:
            The fresh response code that the event carries.
        """
        card = self._card_of(userid, task_id)
        if button_key not in _keys_of(card.card[userid], menu=menu):
            raise Invalid(f"卡片 {task_id} 没有按钮 {button_key}")
        if card.closed.get(userid):
            raise Invalid(f"卡片 {task_id} 的按钮已失效")
        code = self.new_response_code(card)
        card.pressed.append((userid, button_key))
        answers = [
            {"QuestionKey": key, "OptionIds": {"OptionId": options}}
            for key, options in (selected or {}).items()
        ]
        self._tell_app(
            "template_card_menu_event" if menu else "template_card_event",
            userid,
            EventKey=button_key,
            TaskId=task_id,
            CardType=str(card.body.get("card_type", "")),
            ResponseCode=code,
            SelectedItems={"SelectedItem": answers} if answers else None,
        )
        self.record("card_pressed", userid=userid, task_id=task_id, key=button_key)
        return code

    def _card_of(self, userid: str, task_id: str) -> AppMessage:
        message = self.cards.get(task_id)
        if message is not None and userid in message.card and not message.recalled:
            return message
        raise Invalid(f"{userid} 没有收到卡片 {task_id}")

    @act
    def press_link(self, userid: str, msgid: str) -> str:
        """A member opens a message's link; returns its address (``card_action`` first)."""
        message = self.app_messages[msgid]
        body = message.card.get(userid, message.body)
        action = body.get("card_action", {})
        found = _LINK.search(str(action.get("url") or body))
        if found is None:
            raise Invalid("这条消息没有链接")
        self.record("link_opened", userid=userid, msgid=msgid)
        return found[0].rstrip("\"'},)")

    @act
    def staff_text(self, userid: str, text: str) -> str:
        """A member writes to the app; returns the MsgId. A passive reply lands in the history."""
        return self._write(userid, "text", Content=text)

    @act
    def staff_message(self, userid: str, msgtype: str, fields: Fields) -> str:
        """A member sends the app anything else (``image``, ``voice``, ``location``, …)."""
        return self._write(userid, msgtype, **fields)

    def _write(self, userid: str, msgtype: str, **fields: Any) -> str:
        self.known_staff(userid)
        msgid = str(self.random.randrange(10**15, 10**16))
        head: Fields = {
            "ToUserName": self.settings.corp_id,
            "FromUserName": userid,
            "CreateTime": self.seconds(),
            "MsgType": msgtype,
        }
        tail: Fields = {"MsgId": msgid, "AgentID": self.settings.agent_id}
        self.record("staff_wrote", userid=userid, msgid=msgid, msgtype=msgtype)
        self.emit(Callback("app", head | fields | tail))
        return msgid

    @act
    def add_robot(self, group: str) -> str:
        """Somebody adds a robot to an internal group; returns its address, which is a secret."""
        robot = Robot(str(uuid.UUID(int=self.random.getrandbits(128), version=4)), group)
        self.robots[robot.key] = robot
        self.record("robot_added", group=group)
        return f"{PUBLIC_WECOM}/cgi-bin/webhook/send?key={robot.key}"

    @act
    def stop_robot(self, group: str, *, removed: bool = False) -> None:
        """The robots of an internal group are switched off, or taken out of it."""
        for robot in [one for one in self.robots.values() if one.group == group]:
            robot.on = False
            if removed:
                del self.robots[robot.key]
        self.record("robot_stopped", group=group)

    @act
    def enter_agent(self, userid: str) -> None:
        """A member opens the app."""
        self.known_staff(userid)
        self._tell_app("enter_agent", userid, EventKey="")
        self.record("agent_entered", userid=userid)

    @act
    def press_menu(self, userid: str, key: str) -> None:
        """A member taps an entry of the app's menu."""
        self.known_staff(userid)
        self._tell_app("click", userid, EventKey=key)
        self.record("menu_pressed", userid=userid, key=key)

    def _tell_app(self, event: str, userid: str, **fields: object) -> None:
        self.tell("app", event, FromUserName=userid, **fields, AgentID=self.settings.agent_id)

    @act
    def login_code(self, userid: str) -> str:
        """Somebody logs in with WeCom: a code for the page, good once and for five minutes."""
        code = self.new_id("", 43)
        self.login_codes[code] = (userid, self.monotonic() + LOGIN_CODE_SECONDS, False)
        return code

    def passive_reply(self, userid: str, fields: Fields) -> None:
        """The bot answered a member's message in the callback's own response."""
        with self.lock:
            text = str(fields.get("Content", ""))
            self.record(
                "passive_reply", userid=userid, msgtype=fields.get("MsgType", ""), text=text
            )


def _keys_of(card: Fields, *, menu: bool) -> set[str]:
    """The keys that can be pressed on a card."""
    if menu:
        actions = card.get("action_menu", {}).get("action_list", [])
        return {str(one.get("key", "")) for one in actions}
    keys = {str(one.get("key", "")) for one in card.get("button_list", [])}
    return keys | {str(card.get("submit_button", {}).get("key", ""))} - {""}
