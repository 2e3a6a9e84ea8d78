"""Tokens, secrets and tickets over real HTTP, and that none of them is told to anybody."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from structlog.testing import capture_logs
from wecom_cases import KEFU, TASK, WANG, ZHANG
from wecom_stub import (
    OK,
    SECRETS,
    Http,
    Reset,
    Silent,
    Stub,
    Time,
    connected,
    failed,
    serving,
)

from bot.errors import QunguanError, Refused, Retry
from bot.model import ExternalUserId, UserId
from bot.wecom import Secrets, WeComClient
from bot.wecom.door import NO_ANSWER, NO_CONNECTION

ADD_MSG_TEMPLATE = "externalcontact/add_msg_template"
LIST = "externalcontact/list"


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as one:
        yield one


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def client(stub: Stub, time: Time) -> Iterator[WeComClient]:
    yield from connected(stub, time)


@pytest.fixture
def hasty(stub: Stub, time: Time) -> Iterator[WeComClient]:
    """A client that soon gives up waiting, for answers that never come."""
    yield from connected(stub, time, read_seconds=0.1)


def _read(client: WeComClient) -> object:
    return client.externalcontact_list(ZHANG)


def _write(client: WeComClient) -> object:
    """A write that must never be repeated blindly."""
    return client.add_msg_template("single", sender=ZHANG, text="您好")


def test_fifty_threads_that_start_together_fetch_one_token(stub: Stub, client: WeComClient) -> None:
    start = threading.Barrier(50)

    def one() -> object:
        start.wait(10)
        return client.user_get(ZHANG)

    with ThreadPoolExecutor(50) as threads:
        for done in [threads.submit(one) for _ in range(50)]:
            done.result()
    assert len(stub.heard("gettoken")) == 1
    assert len(stub.heard("user/get")) == 50


def test_a_token_that_dies_under_fifty_threads_is_renewed_once(
    stub: Stub, client: WeComClient
) -> None:
    client.user_get(ZHANG)
    dead = stub.heard("user/get")[0].token
    stub.say("user/get", lambda asked: failed(42001) if asked.token == dead else OK)
    with ThreadPoolExecutor(50) as threads:
        for done in [threads.submit(client.user_get, ZHANG) for _ in range(50)]:
            done.result()
    assert len(stub.heard("gettoken")) == 2


@pytest.mark.parametrize("errcode", [40014, 42001])
def test_a_call_is_replayed_once_with_a_new_token_and_the_same_bytes(
    errcode: int, stub: Stub, client: WeComClient
) -> None:
    stub.say("media/upload", failed(errcode), {**OK, "media_id": "MEDIA"})
    client.media_upload("file", "条款.pdf", b"0123456789" * 500)
    first, second = stub.heard("media/upload")
    assert first.body == second.body
    assert [first.token, second.token] == ["token-AGENT-SECRET-1", "token-AGENT-SECRET-2"]


def test_even_a_mass_send_is_replayed_when_its_token_was_not_taken(
    stub: Stub, client: WeComClient
) -> None:
    stub.say(ADD_MSG_TEMPLATE, failed(40014), {**OK, "msgid": TASK})
    _write(client)
    assert len(stub.heard(ADD_MSG_TEMPLATE)) == 2


def test_a_second_refusal_of_the_token_ends_the_call(stub: Stub, client: WeComClient) -> None:
    stub.say("user/get", failed(40014))
    with pytest.raises(Refused) as refused:
        client.user_get(ZHANG)
    assert refused.value.errcode == 40014
    assert len(stub.heard("user/get")) == 2
    assert len(stub.heard("gettoken")) == 2


def test_tokens_that_die_at_birth_do_not_become_a_storm_of_gettoken(
    stub: Stub, client: WeComClient
) -> None:
    stub.say("user/get", failed(40014))
    for _ in range(50):
        with pytest.raises((Refused, Retry)):
            client.user_get(ZHANG)
    assert len(stub.heard("gettoken")) == 6


def test_each_secret_has_a_token_of_its_own(stub: Stub, client: WeComClient) -> None:
    client.user_get(ZHANG)
    client.externalcontact_list(ZHANG)
    client.kf_servicer_list(KEFU)
    client.get_permit_user_list()
    asked = [one.query["corpsecret"] for one in stub.heard("gettoken")]
    assert asked == ["AGENT-SECRET", "CONTACT-SECRET", "KF-SECRET", "ARCHIVE-SECRET"]


def test_calls_without_a_secret_of_their_own_share_the_token_of_the_app(
    stub: Stub, time: Time
) -> None:
    for client in connected(stub, time, secrets=Secrets("AGENT-SECRET")):
        client.user_get(ZHANG)
        client.externalcontact_list(ZHANG)
        client.kf_servicer_list(KEFU)
    assert len(stub.heard("gettoken")) == 1


def test_a_token_is_renewed_five_minutes_before_it_expires(
    stub: Stub, time: Time, client: WeComClient
) -> None:
    client.user_get(ZHANG)
    time.now += 6899
    client.user_get(ZHANG)
    assert len(stub.heard("gettoken")) == 1
    time.now += 1
    client.user_get(ZHANG)
    assert len(stub.heard("gettoken")) == 2


@pytest.mark.parametrize("errcode", [40001, 40013])
def test_a_wrong_secret_is_not_tried_again_for_an_hour(
    errcode: int, stub: Stub, time: Time, client: WeComClient
) -> None:
    stub.say("gettoken", failed(errcode))
    with capture_logs() as logs:
        for _ in range(3):
            with pytest.raises(Refused) as refused:
                client.user_get(ZHANG)
            assert errcode == refused.value.errcode
    assert len(stub.heard("gettoken")) == 1
    assert [line["log_level"] for line in logs] == ["error"]
    time.now += 3601
    with pytest.raises(Refused):
        client.user_get(ZHANG)
    assert len(stub.heard("gettoken")) == 2


def test_a_wrong_secret_stops_only_its_own_calls(stub: Stub, client: WeComClient) -> None:
    stub.say(LIST, failed(40001))
    for _ in range(2):
        with pytest.raises(Refused):
            _read(client)
    client.user_get(ZHANG)
    assert len(stub.heard(LIST)) == 1


def test_a_ticket_is_fetched_once_and_again_when_it_expires(
    stub: Stub, time: Time, client: WeComClient
) -> None:
    stub.say("get_jsapi_ticket", {**OK, "ticket": "CORP-TICKET", "expires_in": 7200})
    stub.say("ticket/get", {**OK, "ticket": "APP-TICKET", "expires_in": 7200})
    for _ in range(2):
        assert client.get_jsapi_ticket() == "CORP-TICKET"
        assert client.get_agent_ticket() == "APP-TICKET"
    assert len(stub.heard("get_jsapi_ticket")) == 1
    time.now += 7000
    client.get_jsapi_ticket()
    assert len(stub.heard("get_jsapi_ticket")) == 2
    assert len(stub.heard("ticket/get")) == 1


def test_a_body_is_utf_8_without_escapes_and_always_the_same_bytes(
    stub: Stub, client: WeComClient
) -> None:
    for _ in range(2):
        client.externalcontact_remark(ZHANG, WANG, remark="王女士😀")
    first, second = stub.heard("externalcontact/remark")
    assert first.body == second.body
    assert (
        first.body.decode()
        == '{"external_userid":"wmqfasd1e19278asdasAAAA","remark":"王女士😀","userid":"zhangsan"}'
    )


def test_a_file_keeps_its_chinese_name_in_raw_utf_8(stub: Stub, client: WeComClient) -> None:
    stub.say("media/upload", {**OK, "media_id": "MEDIA"})
    client.media_upload("file", "存款条款.pdf", b"%PDF-1.7 example")
    (asked,) = stub.heard("media/upload")
    assert 'name="media"; filename="存款条款.pdf"'.encode() in asked.body


def test_each_request_is_told_to_whoever_counts_them(stub: Stub, time: Time) -> None:
    told: list[tuple[str, int]] = []
    stub.say(LIST, failed(84061), Http(404), Silent())
    for client in connected(stub, time, on_call=_into(told), read_seconds=0.1):
        for _ in range(3):
            with pytest.raises(QunguanError):
                _read(client)
    path = f"/cgi-bin/{LIST}"
    assert told == [("/cgi-bin/gettoken", 0), (path, 84061), (path, 404), (path, NO_ANSWER)]


def test_a_connection_that_does_not_stand_is_told_as_such(time: Time) -> None:
    told: list[tuple[str, int]] = []
    with serving() as gone:
        pass
    for client in connected(gone, time, on_call=_into(told)):
        with pytest.raises(Retry):
            _read(client)
    assert told == [("/cgi-bin/gettoken", NO_CONNECTION)]


def _into(told: list[tuple[str, int]]) -> Callable[[str, int, float], None]:
    return lambda path, errcode, _: told.append((path, errcode))


def test_log_lines_carry_path_code_and_duration_only(stub: Stub, client: WeComClient) -> None:
    stub.say(LIST, failed(84061))
    with capture_logs() as logs, pytest.raises(Refused):
        _read(client)
    assert [{"event", "log_level", "path", "errcode", "seconds"}] * 2 == [set(one) for one in logs]


PERSON = UserId("person-in-the-query")
TROUBLES: dict[str, Any] = {
    "refused": failed(84061),
    "busy": failed(-1),
    "limited": failed(45009),
    "token refused": failed(40014),
    "reset": Reset(),
    "silent": Silent(),
    "not json": Http(200, b'{"name": "NAME-OF-SOMEBODY"'),
    "redirect": Http(301, headers={"Location": "https://example.com/"}),
}


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
def test_no_secret_token_or_person_is_in_logs_errors_or_reprs(
    trouble: str, stub: Stub, hasty: WeComClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stub.say("user/get", TROUBLES[trouble])
    with capture_logs() as logs, pytest.raises(QunguanError) as raised:
        hasty.user_get(PERSON)
    error = raised.value
    told = "\n".join(
        [
            *traceback.format_exception(error),
            repr(error.__context__),
            repr(vars(error)),
            repr(logs),
            caplog.text,
            repr(hasty),
            repr(SECRETS),
        ]
    )
    for hidden in ("-SECRET", "token-", PERSON, "13800000001", "NAME-OF-SOMEBODY"):
        assert hidden not in told


def test_what_urllib3_logs_ends_at_the_question_mark(
    client: WeComClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="urllib3")
    client.externalcontact_get(ExternalUserId("wm-person-in-the-query"))
    assert "/cgi-bin/externalcontact/get" in caplog.text
    assert "?" not in caplog.text
