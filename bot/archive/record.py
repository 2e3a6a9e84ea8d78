"""Decrypted JSON to `ArchivedMessage`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.archive.strict import (
    MISSING,
    DamagedRecord,
    Reason,
    field_of,
    id_of,
    load_object,
    moment_of,
)
from bot.archive.words import SILENT, spoken
from bot.model import ArchivedMessage, ChatId, MsgId

SWITCH = "switch"
KNOWN_KINDS = frozenset(
    (
        *("text", "image", "revoke", "agree", "disagree", "voice", "video", "card", "location"),
        *("emotion", "file", "link", "weapp", "chatrecord", "todo", "vote", "collect"),
        *("redpacket", "external_redpacket", "meeting", "meeting_notification", "docmsg"),
        *("markdown", "news", "calendar", "mixed", "meeting_voice_call", "voip_doc_share"),
        *("voiptext", "sphfeed", "qydiskfile"),
    )
)
"""Every ``msgtype`` of the platform's page; for others a missing field is no damage."""
_ANSWERS = {"agree": True, "disagree": False}


def parse_record(plain_json: str, seq: int, outer_msgid: str) -> ArchivedMessage:
    """One decrypted record; a ``msgtype`` that nobody knows is kept in ``raw``.

    Raises:
        DamagedRecord: Not strict JSON, an inner ``msgid`` that differs from the outer (the format
            has no other integrity check), or a field of a wrong type.
    """
    record = load_object(plain_json)
    msgid = id_of(record, "msgid")
    if not msgid or msgid != outer_msgid:
        raise DamagedRecord(Reason.MSGID_DIFFERS)
    if record.get("action") == SWITCH and "msgtype" not in record:
        return _switch(record, plain_json, seq)
    return _message(record, plain_json, seq)


def _switch(record: Mapping[str, Any], raw: str, seq: int) -> ArchivedMessage:
    """A member changed to another corp and back; no message, so it has no receivers."""
    return ArchivedMessage(
        msgid=MsgId(id_of(record, "msgid")),
        seq=seq,
        sender=id_of(record, "user"),
        receivers=(),
        chat_id=ChatId(""),
        sent_at=moment_of(record, "time"),
        kind=SWITCH,
        raw=raw,
    )


def _message(record: Mapping[str, Any], raw: str, seq: int) -> ArchivedMessage:
    kind = id_of(record, "msgtype")
    known = kind in KNOWN_KINDS
    said = spoken(record, kind) if known else SILENT
    sender, sent_at = _who_and_when(record, kind, known=known)
    return ArchivedMessage(
        msgid=MsgId(id_of(record, "msgid")),
        seq=seq,
        sender=sender,
        receivers=_receivers(record, known=known),
        chat_id=ChatId(id_of(record, "roomid", "")),
        sent_at=sent_at,
        kind=kind,
        text=said.text,
        quoted=said.quoted,
        recalls=_recalled(record) if kind == "revoke" else None,
        agreed=_ANSWERS.get(kind),
        raw=raw,
    )


def _who_and_when(record: Mapping[str, Any], kind: str, *, known: bool) -> tuple[str, datetime]:
    """Sender and instant; an answer to archiving counts for whom and when it says itself."""
    sender = id_of(record, "from", MISSING if known else "")
    sent_at = moment_of(record, "msgtime", default=MISSING if known else 0)
    if kind not in _ANSWERS:
        return sender, sent_at
    answer = field_of(record, kind, dict)
    at = f"{kind}_time"
    return id_of(answer, "userid", sender), moment_of(answer, at) if at in answer else sent_at


def _receivers(record: Mapping[str, Any], *, known: bool) -> tuple[str, ...]:
    receivers = field_of(record, "tolist", list, MISSING if known else [])
    return tuple(id_of({"tolist": receiver}, "tolist") for receiver in receivers)


def _recalled(record: Mapping[str, Any]) -> MsgId:
    recalled = id_of(field_of(record, "revoke", dict), "pre_msgid")
    if not recalled:
        raise DamagedRecord(Reason.FIELD, "pre_msgid")
    return MsgId(recalled)
