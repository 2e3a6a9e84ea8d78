"""Mass-send tasks: we ask, a member taps, and what became of it is read back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from bot.errors import Invalid, Refused
from bot.model import ChatId, ExternalUserId, MsgId, TagId, UserId
from bot.wecom import limits
from bot.wecom.door import Call, Door
from bot.wecom.errcodes import ALREADY_CANCELLED
from bot.wecom.limits import Attachment
from bot.wecom.replies import Json, made_id, moment, rows

ADD_MSG_TEMPLATE: Final = Call(
    "POST", "externalcontact/add_msg_template", "contact", repeat="not_idempotent_reconcile"
)
REMIND: Final = Call(
    "POST", "externalcontact/remind_groupmsg_send", "contact", repeat="not_idempotent"
)
CANCEL: Final = Call("POST", "externalcontact/cancel_groupmsg_send", "contact", repeat="idempotent")
GROUPMSG_LIST: Final = Call("POST", "externalcontact/get_groupmsg_list_v2", "contact")
GROUPMSG_TASK: Final = Call("POST", "externalcontact/get_groupmsg_task", "contact")
SEND_RESULT: Final = Call("POST", "externalcontact/get_groupmsg_send_result", "contact")

ChatType = Literal["single", "group"]

_LONGEST_SPAN: Final = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class MassSendTask:
    """A task that waits for its senders; nothing was sent yet.

    Attributes:
        msgid: Names the task in every later call.
        fail_list: Customers or groups that cannot be reached.
    """

    msgid: MsgId
    fail_list: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupMsg:
    """A mass send, or a moment, as the list tells it.

    Attributes:
        creator: A member, or None for tasks made through the API.
        create_type: 0 by the corp, 1 by a member.
        text: To find a task again whose creation got no answer.
    """

    msgid: MsgId
    creator: UserId | None
    created_at: datetime | None
    create_type: int
    text: str = field(repr=False)
    attachments: tuple[Json, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class MemberSend:
    """What a member did with a task; ``sent_at`` only once sent."""

    userid: UserId
    sent: bool
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of one recipient.

    Attributes:
        status: 0 not sent, 1 sent, 2 not a friend, 3 over the customer's cap.
    """

    userid: UserId
    status: int
    external_userid: ExternalUserId | None = None
    chat_id: ChatId | None = None
    sent_at: datetime | None = None


class MassSends(Door):
    """Tasks for members to send something to their customers or groups."""

    def add_msg_template(
        self,
        chat_type: ChatType,
        *,
        sender: UserId | None = None,
        external_userids: Sequence[ExternalUserId] = (),
        chat_ids: Sequence[ChatId] = (),
        tag_groups: Sequence[Sequence[TagId]] = (),
        allow_select: bool = False,
        text: str = "",
        attachments: Sequence[Attachment] = (),
        latest: float = math.inf,
    ) -> MassSendTask:
        """Ask members to send something (92135); a member's tap sends it, not this call.

        Args:
            chat_type: To customers one by one, or to groups.
            sender: The group owner (required for groups); alone with ``single``: all of that
                member's customers.
            external_userids: At most 10,000; ``tag_groups`` is ignored beside them.
            chat_ids: At most 2,000; empty lets the owner choose.
            tag_groups: Or inside one, and between them; at most 100 tags each.
            allow_select: The member may change the recipients; ``single`` only.
            text: At most 4,000 bytes.
            attachments: At most nine.
            latest: When the call may begin at the latest, on the stopwatch (``time.monotonic``).

        Raises:
            Retry: Nothing was sent.
            Uncertain: Look for it in ``get_groupmsg_list_v2`` before asking again.
            Refused: 41048, nobody can be reached.
        """
        body = {
            "chat_type": chat_type,
            "sender": sender or None,
            **limits.content("群发文字", text, 4000, attachments),
        }
        if chat_type == "group":
            body |= _to_groups(sender, chat_ids, (external_userids, tag_groups))
        else:
            body |= _to_customers(sender, external_userids, tag_groups, chat_ids)
            body["allow_select"] = True if allow_select else None
        reply = self._call(ADD_MSG_TEMPLATE, body, latest=latest)
        return MassSendTask(
            MsgId(made_id(reply, "msgid")),
            tuple(str(name) for name in reply.get("fail_list") or ()),
        )

    def get_groupmsg_list_v2(
        self,
        chat_type: ChatType,
        start: datetime,
        end: datetime,
        *,
        creator: UserId | None = None,
        filter_type: int = 2,
        cursor: str = "",
        limit: int = 100,
    ) -> tuple[list[GroupMsg], str]:
        """Mass sends of a span of at most a month (93338) and the next cursor.

        Args:
            chat_type: To customers or to groups.
            start: Aware.
            end: Aware.
            creator: Only this member's own.
            filter_type: 0 the corp's, 1 members', 2 both.
            cursor: "" for the first page; the second result is "" after the last.
            limit: Rows a page, 100 at most.
        """
        if not timedelta(0) <= end - start <= _LONGEST_SPAN:
            raise Invalid("群发记录一次最多查一个月，且开始不能晚于结束")
        limits.within("filter_type", filter_type, 0, 2)
        limits.within("每页条数 limit", limit, 1, 100)
        reply = self._call(
            GROUPMSG_LIST,
            {
                "chat_type": chat_type,
                "start_time": int(start.timestamp()),
                "end_time": int(end.timestamp()),
                "creator": creator,
                "filter_type": filter_type,
                "limit": limit,
                "cursor": cursor or None,
            },
        )
        found = [group_msg(row, "msgid") for row in rows(reply, "group_msg_list")]
        return found, str(reply.get("next_cursor") or "")

    def get_groupmsg_task(
        self, msgid: MsgId, cursor: str = "", limit: int = 1000
    ) -> tuple[list[MemberSend], str]:
        """Which members have tapped (93338), and the next cursor ("" after the last page).

        Raises:
            Retry: 41063, still being handed out: ask again in half a minute.
        """
        reply = self._call(GROUPMSG_TASK, _result_query(msgid, None, cursor, limit))
        sends = [
            # There is no status 1: 0 not sent, 2 sent.
            MemberSend(UserId(row["userid"]), row.get("status") == 2, moment(row.get("send_time")))
            for row in rows(reply, "task_list")
        ]
        return sends, str(reply.get("next_cursor") or "")

    def get_groupmsg_send_result(
        self, msgid: MsgId, userid: UserId, cursor: str = "", limit: int = 1000
    ) -> tuple[list[SendResult], str]:
        """What became of a member's recipients (93338), and the next cursor.

        For groups only rows that were sent come back: what is missing still waits.

        Raises:
            Retry: As for ``get_groupmsg_task``.
        """
        limits.present("成员 userid", userid)
        reply = self._call(SEND_RESULT, _result_query(msgid, userid, cursor, limit))
        return [_send_result(row) for row in rows(reply, "send_list")], str(
            reply.get("next_cursor") or ""
        )

    def remind_groupmsg_send(self, msgid: MsgId) -> None:
        """Remind the members who have not tapped (97610): three times a task in 24 hours.

        Raises:
            Retry: 41094, not before a day has passed.
            Refused: 41093, the task was cancelled.
            Uncertain: They may have been reminded.
        """
        limits.present("群发 msgid", msgid)
        self._call(REMIND, {"msgid": msgid})

    def cancel_groupmsg_send(self, msgid: MsgId) -> bool:
        """Stop members who have not tapped yet (97611); what was sent stays.

        Returns:
            False when it had been cancelled before.
        """
        limits.present("群发 msgid", msgid)
        try:
            self._call(CANCEL, {"msgid": msgid})
        except Refused as error:
            if error.errcode != ALREADY_CANCELLED:
                raise
            return False
        return True


