"""The gate, rule by rule: each stops what it must, and none lets through what it cannot read."""

# the names carry the ids of the compliance rules

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bot.clock import SHANGHAI
from bot.model import Channel, Purpose
from scheduler import gate as gate_module
from scheduler.calendar import Holidays, build_calendar
from scheduler.gate import Answer, Candidate, Decision, Gate, Standing
from scheduler.thresholds import load_thresholds

CONFIG = Path(__file__).parents[2] / "config"
GATE = Gate(
    load_thresholds(CONFIG / "thresholds.yaml"),
    build_calendar(
        load_thresholds(CONFIG / "thresholds.yaml"),
        Holidays(mourning=frozenset({date(2026, 12, 13)})),
    ),
)
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=SHANGHAI).astimezone(UTC)
LATER = NOON + timedelta(minutes=15)
OFFER = Candidate(
    customer="wm_made_up_1",
    purpose=Purpose.MARKETING,
    channel=Channel.MASS_SINGLE,
    campaign="autumn",
    branch="东山支行",
    sender="lin",
    useful_until=NOON + timedelta(days=1),
)
GREETING = replace(OFFER, purpose=Purpose.GREETING)
NOTICE = replace(OFFER, purpose=Purpose.SERVICE)
WELCOME = replace(NOTICE, channel=Channel.WELCOME, useful_until=None, answers=True)
GOOD = Standing(
    kill_switches=frozenset(),
    known=True,
    friend=True,
    erased=False,
    restricted=False,
    refused=False,
    consented=True,
    notice_current=True,
    paused=False,
    born_on=date(1980, 5, 6),
    text_pinned=True,
    phrases=(),
    personal=(),
    products_current=True,
    unsuitable=(),
    sender_certified=True,
    sent_today=0,
    sent_this_week=0,
    sent_this_month=0,
    channel_used=0,
    channel_cap=30,
    key_used=False,
    relevant=True,
)
SEND = Decision(Answer.SEND)


def drop(*rules: str) -> Decision:
    return Decision(Answer.DROP, rules)


def hold(rule: str, until: datetime = LATER) -> Decision:
    return Decision(Answer.HOLD, (rule,), until)


def shanghai(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=SHANGHAI).astimezone(UTC)  # type: ignore[misc,arg-type]  # year to minute


def good(**changed: Any) -> Standing:
    return replace(GOOD, **changed)


def decide(
    candidate: Candidate = OFFER, standing: Standing = GOOD, at: datetime = NOON
) -> Decision:
    return GATE.decide(candidate, standing, at)


@pytest.mark.parametrize("candidate", [OFFER, GREETING, NOTICE, WELCOME])
def test_what_meets_every_rule_is_sent(candidate: Candidate) -> None:
    assert decide(candidate) == SEND


# -- each rule by its id


@pytest.mark.parametrize("scope", ["bank", "branch:东山支行", "campaign:autumn"])
@pytest.mark.parametrize("candidate", [OFFER, GREETING, NOTICE, WELCOME])
def test_G1_an_engaged_kill_switch_holds_everything_in_its_scope(
    candidate: Candidate, scope: str
) -> None:
    assert decide(candidate, good(kill_switches=frozenset({scope}))) == hold("G1")


def test_G1_a_kill_switch_of_another_branch_or_campaign_stops_nothing() -> None:
    others = frozenset({"branch:西山支行", "campaign:spring"})
    assert decide(standing=good(kill_switches=others)) == SEND


@pytest.mark.parametrize(
    "wrong", [{"known": False}, {"friend": False}, {"erased": True}, {"restricted": True}]
)
@pytest.mark.parametrize("candidate", [OFFER, GREETING, NOTICE, WELCOME])
def test_G2_a_stranger_an_erased_or_a_restricted_customer_gets_nothing(
    candidate: Candidate, wrong: dict[str, bool]
) -> None:
    assert decide(candidate, good(**wrong)) == drop("G2")


@pytest.mark.parametrize("candidate", [OFFER, GREETING])
def test_G3_who_refused_gets_no_marketing_and_no_greeting(candidate: Candidate) -> None:
    assert decide(candidate, good(refused=True)) == drop("G3")


