"""WeCom's limits, checked before anything is sent; what is wrong is said in Chinese."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Sized
from typing import Any, Final

from bot.errors import Invalid

Attachment = Mapping[str, Any]
"""``{"msgtype": "image", "image": {"pic_url": …}}`` as in ``add_msg_template`` (92135)."""

_ATTACHMENT: Final[Mapping[str, Mapping[str, tuple[bool, int]]]] = {
    "image": {"media_id": (False, 512), "pic_url": (False, 2048)},
    "link": {
        "title": (True, 128),
        "picurl": (False, 2048),
        "desc": (False, 512),
        "url": (True, 2048),
    },
    "miniprogram": {
        "title": (True, 64),
        "pic_media_id": (True, 512),
        "appid": (True, 128),
        "page": (True, 2048),
    },
    "video": {"media_id": (True, 512)},
    "file": {"media_id": (True, 512)},
}
"""Field → (required, bytes at most). Ids and pages have no published limit: 512 and 2,048."""


def at_most_bytes(what: str, text: str, most: int) -> None:
    """Refuse a text that is longer in UTF-8; WeCom would cut it or answer 45002."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > most:
        raise Invalid(f"{what}有 {size} 字节，最多 {most} 字节（约 {most // 3} 个汉字），请缩短")


def at_most_chars(what: str, text: str, most: int) -> None:
    """Refuse a text with more characters."""
    if len(text) > most:
        raise Invalid(f"{what}有 {len(text)} 个字，最多 {most} 个字，请缩短")


def at_most_items(what: str, items: Sized, most: int, least: int = 0) -> None:
    """Refuse a list that is too long or too short."""
    if len(items) > most:
        raise Invalid(f"{what}有 {len(items)} 项，一次最多 {most} 项，请分批")
    if len(items) < least:
        raise Invalid(f"{what}至少要有 {least} 项")


def present(what: str, value: str) -> None:
    """Refuse an empty or blank text."""
    if not value.strip():
        raise Invalid(f"{what}不能为空")


def identifier(what: str, value: str, most: int, extra: str = "") -> None:
    """Refuse an id that is empty, too long or has other characters than letters, digits, ``_-``."""
    present(what, value)
    at_most_bytes(what, value, most)
    if not re.fullmatch(rf"[0-9A-Za-z_\-{extra}]+", value):
        raise Invalid(f"{what}只能用数字、字母和 _-{extra}")


def within(what: str, value: int, least: int, most: int) -> None:
    """Refuse a number outside its range."""
    if not least <= value <= most:
        raise Invalid(f"{what}是 {value}，须在 {least} 到 {most} 之间")


def content(what: str, text: str, most: int, attachments: Sequence[Attachment]) -> dict[str, Any]:
    """The text and attachments of a message in WeCom's shape, at least one of the two.

    Raises:
        Invalid: Neither is given, or something is beyond its limit.
    """
    if not text.strip() and not attachments:
        raise Invalid(f"{what}和附件不能都为空")
    at_most_bytes(what, text, most)
    at_most_items("附件", attachments, 9)
    for row in attachments:
        attachment(row)
    return {
        "text": {"content": text} if text else None,
        "attachments": [dict(row) for row in attachments] or None,
    }


def attachment(
    row: Attachment, known: Mapping[str, Mapping[str, tuple[bool, int]]] = _ATTACHMENT
) -> None:
    """Refuse an attachment of an unknown kind, or with wrong fields; ``known`` has both."""
    kind = str(row.get("msgtype", ""))
    fields = known.get(kind)
    content = row.get(kind)
    if fields is None or not isinstance(content, Mapping):
        raise Invalid(f"附件类型 {kind!r} 无效，可用：{'、'.join(known)}，内容放在同名字段里")
    unknown = set(content) - set(fields)
    if unknown:
        raise Invalid(f"附件 {kind} 不认识的字段：{'、'.join(sorted(unknown))}")
    for name, (required, size) in fields.items():
        value = str(content.get(name) or "")
        if required:
            present(f"附件 {kind} 的 {name}", value)
        at_most_bytes(f"附件 {kind} 的 {name}", value, size)
    if kind == "image" and not (content.get("media_id") or content.get("pic_url")):
        raise Invalid("图片附件要有 media_id 或 pic_url（pic_url 须来自 media/uploadimg）")
