from __future__ import annotations

from typing import Any

import pytest

from handlers.reading.scoring import Line, Rate, Score, Share, is_right, score


def fact(kind: str, /, **value: Any) -> dict[str, Any]:
    return {"type": kind, "value": value}


JUNE = {"date_from": "2026-06-11", "date_to": "2026-06-20"}
INFLOW = fact("cash.inflow", amount=200_000, **JUNE, source="货款")
WEDDING = fact("life.event", kind="wedding")
HIGH = fact("family.children", stage="high")
EXAM = fact("family.children", stage="high", exam="gaokao")


def scored(wanted: list[dict[str, Any]], read: list[dict[str, Any]]) -> Score:
    return score([Line("1", "话", wanted, read)])


@pytest.mark.parametrize(
    ("wanted", "read"),
    [
        (INFLOW, fact("cash.inflow", amount=200_000.0, **JUNE, source="一笔货款")),
        (INFLOW, fact("cash.inflow", amount=200_000, **JUNE, source="货")),
        (WEDDING, fact("life.event", kind="wedding", note="x")),
        (WEDDING, fact("life.event", kind="wedding", date_from=None)),
        (fact("referral.offer"), fact("referral.offer")),
    ],
)
def test_equal_keys_parts_of_free_words_and_harmless_keys_are_right(
    wanted: dict[str, Any], read: dict[str, Any]
) -> None:
    assert is_right(wanted, read)


@pytest.mark.parametrize(
    ("wanted", "read"),
    [
        (INFLOW, fact("cash.inflow", amount=200_000, **JUNE)),
        (INFLOW, fact("cash.inflow", amount=200_000, **JUNE, source="")),
        (INFLOW, fact("cash.inflow", amount=20_000, **JUNE, source="货款")),
        (INFLOW, fact("cash.outflow", amount=200_000, **JUNE, source="货款")),
        (WEDDING, fact("life.event", kind="wedding", date_from="2026-01-01")),
        (HIGH, fact("family.children", stage="high", count=1)),
        (fact("holding.other_bank", bank="工商银行"), fact("holding.other_bank", bank="工商")),
    ],
)
def test_another_value_a_missing_key_and_a_costly_one_too_many_are_wrong(
    wanted: dict[str, Any], read: dict[str, Any]
) -> None:
    assert not is_right(wanted, read)


def test_as_many_as_possible_are_paired_whatever_the_order() -> None:
    for wanted in ([HIGH, EXAM], [EXAM, HIGH]):
        for read in ([HIGH, EXAM], [EXAM, HIGH]):
            assert Rate(2, 2, 2) == scored(wanted, read).micro


def test_one_reading_is_right_for_one_wanted_fact() -> None:
    assert Rate(1, 1, 2) == scored([HIGH, HIGH], [HIGH]).micro
    assert Rate(1, 2, 1) == scored([HIGH], [HIGH, HIGH]).micro


def test_figures_of_several_messages_are_added_up() -> None:
    late = fact("cash.inflow", amount=200_000, date_from="2026-06-01", date_to="2026-06-20")
    found = score(
        [
            Line("1", "", [INFLOW, WEDDING], [late, WEDDING]),
            Line("2", "", [], [WEDDING, WEDDING, WEDDING]),
            Line("3", "", [], []),
            Line("4", "", [EXAM], []),
        ]
    )
    assert Rate(1, 5, 3) == found.micro
    assert 0.25 == found.micro.f1
    assert (Share(0, 1), Share(1, 1)) == (found.dates, found.amounts)
    assert (4, 2, 3, 150.0) == (
        found.messages,
        found.empty,
        found.false_on_empty,
        found.false_per_100_empty,
    )
    assert ["cash.inflow", "family.children", "life.event"] == list(found.types)


def test_a_date_is_right_only_with_both_ends() -> None:
    open_end = fact("cash.inflow", date_to="2026-06-20")
    assert Share(0, 1) == scored([open_end], [fact("cash.inflow", **JUNE)]).dates
    assert Share(1, 1) == scored([open_end], [open_end]).dates


def test_every_mistake_is_told_with_what_it_should_be() -> None:
    wrong = scored([INFLOW, WEDDING], [fact("cash.inflow", amount=1), HIGH]).wrong
    assert [
        ("value", INFLOW, fact("cash.inflow", amount=1)),
        ("missing", WEDDING, None),
        ("false", None, HIGH),
    ] == [(each.kind, each.wanted, each.read) for each in wrong]


def test_nothing_gives_no_share_instead_of_a_division_by_zero() -> None:
    found = score([])
    assert [None] * 5 == [
        found.micro.precision,
        found.micro.recall,
        found.micro.f1,
        found.dates.value,
        found.false_per_100_empty,
    ]
