"""The page of reports, and who sees which."""

from __future__ import annotations

import pytest
from caller import Caller, employee, program
from madeup import MadeUp

from bot.store.db import Db
from bot.web.figures import SHOWN


@pytest.mark.parametrize("name", ["people", "ledger", "events", "moves", "concentration"])
def test_a_head_sees_the_branch_s_reports(head: Caller, name: str) -> None:
    page = head.get(f"/reports?name={name}&from=2026-01-01")
    assert (200, True) == (page.status, "报表" in page.text)


def test_a_head_sees_no_ranking_of_other_branches(head: Caller) -> None:
    page = head.get("/reports?name=branches").text
    assert "网点排名" not in page


def test_an_employee_sees_their_own_figures_alone(manager: Caller) -> None:
    page = manager.get("/reports").text
    assert 1 == page.count('data-name="姓名"')
    assert "升降层" not in page


def test_days_that_make_no_sense_are_taken_as_this_month(head: Caller) -> None:
    assert 200 == head.get("/reports?from=xx&to=2026-99-99").status


@pytest.mark.parametrize("name", SHOWN)
def test_the_interface_gives_every_report(address: str, name: str) -> None:
    answer = program(address).get(f"/api/reports/{name}?from=2026-01-01&to=2026-12-31")
    assert (200, name) == (answer.status, answer.json["name"])


def sent(madeup: MadeUp, arm: str, people: int, converted: int) -> None:
    """Made-up pushes of a campaign with a hold-out, and what came of them."""
    status, reason = {"treated": ("confirmed", "sent"), "holdout": ("dropped", arm)}[arm]

    def keep(db: Db) -> None:
        db.run(
            "INSERT INTO campaign_run (campaign, holdout, started_on)"
            " VALUES ('near_line', 10, '2026-11-01') ON CONFLICT (campaign) DO NOTHING"
        )
        for number in range(people):
            who = f"wm{arm}{number}"
            push_id = db.insert(
                "INSERT INTO push (key, campaign, external_userid, planned_on, status, reason,"
                " due_at, useful_until) VALUES (:id, 'near_line', :id, '2026-11-20', :status,"
                " :reason, 1, 1)",
                id=who,
                status=status,
                reason=reason,
            )
            if number < converted:
                db.run(
                    "INSERT INTO conversion (push_id, campaign, kind, ref, at)"
                    " VALUES (:push, 'near_line', 'reply', :ref, 1)",
                    push=push_id,
                    ref=who,
                )

    madeup.write(keep)


def test_the_lift_stands_beside_its_raw_counts_and_its_interval(
    madeup: MadeUp, address: str
) -> None:
    sent(madeup, "treated", 70, 56)
    sent(madeup, "holdout", 80, 48)
    span = "from=2026-11-01&to=2026-11-30"
    (row,) = program(address).get(f"/api/reports/lift?{span}").json["rows"]
    shown = [
        row[name] for name in ("treated", "treated_converted", "holdout", "lift", "low", "high")
    ]
    assert ([70, 56, 80, 20.0, 5.2, 33.4], "") == (shown, row["note"])
    page = employee(madeup, address, "heguan").get(f"/reports?name=lift&{span}").text
    assert "比对照组多 <b>20.0</b> 个百分点（95% 区间 5.2 到 33.4）" in page
    assert 'aria-label="提升20.0个百分点,95%区间5.2到33.4"' in page


def test_few_people_show_counts_and_no_verdict(madeup: MadeUp, address: str) -> None:
    sent(madeup, "treated", 40, 6)
    sent(madeup, "holdout", 12, 1)
    span = "from=2026-11-01&to=2026-11-30"
    (row,) = program(address).get(f"/api/reports/lift?{span}").json["rows"]
    assert "人数太少,还看不出效果" == row["note"]
    page = employee(madeup, address, "heguan").get(f"/reports?name=lift&{span}").text
    assert ("人数太少,还看不出效果" in page, "个百分点（" in page) == (True, False)
