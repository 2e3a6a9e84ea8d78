"""The console in a real browser: live, by keyboard, and on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from madeup import MadeUp
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

from bot.store import ledger

WIDE: ViewportSize = {"width": 1440, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}
# The last ones keep a browser from asking its maker's servers for anything.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PAGES = (
    "/",
    "/todo",
    "/cases",
    "/cases?status=closed",
    "/cases/1",
    "/customers",
    "/customers/wmWang",
    "/customers/wmWang/rights",
    "/rights",
    "/customers/wmWang/talk",
    "/facts",
    "/facts/2",
    "/pushes",
    "/pushes/1",
    "/pushes/plan?on=2026-12-01",
    "/groups",
    "/groups/wrShop",
    "/login",
    "/docs",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(params=[WIDE, NARROW], ids=["desktop", "phone"])
def context(
    browser: Browser, address: str, request: pytest.FixtureRequest
) -> Iterator[BrowserContext]:
    found = browser.new_context(viewport=request.param, base_url=address, locale="zh-CN")
    yield found
    found.close()


@pytest.fixture
def wrongs() -> list[str]:
    """What the browser complained about; the page's fixture sees that it is nothing."""
    return []


@pytest.fixture
def page(context: BrowserContext, madeup: MadeUp, wrongs: list[str]) -> Iterator[Page]:
    """Signed in as a customer manager."""
    found = context.new_page()
    found.on("pageerror", lambda error: wrongs.append(str(error)))
    found.on("console", lambda line: wrongs.extend([line.text] * (line.type == "error")))
    found.goto(madeup.login("chenxy"))
    expect(found.locator("#live")).to_have_text("实时")
    yield found
    assert wrongs == []


def too_wide(page: Page) -> int:
    """Pixels by which the page is wider than the screen."""
    width: int = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return width


def test_a_line_appears_by_itself(page: Page, madeup: MadeUp) -> None:
    before = page.locator(".line").count()
    madeup.note("fact_learned", customer="wmLi", chat_id="wrStreet", ref=madeup.ids["hobby"])
    newest = page.locator(".line").first
    expect(newest).to_contain_text("读出 爱好：钓鱼")
    expect(newest.locator("q")).to_have_text("去水库钓鱼")
    expect(page.locator(".line")).to_have_count(before + 1)
    expect(page.locator("#figures")).to_contain_text(re.compile(r"听到的事实\s*5"))


def test_the_live_page_comes_back_after_a_break_and_misses_nothing(
    page: Page, madeup: MadeUp, context: BrowserContext, wrongs: list[str]
) -> None:
    context.set_offline(True)
    page.evaluate("window.dispatchEvent(new Event('offline'))")
    madeup.note("friend_added", customer="wmLi", userid="chenxy")
    context.set_offline(False)
    expect(page.locator(".line").first).to_contain_text("李叔 加了 陈小雨 为好友")
    wrongs.clear()  # the break itself is told in the browser's console


def test_a_customer_opens_with_the_words_that_prove_what_is_known(page: Page) -> None:
    page.locator(".line a", has_text="王姐").first.click()
    expect(page.locator("h1")).to_contain_text("王姐")
    fact = page.locator(".fact", has_text="大额存单")
    expect(fact.locator("blockquote")).to_have_text("我想聊聊大额存单")
    expect(fact).to_contain_text("群「城东邻里群」")
    expect(fact).to_contain_text("把握 92%")


def test_a_fact_is_confirmed_on_its_page(page: Page, madeup: MadeUp) -> None:
    page.goto("/customers/wmWang")
    fact = page.locator(".fact", has_text="可能要用钱")
    fact.get_by_role("button", name="核实").click()
    expect(fact.locator(".chip")).to_have_text("已核实")
    row = ledger.fact_row(madeup.database.read(), madeup.ids["maybe"])
    assert row is not None
    assert row["status"] == "confirmed"


def test_a_case_is_closed_by_keyboard_alone(page: Page, madeup: MadeUp) -> None:
    page.goto("/cases")
    card = page.locator(f"#case-{madeup.ids['case interest']}")
    card.get_by_role("textbox").focus()
    page.keyboard.type("办了三年期")
    page.keyboard.press("Tab")
    expect(card.get_by_role("button", name="已联系")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(card.get_by_role("button", name="已成交")).to_be_focused()
    page.keyboard.press("Enter")
    expect(card).to_have_count(0)
    assert [each.outcome for each in madeup.acted] == ["sold"]  # type: ignore[union-attr]  # cases only


def test_the_menu_is_reached_by_keyboard(page: Page) -> None:
    page.goto("/groups")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="跳到正文")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")


def test_a_refusal_is_registered_in_two_steps(page: Page, madeup: MadeUp) -> None:
    page.goto("/customers/wmWang")
    expect(page.get_by_role("button", name="确认登记拒收")).to_be_hidden()
    page.get_by_text("登记拒收", exact=True).click()
    page.get_by_role("button", name="确认登记拒收").click()
    expect(page.locator(".head .chip.stop")).to_have_text("已拒收")
    assert [each.customer for each in madeup.acted] == ["wmWang"]  # type: ignore[union-attr]  # refusals only


def test_customers_are_narrowed_by_a_choice_alone(page: Page) -> None:
    page.goto("/customers")
    page.get_by_label("分层").select_option("middle")
    expect(page.locator(".persons li")).to_have_count(2)
    page.get_by_label("分群").select_option("senior")
    expect(page.locator(".persons li")).to_have_count(1)
    expect(page.locator(".persons .name")).to_contain_text("李叔")


def test_older_lines_come_on_demand(page: Page, madeup: MadeUp) -> None:
    for _ in range(70):
        madeup.note("friend_added", customer="wmLi", userid="chenxy")
    page.goto("/")
    expect(page.locator(".line")).to_have_count(60)
    page.get_by_role("button", name="看更早的").click()
    expect(page.locator(".line", has_text="过闸")).to_have_count(1)


def test_the_menu_and_the_page_of_a_head_fit_the_screen(
    context: BrowserContext, madeup: MadeUp
) -> None:
    found = context.new_page()
    found.goto(madeup.login("zhoujun"))
    found.get_by_role("link", name="规则").click()
    expect(found.get_by_role("heading", name="规则的成绩")).to_be_visible()
    assert too_wide(found) <= 0


def test_no_page_is_wider_than_the_screen(page: Page) -> None:
    found = {}
    for path in PAGES:
        page.goto(path)
        found[path] = too_wide(page)
    assert dict.fromkeys(PAGES, 0) == found


def test_a_customer_refuses_without_signing_in(context: BrowserContext, madeup: MadeUp) -> None:
    page = context.new_page()
    page.goto(f"/out/{madeup.services.out_links.token('wmWang')}")
    assert too_wide(page) == 0
    page.get_by_role("button", name="不再接收").click()
    expect(page.get_by_role("status")).to_contain_text("已经停了")
    assert [each.customer for each in madeup.acted] == ["wmWang"]  # type: ignore[union-attr]  # refusals only


def test_without_scripts_the_pages_still_work(
    browser: Browser, address: str, madeup: MadeUp
) -> None:
    context = browser.new_context(
        base_url=address, java_script_enabled=False, locale="zh-CN", viewport=NARROW
    )
    page = context.new_page()
    page.goto(madeup.login("chenxy"))
    expect(page.locator(".line").first).to_be_visible()
    page.goto("/cases")
    card = page.locator(f"#case-{madeup.ids['case interest']}")
    card.get_by_role("button", name="已联系").click()
    expect(page.locator(f"#case-{madeup.ids['case interest']}")).to_have_count(0)
    context.close()
