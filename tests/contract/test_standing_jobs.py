"""What the scheduler derives: the touched soon, the due at night, everybody on Sundays."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import cast

import pytest
from standing_story import VAULT, Story, rulebook

from bot.clock import SHANGHAI, FixedClock
from bot.errands.mass import MassSender
from bot.importing import Row
from bot.jobs import Jobs
from bot.listening import Listener
from bot.rulebook import Rulebook
from bot.store import rings
from bot.store.db import Database
from bot.store.imports import import_rows
from bot.store.rings import Fence

SUNDAY = datetime(2026, 11, 29, 1, 30, tzinfo=SHANGHAI)
WEEKDAY = datetime(2026, 11, 24, 1, 30, tzinfo=SHANGHAI)


@pytest.fixture
def database(store: Database) -> Database:
    return store


def jobs(database: Database, now: datetime, rules: Rulebook | None = None) -> Jobs:
    rules = rules or rulebook()
    return Jobs(
        database=database,
        clock=FixedClock(now),
        rules=rules,
        listener=Listener(VAULT, lambda _speech: [], rules),
        mass=cast("MassSender", None),  # none of these jobs sends
        notice=lambda _db, _events: None,
        wake_outbox=lambda: None,
    )


def fence(database: Database) -> Fence:
    found = database.write(lambda db: rings.take_lease(db, "me"))
    assert found is not None
    return found


def lurker(database: Database) -> None:
    database.write(lambda db: Story(db).join("wmAnna", 10))


def states(database: Database) -> list[str]:
    rows = database.read().rows("SELECT state FROM customer_state ORDER BY state")
    return [row[0] for row in rows]


def test_who_joined_without_a_word_is_derived_soon_and_once(database: Database) -> None:
    lurker(database)
    at = jobs(database, WEEKDAY)
    assert at.refresh_touched(fence(database), WEEKDAY) == 1
    assert states(database) == ["new"]
    assert at.refresh_touched(fence(database), WEEKDAY) == 0


def test_the_night_finds_those_whom_the_calendar_moved(database: Database) -> None:
    lurker(database)
    jobs(database, WEEKDAY).refresh_touched(fence(database), WEEKDAY)
    later = WEEKDAY + timedelta(days=4)
    assert jobs(database, later).recheck_segments(fence(database), later) == 1
    assert states(database) == ["lurking", "new"]


def test_recomputing_everybody_moves_nobody(database: Database) -> None:
    lurker(database)
    jobs(database, WEEKDAY).refresh_touched(fence(database), WEEKDAY)
    assert jobs(database, SUNDAY).recompute_all(fence(database), SUNDAY) == 0
    assert states(database) == ["lurking", "new"]


def spoil(database: Database) -> None:
    database.write(lambda db: db.run("DELETE FROM customer_state"))


def test_recomputing_repairs_what_was_missed(database: Database) -> None:
    lurker(database)
    jobs(database, SUNDAY).refresh_touched(fence(database), SUNDAY)
    spoil(database)
    assert jobs(database, SUNDAY).recompute_all(fence(database), SUNDAY) == 1
    assert states(database) == ["lurking", "new"]


def test_on_weekdays_a_weekly_recomputation_rests_and_a_daily_one_works(
    database: Database,
) -> None:
    lurker(database)
    jobs(database, WEEKDAY).refresh_touched(fence(database), WEEKDAY)
    spoil(database)
    assert jobs(database, WEEKDAY).recompute_all(fence(database), WEEKDAY) == 0
    rules = rulebook()
    daily = replace(rules, thresholds=replace(rules.thresholds, recompute="daily"))
    assert jobs(database, WEEKDAY, daily).recompute_all(fence(database), WEEKDAY) == 1


def take_in(database: Database, who: str, as_of: date, *accounts: str) -> None:
    rows = [
        Row(2, {"account_ref": each, "external_userid": who, "kind": "payment_code"})
        for each in accounts
    ]
    import_rows(
        database,
        VAULT,
        FixedClock(WEEKDAY),
        "holdings",
        rows,
        as_of=as_of,
        actor="admin",
        dry_run=False,
        derivation=rulebook().derivation,
    )


def test_an_imported_account_touches_who_holds_it_and_who_held_it(database: Database) -> None:
    at = jobs(database, WEEKDAY)
    for who in ("wmAnna", "wmBert", "wmCleo"):
        database.write(lambda db, who=who: Story(db).know(who))
    take_in(database, "wmAnna", date(2026, 11, 20), "ref-1", "ref-2")
    at.refresh_touched(fence(database), WEEKDAY)
    take_in(database, "wmBert", date(2026, 11, 21), "ref-2")
    touched = database.read().rows(
        "SELECT external_userid FROM customer WHERE recheck_on = '' ORDER BY 1"
    )
    assert [row[0] for row in touched] == ["wmAnna", "wmBert"]
    at.refresh_touched(fence(database), WEEKDAY)
    members = database.read().rows("SELECT external_userid FROM segment_member")
    assert [row[0] for row in members] == ["wmBert"]
