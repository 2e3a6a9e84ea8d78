"""Every callback sample as the event it must become."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot import app_events as app
from bot import events as ev
from bot.model import ChatId, ExternalUserId, MsgId, OpenKfId, TagId, UserId
from bot.wire import KINDS, parse, parse_fields

SAMPLES = Path(__file__).parents[1] / "samples" / "wecom" / "callback"
XML = {
    path.name.removesuffix(".xml"): path.read_bytes()
    for path in sorted(SAMPLES.glob("*.xml"))
    if not path.name.startswith("envelope.")
}


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


T2014, T1973, T2012 = at(1403610513), at(123456789), at(1348831860)
ZHANGSAN = UserId("zhangsan")
WO = ExternalUserId("woAJ2GCAAAXtWyujaWJHDDGi0mAAAA")
WO_AC = ExternalUserId("woAJ2GCAAAXtWyujaWJHDDGi0mACAAAA")
GROUP = ChatId("wrx7HUARsKwGRaQBVKPBTcEyzdHA4HrQ")
CHAT = ChatId("CHAT_ID")
VERSIONS = (
    "9c3f97c2ada667dfb5f6d03308d963e1",
    "71217227bbd112ecfe3a49c482195cb4",
    "aa417227bbd112ecfe3a49c482195c00",
)
LINK_B4, LINK_C6 = "cawcdea7783d7330b4", "cawcdea7783d7330c6"

add = partial(ev.AddExternalContact, created_at=T2014, userid=ZHANGSAN)
update = partial(
    ev.GroupChatChanged, name="change_external_chat.update", created_at=T2014, chat_id=GROUP
)
quota = partial(ev.AcquisitionQuota, created_at=T2014)
link = partial(ev.AcquisitionLink, created_at=T2014, link_id=LINK_B4)
party = partial(ev.ChangeParty, created_at=T2014, party_id="2")
employee: dict[str, Any] = {"created_at": T1973, "userid": UserId("FromUser"), "agent_id": 1}
writer: dict[str, Any] = {
    "created_at": T2012,
    "userid": UserId("fromUser"),
    "agent_id": 1,
    "msgid": MsgId("1234567890123456"),
}
legacy: dict[str, Any] = {
    "created_at": T2014,
    "userid": ZHANGSAN,
    "departments": ("1", "2", "3"),
    "display_name": "张三",
    "main_department": "1",
    "leads": ("1", "0", "0"),
    "position": "产品经理",
    "status": 1,
}
card: dict[str, Any] = {
    **employee,
    "event_key": "key111",
    "task_id": "taskid111",
    "card_type": "text_notice",
    "response_code": "ResponseCode",
}


def tag(change: str, kind: str = "", strategy: str = "1") -> ev.CorpTagChanged:
    return ev.CorpTagChanged(
        name=f"change_external_tag.{change}",
        created_at=T2014,
        tag_id=TagId("TAG_GROUP_ID" if kind == "tag_group" else "TAG_ID"),
        tag_type=kind,
        strategy_id=strategy,
    )


def pics(name: str, second: int, md5: str) -> app.SendPics:
    known = {**employee, "created_at": at(second)}
    return app.SendPics(name=name, event_key="6", count=1, md5s=(md5,), **known)


EXPECTED: dict[str, ev.Event] = {
    # customers
    "change_external_contact.add_external_contact": add(
        external_userid=WO, state="teststate", welcome_code="WELCOMECODE"
    ),
    "change_external_contact.add_external_contact.no_state_no_welcome": add(external_userid=WO),
    "change_external_contact.add_half_external_contact": add(
        name="change_external_contact.add_half_external_contact",
        external_userid=WO_AC,
        state="teststate",
        welcome_code="WELCOMECODE",
    ),
    "change_external_contact.edit_external_contact": ev.EditExternalContact(
        created_at=T2014, userid=ZHANGSAN, external_userid=WO
    ),
    "change_external_contact.del_external_contact": ev.DelExternalContact(
        created_at=T2014, userid=ZHANGSAN, external_userid=WO_AC, source="DELETE_BY_TRANSFER"
    ),
    "change_external_contact.del_follow_user": ev.DelFollowUser(
        created_at=T2014,
        userid=ZHANGSAN,
        external_userid=ExternalUserId("woAJ2GCAAAXtWyujaWJHDDGi0mACHAAA"),
    ),
    "change_external_contact.transfer_fail": ev.TransferFail(
        created_at=T2014, userid=ZHANGSAN, external_userid=WO, fail_reason="customer_refused"
    ),
    "change_external_contact.msg_audit_approved": ev.MsgAuditApproved(
        created_at=T2014,
        userid=ZHANGSAN,
        external_userid=ExternalUserId("woAJ2GCAAABiuyujaWJHDDGi0mACHAAA"),
        welcome_code="WELCOMECODE",
    ),
    # groups and tags
    "change_external_chat.create": ev.GroupChatCreated(created_at=T2014, chat_id=CHAT),
    "change_external_chat.dismiss": ev.GroupChatDismissed(created_at=T2014, chat_id=CHAT),
    "change_external_chat.update.add_member": update(
        update_detail="add_member",
        join_scene=1,
        quit_scene=0,
        member_count=10,
        members=("Jack", "Rose"),
        last_version=VERSIONS[0],
        version=VERSIONS[1],
    ),
    "change_external_chat.update.del_member": update(
        update_detail="del_member",
        join_scene=0,
        quit_scene=1,
        member_count=1,
        members=("wmAJ2GCAAAme1XQRC-NI-q0_ZM9ukoAw",),
        last_version=VERSIONS[1],
        version=VERSIONS[2],
    ),
    "change_external_chat.update.change_name": update(update_detail="change_name"),
    "change_external_chat.update.change_notice": update(update_detail="change_notice"),
    "change_external_chat.update.change_owner": update(update_detail="change_owner"),
    "change_external_tag.create": tag("create", "tag"),
    "change_external_tag.create.tag_group": tag("create", "tag_group"),
    "change_external_tag.update": tag("update", "tag"),
    "change_external_tag.update.tag_group": tag("update", "tag_group"),
    "change_external_tag.delete": tag("delete", "tag"),
    "change_external_tag.delete.tag_group": tag("delete", "tag_group"),
    "change_external_tag.shuffle": tag("shuffle", strategy="STRATEGY_ID"),
    # archive, zone, customer service
    "msgaudit_notify": ev.MsgAuditNotify(created_at=at(1629101687), agent_id=2000004),
    "program_notify": ev.ProgramNotify(created_at=T2012, notify_id="data", notify_scene=1),
    "kf_msg_or_event": ev.KfMsgOrEvent(
        created_at=T2012,
        token="ENCApHxnGDNAVNY4AaSJKj4Tb5mwsEMzxhFmHVGcra996NR",
        open_kfid=OpenKfId("wkxxxxxxx"),
    ),
    "kf_account_auth_change": ev.KfAccountAuthChange(
        created_at=T2012, added=(OpenKfId("wkxxxx1"),), removed=(OpenKfId("wkxxxx2"),)
    ),
    # acquisition
    "customer_acquisition.balance_low": quota(name="customer_acquisition.balance_low"),
    "customer_acquisition.balance_exhausted": quota(name="customer_acquisition.balance_exhausted"),
    "customer_acquisition.balance_increased": quota(name="customer_acquisition.balance_increased"),
    "customer_acquisition.quota_expire_soon": quota(
        name="customer_acquisition.quota_expire_soon",
        created_at=at(1689171577),
        expires_at=at(1690819200),
        expiring=100,
    ),
    "customer_acquisition.link_unavailable": link(name="customer_acquisition.link_unavailable"),
    "customer_acquisition.delete_link": link(name="customer_acquisition.delete_link"),
    "customer_acquisition.open_profile": link(
        name="customer_acquisition.open_profile", created_at=at(1689171577), state="STATE"
    ),
    "customer_acquisition.friend_request": link(
        name="customer_acquisition.friend_request", created_at=at(1689171577), state="STATE"
    ),
    "customer_acquisition.customer_start_chat": ev.CustomerStartChat(
        created_at=T2014, userid=ZHANGSAN, external_userid=WO, link_id=LINK_C6
    ),
    "customer_acquisition.message_from_customer": ev.MessageFromCustomer(
        created_at=T2014,
        chat_key="CHATKEY",
        link_id=LINK_C6,
        userid=ZHANGSAN,
        external_userid=WO,
        chat_seq=3,
    ),
    "customer_acquisition.message_from_customer.after_20241219": ev.MessageFromCustomer(
        created_at=T2014, chat_key="CHATKEY", link_id=LINK_C6
    ),
    # our own people
    "change_contact.create_user": ev.CreateUser(
        direct_leaders=(UserId("lisi"), UserId("wangwu")), **legacy
    ),
    "change_contact.create_user.minimal": ev.CreateUser(
        created_at=T2014, userid=ZHANGSAN, departments=("1", "2", "3")
    ),
    "change_contact.update_user": ev.UpdateUser(new_userid=UserId("zhangsan001"), **legacy),
    "change_contact.update_user.minimal": ev.UpdateUser(
        created_at=T2014,
        userid=ZHANGSAN,
        departments=("1", "2", "3"),
        new_userid=UserId("zhangsan001"),
    ),
    "change_contact.delete_user": ev.DeleteUser(created_at=T2014, userid=ZHANGSAN),
    "change_contact.create_party": party(
        name="change_contact.create_party", display_name="张三", parent_id="1", order=1
    ),
    "change_contact.update_party": party(
        name="change_contact.update_party", display_name="张三", parent_id="1"
    ),
    "change_contact.delete_party": party(name="change_contact.delete_party"),
    "change_contact.update_tag": ev.UpdateTag(
        created_at=T2014,
        tag_id="1",
        added_users=(ZHANGSAN, UserId("lisi")),
        removed_users=(UserId("zhangsan1"), UserId("lisi1")),
        added_parties=("1", "2"),
        removed_parties=("3", "4"),
    ),
    # messages to the app
    "message.text": ev.AppText(content="this is a test", **writer),
    "message.image": ev.AppImage(pic_url="this is a url", media_id="media_id", **writer),
    "message.voice": ev.AppVoice(
        media_id="media_id", format="Format", **{**writer, "created_at": at(1357290913)}
    ),
    "message.video": ev.AppVideo(
        media_id="media_id",
        thumb_media_id="thumb_media_id",
        **{**writer, "created_at": at(1357290913)},
    ),
    "message.location": ev.AppLocation(
        latitude=23.134,
        longitude=113.358,
        scale=20,
        label="位置信息",
        app_type="wxwork",
        **{**writer, "created_at": at(1351776360)},
    ),
    "message.link": ev.AppLink(
        title="this is a title！",
        description="this is a description！",
        url="URL",
        pic_url="this is a url",
        **writer,
    ),
    # cards
    "event.template_card_event": ev.TemplateCardEvent(
        selected=(
            ev.SelectedItem(question_key="QuestionKey1", option_ids=("OptionId1", "OptionId2")),
            ev.SelectedItem(question_key="QuestionKey2", option_ids=("OptionId3", "OptionId4")),
        ),
        **card,
    ),
    "event.template_card_menu_event": ev.TemplateCardMenuEvent(**card),
    # the app itself
    "event.subscribe": app.Subscribe(created_at=T2012, userid=UserId("UserID"), agent_id=1),
    "event.unsubscribe": app.Unsubscribe(created_at=T2012, userid=UserId("UserID"), agent_id=1),
    "event.enter_agent": app.EnterAgent(**{**employee, "created_at": at(1408091189)}),
    "event.LOCATION": app.LocationReported(
        latitude=23.104, longitude=113.32, precision=65.0, app_type="wxwork", **employee
    ),
    "event.click": app.MenuEvent(name="click", event_key="EVENTKEY", **employee),
    "event.view": app.MenuEvent(name="view", event_key="www.qq.com", **employee),
    "event.view_miniprogram": app.MenuEvent(
        name="view_miniprogram", event_key="index", **employee
    ),
    "event.scancode_push": app.ScanCode(
        name="scancode_push",
        event_key="6",
        scan_type="qrcode",
        scan_result="1",
        **{**employee, "created_at": at(1408090502)},
    ),
    "event.scancode_waitmsg": app.ScanCode(
        name="scancode_waitmsg",
        event_key="6",
        scan_type="qrcode",
        scan_result="2",
        **{**employee, "created_at": at(1408090606)},
    ),
    "event.pic_sysphoto": pics("pic_sysphoto", 1408090651, "1b5f7c23b5bf75682a53e7b6d163e185"),
    "event.pic_photo_or_album": pics(
        "pic_photo_or_album", 1408090816, "5a75aaca956d97be686719218f275c6b"
    ),
    "event.pic_weixin": pics("pic_weixin", 1408090816, "5a75aaca956d97be686719218f275c6b"),
    "event.location_select": app.LocationSelect(
        event_key="6",
        latitude=23.0,
        longitude=113.0,
        scale=15,
        label=" 广州市海珠区客村艺苑路 106号",
        app_type="wxwork",
        **{**employee, "created_at": at(1408091189)},
    ),
    "event.batch_job_result": app.BatchJobResult(
        created_at=at(1425284517),
        job_id="S0MrnndvRG5fadSlLwiBqiDDbM143UqTmKP3152FZk4",
        job_type="sync_user",
        errcode=0,
        errmsg="ok",
    ),
    "event.open_approval_change": app.OpenApprovalChange(
        created_at=at(1527838022),
        agent_id=1,
        third_no="201806010001",
        title="付款",
        template_id="1234567890",
        status=1,
        applied_at=at(1527837645),
        userid=UserId("1"),
        user_name="xiaoming",
        party="产品部",
        step=0,
        nodes=(
            app.ApprovalNode(
                status=1,
                attr=1,
                kind=1,
                items=(
                    app.ApprovalItem(userid=UserId("2"), display_name="xiaohong", status=1),
                ),
            ),
        ),
        notified=(app.ApprovalItem(userid=UserId("3"), display_name="xiaogang"),),
    ),
    **{
        f"event.{name}": app.AgentAlert(name=name, created_at=T1973, agent_id=1)
        for name in (
            "close_inactive_agent", "reopen_inactive_agent", "low_active", "active_restored"
        )
    },
    **{
        f"event.{name}": app.AgentAlert(
            name=name, created_at=T1973, agent_id=1, effective_at=at(1764518400)
        )
        for name in ("inactive_alert", "low_active_alert")
    },
    **{
        f"event.{name}": app.SharingChanged(name=name, created_at=at(1527838022), agent_id=1)
        for name in ("share_agent_change", "share_chain_change")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sample_becomes_its_event(name: str) -> None:
    assert EXPECTED[name] == parse(XML[name])


def test_no_sample_is_left_out() -> None:
    assert set(EXPECTED) == set(XML)


@pytest.mark.parametrize("name", EXPECTED)
def test_an_event_is_named_by_wecoms_words(name: str) -> None:
    known = parse(XML[name]).name
    assert name.removeprefix("event.").startswith(known)
    assert KINDS[known] is type(parse(XML[name]))


# --- nothing documented is lost ----------------------------------------------------------

ENVELOPE = {"ToUserName", "FromUserName", "CreateTime", "MsgType", "Event", "ChangeType"}
LEFT_OUT = {
    # Contact details of employees: nobody here needs them, so they are not kept.
    "Mobile", "Gender", "Email", "BizMail", "Avatar", "Alias", "Telephone", "Address", "ExtAttr",
    "ApplyUserImage", "ItemImage",
    "ItemOpTime",  # 0 in the sample: nobody has acted yet
}  # fmt: skip


def _leaves(tree: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for inner, value in tree.items():
            if inner not in ENVELOPE | LEFT_OUT:
                yield from _leaves(value, inner)
    elif isinstance(tree, list):
        for value in tree:
            yield from _leaves(value, name)
    elif tree:
        yield from ((name, part) for part in tree.split(","))


def _said(event: Any) -> Iterator[str]:
    if is_dataclass(event):
        for one in fields(event):
            yield from _said(getattr(event, one.name))
    elif isinstance(event, tuple):
        for value in event:
            yield from _said(value)
    elif isinstance(event, datetime):
        yield str(int(event.timestamp()))
    elif isinstance(event, float):
        yield from (f"{event:g}", f"{event:.3f}")
    else:
        yield str(event)


@pytest.mark.parametrize("name", XML)
def test_every_documented_element_is_in_the_event(name: str) -> None:
    said = set(_said(parse(XML[name])))
    lost = {leaf for leaf, value in _leaves(dict(parse_fields(XML[name]))) if value not in said}
    assert set() == lost
