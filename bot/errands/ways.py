"""How a send task goes through WeCom: as a mass send, or as a moment; the rest is the same.

A mass send names its recipients. A moment is seen by every customer of its sender, and WeCom
can leave nobody out but by a tag: so the friends who may see it, and no others, carry one while
a task of their sender is open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from bot.errors import Invalid, Refused, Retry
from bot.model import Channel, ChatId, ExternalUserId, MsgId, TagId, UserId
from bot.store.db import Row
from bot.wecom import ChatType, GroupMsg, MemberSend, SendResult, WeComClient

Page = tuple[Sequence[Any], str]
SENT, NOT_FRIEND, OVER_CAP = 1, 2, 3
_WRONG_RANGE, _NOBODY = 0, 41048
"""In the place of an errcode: others than meant would have seen it; nobody can be reached."""
_NO_FRIENDS, _NOT_PUBLISHED = 84061, (41061, 41062)
_MARKS_AT_ONCE = 200
"""Then others have their turn: a mark takes a call, and all send tasks go through one lane."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call left behind.

    Attributes:
        msgid: Names the task; "" when WeCom makes it later.
        job: What to ask WeCom for then.
        fail_list: Customers or groups that cannot be reached.
    """

    msgid: MsgId
    job: str = ""
    fail_list: tuple[str, ...] = ()


class Way(Protocol):
    """What a sender of tasks needs of a channel."""

    @property
    def longest_span(self) -> timedelta:
        """How much WeCom lists at once."""
        ...

    def ask(
        self,
        sender: UserId,
        recipients: list[str],
        text: str,
        attachments: list[dict[str, Any]],
        latest: float,
    ) -> Asked:
        """Hand the task to WeCom."""
        ...

    def made(self, job: str) -> MsgId | Refused | None:
        """What became of a job; None when it is not known any more.

        Raises:
            Retry: It is not done yet.
        """
        ...

    def listed(self, since: datetime, until: datetime) -> Iterator[GroupMsg]:
        """The corp's own tasks of a span."""
        ...

    def members(self, msgid: MsgId) -> list[MemberSend]:
        """Who was asked, and who has tapped."""
        ...

    def of_member(self, msgid: MsgId, userid: UserId) -> list[SendResult]:
        """What WeCom tells of a member's recipients."""
        ...

    def results(self, msgid: MsgId, wanted: Iterable[str]) -> list[SendResult]:
        """What became of these recipients, as far as WeCom tells."""
        ...

    def cancel(self, msgid: MsgId) -> None:
        """Stop whoever has not tapped."""
        ...

    def remind(self, msgid: MsgId) -> None:
        """WeCom's own reminder, where there is one."""
        ...


@dataclass(frozen=True)
class MassWay:
    """Mass sends to customers or to groups."""

    wecom: WeComClient
    chat_type: ChatType
    longest_span: timedelta = timedelta(days=30)

    def ask(
        self,
        sender: UserId,
        recipients: list[str],
        text: str,
        attachments: list[dict[str, Any]],
        latest: float,
    ) -> Asked:
        """Hand the task to WeCom."""
        groups = self.chat_type == "group"
        made = self.wecom.add_msg_template(
            self.chat_type,
            sender=sender,
            chat_ids=[ChatId(each) for each in recipients] if groups else (),
            external_userids=() if groups else [ExternalUserId(each) for each in recipients],
            text=text,
            attachments=attachments,
            latest=latest,
        )
        return Asked(made.msgid, fail_list=made.fail_list)

    def made(self, _job: str) -> MsgId | Refused | None:
        """The answer of the call had it."""
        return None

    def listed(self, since: datetime, until: datetime) -> Iterator[GroupMsg]:
        """The corp's own tasks of a span."""
        return _all(
            lambda cursor: self.wecom.get_groupmsg_list_v2(
                self.chat_type, since, until, filter_type=0, cursor=cursor
            )
        )

    def members(self, msgid: MsgId) -> list[MemberSend]:
        """Who was asked, and who has sent."""
        return list(_all(lambda cursor: self.wecom.get_groupmsg_task(msgid, cursor)))

    def results(self, msgid: MsgId, _wanted: Iterable[str]) -> list[SendResult]:
        """What became of every recipient that WeCom tells of; of groups only those sent to."""
        return [row for each in self.members(msgid) for row in self.of_member(msgid, each.userid)]

    def of_member(self, msgid: MsgId, userid: UserId) -> list[SendResult]:
        """What WeCom tells of a member's recipients."""
        return list(_all(lambda cursor: self.wecom.get_groupmsg_send_result(msgid, userid, cursor)))

    def cancel(self, msgid: MsgId) -> None:
        """Stop whoever has not sent."""
        self.wecom.cancel_groupmsg_send(msgid)

    def remind(self, msgid: MsgId) -> None:
        """Three times a task in 24 hours."""
        self.wecom.remind_groupmsg_send(msgid)


