"""One case for each call: how it is made, and what becomes of its sample response."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.model import ChatId, ExternalUserId, MsgId, OpenKfId, TagId, UserId
from bot.wecom import (
    Agreement,
    CustomerPage,
    GroupChatPage,
    GroupMsg,
    KfPage,
    Login,
    MassSendTask,
    Media,
    MemberSend,
    MomentJob,
    SendResult,
    ServiceState,
    StaffMessage,
    WeComClient,
    text_message,
)

SAMPLES = Path(__file__).parents[1] / "samples"
ZHANG, LI = UserId("zhangsan"), UserId("lisi")
WANG = ExternalUserId("wmqfasd1e19278asdasAAAA")
GROUP = ChatId("wrOgQhDgAAMYQiS5ol9G7gK9JVAAAA")
KEFU = OpenKfId("wkAJ2GCAAASSm4_FhToWMFea0xAFfd3Q")
TASK = MsgId("msgGCAAAXtWyujaWJHDDGi0mAAAA")
ROBOT = "0f2d2a2e-1111-4222-8333-444455556666"
MOMENT = MsgId("momxxx")
MOMENT_LINK = {
    "msgtype": "link",
    "link": {"title": "网点活动", "url": "https://example.com/event", "media_id": "MEDIA_ID"},
}
IMAGE = {"msgtype": "image", "image": {"pic_url": "https://wework.qpic.cn/wwpic/EXAMPLE"}}
LINK = {
    "msgtype": "link",
    "link": {
        "title": "活动报名",
        "picurl": "https://example.com/picture.png",
        "desc": "限额30人",
        "url": "https://example.com/event",
    },
}
MINIPROGRAM = {
    "msgtype": "miniprogram",
    "miniprogram": {
        "title": "网点预约",
        "pic_media_id": "MEDIA_ID",
        "appid": "wx8bd80126147df384",
        "page": "/pages/index",
    },
}


@dataclass(frozen=True)
class Case:
    """A call with its sample; ``result`` is what the method makes of the sample response."""

    name: str
    make: Callable[[WeComClient], Any]
    result: Any


def sample(name: str, kind: str) -> Any:
    """A sample by the call's name (path behind ``/cgi-bin/``) and ``request`` or ``response``."""
    file = SAMPLES / "api" / f"{name.replace('/', '.')}.{kind}.json"
    return json.loads(file.read_text(encoding="utf-8"))


