"""Messages to employees, their cards, and uploaded media."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from bot.errors import Invalid
from bot.model import MsgId, UserId
from bot.wecom import limits
from bot.wecom.door import Call, Door, Upload
from bot.wecom.replies import Json, moment, text_of

MESSAGE_SEND: Final = Call("POST", "message/send", repeat="idempotent_if_enable_duplicate_check")
UPDATE_TEMPLATE_CARD: Final = Call("POST", "message/update_template_card", repeat="not_idempotent")
MESSAGE_RECALL: Final = Call("POST", "message/recall", repeat="idempotent")
MEDIA_UPLOAD: Final = Call("POST", "media/upload")
MEDIA_UPLOADIMG: Final = Call("POST", "media/uploadimg")
UPLOAD_ATTACHMENT: Final = Call("POST", "media/upload_attachment", "contact")

MediaType = Literal["image", "voice", "video", "file"]

_MEDIA_BYTES: Final[Mapping[MediaType, int]] = {
    # 90253 says 10 MB for images, the error table says 5: the smaller one always works.
    "image": 5 * 1024 * 1024,
    "voice": 2 * 1024 * 1024,
    "video": 10 * 1024 * 1024,
    "file": 20 * 1024 * 1024,
}
_CONTENT_TYPES: Final[Mapping[str, str]] = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "amr": "audio/amr",
    "mp4": "video/mp4",
    "pdf": "application/pdf",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A message within WeCom's limits; made by the functions below, sent to staff or by kf."""

    msgtype: str
    content: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Button:
    """A button of a card; ``key`` comes back in the click event."""

    text: str
    key: str
    style: int = 1


@dataclass(frozen=True, slots=True)
class StaffMessage:
    """What WeCom took.

    Attributes:
        msgid: For ``message_recall``, within 24 hours.
        response_code: For ``update_template_card``; once, within 72 hours; "" without buttons.
        invaliduser: Ids that got nothing, in lower case, though the call succeeded; so for
            the next three.
    """

    msgid: MsgId
    response_code: str = field(default="", repr=False)
    invaliduser: tuple[UserId, ...] = ()
    invalidparty: tuple[str, ...] = ()
    invalidtag: tuple[str, ...] = ()
    unlicenseduser: tuple[UserId, ...] = ()


@dataclass(frozen=True, slots=True)
class Media:
    """An uploaded file; ``media_id`` dies three days after ``created_at``."""

    media_id: str
    created_at: datetime | None


def text_message(content: str) -> Message:
    """Plain text, at most 2,048 bytes: WeCom would cut the rest."""
    limits.present("消息文字", content)
    limits.at_most_bytes("消息文字", content, 2048)
    return Message("text", {"content": content})


def markdown_message(content: str) -> Message:
    """WeCom's markdown subset, at most 2,048 bytes; employees only."""
    limits.present("markdown 内容", content)
    limits.at_most_bytes("markdown 内容", content, 2048)
    return Message("markdown", {"content": content})


def textcard_message(title: str, description: str, url: str, button: str = "详情") -> Message:
    """A card with a link; employees only."""
    # 90236 counts characters today and counted bytes before: bytes fit both.
    for what, text, most in (("卡片标题", title, 128), ("卡片描述", description, 512)):
        limits.present(what, text)
        limits.at_most_bytes(what, text, most)
    _link(url)
    limits.at_most_chars("卡片按钮", button, 4)
    return Message(
        "textcard", {"title": title, "description": description, "url": url, "btntxt": button}
    )


