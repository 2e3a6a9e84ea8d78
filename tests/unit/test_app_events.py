"""The smart bot's and the Data Zone's JSON as the events they must become."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import app_events as app
from bot.errors import Invalid
from bot.events import Event, SelectedItem, UnknownEvent
from bot.model import ChatId, ExternalUserId, MsgId, UserId
from bot.wire import parse_json

SAMPLES = Path(__file__).parents[1] / "samples" / "wecom"
JSON = {
    f"{folder}/{path.name.removesuffix('.json')}": path.read_bytes()
    for folder in ("smartbot", "zone")
    for path in sorted((SAMPLES / folder).glob("*.json"))
}
RECEIVED = datetime(2026, 11, 24, 1, tzinfo=UTC)
CREATED = datetime.fromtimestamp(1700000000, UTC)
ZONE_TIME = datetime.fromtimestamp(1408091189, UTC)
NOT_EVENTS = {
    "smartbot/envelope.reply",
    "smartbot/envelope.request",
    "smartbot/reply.stream",
    "smartbot/reply.text",
    "zone/sync_msg.response",
}

MEDIA = "https://example.invalid/encrypted-media?sign=PLACEHOLDER"
FIRST, SECOND, THIRD = (
    MsgId("CAIQ16HMjQYY/NGagIOAgAMgq4KM0AI="),
    MsgId("CAIQz7/MjQYY/NGagIOAgAMgl8jK/gI="),
    MsgId("CAIQrcjMjQYY/NGagIOAgAMg6PDc/w0="),
)
anybody: dict[str, Any] = {"aibotid": "AIBOTID", "userid": UserId("USERID")}
group: dict[str, Any] = {**anybody, "chat_id": ChatId("CHATID"), "chat_type": "group"}
reply: dict[str, Any] = {"created_at": RECEIVED, "response_url": "RESPONSEURL"}
private: dict[str, Any] = {**anybody, **reply, "chat_type": "single"}
pressed: dict[str, Any] = {
    **group,
    "created_at": CREATED,
    "msgid": FIRST,
    "response_url": "RESPONSEURL",
    "event_key": "button_replace_text",
    "task_id": "fBmjTL7ErRCQSNA6GZKMlcFiWX1shOvg",
}


def chosen(number: int, *options: str) -> SelectedItem:
    return SelectedItem(question_key=f"button_selection_key{number}", option_ids=options)


EXPECTED: dict[str, Event] = {
    "smartbot/message.text": app.SmartBotMessage(
        name="smartbot.text",
        msgid=FIRST,
        content="@RobotA hello robot",
        quoted="这是今日的测试情况",
        **group,
        **reply,
    ),
    "smartbot/message.mixed": app.SmartBotMessage(
        name="smartbot.mixed",
        msgid=THIRD,
        content="@机器人 这是今日的测试情况",
        media_urls=(MEDIA,),
        quoted="这是今日的测试情况",
        **group,
        **reply,
    ),
    "smartbot/message.image": app.SmartBotMessage(
        name="smartbot.image", msgid=SECOND, media_urls=(MEDIA,), **private
    ),
    "smartbot/message.file": app.SmartBotMessage(
        name="smartbot.file", msgid=THIRD, media_urls=(MEDIA,), **private
    ),
    "smartbot/message.voice": app.SmartBotMessage(
        name="smartbot.voice", msgid=THIRD, content="这是语音转成文本的内容", **private
    ),
    "smartbot/message.stream": app.SmartBotStream(
        created_at=RECEIVED, msgid=SECOND, stream_id="STREAMID", **group
    ),
    "smartbot/event.enter_chat": app.SmartBotEntered(
        created_at=CREATED, msgid=FIRST, corpid="wpxxxx", **anybody
    ),
    "smartbot/event.feedback_event": app.SmartBotFeedback(
        created_at=CREATED,
        msgid=FIRST,
        feedback_id="FEEDBACKID",
        kind=2,
        content="能再详细一些么",
        reasons=(2, 4),
        **group,
    ),
    "smartbot/event.template_card_event.text_notice": app.SmartBotCard(
        card_type="text_notice", **pressed
    ),
    "smartbot/event.template_card_event.button_interaction": app.SmartBotCard(
        card_type="button_interaction",
        corpid="CORPID",
        selected=(chosen(1, "button_selection_id1"),),
        **pressed,
    ),
    "smartbot/event.template_card_event.vote_interaction": app.SmartBotCard(
        card_type="vote_interaction",
        corpid="CORPID",
        selected=(chosen(1, "one", "two"),),
        **pressed,
    ),
    "smartbot/event.template_card_event.multiple_interaction": app.SmartBotCard(
        card_type="multiple_interaction",
        selected=(chosen(1, "button_selection_id1"), chosen(2, "button_selection_id2")),
        **pressed,
    ),
    "zone/conversation_new_message": app.ZoneNews(created_at=ZONE_TIME, token="zzzzzzzzzzz"),
    "zone/hit_keyword": app.ZoneNews(name="zone.hit_keyword", created_at=ZONE_TIME, token="xxx"),
    "zone/chat_archive_audit_approved_single": app.ZoneAuditApproved(
        created_at=ZONE_TIME,
        userid=UserId("xxxxxxx"),
        external_userid=ExternalUserId("zzzzz"),
        chat_id=ChatId("xxx"),
    ),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sample_becomes_its_event(name: str) -> None:
    assert EXPECTED[name] == parse_json(JSON[name], RECEIVED)


def test_no_sample_is_left_out() -> None:
    assert set(EXPECTED) | NOT_EVENTS == set(JSON)


@pytest.mark.parametrize("name", sorted(NOT_EVENTS))
def test_replies_and_envelopes_are_no_events(name: str) -> None:
    with pytest.raises(Invalid):
        parse_json(JSON[name], RECEIVED)


def test_consent_for_a_whole_group_needs_no_employee() -> None:
    content = {
        "event_type": "chat_archive_audit_approved_room",
        "timestamp": 1408091189,
        "chat_archive_audit_approved": {"chatid": "wr1", "external_userid": "wm1"},
    }
    assert parse_json(json.dumps(content).encode(), RECEIVED) == app.ZoneAuditApproved(
        name="zone.chat_archive_audit_approved_room",
        created_at=ZONE_TIME,
        external_userid=ExternalUserId("wm1"),
        chat_id=ChatId("wr1"),
    )


def test_news_of_the_smart_bot_is_kept_whole() -> None:
    content = {"msgtype": "event", "event": {"eventtype": "left_chat"}, "create_time": 1700000000}
    assert parse_json(json.dumps(content).encode(), RECEIVED) == UnknownEvent(
        name="smartbot.left_chat", created_at=CREATED, fields=content
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"null", b"{}", b'{"msgtype": 7}', b"[" * 50_000, b"\xff", b"1" * 5_000],
)
def test_what_is_no_event_is_invalid(content: bytes) -> None:
    with pytest.raises(Invalid):
        parse_json(content, RECEIVED)


WORDS = st.sampled_from(
    ["msgtype", "event", "eventtype", "text", "content", "msgid", "from", "userid", "mixed",
     "feedback_event", "template_card_event", "create_time", "event_type", "hit_keyword"]
)  # fmt: skip
TREES = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=6),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, database=None)
@given(st.dictionaries(WORDS, TREES, max_size=6))
def test_no_json_makes_any_other_error(tree: dict[str, object]) -> None:
    try:
        event = parse_json(json.dumps(tree).encode(), RECEIVED)
    except Invalid:
        return
    assert event.name.startswith(("smartbot.", "zone."))
    assert event.created_at.tzinfo is UTC
