"""Where encrypted records come from: what a source is, its JSON, and the relay as one."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import urllib3

from bot.archive.crypto import EncryptedRecord
from bot.archive.strict import DamagedRecord, field_of, id_of, load_object
from bot.errors import Invalid, Refused, Retry

MOST_RECORDS = 1000
"""The platform's limit for one page."""
TOO_MUCH = 301058
"""The platform's code for a page that is too large: ask for fewer records."""
MOST_MEDIA_BYTES = 256 * 1024 * 1024
_HIGHEST_SEQ = 2**63 - 1  # the platform says 64 bits unsigned; no database holds more than these
_TRIES = 3  # of one media chunk; the platform asks to repeat it with the same index
_TIMEOUT = urllib3.Timeout(connect=5.0, read=60.0)  # 1000 records may be 50 MB
_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY = 200, 401, 403, 404, 429

_RETRY_AFTER = {-1: 1.0, 10001: 5.0, 10002: 1.0, 10003: 1.0, 45009: 60.0, 45033: 5.0}
"""Seconds by code: busy, network, answer not parsed, system failure, too many calls."""
_HINTS = {
    10000: "参数错误,请检查企业 ID 与会话存档 Secret",
    10005: "sdkfileid 不对",
    10009: "出口 IP 不在会话存档的可信 IP 名单里,请在管理后台加入",
    10010: "数据超过 5 天,已不能拉取",
    10011: "SSL 证书错误,请检查本机的 OpenSSL 与代理",
    40001: "会话存档 Secret 不对,请检查 WECOM_ARCHIVE_SECRET",
    40013: "企业 ID 不对,请检查 WECOM_CORP_ID",
    301052: "会话存档服务已过期,请续费",
    301053: "会话存档没有开通,请在管理后台开通",
    TOO_MUCH: "一次取的数据太多,请减少条数",
    301111: "会话存档 SDK 版本太旧,请升级",
    301116: "第三方不能调用本企业的会话存档 SDK",
}


class ArchiveSource(Protocol):
    """What pulling needs."""

    def chat_data(self, seq: int, limit: int) -> list[EncryptedRecord]:
        """At most ``limit`` records after ``seq``; none when everything was pulled.

        Raises:
            Retry: Network, or the platform is busy.
            Refused: The platform's code says why; 301058 asks for a lower limit.
            Invalid: The answer breaks the protocol, or a setting is wrong.
        """
        ...

    def media(self, sdkfileid: str) -> bytes:
        """A picture, voice, video or file, whole; not older than five days.

        Raises:
            Retry: Network, or the platform is busy.
            Refused: Expired, or no such file.
            Invalid: The answer breaks the protocol.
        """
        ...


@dataclass(frozen=True, slots=True)
class MediaChunk:
    """At most 512 KiB of a file, and where the next one starts."""

    index: str
    content: bytes = field(repr=False)
    finish: bool


def error_of(errcode: int, errmsg: str = "") -> Retry | Refused:
    """What a caller can do about a code of the SDK or of the platform behind it."""
    hint = _HINTS.get(errcode, errmsg)
    if errcode in _RETRY_AFTER:
        return Retry(f"会话存档暂时不可用,errcode {errcode} {hint}".rstrip(), _RETRY_AFTER[errcode])
    return Refused(errcode, hint)


def parse_chat_data(text: bytes) -> list[EncryptedRecord]:
    """The JSON of ``GetChatData``; a damaged element stays in the list, its bad fields empty.

    Raises:
        Retry: ``errcode`` says that it may work later.
        Refused: Any other ``errcode``.
        Invalid: Not the JSON of ``GetChatData``.
    """
    answer = _answer(text)
    try:
        records = field_of(answer, "chatdata", list)
    except DamagedRecord:
        raise Invalid("GetChatData 的回答里没有 chatdata 列表") from None
    return [_record(item if isinstance(item, dict) else {}) for item in records]


def whole_media(chunk: Callable[[str, str], MediaChunk], sdkfileid: str) -> bytes:
    """All chunks of a file, in order; a chunk that fails is asked for again with its index.

    Raises:
        Retry: The same chunk failed three times.
        Invalid: The index stands still, or the file is larger than 256 MiB.
    """
    parts: list[bytes] = []
    index, size = "", 0
    while size <= MOST_MEDIA_BYTES:
        got = _patiently(chunk, sdkfileid, index)
        parts.append(got.content)
        size += len(got.content)
        if got.finish:
            return b"".join(parts)
        if got.index in ("", index):
            raise Invalid("GetMediaData 没有取完,但没有给出下一段的位置")
        index = got.index
    raise Invalid("媒体文件超过 256 MiB,不予下载")


