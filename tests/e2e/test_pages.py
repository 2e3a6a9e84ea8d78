"""The pages over HTTP: who gets in, who sees what, what a form may do."""

from __future__ import annotations

import hashlib
import re
import threading
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from caller import Caller, employee
from madeup import MadeUp, Stage, at

from bot.actions import CloseCase, Refuse
from bot.model import Role
from bot.sandbox.app import running_sandbox
from bot.sandbox.settings import SandboxSettings
from bot.store import feed, journal, ledger
from bot.store.sight import Viewer
from bot.web.console.stream import Feed
from bot.web.console.telling import FAMILIES
from bot.web.pages import Pages
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


@pytest.fixture
def head(madeup: MadeUp, address: str) -> Caller:
    return employee(madeup, address, "zhoujun")


@pytest.fixture
def manager(madeup: MadeUp, address: str) -> Caller:
    return employee(madeup, address, "chenxy")


@pytest.fixture
def stranger(madeup: MadeUp, address: str) -> Caller:
    """A manager of another branch."""
    return employee(madeup, address, "qinlan")


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


# -- who sees what


@pytest.mark.parametrize(
    ("page", "secret"),
    [
        ("/customers/wmWang", "王姐"),
        ("/groups/wrStreet", "城东邻里群"),
        ("/cases/1", "大额存单"),
        ("/customers", "王姐"),
        ("/groups", "城东邻里群"),
        ("/cases", "大额存单"),
        ("/pushes?on=all", "王姐"),
        ("/pushes/plan?on=2026-12-01", "王姐"),
        ("/", "王姐"),
        ("/events/older?before=999", "王姐"),
        ("/todo", "王姐"),
    ],
)
def test_another_branch_sees_nothing_of_ours(stranger: Caller, page: str, secret: str) -> None:
    answer = stranger.get(page)
    one_of_ours = page in {"/customers/wmWang", "/groups/wrStreet", "/cases/1"}
    assert (404 if one_of_ours else 200, False) == (answer.status, secret in answer.text)


def test_another_branch_can_change_nothing_of_ours(madeup: MadeUp, stranger: Caller) -> None:
    token = stranger.form_token()
    before = ledger.fact_row(madeup.database.read(), madeup.ids["interest"])
    answers = [
        stranger.post(f"/facts/{madeup.ids['interest']}", token=token, status="rejected"),
        stranger.post("/customers/wmWang/refuse", token=token),
        stranger.post("/cases/1", token=token, outcome="sold"),
    ]
    after = ledger.fact_row(madeup.database.read(), madeup.ids["interest"])
    assert ([404] * 3, [], tuple(before or ())) == (
        [each.status for each in answers],
        madeup.acted,
        tuple(after or ()),
    )


def test_what_is_not_there_looks_like_what_may_not_be_seen(stranger: Caller) -> None:
    assert stranger.get("/customers/wmWang").text == stranger.get("/customers/wmNobody").text


def test_sensitive_facts_show_to_follow_users_and_the_head_alone(
    madeup: MadeUp, address: str
) -> None:
    """A compliance officer sees every customer, and the group's owner hers: not what is theirs."""
    pages = ("/customers/wmFang", "/", "/cases", "/cases/3", "/customers")
    secrets = ("工商银行", "工行有", "五十万", "他行到期")
    seen = {}
    for userid in ("mazy", "zhoujun", "chenxy", "heguan"):
        caller = employee(madeup, address, userid)
        text = "".join(caller.get(page).text for page in pages)
        told = re.sub(r"<option.*?</option>", "", text)
        seen[userid] = tuple(words in told for words in secrets)
    yes, no = (True,) * 4, (False,) * 4
    assert {"mazy": yes, "zhoujun": yes, "chenxy": no, "heguan": no} == seen


def test_a_case_stays_covered_when_its_words_are_gone(madeup: MadeUp, address: str) -> None:
    madeup.write(lambda db: db.run("UPDATE escalation SET fact_id = NULL WHERE id = 3"))
    text = employee(madeup, address, "heguan").get("/cases/3").text
    assert ("工商银行" in text, "他行到期" in text, "一件要跟进的事" in text) == (
        False,
        False,
        True,
    )


