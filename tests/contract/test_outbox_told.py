"""What employees were sent before a restart is remembered, on every back end."""

from datetime import timedelta

from bot import outbox
from bot.actions import Errand, SendCard, SyncTags, TellStaff
from bot.clock import FixedClock
from bot.model import UserId
from bot.outbox import Outbox
from bot.store.db import Database

LIN, SUN = UserId("lin"), UserId("sun")


def ms(clock: FixedClock) -> int:
    return int(clock.now().timestamp() * 1000)


def perform(store: Database, clock: FixedClock, errand: Errand) -> None:
    store.write(lambda db: outbox.add(db, errand, ms(clock)))
    Outbox(store, clock, lambda _errand: None).work_once()


def test_cards_and_texts_of_the_last_hour_are_told_with_their_age(
    store: Database, clock: FixedClock
) -> None:
    perform(store, clock, SendCard(1, SUN))
    clock.move(timedelta(minutes=61))
    perform(store, clock, SendCard(2, LIN))
    clock.move(timedelta(seconds=30))
    perform(store, clock, TellStaff(SUN, "help", {}, None, "x"))
    perform(store, clock, SyncTags("y"))
    expected = [("lin", 30.0), ("sun", 0.0)]
    assert expected == sorted(outbox.told_lately(store.read(), ms(clock)))


def test_what_was_in_flight_when_the_process_died_counts_as_sent_now(
    store: Database, clock: FixedClock
) -> None:
    store.write(lambda db: outbox.add(db, SendCard(1, LIN), ms(clock)))
    store.write(lambda db: db.run("UPDATE outbox SET state = 'calling'"))
    clock.move(timedelta(minutes=5))
    expected = [("lin", 0.0)]
    assert expected == outbox.told_lately(store.read(), ms(clock))
