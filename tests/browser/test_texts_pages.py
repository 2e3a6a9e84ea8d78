"""A campaign from the head's keyboard over another's approval to the customer's phone."""

# the names carry the ids of the compliance rules

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from live_branch import BRANCH, HEAD, LI, MORNING, Branch, make_keys, open_branch
from madeup import MadeUp
from playwright.sync_api import Browser, Page, expect, sync_playwright
from test_console import ARGUMENTS, NARROW, WIDE, too_wide

LEGAL = "helegal"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def branch(tmp_path: Path) -> Iterator[Branch]:
    """A running bot with a customer whose birthday is today and who was not yet written to."""
    folder = tmp_path / "var"
    folder.mkdir()
    with open_branch(folder, make_keys(tmp_path)) as found, ExitStack() as life:
        found.clock.move_to(MORNING.replace(hour=7, minute=40))
        customer = found.customer("周小满", LI)
        row = {"external_userid": customer, "core_id": "QA000001", "name": "周小满"}
        birthday = {"birthday": f"1980-{MORNING:%m-%d}", "branch": BRANCH}
        found.bring("customers", [row | birthday])
        agreed = {"purpose": "marketing", "granted": "是", "channel": "柜面", "proof": "form-1"}
        found.bring("consents", [{"external_userid": customer, "at": "2026-11-02"} | agreed])
        life.push(found.start())
        staff = {"userid": LEGAL, "name": "何合规", "branch": BRANCH, "role": "compliance"}
        found.bring("staff", [staff])
        yield found


def signed_in(browser: Browser, branch: Branch, userid: str) -> Page:
    page = browser.new_context(viewport=NARROW, base_url=branch.url, locale="zh-CN").new_page()
    link = branch.bot.login_links.of(userid)
    page.goto(link.removeprefix(branch.bot.login_links.public_url))
    return page


def test_A1_a_greeting_is_submitted_approved_by_another_and_reaches_the_customer(
    browser: Browser, branch: Branch
) -> None:
    head = signed_in(browser, branch, HEAD)
    head.goto("/campaigns/birthday/edit")
    source = head.get_by_role("textbox")
    source.fill(source.input_value().replace("祝您生日快乐", "您的好日子到了,祝您生日快乐"))
    head.get_by_role("button", name="保存成新的一版").click()
    head.get_by_role("button", name="试发").click()
    expect(head.locator(".words")).to_contain_text("您的好日子到了")
    expect(head.locator(".sum")).to_contain_text("可发 1")
    head.get_by_role("link", name="回到这一版").click()
    head.get_by_role("button", name="提交审批").click()
    expect(head.locator("h1")).to_contain_text("审批中")
    expect(head.get_by_role("button", name="批准")).to_have_count(0)

    legal = signed_in(browser, branch, LEGAL)
    legal.goto("/approvals")
    legal.get_by_role("link", name="去看并审批").click()
    legal.get_by_role("button", name="批准").click()
    expect(legal.locator(".empty")).to_contain_text("没有等您审批的话术")

    head.reload()
    head.get_by_role("button", name="启用").click()
    expect(head.locator("h1")).to_contain_text("启用中")

    branch.clock.move_to(MORNING)
    branch.until(branch.masses, 30, "a task", nudge=lambda: branch.later(seconds=5))
    (task,) = branch.masses()
    assert "您的好日子到了" in task["text"]
    branch.world.confirm_task(LI, task["msgid"])
    branch.later(seconds=16)
    branch.until(lambda: branch.value("SELECT 1 FROM push WHERE status = 'confirmed'"))
    (got,) = branch.world.delivered(channel="mass_single")
    assert got["text"] == task["text"]

    legal.goto("/pushes?on=all")
    expect(legal.locator(".push .chip").first).to_have_text("已送达")


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["desktop", "phone"])
def test_the_pages_of_texts_fit_the_screen_and_work_by_keyboard(
    browser: Browser, madeup: MadeUp, address: str, viewport: dict[str, int]
) -> None:
    context = browser.new_context(viewport=viewport, base_url=address, locale="zh-CN")  # type: ignore[arg-type]  # a size
    page = context.new_page()
    page.goto(madeup.login("zhoujun"))
    page.goto("/campaigns/birthday/edit")
    page.get_by_role("textbox").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="保存成新的一版")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("第 2 版")
    paths = (
        "/campaigns",
        "/campaigns/birthday",
        "/campaigns/birthday/edit",
        "/campaigns/birthday/2?q=王",
        "/campaigns/birthday/2/trial?on=2026-12-01",
        "/approvals",
        "/approvals?past=1",
    )
    found = {}
    for path in paths:
        page.goto(path)
        found[path] = too_wide(page)
    assert dict.fromkeys(paths, 0) == found
    context.close()


def test_a_mistake_in_a_text_is_shown_at_its_line(
    browser: Browser, madeup: MadeUp, address: str
) -> None:
    context = browser.new_context(viewport=NARROW, base_url=address, locale="zh-CN")
    page = context.new_page()
    page.goto(madeup.login("zhoujun"))
    page.goto("/campaigns/birthday/edit")
    source = page.get_by_role("textbox")
    source.fill(source.input_value().replace("steps: [0]", "steps: [3]"))
    page.get_by_role("button", name="保存成新的一版").click()
    expect(page.get_by_role("alert")).to_contain_text("第 2 行")
    expect(page.locator(".source .wrong")).to_contain_text("name: birthday")
    assert "steps: [3]" in page.get_by_role("textbox").input_value()
    assert too_wide(page) == 0
    context.close()
