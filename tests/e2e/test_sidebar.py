"""The sidebar over HTTP: who may ask, what is signed, and which script may run."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import pytest
from caller import Caller, employee
from madeup import MadeUp, Stage

from bot.web.services import PUBLIC_WECOM


def policy(caller: Caller, path: str) -> str:
    headers = caller.get(path).headers
    assert len(headers.getlist("content-security-policy")) == 1
    return str(headers["content-security-policy"])


def test_without_a_session_one_signs_in_and_comes_back(address: str) -> None:
    answer = Caller(address).get("/sidebar")
    assert (answer.status, answer.headers["location"]) == (303, "/login?back=/sidebar")


def test_wecoms_script_alone_may_run_and_on_this_page_alone(manager: Caller) -> None:
    script = "https://res.wx.qq.com/open/js/jweixin-1.2.0.js"
    assert f"script-src 'self' {script};" in policy(manager, "/sidebar")
    assert "connect-src 'self';" in policy(manager, "/sidebar")
    assert f'src="{script}"' in manager.get("/sidebar").text
    for other in ("/", "/sidebar/customer/wmWang", "/customers/wmWang", "/login"):
        assert "res.wx.qq.com" not in policy(manager, other)


def test_a_private_edition_serves_the_script_itself(
    madeup: MadeUp, stage: Stage, manager: Caller
) -> None:
    madeup.services = replace(madeup.services, wecom_base_url="https://wecom.bank.example")
    stage.show(madeup)
    found = policy(manager, "/sidebar")
    assert "https://wecom.bank.example/open/js/" in found
    assert PUBLIC_WECOM not in found
    assert "res.wx.qq.com" not in found


@pytest.mark.parametrize("url", ["https://elsewhere.example/sidebar", "{}/login", "{}x/sidebar"])
def test_no_other_page_is_signed(address: str, manager: Caller, url: str) -> None:
    assert manager.get(f"/sidebar/config?url={quote(url.format(address))}").status == 404


def test_when_wecom_gives_no_ticket_nothing_is_signed(address: str, manager: Caller) -> None:
    answer = manager.get(f"/sidebar/config?url={quote(address + '/sidebar')}")
    assert (answer.status, answer.json) == (503, {"error": "ticket"})


def test_acts_need_the_token_of_the_session(madeup: MadeUp, manager: Caller) -> None:
    answer = manager.post("/sidebar/customer/wmWang", do="refuse", ref="0")
    assert answer.status == 403
    assert madeup.acted == []


def test_acts_reach_only_what_belongs_to_the_customer_and_the_viewer(
    madeup: MadeUp, manager: Caller, stranger: Caller
) -> None:
    number, fact = str(madeup.ids["case interest"]), str(madeup.ids["maybe"])
    token = manager.form_token()
    tries = [
        ("wmLi", "case", number, "contacted"),
        ("wmXu", "fact", fact, "confirmed"),
        ("wmQian", "refuse", "0", ""),
        ("wmWang", "fact", "999", "confirmed"),
    ]
    for customer, do, ref, say in tries:
        answer = manager.post(f"/sidebar/customer/{customer}", do=do, ref=ref, say=say, token=token)
        assert answer.status == 404
    other = stranger.post(
        "/sidebar/customer/wmWang", do="refuse", ref="0", token=stranger.form_token()
    )
    assert other.status == 404
    assert madeup.acted == []


def test_sensitive_things_are_for_follow_users(madeup: MadeUp, address: str) -> None:
    owner = employee(madeup, address, "liumin").get("/sidebar/customer/wmWang")
    manager = employee(madeup, address, "chenxy").get("/sidebar/customer/wmWang")
    assert "8万元" in manager.text
    assert "8万元" not in owner.text
    assert "敏感信息只给跟进员工" in owner.text
