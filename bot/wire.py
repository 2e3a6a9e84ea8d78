"""Callback bytes to typed events: envelope, signature, decryption, XML and JSON. Pure.

Every function takes any bytes at all and raises ``NotOurs`` (bad signature, key or
receiver: 403) or ``Invalid`` (not the protocol: 400), nothing else.
"""

from __future__ import annotations

import hmac
import json
import re
from binascii import a2b_base64
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b, sha1
from typing import Any
from xml.parsers.expat import ExpatError, ParserCreate

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from bot import app_events, events
from bot.elements import Fields, build, moment
from bot.errors import Invalid, NotOurs
from bot.events import Event, UnknownEvent

MAX_DEPTH = 16
"""Elements inside one another; WeCom's deepest callback (approvals) has 7."""
MAX_MARKUP = 20_000
"""Tags and sections in one callback; a full group of 500 members needs about 1,000."""

_TOKEN = re.compile(r"[A-Za-z0-9]{1,32}")
_AES_KEY = re.compile(r"[A-Za-z0-9+/]{43}")
_PADDINGS = tuple(bytes([size]) * size for size in range(33))
_HEADER = 20
"""Sixteen random bytes and the length of the message."""

# The envelope as WeCom writes it, apart from its ciphertext. What does not look exactly
# so goes through the XML parser: that costs 4.7 µs, this 1 µs, of about 18.
_FRAME_LIMIT = 400
_CDATA = rb"><!\[CDATA\[[\w-]*\]\]></"
_OTHERS = rb"(?:<(?:ToUserName" + _CDATA + rb"ToUserName|AgentID" + _CDATA + rb"AgentID)>\s*)*"
_BEFORE = re.compile(rb"<xml>\s*" + _OTHERS)
_AFTER = re.compile(rb"\s*" + _OTHERS + rb"</xml>\s*")


