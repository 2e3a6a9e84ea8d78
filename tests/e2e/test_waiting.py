"""待核实: what was read and waits for a person."""

from __future__ import annotations

import pytest
from caller import Caller, employee
from madeup import MadeUp


def test_what_waits_is_listed_and_decided_on_in_one_place(madeup: MadeUp, manager: Caller) -> None:
    assert "1 条读到的事实拿不准" in manager.get("/todo").text
    page = manager.get("/facts").text
    assert ("王姐" in page, "可能要用钱" in page, "45%" in page) == (True, True, True)
    number = madeup.ids["maybe"]
    answer = manager.post(
        f"/facts/{number}", token=manager.form_token(), status="confirmed", back="/facts"
    )
    assert (answer.status, answer.headers["location"]) == (303, "/facts")
    assert "没有要核实的" in manager.get("/facts").text
    assert "拿不准" not in manager.get("/todo").text


def test_nobody_is_sent_elsewhere_by_a_form(madeup: MadeUp, manager: Caller) -> None:
    answer = manager.post(
        f"/facts/{madeup.ids['maybe']}",
        token=manager.form_token(),
        status="rejected",
        back="//x.cn",
    )
    assert answer.headers["location"] == "/customers/wmWang#ledger"


def test_what_a_model_read_is_marked_as_such(madeup: MadeUp, manager: Caller) -> None:
    madeup.write(
        lambda db: db.run(
            "UPDATE fact SET rule = 'model.qwen' WHERE id = :id", id=madeup.ids["maybe"]
        )
    )
    assert "模型 <code>model.qwen</code>" in manager.get("/facts").text


@pytest.mark.parametrize(("userid", "seen"), [("mazy", 1), ("zhoujun", 1), ("heguan", 0)])
def test_D5_what_is_sensitive_waits_for_follow_users_and_the_head_alone(
    madeup: MadeUp, address: str, userid: str, seen: int
) -> None:
    madeup.write(
        lambda db: db.run(
            "UPDATE fact SET status = 'pending' WHERE id = :id", id=madeup.ids["other_bank"]
        )
    )
    caller = employee(madeup, address, userid)
    assert caller.get("/facts").text.count("工商银行") == seen


def test_D5_another_branch_has_nothing_to_decide(stranger: Caller) -> None:
    assert "没有要核实的" in stranger.get("/facts").text


def test_what_is_past_its_time_does_not_wait_any_more(madeup: MadeUp, manager: Caller) -> None:
    madeup.write(
        lambda db: db.run(
            "UPDATE fact SET expires_on = '2026-11-30' WHERE id = :id", id=madeup.ids["maybe"]
        )
    )
    assert "没有要核实的" in manager.get("/facts").text