def sample_response(name: str) -> Any:
    return sample(name, "response")


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def cases() -> dict[str, Case]:
    contact, kefu = "externalcontact/", "kf/"
    return {
        "user_get": Case("user/get", lambda c: c.user_get(ZHANG), sample_response("user/get")),
        "user_list": Case(
            "user/list", lambda c: c.user_list(1), sample_response("user/list")["userlist"]
        ),
        "user_simplelist": Case(
            "user/simplelist",
            lambda c: c.user_simplelist(1),
            [{"userid": "zhangsan", "name": "张三", "department": [1, 2]}],
        ),
        "department_list": Case(
            "department/list",
            lambda c: c.department_list(2),
            sample_response("department/list")["department"],
        ),
        "department_simplelist": Case(
            "department/simplelist",
            lambda c: c.department_simplelist(1),
            [{"id": 2, "parentid": 1, "order": 10}, {"id": 3, "parentid": 2, "order": 40}],
        ),
        "auth_getuserinfo": Case(
            "auth/getuserinfo",
            lambda c: c.auth_getuserinfo("CODE"),
            Login(ZHANG, user_ticket="USER_TICKET"),
        ),
        "get_jsapi_ticket": Case(
            "get_jsapi_ticket",
            lambda c: c.get_jsapi_ticket(),
            "bxLdikRXVbTPdHSM05e5u5sUoXNKd8-41ZO3MhKoyN5OfkWITDGgnr2fwJ0m9E8NYzWKVZvdVtaUgWvsdshFKA",
        ),
        "get_agent_ticket": Case(
            "ticket/get", lambda c: c.get_agent_ticket(), "bxLdikRXVbTPdHSM05e5u5sUoXNKd8"
        ),
        "getcallbackip": Case(
            "getcallbackip", lambda c: c.getcallbackip(), ("101.226.103.*", "101.226.62.*")
        ),
        "get_api_domain_ip": Case(
            "get_api_domain_ip",
            lambda c: c.get_api_domain_ip(),
            ("182.254.11.176", "182.254.78.66"),
        ),
        "get_follow_user_list": Case(
            contact + "get_follow_user_list",
            lambda c: c.get_follow_user_list(),
            ["zhangsan", "lissi"],
        ),
        "externalcontact_get": Case(
            contact + "get",
            lambda c: c.externalcontact_get(WANG, "CURSOR"),
            sample_response(contact + "get"),
        ),
        "externalcontact_list": Case(
            contact + "list",
            lambda c: c.externalcontact_list(ZHANG),
            ["woAJ2GCAAAXtWyujaWJHDDGi0mACAAA", "wmqfasd1e1927831291723123109rAAA"],
        ),
        "batch_get_by_user": Case(
            contact + "batch/get_by_user",
            lambda c: c.batch_get_by_user([ZHANG, LI]),
            CustomerPage(
                sample_response(contact + "batch/get_by_user")["external_contact_list"],
                "r9FqSqsI8fgNbHLHE5QoCP50UIg2cFQbfma3l2QsmwI",
                (ZHANG,),
            ),
        ),
        "externalcontact_remark": Case(
            contact + "remark",
            lambda c: c.externalcontact_remark(
                ZHANG,
                WANG,
                remark="王女士",
                description="存款三月到期",
                remark_company="示例贸易",
                remark_mobiles=["13800000001"],
            ),
            None,
        ),
        "get_corp_tag_list": Case(
            contact + "get_corp_tag_list",
            lambda c: c.get_corp_tag_list([TagId("TAG_ID1")], ["TAG_GROUPID1"]),
            sample_response(contact + "get_corp_tag_list")["tag_group"],
        ),
        "add_corp_tag": Case(
            contact + "add_corp_tag",
            lambda c: c.add_corp_tag(["理财", "信用卡"], group_name="产品意向", order=1),
            sample_response(contact + "add_corp_tag")["tag_group"],
        ),
        "edit_corp_tag": Case(
            contact + "edit_corp_tag",
            lambda c: c.edit_corp_tag("TAG_ID1", name="理财意向", order=2),
            None,
        ),
        "del_corp_tag": Case(
            contact + "del_corp_tag",
            lambda c: c.del_corp_tag([TagId("TAG_ID1")], ["TAG_GROUPID1"]),
            None,
        ),
        "mark_tag": Case(
            contact + "mark_tag",
            lambda c: c.mark_tag(ZHANG, WANG, add=[TagId("TAGID1")], remove=[TagId("TAGID3")]),
            None,
        ),
        "groupchat_list": Case(
            contact + "groupchat/list",
            lambda c: c.groupchat_list([ZHANG], limit=100),
            GroupChatPage(
                [{"chat_id": "wrOgQhDgAAMYQiS5ol9G7gK9JVAAAA", "status": 0}],
                "tJzlB9tdqfh-g7i_J-ehOz_TWcd7dSKa39_AqCIeMFw",
            ),
        ),
        "groupchat_get": Case(
            contact + "groupchat/get",
            lambda c: c.groupchat_get(GROUP),
            sample_response(contact + "groupchat/get")["group_chat"],
        ),
        "send_welcome_msg": Case(
            contact + "send_welcome_msg",
            lambda c: c.send_welcome_msg("CALLBACK_CODE", "您好，我是您的客户经理", [IMAGE, LINK]),
            result=True,
        ),
        "group_welcome_template_add": Case(
            contact + "group_welcome_template/add",
            lambda c: c.group_welcome_template_add("亲爱的%NICKNAME%，欢迎", LINK, notify=False),
            "msgXXXXXX",
        ),
        "group_welcome_template_edit": Case(
            contact + "group_welcome_template/edit",
            lambda c: c.group_welcome_template_edit("msgXXXXXX", "欢迎", MINIPROGRAM),
            None,
        ),
        "group_welcome_template_get": Case(
            contact + "group_welcome_template/get",
            lambda c: c.group_welcome_template_get("msgXXXXXX"),
            sample_response(contact + "group_welcome_template/get"),
        ),
        "group_welcome_template_del": Case(
            contact + "group_welcome_template/del",
            lambda c: c.group_welcome_template_del("msgXXXXXX"),
            None,
        ),
        "add_msg_template": Case(
            contact + "add_msg_template",
            lambda c: c.add_msg_template(
                "group",
                sender=ZHANG,
                chat_ids=[GROUP],
                text="本周六网点活动邀请",
                attachments=[LINK, MINIPROGRAM],
            ),
            MassSendTask(TASK, ("wmqfasd1e1927831123109rBAAAA",)),
        ),
        "get_groupmsg_list_v2": Case(
            contact + "get_groupmsg_list_v2",
            lambda c: c.get_groupmsg_list_v2(
                "single", _at(1605171726), _at(1605172726), creator=ZHANG, cursor="CURSOR"
            ),
            ([GroupMsg(TASK, None, _at(1605171726), 0, "文本消息内容")], ""),
        ),
        "get_groupmsg_task": Case(
            contact + "get_groupmsg_task",
            lambda c: c.get_groupmsg_task(TASK, "CURSOR"),
            ([MemberSend(ZHANG, sent=True, sent_at=_at(1552536375))], ""),
        ),
        "get_groupmsg_send_result": Case(
            contact + "get_groupmsg_send_result",
            lambda c: c.get_groupmsg_send_result(TASK, ZHANG, "CURSOR"),
            ([SendResult(ZHANG, 1, WANG, None, _at(1552536375))], ""),
        ),
        "remind_groupmsg_send": Case(
            contact + "remind_groupmsg_send", lambda c: c.remind_groupmsg_send(TASK), None
        ),
        "cancel_groupmsg_send": Case(
            contact + "cancel_groupmsg_send",
            lambda c: c.cancel_groupmsg_send(TASK),
            result=True,
        ),
        "add_moment_task": Case(
            contact + "add_moment_task",
            lambda c: c.add_moment_task(
                senders=[ZHANG],
                tags=[TagId("etXXXXXXXXXX")],
                text="天冷了，出门记得添衣。",
                attachments=[MOMENT_LINK],
            ),
            "xxxx",
        ),
        "get_moment_task_result": Case(
            contact + "get_moment_task_result",
            lambda c: c.get_moment_task_result("xxxx"),
            MomentJob(
                done=True, moment_id=MsgId("xxxx"), invalid=("zhangsan", "3", "etXXXXXXXXXX")
            ),
        ),
        "cancel_moment_task": Case(
            contact + "cancel_moment_task", lambda c: c.cancel_moment_task(MOMENT), None
        ),
        "get_moment_list": Case(
            contact + "get_moment_list",
            lambda c: c.get_moment_list(
                _at(1605000000),
                _at(1605172726),
                creator=ZHANG,
                filter_type=1,
                cursor="CURSOR",
                limit=10,
            ),
            ([GroupMsg(MOMENT, ZHANG, _at(1605172726), 1, "test")], "CURSOR2"),
        ),
        "get_moment_task": Case(
            contact + "get_moment_task",
            lambda c: c.get_moment_task(MOMENT, "CURSOR"),
            ([MemberSend(ZHANG, sent=True), MemberSend(LI, sent=False)], "CURSOR2"),
        ),
        "get_moment_send_result": Case(
            contact + "get_moment_send_result",
            lambda c: c.get_moment_send_result(MOMENT, ZHANG, "CURSOR"),
            ([WANG], "CURSOR2"),
        ),
        "webhook_send": Case("webhook/send", lambda c: c.webhook_send(ROBOT, "东山支行早报"), None),
        "message_send": Case(
            "message/send",
            lambda c: c.message_send(
                text_message("客户活跃提醒"), users=[ZHANG, LI], parties=[2], tags=[3]
            ),
            StaffMessage(
                MsgId("vcT8gGc-7dFb4bxT35ONjBDz901sLlXPZw1DAMC_Gc26"),
                "xyzxyz",
                (UserId("userid1"), UserId("userid2")),
                ("partyid1",),
                (),
                (UserId("userid3"),),
            ),
        ),
        "update_template_card": Case(
            "message/update_template_card",
            lambda c: c.update_template_card("RESPONSE_CODE", [ZHANG], replace_name="已处理"),
            (UserId("userid1"),),
        ),
        "message_recall": Case("message/recall", lambda c: c.message_recall(MsgId("MSGID")), None),
        "media_upload": Case(
            "media/upload",
            lambda c: c.media_upload("image", "活动海报.png", b"PNG-PNG-PNG"),
            Media("1G6nrLmr5EC3MMb_-zK1dDdzmd0p7cNliYu9V5w7o8K0", _at(1380000000)),
        ),
        "media_upload_attachment": Case(
            "media/upload_attachment",
            lambda c: c.media_upload_attachment("image", "活动海报.png", b"PNG-PNG-PNG"),
            Media("1G6nrLmr5EC3MMb_", _at(1380000000)),
        ),
        "media_uploadimg": Case(
            "media/uploadimg",
            lambda c: c.media_uploadimg("活动海报.jpg", b"JPG-JPG-JPG"),
            sample_response("media/uploadimg")["url"],
        ),
        "kf_account_list": Case(
            kefu + "account/list",
            lambda c: c.kf_account_list(),
            sample_response(kefu + "account/list")["account_list"],
        ),
        "kf_servicer_list": Case(
            kefu + "servicer/list",
            lambda c: c.kf_servicer_list(KEFU),
            [
                {"userid": "zhangsan", "status": 0},
                {"userid": "lisi", "status": 1},
                {"department_id": 2},
            ],
        ),
        "kf_service_state_get": Case(
            kefu + "service_state/get",
            lambda c: c.kf_service_state_get(KEFU, WANG),
            ServiceState(3, ZHANG),
        ),
        "kf_service_state_trans": Case(
            kefu + "service_state/trans",
            lambda c: c.kf_service_state_trans(KEFU, WANG, 3, ZHANG),
            "MSG_CODE",
        ),
        "kf_sync_msg": Case(
            kefu + "sync_msg",
            lambda c: c.kf_sync_msg(KEFU, "CURSOR", "TOKEN"),
            KfPage(
                sample_response(kefu + "sync_msg")["msg_list"],
                "4gw7MepFLfgF2VC5npN",
                has_more=False,
            ),
        ),
        "kf_send_msg": Case(
            kefu + "send_msg",
            lambda c: c.kf_send_msg(KEFU, WANG, MsgId("bot_0001"), text_message("您好")),
            "MSG_ID",
        ),
        "kf_send_msg_on_event": Case(
            kefu + "send_msg_on_event",
            lambda c: c.kf_send_msg_on_event("CODE", MsgId("bot_0002"), text_message("欢迎咨询")),
            result=True,
        ),
        "check_single_agree": Case(
            "msgaudit/check_single_agree",
            lambda c: c.check_single_agree([(ZHANG, WANG), (LI, WANG)]),
            [
                Agreement(
                    ExternalUserId("wmeDKaCPAAGdvxciQWxVsAKwV2HxNAAA"),
                    UserId("XuJinSheng"),
                    agreed=True,
                    changed_at=_at(1562766651),
                ),
                Agreement(
                    ExternalUserId("wmeDKaCQAAIQ_p7ACnxksfeBJSGocAAA"),
                    UserId("XuJinSheng"),
                    agreed=False,
                    changed_at=_at(1562766651),
                ),
            ],
        ),
        "check_room_agree": Case(
            "msgaudit/check_room_agree",
            lambda c: c.check_room_agree(GROUP),
            [
                Agreement(
                    ExternalUserId("wmeDKaCQAAGdtHdiQWxVadfwV2HxNAAA"),
                    None,
                    agreed=True,
                    changed_at=_at(1562766651),
                ),
                Agreement(
                    ExternalUserId("wmeDKaCQAAIQ_p9ACyiopLBBJSGocAAA"),
                    None,
                    agreed=False,
                    changed_at=_at(1562766651),
                ),
            ],
        ),
        "get_permit_user_list": Case(
            "msgaudit/get_permit_user_list",
            lambda c: c.get_permit_user_list(1),
            ["userid_111", "userid_222", "userid_333"],
        ),
    }
