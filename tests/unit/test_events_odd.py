"""Callbacks that are odd, incomplete or new: an event still, or an error that says why."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest

from bot import events as ev
from bot.errors import Invalid
from bot.model import ChatId, ExternalUserId, UserId
from bot.wire import KINDS, event_from_xml

T2014 = datetime(2014, 6, 24, tzinfo=UTC)
PAIR = {"UserID": "u1", "ExternalUserID": "wm1"}


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _event(kind: str, change: str, **elements: object) -> dict[str, object]:
    common = {"MsgType": "event", "CreateTime": "1763000000", "Event": kind, "ChangeType": change}
    return {**common, **elements}


def test_an_unknown_change_is_kept_whole() -> None:
    tree = _event("change_external_contact", "brand_new", UserID="made.up", Extra={"A": ["1"]})
    assert event_from_xml(tree) == ev.UnknownEvent(
        name="change_external_contact.brand_new", created_at=at(1763000000), fields=tree
    )


def test_an_unknown_event_or_message_is_kept_whole() -> None:
    tree = {"MsgType": "hologram", "CreateTime": "1763000000"}
    assert event_from_xml(tree).name == "message.hologram"
    tree = {"MsgType": "event", "Event": "tea_time", "CreateTime": "1763000000"}
    assert isinstance(event_from_xml(tree), ev.UnknownEvent)


def test_an_unknown_name_is_short_and_harmless_in_a_log() -> None:
    event = event_from_xml(_event("电话 13800000000\n", "x" * 5_000))
    assert event.name.startswith("??")
    assert len(event.name) == 100
    assert "\n" not in event.name


def test_what_people_wrote_is_not_in_the_repr() -> None:
    tree = _event("tea_time", "", Content="一句话")
    message = {"MsgType": "text", "CreateTime": "1763000000", "FromUserName": "u1"}
    shown = repr([event_from_xml(tree), event_from_xml({**message, "Content": "一句话"})])
    assert "一句话" not in shown


@pytest.mark.parametrize("scene", ["0", "3", "99", " 7 ", "-1"])
def test_any_whole_number_is_a_join_scene(scene: str) -> None:
    tree = _event("change_external_chat", "update", ChatId="wr1", JoinScene=scene)
    event = event_from_xml(tree)
    assert isinstance(event, ev.GroupChatChanged)
    assert int(scene) == event.join_scene


@pytest.mark.parametrize("scene", ["", "x", "1.5", "1_0", "９", "9" * 5_000, {"A": "1"}, None])
def test_a_number_that_makes_no_sense_counts_as_absent(scene: object) -> None:
    tree = _event("change_external_chat", "update", ChatId="wr1", JoinScene=scene)
    event = event_from_xml(tree)
    assert isinstance(event, ev.GroupChatChanged)
    assert event.join_scene is None


@pytest.mark.parametrize("degrees", ["north", "nan", "inf", "1e999", ""])
def test_a_place_that_makes_no_sense_counts_as_absent(degrees: str) -> None:
    tree = {
        "MsgType": "location",
        "CreateTime": "1763000000",
        "FromUserName": "u1",
        "Location_X": degrees,
    }
    event = event_from_xml(tree)
    assert isinstance(event, ev.AppLocation)
    assert event.latitude is None


def test_one_member_many_members_and_none_are_all_tuples() -> None:
    for items, members in (
        ({"Item": "a"}, ("a",)),
        ({"Item": ["a", "b"]}, ("a", "b")),
        ("", ()),
    ):
        tree = _event("change_external_chat", "update", ChatId="wr1", MemChangeList=items)
        event = event_from_xml(tree)
        assert isinstance(event, ev.GroupChatChanged)
        assert members == event.members


def test_only_joining_fills_joined_and_only_leaving_fills_left() -> None:
    change = ev.GroupChatChanged(
        created_at=T2014, chat_id=ChatId("wr1"), update_detail="add_member", members=("a", "b")
    )
    assert (change.joined, change.left) == (("a", "b"), ())
    change = replace(change, update_detail="del_member")
    assert (change.joined, change.left) == ((), ("a", "b"))
    change = replace(change, update_detail="change_owner")
    assert (change.joined, change.left) == ((), ())


def test_half_friends_and_transfers_say_so() -> None:
    tree = _event("change_external_contact", "add_external_contact", **PAIR)
    whole = event_from_xml(tree)
    half = event_from_xml({**tree, "ChangeType": "add_half_external_contact"})
    assert isinstance(whole, ev.AddExternalContact)
    assert not whole.half
    assert isinstance(half, ev.AddExternalContact)
    assert half.half
    gone = ev.DelExternalContact(
        created_at=T2014, userid=UserId("u1"), external_userid=ExternalUserId("wm1")
    )
    assert not gone.by_transfer
    assert replace(gone, source="DELETE_BY_TRANSFER").by_transfer


def test_a_shuffle_of_all_groups_has_no_tag() -> None:
    event = event_from_xml(_event("change_external_tag", "shuffle", Id=""))
    assert event == ev.CorpTagChanged(name="change_external_tag.shuffle", created_at=at(1763000000))


@pytest.mark.parametrize("empty", [{}, {"ExternalUserID": ""}, {"ExternalUserID": {"A": "1"}}])
def test_an_event_without_its_customer_is_invalid_and_names_the_element(
    empty: dict[str, object],
) -> None:
    tree = _event("change_external_contact", "del_follow_user", UserID="u1", **empty)
    with pytest.raises(Invalid, match="ExternalUserID"):
        event_from_xml(tree)


@pytest.mark.parametrize("second", [None, "", "soon", "-5", "0", "99999999999999", {"A": "1"}])
def test_an_event_without_its_time_is_invalid(second: object) -> None:
    with pytest.raises(Invalid, match="CreateTime"):
        event_from_xml({"MsgType": "event", "Event": "subscribe", "CreateTime": second})


@pytest.mark.parametrize("tree", [{}, {"MsgType": ""}, {"MsgType": "event"}, {"MsgType": ["a"]}])
def test_what_is_no_event_at_all_is_invalid(tree: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        event_from_xml({"CreateTime": "1763000000", **tree})


# --- the classes -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(set(KINDS.values()), key=str))
def test_every_class_has_a_name_that_becomes_itself(kind: type[ev.Event]) -> None:
    default = {one.name: one.default for one in fields(kind)}["name"]
    assert KINDS[str(default)] is kind


@pytest.mark.parametrize("kind", sorted(set(KINDS.values()), key=str))
def test_every_class_is_frozen_and_slotted(kind: type[ev.Event]) -> None:
    assert vars(kind)["__dataclass_params__"].frozen
    assert "__slots__" in vars(kind)
