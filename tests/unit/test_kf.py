"""Customer service: every sample of ``sync_msg`` as the item that it is."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.archive.strict import DamagedRecord, Reason
from bot.kf import (
    KfEnterSession,
    KfItem,
    KfMessage,
    KfMsgSendFail,
    KfRecall,
    KfRejectSwitch,
    KfServicerStatus,
    KfSessionStatusChange,
    KfUnknown,
    parse_item,
    parse_sync_msg,
)
from bot.model import ArchivedMessage, ChatId, ExternalUserId, MsgId, OpenKfId, UserId

FOLDER = Path(__file__).parents[1] / "samples" / "wecom" / "kf"
ITEMS = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in [*FOLDER.glob("message.*.json"), *FOLDER.glob("event.*.json")]
}
CUSTOMER = ExternalUserId("wmAJ2GCAAAme1XQRC-NI-q0_ZM9ukoAw")
ACCOUNT = OpenKfId("wkAJ2GCAAASSm4_FhToWMFea0xAFfd3Q")
FIRST = datetime.fromtimestamp(1615478585, tz=UTC)
fuzz = settings(max_examples=80, deadline=None, database=None)


def message(number: int, kind: str, menu_id: str = "", **said: Any) -> KfMessage:
    archived = ArchivedMessage(
        MsgId(f"from_msgid_{number}"),
        0,
        CUSTOMER,
        (),
        ChatId(""),
        FIRST + timedelta(seconds=number),
        kind,
        open_kfid=ACCOUNT,
        **said,
    )
    return KfMessage(archived, 3, CUSTOMER, UserId(""), menu_id)


def head(
    number: int, account: str = ACCOUNT, customer: str = CUSTOMER
) -> tuple[MsgId, datetime, OpenKfId, ExternalUserId]:
    moment = FIRST + timedelta(seconds=number)
    return MsgId(f"event_msgid_{number}"), moment, OpenKfId(account), ExternalUserId(customer)


AGENT = UserId("SERVICER_USERID")
WANTED: dict[str, KfItem] = {
    "message.text": message(0, "text", "101", text="hello world"),
    "message.image": message(1, "image"),
    "message.voice": message(2, "voice"),
    "message.video": message(3, "video"),
    "message.file": message(4, "file"),
    "message.location": message(5, "location"),
    "message.link": message(6, "link", text="TITLE\nDESC", quoted=((0, 5), (6, 10))),
    "message.business_card": message(7, "business_card"),
    "message.miniprogram": message(8, "miniprogram"),
    "message.msgmenu": message(9, "msgmenu"),
    "message.channels_shop_product": message(10, "channels_shop_product"),
    "message.channels_shop_order": message(11, "channels_shop_order"),
    "message.merged_msg": message(12, "merged_msg", text="消息内容", quoted=((0, 4),)),
    "message.channels": message(13, "channels"),
    "message.meeting": message(14, "meeting"),
    "message.calendar": message(15, "calendar"),
    "message.note": message(16, "note"),
    "event.enter_session": KfEnterSession(*head(17), "123", "abc", "aaaaaa"),
    "event.msg_send_fail": KfMsgSendFail(*head(18), MsgId("FAIL_MSGID"), 4),
    "event.servicer_status_change": KfServicerStatus(
        *head(19, account="OPEN_KFID", customer=""), AGENT, on_duty=False, paused=False
    ),
    "event.session_status_change": KfSessionStatusChange(
        *head(20), 1, UserId("OLD_SERVICER_USERID"), UserId("NEW_SERVICER_USERID"), "MSG_CODE"
    ),
    "event.user_recall_msg": KfRecall(*head(21), MsgId("RECALL_MSGID"), UserId("")),
    "event.servicer_recall_msg": KfRecall(*head(22), MsgId("RECALL_MSGID"), AGENT),
    "event.reject_customer_msg_switch_change": KfRejectSwitch(
        *head(23), UserId("Zhangsan"), rejects=True
    ),
}


def without_raw(item: KfItem) -> KfItem:
    if not isinstance(item, KfMessage):
        return item
    kept = {name: getattr(item.message, name) for name in ArchivedMessage.__slots__}
    bare = ArchivedMessage(**kept | {"raw": ""})
    return KfMessage(bare, item.origin, item.external_userid, item.servicer_userid, item.menu_id)


def load(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def test_every_sample_has_its_expectation() -> None:
    assert set(WANTED) == set(ITEMS)


@pytest.mark.parametrize("name", sorted(WANTED))
def test_a_sample_becomes_the_item_that_it_is(name: str) -> None:
    assert WANTED[name] == without_raw(parse_item(ITEMS[name]))


@pytest.mark.parametrize("name", [name for name in sorted(WANTED) if name.startswith("message.")])
def test_a_message_keeps_its_json(name: str) -> None:
    item = parse_item(ITEMS[name])
    assert isinstance(item, KfMessage)
    assert ITEMS[name] == json.loads(item.message.raw)


def test_a_page_gives_all_its_items_in_order_and_the_cursor() -> None:
    page = parse_sync_msg(load("sync_msg"))
    expected = sorted(WANTED.values(), key=lambda item: item.created_at)
    assert expected == [without_raw(item) for item in page.items[:-1]]
    expected = ((), "4gw7MepFLfgF2VC5npN", True)
    assert expected == (page.set_aside, page.next_cursor, page.has_more)


def test_an_agents_message_is_staff_speech() -> None:
    item = parse_sync_msg(load("sync_msg")).items[-1]
    assert isinstance(item, KfMessage)
    said = item.message
    expected = (True, "Zhangsan", (CUSTOMER,), "您好，我是客户经理", CUSTOMER)
    assert expected == (item.by_staff, said.sender, said.receivers, said.text, item.external_userid)


def test_an_empty_page_may_have_more_behind_it() -> None:
    page = parse_sync_msg(load("sync_msg.empty_has_more"))
    expected = ((), "5gw7MepFLfgF2VC5npN", True)
    assert expected == (page.items, page.next_cursor, page.has_more)


def test_a_kind_of_message_that_nobody_knows_is_kept() -> None:
    (item,) = parse_sync_msg(load("sync_msg.official_minimal")).items
    assert isinstance(item, KfMessage)
    expected = ("MSG_TYPE", "", CUSTOMER, ("Zhangsan",), False)
    said = item.message
    assert expected == (said.kind, said.text, said.sender, said.receivers, item.by_staff)


def test_a_kind_of_event_that_nobody_knows_is_kept_with_its_json() -> None:
    event = ITEMS["event.enter_session"] | {"event": {"event_type": "dance", "open_kfid": ACCOUNT}}
    item = parse_item(event)
    assert isinstance(item, KfUnknown)
    expected = ("dance", ACCOUNT, event)
    assert expected == (item.event_type, item.open_kfid, json.loads(item.raw))


def test_entering_without_a_welcome_code_gives_none() -> None:
    event = {"event_type": "enter_session", "open_kfid": ACCOUNT, "external_userid": CUSTOMER}
    item = parse_item(ITEMS["event.enter_session"] | {"event": event})
    assert KfEnterSession(*head(17), "", "", "") == item


@pytest.mark.parametrize(
    ("status", "stop_type", "on_duty", "paused"),
    [(1, 1, True, False), (2, 0, False, False), (2, 1, False, True)],
)
def test_an_agent_is_on_duty_off_duty_or_paused(
    *, status: int, stop_type: int, on_duty: bool, paused: bool
) -> None:
    event = {"event_type": "servicer_status_change", "servicer_userid": AGENT}
    item = parse_item(
        ITEMS["event.servicer_status_change"]
        | {"event": event | {"status": status, "stop_type": stop_type}}
    )
    assert isinstance(item, KfServicerStatus)
    assert (on_duty, paused) == (item.on_duty, item.paused)


def test_a_customer_who_opens_the_switch_again_refuses_no_longer() -> None:
    sample = ITEMS["event.reject_customer_msg_switch_change"]
    item = parse_item(sample | {"event": sample["event"] | {"reject_switch": 0}})
    assert isinstance(item, KfRejectSwitch)
    assert not item.rejects


def test_forwarded_links_are_quoted_and_pictures_leave_no_line() -> None:
    def forwarded(kind: str, **body: object) -> dict:
        content = json.dumps({"msgtype": kind, kind: body}, ensure_ascii=False)
        return {"msgtype": kind, "msg_content": content}

    body = {
        "item": [
            forwarded("text", content="退订"),
            forwarded("image", media_id="x"),
            forwarded("link", title="标题", desc="描述"),
        ]
    }
    item = parse_item(ITEMS["message.merged_msg"] | {"merged_msg": body})
    assert isinstance(item, KfMessage)
    expected = ("退订\n标题\n描述", ((0, 2), (3, 8)))
    assert expected == (item.message.text, item.message.quoted)


def test_a_damaged_item_is_set_aside_and_the_rest_of_the_page_flows() -> None:
    good = ITEMS["message.image"]
    odd = ITEMS["message.text"] | {"text": {"content": 7}}
    page = parse_sync_msg({"msg_list": [good, odd, "x", good | {"msgid": ""}], "has_more": 0})
    aside = [(one.msgid, one.reason) for one in page.set_aside]
    damage = Reason.FIELD
    assert [("from_msgid_0", damage), ("", damage), ("", damage)] == aside
    expected = (1, False)
    assert expected == (len(page.items), page.has_more)


def test_what_is_set_aside_shows_no_words() -> None:
    odd = ITEMS["message.text"] | {"send_time": "SECRET"}
    assert "SECRET" not in repr(parse_sync_msg({"msg_list": [odd]}).set_aside)


@pytest.mark.parametrize("answer", [{"msg_list": {}}, {"next_cursor": 1}, {"has_more": "1"}])
def test_a_page_that_breaks_the_protocol_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(DamagedRecord):
        parse_sync_msg(answer)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(
    ["msgid", "origin", "send_time", "msgtype", "text", "event", "event_type", "merged_msg"]
)


@fuzz
@given(st.sampled_from(sorted(ITEMS)), st.dictionaries(names, json_values, max_size=2))
def test_any_json_gives_an_item_or_is_set_aside(name: str, changed: dict) -> None:
    page = parse_sync_msg({"msg_list": [ITEMS[name] | changed]})
    assert len(page.items) + len(page.set_aside) == 1
