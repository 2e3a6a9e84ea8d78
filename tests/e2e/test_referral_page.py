"""老带新: on the customer's page."""

from __future__ import annotations

from caller import Answer, Caller
from madeup import MadeUp

from bot.store import referrals

PAGE = "/customers/wmWang"


def act(person: Caller, path: str, **fields: str) -> Answer:
    return person.post(path, token=person.form_token(), **fields)


def referrer(madeup: MadeUp) -> str:
    own, _ = referrals.of_customer(madeup.database.read(), "wmWang")
    return own["referrer"] if own is not None else ""


def test_an_employee_finds_the_referrer_notes_it_and_undoes_it(
    madeup: MadeUp, head: Caller
) -> None:
    assert "没有登记" in head.get(PAGE).text
    assert 'value="wmDeng"' in head.get(f"{PAGE}/referrer?q=wmDeng").text
    assert "没有找到" in head.get(f"{PAGE}/referrer?q=nobody").text
    assert 303 == act(head, f"{PAGE}/referrer", referrer="wmDeng").status
    assert "wmDeng" == referrer(madeup)
    assert 'href="/customers/wmDeng"' in head.get(PAGE).text
    wrong = act(head, "/customers/wmDeng/referrer", referrer="wmWang")
    assert (422, True) == (wrong.status, "不能反过来" in wrong.text)
    act(head, f"{PAGE}/referrer/undo")
    assert "" == referrer(madeup)
    acts = madeup.database.read().rows("SELECT act FROM audit WHERE act LIKE 'referral%'")
    assert ["referral_kept", "referral_undone"] == [each["act"] for each in acts]


def test_a_customer_gets_one_code_for_a_contact_way(madeup: MadeUp, head: Caller) -> None:
    act(head, f"{PAGE}/referral-code")
    act(head, f"{PAGE}/referral-code")
    code = referrals.kept_code(madeup.database.read(), "wmWang")
    assert code in head.get(PAGE).text


def test_nobody_notes_or_undoes_it_for_customers_they_may_not_see(
    madeup: MadeUp, head: Caller, stranger: Caller
) -> None:
    act(head, f"{PAGE}/referrer", referrer="wmDeng")
    for path in ("referrer", "referrer/undo", "referral-code"):
        assert 404 == act(stranger, f"{PAGE}/{path}", referrer="wmDeng").status
    assert 404 == stranger.get(f"{PAGE}/referrer").status
    assert "wmDeng" == referrer(madeup)
