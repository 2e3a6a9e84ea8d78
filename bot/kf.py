"""WeChat customer service (kf): pages of ``sync_msg`` as typed items. Pure.

Messages take the shape of the archive (`ArchivedMessage` with ``open_kfid`` and ``seq`` 0), so that
reading is the same for both. Of events each kind is a record of its own. Items that break the
protocol are set aside and the rest of the page goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Any

from bot.archive.strict import (
    DamagedRecord,
    Reason,
    field_of,
    id_of,
    load_object,
    moment_of,
    storable,
    words_of,
)
from bot.archive.words import SILENT, Spoken, flattened, foreign, joined
from bot.model import ArchivedMessage, ChatId, ExternalUserId, MsgId, OpenKfId, UserId

_SECOND = 1000


class KfOrigin(IntEnum):
    """Who wrote a message (``origin``); events are always the system's."""

    CUSTOMER = 3
    SYSTEM = 4
    SERVICER = 5


@dataclass(frozen=True, slots=True)
class KfMessage:
    """A message of a customer or of a human agent; what the API sent itself never comes back.

    Attributes:
        message: Sender is the customer, or the agent's ``userid`` for origin 5 (staff speech).
        origin: 3 customer, 5 agent; others are kept as they come.
        external_userid: The customer of the conversation, whoever wrote.
        servicer_userid: The agent, "" while none has the session.
        menu_id: The menu item that the customer clicked, "" for typed text.
    """

    message: ArchivedMessage
    origin: int
    external_userid: ExternalUserId
    servicer_userid: UserId
    menu_id: str = ""

    @property
    def msgid(self) -> MsgId:
        """Dedupe key."""
        return self.message.msgid

    @property
    def created_at(self) -> datetime:
        """Aware, UTC."""
        return self.message.sent_at

    @property
    def by_staff(self) -> bool:
        """True for an agent's words: never read for facts about the customer."""
        return self.origin == KfOrigin.SERVICER


@dataclass(frozen=True, slots=True)
class _Event:
    """What every kf event says: which, when (aware, UTC), at which account, with whom."""

    msgid: MsgId
    created_at: datetime
    open_kfid: OpenKfId
    external_userid: ExternalUserId


@dataclass(frozen=True, slots=True)
class KfEnterSession(_Event):
    """A customer opened the chat.

    Attributes:
        scene: Where from, as given to ``add_contact_way``.
        scene_param: What our own link added.
        welcome_code: "" when the customer was welcomed or wrote within the last 48 hours.
    """

    scene: str
    scene_param: str
    welcome_code: str


@dataclass(frozen=True, slots=True)
class KfMsgSendFail(_Event):
    """A message of ours was accepted by the API and not delivered after all.

    Attributes:
        fail_type: 0 unknown, 1 account deleted, 2 app closed, 4 over 48 hours, 5 session closed,
            6 over five messages, 8 subject not verified, 10 customer refuses, 11 no agent logged
            in, 12 kind forbidden, 13 security.
    """

    fail_msgid: MsgId
    fail_type: int


@dataclass(frozen=True, slots=True)
class KfServicerStatus(_Event):
    """An agent began or stopped taking sessions; ``external_userid`` is empty.

    Attributes:
        on_duty: ``status`` 1.
        paused: Off duty for a while only (``stop_type`` 1).
    """

    servicer_userid: UserId
    on_duty: bool
    paused: bool


@dataclass(frozen=True, slots=True)
class KfSessionStatusChange(_Event):
    """A session changed hands in the WeCom client; transitions by API are not told.

    Attributes:
        change_type: 1 taken from the pool, 2 transferred, 3 ended, 4 opened again.
        msg_code: For one message on this event (1 and 3 only), else "".
    """

    change_type: int
    old_servicer_userid: UserId
    new_servicer_userid: UserId
    msg_code: str


@dataclass(frozen=True, slots=True)
class KfRecall(_Event):
    """A message was taken back: by the agent, or by the customer (``servicer_userid`` "")."""

    recalls: MsgId
    servicer_userid: UserId


