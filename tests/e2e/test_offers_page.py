"""权益: the console's pages of alliance offers."""

# the names carry the ids of the compliance rules

from __future__ import annotations

import pytest
from caller import Answer, Caller
from madeup import MadeUp

from bot.store import alliance
from bot.store.library import OFFERS

NOODLES = {
    "code": "A1",
    "merchant": "老街面馆",
    "kind": "餐饮",
    "benefit": "招牌牛肉面一碗",
    "place": "东山路12号",
    "condition": "check_in",
    "stock": "2",
    "valid_to": "2099-12-31",
}


def act(person: Caller, path: str, **fields: str) -> Answer:
    return person.post(path, token=person.form_token(), **fields)


def test_a_branch_without_offers_reads_how_to_get_some(head: Caller) -> None:
    assert "还没有异业权益" in head.get("/offers").text


def test_an_offer_is_written_down_shown_and_changed_as_a_new_version(
    madeup: MadeUp, head: Caller
) -> None:
    assert 303 == act(head, "/offers", **NOODLES).status
    shown = head.get("/offers").text
    assert ("老街面馆" in shown, "来网点签到就能领" in shown, "0 / 2" in shown) == (True,) * 3
    act(head, "/offers", **NOODLES | {"stock": "5"})
    assert "改过" in head.get("/offers/A1").text
    assert 2 == len(OFFERS.history(madeup.database.read(), "A1"))


@pytest.mark.parametrize("condition", ["存款满5万", "开户", "介绍朋友来"])
def test_K6_the_console_refuses_a_condition_about_money(
    madeup: MadeUp, head: Caller, condition: str
) -> None:
    answer = act(head, "/offers", **NOODLES | {"condition": condition})
    assert (422, True, True) == (
        answer.status,
        "没有登记：「条件」送权益不能以存款" in answer.text,
        "老街面馆" in answer.text,
    )
    assert [] == OFFERS.all(madeup.database.read())


def test_only_who_leads_writes_offers_down(madeup: MadeUp, manager: Caller) -> None:
    assert 403 == act(manager, "/offers", **NOODLES).status
    assert [] == OFFERS.all(madeup.database.read())


def test_a_benefit_is_marked_as_used_once_and_that_is_taken_back(
    madeup: MadeUp, head: Caller
) -> None:
    act(head, "/offers", **NOODLES)
    madeup.database.write(lambda db: alliance.reserve(db, None, "wmWang", "A1", 1))
    (row,) = alliance.of_customer(madeup.database.read(), "wmWang")
    page, back = f"/benefits/{row['id']}", "/customers/wmWang"
    assert "核销" in head.get(back).text
    act(head, page, what="used", back=back)
    act(head, page, what="used", back=back)
    assert "已核销" in head.get("/offers/A1").text
    act(head, page, what="undo", back=back)
    assert "已核销，" not in head.get("/offers/A1").text
    acts = madeup.database.read().rows("SELECT act FROM audit WHERE act LIKE 'benefit%'")
    assert ["benefit_used", "benefit_unused"] == [each["act"] for each in acts]


def test_an_employee_gives_one_by_hand_and_settles_it_beside_the_chat(
    madeup: MadeUp, head: Caller
) -> None:
    act(head, "/offers", **NOODLES)
    assert "当面给 TA 一份" in head.get("/customers/wmWang").text
    act(head, "/customers/wmWang/benefits", code="A1")
    (row,) = alliance.of_customer(madeup.database.read(), "wmWang")
    refused = act(head, "/customers/wmWang/benefits", code="A9")
    assert 409 == refused.status
    assert "没有发出" in refused.text
    beside = "/sidebar/customer/wmWang"
    assert "老街面馆" in head.get(beside).text
    act(head, beside, do="benefit", ref=str(row["id"]), say="used")
    assert "used" == alliance.of_customer(madeup.database.read(), "wmWang")[0]["status"]
    assert 404 == act(head, beside, do="benefit", ref="999", say="used").status
    act(head, beside, do="benefit", ref=str(row["id"]), say="undo")
    assert "reserved" == alliance.of_customer(madeup.database.read(), "wmWang")[0]["status"]


def test_nobody_marks_the_benefit_of_a_customer_they_may_not_see(
    madeup: MadeUp, head: Caller, stranger: Caller
) -> None:
    act(head, "/offers", **NOODLES)
    madeup.database.write(lambda db: alliance.reserve(db, None, "wmWang", "A1", 1))
    (row,) = alliance.of_customer(madeup.database.read(), "wmWang")
    assert 404 == act(stranger, f"/benefits/{row['id']}", what="used", back="/offers/A1").status
    assert None is alliance.of_customer(madeup.database.read(), "wmWang")[0]["used_at"]
