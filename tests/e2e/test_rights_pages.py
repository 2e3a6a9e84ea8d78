"""D6 on the screen: written down by one, agreed to by another, handed over, seen by nobody else."""

from __future__ import annotations

import re

from caller import Caller, employee
from madeup import MadeUp


def test_D6_a_copy_goes_from_the_form_over_a_second_person_to_a_file(
    madeup: MadeUp, address: str, stranger: Caller
) -> None:
    chen, head = (employee(madeup, address, userid) for userid in ("chenxy", "zhoujun"))
    assert "登记权利申请" in chen.get("/customers/wmWang").text
    asked = {"token": chen.form_token(), "kind": "copy", "via": "counter", "asked_on": "2026-12-01"}
    wrong = chen.post("/customers/wmWang/rights", **asked, words="")
    assert (409, True) == (wrong.status, "至少四个字" in wrong.text)
    made = chen.post("/customers/wmWang/rights", **asked, words="本人到柜面要求")
    path = made.headers["location"]
    assert 303 == made.status
    assert re.fullmatch(r"/rights/\d+", path)
    assert "等另一位负责人批准" in chen.get(path).text
    assert 409 == chen.post(f"{path}/export", token=chen.form_token()).status
    assert "王姐" in head.get("/rights").text
    head.post(f"{path}/decide", token=head.form_token(), agreed="true")
    got = chen.pool.request(
        "POST",
        address + f"{path}/export",
        headers={"cookie": "; ".join(f"{name}={text}" for name, text in chen.cookies.items())},
        fields={"token": chen.form_token()},
        encode_multipart=False,
    )
    assert (200, "application/zip", b"PK") == (
        got.status,
        got.headers["content-type"],
        got.data[:2],
    )
    done = {"token": chen.form_token(), "status": "done", "note": "当面交给本人"}
    assert 303 == chen.post(f"{path}/close", **done).status
    assert "已办结" in chen.get(path).text
    assert path in chen.get("/rights?status=closed").text
    assert [404, 404, 404] == [
        stranger.get(path).status,
        stranger.get("/customers/wmWang/rights").status,
        stranger.post(f"{path}/export", token=stranger.form_token()).status,
    ]


def test_D6_whoever_agreed_to_a_deletion_sees_that_it_was_done(
    madeup: MadeUp, address: str
) -> None:
    chen, head = (employee(madeup, address, userid) for userid in ("chenxy", "zhoujun"))
    asked = {"kind": "delete", "via": "counter", "asked_on": "2026-12-01"}
    made = chen.post(
        "/customers/wmWang/rights", token=chen.form_token(), words="本人到柜面要求", **asked
    )
    path = made.headers["location"]
    agreed = head.post(f"{path}/decide", token=head.form_token(), agreed="true")
    assert (303, path) == (agreed.status, agreed.headers["location"])
    assert "已办结" in head.get(path).text