def test_amounts_are_covered_where_the_viewer_is_no_follow_user(
    madeup: MadeUp, address: str
) -> None:
    officer = employee(madeup, address, "heguan").get("/customers/wmWang").text
    friend = employee(madeup, address, "chenxy").get("/customers/wmWang").text
    sums = ("18.6万元", "8万元", "20万元", "二十万")
    assert (
        [each in officer for each in sums],
        [each in friend for each in sums],
    ) == ([False] * 4, [True] * 4)


def test_a_member_of_another_branch_is_no_more_than_a_nickname(
    madeup: MadeUp, head: Caller
) -> None:
    joined = {"chat": "wrStreet", "member": "wmQian", "nickname": "一路顺风", "at": at(9, 0)}
    madeup.write(
        lambda db: db.run(
            "INSERT INTO group_member (chat_id, member, nickname, joined_at)"
            " VALUES (:chat, :member, :nickname, :at)",
            **joined,
        )
    )
    text = head.get("/groups/wrStreet").text
    assert ("一路顺风" in text, "钱" in text, "/customers/wmQian" in text) == (True, False, False)


def test_a_phone_number_is_never_shown_whole(madeup: MadeUp, head: Caller) -> None:
    vault = madeup.services.vault
    madeup.write(
        lambda db: db.run(
            "UPDATE customer SET phone_sealed = :sealed", sealed=vault.seal_text("13800000001")
        )
    )
    text = head.get("/customers/wmWang").text
    assert ("138****0001" in text, "13800000001" in text) == (True, False)


def test_what_customers_write_is_never_markup(madeup: MadeUp, head: Caller) -> None:
    evil = "<script>alert(1)</script>"
    madeup.write(lambda db: db.run("UPDATE customer SET name = :evil", evil=evil))
    madeup.write(lambda db: db.run("UPDATE follow SET remark = :evil", evil=evil))
    for page in ("/", "/customers", "/customers/wmWang", "/cases", "/pushes", "/groups/wrStreet"):
        text = head.get(page).text
        assert (evil in text, "&lt;script&gt;" in text) == (False, True)


# -- forms


def test_a_form_without_the_token_of_the_session_does_nothing(
    madeup: MadeUp, manager: Caller, head: Caller
) -> None:
    for token in ("", "0" * 32, head.form_token()):
        answer = manager.post("/customers/wmWang/refuse", token=token)
        assert (answer.status, madeup.acted) == (403, [])


def test_a_refusal_is_registered_once(madeup: MadeUp, manager: Caller) -> None:
    token = manager.form_token()
    first = manager.post("/customers/wmWang/refuse", token=token)
    manager.post("/customers/wmWang/refuse", token=token)
    assert (first.status, first.headers["location"]) == (303, "/customers/wmWang")
    assert [Refuse("wmWang", "marketing", "staff_button", "staff:chenxy")] == madeup.acted  # type: ignore[arg-type]  # a plain id will do in a test
    assert "已拒收" in manager.get("/customers/wmWang").text


def test_the_trail_says_who_registered_a_refusal(madeup: MadeUp, manager: Caller) -> None:
    manager.post("/customers/wmWang/refuse", token=manager.form_token())
    row = madeup.database.read().one("SELECT * FROM audit ORDER BY id DESC LIMIT 1")
    assert row is not None
    assert (row["actor"], row["act"], row["object"]) == ("chenxy", "register_refusal", "wmWang")


@pytest.mark.parametrize(("status", "word"), [("confirmed", "已核实"), ("rejected", "已否定")])
def test_a_fact_is_decided_by_a_person(
    madeup: MadeUp, manager: Caller, status: str, word: str
) -> None:
    fact = madeup.ids["maybe"]
    answer = manager.post(f"/facts/{fact}", token=manager.form_token(), status=status)
    row = ledger.fact_row(madeup.database.read(), fact)
    assert row is not None
    assert (303, status, "chenxy") == (answer.status, row["status"], row["decided_by"])
    page = manager.get("/customers/wmWang").text
    assert (word in page, "陈小雨 看过" in page) == (True, True)


