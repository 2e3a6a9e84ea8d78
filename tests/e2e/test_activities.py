"""The pages of events: for employees, and for one customer each."""

from __future__ import annotations

from typing import Any

import pytest
from caller import Caller, program
from madeup import MadeUp

from bot.links import EventLinks
from bot.store import events
from bot.store.db import Db

HOUR = 3_600_000


@pytest.fixture
def tea(madeup: MadeUp) -> int:
    """A tea lesson of the branch in two days, with two seats."""
    return add(madeup, 48 * HOUR)


def add(madeup: MadeUp, ahead: int) -> int:
    def keep(db: Db) -> int:
        now = int(madeup.clock.now().timestamp() * 1000)
        starts = now + ahead
        branch = db.value("SELECT branch FROM staff WHERE userid = 'zhoujun'")
        fields = dict.fromkeys(events.FACTS, "") | {
            "code": "E1",
            "name": "茶艺课",
            "branch": branch,
            "place": "二楼",
            "seats": 2,
            "starts_at": starts,
            "ends_at": starts + 2 * HOUR,
            "sign_up_until": starts,
        }
        events.keep(db, fields, now)
        return int(db.value("SELECT id FROM event"))

    return madeup.database.write(keep)


def link(madeup: MadeUp, event: int, customer: str = "wmWang") -> str:
    whole = EventLinks("https://x", madeup.services.vault).of(event, customer)
    return whole.removeprefix("https://x")


def status(madeup: MadeUp, customer: str = "wmWang") -> Any:
    return madeup.database.read().value(
        "SELECT status || ' ' || party FROM signup WHERE external_userid = :id", id=customer
    )


def test_a_branch_without_events_reads_how_to_get_some(head: Caller) -> None:
    assert "还没有活动" in head.get("/activities").text


def test_a_customer_signs_up_changes_and_cancels_on_their_own_page(
    madeup: MadeUp, address: str, tea: int
) -> None:
    anybody, page = Caller(address), link(madeup, tea)
    assert "茶艺课" in anybody.get(page).text
    assert 303 == anybody.post(page, wish="come", party="2").status
    assert "已给您留了 2 个位子" in anybody.get(page).text
    anybody.post(page, wish="come", party="1")
    assert "going 1" == status(madeup)
    anybody.post(page, wish="cancel")
    anybody.post(page, wish="cancel")
    assert "cancelled 1" == status(madeup)
    assert 0 == madeup.database.read().value("SELECT taken FROM event")


def test_a_wish_that_is_none_signs_nobody_up(madeup: MadeUp, address: str, tea: int) -> None:
    assert 422 == Caller(address).post(link(madeup, tea), wish="dance").status
    assert 0 == madeup.database.read().value("SELECT count(*) FROM signup")


def test_a_link_that_is_not_ours_opens_nothing(madeup: MadeUp, address: str, tea: int) -> None:
    anybody, page = Caller(address), link(madeup, tea)
    for wrong in (page[:-1] + "x", page.replace("wmWang", "wmChen"), "/event/1", "/event/1.wm.x"):
        assert (404, True) == (anybody.get(wrong).status, "打不开" in anybody.get(wrong).text)
        assert 404 == anybody.post(wrong, wish="come").status
    assert 0 == madeup.database.read().value("SELECT count(*) FROM signup")


@pytest.mark.parametrize("party", ["0", "21", "-1", "many", ""])
def test_a_party_that_cannot_be_changes_nothing(
    madeup: MadeUp, address: str, tea: int, party: str
) -> None:
    Caller(address).post(link(madeup, tea), wish="come", party=party)
    assert None is status(madeup) or party == ""


def test_the_code_at_the_door_counts_a_customer_in(madeup: MadeUp, address: str) -> None:
    event = add(madeup, HOUR // 2)
    anybody, page = Caller(address), link(madeup, event)
    anybody.post(page, wish="come")
    code = madeup.database.read().value("SELECT door_code FROM event")
    wrong = anybody.post(page, wish="here", code="0000")
    assert wrong.headers["location"].endswith("?said=code")
    assert "going 1" == status(madeup)
    anybody.post(page, wish="here", code=code)
    assert "came 1" == status(madeup)
    assert "您已签到" in anybody.get(page).text


def test_employees_see_who_comes_and_count_them_in(
    madeup: MadeUp, head: Caller, address: str, tea: int
) -> None:
    Caller(address).post(link(madeup, tea), wish="come")
    assert "1 / 2" in head.get("/activities").text
    shown = head.get(f"/activities/{tea}").text
    assert "王姐" in shown
    assert "已留位" in shown
    token = head.form_token()
    head.post(f"/activities/{tea}/people", token=token, what="came", customer="wmWang")
    head.post(f"/activities/{tea}/people", token=token, what="spoke", customer="wmWang")
    assert "到场，发言" in head.get(f"/activities/{tea}").text


def test_employees_sign_up_only_whom_they_may_see(madeup: MadeUp, head: Caller, tea: int) -> None:
    token = head.form_token()
    page = f"/activities/{tea}/people"
    assert 303 == head.post(page, token=token, what="add", customer="wmWang", party="2").status
    assert "going 2" == status(madeup)
    assert 303 == head.post(page, token=token, what="add", customer=" wmWang ", party="1").status
    assert "going 1" == status(madeup)
    said = head.post(page, token=token, what="add", customer="wmNobody")
    assert said.headers["location"].endswith("?said=nobody")
    assert 1 == madeup.database.read().value("SELECT count(*) FROM signup")


def test_another_branch_sees_and_changes_nothing(
    madeup: MadeUp, stranger: Caller, tea: int
) -> None:
    assert "茶艺课" not in stranger.get("/activities").text
    assert 404 == stranger.get(f"/activities/{tea}").status
    token = stranger.form_token()
    page = f"/activities/{tea}/people"
    assert 404 == stranger.post(page, token=token, what="add", customer="wmWang").status
    assert 403 == stranger.post(f"/activities/{tea}/off", token=token).status
    assert "open" == madeup.database.read().value("SELECT status FROM event")


def test_the_head_calls_an_event_off(madeup: MadeUp, head: Caller, address: str, tea: int) -> None:
    Caller(address).post(link(madeup, tea), wish="come")
    head.post(f"/activities/{tea}/off", token=head.form_token())
    assert "取消了" in Caller(address).get(link(madeup, tea)).text
    assert "已取消" in head.get("/activities").text
    assert 0 == madeup.database.read().value("SELECT told FROM signup")


def test_the_interface_lists_events_and_who_comes(madeup: MadeUp, address: str, tea: int) -> None:
    Caller(address).post(link(madeup, tea), wish="come", party="2")
    caller = program(address)
    (event,) = caller.get("/api/events").json["items"]
    assert ("E1", 2, 2, "open") == (event["code"], event["taken"], event["seats"], event["status"])
    (one,) = caller.get(f"/api/events/{tea}/signups").json["items"]
    assert ("wmWang", 2, "going", "link") == (
        one["external_userid"],
        one["party"],
        one["status"],
        one["source"],
    )
    assert 404 == caller.get("/api/events/999/signups").status
