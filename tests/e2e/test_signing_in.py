"""Signing in: by link, through WeCom, and not at all."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from caller import Caller, employee
from madeup import MadeUp, Stage

from bot.sandbox.app import running_sandbox
from bot.sandbox.settings import SandboxSettings
from bot.wecom import Secrets, WeComClient

PAGES = (
    "/",
    "/todo",
    "/cases",
    "/cases/1",
    "/customers",
    "/customers/wmWang",
    "/pushes",
    "/pushes/plan",
    "/groups",
    "/groups/wrStreet",
    "/events/older?before=9",
)


# -- signing in


@pytest.mark.parametrize("page", PAGES)
def test_without_signing_in_every_page_leads_to_the_login(address: str, page: str) -> None:
    answer = Caller(address).get(page)
    if page.startswith("/events/"):
        assert (answer.status, answer.text) == (401, "")
    else:
        assert (answer.status, answer.headers["location"].startswith("/login?back=")) == (303, True)


@pytest.mark.parametrize("page", PAGES)
def test_the_head_of_the_branch_opens_every_page(head: Caller, page: str) -> None:
    assert head.get(page).status == 200


def test_the_login_page_says_how_to_get_in(address: str) -> None:
    text = Caller(address).get("/login").text
    assert "<strong>登录</strong>" in text


def test_a_link_leads_to_where_one_wanted_to_go(madeup: MadeUp, address: str) -> None:
    answer = Caller(address).get(madeup.login("chenxy") + "&back=/cases/1")
    assert (answer.status, answer.headers["location"]) == (303, "/cases/1")


def test_the_cookie_is_for_this_site_alone_and_never_for_scripts(
    madeup: MadeUp, address: str
) -> None:
    cookie = Caller(address).get(madeup.login("chenxy")).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Max-Age=43200"} <= set(cookie.split("; "))


def test_under_https_the_cookie_is_secure(madeup: MadeUp, stage: Stage) -> None:
    address = stage.show(madeup, "https://console.invalid")
    cookie = Caller(address).get(madeup.login("chenxy")).headers["set-cookie"]
    assert "Secure" in cookie.split("; ")


@pytest.mark.parametrize("token", ["", "chenxy.0.0", "chenxy.9999999999999.abc", "."])
def test_a_link_that_is_not_ours_opens_nothing(address: str, token: str) -> None:
    caller = Caller(address)
    caller.get(f"/login?token={token}")
    assert (caller.cookies, caller.get("/").status) == ({}, 303)


def test_an_employee_who_left_is_out_at_once(madeup: MadeUp, manager: Caller) -> None:
    before = manager.get("/").status
    madeup.write(lambda db: db.run("UPDATE staff SET active = 0 WHERE userid = 'chenxy'"))
    assert (before, manager.get("/").status) == (200, 303)


def test_somebody_unknown_gets_no_session(madeup: MadeUp, address: str) -> None:
    caller = Caller(address)
    assert (caller.get(madeup.login("nobody")).status, caller.cookies) == (403, {})


def test_admin_looks_before_any_employee_is_known(madeup: MadeUp, address: str) -> None:
    madeup.write(lambda db: db.run("DELETE FROM staff"))
    assert employee(madeup, address, "admin").get("/customers/wmWang").status == 200


def test_signing_out_ends_it_in_this_browser(manager: Caller) -> None:
    manager.post("/logout", token=manager.form_token())
    assert (manager.cookies["qunguan"].strip('"'), manager.get("/").status) == ("", 303)


# -- signing in through WeCom


@pytest.fixture
def with_wecom(madeup: MadeUp) -> MadeUp:
    madeup.services = replace(madeup.services, corp_id="wwCorp", agent_id=1000002)
    return madeup


def test_without_an_app_there_is_no_wecom_sign_in(address: str) -> None:
    page = Caller(address).get("/login").text
    assert (
        "企业微信登录</a>" in page,
        Caller(address).get("/login/wecom/start").status,
    ) == (False, 404)


@pytest.mark.parametrize(
    ("browser", "begins"),
    [
        ("Mozilla/5.0", "https://login.work.weixin.qq.com/wwlogin/sso/login?"),
        ("Mozilla/5.0 wxwork/4.1", "https://open.weixin.qq.com/connect/oauth2/authorize?"),
    ],
)
def test_wecom_is_asked_in_its_own_way(
    with_wecom: MadeUp, stage: Stage, browser: str, begins: str
) -> None:
    address = stage.show(with_wecom)
    answer = Caller(address, headers={"user-agent": browser}).get("/login/wecom/start")
    goes = answer.headers["location"]
    asked = parse_qs(urlsplit(goes).query)
    assert (answer.status, goes.startswith(begins)) == (303, True)
    assert (["wwCorp"], [f"{address}/login/wecom"]) == (asked["appid"], asked["redirect_uri"])


def test_inside_wecom_nobody_has_to_press(with_wecom: MadeUp, stage: Stage) -> None:
    address = stage.show(with_wecom)
    caller = Caller(address, headers={"user-agent": "wxwork"})
    answer = caller.get("/login?back=/cases/1")
    assert (
        answer.status,
        answer.headers["location"],
    ) == (303, "/login/wecom/start?back=/cases/1")


def test_wecom_tells_who_it_is(madeup: MadeUp, stage: Stage) -> None:
    settings = SandboxSettings()
    with running_sandbox(settings) as sandbox:
        sandbox.world.add_staff("chenxy", "陈小雨")
        wecom = WeComClient(
            sandbox.base_url,
            settings.corp_id,
            settings.agent_id,
            Secrets(agent=settings.app_secret),
        )
        madeup.services = replace(
            madeup.services,
            wecom=wecom,
            corp_id=settings.corp_id,
            agent_id=settings.agent_id,
            wecom_base_url=sandbox.base_url,
        )
        address = stage.show(madeup)
        caller = Caller(address)
        start = caller.get("/login/wecom/start?back=/cases").headers["location"]
        chosen = Caller("").get(f"{start}&sandbox_userid=chenxy")
        back = chosen.headers["location"].removeprefix(address)
        answer = caller.get(back)
        again = Caller(address).get(back)
        wecom.close()
    assert (answer.status, answer.headers["location"]) == (303, "/cases")
    assert caller.cookies["qunguan"].startswith("chenxy.")
    assert again.status == 403


@pytest.mark.parametrize("query", ["", "?code=x", "?code=x&state=" + "0" * 32, "?state="])
def test_an_answer_that_nobody_asked_for_is_refused(
    with_wecom: MadeUp, stage: Stage, query: str
) -> None:
    address = stage.show(with_wecom)
    caller = Caller(address)
    assert (caller.get(f"/login/wecom{query}").status, caller.cookies) == (403, {})


def test_when_wecom_is_out_of_reach_the_page_says_so(with_wecom: MadeUp, stage: Stage) -> None:
    address = stage.show(with_wecom)
    caller = Caller(address)
    start = caller.get("/login/wecom/start").headers["location"]
    state = parse_qs(urlsplit(start).query)["state"][0]
    answer = caller.get(f"/login/wecom?code=x&state={state}")
    assert (answer.status, "连不上企业微信" in answer.text) == (503, True)
