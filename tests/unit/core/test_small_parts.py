"""Clock, vault, links, actions and the dues of daily jobs: small parts that all rest on."""

# the names carry the ids of the rules and invariants

from __future__ import annotations

import os
from dataclasses import fields
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import actions
from bot.actions import (
    CheckAgreement,
    CreateMassSend,
    MarkTags,
    SyncCustomer,
    SyncGroup,
    SyncTags,
    TellStaff,
    lane_of,
    pack,
    unpack,
)
from bot.clock import (
    SHANGHAI,
    FixedClock,
    MovableClock,
    SystemClock,
    open_clock,
    parse_clock,
    today,
)
from bot.errors import Invalid
from bot.links import LoginLinks, OutLinks
from bot.model import ChatId, ExternalUserId, UserId
from bot.vault import Vault
from scheduler.ring import daily_dues

SECRET = "made-up-secret-of-the-tests"
WHO, LIN = ExternalUserId("wm_made_up_1"), UserId("lin")
NOON = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)

# -- clock


def test_the_system_clock_is_aware() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_a_clock_without_zone_is_refused() -> None:
    with pytest.raises(Invalid, match="时区"):
        FixedClock(datetime(2026, 11, 24, 12, 0))  # noqa: DTZ001  # what must be refused


def test_a_fixed_clock_moves_only_when_told() -> None:
    clock = FixedClock(NOON)
    clock.move(timedelta(minutes=5))
    assert (clock.now(), clock.now()) == (NOON + timedelta(minutes=5),) * 2


@pytest.mark.parametrize(
    ("utc", "expected"),
    [
        (datetime(2026, 11, 24, 15, 59, tzinfo=UTC), date(2026, 11, 24)),
        (datetime(2026, 11, 24, 16, 0, tzinfo=UTC), date(2026, 11, 25)),
    ],
)
def test_the_day_is_that_of_shanghai(utc: datetime, expected: date) -> None:
    assert today(FixedClock(utc)) == expected


def test_the_day_does_not_depend_on_the_zone_of_the_moment() -> None:
    here = datetime(2026, 11, 24, 11, 0, tzinfo=timezone(timedelta(hours=-5)))
    assert today(FixedClock(here)) == date(2026, 11, 25)


@pytest.mark.parametrize(
    ("spec", "start", "rate"),
    [
        ("2026-12-01T08:55:00+08:00", datetime(2026, 12, 1, 0, 55, tzinfo=UTC), 1.0),
        (" 2026-12-01T08:55:00+08:00@60 ", datetime(2026, 12, 1, 0, 55, tzinfo=UTC), 60.0),
    ],
)
def test_a_clock_setting_is_a_moment_and_perhaps_a_rate(
    spec: str, start: datetime, rate: float
) -> None:
    assert parse_clock(spec) == (start, rate)


@pytest.mark.parametrize("spec", ["", "soon", "2026-12-01", "2026-12-01T08:55:00", "@60"])
def test_a_clock_setting_that_is_no_moment_says_how_to_write_it(spec: str) -> None:
    with pytest.raises(Invalid, match="@60"):
        parse_clock(spec)


