"""WeChat customer service (kf), and who agreed to the message archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bot.errors import Invalid, Refused
from bot.model import ChatId, ExternalUserId, MsgId, OpenKfId, UserId
from bot.wecom import limits
from bot.wecom.door import Call, Door
from bot.wecom.errcodes import WELCOME_DONE
from bot.wecom.messages import Message
from bot.wecom.replies import Json, moment, rows

ACCOUNT_LIST: Final = Call("POST", "kf/account/list", "kf")
SERVICER_LIST: Final = Call("GET", "kf/servicer/list", "kf")
SERVICE_STATE_GET: Final = Call("POST", "kf/service_state/get", "kf")
SERVICE_STATE_TRANS: Final = Call("POST", "kf/service_state/trans", "kf")
SYNC_MSG: Final = Call("POST", "kf/sync_msg", "kf")
SEND_MSG: Final = Call("POST", "kf/send_msg", "kf", repeat="idempotent_by_msgid")
SEND_MSG_ON_EVENT: Final = Call("POST", "kf/send_msg_on_event", "kf", repeat="idempotent_by_code")
# The three of the archive have caps of their own: 2,500, 1,500 and 1,000 a minute.
CHECK_SINGLE_AGREE: Final = Call("POST", "msgaudit/check_single_agree", "archive", per_minute=2000)
CHECK_ROOM_AGREE: Final = Call("POST", "msgaudit/check_room_agree", "archive", per_minute=1200)
GET_PERMIT_USER_LIST: Final = Call(
    "POST", "msgaudit/get_permit_user_list", "archive", per_minute=800
)

KF_TYPES: Final = frozenset(
    ["text", "image", "voice", "video", "file", "link", "miniprogram", "msgmenu", "location"]
)
EVENT_TYPES: Final = frozenset({"text", "msgmenu"})


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A session: 0 new, 1 bot, 2 waiting, 3 with a person, 4 ended. We may write in 0 and 1."""

    service_state: int
    servicer: UserId | None = None


@dataclass(frozen=True, slots=True)
class KfPage:
    """One page of a kf account.

    Attributes:
        rows: Messages and events in WeCom's shape.
        next_cursor: To be kept in the same transaction as the rows.
        has_more: A page may be empty and yet have more behind it.
    """

    rows: list[Json] = field(repr=False)
    next_cursor: str
    has_more: bool


@dataclass(frozen=True, slots=True)
class Agreement:
    """A customer's answer about archiving.

    Attributes:
        userid: The member of a one-to-one conversation; None in a group.
        agreed: None for an answer that the notes do not know: treat it as no.
        changed_at: When they answered.
    """

    external_userid: ExternalUserId
    userid: UserId | None
    agreed: bool | None
    changed_at: datetime | None


def menu_message(head: str, choices: Sequence[tuple[str, str]], tail: str = "") -> Message:
    """A kf menu (94677); choices are (id, text), at most ten, ids at most 128 bytes."""
    limits.at_most_items("菜单项", choices, 10, least=1)
    limits.at_most_bytes("菜单起始文字", head, 1024)
    limits.at_most_bytes("菜单结束文字", tail, 1024)
    for choice, text in choices:
        limits.present("菜单项文字", text)
        limits.at_most_bytes("菜单项文字", text, 128)
        limits.at_most_bytes("菜单项 id", choice, 128)
    clicks = [{"type": "click", "click": {"id": key, "content": text}} for key, text in choices]
    texts = {"head_content": head, "tail_content": tail}
    return Message(
        "msgmenu", {name: text for name, text in texts.items() if text} | {"list": clicks}
    )


