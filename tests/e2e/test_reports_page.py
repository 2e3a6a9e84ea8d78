"""The page of reports, and who sees which."""

from __future__ import annotations

import pytest
from caller import Caller, program

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
