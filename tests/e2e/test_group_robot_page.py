"""The robot of a branch's internal group: who may set it, and that nobody reads its key."""

from __future__ import annotations

from caller import Answer, Caller
from madeup import MadeUp

KEY = "0f2d2a2e-1111-4222-8333-4444555566f6"
ADDRESS = f"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={KEY}"


def branch_of(madeup: MadeUp, userid: str) -> str:
    db = madeup.database.read()
    return str(db.value("SELECT branch FROM staff WHERE userid = :id", id=userid))


def give(who: Caller, branch: str, address: str) -> Answer:
    fields = {"token": who.form_token(), "branch": branch, "address": address}
    return who.post("/board/robot", **fields)


def test_the_head_sets_and_removes_the_robot_and_the_page_shows_four_characters(
    madeup: MadeUp, head: Caller
) -> None:
    branch = branch_of(madeup, "zhoujun")
    assert "内部群早报" in head.get("/board").text
    assert give(head, branch, ADDRESS).status == 303
    page = head.get("/board").text
    assert "…66f6" in page
    assert KEY not in page
    kept = madeup.database.read().one("SELECT * FROM branch_robot")
    assert kept is not None
    assert KEY.encode() not in kept["key_sealed"]
    trail = madeup.database.read().rows("SELECT * FROM audit WHERE act = 'robot_set'")
    assert [KEY in str(tuple(row)) for row in trail] == [False]
    give(head, branch, "")
    assert "…66f6" not in head.get("/board").text


def test_what_is_no_robot_is_told_and_not_repeated(madeup: MadeUp, head: Caller) -> None:
    wrong = ADDRESS.replace("/cgi-bin/webhook", "/somewhere")
    answer = give(head, branch_of(madeup, "zhoujun"), wrong)
    assert answer.status == 400
    assert "复制 Webhook 地址" in answer.text
    assert KEY not in answer.text


def test_nobody_sets_the_robot_of_another_branch(manager: Caller, head: Caller) -> None:
    assert [give(each, "别的支行", ADDRESS).status for each in (head, manager)] == [403, 403]
