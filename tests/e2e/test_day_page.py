"""The page of an employee's day: signed, for one day, and one tap settles a thing."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from caller import Answer, Caller
from madeup import MadeUp

from bot.clock import today
from bot.store import agenda, cases
from bot.store.db import Db
from bot.store.erasure import erase


def path(madeup: MadeUp, userid: str = "chenxy") -> str:
    links = madeup.services.desk.days
    return links.of(userid, today(madeup.clock)).removeprefix(links.public_url)


def titles(page: Answer) -> list[str]:
    return re.findall(r'<h2 id="m\d+-title">\d+\. (.+?)</h2>', page.text)


def hidden(page: Answer, title: str) -> dict[str, str]:
    """The hidden fields of the form under a title."""
    (part,) = [each for each in page.text.split("<article")[1:] if title in each]
    fields = re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', part)
    return {name: html.unescape(value) for name, value in fields}


def press(site: Caller, where: str, title: str, outcome: str, **more: str) -> Answer:
    answer = site.post(where, outcome=outcome, **hidden(site.get(where), title), **more)
    assert answer.status == 303
    return site.get(answer.headers["location"])


@pytest.fixture
def site(address: str) -> Caller:
    """Somebody who has the link and nothing else."""
    return Caller(address)


def test_the_page_opens_without_a_session_and_is_not_kept(madeup: MadeUp, site: Caller) -> None:
    page = site.get(path(madeup))
    assert (page.status, page.headers["cache-control"]) == (200, "no-store")
    assert "陈小雨" in page.text
    assert any("王姐的定期存款" in each for each in titles(page))
    assert site.cookies == {}


def test_a_link_is_for_one_employee_and_one_day(madeup: MadeUp, site: Caller) -> None:
    good = path(madeup)
    other = good.replace("chenxy", "zhoujun")
    tomorrow = good.replace("20261201", "20261202")
    assert [404, 404, 404] == [site.get(each).status for each in (other, tomorrow, good + "0")]
    assert site.post(other, matter="x", outcome="seen").status == 404
    madeup.clock.move(timedelta(hours=14))
    gone = site.get(good)
    assert gone.status == 404
    assert "今日待办" in gone.text


def test_who_left_the_bank_has_no_list(madeup: MadeUp, site: Caller) -> None:
    madeup.write(lambda db: db.run("UPDATE staff SET active = 0 WHERE userid = 'chenxy'"))
    assert site.get(path(madeup)).status == 404


def test_a_call_is_noted_once_and_counts_as_contact(madeup: MadeUp, site: Caller) -> None:
    where = path(madeup)
    form = hidden(site.get(where), "王姐的定期存款")
    page = press(site, where, "王姐的定期存款", "contacted")
    assert not any("王姐的定期存款" in each for each in titles(page))
    assert "已办 1 件" in page.text
    assert site.post(where, outcome="contacted", **form).status == 303
    db = madeup.database.read()
    rows = db.rows("SELECT userid, external_userid, outcome FROM contact")
    assert [tuple(row) for row in rows] == [("chenxy", "wmWang", "contacted")]
    assert db.value("SELECT count(*) FROM journal WHERE kind = 'contact_kept'") == 1


def test_a_form_from_elsewhere_does_nothing(madeup: MadeUp, site: Caller) -> None:
    where = path(madeup)
    fields = hidden(site.get(where), "王姐的定期存款") | {"form": "0" * 32}
    assert site.post(where, outcome="contacted", **fields).status == 403
    assert madeup.database.read().value("SELECT count(*) FROM contact") == 0


def test_an_act_that_does_not_fit_the_matter_does_nothing(madeup: MadeUp, site: Caller) -> None:
    where = path(madeup)
    page = press(site, where, "王姐的定期存款", "sold")
    assert "不在清单里" in page.text
    fields = hidden(page, "王姐的定期存款") | {"matter": "birthday:wmQian:2026-12-01"}
    site.post(where, outcome="greeted", **fields)
    assert madeup.database.read().value("SELECT count(*) FROM contact") == 0


def test_a_case_is_closed_or_put_off_until_tomorrow(madeup: MadeUp, site: Caller) -> None:
    where, number = path(madeup), madeup.ids["case interest"]
    db = madeup.database.read()
    first = cases.case(db, number)
    assert first is not None
    key = f'value="case:{number}"'
    page = site.get(where)
    assert key in page.text
    token = re.findall(r'name="form" value="(\w+)"', page.text)[0]
    site.post(where, matter=f"case:{number}", outcome="later", form=token)
    assert key not in site.get(where).text
    later = cases.case(db, number)
    assert later is not None
    assert (later["status"], later["deadline_at"] > first["deadline_at"]) == ("open", True)
    madeup.clock.move(timedelta(days=1))
    page = site.get(path(madeup))
    token = re.findall(r'name="form" value="(\w+)"', page.text)[0]
    site.post(
        path(madeup), matter=f"case:{number}", outcome="contacted", form=token, note="约了周五"
    )
    closed = cases.case(db, number)
    assert closed is not None
    assert (closed["status"], closed["outcome"], closed["note"]) == (
        "closed",
        "contacted",
        "约了周五",
    )


def test_a_check_of_a_loan_is_done_with_its_next_date(madeup: MadeUp, site: Caller) -> None:
    def borrow(db: Db) -> None:
        db.run(
            "UPDATE customer SET postloan_check_on = '2026-11-30' WHERE external_userid = 'wmLi'"
        )

    madeup.write(borrow)
    where = path(madeup)
    page = press(site, where, "李叔的贷后检查", "checked", next_on="2026-12-01")
    assert "没有登记" in page.text
    page = press(site, where, "李叔的贷后检查", "checked", next_on="2027-03-01")
    assert not any("贷后检查" in each for each in titles(page))
    db = madeup.database.read()
    day = "SELECT postloan_check_on FROM customer WHERE external_userid = 'wmLi'"
    assert db.value(day) == "2027-03-01"
    assert db.value("SELECT count(*) FROM audit WHERE act = 'postloan_checked'") == 1


def test_a_greeted_birthday_is_done(madeup: MadeUp, site: Caller) -> None:
    madeup.write(
        lambda db: db.run(
            "UPDATE customer SET layer = 'high', next_birthday_on = '2026-12-01'"
            " WHERE external_userid = 'wmWang'"
        )
    )
    page = press(site, path(madeup), "王姐今天过生日", "greeted")
    assert not any("生日" in each for each in titles(page))


def test_customers_in_brief_are_those_that_the_employee_may_see(
    madeup: MadeUp, site: Caller
) -> None:
    page = site.get(path(madeup) + "/customer/wmWang")
    assert page.status == 200
    assert "王姐" in page.text
    assert "快到期的" in page.text
    assert site.get(path(madeup) + "/customer/wmQian").status == 404
    owner = site.get(path(madeup, "liumin") + "/customer/wmWang")
    assert owner.status == 200
    assert "敏感信息只给跟进员工" in owner.text
    assert "8万元" in page.text
    assert "8万元" not in owner.text


def test_the_names_of_strangers_are_text(madeup: MadeUp, site: Caller) -> None:
    madeup.write(
        lambda db: db.run(
            "UPDATE follow SET remark = '<script>alert(1)</script>'"
            " WHERE external_userid = 'wmWang'"
        )
    )
    assert "<script>alert" not in site.get(path(madeup)).text


def test_the_console_shows_the_contact_on_its_live_page(
    madeup: MadeUp, site: Caller, manager: Caller
) -> None:
    press(site, path(madeup), "王姐的定期存款", "contacted")
    assert "陈小雨 已联系：" in manager.get("/").text


def test_an_erased_customer_leaves_no_contact(madeup: MadeUp, site: Caller) -> None:
    press(site, path(madeup), "王姐的定期存款", "contacted")
    madeup.write(lambda db: erase(db, "wmWang", "test", 1))
    assert agenda.settled(madeup.database.read(), "chenxy", today(madeup.clock), []) == {}


def test_a_check_of_a_loan_stands_once_and_registering_it_closes_its_case(
    madeup: MadeUp, site: Caller
) -> None:
    def prepare(db: Db) -> None:
        db.run(
            "UPDATE customer SET postloan_check_on = '2026-12-01' WHERE external_userid = 'wmLi'"
        )
        db.run(
            "INSERT INTO escalation (key, kind, topic, external_userid, branch, assignee,"
            " opened_at, deadline_at) VALUES ('k', 'postloan', '2026-12-01', 'wmLi', '城东支行',"
            " 'chenxy', 1, 4000000000000)"
        )

    madeup.write(prepare)
    where = path(madeup)
    about = [each for each in titles(site.get(where)) if "贷后检查" in each]
    assert about == ["李叔的贷后检查"]
    press(site, where, about[0], "checked", next_on="2027-03-01")
    case = madeup.database.read().one("SELECT * FROM escalation WHERE kind = 'postloan'")
    assert case is not None
    assert ("closed", "contacted", "chenxy") == (case["status"], case["outcome"], case["closed_by"])