def test_G3_a_refusal_also_stops_what_sells_nothing_to_a_person() -> None:
    assert decide(replace(OFFER, sells=False), good(refused=True)) == drop("G3")


@pytest.mark.parametrize("candidate", [OFFER, GREETING])
def test_G4_without_a_consent_row_there_is_no_marketing_and_no_greeting(
    candidate: Candidate,
) -> None:
    assert decide(candidate, good(consented=False)) == drop("G4")


@pytest.mark.parametrize("candidate", [OFFER, GREETING])
def test_C5_a_consent_under_another_notice_than_the_one_in_force_is_none(
    candidate: Candidate,
) -> None:
    assert decide(candidate, good(notice_current=False)) == drop("G4", "C5")
    assert decide(candidate, good(consented=False, notice_current=False)) == drop("G4")


@pytest.mark.parametrize("candidate", [NOTICE, WELCOME])
def test_C7_service_depends_on_no_marketing_consent(candidate: Candidate) -> None:
    assert decide(candidate, good(refused=True, consented=False)) == SEND
    assert decide(candidate, good(refused=None, consented=None)) == SEND
    assert decide(candidate, good(notice_current=False)) == SEND
    assert decide(candidate, good(notice_current=None)) == SEND


@pytest.mark.parametrize("candidate", [OFFER, GREETING])
def test_F5_a_complaint_or_fraud_signal_stops_all_but_service(candidate: Candidate) -> None:
    assert decide(candidate, good(paused=True)) == hold("F5")
    assert decide(NOTICE, good(paused=True)) == SEND


@pytest.mark.parametrize(
    ("born_on", "expected"),
    [
        (date(2008, 11, 24), SEND),
        (date(2008, 11, 25), drop("G5")),
        (date(2008, 12, 1), drop("G5")),
        (False, drop("G5")),
        (True, drop("G5")),
    ],
)
def test_G5_marketing_needs_a_known_age_of_eighteen(born_on: Any, expected: Decision) -> None:
    assert decide(standing=good(born_on=born_on)) == expected


@pytest.mark.parametrize("candidate", [GREETING, NOTICE])
@pytest.mark.parametrize("born_on", [False, date(2015, 1, 1)])
def test_G5_greetings_and_service_ask_no_age(candidate: Candidate, born_on: Any) -> None:
    assert decide(candidate, good(born_on=born_on)) == SEND


def test_G5_the_birthday_begins_with_the_day_in_shanghai() -> None:
    morning = shanghai(2026, 11, 24, 9, 0)
    eve = GATE.g5_age(OFFER, good(born_on=date(2008, 11, 24)), shanghai(2026, 11, 23, 23, 59))
    after_midnight = GATE.g5_age(
        OFFER, good(born_on=date(2008, 11, 24)), shanghai(2026, 11, 24, 0, 1)
    )
    assert (eve, after_midnight) == (drop("G5"), None)
    assert decide(standing=good(born_on=date(2008, 11, 24)), at=morning) == SEND


def test_G5_who_was_born_on_29_february_is_of_age_on_1_march() -> None:
    born = good(born_on=date(2008, 2, 29))
    assert GATE.g5_age(OFFER, born, shanghai(2026, 2, 28, 12, 0)) == drop("G5")
    assert GATE.g5_age(OFFER, born, shanghai(2026, 3, 1, 12, 0)) is None


@pytest.mark.parametrize("candidate", [OFFER, GREETING, NOTICE, WELCOME])
def test_G6_only_a_text_that_the_release_pins_goes_out(candidate: Candidate) -> None:
    assert decide(candidate, good(text_pinned=False)) == hold("G6")


@pytest.mark.parametrize("candidate", [OFFER, GREETING, NOTICE, WELCOME])
def test_G7_a_forbidden_phrase_stops_every_purpose_and_is_named(candidate: Candidate) -> None:
    broken = good(phrases=("F006", "R001"))
    assert decide(candidate, broken) == Decision(Answer.DROP, ("G7", "F006", "R001"))


