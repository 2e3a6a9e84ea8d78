"""Typed events around the app itself: presence, menus, approvals, alerts, smart bot, zone.

Rarely heard, kept so that nothing known arrives as unknown. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from bot.elements import decimal, each, lines, moment, number, numbers, text, texts
from bot.events import NO_CHAT, NO_USER, Event, SelectedItem
from bot.model import ChatId, ExternalUserId, MsgId, UserId

# --- presence and menus ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AppEvent(Event):
    """An employee did something in the app; not heard itself."""

    userid: Annotated[UserId, text("FromUserName")]
    agent_id: Annotated[int | None, number("AgentID")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe(AppEvent):
    """The employee came into the app's visible range."""

    name: str = "subscribe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe(AppEvent):
    """The employee left the visible range, left the corp or was disabled."""

    name: str = "unsubscribe"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterAgent(AppEvent):
    """The employee opened the app."""

    name: str = "enter_agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationReported(AppEvent):
    """Where the employee opened the app: degrees, and metres of precision."""

    name: str = "LOCATION"
    latitude: Annotated[float | None, decimal("Latitude")] = None
    longitude: Annotated[float | None, decimal("Longitude")] = None
    precision: Annotated[float | None, decimal("Precision")] = None
    app_type: Annotated[str, text("AppType")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MenuEvent(AppEvent):
    """``change``: click, view or view_miniprogram; the key is its key, URL or path."""

    name: str = "click"
    event_key: Annotated[str, text("EventKey")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanCode(AppEvent):
    """``change``: scancode_push or scancode_waitmsg."""

    name: str = "scancode_push"
    event_key: Annotated[str, text("EventKey")] = ""
    scan_type: Annotated[str, text("ScanCodeInfo/ScanType")] = ""
    scan_result: Annotated[str, text("ScanCodeInfo/ScanResult")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendPics(AppEvent):
    """``change``: pic_sysphoto, pic_photo_or_album or pic_weixin; the pictures follow."""

    name: str = "pic_sysphoto"
    event_key: Annotated[str, text("EventKey")] = ""
    count: Annotated[int | None, number("SendPicsInfo/Count")] = None
    md5s: Annotated[tuple[str, ...], texts("SendPicsInfo/PicList/item/PicMd5Sum")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationSelect(AppEvent):
    """A place picked through a menu."""

    name: str = "location_select"
    event_key: Annotated[str, text("EventKey")] = ""
    latitude: Annotated[float | None, decimal("SendLocationInfo/Location_X")] = None
    longitude: Annotated[float | None, decimal("SendLocationInfo/Location_Y")] = None
    scale: Annotated[int | None, number("SendLocationInfo/Scale")] = None
    label: Annotated[str, text("SendLocationInfo/Label")] = field(default="", repr=False)
    poi_name: Annotated[str, text("SendLocationInfo/Poiname")] = field(default="", repr=False)
    app_type: Annotated[str, text("AppType")] = ""


# --- approvals, jobs, alerts -------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalItem:
    """One person in an approval.

    Attributes:
        status: 1 open, 2 passed, 3 refused, 4 passed on; absent for those only told.
        acted_at: Absent until they act.
    """

    userid: Annotated[UserId, text("ItemUserId")] = NO_USER
    display_name: Annotated[str, text("ItemName")] = field(default="", repr=False)
    status: Annotated[int | None, number("ItemStatus")] = None
    speech: Annotated[str, text("ItemSpeech")] = field(default="", repr=False)
    acted_at: Annotated[datetime | None, moment("ItemOpTime")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalNode:
    """One step of an approval; numbers as WeCom sends them."""

    status: Annotated[int | None, number("NodeStatus")] = None
    attr: Annotated[int | None, number("NodeAttr")] = None
    kind: Annotated[int | None, number("NodeType")] = None
    items: Annotated[tuple[ApprovalItem, ...], each(ApprovalItem, "Items/Item")] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenApprovalChange(Event):
    """A step of a self-built approval.

    Attributes:
        third_no: Our own number of the approval.
        status: 1 open, 2 passed, 3 refused, 4 cancelled.
    """

    name: str = "open_approval_change"
    agent_id: Annotated[int | None, number("AgentID")] = None
    third_no: Annotated[str, text("ApprovalInfo/ThirdNo")]
    title: Annotated[str, text("ApprovalInfo/OpenSpName")] = ""
    template_id: Annotated[str, text("ApprovalInfo/OpenTemplateId")] = ""
    status: Annotated[int | None, number("ApprovalInfo/OpenSpStatus")] = None
    applied_at: Annotated[datetime | None, moment("ApprovalInfo/ApplyTime")] = None
    userid: Annotated[UserId, text("ApprovalInfo/ApplyUserId")] = NO_USER
    user_name: Annotated[str, text("ApprovalInfo/ApplyUserName")] = field(default="", repr=False)
    party: Annotated[str, text("ApprovalInfo/ApplyUserParty")] = ""
    step: Annotated[int | None, number("ApprovalInfo/approverstep")] = None
    nodes: Annotated[
        tuple[ApprovalNode, ...], each(ApprovalNode, "ApprovalInfo/ApprovalNodes/ApprovalNode")
    ] = ()
    notified: Annotated[
        tuple[ApprovalItem, ...], each(ApprovalItem, "ApprovalInfo/NotifyNodes/NotifyNode")
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJobResult(Event):
    """An asynchronous job on the address book ended."""

    name: str = "batch_job_result"
    job_id: Annotated[str, text("BatchJob/JobId")]
    job_type: Annotated[str, text("BatchJob/JobType")] = ""
    errcode: Annotated[int | None, number("BatchJob/ErrCode")] = None
    errmsg: Annotated[str, text("BatchJob/ErrMsg")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentAlert(Event):
    """The app is, or will be, stopped or cut off from customers because it is little used.

    ``change``: inactive_alert, close_inactive_agent, reopen_inactive_agent,
    low_active_alert, low_active or active_restored.

    Attributes:
        effective_at: When it will happen; only on the two alerts.
    """

    name: str = "low_active_alert"
    agent_id: Annotated[int | None, number("AgentID")] = None
    effective_at: Annotated[datetime | None, moment("EffectTime")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SharingChanged(Event):
    """``change``: share_agent_change or share_chain_change (linked corps)."""

    name: str = "share_agent_change"
    agent_id: Annotated[int | None, number("AgentID")] = None


# --- smart bot ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartBotEvent(Event):
    """Something an employee did with the smart bot; not heard itself.

    Attributes:
        chat_id: The group, or "" in a private chat.
        response_url: Takes one answer within an hour.
    """

    msgid: Annotated[MsgId, text("msgid")]
    aibotid: Annotated[str, text("aibotid")] = ""
    userid: Annotated[UserId, text("from/userid")]
    corpid: Annotated[str, text("from/corpid")] = ""
    chat_id: Annotated[ChatId, text("chatid")] = NO_CHAT
    chat_type: Annotated[str, text("chattype")] = ""
    response_url: Annotated[str, text("response_url")] = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartBotMessage(SmartBotEvent):
    """``change``: text, image, mixed, voice or file; in groups only what mentions the bot.

    Attributes:
        content: Everything written, or said in a voice message, line by line.
        media_urls: Encrypted with the bot's key; good for five minutes.
        quoted: What the message quotes.
    """

    name: str = "smartbot.text"
    content: Annotated[
        str, lines("text/content", "voice/content", "mixed/msg_item/text/content")
    ] = field(default="", repr=False)
    media_urls: Annotated[
        tuple[str, ...], texts("image/url", "file/url", "mixed/msg_item/image/url")
    ] = field(default=(), repr=False)
    quoted: Annotated[
        str,
        lines("quote/text/content", "quote/voice/content", "quote/mixed/msg_item/text/content"),
    ] = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartBotStream(SmartBotEvent):
    """WeCom asks for the rest of an answer that we began."""

    name: str = "smartbot.stream"
    stream_id: Annotated[str, text("stream/id")]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartBotEntered(SmartBotEvent):
    """The first visit of the day; a welcome may be answered."""

    name: str = "smartbot.enter_chat"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartBotCard(SmartBotEvent):
    """A button or choice on the smart bot's card; tried once, lost after five seconds."""

    name: str = "smartbot.template_card_event"
    card_type: Annotated[str, text("event/template_card_event/card_type")] = ""
    event_key: Annotated[str, text("event/template_card_event/event_key")] = ""
    task_id: Annotated[str, text("event/template_card_event/task_id")] = ""
    selected: Annotated[
        tuple[SelectedItem, ...],
        each(SelectedItem, "event/template_card_event/selected_items/selected_item"),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartBotFeedback(SmartBotEvent):
    """What somebody thinks of an answer; to be answered with an empty body.

    Attributes:
        kind: WeCom's number of the verdict.
        reasons: WeCom's numbers of what was wrong.
    """

    name: str = "smartbot.feedback_event"
    feedback_id: Annotated[str, text("event/feedback_event/id")] = ""
    kind: Annotated[int | None, number("event/feedback_event/type")] = None
    content: Annotated[str, text("event/feedback_event/content")] = field(default="", repr=False)
    reasons: Annotated[tuple[int, ...], numbers("event/feedback_event/inaccurate_reason_list")] = ()


# --- inside the Data Zone ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneNews(Event):
    """Inside the zone: ``conversation_new_message`` or ``hit_keyword``; ten minutes."""

    name: str = "zone.conversation_new_message"
    token: Annotated[str, text("conversation_new_message/token", "hit_keyword/token")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneAuditApproved(Event):
    """Inside the zone: a customer agreed to archiving, of one chat or of a group."""

    name: str = "zone.chat_archive_audit_approved_single"
    userid: Annotated[UserId, text("chat_archive_audit_approved/userid")] = NO_USER
    external_userid: Annotated[ExternalUserId, text("chat_archive_audit_approved/external_userid")]
    chat_id: Annotated[ChatId, text("chat_archive_audit_approved/chatid")] = NO_CHAT