class CallbackKeys:
    """The secrets of one callback source; each source has its own.

    Args:
        token: Up to 32 letters and digits, ours to choose.
        aes_key: EncodingAESKey, exactly 43 characters.
        receive_id: The corpid; empty for smart bots.

    Raises:
        Invalid: Token or key cannot be what the console shows.
    """

    __slots__ = ("_cipher", "_receive_id", "_token")

    def __init__(self, token: str, aes_key: str, receive_id: str) -> None:
        if not _TOKEN.fullmatch(token):
            raise Invalid("回调 Token 应为 1 至 32 位字母或数字,请从管理后台“设置API接收”重新复制")
        if not _AES_KEY.fullmatch(aes_key):
            raise Invalid("回调 EncodingAESKey 应恰为 43 位字母或数字,请从管理后台重新复制")
        # The last character carries two spare bits that need not be zero.
        key = a2b_base64(aes_key + "=")
        self._token = token
        self._receive_id = receive_id.encode()
        self._cipher = Cipher(AES(key), CBC(key[:16]))

    def __repr__(self) -> str:
        return "CallbackKeys(***)"

    def check(self, msg_signature: str, timestamp: str, nonce: str, encrypt: str) -> None:
        """Compare the signature with ours over the values as they were received.

        Raises:
            NotOurs: It differs.
        """
        signed = "".join(sorted((self._token, timestamp, nonce, encrypt)))
        # The protocol prescribes SHA-1. Any text may stand in a URL, lone surrogates too.
        ours = sha1(signed.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
        if not (msg_signature.isascii() and hmac.compare_digest(ours, msg_signature)):
            raise NotOurs("回调签名不符:请核对该来源的 Token")

    def decrypt(self, ciphertext: bytes) -> bytes:
        """Undo AES-256-CBC and the padding to 32 bytes.

        Raises:
            Invalid: Not a whole number of blocks.
            NotOurs: No padding comes out, as with another key.
        """
        if not ciphertext or len(ciphertext) % 16:
            raise Invalid("回调密文长度不是 16 的倍数")
        # finalize() would only find a broken last block, which the length excludes (0.3 µs).
        padded = self._cipher.decryptor().update(ciphertext)
        size = padded[-1]
        if not 1 <= size <= 32 or not padded.endswith(_PADDINGS[size]):
            raise NotOurs("回调解密失败:请核对该来源的 EncodingAESKey")
        return padded[:-size]

    def content(self, encrypt: str) -> bytes:
        """The message inside a ciphertext in Base64, when it is addressed to us.

        Raises:
            Invalid: Broken Base64 or lengths.
            NotOurs: Another key or another receiver.
        """
        try:
            ciphertext = a2b_base64(encrypt, strict_mode=True)
        except ValueError:
            raise Invalid("回调密文不是合法的 Base64") from None
        plain = self.decrypt(ciphertext)
        end = _HEADER + int.from_bytes(plain[16:_HEADER], "big")
        if end > len(plain):
            # Another key leaves no padding 255 times in 256; this may be the odd one out.
            if len(plain) >= _HEADER and not plain.endswith(self._receive_id):
                raise NotOurs("回调解密失败:请核对该来源的 EncodingAESKey")
            raise Invalid("回调明文长度与其声明不符")
        if plain[end:] != self._receive_id:
            raise NotOurs("回调的 receiveid 不是本企业:请核对企业 ID")
        return plain[_HEADER:end]


# --- envelopes -------------------------------------------------------------------------


def verify_url(
    keys: CallbackKeys, msg_signature: str, timestamp: str, nonce: str, echostr: str
) -> bytes:
    """The exact body that answers the console's GET; parameters URL-decoded once.

    Raises:
        NotOurs: Bad signature, key or receiver.
        Invalid: Not the protocol.
    """
    keys.check(msg_signature, timestamp, nonce, echostr)
    return keys.content(echostr)


def open_envelope(
    keys: CallbackKeys, msg_signature: str, timestamp: str, nonce: str, body: bytes
) -> bytes:
    """The decrypted content of a POST; the signature is checked before anything is decrypted.

    Raises:
        NotOurs: Bad signature, key or receiver.
        Invalid: Not the protocol.
    """
    encrypt = _encrypt_element(body)
    keys.check(msg_signature, timestamp, nonce, encrypt)
    return keys.content(encrypt)


def open_json_envelope(
    keys: CallbackKeys, msg_signature: str, timestamp: str, nonce: str, body: bytes
) -> bytes:
    """The same for the smart bot, whose envelope is JSON.

    Raises:
        NotOurs: Bad signature, key or receiver.
        Invalid: Not the protocol.
    """
    encrypt = _json_object(body).get("encrypt")
    if not isinstance(encrypt, str) or not encrypt:
        raise Invalid("回调 JSON 缺少 encrypt")
    keys.check(msg_signature, timestamp, nonce, encrypt)
    return keys.content(encrypt)


def open_smartbot_media(keys: CallbackKeys, ciphertext: bytes) -> bytes:
    """A file that was sent to the smart bot: encrypted whole, with no header.

    Raises:
        NotOurs: Another key.
        Invalid: Not a whole number of blocks.
    """
    return keys.decrypt(ciphertext)


def content_key(source: str, plaintext: bytes) -> str:
    """What makes a callback the same as another, for dropping repetitions.

    Taken over the decrypted content: the ciphertext is redrawn, and WeCom's own rule
    (sender and second) would merge two customers added in one second.
    """
    return f"{source}:{blake2b(plaintext, digest_size=16).hexdigest()}"


def _encrypt_element(body: bytes) -> str:
    before, _, rest = body.partition(b"<Encrypt><![CDATA[")
    encrypt, closed, after = rest.partition(b"]]></Encrypt>")
    usual = closed and len(before) + len(after) <= _FRAME_LIMIT and _is_frame(before, after)
    if usual and encrypt.isascii() and b"<" not in encrypt:
        return encrypt.decode()
    found = parse_fields(body).get("Encrypt")
    if not isinstance(found, str):
        raise Invalid("回调 XML 缺少 Encrypt,或不止一个")
    return found


@lru_cache(maxsize=64)
def _is_frame(before: bytes, after: bytes) -> bool:
    """Whether this is WeCom's own writing; remembered, for a corp's frames are all alike."""
    return bool(_BEFORE.fullmatch(before) and _AFTER.fullmatch(after))


# --- content ---------------------------------------------------------------------------


def parse_fields(xml: bytes) -> Fields:
    """What ``<xml>`` holds, by element; text, nested fields, or a list where one repeats.

    Raises:
        Invalid: Not well-formed XML, a DOCTYPE, nested too deep or too long.
    """
    if xml.count(b"<") > MAX_MARKUP:
        raise Invalid("回调 XML 元素过多")
    tree = _Tree()
    parser = ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler = tree.start
    parser.EndElementHandler = tree.end
    parser.CharacterDataHandler = tree.said.append
    try:
        parser.Parse(xml, True)  # noqa: FBT003  # the C function takes no keywords
    except ExpatError as error:
        raise Invalid(f"回调内容不是合法的 XML(第 {error.lineno} 行)") from None
    if "xml" not in tree.here:
        raise Invalid("回调 XML 的根元素不是 <xml>")
    found = tree.here["xml"]
    return found if isinstance(found, dict) else {}


class _Tree:
    """Grows as the parser meets elements; text beside elements is dropped.

    Attributes:
        here: The elements met so far at this level.
        around: The levels outside it.
        said: The text since the last tag that opened.
        opened: That element is still open and has none inside.
    """

    __slots__ = ("around", "here", "opened", "said")

    def __init__(self) -> None:
        self.here: dict[str, Any] = {}
        self.around: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.opened = False

    def start(self, _name: str, _attributes: dict[str, str]) -> None:
        if self.opened:
            if len(self.around) >= MAX_DEPTH:
                raise Invalid("回调 XML 嵌套过深")
            self.around.append(self.here)
            self.here = {}
        self.opened = True
        self.said.clear()

    def end(self, name: str) -> None:
        value: Any
        if self.opened:
            value = "".join(self.said)
            self.opened = False
        else:
            value = self.here
            self.here = self.around.pop()
        here = self.here
        if name not in here:
            here[name] = value
        elif isinstance(here[name], list):
            here[name].append(value)
        else:
            here[name] = [here[name], value]


def _refuse_doctype(*_declared: object) -> None:
    raise Invalid("回调 XML 不得含有 DOCTYPE")


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise Invalid("回调内容不是合法的 JSON") from None
    if not isinstance(found, dict):
        raise Invalid("回调 JSON 不是对象")
    return found


# --- events ----------------------------------------------------------------------------


def parse(plaintext: bytes) -> Event:
    """The event in a decrypted callback.

    Raises:
        Invalid: Not XML, or an element is missing without which it says nothing.
    """
    return event_from_xml(parse_fields(plaintext))


def event_from_xml(tree: Fields) -> Event:
    """The event that the elements tell of; kinds that nobody knows become ``UnknownEvent``.

    Raises:
        Invalid: MsgType, CreateTime or an element that this kind must have is missing.
    """
    kind = _word(tree, "MsgType")
    if kind == "event":
        name = ".".join(filter(None, (_word(tree, "Event"), _word(tree, "ChangeType"))))
    else:
        name = kind and f"message.{kind}"
    created_at = _CREATE_TIME.read(tree)
    if not name or not isinstance(created_at, datetime):
        raise Invalid("回调内容缺少 MsgType、Event 或 CreateTime")
    return _event(name, created_at, tree)


def parse_json(plaintext: bytes, received_at: datetime) -> Event:
    """A smart bot's message or event, or a notice inside the Data Zone.

    Args:
        plaintext: Decrypted.
        received_at: Stands in where the sender gives no time, as in messages.

    Raises:
        Invalid: Not JSON, or a member is missing without which it says nothing.
    """
    tree = _json_object(plaintext)
    zone, kind, event = _word(tree, "event_type"), _word(tree, "msgtype"), tree.get("event")
    if kind == "event" and isinstance(event, Mapping):
        kind = _word(event, "eventtype") or kind
    if not zone and not kind:
        raise Invalid("JSON 内容缺少 msgtype 或 event_type")
    created_at = _SENT.read(tree)
    if not isinstance(created_at, datetime):
        created_at = received_at
    return _event(f"zone.{zone}" if zone else f"smartbot.{kind}", created_at, tree)


def _event(name: str, created_at: datetime, tree: Fields) -> Event:
    kind = KINDS.get(name)
    if kind is None:
        return UnknownEvent(name=_ODD.sub("?", name[:100]), created_at=created_at, fields=tree)
    return build(kind, tree, {"name": name, "created_at": created_at})


def _word(tree: Fields, key: str) -> str:
    value = tree.get(key)
    return value.strip() if isinstance(value, str) else ""


_CREATE_TIME = moment("CreateTime")
_SENT = moment("create_time", "timestamp")
_ODD = re.compile(r"[^A-Za-z0-9_.-]")

KINDS: dict[str, type[Event]] = {
    "change_external_contact.add_external_contact": events.AddExternalContact,
    "change_external_contact.add_half_external_contact": events.AddExternalContact,
    "change_external_contact.edit_external_contact": events.EditExternalContact,
    "change_external_contact.del_external_contact": events.DelExternalContact,
    "change_external_contact.del_follow_user": events.DelFollowUser,
    "change_external_contact.transfer_fail": events.TransferFail,
    "change_external_contact.msg_audit_approved": events.MsgAuditApproved,
    "change_external_chat.create": events.GroupChatCreated,
    "change_external_chat.update": events.GroupChatChanged,
    "change_external_chat.dismiss": events.GroupChatDismissed,
    "change_external_tag.create": events.CorpTagChanged,
    "change_external_tag.update": events.CorpTagChanged,
    "change_external_tag.delete": events.CorpTagChanged,
    "change_external_tag.shuffle": events.CorpTagChanged,
    "msgaudit_notify": events.MsgAuditNotify,
    "program_notify": events.ProgramNotify,
    "kf_msg_or_event": events.KfMsgOrEvent,
    "kf_account_auth_change": events.KfAccountAuthChange,
    "customer_acquisition.balance_low": events.AcquisitionQuota,
    "customer_acquisition.balance_exhausted": events.AcquisitionQuota,
    "customer_acquisition.balance_increased": events.AcquisitionQuota,
    "customer_acquisition.quota_expire_soon": events.AcquisitionQuota,
    "customer_acquisition.link_unavailable": events.AcquisitionLink,
    "customer_acquisition.delete_link": events.AcquisitionLink,
    "customer_acquisition.open_profile": events.AcquisitionLink,
    "customer_acquisition.friend_request": events.AcquisitionLink,
    "customer_acquisition.customer_start_chat": events.CustomerStartChat,
    "customer_acquisition.message_from_customer": events.MessageFromCustomer,
    "change_contact.create_user": events.CreateUser,
    "change_contact.update_user": events.UpdateUser,
    "change_contact.delete_user": events.DeleteUser,
    "change_contact.create_party": events.ChangeParty,
    "change_contact.update_party": events.ChangeParty,
    "change_contact.delete_party": events.ChangeParty,
    "change_contact.update_tag": events.UpdateTag,
    "message.text": events.AppText,
    "message.image": events.AppImage,
    "message.voice": events.AppVoice,
    "message.video": events.AppVideo,
    "message.location": events.AppLocation,
    "message.link": events.AppLink,
    "template_card_event": events.TemplateCardEvent,
    "template_card_menu_event": events.TemplateCardMenuEvent,
    "subscribe": app_events.Subscribe,
    "unsubscribe": app_events.Unsubscribe,
    "enter_agent": app_events.EnterAgent,
    "LOCATION": app_events.LocationReported,
    "click": app_events.MenuEvent,
    "view": app_events.MenuEvent,
    "view_miniprogram": app_events.MenuEvent,
    "scancode_push": app_events.ScanCode,
    "scancode_waitmsg": app_events.ScanCode,
    "pic_sysphoto": app_events.SendPics,
    "pic_photo_or_album": app_events.SendPics,
    "pic_weixin": app_events.SendPics,
    "location_select": app_events.LocationSelect,
    "open_approval_change": app_events.OpenApprovalChange,
    "batch_job_result": app_events.BatchJobResult,
    "inactive_alert": app_events.AgentAlert,
    "close_inactive_agent": app_events.AgentAlert,
    "reopen_inactive_agent": app_events.AgentAlert,
    "low_active_alert": app_events.AgentAlert,
    "low_active": app_events.AgentAlert,
    "active_restored": app_events.AgentAlert,
    "share_agent_change": app_events.SharingChanged,
    "share_chain_change": app_events.SharingChanged,
    "smartbot.text": app_events.SmartBotMessage,
    "smartbot.image": app_events.SmartBotMessage,
    "smartbot.mixed": app_events.SmartBotMessage,
    "smartbot.voice": app_events.SmartBotMessage,
    "smartbot.file": app_events.SmartBotMessage,
    "smartbot.stream": app_events.SmartBotStream,
    "smartbot.enter_chat": app_events.SmartBotEntered,
    "smartbot.template_card_event": app_events.SmartBotCard,
    "smartbot.feedback_event": app_events.SmartBotFeedback,
    "zone.conversation_new_message": app_events.ZoneNews,
    "zone.hit_keyword": app_events.ZoneNews,
    "zone.chat_archive_audit_approved_single": app_events.ZoneAuditApproved,
    "zone.chat_archive_audit_approved_room": app_events.ZoneAuditApproved,
}
"""Which class a wire name becomes."""