@pytest.mark.parametrize("candidate", [OFFER, GREETING, NOTICE, WELCOME])
def test_G8_personal_data_stops_every_purpose_and_is_named(candidate: Candidate) -> None:
    assert decide(candidate, good(personal=("P001",))) == Decision(Answer.DROP, ("G8", "P001"))


@pytest.mark.parametrize("candidate", [OFFER, GREETING, NOTICE, WELCOME])
def test_G9_a_product_that_is_not_as_approved_holds_every_text(candidate: Candidate) -> None:
    assert decide(candidate, good(products_current=False)) == hold("G9")


@pytest.mark.parametrize("candidate", [OFFER, GREETING, NOTICE, WELCOME])
def test_G10_what_does_not_suit_a_customer_never_goes_out(candidate: Candidate) -> None:
    broken = good(unsuitable=("S1",))
    assert decide(candidate, broken) == Decision(Answer.DROP, ("G10", "S1"))


@pytest.mark.parametrize("candidate", [OFFER, GREETING, NOTICE, WELCOME])
def test_G11_a_sender_without_certificate_or_off_duty_holds(candidate: Candidate) -> None:
    assert decide(candidate, good(sender_certified=False)) == hold("G11")


@pytest.mark.parametrize(
    ("candidate", "at", "opens"),
    [
        (OFFER, (2026, 11, 24, 8, 59), (2026, 11, 24, 9, 0)),
        (OFFER, (2026, 11, 24, 9, 0), None),
        (OFFER, (2026, 11, 24, 19, 59), None),
        (OFFER, (2026, 11, 24, 20, 0), (2026, 11, 25, 9, 0)),
        (OFFER, (2026, 11, 24, 23, 30), (2026, 11, 25, 9, 0)),
        (GREETING, (2026, 11, 24, 8, 29), (2026, 11, 24, 8, 30)),
        (GREETING, (2026, 11, 24, 8, 30), None),
        (GREETING, (2026, 11, 24, 20, 0), (2026, 11, 25, 8, 30)),
        (OFFER, (2026, 4, 5, 12, 0), (2026, 4, 6, 9, 0)),  # 清明 2026
        (OFFER, (2026, 12, 13, 12, 0), (2026, 12, 14, 9, 0)),  # mourning
        (GREETING, (2026, 4, 5, 12, 0), None),
        (WELCOME, (2026, 11, 24, 3, 0), None),
    ],
)
def test_G12_F1_quiet_hours_and_closed_days_hold_until_the_next_opening(
    candidate: Candidate, at: tuple[int, ...], opens: tuple[int, ...] | None
) -> None:
    moment = shanghai(*at)
    useful = replace(candidate, useful_until=None)
    expected = hold("G12", shanghai(*opens)) if opens else SEND
    assert decide(useful, at=moment) == expected


FULL = [{"sent_today": 1}, {"sent_this_week": 2}, {"sent_this_month": 6}]
TOMORROW = datetime(2026, 11, 25, 9, 0, tzinfo=SHANGHAI).astimezone(UTC)
EARLY = datetime(2026, 11, 25, 8, 30, tzinfo=SHANGHAI).astimezone(UTC)


@pytest.mark.parametrize("counts", FULL)
def test_G13_F3_over_a_cap_what_is_useful_tomorrow_moves_and_the_rest_is_dropped(
    counts: dict[str, int],
) -> None:
    moved = Decision(Answer.HOLD, ("G13", "F3"), TOMORROW)
    assert decide(standing=good(**counts)) == moved
    today_only = replace(OFFER, useful_until=TOMORROW)
    assert decide(today_only, good(**counts)) == Decision(Answer.DROP, ("G13", "F3"))


@pytest.mark.parametrize("counts", FULL)
def test_G13_F3_a_greeting_obeys_the_caps_and_service_does_not(counts: dict[str, int]) -> None:
    assert decide(GREETING, good(**counts)) == Decision(Answer.HOLD, ("G13", "F3"), EARLY)
    assert decide(NOTICE, good(**counts)) == SEND


