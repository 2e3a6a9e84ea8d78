"""E1 on the screen and over the JSON interface: more time for a complaint, seen by whom it may."""

from __future__ import annotations

from caller import Caller, employee, program
from madeup import MadeUp

SETTLED = (
    "UPDATE escalation SET settle_by = '2026-12-16', settle_days = 15 WHERE kind = 'complaint'"
)
WHY = "要等总行核对交易明细"


def test_E1_more_time_is_asked_for_and_given_on_the_page_of_the_case(
    madeup: MadeUp, address: str, stranger: Caller
) -> None:
    madeup.write(lambda db: db.run(SETTLED))
    path = f"/cases/{madeup.ids['case complaint']}"
    chen, head = (employee(madeup, address, userid) for userid in ("chenxy", "zhoujun"))
    assert "办结期限 12月16日(周三)（15 天）" in chen.get(path).text
    short = chen.post(f"{path}/extension", token=chen.form_token(), reason="忙")
    assert (409, True) == (short.status, "至少四个字" in short.text)
    assert 303 == chen.post(f"{path}/extension", token=chen.form_token(), reason=WHY).status
    page = chen.get(path).text
    assert ("12月31日" in page, WHY in page, "批准延期</button>" in page) == (True, True, False)
    own = chen.post(f"{path}/extension/decide", token=chen.form_token(), agreed="true")
    assert (409, True) == (own.status, "另一位负责人" in own.text)
    assert "批准延期</button>" in head.get(path).text
    agreed = head.post(f"{path}/extension/decide", token=head.form_token(), agreed="true")
    assert 303 == agreed.status
    page = chen.get(path).text
    assert ("办结期限 12月31日(周四)（30 天）" in page, "周俊 批准延期" in page) == (True, True)
    assert 404 == stranger.post(f"{path}/extension", token=stranger.form_token(), reason=WHY).status


def test_E1_whom_a_complaint_is_about_finds_no_button_and_is_told_why(
    madeup: MadeUp, address: str
) -> None:
    madeup.write(lambda db: db.run("UPDATE escalation SET concerned = 'chenxy'"))
    path = f"/cases/{madeup.ids['case complaint']}"
    chen = employee(madeup, address, "chenxy")
    page = chen.get(path).text
    assert ("由别人来办" in page, 'name="outcome"' in page) == (True, False)
    tried = chen.post(path, token=chen.form_token(), outcome="contacted")
    assert (409, True) == (tried.status, "说的是您" in tried.text)


def test_E1_more_time_is_asked_for_and_given_over_the_json_interface(
    madeup: MadeUp, address: str
) -> None:
    madeup.write(lambda db: db.run(SETTLED))
    api, case_id = program(address), madeup.ids["case complaint"]
    path = f"/api/escalations/{case_id}/extension"
    asked = api.call("POST", path, json={"reason": WHY, "by": "chenxy"})
    assert (200, "chenxy", "2026-12-16") == (
        asked.status,
        asked.json["extension_asked_by"],
        asked.json["settle_by"],
    )
    for by in ("chenxy", "nobody"):
        wrong = {"decision": "approve", "by": by}
        assert (409, "conflict") == api.call("POST", f"{path}/decision", json=wrong).error
    good = api.call("POST", f"{path}/decision", json={"decision": "approve", "by": "zhoujun"})
    assert ("2026-12-31", 30, None) == (
        good.json["settle_by"],
        good.json["settle_days"],
        good.json["extension_asked_by"],
    )
    other = f"/api/escalations/{madeup.ids['case inflow']}/extension"
    assert (409, "conflict") == api.call("POST", other, json={"reason": WHY}).error
    gone = api.call("POST", "/api/escalations/999/extension", json={"reason": WHY})
    assert (404, "not_found") == gone.error
