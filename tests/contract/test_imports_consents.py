"""Consent rows and the flags that follow from them."""

import pytest

from bot.errors import Invalid
from bot.store.consents import derive_consent, record_consent, record_refusal, refused_at
from bot.store.db import Database, Db

WHO = "wm_made_up_1"


@pytest.fixture
def database(store: Database) -> Database:
    return store


def flags(database: Database) -> tuple[int, ...]:
    row = database.read().one(
        "SELECT marketing_ok, refused, sensitive_ok, profiling_ok FROM customer"
        " WHERE external_userid = :who",
        who=WHO,
    )
    assert row is not None
    return tuple(row)


def say(
    database: Database, at: int, *, granted: bool, purpose: str = "marketing", proof: str = "f"
) -> bool:
    return database.write(
        lambda db: record_consent(
            db, WHO, purpose, granted=granted, channel="counter", proof=proof, at=at
        )
    )


def refuse(database: Database, at: int, scope: str = "marketing") -> bool:
    return database.write(
        lambda db: record_refusal(db, WHO, scope, channel="talk", proof="m1", at=at)
    )


def test_a_person_nobody_knows_is_met_and_has_agreed_to_nothing_but_what_they_said(
    database: Database,
) -> None:
    assert say(database, 5, granted=True) is True
    assert flags(database) == (1, 0, 0, 0)


@pytest.mark.parametrize(
    ("purpose", "expected"),
    [
        ("marketing", (1, 0, 0, 0)),
        ("profiling_sensitive", (0, 0, 1, 0)),
        ("profiling", (0, 0, 0, 1)),
        ("service", (0, 0, 0, 0)),
        ("archive_analysis", (0, 0, 0, 0)),
    ],
)
def test_the_five_purposes_are_separate(
    database: Database, purpose: str, expected: tuple[int, ...]
) -> None:
    say(database, 5, granted=True, purpose=purpose)
    assert flags(database) == expected


def test_the_newest_row_counts_in_whatever_order_rows_arrive(database: Database) -> None:
    say(database, 9, granted=False)
    say(database, 5, granted=True)
    assert flags(database) == (0, 1, 0, 0)
    say(database, 12, granted=True)
    assert flags(database) == (1, 0, 0, 0)


def test_at_the_same_moment_the_refusal_wins(database: Database) -> None:
    say(database, 9, granted=False)
    say(database, 9, granted=True)
    assert flags(database) == (0, 1, 0, 0)


@pytest.mark.parametrize("scope", ["all", "marketing", "calls"])
def test_every_scope_of_a_refusal_ends_marketing(database: Database, scope: str) -> None:
    say(database, 5, granted=True)
    assert refuse(database, 6, scope) is True
    assert flags(database) == (0, 1, 0, 0)
    assert database.read().value("SELECT notice_version FROM consent WHERE granted = 0") == (
        f"refusal:{scope}"
    )


def test_only_a_later_grant_lifts_a_refusal_and_its_time_is_kept(database: Database) -> None:
    refuse(database, 10)
    say(database, 9, granted=True)
    assert flags(database) == (0, 1, 0, 0)
    say(database, 11, granted=True)
    assert flags(database) == (1, 0, 0, 0)
    assert database.read().rows("SELECT 1 FROM consent WHERE granted = 0") != []
    assert refused_at(database.read(), WHO) == 10


def test_the_same_row_twice_is_kept_once(database: Database) -> None:
    assert [refuse(database, 10), refuse(database, 10)] == [True, False]
    assert database.read().value("SELECT count(*) FROM consent") == 1


def test_unknown_purposes_and_scopes_are_refused_and_change_nothing(database: Database) -> None:
    with pytest.raises(Invalid, match="marketing"):
        say(database, 1, granted=True, purpose="advertising")
    with pytest.raises(Invalid, match="calls"):
        refuse(database, 1, "nothing")
    assert database.read().value("SELECT count(*) FROM customer") == 0


def test_rows_written_before_their_customer_are_derived_on_demand(database: Database) -> None:
    def write(db: Db) -> None:
        db.run(
            "INSERT INTO consent (external_userid, purpose, granted, at)"
            " VALUES (:who, 'marketing', 1, 3)",
            who=WHO,
        )
        db.run("INSERT INTO customer (external_userid, created_at) VALUES (:who, 1)", who=WHO)
        derive_consent(db, [WHO])

    database.write(write)
    assert flags(database) == (1, 0, 0, 0)