@dataclass(frozen=True)
class MomentsWay:
    """Moments: one task a sender, seen by the friends who carry the tag.

    Args:
        tag_group, tag_name: The tag in WeCom's library, made when it is missing.
    """

    wecom: WeComClient
    tag_group: str
    tag_name: str
    longest_span: timedelta = timedelta(days=29)

    def open_to(self, sender: UserId, wanted: set[str]) -> set[str]:
        """Bring the tag to these friends of the sender and take it off all others.

        Returns:
            Who of them can see the moment now; the others are friends no more.

        Raises:
            Retry: It takes longer; come again.
        """
        tag, friends = self._tag(), self._friends(sender)
        carry = {who for who, tags in friends.items() if tag in tags}
        lacking, surplus = (wanted & set(friends)) - carry, carry - wanted
        changes = [
            *((who, False) for who in sorted(surplus)),
            *((who, True) for who in sorted(lacking)),
        ]
        unreachable = {
            who for who, on in changes[:_MARKS_AT_ONCE] if not self._mark(sender, who, tag, on=on)
        }
        if len(changes) > _MARKS_AT_ONCE:
            raise Retry("还在给可以看到这条朋友圈的客户打标签", 1.0)
        return (wanted & set(friends)) - unreachable

    def _mark(self, sender: UserId, who: str, tag: TagId, *, on: bool) -> bool:
        """Whether the customer is a friend still."""
        try:
            self.wecom.mark_tag(
                sender,
                ExternalUserId(who),
                add=[tag] if on else (),
                remove=() if on else [tag],
            )
        except Refused as refusal:
            if refusal.errcode != _NO_FRIENDS:
                raise
            return False
        return True

    def _tag(self) -> TagId:
        for group in self.wecom.get_corp_tag_list():
            if group["group_name"] == self.tag_group:
                for tag in group.get("tag", []):
                    if tag["name"] == self.tag_name:
                        return TagId(tag["id"])
        made = self.wecom.add_corp_tag([self.tag_name], group_name=self.tag_group)
        return TagId(next(tag["id"] for tag in made["tag"] if tag["name"] == self.tag_name))

    def _friends(self, sender: UserId) -> dict[str, set[str]]:
        """All customers of a member with their tags, as WeCom has them now."""
        return {
            row["external_contact"]["external_userid"]: set(row["follow_info"].get("tag_id") or ())
            for page in self.wecom.customers_of([sender])
            for row in page.rows
        }

    def ask(
        self,
        sender: UserId,
        _recipients: list[str],
        text: str,
        attachments: list[dict[str, Any]],
        latest: float,
    ) -> Asked:
        """Hand the task to WeCom, which makes it later."""
        job = self.wecom.add_moment_task(
            senders=[sender], tags=[self._tag()], text=text, attachments=attachments, latest=latest
        )
        return Asked(MsgId(""), job)

    def made(self, job: str) -> MsgId | Refused | None:
        """What became of a job; what would be seen by others than meant is stopped at once."""
        try:
            found = self.wecom.get_moment_task_result(job)
        except Refused:
            return None
        if not found.done:
            raise Retry("企业微信还在创建朋友圈任务", 5.0)
        if found.errcode:
            return Refused(found.errcode)
        if not found.moment_id:
            return None
        if found.invalid:
            self.wecom.cancel_moment_task(found.moment_id)
            return Refused(_WRONG_RANGE)
        return found.moment_id

    def listed(self, since: datetime, until: datetime) -> Iterator[GroupMsg]:
        """The corp's own tasks of a span."""
        return _all(
            lambda cursor: self.wecom.get_moment_list(since, until, filter_type=0, cursor=cursor)
        )

    def members(self, msgid: MsgId) -> list[MemberSend]:
        """Who was asked, and who has published."""
        return list(_all(lambda cursor: self.wecom.get_moment_task(msgid, cursor)))

    def of_member(self, msgid: MsgId, userid: UserId) -> list[SendResult]:
        """Who sees what a member published; nobody before that."""
        seen = _all(lambda cursor: self.wecom.get_moment_send_result(msgid, userid, cursor))
        try:
            return [SendResult(userid, SENT, who) for who in seen]
        except Refused as refusal:
            if refusal.errcode not in _NOT_PUBLISHED:
                raise
            return []

    def results(self, msgid: MsgId, wanted: Iterable[str]) -> list[SendResult]:
        """Once it is published: who sees it, and who of these does not."""
        found = []
        for userid in (each.userid for each in self.members(msgid) if each.sent):
            found += self.of_member(msgid, userid)
            unseen = set(wanted) - {str(each.external_userid) for each in found}
            found += [SendResult(userid, NOT_FRIEND, ExternalUserId(who)) for who in unseen]
        return found

    def cancel(self, msgid: MsgId) -> None:
        """Stop whoever has not published."""
        self.wecom.cancel_moment_task(msgid)

    def remind(self, msgid: MsgId) -> None:
        """WeCom has no reminder of moments: the app's own message is all there is."""


def _all(fetch: Callable[[str], Page]) -> Iterator[Any]:
    """Every row, page by page."""
    cursor = ""
    while True:
        rows, cursor = fetch(cursor)
        yield from rows
        if not cursor:
            return


def moments_way(wecom: WeComClient, words: Callable[[str, str], str]) -> MomentsWay:
    """The way of moments; ``words`` names its tag."""
    return MomentsWay(wecom, words("moments_tag", "group"), words("moments_tag", "name"))


def way_of(wecom: WeComClient, task: Row, words: Callable[[str, str], str]) -> Way:
    """The way of a task's channel; ``words`` names the tag of moments."""
    match task["channel"]:
        case Channel.MOMENTS:
            return moments_way(wecom, words)
        case Channel.MASS_GROUP:
            return MassWay(wecom, "group")
        case _:
            return MassWay(wecom, "single")


def reason_of(no: Refused | Invalid) -> str:
    """Why a task was not made, as the pushes of it tell."""
    if isinstance(no, Invalid):
        return "invalid"
    known = {_NOBODY: "not_friend", _WRONG_RANGE: "visible_range"}
    return known.get(no.errcode) or f"errcode {no.errcode}"