@dataclass(frozen=True, slots=True)
class KfRejectSwitch(_Event):
    """The customer turned messages of this account off (``rejects``) or on again."""

    servicer_userid: UserId
    rejects: bool


@dataclass(frozen=True, slots=True)
class KfUnknown(_Event):
    """An event of a kind that nobody knows yet; ``raw`` is its JSON."""

    event_type: str
    raw: str = field(repr=False)


KfItem = (
    KfMessage
    | KfEnterSession
    | KfMsgSendFail
    | KfServicerStatus
    | KfSessionStatusChange
    | KfRecall
    | KfRejectSwitch
    | KfUnknown
)


@dataclass(frozen=True, slots=True)
class KfSetAside:
    """An item that could not be read: its ``msgid`` where there is one, why, and its JSON."""

    msgid: MsgId
    reason: Reason
    detail: str
    raw: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KfPage:
    """One answer of ``sync_msg``.

    Attributes:
        next_cursor: To be kept per ``open_kfid`` together with the items; "" when none was given.
        has_more: Ask again at once, even if this page is empty.
    """

    items: tuple[KfItem, ...]
    set_aside: tuple[KfSetAside, ...]
    next_cursor: str
    has_more: bool


def parse_sync_msg(answer: Mapping[str, Any]) -> KfPage:
    """The parsed JSON of ``kf/sync_msg`` (errcode already checked) as typed items, in order.

    Raises:
        DamagedRecord: The page itself breaks the protocol; a single item never raises.
    """
    items: list[KfItem] = []
    set_aside: list[KfSetAside] = []
    for item in field_of(answer, "msg_list", list, []):
        try:
            items.append(parse_item(item))
        except DamagedRecord as bad:
            set_aside.append(_set_aside(item, bad))
    cursor = id_of(answer, "next_cursor", "")
    has_more = field_of(answer, "has_more", int, 0) == 1
    return KfPage(tuple(items), tuple(set_aside), cursor, has_more)


def parse_item(item: Any) -> KfItem:
    """One element of ``msg_list``.

    Raises:
        DamagedRecord: A field is missing or of a wrong type.
    """
    if not isinstance(item, dict):
        raise DamagedRecord(Reason.FIELD, "msg_list")
    if not id_of(item, "msgid"):
        raise DamagedRecord(Reason.FIELD, "msgid")
    return _event(item) if field_of(item, "msgtype", str) == "event" else _message(item)


def _message(item: Mapping[str, Any]) -> KfMessage:
    kind, origin = id_of(item, "msgtype"), int(field_of(item, "origin", int))
    customer, servicer = id_of(item, "external_userid"), id_of(item, "servicer_userid", "")
    ends = (servicer, customer) if origin == KfOrigin.SERVICER else (customer, servicer)
    said = _spoken(item, kind)
    message = ArchivedMessage(
        msgid=MsgId(id_of(item, "msgid")),
        seq=0,
        sender=ends[0],
        receivers=tuple(filter(None, ends[1:])),
        chat_id=ChatId(""),
        sent_at=moment_of(item, "send_time", _SECOND),
        kind=kind,
        text=said.text,
        quoted=said.quoted,
        open_kfid=OpenKfId(id_of(item, "open_kfid")),
        raw=_raw(item),
    )
    menu_id = id_of(item["text"], "menu_id", "") if kind == "text" else ""
    return KfMessage(message, origin, ExternalUserId(customer), UserId(servicer), menu_id)


def _spoken(item: Mapping[str, Any], kind: str) -> Spoken:
    reader = _READERS.get(kind)
    return reader(field_of(item, kind, dict)) if reader else SILENT


def _text(body: Mapping[str, Any]) -> Spoken:
    return flattened(words_of(body, "content"))


def _link(body: Mapping[str, Any]) -> Spoken:
    return joined(foreign(words_of(body, name, "")) for name in ("title", "desc"))


def _merged(body: Mapping[str, Any]) -> Spoken:
    return joined(_forwarded(body))