def _to_groups(
    sender: UserId | None, chat_ids: Sequence[ChatId], others: tuple[Sequence[object], ...]
) -> dict[str, Any]:
    if not sender:
        raise Invalid("群发到客户群必须写明群主 sender")
    if any(others):
        raise Invalid("群发到客户群时不能指定客户或标签")
    limits.at_most_items("客户群", chat_ids, 2000)
    return {"chat_id_list": list(chat_ids) or None}


def _to_customers(
    sender: UserId | None,
    external_userids: Sequence[ExternalUserId],
    tag_groups: Sequence[Sequence[TagId]],
    chat_ids: Sequence[ChatId],
) -> dict[str, Any]:
    if chat_ids:
        raise Invalid("群发给客户时不能指定客户群")
    if not sender and not external_userids and not tag_groups:
        raise Invalid("群发给客户时 sender、客户和标签不能都为空")
    limits.at_most_items("客户", external_userids, 10_000)
    for tags in tag_groups:
        limits.at_most_items("一组标签", tags, 100, least=1)
    body: dict[str, Any] = {"external_userid": list(external_userids) or None}
    if tag_groups:
        body["tag_filter"] = {"group_list": [{"tag_list": list(tags)} for tags in tag_groups]}
    return body


def _result_query(msgid: MsgId, userid: UserId | None, cursor: str, limit: int) -> dict[str, Any]:
    limits.present("群发 msgid", msgid)
    limits.within("每页条数 limit", limit, 1, 1000)
    return {"msgid": msgid, "userid": userid, "limit": limit, "cursor": cursor or None}


def group_msg(row: Json, name: str) -> GroupMsg:
    """A row of a list of mass sends, or of moments; ``name`` is the field of its id."""
    return GroupMsg(
        MsgId(str(row[name])),
        UserId(row["creator"]) if row.get("creator") else None,
        moment(row.get("create_time")),
        int(row.get("create_type", 0)),
        str((row.get("text") or {}).get("content", "")),
        tuple(row.get("attachments") or ()),
    )


def _send_result(row: Json) -> SendResult:
    customer, chat = row.get("external_userid"), row.get("chat_id")
    return SendResult(
        UserId(str(row.get("userid", ""))),
        int(row.get("status", 0)),
        ExternalUserId(customer) if customer else None,
        ChatId(chat) if chat else None,
        moment(row.get("send_time")),
    )
