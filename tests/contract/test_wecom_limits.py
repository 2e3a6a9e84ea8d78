"""What is beyond a limit of the contract never leaves; what is just within it does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from wecom_cases import (
    GROUP,
    IMAGE,
    KEFU,
    LINK,
    MINIPROGRAM,
    MOMENT,
    MOMENT_LINK,
    ROBOT,
    SAMPLES,
    TASK,
    WANG,
    ZHANG,
)
from wecom_stub import Stub, serving

from bot.errors import Invalid
from bot.model import ChatId, ExternalUserId, MsgId, TagId, UserId
from bot.wecom import (
    Button,
    Message,
    Secrets,
    WeComClient,
    button_card,
    markdown_message,
    menu_message,
    text_message,
    textcard_message,
)

CONTRACT = json.loads((SAMPLES / "contract.json").read_text(encoding="utf-8"))
MADE = {call for call in dir(WeComClient) if not call.startswith("_")}
NOW = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)

Make = Callable[[WeComClient, int], object]


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with serving() as one:
        for name in ("externalcontact/add_msg_template", "message/send"):
            one.say(name, {"errcode": 0, "msgid": "MSGID"})
        one.say(
            "externalcontact/group_welcome_template/add", {"errcode": 0, "template_id": "TEMPLATE"}
        )
        one.say("externalcontact/add_moment_task", {"errcode": 0, "jobid": "JOB"})
        one.say("media/upload_attachment", {"errcode": 0, "media_id": "MEDIA"})
        one.say("media/upload", {"errcode": 0, "media_id": "MEDIA"})
        one.say("media/uploadimg", {"errcode": 0, "url": "https://example.com/p.png"})
        yield one


@pytest.fixture
def client(stub: Stub) -> Iterator[WeComClient]:
    one = WeComClient(stub.url, "ww0000000000000000", 1000002, Secrets("A", "C", "K", "M"))
    one.externalcontact_list(ZHANG)
    one.message_recall(MsgId("MSGID"))
    one.kf_servicer_list(KEFU)
    one.get_permit_user_list()
    stub.asked.clear()  # from here on every request is the one under test, no token among them
    yield one
    one.close()


def _bytes(size: int) -> str:
    """So many bytes, Chinese where it fits: counting characters would let too much through."""
    return "汉" * (size // 3) + "a" * (size % 3)


def _names(size: int) -> list[Any]:
    return [f"id{number}" for number in range(size)]


def _url(size: int) -> str:
    return "https://example.com/".ljust(size, "a")


def _with(attachment: dict[str, Any], **changed: str) -> dict[str, Any]:
    kind = attachment["msgtype"]
    return {"msgtype": kind, kind: {**attachment[kind], **changed}}


def _attached(attach: Callable[[WeComClient, list[dict[str, Any]]], object]) -> dict[str, Make]:
    """The limits of attachments, which three calls share."""
    return {
        "link.title": lambda c, n: attach(c, [_with(LINK, title=_bytes(n))]),
        "link.picurl": lambda c, n: attach(c, [_with(LINK, picurl=_url(n))]),
        "link.desc": lambda c, n: attach(c, [_with(LINK, desc=_bytes(n))]),
        "link.url": lambda c, n: attach(c, [_with(LINK, url=_url(n))]),
        "miniprogram.title": lambda c, n: attach(c, [_with(MINIPROGRAM, title=_bytes(n))]),
    }


def _below(
    call: str, prefix: str, makes: dict[str, Make], only: set[str] | None = None
) -> dict[tuple[str, str], Make]:
    return {
        (call, prefix + name): make for name, make in makes.items() if only is None or name in only
    }


def _mass(client: WeComClient, **content: Any) -> object:
    return client.add_msg_template("single", sender=ZHANG, **content)


def _moment(client: WeComClient, **content: Any) -> object:
    return client.add_moment_task(senders=[ZHANG], **content)


def _staff(client: WeComClient, message: Message) -> object:
    return client.message_send(message, users=[ZHANG])


PICTURE = {"msgtype": "image", "image": {"media_id": "MEDIA_ID"}}
# On templates of group greetings the contract limits fewer fields of the same attachments.
TEMPLATE = {"link.title", "link.desc", "miniprogram.title"}
CHECKED: dict[tuple[str, str], Make] = {
    ("user_get", "userid"): lambda c, n: c.user_get(UserId("a" * n)),
    ("auth_getuserinfo", "code"): lambda c, n: c.auth_getuserinfo("c" * n),
    ("batch_get_by_user", "userid_list"): lambda c, n: c.batch_get_by_user(_names(n)),
    ("batch_get_by_user", "limit"): lambda c, n: c.batch_get_by_user([ZHANG], limit=n),
    ("externalcontact_remark", "remark"): lambda c, n: c.externalcontact_remark(
        ZHANG, WANG, remark="王" * n
    ),
    ("externalcontact_remark", "description"): lambda c, n: c.externalcontact_remark(
        ZHANG, WANG, description="存" * n
    ),
    ("externalcontact_remark", "remark_company"): lambda c, n: c.externalcontact_remark(
        ZHANG, WANG, remark_company="企" * n
    ),
    ("add_corp_tag", "group_name"): lambda c, n: c.add_corp_tag(["理财"], group_name="组" * n),
    ("add_corp_tag", "order"): lambda c, n: c.add_corp_tag(["理财"], group_id="G", order=n),
    ("edit_corp_tag", "name"): lambda c, n: c.edit_corp_tag("TAG", name="签" * n),
    ("groupchat_list", "owner_filter.userid_list"): lambda c, n: c.groupchat_list(_names(n)),
    ("groupchat_list", "limit"): lambda c, n: c.groupchat_list(limit=n),
    ("send_welcome_msg", "text.content"): lambda c, n: c.send_welcome_msg("CODE", _bytes(n)),
    ("send_welcome_msg", "attachments"): lambda c, n: c.send_welcome_msg(
        "CODE", "您好", [IMAGE] * n
    ),
    **_below(
        "send_welcome_msg",
        "attachments[].",
        _attached(lambda c, rows: c.send_welcome_msg("CODE", "您好", rows)),
    ),
    ("group_welcome_template_add", "text.content"): (
        lambda c, n: c.group_welcome_template_add(_bytes(n))
    ),
    **_below(
        "group_welcome_template_add",
        "",
        _attached(lambda c, rows: c.group_welcome_template_add("欢迎", rows[0])),
        TEMPLATE,
    ),
    ("group_welcome_template_edit", "text.content"): (
        lambda c, n: c.group_welcome_template_edit("TEMPLATE", _bytes(n))
    ),
    **_below(
        "group_welcome_template_edit",
        "",
        _attached(lambda c, rows: c.group_welcome_template_edit("TEMPLATE", "欢迎", rows[0])),
        TEMPLATE,
    ),
    ("add_msg_template", "external_userid"): lambda c, n: c.add_msg_template(
        "single", external_userids=_names(n), text="您好"
    ),
    ("add_msg_template", "chat_id_list"): lambda c, n: c.add_msg_template(
        "group", sender=ZHANG, chat_ids=_names(n), text="您好"
    ),
    ("add_msg_template", "tag_filter.group_list[].tag_list"): lambda c, n: c.add_msg_template(
        "single", tag_groups=[_names(n)], text="您好"
    ),
    ("add_msg_template", "text.content"): lambda c, n: _mass(c, text=_bytes(n)),
    ("add_msg_template", "attachments"): lambda c, n: _mass(c, attachments=[IMAGE] * n),
    **_below(
        "add_msg_template", "attachments[].", _attached(lambda c, rows: _mass(c, attachments=rows))
    ),
    ("get_groupmsg_list_v2", "limit"): lambda c, n: c.get_groupmsg_list_v2(
        "single", NOW, NOW, limit=n
    ),
    ("get_groupmsg_task", "limit"): lambda c, n: c.get_groupmsg_task(TASK, limit=n),
    ("get_groupmsg_send_result", "limit"): (
        lambda c, n: c.get_groupmsg_send_result(TASK, ZHANG, limit=n)
    ),
    ("add_moment_task", "text.content"): lambda c, n: _moment(c, text="汉" * n),
    ("add_moment_task", "attachments"): lambda c, n: _moment(c, attachments=[PICTURE] * n),
    ("add_moment_task", "attachments[].link.title"): lambda c, n: _moment(
        c, attachments=[_with(MOMENT_LINK, title="汉" * n)]
    ),
    ("add_moment_task", "visible_range.sender_list.user_list"): lambda c, n: c.add_moment_task(
        senders=_names(n), text="您好"
    ),
    ("get_moment_task_result", "jobid"): lambda c, n: c.get_moment_task_result("j" * n),
    ("get_moment_list", "limit"): lambda c, n: c.get_moment_list(NOW, NOW, limit=n),
    ("get_moment_task", "limit"): lambda c, n: c.get_moment_task(MOMENT, limit=n),
    ("get_moment_send_result", "limit"): (
        lambda c, n: c.get_moment_send_result(MOMENT, ZHANG, limit=n)
    ),
    ("webhook_send", "text.content"): lambda c, n: c.webhook_send(ROBOT, _bytes(n)),
    ("message_send", "touser"): lambda c, n: c.message_send(text_message("提醒"), users=_names(n)),
    ("message_send", "toparty"): lambda c, n: c.message_send(
        text_message("提醒"), parties=list(range(n))
    ),
    ("message_send", "totag"): lambda c, n: c.message_send(
        text_message("提醒"), tags=list(range(n))
    ),
    ("message_send", "duplicate_check_interval"): lambda c, n: c.message_send(
        text_message("提醒"), users=[ZHANG], duplicate_check_seconds=n
    ),
    ("message_send", "text.content"): lambda c, n: _staff(c, text_message(_bytes(n))),
    ("message_send", "markdown.content"): lambda c, n: _staff(c, markdown_message(_bytes(n))),
    ("message_send", "textcard.title"): lambda c, n: _staff(
        c, textcard_message(_bytes(n), "描述", _url(30))
    ),
    ("message_send", "textcard.description"): lambda c, n: _staff(
        c, textcard_message("标题", _bytes(n), _url(30))
    ),
    ("message_send", "textcard.url"): lambda c, n: _staff(
        c, textcard_message("标题", "描述", _url(n))
    ),
    ("message_send", "textcard.btntxt"): lambda c, n: _staff(
        c, textcard_message("标题", "描述", _url(30), "看" * n)
    ),
    ("update_template_card", "userids"): lambda c, n: c.update_template_card(
        "RESPONSE", _names(n), replace_name="已处理"
    ),
    ("media_upload", "media"): lambda c, n: c.media_upload("file", "条款.pdf", b"x" * n),
    ("media_upload_attachment", "media"): lambda c, n: c.media_upload_attachment(
        "image", "海报.png", b"x" * n
    ),
    ("media_uploadimg", "media"): lambda c, n: c.media_uploadimg("海报.png", b"x" * n),
    ("kf_account_list", "limit"): lambda c, n: c.kf_account_list(limit=n),
    ("kf_sync_msg", "cursor"): lambda c, n: c.kf_sync_msg(KEFU, "c" * n),
    ("kf_sync_msg", "token"): lambda c, n: c.kf_sync_msg(KEFU, token="t" * n),
    ("kf_sync_msg", "limit"): lambda c, n: c.kf_sync_msg(KEFU, limit=n),
    ("kf_send_msg", "msgid"): lambda c, n: c.kf_send_msg(
        KEFU, WANG, MsgId("m" * n), text_message("您好")
    ),
    ("kf_send_msg", "text.content"): lambda c, n: c.kf_send_msg(
        KEFU, WANG, MsgId("m"), text_message(_bytes(n))
    ),
    ("kf_send_msg", "msgmenu.list"): lambda c, n: c.kf_send_msg(
        KEFU, WANG, MsgId("m"), menu_message("请选择", [(name, "选项") for name in _names(n)])
    ),
    ("kf_send_msg_on_event", "code"): lambda c, n: c.kf_send_msg_on_event(
        "c" * n, MsgId("m"), text_message("您好")
    ),
    ("kf_send_msg_on_event", "msgid"): lambda c, n: c.kf_send_msg_on_event(
        "CODE", MsgId("m" * n), text_message("您好")
    ),
    ("kf_send_msg_on_event", "text.content"): lambda c, n: c.kf_send_msg_on_event(
        "CODE", MsgId("m"), text_message(_bytes(n))
    ),
    ("check_single_agree", "info"): lambda c, n: c.check_single_agree([(ZHANG, WANG)] * n),
}
UNCHECKED = {
    ("send_welcome_msg", "welcome_code"): "a time, which only WeCom can judge",
    ("update_template_card", "response_code"): "a time, which only WeCom can judge",
    ("update_template_card", "partyids"): "not offered",
    ("update_template_card", "tagids"): "not offered",
    ("webhook_send", "markdown.content"): "a kind of message that we do not make",
    ("webhook_send", "markdown_v2.content"): "a kind of message that we do not make",
    ("webhook_send", "image.base64"): "a kind of message that we do not make",
    ("webhook_send", "news.articles"): "a kind of message that we do not make",
    ("message_send", "news.articles"): "a kind of message that we do not make",
    ("message_send", "mpnews.articles[].content"): "a kind of message that we do not make",
    ("message_send", "video.title"): "a kind of message that we do not make",
    ("message_send", "video.description"): "a kind of message that we do not make",
    ("get_groupmsg_list_v2", "end_time"): "a span of two fields, tested below",
    ("get_moment_list", "end_time"): "a span of two fields, tested below",
}


def _limits() -> dict[tuple[str, str], int]:
    return {
        (entry["id"], param["name"]): param["max"]
        for entry in CONTRACT["endpoints"]
        for param in entry["params"]
        if entry["id"] in MADE and "max" in param and param["name"] != "access_token"
    }


def test_each_limit_of_the_contract_is_checked_or_excused() -> None:
    assert set(_limits()) == set(CHECKED) | set(UNCHECKED)


@pytest.mark.parametrize("field", sorted(CHECKED), ids=".".join)
def test_what_is_just_within_a_limit_is_sent_and_one_more_is_not(
    field: tuple[str, str], stub: Stub, client: WeComClient
) -> None:
    most = _limits()[field]
    CHECKED[field](client, most)
    assert len(stub.asked) == 1
    with pytest.raises(Invalid, match=str(most)):
        CHECKED[field](client, most + 1)
    assert len(stub.asked) == 1


BUTTON = Button("已联系", "done")
WRONG: dict[str, Callable[[WeComClient], object]] = {
    "user_get with nobody": lambda c: c.user_get(UserId(" ")),
    "a remark that changes nothing": lambda c: c.externalcontact_remark(ZHANG, WANG),
    "a remark of nobody": lambda c: c.externalcontact_remark(UserId(""), WANG, remark="王"),
    "tags without a group": lambda c: c.add_corp_tag(["理财"]),
    "a group without tags": lambda c: c.add_corp_tag([], group_name="产品意向"),
    "a blank tag": lambda c: c.add_corp_tag([" "], group_name="产品意向"),
    "a tag name of 31": lambda c: c.add_corp_tag(["签" * 31], group_name="产品意向"),
    "an edit of nothing": lambda c: c.edit_corp_tag("TAG"),
    "a deletion of nothing": lambda c: c.del_corp_tag(),
    "marking no tag": lambda c: c.mark_tag(ZHANG, WANG),
    "marking and unmarking one tag": lambda c: c.mark_tag(
        ZHANG, WANG, add=[TagId("T")], remove=[TagId("T")]
    ),
    "a group without id": lambda c: c.groupchat_get(ChatId("")),
    "a welcome of nothing": lambda c: c.send_welcome_msg("CODE"),
    "a welcome without code": lambda c: c.send_welcome_msg("", "您好"),
    "an unknown attachment": lambda c: c.send_welcome_msg(
        "CODE", "您好", [{"msgtype": "voice", "voice": {"media_id": "M"}}]
    ),
    "an attachment under another name": lambda c: c.send_welcome_msg(
        "CODE", "您好", [{"msgtype": "link", "image": {"media_id": "M"}}]
    ),
    "a link without address": lambda c: _mass(c, attachments=[_with(LINK, url="")]),
    "a picture without source": lambda c: _mass(c, attachments=[{"msgtype": "image", "image": {}}]),
    "a misspelt attachment field": lambda c: _mass(
        c, attachments=[{"msgtype": "image", "image": {"media_id": "M", "picurl": "U"}}]
    ),
    "a mass send of nothing": _mass,
    "a mass send to groups without owner": lambda c: c.add_msg_template(
        "group", chat_ids=[GROUP], text="您好"
    ),
    "a mass send to groups that names customers": lambda c: c.add_msg_template(
        "group", sender=ZHANG, external_userids=[WANG], text="您好"
    ),
    "a mass send to customers that names groups": lambda c: c.add_msg_template(
        "single", sender=ZHANG, chat_ids=[GROUP], text="您好"
    ),
    "a mass send to nobody": lambda c: c.add_msg_template("single", text="您好"),
    "more than a month of mass sends": lambda c: c.get_groupmsg_list_v2(
        "single", NOW - timedelta(days=32), NOW
    ),
    "mass sends that end before they begin": lambda c: c.get_groupmsg_list_v2(
        "single", NOW, NOW - timedelta(seconds=1)
    ),
    "a moment of nothing": _moment,
    "a moment of nobody": lambda c: c.add_moment_task(senders=[], text="您好"),
    "a moment with pictures and a link": lambda c: _moment(c, attachments=[PICTURE, MOMENT_LINK]),
    "a moment with two links": lambda c: _moment(c, attachments=[MOMENT_LINK, MOMENT_LINK]),
    "a moment with a picture by its address": lambda c: _moment(c, attachments=[IMAGE]),
    "a moment with a mini-program": lambda c: _moment(c, attachments=[MINIPROGRAM]),
    "more than 30 days of moments": lambda c: c.get_moment_list(NOW - timedelta(days=31), NOW),
    "moments that end before they begin": lambda c: c.get_moment_list(
        NOW, NOW - timedelta(seconds=1)
    ),
    "a moment without id": lambda c: c.cancel_moment_task(MsgId("")),
    "a task without id": lambda c: c.get_groupmsg_task(MsgId("")),
    "a robot without key": lambda c: c.webhook_send("", "早报"),
    "a robot that says nothing": lambda c: c.webhook_send(ROBOT, " "),
    "a message to nobody": lambda c: c.message_send(text_message("提醒")),
    "two members in one id": lambda c: c.message_send(text_message("提醒"), users=[UserId("a|b")]),
    "a blank message": lambda c: _staff(c, text_message("  ")),
    "a card with a bare link": lambda c: _staff(c, textcard_message("标题", "描述", "a.cn")),
    "a card without buttons": lambda c: _staff(c, button_card("task-1", "提醒", [])),
    "a card with seven buttons": lambda c: _staff(c, button_card("task-1", "提醒", [BUTTON] * 7)),
    "a card with seven facts": lambda c: _staff(
        c, button_card("task-1", "提醒", [BUTTON], facts=[("客户", "王")] * 7)
    ),
    "a card with a Chinese task id": lambda c: _staff(c, button_card("任务1", "提醒", [BUTTON])),
    "a card with a task id of 129": lambda c: _staff(c, button_card("t" * 129, "提醒", [BUTTON])),
    "a button with a key of 1,025": lambda c: _staff(
        c, button_card("task-1", "提醒", [Button("已联系", "k" * 1025)])
    ),
    "a button of a fifth style": lambda c: _staff(
        c, button_card("task-1", "提醒", [Button("已联系", "k", 5)])
    ),
    "a card updated to nothing": lambda c: c.update_template_card("RESPONSE", [ZHANG]),
    "a card updated twice over": lambda c: c.update_template_card(
        "RESPONSE", [ZHANG], replace_name="已处理", card=button_card("task-2", "提醒", [BUTTON])
    ),
    "an empty file": lambda c: c.media_upload("file", "条款.pdf", b"12345"),
    "a picture of more than 5 MB": lambda c: c.media_upload("image", "海报.png", b"x" * 5242881),
    "a voice of more than 2 MB": lambda c: c.media_upload("voice", "留言.amr", b"x" * 2097153),
    "a film of more than 10 MB": lambda c: c.media_upload("video", "短片.mp4", b"x" * 10485761),
    "a file name with a path": lambda c: c.media_upload("file", "a/b.pdf", b"x" * 10),
    "a file name that breaks the header": lambda c: c.media_uploadimg("a\r\nb.png", b"x" * 10),
    "a session moved to a state of none": lambda c: c.kf_service_state_trans(KEFU, WANG, 0),
    "a session moved to nobody": lambda c: c.kf_service_state_trans(KEFU, WANG, 3),
    "a kf message with a Chinese id": lambda c: c.kf_send_msg(
        KEFU, WANG, MsgId("消息"), text_message("您好")
    ),
    "markdown to a customer": lambda c: c.kf_send_msg(
        KEFU, WANG, MsgId("m"), markdown_message("**您好**")
    ),
    "a link on an event": lambda c: c.kf_send_msg_on_event(
        "CODE", MsgId("m"), Message("link", {"url": "https://example.com"})
    ),
    "consent of nobody": lambda c: c.check_single_agree([(ZHANG, ExternalUserId(""))]),
    "a fourth edition of the archive": lambda c: c.get_permit_user_list(4),
    "half a character": lambda c: c.send_welcome_msg("CODE", "您好\ud83d"),
}


@pytest.mark.parametrize("what", sorted(WRONG))
def test_a_call_that_cannot_work_is_refused_in_chinese_before_it_is_sent(
    what: str, stub: Stub, client: WeComClient
) -> None:
    with pytest.raises(Invalid, match=r"[一-龥]{2}"):
        WRONG[what](client)
    assert stub.asked == []


def test_the_archive_says_which_setting_is_missing(stub: Stub) -> None:
    client = WeComClient(stub.url, "ww0000000000000000", 1000002, Secrets("AGENT"))
    with pytest.raises(Invalid, match="WECOM_ARCHIVE_SECRET"):
        client.check_room_agree(GROUP)


def test_a_base_url_without_scheme_is_refused() -> None:
    with pytest.raises(Invalid, match="WECOM_BASE_URL"):
        WeComClient("qyapi.weixin.qq.com", "ww0000000000000000", 1000002, Secrets("AGENT"))