def _forwarded(body: Mapping[str, Any]) -> Iterator[Spoken]:
    """Each forwarded text and link; ``msg_content`` is JSON inside a string."""
    for item in field_of(body, "item", list):
        if not isinstance(item, dict):
            raise DamagedRecord(Reason.FIELD, "item")
        kind = field_of(item, "msgtype", str)
        if kind in ("text", "link"):
            content = load_object(field_of(item, "msg_content", str))
            yield foreign(_spoken(content, kind).text)


_READERS: dict[str, Callable[[Mapping[str, Any]], Spoken]] = {
    "text": _text,
    "link": _link,
    "merged_msg": _merged,
}


def _event(item: Mapping[str, Any]) -> KfItem:
    event = field_of(item, "event", dict)
    kind = id_of(event, "event_type")
    head = (
        MsgId(id_of(item, "msgid")),
        moment_of(item, "send_time", _SECOND),
        OpenKfId(id_of(event, "open_kfid", "")),
        ExternalUserId(id_of(event, "external_userid", "")),
    )
    maker = _EVENTS.get(kind)
    return maker(head, event) if maker else KfUnknown(*head, kind, _raw(item))


_Head = tuple[MsgId, datetime, OpenKfId, ExternalUserId]


def _userid(event: Mapping[str, Any], name: str, default: str = "") -> UserId:
    return UserId(id_of(event, name, default))


def _enter_session(head: _Head, event: Mapping[str, Any]) -> KfEnterSession:
    scene, scene_param = words_of(event, "scene", ""), words_of(event, "scene_param", "")
    return KfEnterSession(*head, scene, scene_param, id_of(event, "welcome_code", ""))


def _msg_send_fail(head: _Head, event: Mapping[str, Any]) -> KfMsgSendFail:
    fail_msgid, fail_type = id_of(event, "fail_msgid"), field_of(event, "fail_type", int, 0)
    return KfMsgSendFail(*head, MsgId(fail_msgid), fail_type)


def _servicer_status_change(head: _Head, event: Mapping[str, Any]) -> KfServicerStatus:
    on_duty = field_of(event, "status", int) == 1
    paused = not on_duty and field_of(event, "stop_type", int, 0) == 1
    return KfServicerStatus(*head, UserId(id_of(event, "servicer_userid")), on_duty, paused)


def _session_status_change(head: _Head, event: Mapping[str, Any]) -> KfSessionStatusChange:
    return KfSessionStatusChange(
        *head,
        change_type=field_of(event, "change_type", int),
        old_servicer_userid=_userid(event, "old_servicer_userid"),
        new_servicer_userid=_userid(event, "new_servicer_userid"),
        msg_code=id_of(event, "msg_code", ""),
    )


def _recall(head: _Head, event: Mapping[str, Any]) -> KfRecall:
    return KfRecall(*head, MsgId(id_of(event, "recall_msgid")), _userid(event, "servicer_userid"))


def _reject_switch(head: _Head, event: Mapping[str, Any]) -> KfRejectSwitch:
    rejects = field_of(event, "reject_switch", int) == 1
    return KfRejectSwitch(*head, _userid(event, "servicer_userid"), rejects)


_EVENTS: dict[str, Callable[[_Head, Mapping[str, Any]], KfItem]] = {
    "enter_session": _enter_session,
    "msg_send_fail": _msg_send_fail,
    "servicer_status_change": _servicer_status_change,
    "session_status_change": _session_status_change,
    "user_recall_msg": _recall,
    "servicer_recall_msg": _recall,
    "reject_customer_msg_switch_change": _reject_switch,
}


def _raw(item: Any) -> str:
    try:
        return storable(json.dumps(item, ensure_ascii=False, separators=(",", ":")))
    except (TypeError, ValueError, RecursionError):
        raise DamagedRecord(Reason.NOT_JSON) from None


def _set_aside(item: Any, bad: DamagedRecord) -> KfSetAside:
    msgid = item.get("msgid") if isinstance(item, dict) else ""
    try:
        raw = _raw(item)
    except DamagedRecord:
        raw = ""
    msgid = storable(msgid) if isinstance(msgid, str) else ""
    return KfSetAside(MsgId(msgid), bad.reason, str(bad), raw)