def test_G13_F3_one_below_each_cap_is_sent() -> None:
    assert decide(standing=good(sent_this_week=1, sent_this_month=5)) == SEND


@pytest.mark.parametrize("candidate", [OFFER, GREETING, NOTICE])
def test_G13_F4_the_channels_own_quota_stops_every_purpose(candidate: Candidate) -> None:
    assert decide(candidate, good(channel_used=29)) == SEND
    assert decide(candidate, good(channel_used=30)) == Decision(Answer.DROP, ("G13", "F4"))


def test_G13_what_no_hour_of_tomorrow_fits_is_dropped_and_not_held() -> None:
    closed = Gate(GATE.thresholds, replace(GATE.calendar, windows={}))
    assert closed.move_to_tomorrow(OFFER, ("own_cap",), NOON) == drop("own_cap")


def test_G13_an_answer_counts_against_no_quota() -> None:
    assert decide(WELCOME, good(channel_used=30)) == SEND
    assert decide(WELCOME, good(channel_used=None)) == SEND


@pytest.mark.parametrize("candidate", [OFFER, GREETING, NOTICE, WELCOME])
def test_G14_a_used_key_is_never_used_again(candidate: Candidate) -> None:
    assert decide(candidate, good(key_used=True)) == drop("G14")


@pytest.mark.parametrize("candidate", [OFFER, GREETING, NOTICE, WELCOME])
def test_G15_what_no_longer_holds_is_dropped(candidate: Candidate) -> None:
    assert decide(candidate, good(relevant=False)) == drop("G15")


def test_G15_nothing_goes_out_at_or_after_its_latest_useful_moment() -> None:
    assert decide(replace(OFFER, useful_until=NOON + timedelta(seconds=1))) == SEND
    assert decide(replace(OFFER, useful_until=NOON)) == drop("G15")


# -- what cannot be read

MISSING = {
    "kill_switches": "G1",
    "known": "G2",
    "friend": "G2",
    "erased": "G2",
    "restricted": "G2",
    "refused": "G3",
    "consented": "G4",
    "notice_current": "G4",
    "paused": "F5",
    "born_on": "G5",
    "text_pinned": "G6",
    "phrases": "G7",
    "personal": "G8",
    "products_current": "G9",
    "unsuitable": "G10",
    "sender_certified": "G11",
    "sent_today": "G13",
    "sent_this_week": "G13",
    "sent_this_month": "G13",
    "channel_used": "G13",
    "channel_cap": "G13",
    "key_used": "G14",
    "relevant": "G15",
}


TO_GROUP = replace(OFFER, channel=Channel.MASS_GROUP)


def test_K10_no_product_goes_to_a_group_in_which_anyone_refused_and_other_things_may() -> None:
    refused = good(refused=True)
    assert decide(TO_GROUP, refused) == Decision(Answer.DROP, ("G3", "K10"))
    assert decide(replace(TO_GROUP, sells=False), refused) == SEND
    assert decide(TO_GROUP, good(born_on=False)) == SEND
    unread = Decision(Answer.HOLD, ("G3", "unknown"), LATER)
    assert decide(TO_GROUP, good(refused=None)) == unread


@pytest.mark.parametrize("name", Standing.__dataclass_fields__)
def test_P7_every_input_that_cannot_be_read_holds_marketing_and_names_its_rule(name: str) -> None:
    expected = Decision(Answer.HOLD, (MISSING[name], "unknown"), LATER)
    assert decide(standing=good(**{name: None})) == expected


def test_P7_a_moment_without_zone_is_never_sent() -> None:
    naive = datetime(2026, 11, 24, 12, 0)  # noqa: DTZ001  # what must be refused
    candidate = replace(OFFER, useful_until=None)
    assert decide(candidate, at=naive).rules == ("G12", "unknown")


def test_P7_a_purpose_without_opening_hours_is_never_sent() -> None:
    closed = Gate(GATE.thresholds, replace(GATE.calendar, windows={}))
    assert closed.decide(OFFER, GOOD, NOON).rules == ("G12", "unknown")


# -- order, and the worth of every rule


