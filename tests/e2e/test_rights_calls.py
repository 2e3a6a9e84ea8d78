"""D6 over the JSON interface: the same rules as on the screen, in an employee's name."""

from __future__ import annotations

import pytest
from caller import Answer, Caller, program

OPEN = {
    "kind": "delete",
    "via": "counter",
    "asked_on": "2026-12-01",
    "words": "本人持身份证到柜面要求",
    "by": "chenxy",
}
PATH = "/api/customers/wmWang/rights"


@pytest.fixture
def api(address: str) -> Caller:
    return program(address)


def post(api: Caller, path: str, **body: str) -> Answer:
    return api.call("POST", path, json=body)


def test_D6_a_request_is_written_down_and_told_whole(api: Caller) -> None:
    made = post(api, PATH, **OPEN)
    assert made.status == 200
    assert made.json == api.get("/api/rights/1").json
    told = {name: made.json[name] for name in ("kind", "status", "owner", "due_on", "words")}
    assert told == {
        "kind": "delete",
        "status": "waiting",
        "owner": "chenxy",
        "due_on": "2026-12-22",
        "words": OPEN["words"],
    }
    assert [(each["actor"], each["step"]) for each in made.json["history"]] == [
        ("chenxy", "opened")
    ]


def test_D6_D5_the_second_person_is_asked_for_by_name_and_role(api: Caller) -> None:
    post(api, PATH, **OPEN)
    for by in ("chenxy", "mazy", "qinlan", "nobody"):
        answer = post(api, "/api/rights/1/decision", decision="approve", by=by)
        assert answer.error in {(409, "conflict"), (404, "not_found")}, by
    assert post(api, "/api/rights/1/decision", decision="approve").error == (422, "invalid")
    assert api.get("/api/customers/wmWang").status == 200
    done = post(api, "/api/rights/1/decision", decision="approve", by="zhoujun")
    assert (done.status, done.json["status"], done.json["approved_by"]) == (200, "done", "zhoujun")
    assert "wmWang" not in done.json["external_userid"]
    assert api.get("/api/customers/wmWang").error == (404, "not_found")


def test_D6_a_request_ends_with_words_of_how_the_customer_was_told(api: Caller) -> None:
    post(api, PATH, **{**OPEN, "kind": "explain"})
    other = post(api, "/api/rights/1", outcome="done", by="qinlan", note="当面讲清楚了")
    short = post(api, "/api/rights/1", outcome="done", by="chenxy", note="好")
    assert (other.error, short.error) == ((404, "not_found"), (409, "conflict"))
    done = post(api, "/api/rights/1", outcome="done", by="chenxy", note="当面讲清楚了")
    assert (done.json["status"], done.json["closed_by"], done.json["note"]) == (
        "done",
        "chenxy",
        "当面讲清楚了",
    )


def test_D6_a_copy_is_not_done_before_its_file_was_made(api: Caller) -> None:
    post(api, PATH, **{**OPEN, "kind": "copy"})
    post(api, "/api/rights/1/decision", decision="approve", by="zhoujun")
    answer = post(api, "/api/rights/1", outcome="done", by="chenxy", note="当面交给本人")
    assert (answer.error, "还没有生成过" in answer.json["error"]["hint"]) == (
        (409, "conflict"),
        True,
    )


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"kind": "burn"}, (409, "conflict")),
        ({"asked_on": "gestern"}, (409, "conflict")),
        ({"words": " 删 "}, (409, "conflict")),
        ({"by": "nobody"}, (409, "conflict")),
        ({"by": "qinlan"}, (404, "not_found")),
    ],
)
def test_D6_what_cannot_be_written_down_is_told_why(
    api: Caller, changed: dict[str, str], error: tuple[int, str]
) -> None:
    assert post(api, PATH, **{**OPEN, **changed}).error == error
    assert api.get("/api/rights").json == {"items": [], "next_cursor": None}


def test_D6_requests_are_listed_and_found(api: Caller) -> None:
    for kind in ("explain", "correct", "copy"):
        post(api, PATH, **{**OPEN, "kind": kind})
    post(api, "/api/customers/wmLi/rights", **{**OPEN, "kind": "explain"})

    def found(query: str) -> list[int]:
        return [each["id"] for each in api.get(f"/api/rights?{query}").json["items"]]

    assert found("") == [4, 3, 2, 1]
    assert found("kind=explain") == [4, 1]
    assert found("status=waiting") == [3]
    assert found("external_userid=wmWang&kind=explain") == [1]
    page = api.get("/api/rights?limit=3").json
    assert found(f"limit=3&cursor={page['next_cursor']}") == [1]
    assert api.get("/api/rights/99").error == (404, "not_found")


def test_D5_without_the_token_no_request_is_told(address: str, api: Caller) -> None:
    post(api, PATH, **OPEN)
    for path in ("/api/rights", "/api/rights/1"):
        assert Caller(address).get(path).error == (401, "unauthorized")
