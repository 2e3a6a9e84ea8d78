"""Lift: the difference of two rates, how sure it is, and when nothing is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.lift import Arm, lift_of


def test_the_interval_is_newcombes_own_example() -> None:
    """Newcombe 1998, table II, row (a): 56/70 against 48/80 gives 0.0524 to 0.3339."""
    found = lift_of(Arm(70, 56), Arm(80, 48))
    assert found.difference == pytest.approx(0.2)
    assert (found.low, found.high) == (
        pytest.approx(0.0524, abs=5e-5),
        pytest.approx(0.3339, abs=5e-5),
    )


@pytest.mark.parametrize(
    ("treated", "held_out"),
    [
        (Arm(0, 0), Arm(100, 10)),
        (Arm(100, 10), Arm(0, 0)),
        (Arm(1000, 100), Arm(29, 3)),
        (Arm(29, 3), Arm(1000, 100)),
        (Arm(500, 3), Arm(500, 1)),
    ],
)
def test_too_few_people_or_conversions_say_nothing(treated: Arm, held_out: Arm) -> None:
    assert not lift_of(treated, held_out).enough


def test_thirty_people_and_five_conversions_are_enough() -> None:
    assert lift_of(Arm(30, 4), Arm(30, 1)).enough


arms = st.integers(1, 5000).flatmap(lambda n: st.builds(Arm, st.just(n), st.integers(0, n)))


@given(arms, arms)
def test_the_interval_holds_the_difference_and_stays_between_minus_one_and_one(
    treated: Arm, held_out: Arm
) -> None:
    found = lift_of(treated, held_out)
    assert -1.000001 <= found.low <= found.difference <= found.high <= 1.000001
    other = lift_of(held_out, treated)
    assert (other.low, other.high) == (pytest.approx(-found.high), pytest.approx(-found.low))
