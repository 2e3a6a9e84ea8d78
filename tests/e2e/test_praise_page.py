"""表扬: the head sees what would be sent, and one tap sends it."""

from __future__ import annotations

from caller import Caller
from madeup import MadeUp

from bot.store import deeds


def propose(madeup: MadeUp, branch: str = "城东支行", rule: str = "contacts") -> int:
    now = int(madeup.clock.now().timestamp() * 1000)
    proposal = {
        "week_on": "2026-11-23",
        "rule": rule,
        "kind": "praise",
        "userid": "chenxy",
        "branch": branch,
        "value": 23,
        "base": 60,
        "now": now,
    }
    madeup.database.write(lambda db: deeds.propose(db, proposal))
    number: int = madeup.database.read().value("SELECT max(id) FROM praise")
    return number


def sent(madeup: MadeUp) -> int:
    found: int = madeup.database.read().value(
        "SELECT count(*) FROM outbox WHERE key LIKE 'tell:praise_contacts:%'"
    )
    return found


def test_the_head_reads_the_card_and_one_tap_sends_it(madeup: MadeUp, head: Caller) -> None:
    number = propose(madeup)
    page = head.get("/praise").text
    assert "您和23位客户聊上了" in page
    assert "发给 陈小雨" in page
    for _ in range(2):
        answer = head.post(f"/praise/{number}", token=head.form_token(), decision="sent")
        assert (303, "/praise") == (answer.status, answer.headers["location"])
    assert sent(madeup) == 1
    after = head.get("/praise").text
    assert "没有等着看的" in after
    assert "已发" in after


def test_a_card_that_is_declined_is_not_sent(madeup: MadeUp, head: Caller) -> None:
    number = propose(madeup)
    head.post(f"/praise/{number}", token=head.form_token(), decision="declined")
    assert sent(madeup) == 0
    assert "没有发" in head.get("/praise").text


def test_nobody_but_the_head_of_the_branch_decides(
    madeup: MadeUp, head: Caller, manager: Caller, stranger: Caller
) -> None:
    ours, theirs = propose(madeup), propose(madeup, "城西支行", "spoke")
    assert [404, 404] == [caller.get("/praise").status for caller in (manager, stranger)]
    answers = [
        manager.post(f"/praise/{ours}", token=manager.form_token(), decision="sent"),
        head.post(f"/praise/{theirs}", token=head.form_token(), decision="sent"),
        head.post(f"/praise/{ours}", token=head.form_token(), decision="shouted"),
        head.post(f"/praise/{ours}", token="forged", decision="sent"),
    ]
    assert [404, 404, 422, 403] == [each.status for each in answers]
    assert sent(madeup) == 0
    assert head.get("/praise").text.count('class="card"') == 1


def test_a_card_whose_rule_is_gone_can_only_be_declined(madeup: MadeUp, head: Caller) -> None:
    number = propose(madeup, rule="gone")
    assert "发不了" in head.get("/praise").text
    gone = head.post(f"/praise/{number}", token=head.form_token(), decision="sent")
    assert gone.status == 404
    declined = head.post(f"/praise/{number}", token=head.form_token(), decision="declined")
    assert declined.status == 303
