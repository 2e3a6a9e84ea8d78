"""Reading what came from outside without trusting it: damage, strict JSON, typed fields. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Never

from bot.errors import Invalid

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999  # the last millisecond that a datetime can hold
_REPLACED = dict.fromkeys([0, *range(0xD800, 0xE000)], "\N{REPLACEMENT CHARACTER}")
MISSING: Any = object()
"""Default of a field that must be there."""


class Reason(StrEnum):
    """Why a record was set aside; kept with it, counted, and shown to operators."""

    KEY_MISSING = "key_missing"
    KEY_WRONG = "key_wrong"
    RANDOM_KEY = "random_key"
    ENVELOPE = "envelope"
    TOO_SHORT = "too_short"
    KEY_BLOCK = "key_block"
    BODY = "body"
    NOT_UTF8 = "not_utf8"
    SDK_REFUSED = "sdk_refused"
    SDK_CRASHED = "sdk_crashed"
    NOT_JSON = "not_json"
    MSGID_DIFFERS = "msgid_differs"
    FIELD = "field"


REASON_TEXTS = {
    Reason.KEY_MISSING: "没有这个版本的会话存档私钥,请把它放进私钥目录后重读",
    Reason.KEY_WRONG: "会话存档私钥与公钥版本不符,请换成该版本的私钥后重读",
    Reason.RANDOM_KEY: "encrypt_random_key 不是 256 字节密文的 Base64",
    Reason.ENVELOPE: "记录外层缺少字段或类型不对",
    Reason.TOO_SHORT: "encrypt_chat_msg 太短或含有非 ASCII 字符",
    Reason.KEY_BLOCK: "encrypt_chat_msg 里的密钥块解不开",
    Reason.BODY: "encrypt_chat_msg 的正文解不开",
    Reason.NOT_UTF8: "解密后的内容不是 UTF-8",
    Reason.SDK_REFUSED: "会话存档 SDK 拒绝解密这条记录",
    Reason.SDK_CRASHED: "这条记录使会话存档 SDK 进程崩溃,进程已重启",
    Reason.NOT_JSON: "解密后的内容不是 JSON 对象",
    Reason.MSGID_DIFFERS: "解密后的 msgid 与外层不一致",
    Reason.FIELD: "消息字段缺失或类型不对",
}


class DamagedRecord(Invalid):
    """A record that cannot be read, now or later; the others are not touched by it.

    Attributes:
        reason: What is wrong.
        where: The field or code concerned; never a value out of the message.
    """

    def __init__(self, reason: Reason, where: str = "") -> None:
        super().__init__(REASON_TEXTS[reason] + (f"({where})" if where else ""))
        self.reason = reason
        self.where = where


class WrongKey(Invalid):
    """The private key for a record is missing or is another one: mend the folder, read again.

    Attributes:
        version: The ``publickey_ver`` of the record.
        reason: ``key_missing`` or ``key_wrong``.
    """

    def __init__(self, version: int, reason: Reason = Reason.KEY_WRONG) -> None:
        super().__init__(f"{REASON_TEXTS[reason]}(版本 {version},文件 {version}.pem)")
        self.version = version
        self.reason = reason


def _refuse_constant(name: str) -> Never:
    raise ValueError(name)


def load_object(text: str | bytes) -> dict[str, Any]:
    """Strict JSON whose outermost value is an object.

    Raises:
        DamagedRecord: Anything else, nesting too deep for the parser included.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise DamagedRecord(Reason.NOT_JSON) from None
    if not isinstance(value, dict):
        raise DamagedRecord(Reason.NOT_JSON)
    return value


def storable(text: str) -> str:
    """What every store can keep: NUL and lone surrogates become U+FFFD, the length stays."""
    return text.translate(_REPLACED)


def field_of(holder: Mapping[str, Any], name: str, kind: type, default: Any = MISSING) -> Any:
    """``holder[name]`` when it has exactly the type ``kind`` (``True`` is no ``int``).

    Raises:
        DamagedRecord: Missing without a default, or of another type.
    """
    value = holder.get(name, default)
    if value is default and default is not MISSING:
        return value
    if type(value) is not kind:
        raise DamagedRecord(Reason.FIELD, name)
    return value


def words_of(holder: Mapping[str, Any], name: str, default: Any = MISSING) -> str:
    """A text, `storable`."""
    return storable(field_of(holder, name, str, default))


def id_of(holder: Mapping[str, Any], name: str, default: Any = MISSING) -> str:
    """An id as it came.

    Raises:
        DamagedRecord: Also when the id has characters that no store could give back.
    """
    value = str(field_of(holder, name, str, default))
    if storable(value) != value:
        raise DamagedRecord(Reason.FIELD, name)
    return value


def moment_of(
    holder: Mapping[str, Any], name: str, unit_ms: int = 1, default: Any = MISSING
) -> datetime:
    """A Unix time in units of ``unit_ms`` milliseconds as an instant, aware, UTC; 0 is allowed."""
    value = int(field_of(holder, name, int, default)) * unit_ms
    if not 0 <= value <= _LAST_MS:
        raise DamagedRecord(Reason.FIELD, name)
    return _EPOCH + timedelta(milliseconds=value)
