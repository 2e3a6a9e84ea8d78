"""Moments (客户朋友圈): a task that members publish, and who may see it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bot.errors import Invalid
from bot.model import ExternalUserId, MsgId, TagId, UserId
from bot.wecom import limits
from bot.wecom.door import Call, Door
from bot.wecom.limits import Attachment
from bot.wecom.mass_sends import GroupMsg, MemberSend, group_msg
from bot.wecom.replies import Json, made_id, rows

ADD: Final = Call(
    "POST",
    "externalcontact/add_moment_task",
    "contact",
    repeat="not_idempotent_reconcile",
    per_minute=10,
)
TASK_RESULT: Final = Call("GET", "externalcontact/get_moment_task_result", "contact")
CANCEL: Final = Call("POST", "externalcontact/cancel_moment_task", "contact", repeat="idempotent")
MOMENT_LIST: Final = Call("POST", "externalcontact/get_moment_list", "contact")
MOMENT_TASK: Final = Call("POST", "externalcontact/get_moment_task", "contact")
SEND_RESULT: Final = Call("POST", "externalcontact/get_moment_send_result", "contact")

_LONGEST_SPAN: Final = timedelta(days=30)
_DONE: Final = 3
_FIELDS: Final[Mapping[str, Mapping[str, tuple[bool, int]]]] = {
    "image": {"media_id": (True, 512)},
    "video": {"media_id": (True, 512)},
    "link": {"title": (False, 256), "url": (True, 2048), "media_id": (True, 512)},
}
"""Field → (required, bytes at most); of a title the 64 characters are checked apart."""


@dataclass(frozen=True, slots=True)
class MomentJob:
    """How far the making of a task has come.

    Attributes:
        done: Nothing more will come of it.
        errcode: Why it was not made; 0 when it was.
        moment_id: Names the task in every later call.
        invalid: Members and tags of the visible range that WeCom does not know.
    """

    done: bool
    errcode: int = 0
    moment_id: MsgId | None = None
    invalid: tuple[str, ...] = ()


class Moments(Door):
    """Tasks for members to publish something in their customers' moments."""

    def add_moment_task(
        self,
        *,
        senders: Sequence[UserId],
        tags: Sequence[TagId] = (),
        text: str = "",
        attachments: Sequence[Attachment] = (),
        latest: float = math.inf,
    ) -> str:
        """Ask members to publish something (95094); their tap publishes it, not this call.

        Args:
            senders: The members.
            tags: Only friends who carry one of them see it; none: every customer of theirs.
            text: At most 2,000 characters.
            attachments: At most nine pictures, or one video, or one link.
            latest: When the call may begin at the latest, on the stopwatch (``time.monotonic``).

        Returns:
            The job to ask about for 24 hours; the task is made later.

        Raises:
            Retry: Nothing was made.
            Uncertain: Look for it in ``get_moment_list`` before asking again.
        """
        limits.at_most_items("成员", senders, 100_000, least=1)
        body = {
            **_content(text, attachments),
            "visible_range": {
                "sender_list": {"user_list": list(senders)},
                **({"external_contact_list": {"tag_list": list(tags)}} if tags else {}),
            },
        }
        return made_id(self._call(ADD, body, latest=latest), "jobid")

    def get_moment_task_result(self, job: str) -> MomentJob:
        """What became of a job (95094)."""
        limits.present("任务 jobid", job)
        limits.at_most_bytes("任务 jobid", job, 64)
        reply = self._call(TASK_RESULT, query={"jobid": job})
        if int(reply.get("status", 0)) != _DONE:
            return MomentJob(done=False)
        found: Json = reply.get("result") or {}
        return MomentJob(
            done=True,
            errcode=int(found.get("errcode", 0)),
            moment_id=MsgId(str(found["moment_id"])) if found.get("moment_id") else None,
            invalid=_invalid(found),
        )

    def cancel_moment_task(self, moment_id: MsgId) -> None:
        """Stop members who have not published yet (97612); what was published stays."""
        limits.present("朋友圈 moment_id", moment_id)
        self._call(CANCEL, {"moment_id": moment_id})

    def get_moment_list(
        self,
        start: datetime,
        end: datetime,
        *,
        creator: UserId | None = None,
        filter_type: int = 2,
        cursor: str = "",
        limit: int = 20,
    ) -> tuple[list[GroupMsg], str]:
        """Moments of a span of at most 30 days (93333) and the next cursor.

        Args:
            start: Aware.
            end: Aware.
            creator: Only this member's own.
            filter_type: 0 the corp's, 1 members', 2 both.
            cursor: "" for the first page; the second result is "" after the last.
            limit: Rows a page, 20 at most.
        """
        if not timedelta(0) <= end - start <= _LONGEST_SPAN:
            raise Invalid("朋友圈记录一次最多查 30 天，且开始不能晚于结束")
        limits.within("filter_type", filter_type, 0, 2)
        limits.within("每页条数 limit", limit, 1, 20)
        query = {
            "start_time": int(start.timestamp()),
            "end_time": int(end.timestamp()),
            "creator": creator,
            "filter_type": filter_type,
            "limit": limit,
            "cursor": cursor or None,
        }
        reply = self._call(MOMENT_LIST, query)
        found = [group_msg(row, "moment_id") for row in rows(reply, "moment_list")]
        return found, _next(reply)

    def get_moment_task(
        self, moment_id: MsgId, cursor: str = "", limit: int = 1000
    ) -> tuple[list[MemberSend], str]:
        """Which members have published (93333), and the next cursor ("" after the last page)."""
        limits.within("每页条数 limit", limit, 1, 1000)
        reply = self._call(MOMENT_TASK, _query(moment_id, cursor, limit))
        sends = [
            MemberSend(UserId(row["userid"]), row.get("publish_status") == 1)
            for row in rows(reply, "task_list")
        ]
        return sends, _next(reply)

    def get_moment_send_result(
        self, moment_id: MsgId, userid: UserId, cursor: str = "", limit: int = 3000
    ) -> tuple[list[ExternalUserId], str]:
        """Who sees what a member published (93333), and the next cursor.

        Raises:
            Refused: 41061, the member has not published it.
        """
        limits.present("成员 userid", userid)
        limits.within("每页条数 limit", limit, 1, 5000)
        reply = self._call(SEND_RESULT, {**_query(moment_id, cursor, limit), "userid": userid})
        seen = [ExternalUserId(row["external_userid"]) for row in rows(reply, "customer_list")]
        return seen, _next(reply)