def test_a_fact_knows_only_two_decisions(manager: Caller, madeup: MadeUp) -> None:
    answer = manager.post(
        f"/facts/{madeup.ids['maybe']}", token=manager.form_token(), status="recalled"
    )
    assert answer.status == 404


def test_an_officer_cannot_decide_what_they_may_not_see(madeup: MadeUp, address: str) -> None:
    officer = employee(madeup, address, "heguan")
    answer = officer.post(
        f"/facts/{madeup.ids['other_bank']}", token=officer.form_token(), status="rejected"
    )
    assert answer.status == 404


def test_a_case_is_closed_with_its_outcome_and_a_word(madeup: MadeUp, manager: Caller) -> None:
    case = madeup.ids["case interest"]
    answer = manager.post(
        f"/cases/{case}", token=manager.form_token(), outcome="sold", note=" 办了三年期 "
    )
    assert (answer.status, answer.headers["location"]) == (303, "/cases")
    assert [CloseCase(case, "sold", "chenxy", note="办了三年期")] == madeup.acted  # type: ignore[arg-type]  # as above
    closed = manager.get(f"/cases/{case}").text
    assert ("已成交" in closed, "办了三年期" in closed) == (True, True)
    assert "办了三年期" not in manager.get("/cases").text


def test_closing_twice_keeps_the_first_outcome(madeup: MadeUp, manager: Caller) -> None:
    case, token = madeup.ids["case interest"], manager.form_token()
    manager.post(f"/cases/{case}", token=token, outcome="sold", note="甲")
    manager.post(f"/cases/{case}", token=token, outcome="later", note="乙")
    row = madeup.database.read().one("SELECT * FROM escalation WHERE id = :id", id=case)
    assert row is not None
    assert (row["outcome"], row["note"]) == ("sold", "甲")
    assert len(madeup.acted) == 1


def test_pressing_cases_come_first(head: Caller) -> None:
    text = head.get("/cases").text
    found = re.findall(r'id="case-\d+-title"><a href="/cases/\d+">([^<：]+)', text)
    assert found[:2] == ["投诉", "产品咨询"]
    assert "已过时限 今天10:15" in text


# -- sends


def test_sends_say_why_not_in_words(head: Caller) -> None:
    text = head.get("/pushes?status=dropped").text
    assert ("客户已拒收" in text, "没有营销授权" in text, "G3" in text) == (True, True, False)


def test_a_dry_run_shows_only_customers_of_the_viewer(
    madeup: MadeUp, address: str, head: Caller
) -> None:
    ours, theirs = (
        caller.get("/pushes/plan?on=2026-12-01").text
        for caller in (head, employee(madeup, address, "qinlan"))
    )
    assert (("可发 <b>1</b>" in ours, "钱先生" in ours), ("可发 <b>0</b>" in theirs, True)) == (
        (True, False),
        (True, "钱先生" in theirs),
    )


@pytest.mark.parametrize("day", ["", "soon", "2026-02-30"])
def test_a_day_that_is_none_means_today(head: Caller, day: str) -> None:
    assert 'value="2026-12-01"' in head.get(f"/pushes?on={day}").text


# -- the refusal page of a customer


@pytest.fixture
def out(madeup: MadeUp) -> str:
    return f"/out/{madeup.services.out_links.token('wmWang')}"


def test_the_refusal_page_asks_once_and_shows_nobody(address: str, out: str) -> None:
    answer = Caller(address).get(out)
    assert (
        answer.status,
        "城东支行和全行" in answer.text,
        "王" in answer.text,
    ) == (200, True, False)


def test_looking_at_the_refusal_page_refuses_nothing(
    madeup: MadeUp, address: str, out: str
) -> None:
    Caller(address).get(out)
    assert madeup.acted == []


