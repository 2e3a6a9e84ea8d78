"""What is derived of a customer: a touched customer and a run over everybody agree exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from backends import SQLITE, Place, spares
from hypothesis import given, settings
from hypothesis import strategies as st
from standing_story import (
    CUSTOMERS,
    GROUPS,
    START,
    Story,
    activity_of,
    ms,
    rulebook,
    story,
)

from bot.store import journal, ledger, segments, standing
from handlers.rules import selecting
from handlers.states import STATES, decay

# The same examples each time, on machines of any speed, and nothing written beside the sources.
CALM = settings(deadline=None, derandomize=True, database=None)


@pytest.fixture
def branch(shared_place: Place) -> Iterator[Story]:
    with story(shared_place) as found:
        yield found


@pytest.fixture
def sqlite_branch(tmp_path: Path) -> Iterator[Story]:
    """For what only SQLite tells: its plans, and how many rows it changed."""
    SQLITE.create(tmp_path)
    with story(Place(SQLITE, tmp_path)) as found:
        yield found


# -- histories

_WHO = st.sampled_from(CUSTOMERS)
_AGO = st.sampled_from((0, 1, 2, 6, 7, 13, 29, 59, 89, 364))
_FACTS = st.sampled_from(
    (
        ("product.interest", {"product": "large_cd"}),
        ("product.interest", {"product": "payment_code"}),
        ("event.rsvp", {"response": "yes"}),
        ("event.rsvp", {"response": "no"}),
        ("risk.churn", {"kind": "transfer_out"}),
        ("work.occupation", {"group": "farmer"}),
        ("family.children", {"stage": "primary"}),
        ("contact.request", {"channel": "call"}),
    )
)
_DATED = st.sampled_from(("cash.inflow", "holding.other_bank"))
_EVENT = st.one_of(
    st.tuples(st.just("say"), _WHO, _AGO, st.sampled_from(("好的", "多少钱?"))),
    st.tuples(st.just("burst"), _WHO, st.integers(1, 12), st.integers(1, 8)),
    st.tuples(st.just("staff"), _AGO),
    st.tuples(st.just("recall"), st.integers(0, 30)),
    st.tuples(st.just("learn"), _WHO, _FACTS, _AGO),
    st.tuples(st.just("dated"), _WHO, _DATED, st.integers(-40, 90)),
    st.tuples(st.just("correct"), st.integers(0, 30), st.sampled_from(("confirmed", "rejected"))),
    st.tuples(st.just("befriend"), _WHO, _AGO),
    st.tuples(st.just("unfriend"), _WHO),
    st.tuples(st.just("join"), _WHO, _AGO, st.sampled_from(GROUPS)),
    st.tuples(st.just("leave"), _WHO, st.sampled_from(GROUPS)),
    st.tuples(st.just("dismiss"), st.sampled_from(GROUPS)),
    st.tuples(st.just("assets"), _WHO, st.sampled_from((None, 0, 9_000, 45_000, 60_000, 900_000))),
    st.tuples(st.just("born"), _WHO, st.sampled_from(((1966, 12, 1), (1966, 2, 29), (1990, 1, 1)))),
    st.tuples(st.just("flag"), _WHO, st.sampled_from(("key_person", "prospect", "erased"))),
    st.tuples(st.just("hold"), _WHO, st.sampled_from((-3, 0, 10, 89, 120))),
    st.tuples(st.just("case"), _WHO),
    st.tuples(st.just("close"), _WHO),
    st.tuples(st.just("days"), st.sampled_from((1, 1, 2, 7, 15, 40))),
)


def happen(at: Story, said: list[str], event: tuple[Any, ...]) -> None:
    kind, *told = event
    HAPPENINGS[kind](at, said, *told)


def _burst(at: Story, said: list[str], who: str, days: int, times: int) -> None:
    said.extend(at.say(who, ago) for ago in range(days) for _ in range(times))


def _staff(at: Story, _said: list[str], ago: int) -> None:
    at.hear(at.message("mazy", ms(at.today - timedelta(days=ago), 9, 30)))


def _recall(at: Story, said: list[str], number: int) -> None:
    msgid = said[number % len(said)] if said else "m-never-heard"
    at.hear(at.message("wmAnna", at.now, "", kind="revoke", recalls=msgid))


def _dated(at: Story, _said: list[str], who: str, kind: str, days: int) -> None:
    at.learn(who, kind, {"date_to": (at.today + timedelta(days=days)).isoformat()})


def _correct(at: Story, _said: list[str], number: int, status: str) -> None:
    ids = [row[0] for row in at.db.rows("SELECT id FROM fact ORDER BY id")]
    if ids:
        ledger.correct(at.db, ids[number % len(ids)], status, "mazy")


def _born(at: Story, _said: list[str], who: str, day: tuple[int, int, int]) -> None:
    at.set(who, birthday_year=day[0], birthday_month=day[1], birthday_day=day[2])


HAPPENINGS: dict[str, Callable[..., object]] = {
    "say": lambda at, said, who, ago, text: said.append(at.say(who, ago, text)),
    "burst": _burst,
    "staff": _staff,
    "recall": _recall,
    "learn": lambda at, _said, who, fact, ago: at.learn(who, fact[0], dict(fact[1]), ago),
    "dated": _dated,
    "correct": _correct,
    "befriend": lambda at, _said, who, ago: at.befriend(who, ago),
    "unfriend": lambda at, _said, who: at.unfriend(who),
    "join": lambda at, _said, who, ago, chat: at.join(who, ago, chat),
    "leave": lambda at, _said, who, chat: at.leave(who, chat=chat),
    "dismiss": lambda at, _said, chat: at.dismiss(chat),
    "assets": lambda at, _said, who, assets: at.set(who, assets=assets),
    "born": _born,
    "flag": lambda at, _said, who, flag: at.set(who, **{flag: 1}),
    "hold": lambda at, _said, who, ago: at.hold(who, f"ref-{who}", ago),
    "case": lambda at, _said, who: at.open_case(who, "complaint"),
    "close": lambda at, _said, who: at.close_cases(who),
    "days": lambda at, _said, days: at.pass_days(days),
}


@settings(CALM, max_examples=60)
@given(events=st.lists(_EVENT, min_size=1, max_size=14))
def test_after_any_history_the_touched_customers_are_as_a_run_over_everybody_makes_them(
    shared_place: Place, events: list[tuple[Any, ...]]
) -> None:
    if spares(shared_place.backend, events):
        return
    with story(shared_place) as at:
        for who in CUSTOMERS:
            at.know(who)
        at.settle()
        said: list[str] = []
        for event in events:
            happen(at, said, event)
            at.settle()
            assert at.derived_from_nothing() == at.derived()


@settings(CALM, max_examples=20)
@given(events=st.lists(_EVENT, min_size=3, max_size=10), days=st.integers(1, 120))
def test_nothing_changes_by_itself_before_the_day_of_the_next_look(
    shared_place: Place, events: list[tuple[Any, ...]], days: int
) -> None:
    if spares(shared_place.backend, events, days):
        return
    with story(shared_place) as at:
        for event in events:
            happen(at, [], event)
            at.settle()
        for _ in range(days):
            at.today += timedelta(days=1)
            if standing.due(at.db, at.today, 10):
                break
            assert at.derived_from_nothing() == at.derived()


def test_a_second_run_moves_nobody(branch: Story) -> None:
    branch.join("wmAnna", 20)
    branch.say("wmAnna", 1)
    branch.derive(None)
    assert standing.Derived([], []) == branch.derive(None)


# -- the order of events

_TALK = st.lists(
    st.one_of(
        st.tuples(st.just("wmAnna"), st.integers(0, 40), st.sampled_from(("好", "多少?"))),
        st.tuples(st.just("mazy"), st.integers(0, 40), st.just("在的")),
        st.tuples(st.just("recall"), st.integers(0, 9), st.just("")),
    ),
    min_size=1,
    max_size=10,
)


@settings(CALM, max_examples=80)
@given(talk=_TALK, data=st.data())
def test_the_score_does_not_depend_on_the_order_in_which_events_arrive(
    shared_place: Place, talk: list[tuple[str, int, str]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(talk))))
    if spares(shared_place.backend, talk, order):
        return
    assert _heard(shared_place, talk, list(range(len(talk)))) == _heard(shared_place, talk, order)


def _heard(shared_place: Place, talk: list[tuple[str, int, str]], order: list[int]) -> object:
    with story(shared_place) as at:
        at.know("wmAnna")
        at.agree("wmAnna")
        for place in order:
            who, number, text = talk[place]
            if who == "recall":
                recalled = f"m-{number % len(talk)}"
                message = at.message("mazy", at.now, "", kind="revoke", recalls=recalled)
            else:
                # Four minutes apart, over the end of a day: some in a window of ten, some not.
                moment = ms(START, 22, 0) + number * 240_000
                message = at.message(who, moment, text, msgid=f"m-{place}")
            at.hear(message)
        at.today = START + timedelta(days=3)
        found = standing.of(at.db, at.rules, "wmAnna", at.today)
        return activity_of(at.db, "wmAnna"), found.score, found.last_spoke_at


def test_counts_kept_one_by_one_are_those_of_all_messages(branch: Story) -> None:
    branch.agree("wmAnna")
    for minute in (0, 5, 9, 10, 11, 12):
        branch.hear(branch.message("wmAnna", ms(START, 10, minute), "怎么开通?"))
    branch.hear(branch.message("mazy", ms(START, 10, 1)))
    counts = branch.db.one(
        "SELECT count(*) AS messages, sum(answers) AS replies, sum(asks) AS questions"
        " FROM message WHERE sender = 'wmAnna' AND state = 'read'"
    )
    assert counts is not None
    assert activity_of(branch.db, "wmAnna") == [(START.isoformat(), *tuple(counts))]
    assert tuple(counts) == (6, 4, 6)


# -- the score


def plain_score(days: dict[int, int], half_life: int = 14) -> int:
    """The oracle: points by age in days, at most twelve a day, each message two."""
    shares = decay(half_life)
    return sum(min(12, 2 * count) * shares[age] for age, count in days.items() if age < 60) // 1000


@settings(CALM, max_examples=40)
@given(days=st.dictionaries(st.integers(0, 70), st.integers(1, 9), max_size=12))
def test_the_score_is_the_decayed_sum_of_capped_days(
    shared_place: Place, days: dict[int, int]
) -> None:
    if spares(shared_place.backend, days):
        return
    with story(shared_place) as at:
        for ago, count in days.items():
            for _ in range(count):
                at.say("wmAnna", ago)
        assert plain_score(days) == standing.of(at.db, at.rules, "wmAnna", at.today).score


def test_one_chatty_day_counts_no_more_than_its_cap(branch: Story) -> None:
    for _ in range(100):
        branch.say("wmAnna")
    assert standing.of(branch.db, branch.rules, "wmAnna", branch.today).score == 12


def test_a_recalled_line_counts_no_longer(branch: Story) -> None:
    first = branch.say("wmAnna", 3)
    last = branch.say("wmAnna", 1)
    branch.hear(branch.message("wmAnna", branch.now, "", kind="revoke", recalls=last))
    stand = standing.of(branch.db, branch.rules, "wmAnna", branch.today)
    sent = branch.db.value("SELECT sent_at FROM message WHERE msgid = :id", id=first)
    assert (1, 1, sent) == (stand.messages_7, stand.days_7, stand.last_spoke_at)


def test_a_rejected_sign_up_counts_no_longer(branch: Story) -> None:
    branch.say("wmAnna")
    fact = branch.learn("wmAnna", "event.rsvp", {"response": "yes"})
    branch.settle()
    before = standing.of(branch.db, branch.rules, "wmAnna", branch.today)
    assert fact is not None
    ledger.correct(branch.db, fact, "rejected", "mazy")
    branch.settle()
    after = standing.of(branch.db, branch.rules, "wmAnna", branch.today)
    assert (before.sign_ups_30, before.score, after.sign_ups_30, after.score) == (1, 7, 0, 2)


# -- states and classes


def test_entering_and_leaving_a_state_is_in_the_journal(branch: Story) -> None:
    branch.join("wmAnna", 20)
    branch.settle()
    branch.say("wmAnna")
    branch.listener.derive(branch.db, standing.touched(branch.db, 10), branch.now)
    line = next(each for each in journal.latest(branch.db) if each["kind"] == "states")
    assert line["external_userid"] == "wmAnna"
    assert '"left": ["lurking", "class:D"]' in line["why"]


def test_active_turns_to_cooling_to_dormant_to_lost_while_nobody_says_a_word(
    branch: Story,
) -> None:
    branch.befriend("wmAnna", 200)
    for ago in (4, 2, 2, 0, 0, 0, 0, 0):
        branch.say("wmAnna", ago)
    branch.settle()
    seen = []
    for days in (0, 13, 1, 76, 275):
        branch.pass_days(days)
        seen.append(branch.states("wmAnna"))
    assert [{"active", "warming"}, set(), {"cooling"}, {"dormant"}, {"lost"}] == seen


@pytest.mark.parametrize(
    ("assets", "willing", "expected"),
    [
        (60_000, True, "A"),
        (60_000, False, "B"),
        (5_000, True, "B"),
        (5_000, False, "C"),
        (None, False, "D"),
    ],
)
def test_assets_and_willingness_make_the_class(
    branch: Story, assets: int | None, expected: str, *, willing: bool
) -> None:
    branch.set("wmAnna", assets=assets)
    if willing:
        branch.learn("wmAnna", "product.interest", {"product": "large_cd"})
        branch.hold("wmAnna", "ref-1", 30)
    branch.settle()
    stand = standing.of(branch.db, branch.rules, "wmAnna", branch.today)
    assert expected == stand.contact_class


def test_willingness_wears_off_by_itself(branch: Story) -> None:
    branch.set("wmAnna", assets=60_000)
    branch.learn("wmAnna", "product.interest", {"product": "large_cd"})
    branch.hold("wmAnna", "ref-1", 30)
    branch.settle()
    found = []
    for days in (0, 59, 1):
        branch.pass_days(days)
        found.append(standing.of(branch.db, branch.rules, "wmAnna", branch.today).contact_class)
    assert found == ["A", "A", "B"]


def test_a_stranger_stands_nowhere(branch: Story) -> None:
    stand = standing.of(branch.db, branch.rules, "wmNobody", branch.today)
    assert (
        stand.states,
        stand.contact_class,
        stand.score,
        stand.last_spoke_at,
    ) == ((), "D", 0, None)


# -- sensitive facts

_SENSITIVE = (
    ("family.children", {"stage": "primary"}),
    ("family.children", {"age": 7}),
    ("life.event", {"kind": "pregnancy"}),
    ("life.event", {"kind": "hospital"}),
    ("interest.concern", {"topic": "health"}),
    ("holding.other_bank", {"bank": "工商银行", "date_to": "2026-12-20"}),
)


@pytest.mark.parametrize(("kind", "value"), _SENSITIVE)
def test_a_sensitive_fact_leads_to_no_tag_no_selection_no_state_and_no_class(
    branch: Story, kind: str, value: dict[str, Any]
) -> None:
    branch.know("wmAnna")
    branch.settle()
    tags = segments.wanted_tags(branch.db, "wmAnna")
    branch.learn("wmAnna", kind, value)
    branch.settle()
    entered = branch.segments("wmAnna")
    assert entered <= {rule.name for rule in branch.rules.segments if rule.people_only}
    assert not entered & selecting(branch.rules.segments)
    carried = {tag.slug for tag in branch.rules.tags}
    assert tags & carried == segments.wanted_tags(branch.db, "wmAnna") & carried
    stand = standing.of(branch.db, branch.rules, "wmAnna", branch.today)
    assert (stand.states, stand.contact_class) == ((), "D")


# -- what a change costs


def _plans(branch: Story, act: Any) -> list[str]:
    """How SQLite would find the rows of every statement that an act runs."""
    seen: list[str] = []
    branch.db.connection.set_trace_callback(seen.append)
    try:
        act()
    finally:
        branch.db.connection.set_trace_callback(None)
    found = []
    for sql in dict.fromkeys(seen):
        if sql.lstrip().upper().startswith(("SELECT", "WITH", "UPDATE", "DELETE", "INSERT")):
            found += [row["detail"] for row in branch.db.rows(f"EXPLAIN QUERY PLAN {sql}")]
    return found


TABLES = ("customer", "fact", "activity", "follow", "group_member", "message", "holding",
          "segment_member", "customer_state", "escalation", "group_chat", "journal")  # fmt: skip
ALIASES = ("c", "f", "a", "p", "m", "g", "h", "e", "s")


def test_a_message_reads_no_table_from_end_to_end(sqlite_branch: Story) -> None:
    sqlite_branch.join("wmAnna", 20)
    sqlite_branch.say("wmAnna", 1)
    plans = _plans(sqlite_branch, lambda: (sqlite_branch.say("wmAnna"), sqlite_branch.settle()))
    scanned = {
        words[1] for plan in plans if (words := plan.split())[0] == "SCAN" and "VIRTUAL" not in plan
    }
    assert len(plans) > 20
    assert not scanned & {*TABLES, *ALIASES}


def test_those_who_are_due_are_found_by_index(sqlite_branch: Story) -> None:
    plans = _plans(sqlite_branch, lambda: standing.due(sqlite_branch.db, sqlite_branch.today, 10))
    assert [plan for plan in plans if "INDEX customer_recheck" in plan]
    assert not [plan for plan in plans if plan.startswith("SCAN")]


def test_a_message_touches_only_its_customer(sqlite_branch: Story) -> None:
    for number in range(50):
        sqlite_branch.join(f"wmOther{number}", 20)
    sqlite_branch.settle()
    others = "SELECT external_userid, recheck_on FROM customer WHERE external_userid LIKE 'wmO%'"
    before = [tuple(row) for row in sqlite_branch.db.rows(others)]
    changes = sqlite_branch.db.connection.total_changes
    sqlite_branch.say("wmAnna")
    sqlite_branch.settle()
    assert before == [tuple(row) for row in sqlite_branch.db.rows(others)]
    assert sqlite_branch.db.connection.total_changes - changes < 30


def test_a_sync_that_brings_nothing_new_makes_nobody_due(branch: Story) -> None:
    branch.befriend("wmAnna", 20)
    branch.join("wmAnna", 20)
    branch.set("wmAnna", assets=5)
    branch.settle()
    branch.befriend("wmAnna", 20)
    branch.join("wmAnna", 20)
    branch.set("wmAnna", assets=5)
    assert standing.touched(branch.db, 10) == []


# -- rules


def test_new_rules_make_everybody_due_once(branch: Story) -> None:
    branch.know("wmAnna")
    branch.settle()
    assert standing.rules_changed(branch.db, branch.rules)
    standing.touch_all(branch.db, branch.rules, branch.now)
    assert standing.touched(branch.db, 10) == ["wmAnna"]
    assert not standing.rules_changed(branch.db, branch.rules)


def test_every_state_of_the_interface_has_a_rule() -> None:
    assert sorted(STATES) == sorted(rule.name for rule in rulebook().standing.states)