def button_card(
    task_id: str,
    title: str,
    buttons: Sequence[Button],
    *,
    description: str = "",
    text: str = "",
    facts: Sequence[tuple[str, str]] = (),
    url: str = "",
) -> Message:
    """A ``button_interaction`` card (90236); employees only; the app needs a callback address.

    Args:
        task_id: Unique in the app, at most 128 bytes of letters, digits and ``_-@``.
        title: About 26 characters fit.
        buttons: One to six.
        description: Beside the title.
        text: Below the title.
        facts: At most six (name, value) rows.
        url: Where a tap on the card leads; "" for nowhere.
    """
    limits.identifier("卡片 task_id", task_id, 128, extra="@")
    limits.present("卡片标题", title)
    limits.at_most_items("卡片按钮", buttons, 6, least=1)
    limits.at_most_items("卡片信息行", facts, 6)
    for button in buttons:
        _button(button)
    card: dict[str, Any] = {
        "card_type": "button_interaction",
        "main_title": {"title": title, "desc": description},
        "task_id": task_id,
        "button_list": [
            {"text": button.text, "style": button.style, "key": button.key} for button in buttons
        ],
    }
    if text:
        card["sub_title_text"] = text
    if facts:
        card["horizontal_content_list"] = [
            {"keyname": name, "value": value} for name, value in facts
        ]
    if url:
        _link(url)
        card["card_action"] = {"type": 1, "url": url}
    return Message("template_card", card)


class Messages(Door):
    """Everything with the app's own secret that reaches employees."""

    def message_send(
        self,
        message: Message,
        *,
        users: Sequence[UserId] = (),
        parties: Sequence[int] = (),
        tags: Sequence[int] = (),
        duplicate_check_seconds: int = 1800,
    ) -> StaffMessage:
        """Send to employees at once (90236).

        Args:
            message: Made by the functions of this module.
            users: At most 1,000; ``["@all"]`` for everybody the app sees.
            parties: Departments, at most 100. Their members' caps are not counted here.
            tags: At most 100.
            duplicate_check_seconds: WeCom drops the same content to the same people for so
                long (1 to 14,400), which makes a repeat after a time-out harmless; 0 for what
                may come twice rather than not at all.

        Raises:
            Retry: Somebody's cap is reached (WeCom would drop it silently), or as always.
            Refused: 81013, nobody of them can be reached.
        """
        recipients = _recipients(users, parties, tags)
        limits.within("重复检查秒数", duplicate_check_seconds, 0, 14_400)
        body = {
            **recipients,
            "msgtype": message.msgtype,
            "agentid": self._agent_id,
            message.msgtype: dict(message.content),
            "enable_duplicate_check": 1 if duplicate_check_seconds else None,
            "duplicate_check_interval": duplicate_check_seconds or None,
        }
        self._pacing.admit(users)
        reply = self._call(MESSAGE_SEND, body)
        return StaffMessage(
            MsgId(str(reply.get("msgid") or "")),
            str(reply.get("response_code") or ""),
            tuple(UserId(name) for name in _joined(reply, "invaliduser")),
            _joined(reply, "invalidparty"),
            _joined(reply, "invalidtag"),
            tuple(UserId(name) for name in _joined(reply, "unlicenseduser")),
        )

    def recall_sent(self, sent: Iterable[tuple[UserId, float]]) -> None:
        """Count what an earlier process sent (member, seconds ago): WeCom's caps outlive us."""
        self._pacing.recall(sent)

    def update_template_card(
        self,
        response_code: str,
        users: Sequence[UserId] = (),
        *,
        replace_name: str = "",
        card: Message | None = None,
    ) -> tuple[UserId, ...]:
        """Grey out a card's buttons, or replace the card (94888); the code works once.

        Args:
            response_code: From ``message_send`` or from the click event.
            users: Whose cards; at most 1,000, none for everybody who got it.
            replace_name: What the buttons say from then on.
            card: The card that takes its place.

        Returns:
            Members whose card was not changed.

        Raises:
            Uncertain: It may have been changed, and the code may be used up.
        """
        limits.present("卡片 response_code", response_code)
        if bool(replace_name) == (card is not None):
            raise Invalid("更新卡片时，replace_name 和新卡片要给且只给一个")
        limits.at_most_items("成员", users, 1000)
        body: dict[str, Any] = {
            "agentid": self._agent_id,
            "response_code": response_code,
            "button": {"replace_name": replace_name} if replace_name else None,
            "template_card": None if card is None else dict(card.content),
        }
        body |= {"userids": list(users)} if users else {"atall": 1}
        reply = self._call(UPDATE_TEMPLATE_CARD, body)
        return tuple(UserId(name) for name in reply.get("invaliduser") or ())

    def message_recall(self, msgid: MsgId) -> None:
        """Take a message of this app back within 24 hours (94867)."""
        limits.present("消息 msgid", msgid)
        self._call(MESSAGE_RECALL, {"msgid": msgid})

    def media_upload(self, kind: MediaType, filename: str, content: bytes) -> Media:
        """Upload for any message but moments (90253); people see the file's name."""
        _media(filename, content, _MEDIA_BYTES[kind])
        reply = self._call(MEDIA_UPLOAD, query={"type": kind}, upload=_upload(filename, content))
        return Media(text_of(reply, "media_id"), moment(reply.get("created_at")))

    def media_uploadimg(self, filename: str, content: bytes) -> str:
        """A picture's permanent address for ``pic_url`` (90256); 1,000 a day, 3,000 a month."""
        _media(filename, content, 2 * 1024 * 1024)
        return text_of(self._call(MEDIA_UPLOADIMG, upload=_upload(filename, content)), "url")

    def media_upload_attachment(
        self, kind: Literal["image", "video"], filename: str, content: bytes
    ) -> Media:
        """Upload for moments (95098), where no other upload is taken (40007)."""
        _media(filename, content, 10 * 1024 * 1024)
        reply = self._call(
            UPLOAD_ATTACHMENT,
            query={"media_type": kind, "attachment_type": 1},
            upload=_upload(filename, content),
        )
        return Media(text_of(reply, "media_id"), moment(reply.get("created_at")))


