"""The play page in a real browser: everybody's phones, the switches, and a narrow screen."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from bot.clock import MovableClock
from bot.sandbox.app import SandboxServer
from bot.sandbox.records import Fields
from bot.sandbox.settings import SandboxSettings
from bot.sandbox.town import Story, Town, load_town, populate
from bot.sandbox.town.people import KF_ID

START = "2026-12-01T08:55:00+08:00"
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
CARD: Fields = {
    "card_type": "button_interaction",
    "task_id": "case-7-1",
    "main_title": {"title": "方姐 问大额存单", "desc": "今天 11:00 前联系"},
    "quote_area": {"quote_text": "我想聊聊大额存单"},
    "button_list": [{"text": "已联系", "key": "contacted"}, {"text": "没接通", "key": "none"}],
}


@pytest.fixture(scope="module")
def town() -> Town:
    return load_town()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def sandbox(tmp_path: Path, town: Town) -> Iterator[SandboxServer]:
    clock = tmp_path / "clock"
    settings = SandboxSettings(clock=MovableClock(START, clock), clock_file=clock)
    with SandboxServer(settings) as server:
        populate(server.world, town, date(2026, 12, 1))
        yield server


@pytest.fixture
def wrongs() -> list[str]:
    return []


@pytest.fixture
def page(browser: Browser, sandbox: SandboxServer, wrongs: list[str]) -> Iterator[Page]:
    page = browser.new_page(viewport=WIDE)
    page.on("pageerror", lambda error: wrongs.append(str(error)))
    page.goto(sandbox.base_url)
    expect(page.locator(".said").first).to_be_visible()
    yield page
    page.close()
    assert wrongs == []


def pick(page: Page, place: str) -> None:
    page.fill("#search", place)
    page.locator(".place", has_text=place).first.click()
    expect(page.locator("#title")).to_contain_text(place)


def write(page: Page, words: str) -> None:
    page.fill("#words", words)
    page.press("#words", "Enter")
    expect(page.locator("#talk")).to_contain_text(words)


def last_said(sandbox: SandboxServer) -> Fields:
    return sandbox.history("said")[-1]


def test_anybody_can_be_played_in_a_group(page: Page, sandbox: SandboxServer, town: Town) -> None:
    pick(page, "种养群")
    page.select_option("#as", town.person("葛老哥"))
    write(page, "橙子又涨了一毛")
    said = last_said(sandbox)
    assert (said["sender"], said["chat_id"], said["archived"]) == (
        town.person("葛老哥"),
        town.groups["field"].chat_id,
        True,
    )


def test_one_to_one_both_sides_can_write(page: Page, sandbox: SandboxServer, town: Town) -> None:
    pick(page, "方姐")
    write(page, "下午在厂里吗")
    assert last_said(sandbox)["sender"] == town.person("方姐")
    page.select_option("#as", "mazhiyuan")
    write(page, "在的,方姐您说")
    assert last_said(sandbox)["sender"] == "mazhiyuan"


def test_what_others_say_appears_by_itself(page: Page, sandbox: SandboxServer, town: Town) -> None:
    street = town.groups["street"].chat_id
    sandbox.world.say(town.person("孙大姐"), "晚上七点老地方集合", chat_id=street)
    expect(page.locator("#talk")).to_contain_text("晚上七点老地方集合")


def test_a_message_can_be_taken_back(page: Page, sandbox: SandboxServer) -> None:
    pick(page, "王姐")
    write(page, "发错群了")
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("button.bubble:has-text('发错群了')")
    expect(page.locator("#talk")).to_contain_text("撤回了一条消息")
    assert len(sandbox.history("recalled")) == 1


def test_somebody_joins_agrees_and_leaves(page: Page, sandbox: SandboxServer, town: Town) -> None:
    chat_id, who = town.groups["shop"].chat_id, town.person("毕哥")
    pick(page, "朋友群")
    page.click("#more")
    page.select_option("#deeds select", who)
    page.click("text=扫码入群")
    expect(page.locator("#talk")).to_contain_text("毕成功 加入群聊")
    page.select_option("#as", who)
    page.click("#more")
    page.get_by_role("button", name="同意存档", exact=True).click()
    page.locator("#log", has_text="毕成功 在群里同意会话存档").wait_for()
    assert sandbox.world.agreed(chat_id, who)
    page.select_option("#as", who)
    page.click("#more")
    page.click("text=毕成功 退群")
    expect(page.locator("#talk")).to_contain_text("毕成功 离开群聊")
    assert who not in sandbox.world.groups[chat_id].members


def test_a_stranger_becomes_a_friend(page: Page, sandbox: SandboxServer, town: Town) -> None:
    pick(page, "清风徐来")
    expect(page.locator("#subtitle")).to_have_text("还不是任何员工的好友")
    page.click("#more")
    page.select_option("#deeds select", "liumin")
    page.click("text=加为好友")
    page.locator("#log", has_text="清风徐来 加了 刘敏").wait_for()
    assert sandbox.world.friends("liumin", town.person("清风")) is not None


def test_a_customer_writes_to_customer_service(
    page: Page, sandbox: SandboxServer, town: Town
) -> None:
    pick(page, "王姐")
    page.click("#more")
    page.click("text=找微信客服")
    expect(page.locator("#subtitle")).to_have_text("微信客服")
    write(page, "周六开门吗")
    log = sandbox.world.kf_accounts[KF_ID].log
    assert (log[-1]["external_userid"], log[-1]["text"]["content"]) == (
        town.person("王姐"),
        "周六开门吗",
    )


def test_an_employee_sends_what_waits_and_the_customer_sees_it(
    page: Page, sandbox: SandboxServer, town: Town
) -> None:
    wang = town.person("王姐")
    sandbox.world.create_mass("single", {"chenxiaoyu": [wang]}, "王姐,生日快乐", [])
    page.select_option("#employee", "chenxiaoyu")
    page.locator("#desk .card", has_text="王姐,生日快乐").get_by_role("button").click()
    expect(page.locator("#desk")).to_contain_text("没有等待发送的群发")
    pick(page, "王姐")
    expect(page.locator("#talk .via").last).to_have_text("企业群发")
    assert len(sandbox.world.delivered(channel="mass_single", external_userid=wang)) == 1


def test_an_employee_publishes_a_moment_and_the_tagged_customer_sees_it(
    page: Page, sandbox: SandboxServer, town: Town
) -> None:
    wang, world = town.person("王姐"), sandbox.world
    (tag,) = world.create_tags("群管·朋友圈", ["本条朋友圈可见"], by_api=True)
    world.friendships["chenxiaoyu", wang].tags.append(tag)
    world.create_moment(["chenxiaoyu"], [tag], "天冷了,出门记得添衣。", [])
    page.select_option("#employee", "chenxiaoyu")
    card = page.locator("#desk .card", has_text="天冷了")
    expect(card).to_contain_text("发到朋友圈")
    card.get_by_role("button", name="发表").click()
    expect(page.locator("#desk")).to_contain_text("没有等待发送的群发")
    pick(page, "王姐")
    expect(page.locator("#talk .via").last).to_have_text("朋友圈")
    seen = world.delivered(channel="moments")
    assert [one["external_userid"] for one in seen] == [wang]


def test_an_employee_answers_a_card(page: Page, sandbox: SandboxServer) -> None:
    sandbox.world.put_app_message(1, "template_card", dict(CARD), ["mazhiyuan"])
    page.select_option("#employee", "mazhiyuan")
    page.click("[data-tab=inbox]")
    expect(page.locator("#desk blockquote")).to_have_text("我想聊聊大额存单")
    page.get_by_role("button", name="已联系").click()
    page.locator("#log", has_text="马志远 按了卡片按钮").wait_for()
    (pressed,) = sandbox.history("card_pressed")
    assert (pressed["userid"], pressed["key"]) == ("mazhiyuan", "contacted")


def test_an_employee_writes_to_the_app(page: Page, sandbox: SandboxServer) -> None:
    page.select_option("#employee", "liumin")
    page.click("[data-tab=inbox]")
    page.fill("#note-words", "今天做什么")
    page.press("#note-words", "Enter")
    expect(page.locator("#desk")).to_contain_text("今天做什么")
    page.locator("#log", has_text="刘敏 写给应用").wait_for()
    assert [entry["userid"] for entry in sandbox.history("staff_wrote")] == ["liumin"]


def test_faults_are_switched_on_and_off(page: Page, sandbox: SandboxServer) -> None:
    page.get_by_label("存档中继断开").check()
    page.get_by_label("回调重复送达").check()
    page.wait_for_function(
        "async () => (await (await fetch('/sandbox/api/faults')).json()).items.length === 2"
    )
    page.click("#calm")
    page.wait_for_function(
        "async () => (await (await fetch('/sandbox/api/faults')).json()).items.length === 0"
    )
    assert sandbox.faults.listing() == []


def test_the_clock_goes_to_the_next_morning(page: Page, sandbox: SandboxServer) -> None:
    page.click("[data-move=morning]")
    expect(page.locator("#date")).to_contain_text("12月2日")
    expect(page.locator("#now")).to_have_text("08:55")
    assert sandbox.world.now().isoformat().startswith("2026-12-02T00:55")


def test_the_story_can_be_held_and_let_go(page: Page, sandbox: SandboxServer, town: Town) -> None:
    expect(page.locator("#story")).to_be_hidden()
    story = Story(sandbox.world, town)
    sandbox.sandbox.story = story
    page.reload()
    page.click("text=暂停剧情")
    expect(page.locator("#story")).to_have_text("继续剧情")
    assert story.paused
    page.click("#story")
    expect(page.locator("#story")).to_have_text("暂停剧情")
    assert not story.paused


def test_words_are_shown_and_never_run(page: Page, sandbox: SandboxServer, town: Town) -> None:
    street = town.groups["street"].chat_id
    words = "<img src=x onerror=document.title='ran'>"
    sandbox.world.say(town.person("谭哥"), words, chat_id=street)
    expect(page.locator("#talk")).to_contain_text(words)
    assert page.title() == "群安银行·城东支行 演练场"


def test_a_narrow_screen_shows_one_pane_and_never_scrolls_sideways(page: Page) -> None:
    page.set_viewport_size(NARROW)
    for view in ("list", "chat", "staff", "control"):
        page.click(f"[data-go={view}]")
        shown = page.locator("main > [data-pane]:visible")
        expect(shown).to_have_count(1)
        assert shown.get_attribute("data-pane") == view
        assert page.evaluate("document.documentElement.scrollWidth") == NARROW["width"]


def test_the_page_is_worked_with_the_keyboard(page: Page, sandbox: SandboxServer) -> None:
    page.focus("#search")
    page.keyboard.type("孙大姐")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text("孙大姐")
    page.focus("#words")
    page.keyboard.type("你好呀")
    page.keyboard.press("Enter")
    expect(page.locator("#talk")).to_contain_text("你好呀")
    assert last_said(sandbox)["text"] == "你好呀"


def test_nothing_is_fetched_from_elsewhere(browser: Browser, sandbox: SandboxServer) -> None:
    asked: list[str] = []
    page = browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(sandbox.base_url)
    expect(page.locator(".said").first).to_be_visible()
    page.close()
    strangers = [url for url in asked if not url.startswith((sandbox.base_url, "data:"))]
    assert strangers == []