class Kf(Door):
    """The kf app's calls: the only chat in which the program itself may answer."""

    def kf_account_list(self, offset: int = 0, limit: int = 100) -> list[Json]:
        """Accounts, at most 100 a page (94661); fewer than ``limit`` is the last page."""
        limits.within("每页条数 limit", limit, 1, 100)
        return rows(self._call(ACCOUNT_LIST, {"offset": offset, "limit": limit}), "account_list")

    def kf_servicer_list(self, open_kfid: OpenKfId) -> list[Json]:
        """Who serves an account (94645); ``status`` 0 receiving, 1 stopped."""
        limits.present("客服账号 open_kfid", open_kfid)
        return rows(self._call(SERVICER_LIST, query={"open_kfid": open_kfid}), "servicer_list")

    def kf_service_state_get(
        self, open_kfid: OpenKfId, external_userid: ExternalUserId
    ) -> ServiceState:
        """Where a session stands (94669)."""
        body = _session(open_kfid, external_userid)
        reply = self._call(SERVICE_STATE_GET, body)
        servicer = reply.get("servicer_userid")
        return ServiceState(
            int(reply.get("service_state", 0)), UserId(servicer) if servicer else None
        )

    def kf_service_state_trans(
        self,
        open_kfid: OpenKfId,
        external_userid: ExternalUserId,
        service_state: int,
        servicer: UserId | None = None,
    ) -> str:
        """Move a session (94669): to 3 with a servicer who is receiving.

        Returns:
            A code for one message with ``kf_send_msg_on_event``, or "".

        Raises:
            Refused: 95016, not from here; 95014 or 95019, that servicer cannot take it.
        """
        limits.within("会话状态 service_state", service_state, 1, 4)
        if service_state == 3 and not servicer:
            raise Invalid("转人工接待要写明接待人员 servicer")
        body = _session(open_kfid, external_userid)
        reply = self._call(
            SERVICE_STATE_TRANS,
            {**body, "service_state": service_state, "servicer_userid": servicer},
        )
        return str(reply.get("msg_code") or "")

    def kf_sync_msg(
        self, open_kfid: OpenKfId, cursor: str = "", token: str = "", limit: int = 1000
    ) -> KfPage:
        """Messages of the last three days after a cursor (94670).

        Args:
            open_kfid: The account.
            cursor: The last page's ``next_cursor``; "" from three days ago.
            token: From the callback, ten minutes; without it WeCom limits strictly.
            limit: Rows a page, at most 1,000.
        """
        limits.present("客服账号 open_kfid", open_kfid)
        limits.within("每页条数 limit", limit, 1, 1000)
        limits.at_most_bytes("同步 cursor", cursor, 64)
        limits.at_most_bytes("同步 token", token, 128)
        reply = self._call(
            SYNC_MSG,
            {
                "open_kfid": open_kfid,
                "cursor": cursor or None,
                "token": token or None,
                "limit": limit,
            },
        )
        return KfPage(
            rows(reply, "msg_list"),
            str(reply.get("next_cursor") or cursor),
            bool(reply.get("has_more")),
        )

    def kf_send_msg(
        self,
        open_kfid: OpenKfId,
        external_userid: ExternalUserId,
        msgid: MsgId,
        message: Message,
    ) -> MsgId:
        """Answer a customer within 48 hours, at most five times a customer message (94677).

        Args:
            open_kfid: The account that answers.
            external_userid: The customer.
            msgid: Our own, unique in the account, at most 32 of letters, digits and ``_-``:
                it makes a repeat harmless.
            message: Text, a menu, or another of ``KF_TYPES``.

        Raises:
            Refused: 95001, five are used up; 95002, 48 hours are over; 95018, wrong state.
        """
        _session(open_kfid, external_userid)
        limits.identifier("消息 msgid", msgid, 32)
        reply = self._call(
            SEND_MSG,
            {
                "touser": external_userid,
                "open_kfid": open_kfid,
                "msgid": msgid,
                **_kf_content(message, KF_TYPES),
            },
        )
        return MsgId(str(reply.get("msgid") or msgid))

    def kf_send_msg_on_event(self, code: str, msgid: MsgId, message: Message) -> bool:
        """Say one thing on an event (95122), with its code: a greeting within 20 seconds.

        Returns:
            False when the code had been used (41051): done as well.

        Raises:
            Refused: 95007, the code is wrong or too old.
        """
        limits.identifier("消息 msgid", msgid, 32)
        limits.present("事件 code", code)
        limits.at_most_bytes("事件 code", code, 32)
        body = {"code": code, "msgid": msgid, **_kf_content(message, EVENT_TYPES)}
        try:
            self._call(SEND_MSG_ON_EVENT, body)
        except Refused as error:
            if error.errcode != WELCOME_DONE:
                raise
            return False
        return True

    def check_single_agree(self, pairs: Sequence[tuple[UserId, ExternalUserId]]) -> list[Agreement]:
        """Answers of one-to-one conversations (91782), at most 100 a call."""
        limits.at_most_items("会话", pairs, 100, least=1)
        for userid, external_userid in pairs:
            limits.present("成员 userid", userid)
            limits.present("客户 external_userid", external_userid)
        # The platform's own spelling.
        info = [{"userid": userid, "exteranalopenid": customer} for userid, customer in pairs]
        reply = self._call(CHECK_SINGLE_AGREE, {"info": info})
        return [_agreement(row) for row in rows(reply, "agreeinfo")]

    def check_room_agree(self, chat_id: ChatId) -> list[Agreement]:
        """Answers of every customer in a group (91782)."""
        limits.present("客户群 chat_id", chat_id)
        reply = self._call(CHECK_ROOM_AGREE, {"roomid": chat_id})
        return [_agreement(row) for row in rows(reply, "agreeinfo")]

    def get_permit_user_list(self, edition: int | None = None) -> list[UserId]:
        """Members whose talk is archived (91614); edition 1 office, 2 service, 3 enterprise."""
        if edition is not None:
            limits.within("存档版本 type", edition, 1, 3)
        return [UserId(n) for n in rows(self._call(GET_PERMIT_USER_LIST, {"type": edition}), "ids")]


def _session(open_kfid: OpenKfId, external_userid: ExternalUserId) -> dict[str, Any]:
    limits.present("客服账号 open_kfid", open_kfid)
    limits.present("客户 external_userid", external_userid)
    return {"open_kfid": open_kfid, "external_userid": external_userid}


def _kf_content(message: Message, allowed: frozenset[str]) -> dict[str, Any]:
    if message.msgtype not in allowed:
        raise Invalid(f"这里不能发 {message.msgtype} 消息，可用：{'、'.join(sorted(allowed))}")
    return {"msgtype": message.msgtype, message.msgtype: dict(message.content)}


def _agreement(row: Json) -> Agreement:
    answer = {"Agree": True, "Disagree": False}.get(str(row.get("agree_status")))
    userid = row.get("userid")
    return Agreement(
        ExternalUserId(str(row["exteranalopenid"])),
        UserId(userid) if userid else None,
        answer,
        moment(row.get("status_change_time")),
    )