class RelaySource:
    """The archive through a relay that stands beside the SDK in the bank's outer network.

    Args:
        url: Base address; ``/chatdata`` and ``/media`` are below it.
        token: Bearer token.
        http: Pool to use; its own retries are switched off for these calls.

    Raises:
        Invalid: The address is none.
    """

    def __init__(self, url: str, token: str, http: urllib3.PoolManager) -> None:
        self._url = _checked_address(url)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._http = http

    def chat_data(self, seq: int, limit: int) -> list[EncryptedRecord]:
        """See `ArchiveSource.chat_data`."""
        return parse_chat_data(self.chat_data_text(seq, limit))

    def chat_data_text(self, seq: int, limit: int) -> bytes:
        """The JSON of ``GetChatData`` as the relay gave it."""
        return self._post("/chatdata", {"seq": seq, "limit": limit})

    def media(self, sdkfileid: str) -> bytes:
        """See `ArchiveSource.media`."""
        return whole_media(self.media_chunk, sdkfileid)

    def media_chunk(self, sdkfileid: str, index: str) -> MediaChunk:
        """One chunk of a file; ``index`` is "" for the first."""
        answer = _answer(self._post("/media", {"sdkfileid": sdkfileid, "index": index}))
        try:
            content = base64.b64decode(field_of(answer, "data", str), validate=True)
            finish = field_of(answer, "finish", bool)
            return MediaChunk(id_of(answer, "index", ""), content, finish)
        except (DamagedRecord, binascii.Error, ValueError):
            raise Invalid("会话存档中继的 /media 回答不合协议,请检查中继的版本") from None

    def _post(self, path: str, body: dict[str, Any]) -> bytes:
        try:
            answer = self._http.request(
                "POST",
                self._url + path,
                body=json.dumps(body),
                headers=self._headers,
                timeout=_TIMEOUT,
                retries=False,
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise Retry(f"连不上会话存档中继({type(error).__name__})", 5.0) from None
        if answer.status != _OK:
            raise _relay_error(answer.status, answer.headers.get("Retry-After", ""))
        return answer.data


def _checked_address(url: str) -> str:
    try:
        address = urllib3.util.parse_url(url)
    except urllib3.exceptions.LocationParseError:
        address = urllib3.util.Url()
    if address.scheme not in ("http", "https") or not address.host:
        raise Invalid("会话存档中继地址不对,请检查 WECOM_ARCHIVE_RELAY_URL,例如 https://relay:8090")
    return url.rstrip("/")


def _relay_error(status: int, retry_after: str) -> Retry | Invalid:
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        return Invalid("会话存档中继不认这个令牌,请检查 WECOM_ARCHIVE_RELAY_TOKEN 是否两边一致")
    if status == _NOT_FOUND:
        return Invalid("会话存档中继没有这个路径,请检查 WECOM_ARCHIVE_RELAY_URL")
    if status == _TOO_MANY or status >= 500:
        after = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 5.0
        return Retry(f"会话存档中继暂时不可用(HTTP {status})", after)
    return Invalid(f"会话存档中继拒绝了请求(HTTP {status}),请检查地址与中继的版本")


def _answer(text: bytes) -> dict[str, Any]:
    try:
        answer = load_object(text)
        errcode = int(field_of(answer, "errcode", int, 0))
    except DamagedRecord:
        raise Invalid("会话存档的回答不是 JSON 对象,请检查中继地址与代理") from None
    if errcode:
        raise error_of(errcode, str(answer.get("errmsg", "")))
    return answer


def _record(item: dict[str, Any]) -> EncryptedRecord:
    return EncryptedRecord(
        seq=_whole(item, "seq"),
        msgid=_plain(item, "msgid"),
        publickey_ver=_whole(item, "publickey_ver"),
        encrypt_random_key=_plain(item, "encrypt_random_key"),
        encrypt_chat_msg=_plain(item, "encrypt_chat_msg"),
    )


def _whole(item: dict[str, Any], name: str) -> int:
    value = item.get(name)
    return value if type(value) is int and 0 <= value <= _HIGHEST_SEQ else 0


def _plain(item: dict[str, Any], name: str) -> str:
    try:
        return id_of(item, name)
    except DamagedRecord:
        return ""


def _patiently(chunk: Callable[[str, str], MediaChunk], sdkfileid: str, index: str) -> MediaChunk:
    for _ in range(_TRIES - 1):
        try:
            return chunk(sdkfileid, index)
        except Retry:
            continue
    return chunk(sdkfileid, index)
