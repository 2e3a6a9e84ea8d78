"""Events: taken in, signed up for, waited for, called off; no seat is promised twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bot.clock import FixedClock
from bot.importing import ImportReport
from bot.store import events
from bot.store.db import Database, Db
from bot.store.events import Wish
from bot.store.imports import Derivation, import_file
from bot.vault import Vault
from scheduler.lunar import next_birthday

NOON = datetime(2026, 11, 24, 4, tzinfo=UTC)
NOW = int(NOON.timestamp() * 1000)
HOUR = 3_600_000
HEAD = "代码,名称,类别,网点,开始,结束,地点,名额,主讲,报名截止,对象\n"
TEA = "E1,茶艺课,沙龙,城东支行,2026-11-28 15:00,2026-11-28 17:00,二楼,12,周师傅,2026-11-28 12:00,\n"


def an_event(db: Db, seats: int = 3) -> int:
    starts = NOW + 48 * HOUR
    events.keep(
        db,
        {
            **dict.fromkeys(events.FACTS, ""),
            "code": "E1",
            "name": "茶艺课",
            "branch": "城东支行",
            "seats": seats,
            "starts_at": starts,
            "ends_at": starts + 2 * HOUR,
            "sign_up_until": starts,
        },
        NOW,
    )
    return int(db.value("SELECT id FROM event"))


@pytest.fixture
def tea(store: Database) -> int:
    return store.write(an_event)


def wish(store: Database, event: int, who: str, party: int = 1, now: int = NOW) -> str:
    one = Wish(who, party, "talk")
    return store.write(lambda db: events.sign_up(db, event, one, now))


def cancel(store: Database, event: int, who: str) -> bool:
    return store.write(lambda db: events.cancel(db, event, who, NOW))


def states(store: Database) -> dict[str, tuple[str, int]]:
    rows = store.read().rows("SELECT * FROM signup ORDER BY id")
    return {row["external_userid"]: (row["status"], row["party"]) for row in rows}


def taken(store: Database) -> int:
    return int(store.read().value("SELECT taken FROM event"))


def test_seats_are_given_until_they_are_taken_and_the_rest_waits(store: Database, tea: int) -> None:
    assert ["going", "going", "waiting", "going"] == [
        wish(store, tea, "wm_a"),
        wish(store, tea, "wm_b"),
        wish(store, tea, "wm_c", 2),
        wish(store, tea, "wm_d"),
    ]
    assert 3 == taken(store)


def test_signing_up_again_changes_nothing(store: Database, tea: int) -> None:
    assert ["going", "going"] == [wish(store, tea, "wm_a", 2), wish(store, tea, "wm_a", 2)]
    assert 2 == taken(store)


def test_a_free_seat_goes_to_whoever_waits_longest_and_fits_in(store: Database, tea: int) -> None:
    for who, party in (("wm_a", 1), ("wm_b", 2), ("wm_c", 3), ("wm_d", 1), ("wm_e", 1)):
        wish(store, tea, who, party)
    assert cancel(store, tea, "wm_a")
    assert {
        "wm_a": ("cancelled", 1),
        "wm_b": ("going", 2),
        "wm_c": ("waiting", 3),
        "wm_d": ("going", 1),
        "wm_e": ("waiting", 1),
    } == states(store)
    assert not cancel(store, tea, "wm_a")
    assert 3 == taken(store)


def test_a_party_may_shrink_and_may_grow_while_there_is_room(store: Database, tea: int) -> None:
    wish(store, tea, "wm_a", 2)
    wish(store, tea, "wm_b", 2)
    assert "full" == wish(store, tea, "wm_a", 4)
    assert "going" == wish(store, tea, "wm_a", 1)
    assert {"wm_a": ("going", 1), "wm_b": ("going", 2)} == states(store)
    assert 3 == taken(store)


def test_nobody_signs_up_after_the_end_or_for_what_is_called_off(store: Database, tea: int) -> None:
    assert "closed" == wish(store, tea, "wm_a", now=NOW + 48 * HOUR)
    wish(store, tea, "wm_b")
    assert 1 == store.write(lambda db: events.cancel_event(db, tea, NOW))
    assert "closed" == wish(store, tea, "wm_c")
    assert "closed" == wish(store, 99, "wm_c")


def test_more_seats_go_to_those_who_wait(store: Database, tea: int) -> None:
    wish(store, tea, "wm_a", 3)
    wish(store, tea, "wm_b", 2)
    store.write(lambda db: an_event(db, seats=5))
    assert ("going", 2) == states(store)["wm_b"]


def test_two_hundred_at_once_never_get_more_seats_than_there_are(store: Database) -> None:
    event = store.write(lambda db: an_event(db, seats=50))
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: wish(store, event, f"wm_{n}"), range(200)))
    assert (50, 150) == (answers.count("going"), answers.count("waiting"))
    assert 50 == taken(store)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_the_seats_add_up(store: Database, seed: int) -> None:
    dice = Random(seed)  # no secret
    event = store.write(lambda db: an_event(db, seats=7))
    for _ in range(120):
        who = f"wm_{dice.randrange(12)}"
        if dice.random() < 0.3:
            cancel(store, event, who)
        else:
            wish(store, event, who, dice.randint(1, 4))
        going = sum(party for state, party in states(store).values() if state == "going")
        assert going == taken(store) <= 7
    waiting = [party for state, party in states(store).values() if state == "waiting"]
    assert all(party > 7 - taken(store) for party in waiting)


def test_at_the_door_everybody_is_counted_once(store: Database, tea: int) -> None:
    wish(store, tea, "wm_a")
    code = store.read().value("SELECT door_code FROM event")
    start = NOW + 48 * HOUR

    def at_door(now: int) -> Any:
        return events.by_door_code(store.read(), code, now)

    assert None is at_door(start - HOUR - 1)
    assert tea == at_door(start)["id"]
    came = [
        store.write(lambda db, w=who: events.check_in(db, tea, w, start))
        for who in ("wm_a", "wm_a", "wm_x")
    ]
    assert [True, False, True] == came
    assert {"wm_a": ("came", 1), "wm_x": ("came", 1)} == states(store)


def test_in_a_group_its_own_events_are_meant_and_elsewhere_those_of_no_group(
    store: Database,
) -> None:
    def more(db: Db) -> None:
        an_event(db)
        db.run(
            "INSERT INTO event (code, name, starts_at, ends_at, sign_up_until, seats, audience)"
            " SELECT 'E2', '大棚课', starts_at, ends_at, sign_up_until, 9, '种养群' FROM event"
        )
        for chat, name in (("wrFarm", "种养群"), ("wrTown", "街坊群")):
            db.run(
                "INSERT INTO group_chat (chat_id, name) VALUES (:chat, :name)", chat=chat, name=name
            )

    store.write(more)

    def meant(chat_id: str) -> list[str]:
        return [row["code"] for row in events.open_for(store.read(), "城东支行", NOW, chat_id)]

    assert (["E2"], ["E1"], ["E1", "E2"]) == (meant("wrFarm"), meant("wrTown"), meant(""))


Take = Callable[[str], ImportReport]


@pytest.fixture
def take(store: Database, vault: Vault, tmp_path: Path) -> Take:
    def take(text: str) -> ImportReport:
        file = tmp_path / "events.csv"
        file.write_text(HEAD + text, encoding="utf-8")
        return import_file(
            store,
            vault,
            FixedClock(NOON),
            file,
            "events",
            as_of=None,
            actor="admin",
            dry_run=False,
            derivation=Derivation(next_birthday, lambda _assets: ""),
        )

    return take


def test_events_are_taken_in_once_and_changed_in_place(store: Database, take: Take) -> None:
    first, again = take(TEA), take(TEA)
    assert (1, 0, 1) == (first.new, again.new, again.unchanged)
    event = int(store.read().value("SELECT id FROM event"))
    code = store.read().value("SELECT door_code FROM event")
    wish(store, event, "wm_a", 2)
    assert 1 == take(TEA.replace("二楼", "三楼")).changed
    row = events.event(store.read(), event)
    assert row is not None
    assert ("三楼", 2, code, 12) == (row["place"], row["taken"], row["door_code"], row["seats"])


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (TEA.replace(",12,", ",0,"), "请填 1 以上的整数"),
        (TEA.replace("2026-11-28 17:00", "2026-11-28 14:00"), "不晚于开始时间"),
        (TEA.replace("2026-11-28 12:00", "2026-11-29 12:00"), "晚于活动结束"),
    ],
)
def test_a_row_that_cannot_be_used_is_told(take: Take, row: str, words: str) -> None:
    report = take(row)
    assert (0, 1) == (report.new, len(report.bad))
    assert words in report.bad[0].problem


def test_seats_that_people_have_cannot_be_taken_away(store: Database, take: Take) -> None:
    take(TEA)
    wish(store, int(store.read().value("SELECT id FROM event")), "wm_a", 5)
    report = take(TEA.replace(",12,", ",4,"))
    assert "已有 5 人报上名" in report.bad[0].problem