def _recipients(
    users: Sequence[UserId], parties: Sequence[int], tags: Sequence[int]
) -> dict[str, str | None]:
    if not users and not parties and not tags:
        raise Invalid("应用消息要有接收人：成员、部门或标签")
    limits.at_most_items("成员", users, 1000)
    limits.at_most_items("部门", parties, 100)
    limits.at_most_items("标签", tags, 100)
    if any("|" in user or not user.strip() for user in users):
        raise Invalid("成员 userid 不能为空，也不能含有 |")
    # Strings joined by | here; update_template_card wants arrays.
    return {
        "touser": "|".join(users) or None,
        "toparty": "|".join(map(str, parties)) or None,
        "totag": "|".join(map(str, tags)) or None,
    }


def _joined(reply: Json, name: str) -> tuple[str, ...]:
    return tuple(part for part in str(reply.get(name) or "").split("|") if part)


def _button(button: Button) -> None:
    limits.present("按钮文字", button.text)
    limits.present("按钮 key", button.key)
    limits.at_most_bytes("按钮 key", button.key, 1024)
    limits.within("按钮样式 style", button.style, 1, 4)


def _link(url: str) -> None:
    limits.at_most_bytes("链接", url, 2048)
    if not re.match(r"https?://\S+$", url):
        raise Invalid("链接必须以 http:// 或 https:// 开头，且不含空格")


def _media(filename: str, content: bytes, most: int) -> None:
    limits.present("文件名", filename)
    if re.search(r'[/\\"\x00-\x1f]', filename):
        raise Invalid("文件名不能含有路径分隔符、引号或控制字符")
    if not 5 < len(content) <= most:
        raise Invalid(
            f"文件有 {len(content)} 字节，须大于 5 字节且不超过 {most} 字节，请压缩后再传"
        )


def _upload(filename: str, content: bytes) -> Upload:
    suffix = filename.rpartition(".")[2].lower()
    return Upload(filename, _CONTENT_TYPES.get(suffix, "application/octet-stream"), content)
