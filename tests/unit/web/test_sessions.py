"""Session cookies: signed, for twelve hours, nobody else's."""

import pytest

from bot.vault import Vault
from bot.web.auth import Sessions, own_path

VAULT = Vault("a secret for tests only")


class Seconds:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("userid", ["chenxy", "chen.xy@bank", "c-1_2"])
def test_a_session_names_its_employee(userid: str) -> None:
    sessions = Sessions(VAULT, Seconds())
    assert userid == sessions.userid(sessions.open(userid))


def test_a_session_ends_after_twelve_hours() -> None:
    seconds = Seconds()
    sessions = Sessions(VAULT, seconds)
    cookie = sessions.open("chenxy")
    seconds.now += 12 * 3600 - 1
    before = sessions.userid(cookie)
    seconds.now += 1
    assert (before, sessions.userid(cookie)) == ("chenxy", None)


def test_a_changed_session_is_nobodys() -> None:
    sessions = Sessions(VAULT, Seconds())
    cookie = sessions.open("chenxy")
    forged = [cookie.replace("chenxy", "zhoujun"), cookie[:-1] + "x", "", ".", "a.b", "..."]
    assert [None] * len(forged) == [sessions.userid(each) for each in forged]


def test_another_secret_opens_no_session() -> None:
    cookie = Sessions(Vault("another secret of tests"), Seconds()).open("chenxy")
    assert Sessions(VAULT, Seconds()).userid(cookie) is None


def test_every_session_has_its_own_form_token() -> None:
    sessions = Sessions(VAULT, Seconds())
    first, second = sessions.open("chenxy"), sessions.open("chenxy")
    assert sessions.form_token(first) != sessions.form_token(second)


@pytest.mark.parametrize(
    ("asked", "goes"),
    [
        ("/cases/7?x=1", "/cases/7?x=1"),
        ("https://elsewhere.invalid", "/"),
        ("//elsewhere.invalid", "/"),
        ("/\\elsewhere.invalid", "/"),
        ("/a\r\nset-cookie: x", "/"),
        ("", "/"),
    ],
)
def test_nobody_is_led_elsewhere_after_signing_in(asked: str, goes: str) -> None:
    assert goes == own_path(asked)