def test_a_movable_clock_follows_its_file_and_survives_nonsense_in_it(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_text("2027-01-01T00:00:00+08:00@0.000001")
    clock = MovableClock("2026-01-01T00:00:00+08:00@0.000001", file)
    assert clock.now().date() == date(2026, 12, 31)
    file.write_text("next year")
    clock._checked = float("-inf")  # as if half a second had passed
    assert clock.now().date() == date(2026, 12, 31)
    file.unlink()
    clock._checked = float("-inf")
    assert clock.now().date() == date(2026, 12, 31)


def test_the_clock_is_the_systems_unless_told_otherwise() -> None:
    assert isinstance(open_clock("system"), SystemClock)
    assert isinstance(open_clock("2026-12-01T08:55:00+08:00"), MovableClock)


# -- vault


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_and_looks_different_every_time(plain: bytes) -> None:
    vault = Vault(SECRET)
    assert vault.open(vault.seal(plain)) == plain
    assert vault.seal(plain) != vault.seal(plain)


def test_nothing_is_sealed_as_nothing() -> None:
    vault = Vault(SECRET)
    assert (vault.seal_text(None), vault.seal_text("")) == (None, None)
    assert vault.open_text(None) == ""


@pytest.mark.parametrize("position", [0, 1, 13, -1])
def test_a_changed_byte_or_another_secret_does_not_open(position: int) -> None:
    vault = Vault(SECRET)
    sealed = bytearray(vault.seal("十五万".encode()))
    with pytest.raises(Invalid):
        Vault(SECRET + "!").open(bytes(sealed))
    sealed[position] ^= 1
    with pytest.raises(Invalid):
        vault.open(bytes(sealed))


@pytest.mark.parametrize("length", [0, 1, 2, 8, 12, 13, 20])
def test_what_was_cut_short_does_not_open(length: int) -> None:
    vault = Vault(SECRET)
    with pytest.raises(Invalid):
        vault.open(vault.seal("十五万".encode())[:length])


def test_a_short_secret_is_refused_and_a_vault_shows_nothing() -> None:
    with pytest.raises(Invalid, match="16"):
        Vault("short")
    assert repr(Vault(SECRET)) == "Vault()"


def test_a_phone_is_found_however_it_is_written() -> None:
    vault = Vault(SECRET)
    ways = ["13900000001", "139 0000 0001", "+86 139-0000-0001", "008613900000001"]
    assert len({vault.phone_hash(way) for way in ways}) == 1
    assert vault.phone_hash("13900000002") != vault.phone_hash("13900000001")
    assert (vault.phone_hash(""), vault.phone_hash("none")) == (None, None)


def test_hashes_of_two_secrets_do_not_meet() -> None:
    assert Vault(SECRET).phone_hash("13900000001") != Vault(SECRET * 2).phone_hash("13900000001")


@pytest.mark.parametrize("forged", ["", "0" * 32, "签名", "é"])
def test_a_forged_signature_is_only_wrong_and_never_an_error(forged: str) -> None:
    vault = Vault(SECRET)
    assert vault.signed("text", vault.sign("text"))
    assert not vault.signed("text", forged)


# -- links


def test_C6_a_refusal_link_opens_for_its_customer_alone() -> None:
    links = OutLinks("https://bank.example", Vault(SECRET))
    token = links.token(WHO)
    assert links.of(WHO) == f"https://bank.example/out/{token}"
    assert links.customer(token) == WHO
    assert links.customer(token.replace(WHO, "wm_made_up_2")) is None


@pytest.mark.parametrize("token", ["", ".", "wm_made_up_1", "wm_made_up_1.", ".abc", "一.二"])
def test_C6_a_link_that_is_not_ours_opens_nothing(token: str) -> None:
    assert OutLinks("https://bank.example", Vault(SECRET)).customer(token) is None


def test_C6_without_a_public_address_there_is_no_link() -> None:
    assert OutLinks("", Vault(SECRET)).of(WHO) == ""


def token_of(link: str) -> str:
    return link.partition("token=")[2]


def test_a_sign_in_link_lives_ten_minutes() -> None:
    clock = FixedClock(NOON)
    links = LoginLinks("https://bank.example", Vault(SECRET), clock)
    token = token_of(links.of("first.last"))
    assert links.userid(token) == "first.last"
    clock.move(timedelta(minutes=10))
    assert links.userid(token) == "first.last"
    clock.move(timedelta(milliseconds=1))
    assert links.userid(token) is None


def test_a_lasting_sign_in_link_cannot_be_made_out_of_another() -> None:
    clock = FixedClock(NOON)
    links = LoginLinks("https://bank.example", Vault(SECRET), clock)
    lasting, short = token_of(links.of("lin", lasting=True)), token_of(links.of("lin"))
    clock.move(timedelta(days=400))
    userid, until, signature = short.split(".")
    assert links.userid(lasting) == "lin"
    assert [
        links.userid(token)
        for token in (
            short,
            f"{userid}.0.{signature}",
            f"{userid}.{int(until) * 2}.{signature}",
            f"zhou.{lasting.partition('.')[2]}",
            "",
            "..",
            "lin.x.y",
        )
    ] == [None] * 7


# -- actions

SAMPLES: dict[str, Any] = {
    "str": "text",
    "int": 7,
    "bool": True,
    "dict[str, Any]": {"deadline": "今天17:00"},
    "UserId": "lin",
    "ExternalUserId": "wm_made_up_1",
    "ExternalUserId | None": None,
    "ChatId": "wr_made_up",
    "OpenKfId": "wk_made_up",
}


def sample(kind: Any) -> Any:
    return kind(**{each.name: SAMPLES[str(each.type)] for each in fields(kind)})


@pytest.mark.parametrize("kind", actions.Errand.__args__)
def test_every_errand_survives_the_outbox_with_its_key(kind: Any) -> None:
    errand = sample(kind)
    again = unpack(*pack(errand))
    assert again == errand
    assert again.key == errand.key
    assert 0 <= errand.priority <= 9


def test_keys_of_different_errands_never_meet() -> None:
    keys = [sample(kind).key for kind in actions.Errand.__args__]
    assert len(set(keys)) == len(keys)


def test_writes_to_one_customer_share_a_lane() -> None:
    lane = f"customer:{WHO}"
    assert lane_of(MarkTags(WHO, LIN, "a")) == lane_of(SyncCustomer(WHO, "b")) == lane
    assert lane_of(SyncGroup(ChatId("wr_made_up"), "a")) == "group:wr_made_up"
    assert lane_of(SyncTags("a")) == "tags"
    assert lane_of(CreateMassSend(1)) == "sender"
    assert lane_of(TellStaff(LIN, "help", {}, None, "a")) == ""
    assert lane_of(CheckAgreement("c", ChatId(""), WHO, LIN, "a")) == ""


# -- daily dues


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=SHANGHAI)  # type: ignore[misc,arg-type]  # year to minute


