"""紧急停发: who may press it, and what the gate reads afterwards."""

from __future__ import annotations

import pytest
from caller import employee
from madeup import MadeUp

from bot.store import pushes


@pytest.mark.parametrize(
    ("who", "scope", "status"),
    [
        ("zhoujun", "branch:城东支行", 303),
        ("zhoujun", "bank", 403),
        ("zhoujun", "branch:城西支行", 403),
        ("chenxy", "branch:城东支行", 403),
    ],
)
def test_G1_a_head_stops_their_own_branch_and_nothing_else(
    madeup: MadeUp, address: str, who: str, scope: str, status: int
) -> None:
    caller = employee(madeup, address, who)
    answer = caller.post(
        "/pushes/switch", token=caller.form_token(), scope=scope, on="true", reason="演练"
    )
    expected = frozenset({scope}) if status == 303 else frozenset()
    assert answer.status == status
    assert pushes.kill_switches(madeup.database.read()) == expected


def test_a_stopped_branch_says_so_and_goes_on_when_released(madeup: MadeUp, address: str) -> None:
    caller = employee(madeup, address, "zhoujun")
    token, scope = caller.form_token(), "branch:城东支行"
    caller.post("/pushes/switch", token=token, scope=scope, on="true", reason="文字有误")
    assert "城东支行已停发" in caller.get("/pushes").text
    caller.post("/pushes/switch", token=token, scope=scope, on="false")
    assert "已停发" not in caller.get("/pushes").text
    assert pushes.kill_switches(madeup.database.read()) == frozenset()


def test_a_form_without_its_token_stops_nothing(madeup: MadeUp, address: str) -> None:
    caller = employee(madeup, address, "zhoujun")
    answer = caller.post("/pushes/switch", token="", scope="branch:城东支行", on="true")
    assert answer.status == 403
    assert pushes.kill_switches(madeup.database.read()) == frozenset()
