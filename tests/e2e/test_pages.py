"""The pages over HTTP: who sees what, and what a form may do."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from caller import Caller, employee
from madeup import MadeUp
from madeup_town import at

from bot.actions import CloseCase, Refuse
from bot.store import journal, ledger

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


@pytest.mark.parametrize(
    "page", ["/pushes/", "/cases/", "/activities/", "/rights/", "/facts/", "/events/older?before="]
)
def test_a_number_that_no_store_holds_names_nothing(head: Caller, page: str) -> None:
    assert 404 == head.get(f"{page}99999999999999999999").status


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2026-02-30", "soon"])
def test_a_day_that_there_is_not_is_as_none(head: Caller, day: str) -> None:
    pages = (f"/pushes/plan?on={day}", f"/pushes?on={day}", f"/reports?from={day}&to={day}")
    assert [200] * 3 == [head.get(page).status for page in pages]


def test_a_form_that_is_not_filled_in_says_so(head: Caller) -> None:
    answer = head.post("/pushes/switch", token=head.form_token())
    assert (422, True) == (answer.status, "填的内容还在" in answer.text)


def test_the_page_of_a_customer_shows_the_id_that_forms_ask_for(manager: Caller) -> None:
    assert "<dd><code>wmWang</code></dd>" in manager.get("/customers/wmWang").text


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


# -- everywhere


def test_T4_personalisation_is_switched_off_by_the_customer_or_for_them_and_on_again(
    madeup: MadeUp, address: str, out: str, head: Caller
) -> None:
    anybody = Caller(address)
    assert "关闭个性化推荐" in anybody.get(out).text
    for _ in range(2):
        assert "不再按您的情况挑选" in anybody.post(f"{out}/personal").text
    rows = (
        "SELECT granted, channel FROM consent WHERE purpose = 'profiling' AND channel <> 'import'"
    )
    assert [(0, "out_page")] == [tuple(row) for row in madeup.database.read().rows(rows)]
    assert "客户已关闭" in head.get("/customers/wmWang").text
    madeup.clock.move(timedelta(seconds=1))
    token = head.form_token()
    head.post("/customers/wmWang/personal", token=token, on="true")
    assert "客户已关闭" not in head.get("/customers/wmWang").text
    assert 404 == anybody.post("/out/wmWang.x/personal").status


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


# -- one person under two ids


def test_an_employee_merges_two_customers_whom_they_see_and_takes_them_apart_again(
    madeup: MadeUp, head: Caller
) -> None:
    token = head.form_token()
    page = head.get("/customers/wmWang?same=" + quote("李"))
    other = re.search(r'name="other" value="(\w+)"', page.text)
    assert other is not None
    merged = head.post("/customers/wmWang/merge", token=token, other=other[1])
    assert (303, "/customers/wmWang#same") == (merged.status, merged.headers["location"])
    assert f'href="/customers/{other[1]}"' in _same(head)
    acts = [row["act"] for row in madeup.database.read().rows("SELECT act FROM audit")]
    assert acts[-1] == "customers_merged"
    assert head.post("/customers/wmWang/part", token=token).status == 303
    assert f'href="/customers/{other[1]}"' not in _same(head)


def _same(caller: Caller) -> str:
    """The card 同一个人 of a customer's page."""
    return caller.get("/customers/wmWang").text.partition('id="same"')[2].partition("</section>")[0]


def test_nobody_merges_with_a_customer_whom_they_do_not_see(
    madeup: MadeUp, head: Caller, stranger: Caller
) -> None:
    token = stranger.form_token()
    answers = [
        stranger.post("/customers/wmWang/merge", token=token, other="wmLi"),
        stranger.post("/customers/wmWang/part", token=token),
        head.post("/customers/wmWang/merge", token=head.form_token(), other="wmNobody"),
        head.post("/customers/wmWang/merge", token=head.form_token(), other="wmWang"),
    ]
    assert [404] * 4 == [each.status for each in answers]
    assert madeup.database.read().rows("SELECT * FROM same_person") == []