EIGHT = time(8, 0)


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        (None, (2026, 11, 24, 7, 59), []),
        (None, (2026, 11, 24, 8, 0), [(2026, 11, 24, 8, 0)]),
        (None, (2026, 11, 24, 23, 0), [(2026, 11, 24, 8, 0)]),
        ((2026, 11, 24, 8, 0), (2026, 11, 24, 9, 0), [(2026, 11, 24, 8, 0)]),
        (
            (2026, 11, 22, 8, 0),
            (2026, 11, 24, 7, 0),
            [(2026, 11, 22, 8, 0), (2026, 11, 23, 8, 0)],
        ),
        ((2026, 12, 31, 8, 0), (2027, 1, 1, 8, 0), [(2026, 12, 31, 8, 0), (2027, 1, 1, 8, 0)]),
        ((2028, 2, 28, 8, 0), (2028, 2, 29, 8, 0), [(2028, 2, 28, 8, 0), (2028, 2, 29, 8, 0)]),
        ((2026, 11, 25, 8, 0), (2026, 11, 24, 9, 0), []),
    ],
)
def test_a_daily_job_is_due_for_every_day_since_its_last_ring(
    last: tuple[int, ...] | None, now: tuple[int, ...], expected: list[tuple[int, ...]]
) -> None:
    dues = daily_dues(EIGHT, at(*last) if last else None, at(*now))
    assert dues == [at(*each) for each in expected]


def test_a_machine_in_another_zone_rings_by_the_branchs_clock() -> None:
    assert daily_dues(EIGHT, None, datetime(2026, 11, 24, 0, 0, tzinfo=UTC)) == [
        at(2026, 11, 24, 8, 0)
    ]
    assert daily_dues(EIGHT, None, datetime(2026, 11, 23, 23, 59, tzinfo=UTC)) == []


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31)),  # noqa: DTZ001  # the zone follows
    st.integers(0, 20),
)
def test_dues_are_whole_days_apart_and_never_in_the_future(now: datetime, back: int) -> None:
    moment = now.replace(tzinfo=SHANGHAI)
    last = datetime.combine(moment.date() - timedelta(days=back), EIGHT, SHANGHAI)
    dues = daily_dues(EIGHT, last, moment)
    assert all(due <= moment for due in dues)
    assert {(after - before).days for before, after in pairwise(dues)} <= {1}


def test_no_test_here_needs_the_machines_zone() -> None:
    assert os.environ.get("TZ") in {None, "", "UTC", "Asia/Shanghai"} or today(
        FixedClock(NOON)
    ) == date(2026, 11, 24)