def test_refusing_needs_no_login_and_twice_is_once(madeup: MadeUp, address: str, out: str) -> None:
    answers = [Caller(address).post(out) for _ in range(2)]
    proof = hashlib.sha256(out.removeprefix("/out/").encode()).hexdigest()
    assert [Refuse("wmWang", "marketing", "out_page", proof)] == madeup.acted  # type: ignore[arg-type]  # as above
    assert [(each.status, "已经停了" in each.text) for each in answers] == [(200, True)] * 2


@pytest.mark.parametrize("token", ["x", "wmWang.0", "wmLi.{signature}", "wmWang."])
def test_a_broken_refusal_link_says_what_works_instead(
    madeup: MadeUp, address: str, out: str, token: str
) -> None:
    path = "/out/" + token.format(signature=out.rpartition(".")[2])
    for answer in (Caller(address).get(path), Caller(address).post(path)):
        assert (answer.status, "退订" in answer.text) == (404, True)
    assert madeup.acted == []


# -- the live page


def test_the_live_page_tells_what_happened_and_why(head: Caller) -> None:
    text = re.sub(r"<[^>]+>", "", head.get("/").text)
    for sentence in (
        "王姐 在「城东邻里群」说话，读出 产品意向：大额存单 我想聊聊大额存单",
        "给 王姐 的生日消息过闸，交给 陈小雨 确认",
        "给 邓姐 的生日消息不发：客户已拒收",
        "已送达：陈小雨 把到期消息发给了 李叔",
        "拒收已生效：邓姐 不再收到营销和问候",
        "卡片已发给 陈小雨：王姐 的产品咨询（大额存单）",
        "陈小雨 点了「已联系」：李叔 的近期活跃",
        "过时限：李叔 的投诉（排队久） 还没有结果，已转告 周俊",
        "孙红梅 进了「城东邻里群」",
        "王姐 的企业标签已更新：打上 大额存单",
    ):
        assert sentence in text


