"""The board of tasks that wait for a tap: for who leads, with the base of every share."""

from __future__ import annotations

import re

from caller import Caller
from madeup import MadeUp

DAY = 86_400_000


def task(madeup: MadeUp, sender: str, status: str, back: int, reason: str = "") -> None:
    at = int(madeup.clock.now().timestamp() * 1000) - back
    madeup.write(
        lambda db: db.run(
            "INSERT INTO send_task (sender, status, reason, text_sealed, created_at, accepted_at,"
            " useful_until) VALUES (:sender, :status, :reason, :none, :at, :at, :until)",
            sender=sender,
            status=status,
            reason=reason,
            none=b"",
            at=at,
            until=at + DAY,
        )
    )


def line_of(page: str, name: str) -> str:
    (row,) = [each for each in page.split("<tr>")[2:] if name in each]
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", row))


def test_the_head_sees_who_has_not_tapped_and_the_share_of_the_month(
    madeup: MadeUp, head: Caller
) -> None:
    madeup.write(lambda db: db.run("DELETE FROM send_task"))
    task(madeup, "liumin", "accepted", 3_600_000)
    task(madeup, "liumin", "done", 2 * DAY)
    task(madeup, "liumin", "done", 3 * DAY)
    task(madeup, "liumin", "cancelled", 4 * DAY, "stale")
    task(madeup, "liumin", "cancelled", 5 * DAY, "refusal")
    task(madeup, "liumin", "cancelled", 40 * DAY, "stale")
    task(madeup, "qinlan", "accepted", 3_600_000)
    page = head.get("/board").text
    line = line_of(page, "刘敏")
    assert "今天09:20" in line
    assert "2/3，67%" in line
    assert "秦岚" not in page


def test_who_leads_nobody_has_no_board(manager: Caller, head: Caller) -> None:
    assert (manager.get("/board").status, head.get("/board").status) == (404, 200)
    assert "/board" not in manager.get("/todo").text
