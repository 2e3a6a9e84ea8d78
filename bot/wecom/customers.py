"""Customers, their tags, and customer groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from bot.errors import Invalid, Refused, Retry
from bot.model import ChatId, ExternalUserId, TagId, UserId
from bot.wecom import limits
from bot.wecom.door import Call, Door
from bot.wecom.errcodes import NEEDS_OWNER_FILTER
from bot.wecom.replies import Json, rows

# 45033: the cap on calls at the same time is not published; official advice is one or two.
_LISTS_AT_ONCE: Final = 2

GET_FOLLOW_USER_LIST: Final = Call("GET", "externalcontact/get_follow_user_list", "contact")
EXTERNALCONTACT_GET: Final = Call("GET", "externalcontact/get", "contact")
EXTERNALCONTACT_LIST: Final = Call(
    "GET", "externalcontact/list", "contact", parallel=_LISTS_AT_ONCE
)
BATCH_GET_BY_USER: Final = Call(
    "POST", "externalcontact/batch/get_by_user", "contact", parallel=_LISTS_AT_ONCE
)
REMARK: Final = Call("POST", "externalcontact/remark", "contact")
GET_CORP_TAG_LIST: Final = Call("POST", "externalcontact/get_corp_tag_list", "contact")
ADD_CORP_TAG: Final = Call(
    "POST", "externalcontact/add_corp_tag", "contact", repeat="idempotent_by_name"
)
EDIT_CORP_TAG: Final = Call("POST", "externalcontact/edit_corp_tag", "contact")
DEL_CORP_TAG: Final = Call("POST", "externalcontact/del_corp_tag", "contact")
MARK_TAG: Final = Call("POST", "externalcontact/mark_tag", "contact", repeat="idempotent")
GROUPCHAT_LIST: Final = Call(
    "POST", "externalcontact/groupchat/list", "contact", parallel=_LISTS_AT_ONCE
)
GROUPCHAT_GET: Final = Call("POST", "externalcontact/groupchat/get", "contact")


@dataclass(frozen=True, slots=True)
class CustomerPage:
    """One page of friendships.

    Attributes:
        rows: ``{"external_contact": {…}, "follow_info": {…}}`` as WeCom gives them; the
            ``follow_info`` has ``tag_id`` and no personal tags.
        next_cursor: "" on the last page.
        unlicensed: Members without an interconnection licence, whose customers are missing.
    """

    rows: list[Json] = field(repr=False)
    next_cursor: str
    unlicensed: tuple[UserId, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupChatPage:
    """One page of customer groups: ``{"chat_id", "status"}``; ``next_cursor`` "" on the last."""

    rows: list[Json]
    next_cursor: str


Page = TypeVar("Page", CustomerPage, GroupChatPage)


class Customers(Door):
    """Everything with the customer-contact secret that sends nothing."""

    def get_follow_user_list(self) -> list[UserId]:
        """Members who may have customers, inside the app's range (92571): where a sync begins."""
        return [UserId(name) for name in rows(self._call(GET_FOLLOW_USER_LIST), "follow_user")]

    def externalcontact_get(self, external_userid: ExternalUserId, cursor: str = "") -> Json:
        """A customer with every follow user and tag (92114); ``next_cursor`` beyond 500 of them.

        Raises:
            Refused: 40096, an id of another corp or app; 84061, nobody's friend (group only).
        """
        limits.present("客户 external_userid", external_userid)
        query = {"external_userid": external_userid, "cursor": cursor or None}
        return self._call(EXTERNALCONTACT_GET, query=query)

    def externalcontact_list(self, userid: UserId) -> list[ExternalUserId]:
        """All customers of a member, unpaged (92113)."""
        limits.present("成员 userid", userid)
        reply = self._call(EXTERNALCONTACT_LIST, query={"userid": userid})
        return [ExternalUserId(name) for name in rows(reply, "external_userid")]

    def batch_get_by_user(
        self, userids: Sequence[UserId], cursor: str = "", limit: int = 100
    ) -> CustomerPage:
        """One page of the customers of at most 100 members (92994).

        Raises:
            Refused: 701008, none of them has an interconnection licence.
        """
        limits.at_most_items("成员 userid_list", userids, 100, least=1)
        limits.within("每页条数 limit", limit, 1, 100)
        reply = self._call(
            BATCH_GET_BY_USER, {"userid_list": list(userids), "cursor": cursor, "limit": limit}
        )
        failed = reply.get("fail_info") or {}
        return CustomerPage(
            rows(reply, "external_contact_list"),
            str(reply.get("next_cursor") or ""),
            tuple(UserId(name) for name in failed.get("unlicensed_userid_list") or ()),
        )

    def customers_of(self, userids: Sequence[UserId]) -> Iterator[CustomerPage]:
        """Every page of the customers of any number of members, fetched as they are asked for."""
        for some in _hundreds(userids):
            yield from _pages(partial(self.batch_get_by_user, some))

    def externalcontact_remark(
        self,
        userid: UserId,
        external_userid: ExternalUserId,
        *,
        remark: str | None = None,
        description: str | None = None,
        remark_company: str | None = None,
        remark_mobiles: Sequence[str] | None = None,
    ) -> None:
        """Write what a member sees about a friend (92115); ``None`` leaves a field alone.

        Raises:
            Refused: 84061, they are not friends.
        """
        _friendship(userid, external_userid)
        body: dict[str, Any] = {
            "remark": remark,
            "description": description,
            "remark_company": remark_company,
            "remark_mobiles": None if remark_mobiles is None else list(remark_mobiles),
        }
        if all(value is None for value in body.values()):
            raise Invalid("修改备注时至少要给出一项：备注、描述、企业名称或手机号")
        limits.at_most_chars("备注", remark or "", 20)
        limits.at_most_chars("描述", description or "", 150)
        limits.at_most_chars("备注的企业名称", remark_company or "", 20)
        with self._pacing.lane(userid, external_userid):
            self._call(REMARK, {"userid": userid, "external_userid": external_userid, **body})

    def get_corp_tag_list(
        self, tag_ids: Sequence[TagId] = (), group_ids: Sequence[str] = ()
    ) -> list[Json]:
        """Tag groups with their tags (92117); the whole library when nothing is named.

        With ``group_ids`` WeCom ignores ``tag_ids``.
        """
        reply = self._call(
            GET_CORP_TAG_LIST,
            {"tag_id": list(tag_ids) or None, "group_id": list(group_ids) or None},
        )
        return rows(reply, "tag_group")

    def add_corp_tag(
        self,
        names: Sequence[str],
        *,
        group_id: str | None = None,
        group_name: str | None = None,
        order: int | None = None,
    ) -> Json:
        """Add tags to a group, which is made when only its name is known (92117).

        Returns:
            The group with the tags that were added. The same name is made once.
        """
        if not group_id and not group_name:
            raise Invalid("新增标签要给出标签组：group_id 或 group_name")
        limits.at_most_chars("标签组名", group_name or "", 30)
        limits.at_most_items("标签", names, 1000, least=1)
        for name in names:
            _tag_name(name)
        if order is not None:
            limits.within("排序 order", order, 0, 4294967295)
        body = {"group_id": group_id, "group_name": group_name, "order": order}
        reply = self._call(ADD_CORP_TAG, {**body, "tag": [{"name": name} for name in names]})
        return dict(reply.get("tag_group") or {})

    def edit_corp_tag(
        self, tag_or_group_id: str, *, name: str | None = None, order: int | None = None
    ) -> None:
        """Rename or reorder a tag or a group (92117); only what this app made (81011)."""
        limits.present("标签或标签组 id", tag_or_group_id)
        if name is None and order is None:
            raise Invalid("修改标签时至少要给出名称或排序")
        if name is not None:
            _tag_name(name)
        self._call(EDIT_CORP_TAG, {"id": tag_or_group_id, "name": name, "order": order})

    def del_corp_tag(self, tag_ids: Sequence[TagId] = (), group_ids: Sequence[str] = ()) -> None:
        """Delete tags or groups (92117); a group without tags disappears by itself."""
        if not tag_ids and not group_ids:
            raise Invalid("删除标签时至少要给出一个标签或标签组")
        self._call(
            DEL_CORP_TAG, {"tag_id": list(tag_ids) or None, "group_id": list(group_ids) or None}
        )

    def mark_tag(
        self,
        userid: UserId,
        external_userid: ExternalUserId,
        *,
        add: Sequence[TagId] = (),
        remove: Sequence[TagId] = (),
    ) -> None:
        """Set and take off tags of one friendship (92118); no callback follows.

        Raises:
            Refused: 84061, they are not friends: group-only people cannot be tagged.
        """
        _friendship(userid, external_userid)
        if not add and not remove:
            raise Invalid("打标签时 add 和 remove 不能都为空")
        both = set(add) & set(remove)
        if both:
            raise Invalid(f"同一标签不能既打上又去掉：{'、'.join(sorted(both))}")
        body = {"add_tag": list(add) or None, "remove_tag": list(remove) or None}
        with self._pacing.lane(userid, external_userid):
            self._call(MARK_TAG, {"userid": userid, "external_userid": external_userid, **body})

    def groupchat_list(
        self,
        owners: Sequence[UserId] = (),
        cursor: str = "",
        *,
        status_filter: int = 0,
        limit: int = 1000,
    ) -> GroupChatPage:
        """One page of customer groups (92120).

        Args:
            owners: At most 100; none means every group in the app's range.
            cursor: ``next_cursor`` of the page before.
            status_filter: 0 all, 1 owner left, 2 being inherited, 3 inherited.
            limit: Groups a page.

        Raises:
            Refused: 81017, more than 1,000 visible members: name the owners.
        """
        limits.at_most_items("群主", owners, 100)
        limits.within("群状态 status_filter", status_filter, 0, 3)
        limits.within("每页条数 limit", limit, 1, 1000)
        body: dict[str, Any] = {"status_filter": status_filter, "cursor": cursor, "limit": limit}
        if owners:
            body["owner_filter"] = {"userid_list": list(owners)}
        reply = self._call(GROUPCHAT_LIST, body)
        return GroupChatPage(rows(reply, "group_chat_list"), str(reply.get("next_cursor") or ""))

    def group_chats(self) -> Iterator[GroupChatPage]:
        """Every page of every group; owner by owner where WeCom asks for that (81017)."""
        try:
            first = self.groupchat_list()
        except Refused as error:
            if error.errcode != NEEDS_OWNER_FILTER:
                raise
            yield from self._group_chats_by_owner()
            return
        yield first
        if first.next_cursor:
            yield from _pages(partial(self.groupchat_list, ()), first.next_cursor)

    def _group_chats_by_owner(self) -> Iterator[GroupChatPage]:
        for some in _hundreds(self.get_follow_user_list()):
            yield from _pages(partial(self.groupchat_list, some))

    def groupchat_get(self, chat_id: ChatId) -> Json:
        """A group with its members and their names (92122); lags the change event.

        ``member_list[].type`` 1 employee, 2 customer; ``member_version`` skips unchanged groups.
        """
        limits.present("客户群 chat_id", chat_id)
        reply = self._call(GROUPCHAT_GET, {"chat_id": chat_id, "need_name": 1})
        group = reply.get("group_chat")
        if not isinstance(group, dict):
            raise Retry("应答不完整，缺少 group_chat", 1.0)
        return group


def _friendship(userid: str, external_userid: str) -> None:
    limits.present("成员 userid", userid)
    limits.present("客户 external_userid", external_userid)


def _tag_name(name: str) -> None:
    limits.present("标签名", name)
    limits.at_most_chars("标签名", name, 30)


def _hundreds(userids: Sequence[UserId]) -> Iterator[Sequence[UserId]]:
    return (userids[start : start + 100] for start in range(0, len(userids), 100))


def _pages(fetch: Callable[[str], Page], cursor: str = "") -> Iterator[Page]:
    """Pages until the cursor is empty.

    Raises:
        Retry: WeCom gave the same cursor again, which would never end.
    """
    while True:
        page = fetch(cursor)
        yield page
        if not page.next_cursor:
            return
        if page.next_cursor == cursor:
            raise Retry("分页游标没有前进，稍后重新拉取", 60.0)
        cursor = page.next_cursor