def test_the_figures_of_today_count_what_the_viewer_sees(
    madeup: MadeUp, address: str, head: Caller
) -> None:
    def figures(caller: Caller) -> list[int]:
        return [int(each) for each in re.findall(r"<dd>(\d+)</dd>", caller.get("/").text)]

    west = employee(madeup, address, "qinlan")
    assert (figures(head), figures(west)) == ([1, 1, 5, 1, 1, 4, 1, 1], [1, 0, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("kind", "shown", "hidden"),
    [
        ("people", "进了", "过闸"),
        ("facts", "读出", "进了"),
        ("sends", "过闸", "读出"),
        ("cases", "卡片已发给", "过闸"),
        ("system", "对账完成", "过闸"),
    ],
)
def test_the_live_page_can_be_narrowed(head: Caller, kind: str, shown: str, hidden: str) -> None:
    text = head.get(f"/?kind={kind}").text
    assert (shown in text, hidden in text) == (True, False)


def test_every_kind_of_the_journal_has_a_sentence(head: Caller, madeup: MadeUp) -> None:
    """Whatever is missing beside the kind: a line is never an error."""
    kinds = [kind for kinds in FAMILIES.values() for kind in kinds] + ["something_new"]
    for kind in kinds:
        madeup.note(kind, customer="wmWang", userid="chenxy", chat_id="wrStreet")
    answer = head.get("/")
    untold = [kind for kind in kinds if kind in answer.text]
    assert (answer.status, untold) == (200, ["something_new"])


def test_a_recalled_message_leaves_no_words_on_the_page(madeup: MadeUp, head: Caller) -> None:
    row = ledger.fact_row(madeup.database.read(), madeup.ids["interest"])
    assert row is not None
    madeup.write(lambda db: ledger.recall(db, row["msgid"]))
    for page in ("/", "/customers/wmWang", "/cases"):
        assert "我想聊聊大额存单" not in head.get(page).text


def listen(caller: Caller, path: str, enough: str, last: int | None = None) -> str:
    """Read a stream until some words have come; ``last`` is the id that a browser tells again."""
    headers = {"cookie": f"qunguan={caller.cookies['qunguan']}"}
    if last is not None:
        headers["last-event-id"] = str(last)
    reply = caller.pool.request(
        "GET", caller.address + path, headers=headers, preload_content=False
    )
    heard = ""
    for piece in reply.stream(64):
        heard += piece.decode(errors="ignore")
        if enough in heard:
            break
    reply.close()
    return heard


def test_a_line_arrives_while_one_watches(madeup: MadeUp, manager: Caller) -> None:
    last = madeup.note("friend_added", customer="wmLi", userid="chenxy")
    later = threading.Timer(
        0.2, madeup.note, args=("joined_group",), kwargs={"customer": "wmLi", "chat_id": "wrShop"}
    )
    later.start()
    heard = listen(manager, f"/events/stream?after={last}", "event: figures")
    later.join()
    assert (f"id: {last + 1}\nevent: line" in heard, "东街商户朋友群" in heard) == (True, True)


def test_a_browser_that_comes_back_gets_what_it_missed(madeup: MadeUp, manager: Caller) -> None:
    first = madeup.note("friend_added", customer="wmLi", userid="chenxy")
    second = madeup.note("welcomed", customer="wmLi", userid="chenxy")
    heard = listen(manager, "/events/stream?after=0", "event: figures", last=first)
    assert [str(second)] == re.findall(r"id: (\d+)", heard)


def test_the_stream_tells_nothing_of_customers_out_of_sight(
    madeup: MadeUp, stranger: Caller
) -> None:
    last = madeup.note("friend_added", customer="wmLi", userid="chenxy")
    madeup.note("joined_group", customer="wmLi", chat_id="wrStreet")
    mine = madeup.note("joined_group", customer="wmQian", chat_id="wrWest")
    heard = listen(stranger, f"/events/stream?after={last}", "event: figures")
    assert ([str(mine)], False) == (re.findall(r"id: (\d+)", heard), "李" in heard)


def test_a_line_that_is_written_while_one_reads_is_told_once(
    madeup: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = Viewer("zhoujun", Role.HEAD, "城东支行")
    stream = Feed(madeup.services, Pages(madeup.services), who, "")
    first = madeup.note("welcomed", customer="wmLi", userid="chenxy")
    madeup.note("welcomed", customer="wmWang", userid="chenxy")
    # The writer is quicker than the reader: its line is there, but not yet in the last id.
    monkeypatch.setattr(feed, "last_id", lambda _db: first)
    before = stream.news(first - 1)
    monkeypatch.undo()
    after = stream.news(before[-1][1])
    assert [text.count("event: line") for text, _ in (*before, *after)] == [1, 0, 1, 0]


def test_older_lines_follow_where_the_page_ends(madeup: MadeUp, head: Caller) -> None:
    for _ in range(80):
        madeup.note("friend_added", customer="wmLi", userid="chenxy")
    page = head.get("/").text
    path = re.search(r'data-older="([^"]+)"', page)
    assert path is not None
    older = head.get(path[1].replace("&amp;", "&")).text
    shown, more = (set(re.findall(r'data-id="(\d+)"', text)) for text in (page, older))
    assert (60, set()) == (len(shown), shown & more)
    assert max(map(int, more)) == min(map(int, shown)) - 1


# -- everywhere


@pytest.mark.parametrize("page", ["/", "/login", "/out/x", "/nothing", "/docs", "/api/customers"])
def test_nothing_from_elsewhere_may_be_loaded(head: Caller, page: str) -> None:
    headers = head.get(page).headers
    assert (
        headers["content-security-policy"].split(";")[0],
        headers["referrer-policy"],
        headers["x-content-type-options"],
    ) == ("default-src 'none'", "no-referrer", "nosniff")


def test_pages_about_customers_are_not_kept_by_browsers(head: Caller) -> None:
    assert head.get("/customers/wmWang").headers["cache-control"] == "no-store"


def test_the_day_of_the_journal_is_the_branchs(madeup: MadeUp, head: Caller) -> None:
    """Yesterday's lines do not count for today."""
    yesterday = at(23, 59, back=1)
    madeup.write(lambda db: journal.note(db, "refused", yesterday, customer="wmLi"))
    text = head.get("/").text
    assert "<dt>拒收</dt><dd>1</dd>" in text