def _content(text: str, attachments: Sequence[Attachment]) -> dict[str, Any]:
    if not text.strip() and not attachments:
        raise Invalid("朋友圈文字和附件不能都为空")
    limits.at_most_chars("朋友圈文字", text, 2000)
    kinds = {str(row.get("msgtype", "")) for row in attachments}
    limits.at_most_items("附件", attachments, 9 if kinds == {"image"} else 1)
    for row in attachments:
        limits.attachment(row, _FIELDS)
        if row["msgtype"] == "link":
            limits.at_most_chars("附件 link 的 title", str(row["link"].get("title", "")), 64)
    return {
        "text": {"content": text} if text else None,
        "attachments": [dict(row) for row in attachments] or None,
    }


def _invalid(result: Json) -> tuple[str, ...]:
    senders: Json = result.get("invalid_sender_list") or {}
    tags: Json = result.get("invalid_external_contact_list") or {}
    lists = (senders.get("user_list"), senders.get("department_list"), tags.get("tag_list"))
    return tuple(str(each) for some in lists for each in some or ())


def _query(moment_id: MsgId, cursor: str, limit: int) -> dict[str, Any]:
    limits.present("朋友圈 moment_id", moment_id)
    return {"moment_id": moment_id, "limit": limit, "cursor": cursor or None}


def _next(reply: Json) -> str:
    return str(reply.get("next_cursor") or "")
