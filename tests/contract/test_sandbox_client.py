"""The bot's own client, archive reader and callback door against the sandbox on real HTTP."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import urllib3
from sandbox_caller import fresh_settings

from bot.archive.crypto import ArchiveKeys, RecordDecryptor
from bot.archive.pull import pull_page
from bot.archive.source import RelaySource
from bot.errors import Refused, Retry, Uncertain
from bot.model import ChatId, ExternalUserId, MsgId, OpenKfId, TagId, UserId
from bot.sandbox.app import SandboxServer, running_sandbox
from bot.wecom import Button, Secrets, WeComClient, button_card, text_message
from bot.wire import CallbackKeys, open_envelope

ADD = "/cgi-bin/externalcontact/add_msg_template"
ZHANG = UserId("zhangsan")


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    with running_sandbox(fresh_settings()) as server:
        server.world.add_staff("zhangsan", "张三")
        yield server


@pytest.fixture
def client(server: SandboxServer) -> Iterator[WeComClient]:
    settings = fresh_settings()
    secrets = Secrets(
        settings.app_secret, settings.contact_secret, settings.kf_secret, settings.archive_secret
    )
    client = WeComClient(
        server.base_url, settings.corp_id, settings.agent_id, secrets, read_seconds=0.5, attempts=2
    )
    yield client
    client.close()


def test_customers_tags_and_groups(server: SandboxServer, client: WeComClient) -> None:
    world = server.world
    friend = ExternalUserId(world.add_customer("客户"))
    world.add_friend(friend, "zhangsan", state="door")
    chat = ChatId(world.create_group("zhangsan", "群", [friend]))
    assert client.get_follow_user_list() == [ZHANG]
    assert client.externalcontact_list(ZHANG) == [friend]
    group = client.add_corp_tag(["理财"], group_name="意向")
    tag = TagId(group["tag"][0]["id"])
    client.mark_tag(ZHANG, friend, add=[tag])
    client.externalcontact_remark(ZHANG, friend, remark="老客户")
    (page,) = client.customers_of([ZHANG])
    info = page.rows[0]["follow_info"]
    assert (info["tag_id"], info["remark"], info["state"]) == ([tag], "老客户", "door")
    assert client.externalcontact_get(friend)["follow_user"][0]["tags"][0]["tag_name"] == "理财"
    assert [row["chat_id"] for page in client.group_chats() for row in page.rows] == [chat]
    members = client.groupchat_get(chat)["member_list"]
    assert [one["name"] for one in members] == ["张三", "客户"]
    with pytest.raises(Refused) as refused:
        client.mark_tag(ZHANG, ExternalUserId(world.add_customer("路人")), add=[tag])
    assert refused.value.errcode == 84061


def test_a_mass_send_whose_answer_was_lost_is_found_again(
    server: SandboxServer, client: WeComClient
) -> None:
    friend = ExternalUserId(server.world.add_customer("客户"))
    server.world.add_friend(friend, "zhangsan")
    begun = server.world.now()
    server.faults.add(ADD, "reset_after", count=1)
    with pytest.raises(Uncertain):
        client.add_msg_template("single", sender=ZHANG, external_userids=[friend], text="活动")
    span = (begun - timedelta(minutes=1), begun + timedelta(minutes=1))
    with pytest.raises(Retry):
        client.get_groupmsg_list_v2("single", *span)
    until = time.monotonic() + 5
    found: list[MsgId] = []
    while not found and time.monotonic() < until:
        try:
            found = [row.msgid for row in client.get_groupmsg_list_v2("single", *span)[0]]
        except Retry:
            continue
    assert found == list(server.world.masses)
    server.world.confirm_task("zhangsan", found[0])
    assert [one.userid for one in client.get_groupmsg_task(found[0])[0] if one.sent] == [ZHANG]
    (result,) = client.get_groupmsg_send_result(found[0], ZHANG)[0]
    assert (result.external_userid, result.status) == (friend, 1)


def test_welcome_staff_messages_and_cards(server: SandboxServer, client: WeComClient) -> None:
    friend = server.world.add_customer("客户")
    code = server.world.add_friend(friend, "zhangsan")
    assert [client.send_welcome_msg(code, "您好"), client.send_welcome_msg(code, "您好")] == [
        True,
        False,
    ]
    sent = client.message_send(text_message("有咨询"), users=[ZHANG, UserId("nobody")])
    assert sent.invaliduser == ("nobody",)
    card = button_card("case-1", "跟进", [Button("已联系", "done")])
    first = client.message_send(card, users=[ZHANG])
    assert client.message_send(card, users=[ZHANG]) == first
    pressed = server.world.press_card("zhangsan", "case-1", "done")
    assert client.update_template_card(pressed, [ZHANG], replace_name="已处理") == ()
    media = client.media_upload("file", "名单.txt", b"hello world")
    assert server.world.media[media.media_id].filename == "名单.txt"


def test_customer_service(server: SandboxServer, client: WeComClient) -> None:
    customer = ExternalUserId(server.world.add_customer("客户"))
    account = OpenKfId(server.world.add_kf_account("客服", ["zhangsan"]))
    code = server.world.kf_enter(customer, account)
    assert client.kf_send_msg_on_event(code, MsgId("hello-1"), text_message("欢迎"))
    server.world.kf_say(customer, account, "请问")
    page = client.kf_sync_msg(account)
    assert [row["msgtype"] for row in page.rows] == ["event", "text"]
    client.kf_send_msg(account, customer, MsgId("m-1"), text_message("您好"))
    assert client.kf_service_state_trans(account, customer, 3, ZHANG) != ""
    assert client.kf_service_state_get(account, customer).servicer == ZHANG
    assert [one["text"] for one in server.world.delivered(channel="kf")] == ["欢迎", "您好"]


def test_consent(server: SandboxServer, client: WeComClient) -> None:
    customer = ExternalUserId(server.world.add_customer("客户"))
    server.world.agree("zhangsan", customer)
    (answer,) = client.check_single_agree([(ZHANG, customer)])
    assert answer.agreed is True
    assert client.get_permit_user_list() == [ZHANG]


def test_the_archive_through_the_relay(server: SandboxServer) -> None:
    settings = fresh_settings()
    assert settings.archive_keys_dir is not None
    world = server.world
    friend = world.add_customer("客户")
    chat = world.create_group("zhangsan", "群", [friend])
    world.agree(chat, friend)
    world.say(friend, "三万五存三年", chat_id=chat)
    world.archive_raw({"msgid": "m1", "action": "send"}, damage="body")
    world.archive.skip(3)
    file_id = world.archive.add_media(b"0" * 600_000)
    world.say("zhangsan", {"msgtype": "image", "image": {"sdkfileid": file_id}}, chat_id=chat)
    pool = urllib3.PoolManager()
    source = RelaySource(f"{server.base_url}/relay", settings.relay_token, pool)
    page = pull_page(source, RecordDecryptor(ArchiveKeys.load(settings.archive_keys_dir)), 0)
    assert [one.kind for one in page.messages] == ["agree", "text", "image"]
    assert page.messages[1].text == "三万五存三年"
    assert [one.seq for one in page.set_aside] == [3]
    assert page.last_seq == 7
    assert source.media(file_id) == b"0" * 600_000
    pool.clear()


def test_the_bots_wire_opens_the_sandboxs_envelope(server: SandboxServer) -> None:
    settings = fresh_settings()
    keys = CallbackKeys(settings.callback_token, settings.callback_aes_key, settings.corp_id)
    post = server.door.envelope("app").post("<xml><Event>好</Event></xml>")
    signed = (post.query["msg_signature"], post.query["timestamp"], post.query["nonce"])
    opened = open_envelope(keys, *signed, post.body)
    assert opened == "<xml><Event>好</Event></xml>".encode()