class Case(NamedTuple):
    candidate: Candidate
    standing: Standing
    at: datetime
    expected: Decision


BAD: dict[str, Case] = {
    "G1": Case(OFFER, good(kill_switches=frozenset({"bank"})), NOON, hold("G1")),
    "G2": Case(OFFER, good(friend=False), NOON, drop("G2")),
    "G3": Case(OFFER, good(refused=True), NOON, drop("G3")),
    "G4": Case(OFFER, good(consented=False), NOON, drop("G4")),
    "F5": Case(OFFER, good(paused=True), NOON, hold("F5")),
    "G5": Case(OFFER, good(born_on=False), NOON, drop("G5")),
    "G6": Case(OFFER, good(text_pinned=False), NOON, hold("G6")),
    "G7": Case(OFFER, good(phrases=("F006",)), NOON, Decision(Answer.DROP, ("G7", "F006"))),
    "G8": Case(OFFER, good(personal=("P001",)), NOON, Decision(Answer.DROP, ("G8", "P001"))),
    "G9": Case(OFFER, good(products_current=False), NOON, hold("G9")),
    "G10": Case(OFFER, good(unsuitable=("S1",)), NOON, Decision(Answer.DROP, ("G10", "S1"))),
    "G11": Case(OFFER, good(sender_certified=False), NOON, hold("G11")),
    "G12": Case(
        replace(OFFER, useful_until=None),
        GOOD,
        shanghai(2026, 11, 24, 21, 0),
        hold("G12", shanghai(2026, 11, 25, 9, 0)),
    ),
    "G13": Case(OFFER, good(sent_today=1), NOON, Decision(Answer.HOLD, ("G13", "F3"), TOMORROW)),
    "G14": Case(OFFER, good(key_used=True), NOON, drop("G14")),
    "G15": Case(OFFER, good(relevant=False), NOON, drop("G15")),
}
ORDER = [
    "G1",
    "G2",
    "G3",
    "G4",
    "F5",
    "G5",
    "G6",
    "G7",
    "G8",
    "G9",
    "G10",
    "G11",
    "G12",
    "G13",
    "G14",
    "G15",
]
RULES = gate_module._RULES  # the tuple is what P2 takes lines out of


def first_stop(rules: Sequence[Any], case: Case) -> Decision:
    stops = (rule(GATE, case.candidate, case.standing, case.at) for rule in rules)
    return next((stop for stop in stops if stop is not None), SEND)


@pytest.mark.parametrize("name", BAD)
def test_each_rule_alone_stops_its_case(name: str) -> None:
    case = BAD[name]
    assert decide(case.candidate, case.standing, case.at) == case.expected


@pytest.mark.parametrize("position", range(len(ORDER)))
def test_the_first_stop_in_the_order_of_the_rules_wins(position: int) -> None:
    """All rules from this position on would stop it; the one at the position answers."""
    night = shanghai(2026, 11, 24, 21, 0)
    changed: dict[str, Any] = {}
    for name in ORDER[position:]:
        standing = BAD[name].standing
        changed |= {
            field: getattr(standing, field)
            for field in Standing.__dataclass_fields__
            if getattr(standing, field) != getattr(GOOD, field)
        }
    at = night if "G12" in ORDER[position:] else NOON
    answer = decide(replace(OFFER, useful_until=None), good(**changed), at)
    assert answer.rules[0] == ORDER[position]


def test_P2_the_gate_asks_exactly_the_rules_that_have_a_case() -> None:
    names = [rule.__name__.split("_")[0].upper() for rule in RULES]
    assert names == ORDER
    assert set(BAD) == set(names)
    for case in BAD.values():
        assert first_stop(RULES, case) == decide(case.candidate, case.standing, case.at)


@pytest.mark.parametrize("position", range(len(RULES)))
def test_P2_removing_any_one_rule_changes_what_a_named_case_gets(position: int) -> None:
    fewer = [rule for number, rule in enumerate(RULES) if number != position]
    changed = [name for name, case in BAD.items() if first_stop(fewer, case) != case.expected]
    assert changed == [ORDER[position]]
