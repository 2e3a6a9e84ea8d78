"""What WeCom tells us, as typed events: customers, groups, archive, people, messages, cards.

Menus, approvals, alerts, the smart bot and the Data Zone are in ``bot.app_events``. A field
names beside its type the element it is read from, so these files are the whole mapping;
fields without a default must be in the callback, the rest may be absent. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from bot.elements import Fields, decimal, each, listed, moment, number, text, texts
from bot.model import ChatId, ExternalUserId, MsgId, OpenKfId, TagId, UserId

NO_USER = UserId("")
NO_CHAT = ChatId("")
_NO_TAG = TagId("")
_NO_MSG = MsgId("")

# --- common to all --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at WeCom. Delivery is unordered, repeated and sometimes lost.

    Attributes:
        name: WeCom's words, such as ``change_external_contact.del_follow_user``; for logs.
        created_at: When WeCom made it, to the second; aware, UTC.
    """

    name: str = ""
    created_at: datetime

    @property
    def change(self) -> str:
        """The last word of the name: WeCom's ChangeType, event kind or message type."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownEvent(Event):
    """A genuine event of a kind that nobody knows yet; kept whole, never refused."""

    fields: Fields = field(repr=False)


# --- change_external_contact: friends of our employees ---------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeExternalContact(Event):
    """One employee and one customer; what we do by API ourselves is not told."""

    userid: Annotated[UserId, text("UserID")]
    external_userid: Annotated[ExternalUserId, text("ExternalUserID")]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddExternalContact(ChangeExternalContact):
    """An employee and a customer became friends, or half so.

    Attributes:
        state: The channel: ``state`` of a contact way or ``customer_channel`` of a link.
        welcome_code: Good for 20 seconds, once; absent when the console greets already.
    """

    name: str = "change_external_contact.add_external_contact"
    state: Annotated[str, text("State")] = ""
    welcome_code: Annotated[str, text("WelcomeCode")] = ""

    @property
    def half(self) -> bool:
        """Only the customer has added; contact APIs refuse until the employee adds back."""
        return self.change == "add_half_external_contact"


@dataclass(frozen=True, slots=True, kw_only=True)
class EditExternalContact(ChangeExternalContact):
    """The employee changed remark, phone or tags; which, only ``externalcontact/get`` tells."""

    name: str = "change_external_contact.edit_external_contact"


@dataclass(frozen=True, slots=True, kw_only=True)
class DelExternalContact(ChangeExternalContact):
    """The employee deleted the customer."""

    name: str = "change_external_contact.del_external_contact"
    source: Annotated[str, text("Source")] = ""

    @property
    def by_transfer(self) -> bool:
        """Removed because the customer was handed over to a colleague."""
        return self.source == "DELETE_BY_TRANSFER"


@dataclass(frozen=True, slots=True, kw_only=True)
class DelFollowUser(ChangeExternalContact):
    """The customer deleted the employee."""

    name: str = "change_external_contact.del_follow_user"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFail(ChangeExternalContact):
    """Handing the customer to ``userid`` failed.

    Attributes:
        fail_reason: ``customer_refused`` or ``customer_limit_exceed``.
    """

    name: str = "change_external_contact.transfer_fail"
    fail_reason: Annotated[str, text("FailReason")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MsgAuditApproved(ChangeExternalContact):
    """The customer agreed to archiving of the one-to-one conversation with ``userid``."""

    name: str = "change_external_contact.msg_audit_approved"
    welcome_code: Annotated[str, text("WelcomeCode")] = ""


# --- change_external_chat, change_external_tag -----------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeExternalChat(Event):
    """Something about one customer group; ``groupchat/get`` may lag about two seconds."""

    chat_id: Annotated[ChatId, text("ChatId")]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChatCreated(ChangeExternalChat):
    """A new customer group."""

    name: str = "change_external_chat.create"


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChatChanged(ChangeExternalChat):
    """Members, owner, name or notice changed; new owner, name and notice are not told.

    Attributes:
        update_detail: add_member, del_member, change_owner, change_name, change_notice.
        join_scene: 0 invited, 3 by QR code; other numbers are seen too.
        quit_scene: 0 left, 1 removed by the owner or an administrator.
        member_count: How many changed; may be more than ``members`` lists.
        members: Ids of employees and customers who joined or left.
        last_version: The member list before; apply only if it is the one we have.
        version: The member list after.
    """

    name: str = "change_external_chat.update"
    update_detail: Annotated[str, text("UpdateDetail")] = ""
    join_scene: Annotated[int | None, number("JoinScene")] = None
    quit_scene: Annotated[int | None, number("QuitScene")] = None
    member_count: Annotated[int | None, number("MemChangeCnt")] = None
    members: Annotated[tuple[str, ...], texts("MemChangeList/Item")] = ()
    last_version: Annotated[str, text("LastMemVer")] = ""
    version: Annotated[str, text("CurMemVer")] = ""

    @property
    def joined(self) -> tuple[str, ...]:
        """Who came; empty unless this tells of joining."""
        return self.members if self.update_detail == "add_member" else ()

    @property
    def left(self) -> tuple[str, ...]:
        """Who went; empty unless this tells of leaving."""
        return self.members if self.update_detail == "del_member" else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupChatDismissed(ChangeExternalChat):
    """The owner dissolved the group."""

    name: str = "change_external_chat.dismiss"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpTagChanged(Event):
    """``change``: create, update, delete or shuffle; read the tag library again.

    Attributes:
        tag_id: The tag or group; empty in a shuffle of all groups.
        tag_type: ``tag`` or ``tag_group``; absent in a shuffle. Deleting a group
            deletes its tags without telling of each.
    """

    name: str = "change_external_tag.update"
    tag_id: Annotated[TagId, text("Id")] = _NO_TAG
    tag_type: Annotated[str, text("TagType")] = ""
    strategy_id: Annotated[str, text("StrategyId")] = ""


# --- message archive, customer service ---------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MsgAuditNotify(Event):
    """The message archive has news; at most one of these in 15 seconds."""

    name: str = "msgaudit_notify"
    agent_id: Annotated[int | None, number("AgentID")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramNotify(Event):
    """Our program in the Data Zone calls; the id is good for ten minutes."""

    name: str = "program_notify"
    notify_id: Annotated[str, text("NotifyId")]
    notify_scene: Annotated[int | None, number("NotifyScene")] = None
    agent_id: Annotated[int | None, number("AgentID")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KfMsgOrEvent(Event):
    """An account of customer service has news; ``token`` is for ``sync_msg``, ten minutes."""

    name: str = "kf_msg_or_event"
    token: Annotated[str, text("Token")] = ""
    open_kfid: Annotated[OpenKfId, text("OpenKfId")]


@dataclass(frozen=True, slots=True, kw_only=True)
class KfAccountAuthChange(Event):
    """Accounts of customer service were handed to us or taken away."""

    name: str = "kf_account_auth_change"
    added: Annotated[tuple[OpenKfId, ...], texts("AuthAddOpenKfId")] = ()
    removed: Annotated[tuple[OpenKfId, ...], texts("AuthDelOpenKfId")] = ()


# --- customer_acquisition --------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionQuota(Event):
    """``change``: balance_low, balance_exhausted, balance_increased or quota_expire_soon."""

    name: str = "customer_acquisition.balance_low"
    expires_at: Annotated[datetime | None, moment("ExpireTime")] = None
    expiring: Annotated[int | None, number("ExpireQuotaNum")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcquisitionLink(Event):
    """``change``: link_unavailable, delete_link, open_profile or friend_request.

    Attributes:
        state: The ``customer_channel``; told for the last two.
    """

    name: str = "customer_acquisition.link_unavailable"
    link_id: Annotated[str, text("LinkId")]
    state: Annotated[str, text("State")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerStartChat(Event):
    """The employee received the customer's first message."""

    name: str = "customer_acquisition.customer_start_chat"
    userid: Annotated[UserId, text("UserID")]
    external_userid: Annotated[ExternalUserId, text("ExternalUserID")]
    link_id: Annotated[str, text("LinkId")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFromCustomer(Event):
    """The customer's third, fifth or tenth message; ask ``get_chat_info`` with the key.

    Attributes:
        chat_key: Good for 30 minutes.
        userid: Not sent since 2024-12-19, nor are the customer and ``chat_seq``.
    """

    name: str = "customer_acquisition.message_from_customer"
    chat_key: Annotated[str, text("ChatKey")]
    link_id: Annotated[str, text("LinkId")] = ""
    userid: Annotated[UserId | None, text("UserID")] = None
    external_userid: Annotated[ExternalUserId | None, text("ExternalUserID")] = None
    chat_seq: Annotated[int | None, number("ChatSeq")] = None


# --- change_contact: our own people ----------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeUser(Event):
    """An employee came or changed. Phone, mail and address are left out on purpose.

    Attributes:
        departments: Their numbers, the main one among them.
        display_name: This and all below came only to URLs set before 2022-08-15.
        leads: 1 for each of ``departments`` that the employee leads, else 0.
        status: 1 active, 2 disabled, 4 not activated, 5 left.
    """

    userid: Annotated[UserId, text("UserID")]
    departments: Annotated[tuple[str, ...], listed("Department")] = ()
    display_name: Annotated[str, text("Name")] = field(default="", repr=False)
    main_department: Annotated[str, text("MainDepartment")] = ""
    leads: Annotated[tuple[str, ...], listed("IsLeaderInDept")] = ()
    direct_leaders: Annotated[tuple[UserId, ...], listed("DirectLeader")] = ()
    position: Annotated[str, text("Position")] = ""
    status: Annotated[int | None, number("Status")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateUser(ChangeUser):
    """A new employee."""

    name: str = "change_contact.create_user"


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateUser(ChangeUser):
    """Another department or another ``userid``; a new position is not told.

    Attributes:
        new_userid: Empty unless the id itself changed.
    """

    name: str = "change_contact.update_user"
    new_userid: Annotated[UserId, text("NewUserID")] = NO_USER


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteUser(Event):
    """An employee left; their customers need somebody."""

    name: str = "change_contact.delete_user"
    userid: Annotated[UserId, text("UserID")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeParty(Event):
    """``change``: create_party, update_party or delete_party (a department)."""

    name: str = "change_contact.update_party"
    party_id: Annotated[str, text("Id")]
    display_name: Annotated[str, text("Name")] = ""
    parent_id: Annotated[str, text("ParentId")] = ""
    order: Annotated[int | None, number("Order")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateTag(Event):
    """Employees or departments under a tag of the address book; not a customer tag."""

    name: str = "change_contact.update_tag"
    tag_id: Annotated[str, text("TagId")]
    added_users: Annotated[tuple[UserId, ...], listed("AddUserItems")] = ()
    removed_users: Annotated[tuple[UserId, ...], listed("DelUserItems")] = ()
    added_parties: Annotated[tuple[str, ...], listed("AddPartyItems")] = ()
    removed_parties: Annotated[tuple[str, ...], listed("DelPartyItems")] = ()


# --- messages of employees to the app ---------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AppMessage(Event):
    """An employee wrote to the app, one to one. Media ids are good for three days."""

    userid: Annotated[UserId, text("FromUserName")]
    agent_id: Annotated[int | None, number("AgentID")] = None
    msgid: Annotated[MsgId, text("MsgId")] = _NO_MSG


@dataclass(frozen=True, slots=True, kw_only=True)
class AppText(AppMessage):
    """Words."""

    name: str = "message.text"
    content: Annotated[str, text("Content")] = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppImage(AppMessage):
    """A picture."""

    name: str = "message.image"
    pic_url: Annotated[str, text("PicUrl")] = ""
    media_id: Annotated[str, text("MediaId")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppVoice(AppMessage):
    """A recording, ``amr`` or ``speex``."""

    name: str = "message.voice"
    media_id: Annotated[str, text("MediaId")] = ""
    format: Annotated[str, text("Format")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppVideo(AppMessage):
    """A film and its still."""

    name: str = "message.video"
    media_id: Annotated[str, text("MediaId")] = ""
    thumb_media_id: Annotated[str, text("ThumbMediaId")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppLocation(AppMessage):
    """A place, in degrees.

    Attributes:
        app_type: ``wxwork`` from WeCom, empty from WeChat.
    """

    name: str = "message.location"
    latitude: Annotated[float | None, decimal("Location_X")] = None
    longitude: Annotated[float | None, decimal("Location_Y")] = None
    scale: Annotated[int | None, number("Scale")] = None
    label: Annotated[str, text("Label")] = field(default="", repr=False)
    app_type: Annotated[str, text("AppType")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppLink(AppMessage):
    """A shared page."""

    name: str = "message.link"
    title: Annotated[str, text("Title")] = field(default="", repr=False)
    description: Annotated[str, text("Description")] = field(default="", repr=False)
    url: Annotated[str, text("Url")] = ""
    pic_url: Annotated[str, text("PicUrl")] = ""


# --- template cards that the app sent ----------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectedItem:
    """What a person chose in one selector of a template card."""

    question_key: Annotated[str, text("QuestionKey", "question_key")] = ""
    option_ids: Annotated[tuple[str, ...], texts("OptionIds/OptionId", "option_ids/option_id")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateCardEvent(Event):
    """An employee pressed a button or submitted a choice on one of our cards.

    Attributes:
        event_key: The button's key.
        task_id: Ours, given when the card was sent.
        response_code: Updates the card through the API; good for 72 hours, once.
    """

    name: str = "template_card_event"
    userid: Annotated[UserId, text("FromUserName")]
    agent_id: Annotated[int | None, number("AgentID")] = None
    event_key: Annotated[str, text("EventKey")] = ""
    task_id: Annotated[str, text("TaskId")] = ""
    card_type: Annotated[str, text("CardType")] = ""
    response_code: Annotated[str, text("ResponseCode")] = ""
    selected: Annotated[
        tuple[SelectedItem, ...], each(SelectedItem, "SelectedItems/SelectedItem")
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateCardMenuEvent(Event):
    """An employee chose from the menu in the corner of one of our cards."""

    name: str = "template_card_menu_event"
    userid: Annotated[UserId, text("FromUserName")]
    agent_id: Annotated[int | None, number("AgentID")] = None
    event_key: Annotated[str, text("EventKey")] = ""
    task_id: Annotated[str, text("TaskId")] = ""
    card_type: Annotated[str, text("CardType")] = ""
    response_code: Annotated[str, text("ResponseCode")] = ""
