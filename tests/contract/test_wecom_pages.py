"""Lists that come in pages, and writes that go one at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from wecom_cases import GROUP, WANG, ZHANG
from wecom_stub import (
    OK,
    Asked,
    Stub,
    Time,
    connected,
    failed,
    serving,
)

from bot.errors import Retry
from bot.model import TagId, UserId
from bot.wecom import WeComClient


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as one:
        yield one


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def client(stub: Stub, time: Time) -> Iterator[WeComClient]:
    yield from connected(stub, time)


def test_customers_of_many_members_come_page_by_page(stub: Stub, client: WeComClient) -> None:
    members = [UserId(f"member{number}") for number in range(150)]

    def page(asked: Asked) -> dict[str, Any]:
        row = {"external_contact": {"external_userid": asked.json["userid_list"][0]}}
        cursor = "" if asked.json["cursor"] else "NEXT"
        return {**OK, "external_contact_list": [row], "next_cursor": cursor}

    stub.say("externalcontact/batch/get_by_user", page)
    pages = list(client.customers_of(members))
    names = [one.rows[0]["external_contact"]["external_userid"] for one in pages]
    assert names == ["member0", "member0", "member100", "member100"]


def test_a_cursor_that_does_not_move_ends_the_walk(stub: Stub, client: WeComClient) -> None:
    stub.say(
        "externalcontact/batch/get_by_user",
        {**OK, "external_contact_list": [], "next_cursor": "SAME"},
    )
    with pytest.raises(Retry):
        list(client.customers_of([ZHANG]))
    assert len(stub.heard("externalcontact/batch/get_by_user")) == 2


def test_groups_are_listed_by_owner_where_wecom_asks_for_that(
    stub: Stub, client: WeComClient
) -> None:
    owners = [f"owner{number}" for number in range(101)]

    def page(asked: Asked) -> dict[str, Any]:
        if "owner_filter" not in asked.json:
            return failed(81017)
        return {**OK, "group_chat_list": [{"chat_id": GROUP, "status": 0}], "next_cursor": ""}

    stub.say("externalcontact/get_follow_user_list", {**OK, "follow_user": owners})
    stub.say("externalcontact/groupchat/list", page)
    assert len(list(client.group_chats())) == 2
    sizes = [
        len(asked.json["owner_filter"]["userid_list"])
        for asked in stub.heard("externalcontact/groupchat/list")[1:]
    ]
    assert sizes == [100, 1]


def test_groups_are_listed_in_one_go_where_that_is_allowed(stub: Stub, client: WeComClient) -> None:
    first = {**OK, "group_chat_list": [{"chat_id": "wr1", "status": 0}], "next_cursor": "NEXT"}
    last = {**OK, "group_chat_list": [{"chat_id": "wr2", "status": 0}], "next_cursor": ""}
    stub.say("externalcontact/groupchat/list", first, last)
    found = [row["chat_id"] for page in client.group_chats() for row in page.rows]
    assert found == ["wr1", "wr2"]
    assert stub.heard("externalcontact/get_follow_user_list") == []


def test_writes_to_one_friendship_never_overlap(stub: Stub, client: WeComClient) -> None:
    both = threading.Barrier(2)
    overlapped: list[bool] = []

    def meet(_: Asked) -> dict[str, Any]:
        try:
            both.wait(0.05)
        except threading.BrokenBarrierError:
            return OK
        overlapped.append(True)
        return OK

    stub.say("externalcontact/mark_tag", meet)
    with ThreadPoolExecutor(2) as threads:
        for done in [
            threads.submit(client.mark_tag, ZHANG, WANG, add=[TagId(tag)]) for tag in ("T1", "T2")
        ]:
            done.result()
    assert len(stub.heard("externalcontact/mark_tag")) == 2
    assert overlapped == []
