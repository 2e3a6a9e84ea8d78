"""The employee's day on a phone, and the sidebar beside a chat, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from madeup import MadeUp, Stage
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from bot.clock import today
from bot.sandbox.app import SandboxServer
from bot.sandbox.settings import SandboxSettings
from bot.store import cases
from bot.store.db import Db
from bot.wecom import Secrets, WeComClient

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def sandbox(madeup: MadeUp) -> Iterator[SandboxServer]:
    """A platform for the made-up branch."""
    with SandboxServer(SandboxSettings(clock=madeup.clock)) as server:
        yield server


@pytest.fixture
def address(madeup: MadeUp, stage: Stage, sandbox: SandboxServer) -> str:
    """The site, wired to the sandbox."""
    told = sandbox.bot_environment()
    secret = Secrets(agent=told["WECOM_AGENT_SECRET"])
    corp, agent = told["WECOM_CORP_ID"], int(told["WECOM_AGENT_ID"])
    madeup.services = replace(
        madeup.services,
        wecom=WeComClient(told["WECOM_BASE_URL"], corp, agent, secret),
        corp_id=corp,
        agent_id=agent,
        wecom_base_url=told["WECOM_BASE_URL"],
    )
    return stage.show(madeup)


@pytest.fixture
def context(browser: Browser, address: str) -> Iterator[BrowserContext]:
    found = browser.new_context(viewport=PHONE, base_url=address, locale="zh-CN")
    yield found
    found.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    wrongs: list[str] = []
    found = context.new_page()
    found.on("pageerror", lambda error: wrongs.append(str(error)))
    found.on("console", lambda line: wrongs.extend([line.text] * (line.type == "error")))
    yield found
    assert wrongs == []


def too_wide(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return width


def day_path(madeup: MadeUp, userid: str) -> str:
    links = madeup.services.desk.days
    return links.of(userid, today(madeup.clock)).removeprefix(links.public_url)


# -- the day


def test_a_thing_of_the_day_is_done_by_keyboard_and_drafts_are_copied(
    page: Page, context: BrowserContext, madeup: MadeUp
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(day_path(madeup, "chenxy"))
    assert too_wide(page) <= 0
    thing = page.locator("article", has_text="王姐的定期存款")
    thing.get_by_role("button", name="复制这段话").click()
    expect(thing.get_by_role("button", name="已复制")).to_be_visible()
    words = thing.locator(".words").text_content()
    assert page.evaluate("navigator.clipboard.readText()") == words
    thing.get_by_role("button", name="已联系").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("已办 1 件")).to_be_visible()
    expect(page.locator("article", has_text="王姐的定期存款")).to_have_count(0)


def test_the_customer_in_brief_fits_a_phone_and_leads_back(page: Page, madeup: MadeUp) -> None:
    page.goto(day_path(madeup, "chenxy"))
    page.locator("article", has_text="王姐的定期存款").get_by_role("link").click()
    expect(page.locator("h1")).to_have_text("王姐")
    assert too_wide(page) <= 0
    page.get_by_role("link", name="回到今日清单").click()
    expect(page.locator("h1")).to_contain_text("今日清单")


# -- the sidebar


def beside(page: Page, madeup: MadeUp, sandbox: SandboxServer, kind: str, chat: str) -> None:
    sandbox.world.open_chat(kind, chat)
    page.goto(madeup.login("chenxy"))
    page.goto("/sidebar")


def test_the_sidebar_shows_the_customer_of_the_open_chat_and_acts(
    page: Page, madeup: MadeUp, sandbox: SandboxServer
) -> None:
    beside(page, madeup, sandbox, "single", "wmWang")
    expect(page.locator("h1")).to_have_text("王姐")
    expect(page.get_by_role("region", name="快到期的")).to_contain_text("12月8日")
    assert too_wide(page) <= 0
    customer = cases.case(madeup.database.read(), madeup.ids["case interest"])
    assert customer is not None
    beside(page, madeup, sandbox, "single", customer["external_userid"])
    section = page.get_by_role("region", name="产品咨询")
    section.get_by_role("button", name="已联系").click()
    expect(section).to_have_count(0)
    closed = cases.case(madeup.database.read(), madeup.ids["case interest"])
    assert closed is not None
    assert (closed["status"], closed["outcome"]) == ("closed", "contacted")


def test_a_fact_is_confirmed_and_a_refusal_registered_beside_the_chat(
    page: Page, madeup: MadeUp, sandbox: SandboxServer
) -> None:
    fact = madeup.database.read().one("SELECT * FROM fact WHERE id = :id", id=madeup.ids["maybe"])
    assert fact is not None
    customer = fact["external_userid"]
    beside(page, madeup, sandbox, "single", customer)
    page.get_by_role("button", name="核实").first.click()
    expect(page.locator("#piece")).to_have_attribute("aria-busy", "false")
    status = "SELECT status FROM fact WHERE id = :id"
    assert madeup.database.read().value(status, id=fact["id"]) == "confirmed"
    page.get_by_text("登记拒收", exact=True).click()
    page.get_by_role("button", name="确认登记拒收").click()
    expect(page.get_by_text("已拒收")).to_be_visible()


def test_somebody_is_signed_up_for_an_event_beside_the_chat(
    page: Page, madeup: MadeUp, sandbox: SandboxServer
) -> None:
    madeup.write(lambda db: tea(db, madeup.clock.now()))
    beside(page, madeup, sandbox, "single", "wmWang")
    part = page.get_by_role("region", name="活动")
    part.get_by_label("几位").fill("2")
    part.get_by_role("button", name="替 TA 报名").click()
    expect(page.get_by_role("region", name="活动")).to_contain_text("已报名 2 位")


def tea(db: Db, now: datetime) -> None:
    ahead = int(now.timestamp() * 1000) + 2 * 86_400_000
    db.run(
        "INSERT INTO event"
        " (code, name, branch, starts_at, ends_at, sign_up_until, seats, door_code)"
        " VALUES ('E1', '茶艺课', '城东支行', :at, :at + 1, :at, 9, '1234')",
        at=ahead,
    )


def test_the_sidebar_shows_the_group_of_the_open_chat(
    page: Page, madeup: MadeUp, sandbox: SandboxServer
) -> None:
    beside(page, madeup, sandbox, "group", "wrShop")
    expect(page.locator("h1")).to_have_text("东街商户朋友群")
    expect(page.get_by_role("region", name="群的情况")).to_contain_text("陈小雨")
    expect(page.get_by_role("region", name="新来的")).to_contain_text("红梅")
    assert too_wide(page) <= 0


def test_whom_the_employee_may_not_see_the_sidebar_does_not_show(
    page: Page, madeup: MadeUp, sandbox: SandboxServer
) -> None:
    for kind, chat, words in (
        ("single", "wmQian", "不在您的名下"),
        ("single", "wmNobody", "不在您的名下"),
        ("group", "wrWest", "只有群主"),
    ):
        beside(page, madeup, sandbox, kind, chat)
        expect(page.locator("#piece")).to_contain_text(words)
        assert "钱先生" not in page.content()


def test_a_signature_of_another_app_is_refused_and_the_page_says_what_to_do(
    page: Page, madeup: MadeUp, sandbox: SandboxServer, stage: Stage
) -> None:
    madeup.services = replace(madeup.services, agent_id=7)
    stage.show(madeup)
    beside(page, madeup, sandbox, "single", "wmWang")
    expect(page.locator("#piece")).to_contain_text("可信域名")
